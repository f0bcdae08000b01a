//! `restore`.

use std::fs;
use std::process::{Command, Stdio};

use super::kit::{NO_ARGUMENTS, Place, all, command, run, succeed};
use crate::support::{OLDER, Process, report, run_sql};

#[test]
fn a_restore_refuses_while_a_server_runs_and_what_is_there_without_replace() {
    let place = Place::new();
    succeed(&mut place.command(&["backup", "copy.db"]));
    let server = Process::start(&place.database, NO_ARGUMENTS);
    server.accept(report("nginx", "too-late", "SYNCED", &[]));
    let (status, said) = run(&mut place.command(&["restore", "copy.db", "--replace"]));
    assert_eq!(status, Some(75), "{said}");
    // Its log has updates that its file lacks.
    server.kill();
    let (status, said) = run(&mut place.command(&["restore", "copy.db"]));
    assert_eq!(status, Some(65));
    assert!(said.contains("it is not empty") && said.contains("Add --replace"), "{said}");
    let said = succeed(&mut place.command(&["restore", "copy.db", "--replace"]));
    let kept = place.file("status.db.replaced-1");
    assert!(said.contains(&format!("was kept: {}", kept.display())), "{said}");
    assert_eq!(all(&place.database).0[0], all(&place.file("status.db")).0[0]);
    assert!(!all(&place.database).0[0].contains("too-late"));
    assert!(all(&kept).0[0].contains("too-late"), "with its log");
    // Once more: the number is another one.
    succeed(&mut place.command(&["restore", "copy.db", "--replace"]));
    assert!(place.file("status.db.replaced-2").exists());
}

#[test]
fn a_restore_replaces_a_damaged_database_and_one_without_its_file() {
    let place = Place::new();
    succeed(&mut place.command(&["backup", "copy.db"]));
    let whole = all(&place.database).0;
    fs::write(&place.database, "not a database").unwrap();
    fs::write(place.file("status.db-wal"), "nor a log").unwrap();
    let (status, said) = run(&mut place.command(&["restore", "copy.db"]));
    assert_eq!(status, Some(65), "{said}");
    succeed(&mut place.command(&["restore", "copy.db", "--replace"]));
    assert_eq!(all(&place.database).0, whole);
    assert_eq!(fs::read(place.file("status.db.replaced-1")).unwrap(), b"not a database");
    fs::remove_file(&place.database).unwrap();
    fs::write(place.file("status.db-wal"), "the log of nothing").unwrap();
    let said = succeed(&mut place.command(&["restore", "copy.db", "--replace"]));
    let aside = place.file("status.db.displaced-1-wal");
    assert!(said.contains(&format!("was kept: {}\n", aside.display())), "{said}");
    assert_eq!(all(&place.database).0, whole);
}

#[test]
fn a_bad_backup_is_refused_by_check_and_restore_and_nothing_changes() {
    let place = Place::new();
    succeed(&mut place.command(&["backup", "copy.db"]));
    let whole = fs::read(place.file("copy.db")).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2 / 4096 * 4096;
    damaged[middle..middle + 4096].fill(0xff);
    fs::write(place.file("damaged.db"), damaged).unwrap();
    fs::write(place.file("cut.db"), &whole[..whole.len() - 4096]).unwrap();
    fs::write(place.file("text.db"), "a letter").unwrap();
    fs::write(place.file("empty.db"), "").unwrap();
    fs::write(place.file("newer.db"), &whole).unwrap();
    run_sql(
        &place.file("newer.db"),
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9999, 'x', true, x'00', 0)",
    );
    fs::write(place.file("foreign.db"), &whole).unwrap();
    run_sql(&place.file("foreign.db"), "pragma application_id = 1");
    let before = fs::read(&place.database).unwrap();
    for name in ["damaged.db", "cut.db", "text.db", "empty.db", "newer.db", "foreign.db"] {
        let (status, said) = run(&mut place.command(&["check", name]));
        assert_eq!(status, Some(65), "{name}: {said}");
        assert!(said.starts_with(&format!("error: the database {name} is refused: ")), "{said}");
        let (status, said) = run(&mut place.command(&["restore", name, "--replace"]));
        assert_eq!(status, Some(65), "{name}: {said}");
        assert_eq!(fs::read(&place.database).unwrap(), before, "{name}");
        assert!(!place.file("status.db.restoring").exists(), "{name}");
    }
    let (status, said) = run(&mut place.command(&["restore", "missing.db", "--replace"]));
    assert_eq!(status, Some(74), "{said}");
    let (status, said) = run(&mut place.command(&["restore", "status.db", "--replace"]));
    assert_eq!(status, Some(74), "{said}");
    assert!(said.contains("it is the database itself"), "{said}");
}

#[test]
fn a_backup_of_an_older_version_is_restored_and_brought_up_to_date() {
    let place = Place::new();
    run_sql(&place.database, OLDER);
    succeed(&mut place.command(&["backup", "copy.db"]));
    let said = succeed(&mut place.command(&["check", "copy.db"]));
    assert!(said.contains("of an older version, which a start or a restore brings up"), "{said}");
    let restored = place.file("restored.db");
    succeed(&mut command(&restored, &["restore", "copy.db"]));
    assert!(all(&restored).0[0].contains("rsyslog"));
}

#[test]
fn a_copy_of_both_files_of_a_killed_server_is_restored_with_its_log() {
    let place = Place::new();
    let server = Process::start(&place.database, NO_ARGUMENTS);
    server.accept(report("nginx", "in-the-log", "SYNCED", &[]));
    server.kill();
    for end in ["", "-wal"] {
        fs::copy(place.file(&format!("status.db{end}")), place.file(&format!("copy.db{end}")))
            .unwrap();
    }
    let restored = place.file("restored.db");
    succeed(&mut command(&restored, &["restore", "copy.db"]));
    assert!(all(&restored).0[0].contains("in-the-log"));
    let said = succeed(&mut place.command(&["check"]));
    assert!(said.contains("3 entries"), "with its log: {said}");
}

/// Kills a restore at each of many moments. The start afterwards serves the old database or the new one.
#[test]
fn a_restore_that_is_killed_at_any_moment_leaves_the_old_database_or_the_new_one() {
    let place = Place::new();
    succeed(&mut place.command(&["backup", "copy.db"]));
    let (new, _) = all(&place.database);
    let server = Process::start(&place.database, NO_ARGUMENTS);
    server.accept(report("nginx", "old", "SYNCED", &[]));
    server.kill();
    let (old, [file, log]) = {
        let files = ["status.db", "status.db-wal"].map(|name| fs::read(place.file(name)).unwrap());
        (all(&place.database).0, files)
    };
    let mut seen = [false; 2];
    for call in 1.. {
        for entry in fs::read_dir(place.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("status.db") {
                fs::remove_file(path).unwrap();
            }
        }
        fs::write(&place.database, &file).unwrap();
        fs::write(place.file("status.db-wal"), &log).unwrap();
        let inject =
            format!("inject=rename,renameat2,link,linkat,unlink,fsync:signal=KILL:when={call}");
        let restore = place.command(&["restore", "copy.db", "--replace"]);
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]).arg(restore.get_program());
        traced.args(restore.get_args()).env_clear().current_dir(place.folder.path());
        let status = traced
            .stdin(Stdio::null())
            .output()
            .expect("strace is missing: apt-get install strace")
            .status;
        let (found, _) = all(&place.database);
        assert!(found == old || found == new, "killed at call {call}: {found:?}");
        seen[usize::from(found == new)] = true;
        assert!(
            !place.file("status.db.restored").exists()
                && !place.file("status.db.restoring").exists()
        );
        if status.code() == Some(0) {
            break;
        }
        assert!(call < 200, "{status:?}");
    }
    assert_eq!(seen, [true, true], "it was killed before and after it was decided");
}
