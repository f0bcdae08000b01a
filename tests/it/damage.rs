//! A damaged database: at the start, while the program runs, and in `repair`.

mod running;
mod single_entry;
mod wal;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{OLDER, Process, commands, document, report, run_sql, stored};

const NO_ARGUMENTS: &[&str] = &[];

/// The root pages of the history: its table and its indexes.
const ROOTS: [(&str, &str); 3] = [
    ("transitions", "select rootpage || '' from sqlite_schema where name = 'transitions'"),
    (
        "transitions_by_time",
        "select rootpage || '' from sqlite_schema where name = 'transitions_by_time'",
    ),
    (
        "transitions_by_state",
        "select rootpage || '' from sqlite_schema where name = 'transitions_by_state'",
    ),
];

/// Makes a database with some hundred entries, cleanly closed.
fn filled() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    let mut server = Process::start(&path, NO_ARGUMENTS);
    for number in 0..300 {
        let files = [format!("file-{number}.conf")];
        server.accept(report("repo", &format!("server-{number}"), "OUT_OF_SYNC", &[&files[0]]));
    }
    assert_eq!(server.terminate().code(), Some(0));
    (folder, path)
}

fn bytes_of(path: &Path) -> Vec<Option<Vec<u8>>> {
    ["", "-wal"].map(|suffix| fs::read(format!("{}{suffix}", path.display())).ok()).into()
}

/// Runs `repair` on a database, and returns its exit status and what it has said.
fn repair(path: &Path) -> (Option<i32>, String) {
    let mut command = Process::command(path);
    let output = command.arg("repair").stdout(Stdio::piped()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), said.concat())
}

fn history_of(server: &Process) -> usize {
    server.get("/api/history?limit=1000").json()["items"].as_array().unwrap().len()
}

/// Changes the page that a query finds, in the file of a database that nothing has open.
fn corrupt_page(path: &Path, query: &'static str, change: impl FnOnce(&mut [u8])) {
    let page: usize = stored(path, query)[0].parse().unwrap();
    let mut content = fs::read(path).unwrap();
    change(&mut content[(page - 1) * 4096..page * 4096]);
    fs::write(path, content).unwrap();
}

/// Zeroes the page that a query finds, as after a disk has lost it.
fn zero_page(path: &Path, query: &'static str) {
    corrupt_page(path, query, |page| page.fill(0));
}

fn break_free_pages(path: &Path) {
    // The header has the start of their list.
    let mut content = fs::read(path).unwrap();
    let first = u32::from_be_bytes(content[32..36].try_into().unwrap());
    assert!(first > 0, "there are to be free pages");
    let place = (usize::try_from(first).unwrap() - 1) * 4096;
    content[place..place + 4096].fill(0xff);
    fs::write(path, content).unwrap();
}

/// Asserts that the program refuses a database and leaves it unchanged; returns the message.
fn refusal(path: &Path) -> String {
    let before = bytes_of(path);
    let (status, log) = Process::run_to_end(&mut Process::command(path));
    assert_eq!(status.code(), Some(65), "{log}");
    assert!(bytes_of(path) == before, "the file was changed: {log}");
    log
}

#[test]
fn a_history_that_cannot_take_a_commit_is_refused_at_the_start() {
    let (_folder, path) = filled();
    let sound = fs::read(&path).unwrap();
    for (name, root) in ROOTS {
        zero_page(&path, root);
        let log = refusal(&path);
        assert!(log.contains("its history is damaged"), "{name}: {log}");
        assert!(log.contains("gitops-status-server repair"), "{name}: {log}");
        fs::write(&path, &sound).unwrap();
    }
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.list("").len(), 300, "what was broken is what was refused");
}

#[test]
fn damage_to_the_entries_is_refused_with_advice_that_does_not_lose_them() {
    let (_folder, path) = filled();
    zero_page(&path, "select rootpage || '' from sqlite_schema where name = 'entries'");
    let log = refusal(&path);
    assert!(log.contains("its entries are damaged"), "{log}");
    assert!(log.contains("Restore a copy"), "{log}");
}

#[test]
fn a_database_with_two_names_is_refused() {
    let (folder, path) = filled();
    let other = folder.path().join("other.db");
    fs::hard_link(&path, &other).unwrap();
    let before = bytes_of(&path);
    for name in [&path, &other] {
        let (status, log) = Process::run_to_end(&mut Process::command(name));
        assert_eq!(status.code(), Some(74), "{log}");
        assert!(log.contains("hard link"), "{log}");
    }
    assert!(bytes_of(&path) == before);
    fs::remove_file(&other).unwrap();
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.list("").len(), 300);
}

/// Makes a database, damages it, and asserts that it is refused, repaired and served again. Returns
/// the output of the repair, and the new server.
fn repaired(path: &Path, damage: &'static str) -> (String, Process) {
    zero_page(path, damage);
    fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap();
    let damaged = fs::read(path).unwrap();
    let log = refusal(path);
    assert!(log.contains("gitops-status-server repair"), "{log}");
    let (status, said) = repair(path);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("Entries: 300, all that there were"), "{said}");
    let kept = format!("{}.damaged-1", path.display());
    assert!(said.contains(&kept), "{said}");
    assert!(fs::read(&kept).unwrap() == damaged, "the damaged file is to be kept as it was");
    let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o640, "who may read it is as before");
    let server = Process::start(path, NO_ARGUMENTS);
    assert_eq!(server.list("").len(), 300);
    server.accept(report("repo", "server-1", "SYNCED", &[]));
    (said, server)
}

#[test]
fn the_commands_of_the_document_save_the_list_and_repair_the_database() {
    let (folder, path) = filled();
    let mut server = Process::start(&path, NO_ARGUMENTS);
    let shell = |command: &str| {
        let program = Path::new(env!("CARGO_BIN_EXE_gitops-status-server")).parent().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(folder.path()).env_clear().stdin(Stdio::null());
        shell.env("PATH", format!("{}:/usr/bin:/bin", program.display()));
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let text = document("docs/damage.md");
    let save = text.split('`').find(|code| code.starts_with("curl ")).unwrap();
    shell(&save.replace("localhost:8080", &server.address.to_string()));
    let saved = fs::read_to_string(folder.path().join("status.json")).unwrap();
    assert_eq!(saved, server.get("/status.json").text());
    assert_eq!(server.terminate().code(), Some(0));

    zero_page(&path, ROOTS[1].1);
    let [repair] = &commands(&text)[..] else { panic!("{text}") };
    let documented = "/var/lib/gitops-status/gitops-status.db";
    assert!(repair.command.contains(documented));
    shell(&repair.command.replace(documented, path.to_str().unwrap()));
    assert_eq!(history_of(&Process::start(&path, NO_ARGUMENTS)), 300);
}

#[test]
fn damaged_indexes_of_the_history_are_repaired_without_loss() {
    for (name, root) in &ROOTS[1..] {
        let (_folder, path) = filled();
        let (said, server) = repaired(&path, root);
        assert!(said.contains("History: 300 transitions, all"), "{name}: {said}");
        assert_eq!(history_of(&server), 301, "{name}");
    }
}

#[test]
fn a_damaged_history_is_dropped_and_the_entries_are_kept() {
    let (_folder, path) = filled();
    let (said, server) = repaired(&path, ROOTS[0].1);
    assert!(said.contains("History: lost"), "{said}");
    assert_eq!(history_of(&server), 1, "what happens from now on is recorded");
}

#[test]
fn a_history_of_an_older_version_is_kept_if_each_row_of_it_can_be_read() {
    let (_folder, path) = filled();
    run_sql(&path, OLDER);
    zero_page(&path, ROOTS[1].1);
    let (status, said) = repair(&path);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("History: 300 transitions, all"), "{said}");
    run_sql(&path, "update transitions set event = 'nonsense' where id = 7");
    let (status, said) = repair(&path);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("History: lost"), "{said}");
    assert_eq!(history_of(&Process::start(&path, NO_ARGUMENTS)), 0);
}

#[test]
fn a_repair_does_not_forget_when_the_database_was_restored() {
    let (_folder, path) = filled();
    run_sql(&path, "update meta set restored_at = 1776767535000");
    let (_, server) = repaired(&path, ROOTS[1].1);
    drop(server);
    assert_eq!(stored(&path, "select restored_at || '' from meta"), ["1776767535000"]);
}

#[test]
fn updates_that_are_only_in_the_log_are_in_the_repaired_database() {
    let (_folder, path) = filled();
    let root: usize = stored(&path, ROOTS[1].1)[0].parse().unwrap();
    let server = Process::start(&path, NO_ARGUMENTS);
    // This changes only a row of `sightings`, so the log has no page of the history.
    server.accept(report("repo", "server-7", "OUT_OF_SYNC", &["file-7.conf"]));
    let list = server.get("/status.json").text();
    server.kill();
    let mut content = fs::read(&path).unwrap();
    content[(root - 1) * 4096..root * 4096].fill(0);
    fs::write(&path, content).unwrap();
    refusal(&path);
    let (status, said) = repair(&path);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("History: 300 transitions"), "{said}");
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.get("/status.json").text(), list);
}

#[test]
fn a_repair_that_was_killed_at_its_last_step_leaves_a_database_that_starts_and_can_be_repaired() {
    let (_folder, path) = filled();
    let kept = |number| PathBuf::from(format!("{}.damaged-{number}", path.display()));
    fs::write(kept(1), "of an earlier repair").unwrap();
    // The last step replaces this file by the new one.
    fs::hard_link(&path, kept(2)).unwrap();
    let mut server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.list("").len(), 300);
    assert_eq!(server.terminate().code(), Some(0));
    assert!(!kept(2).exists());
    zero_page(&path, ROOTS[1].1);
    fs::hard_link(&path, kept(2)).unwrap();
    let (status, said) = repair(&path);
    assert_eq!(status, Some(0), "{said}");
    assert!(kept(2).exists() && fs::read(kept(1)).unwrap() == b"of an earlier repair");
    assert_eq!(Process::start(&path, NO_ARGUMENTS).list("").len(), 300);
}

#[test]
fn repair_leaves_a_sound_database_and_one_in_use_alone() {
    let (_folder, path) = filled();
    let before = bytes_of(&path);
    let (status, said) = repair(&path);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("Nothing is damaged"), "{said}");
    assert!(bytes_of(&path) == before);
    let server = Process::start(&path, NO_ARGUMENTS);
    let (status, said) = repair(&path);
    assert_eq!(status, Some(75), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    drop(server);
    let (status, said) = repair(&path.with_extension("missing"));
    assert_eq!(status, Some(74), "{said}");
}

#[test]
fn repair_does_not_guess_the_entries() {
    let (folder, path) = filled();
    zero_page(&path, "select rootpage || '' from sqlite_schema where name = 'entries'");
    let before = bytes_of(&path);
    let (status, said) = repair(&path);
    assert_eq!(status, Some(65), "{said}");
    assert!(said.contains("its entries are damaged") && said.contains("Restore a copy"), "{said}");
    assert!(bytes_of(&path) == before);
    // The other way out is an empty database.
    for suffix in ["", "-wal"] {
        let away = folder.path().join(format!("away.db{suffix}"));
        fs::rename(format!("{}{suffix}", path.display()), away).unwrap();
    }
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.list("").len(), 0);
}

#[test]
fn a_damaged_list_of_free_pages_is_repaired() {
    let (_folder, path) = filled();
    run_sql(&path, "delete from transitions where id > 20");
    break_free_pages(&path);
    let log = refusal(&path);
    assert!(log.contains("gitops-status-server repair"), "{log}");
    let (status, said) = repair(&path);
    assert_eq!(status, Some(0), "{said}");
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!((server.list("").len(), history_of(&server)), (300, 20));
}
