//! The start on every kind of database, and the exit statuses.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Process, report, run_sql};

const NO_ARGUMENTS: &[&str] = &[];

/// A folder for a database, and the database's path.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    (folder, path)
}

/// Makes a database with some hundred entries, cleanly closed.
fn filled(path: &Path) {
    let mut server = Process::start(path, NO_ARGUMENTS);
    for number in 0..300 {
        server.accept(report("repo", &format!("server-{number}"), "SYNCED", &[]));
    }
    assert_eq!(server.terminate().code(), Some(0));
}

fn bytes(path: &Path) -> Option<Vec<u8>> {
    fs::read(path).ok()
}

fn log_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

/// Asserts that the program refuses a database and leaves it unchanged.
fn assert_refused(path: &Path, expected: &str) {
    let before = (bytes(path), bytes(&log_of(path)));
    let (status, log) = Process::run_to_end(&mut Process::command(path));
    assert_eq!(status.code(), Some(65), "{expected}: {log}");
    assert!(log.contains(expected), "{expected}: {log}");
    assert!((bytes(path), bytes(&log_of(path))) == before, "{expected}: the file was changed");
}

#[test]
fn a_second_process_on_the_same_database_is_refused() {
    let (folder, path) = place();
    let server = Process::start(&path, NO_ARGUMENTS);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for name in [&path, &link] {
        let (status, log) = Process::run_to_end(&mut Process::command(name));
        assert_eq!(status.code(), Some(75), "{log}");
        assert!(log.contains("in use by another process"), "{log}");
    }
    server.accept(report("repo", "server", "SYNCED", &[]));
    server.kill();
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.list("").len(), 1);
}

#[test]
fn of_many_simultaneous_starts_exactly_one_serves() {
    for _ in 0..5 {
        let (_folder, path) = place();
        let starts: Vec<_> = (0..4)
            .map(|_| {
                let mut command = Process::command(&path);
                std::thread::spawn(move || Process::try_run(&mut command))
            })
            .collect();
        let outcomes: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        let refused: Vec<&String> = outcomes.iter().filter_map(|one| one.as_ref().err()).collect();
        assert_eq!(refused.len(), 3, "{refused:?}");
        assert!(refused.iter().all(|log| log.contains("in use")), "{refused:?}");
    }
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let (_folder, path) = place();
    filled(&path);
    run_sql(
        &path,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9999, 'the future', true, x'00', 0)",
    );
    let way_out = "Start the newer version, or restore a copy from before it ran";
    assert_refused(
        &path,
        "it was written by a newer version of gitops-status-server (migration 9999)",
    );
    assert_refused(&path, way_out);
}

#[test]
fn a_database_with_another_schema_is_refused() {
    let (_folder, path) = place();
    filled(&path);
    run_sql(&path, "update _sqlx_migrations set checksum = x'00'");
    assert_refused(&path, "schema is not one of");
}

#[test]
fn a_database_that_lacks_a_part_is_refused() {
    for sql in [
        "delete from meta",
        "drop table meta",
        "drop table entries",
        "alter table entries drop column url",
    ] {
        let (_folder, path) = place();
        filled(&path);
        run_sql(&path, sql);
        assert_refused(&path, "lacks what its schema promises");
    }
}

#[test]
fn another_programs_database_is_refused() {
    let (_folder, path) = place();
    run_sql(&path, "create table theirs (a); insert into theirs values (1)");
    assert_refused(&path, "not a database of gitops-status-server");
}

#[test]
fn a_damaged_database_is_refused() {
    for (what, expected) in [
        ("empty", "it is empty"),
        ("text", "not a SQLite database"),
        ("header", "not a SQLite database"),
        ("truncated", "damaged"),
        ("zeroed", "damaged"),
        ("noise", "damaged"),
    ] {
        let (_folder, path) = place();
        filled(&path);
        let mut content = fs::read(&path).unwrap();
        let last_page = content.len() - 4096;
        match what {
            "empty" => content.clear(),
            "text" => content = b"this is no database\n".repeat(100),
            "header" => content[..16].fill(7),
            "truncated" => content.truncate(last_page / 2),
            "zeroed" => content[4096..].chunks_mut(4096).for_each(|page| page.fill(0)),
            "noise" => {
                for (place, byte) in content[4096..].iter_mut().enumerate() {
                    *byte = u8::try_from(place * 31 % 251).unwrap();
                }
            }
            other => panic!("{other}"),
        }
        fs::write(&path, content).unwrap();
        assert_refused(&path, expected);
    }
}

#[test]
fn an_entry_that_the_program_cannot_have_written_is_refused() {
    let (_folder, path) = place();
    filled(&path);
    run_sql(&path, "update entries set last_check = 'yesterday' where server = 'server-7'");
    assert_refused(&path, "last_check");
}

#[test]
fn a_log_without_its_database_is_refused() {
    let (_folder, path) = place();
    fs::write(log_of(&path), b"what is left").unwrap();
    assert_refused(&path, "no database beside it");
    assert!(!path.exists());
}

#[test]
fn noise_in_the_log_of_a_sound_database_does_not_stop_the_start() {
    for suffix in ["-wal", "-shm"] {
        let (_folder, path) = place();
        filled(&path);
        fs::write(format!("{}{suffix}", path.display()), b"noise ".repeat(5000)).unwrap();
        let server = Process::start(&path, NO_ARGUMENTS);
        assert_eq!(server.list("").len(), 300);
    }
}

#[test]
fn files_of_a_killed_first_start_do_not_stop_the_next() {
    let (_folder, path) = place();
    let mut unfinished = fs::File::create(format!("{}.new", path.display())).unwrap();
    unfinished.write_all(b"half a database").unwrap();
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(server.list("").len(), 0);
}

#[test]
fn a_database_that_cannot_be_opened_has_another_status_than_a_damaged_one() {
    let (folder, _) = place();
    for path in [folder.path().join("missing/status.db"), folder.path().to_owned()] {
        let (status, log) = Process::run_to_end(&mut Process::command(&path));
        assert!(matches!(status.code(), Some(74 | 2)), "{log}");
        assert!(log.contains(&path.display().to_string()), "{log}");
    }
}

#[test]
fn an_address_in_use_has_its_own_exit_status() {
    let (_folder, path) = place();
    let (_other_folder, other) = place();
    let server = Process::start(&path, NO_ARGUMENTS);
    let address = server.client.address.to_string();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().args(["--listen", &address]);
    command.arg("--database-url").arg(format!("sqlite://{}", other.display()));
    let (status, log) = Process::run_to_end(&mut command);
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("cannot be listened on"), "{log}");
}
