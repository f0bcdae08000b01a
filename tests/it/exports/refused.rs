//! What is no whole export is refused, and databases that hold anything are.

use super::*;

/// Asserts that an import is refused and leaves nothing; returns the message.
fn refusal(text: &[u8], folder: &Path) -> String {
    let (file, new) = (folder.join("broken.jsonl"), folder.join("new.db"));
    fs::write(&file, text).unwrap();
    let (status, said, error) = import(&file, &new);
    assert_eq!((status, said.as_str()), (Some(65), ""), "{error}");
    for name in ["new.db", "new.db-wal", "new.db.new", "new.db.new-journal"] {
        assert!(!folder.join(name).exists(), "{name}: {error}");
    }
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn an_export_that_was_cut_off_anywhere_is_refused() {
    let (folder, path) = filled();
    let whole = export(&path);
    let ends: Vec<_> = whole.match_indices('\n').map(|(place, _)| place + 1).collect();
    // After each tenth line, and in the midst of it.
    for (number, end) in (1..).zip(&ends).step_by(10) {
        let error = refusal(&whole.as_bytes()[..*end], folder.path());
        assert!(
            error.contains(&format!("line {} of the export: it ends here", number + 1)),
            "{error}"
        );
        let error = refusal(&whole.as_bytes()[..end - 20], folder.path());
        assert!(error.contains(&format!("line {number} of the export: ")), "{error}");
    }
    let without_end = &whole[..ends[ends.len() - 2]];
    assert!(refusal(without_end.as_bytes(), folder.path()).contains("cut off"));
    assert!(refusal(b"", folder.path()).contains("line 1 of the export: it is empty"));
    // The end of the last line may be missing.
    import_text(whole.trim_end(), &folder.path().join("new.db"));
}

#[test]
fn a_damaged_export_is_refused_with_the_line_and_the_reason() {
    let (folder, path) = filled();
    let whole = export(&path);
    let lines: Vec<&str> = whole.lines().collect();
    let with = |number: usize, line: &str| {
        let mut lines = lines.clone();
        lines[number - 1] = line;
        lines.join("\n")
    };
    let changed = |number: usize, from: &str, to: &str| {
        let line = lines[number - 1].replacen(from, to, 1);
        assert_ne!(line, lines[number - 1], "{from} is not in line {number}");
        with(number, &line)
    };
    let last = lines.len();
    // Line 2 is the first entry, line 52 the first transition.
    for (text, line, reason) in [
        ("what is this?".to_owned(), 1, "no export of gitops-status-server"),
        (changed(1, "gitops-status-export", "other"), 1, "no export of gitops-status-server"),
        (changed(1, "\"version\":1", "\"version\":2"), 1, "an export of version 2"),
        (changed(1, "\"entries\":50", "\"entries\":51"), last, "entries: 50, "),
        (changed(last, "\"entries\":50", "\"entries\":49"), last, "expected entries: 49"),
        (changed(2, "OUT_OF_SYNC", "WELL"), 2, "sync_status must be SYNCED or OUT_OF_SYNC"),
        (changed(2, "\"drift_count\":2", "\"drift_count\":-2"), 2, "invalid value: integer"),
        (changed(2, "\"url\":null", "\"link\":null"), 2, "unknown field `link`"),
        (changed(2, "server-00", " "), 2, "server must be "),
        (changed(2, "\"updated_at\":\"2", "\"updated_at\":\"x"), 2, "an RFC 3339 time"),
        (
            changed(2, "\"drifted_since\":\"2", "\"drifted_since\":null,\"x\":\"2"),
            2,
            "unknown field",
        ),
        (changed(3, "server-01", "server-00"), 3, "the order of keys or ids"),
        (changed(53, "\"id\":2", "\"id\":1"), 53, "the order of keys or ids"),
        (changed(52, "\"id\":1", "\"id\":0"), 52, "id must be a number from 1 on"),
        (changed(52, "\"first\"", "\"last\""), 52, "the event is unknown"),
        (changed(52, "files_added_count\":1", "files_added_count\":7"), 52, "the count of files"),
        (with(60, lines[2]), 60, "the order of keys or ids"),
        (with(60, ""), 60, "EOF while parsing"),
        (with(60, "{\"entry\":{}}"), 60, "missing field `repo`"),
        (with(60, "{\"other\":{}}"), 60, "unknown variant `other`"),
        (changed(2, "a.conf", "c.conf"), last, "not what was exported (sha256)"),
        (format!("{whole}\n"), last + 1, "something follows its last line"),
    ] {
        let error = refusal(text.as_bytes(), folder.path());
        assert!(error.contains(&format!("line {line} of the export: ")), "{error}");
        assert!(error.contains(reason), "{reason}: {error}");
        assert!(error.trim_end().ends_with("; nothing was imported"), "{error}");
    }
    let mut no_text = whole.clone().into_bytes();
    no_text[lines[0].len() + 20] = 0xff;
    assert!(refusal(&no_text, folder.path()).contains("line 2 of the export: "));
}

#[test]
fn an_import_into_a_database_that_holds_anything_changes_nothing() {
    let (folder, path) = filled();
    let file = folder.path().join("whole.jsonl");
    fs::write(&file, export(&path)).unwrap();
    let before = fs::read(&path).unwrap();
    let (status, _, error) = import(&file, &path);
    assert_eq!(status, Some(65), "{error}");
    assert!(error.contains("it is not empty; it was left as it is."), "{error}");
    assert!(fs::read(&path).unwrap() == before);

    // What is left of entries that were removed is worth keeping too.
    run_sql(&path, "delete from entries");
    let (status, _, error) = import(&file, &path);
    assert_eq!(status, Some(65), "{error}");

    let new = folder.path().join("new.db");
    let server = Process::start(&new, NO_ARGUMENTS);
    let (status, _, error) = import(&file, &new);
    assert_eq!(status, Some(75), "a server has it open: {error}");
    assert_eq!(server.list("").len(), 0);
}

#[test]
fn a_database_of_an_older_version_is_not_exported_before_a_start_has_brought_it_up_to_date() {
    let (_folder, path) = filled();
    let exported = export(&path);
    run_sql(&path, OLDER);
    let (status, _, error) = run(&mut command(&["export"], &path));
    assert_eq!(status, Some(74), "{error}");
    assert!(error.contains("start the server, which brings it up to date"), "{error}");
    assert_eq!(Process::start(&path, NO_ARGUMENTS).terminate().code(), Some(0));
    let now = export(&path);
    let transitions = |text: &str| text.matches("{\"transition\":").count();
    assert_eq!(transitions(&now), transitions(&exported));
}

/// Begins an import, and kills it when some of it has been read.
pub(super) fn kill_while_importing(
    whole: &str,
    new: &(impl Database + ?Sized),
    is_under_way: impl Fn() -> bool,
) {
    let mut importing = command(&["import", "-"], new).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = importing.stdin.take().unwrap();
    // More than the pipe holds: so much has been read once it is written.
    input.write_all(&whole.as_bytes()[..whole.len() - 100]).unwrap();
    wait_until("the import is under way", &is_under_way);
    importing.kill().unwrap();
    importing.wait().unwrap();
}

#[test]
fn an_import_that_is_killed_leaves_what_was_there() {
    let (folder, path) = filled();
    let whole = export(&path);
    assert!(whole.len() > 64 * 1024 / 2);
    let new = folder.path().join("new.db");
    let unfinished = folder.path().join("new.db.new");
    kill_while_importing(&whole, &new, || unfinished.exists());
    assert!(unfinished.exists(), "it was killed in the midst");
    assert!(!new.exists());
    import_text(&whole, &new);
    fs::remove_file(&new).unwrap();

    assert_eq!(Process::start(&new, NO_ARGUMENTS).terminate().code(), Some(0));
    let before = fs::read(&new).unwrap();
    kill_while_importing(&whole, &new, || unfinished.exists());
    assert!(fs::read(&new).unwrap() == before);
    assert_eq!(Process::start(&new, NO_ARGUMENTS).list("").len(), 0);
    assert!(!unfinished.exists(), "a start removes what a kill left");
    import_text(&whole, &new);
}
