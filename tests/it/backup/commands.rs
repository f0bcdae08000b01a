//! `backup` and `check`, with and without a server.

use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};
use std::process::Command;

use super::assert_whole;
use super::kit::{NO_ARGUMENTS, Place, all, command, mode, run, succeed};
use crate::support::{Minted, Pair, Process, report, stored};

#[test]
fn what_was_backed_up_and_restored_is_equal_and_another_store() {
    let place = Place::new();
    let said = succeed(&mut place.command(&["backup", "copy.db"]));
    let copy = place.file("copy.db");
    let bytes = fs::metadata(&copy).unwrap().len();
    assert_eq!(said, format!("copy.db: {bytes} bytes, whole and checked\n"));
    assert_eq!(mode(&copy), 0o600);
    assert_whole(&copy);
    let said = succeed(&mut place.command(&["check", "copy.db"]));
    assert!(said.starts_with("copy.db is sound: store "), "{said}");
    assert!(said.contains(" at revision 3, 2 entries, 3 changes, the last update of 20"), "{said}");
    let restored = place.file("restored.db");
    let said = succeed(&mut command(&restored, &["restore", "copy.db"]));
    assert!(
        said.contains("restored.db was restored from copy.db: store ") && said.lines().count() == 1,
        "{said}"
    );
    let outages = "select began || ended from outages";
    assert_eq!(stored(&restored, outages), stored(&copy, outages));
    let ((before, id), (after, new_id)) = (all(&place.database), all(&restored));
    assert_eq!(before, after);
    assert_ne!(id, new_id);
}

#[test]
fn a_backup_goes_to_standard_output_and_comes_from_standard_input() {
    let place = Place::new();
    let copy = place.command(&["backup", "-"]).output().unwrap();
    assert_eq!(copy.status.code(), Some(0));
    assert!(copy.stdout.starts_with(b"SQLite format 3\0"));
    fs::write(place.file("copy.db"), copy.stdout).unwrap();
    assert_whole(&place.file("copy.db"));
    let restored = place.file("restored.db");
    let input = fs::File::open(place.file("copy.db")).unwrap();
    succeed(command(&restored, &["restore", "-"]).stdin(input));
    assert_eq!(all(&place.database).0, all(&restored).0);
}

#[test]
fn a_folder_of_backups_is_looked_through_and_its_newest_is_restored() {
    let place = Place::new();
    fs::create_dir(place.file("backups")).unwrap();
    let (status, said) = run(&mut place.command(&["check", "backups"]));
    assert_eq!(status, Some(74));
    assert!(said.contains("there is no backup in this folder"), "{said}");
    let (status, said) = run(&mut place.command(&["restore", "backups", "--replace"]));
    assert_eq!(status, Some(74), "{said}");

    let [old, new] = ["20260420T103215Z", "20260421T103215Z"];
    let name = |time: &str| format!("backups/gitops-status-{time}.db");
    succeed(&mut place.command(&["backup", &name(old)]));
    let server = Process::start(&place.database, NO_ARGUMENTS);
    server.accept(report("nginx", "newer", "SYNCED", &[]));
    drop(server);
    succeed(&mut place.command(&["backup", &name(new)]));
    fs::write(place.file("backups/notes.txt"), "of somebody else").unwrap();
    let said = succeed(&mut place.command(&["check", "backups"]));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with(&name(old)) && lines[0].contains("2 entries"), "{said}");
    assert!(lines[1].starts_with(&name(new)) && lines[1].contains("3 entries"), "{said}");

    let restored = place.file("restored.db");
    let said = succeed(&mut command(&restored, &["restore", "backups"]));
    assert!(said.contains(&format!("was restored from {}", name(new))), "{said}");
    assert!(all(&restored).0[0].contains("newer"));

    fs::write(place.file(&name(old)), "no database").unwrap();
    let (status, said) = run(&mut place.command(&["check", "backups"]));
    assert_eq!(status, Some(65), "{said}");
    assert!(said.contains(&format!("{} is sound", name(new))), "{said}");
    assert!(said.contains(&format!("the database {} is refused", name(old))), "{said}");

    fs::write(place.file(&name(new)), "no database either").unwrap();
    let (status, said) = run(&mut place.command(&["check", "backups"]));
    assert_eq!(status, Some(65), "{said}");
    for damaged in [name(old), name(new)] {
        assert!(said.contains(&format!("the database {damaged} is refused")), "{said}");
    }
}

#[test]
fn a_backup_is_asked_of_the_server_that_runs_also_in_tls_and_with_a_token() {
    let place = Place::new();
    let (pair, other) = (Pair::signed_by_itself("status.example"), Pair::signed_by_itself("x"));
    let right = Minted::new(&["--id=backup", "--backup"]);
    let wrong = Minted::new(&["--id=reader", "--read"]);
    let tokens = Minted::file(place.folder.path(), &[&right, &wrong]);
    fs::write(place.file("right.token"), format!("{}\n", right.token)).unwrap();
    fs::write(place.file("wrong.token"), &wrong.token).unwrap();
    let arguments = [pair.arguments(), vec!["--tokens-file".to_owned(), tokens.clone()]].concat();
    let server = Process::start(&place.database, &arguments);
    let listen = server.address.to_string();
    let ask = |words: &[&str], pair: &Pair| {
        let mut command = place.command(&["backup", "copy.db", "--listen", &listen]);
        command.args(["--tokens-file", &tokens]).args(pair.arguments()).args(words);
        command
    };
    let said = succeed(&mut ask(&["--token-file", "right.token"], &pair));
    assert!(said.ends_with("bytes, whole and checked\n"), "{said}");
    let copy = place.file("copy.db");
    assert_whole(&copy);
    assert_eq!(mode(&copy), 0o600);
    fs::remove_file(&copy).unwrap();
    succeed(ask(&[], &pair).env("GITOPS_STATUS_TOKEN", &right.token));
    succeed(ask(&[], &pair).env("GITOPS_STATUS_TOKEN_FILE", "right.token"));
    fs::remove_file(&copy).unwrap();

    let (status, said) = run(&mut ask(&["--token-file", "wrong.token"], &pair));
    assert_eq!(status, Some(1));
    assert!(said.contains("(403): The token reader may not take backups"), "{said}");
    let (status, said) = run(&mut ask(&[], &pair));
    assert_eq!(status, Some(1));
    assert!(said.contains("(401): ") && said.contains("by --token-file"), "{said}");
    let (status, said) = run(&mut ask(&["--token-file", "right.token"], &other));
    assert_eq!(status, Some(74));
    assert!(said.contains("another certificate than that of tls_cert"), "{said}");
    assert!(!said.contains(&right.token[..20]), "{said}");
    let (status, said) = run(ask(&[], &pair).env("GITOPS_STATUS_TOKEN", "two words"));
    assert_eq!(status, Some(2));
    assert!(said.contains("environment GITOPS_STATUS_TOKEN: expected one token"), "{said}");
    assert!(!copy.exists() && !place.file("copy.db.unfinished").exists());
}

#[test]
fn a_backup_to_a_symbolic_link_replaces_the_file_that_it_leads_to() {
    let place = Place::new();
    let file = place.file("backups/today.db");
    fs::create_dir(place.file("backups")).unwrap();
    symlink("backups/today.db", place.file("latest.db")).unwrap();
    let back_up = |more: &[&str]| {
        fs::write(&file, "the one before").unwrap();
        succeed(place.command(&["backup", "latest.db"]).args(more));
        assert_whole(&file);
        assert!(place.file("latest.db").is_symlink());
    };
    back_up(&[]);
    let server = Process::start(&place.database, NO_ARGUMENTS);
    back_up(&["--listen", &server.address.to_string()]);
}

#[test]
fn a_backup_of_a_server_that_cannot_be_asked_says_where_it_was_asked() {
    let place = Place::new();
    let _server = Process::start(&place.database, NO_ARGUMENTS);
    let (status, said) = run(&mut place.command(&["backup", "copy.db", "--listen", "127.0.0.1:1"]));
    assert_eq!(status, Some(74));
    assert!(said.contains("cannot be asked at 127.0.0.1:1"), "{said}");
    assert!(!place.file("copy.db").exists());
}

#[test]
fn check_without_a_file_looks_at_the_database_and_leaves_it_to_its_server() {
    let place = Place::new();
    let said = succeed(&mut place.command(&["check"]));
    assert!(said.contains("status.db is sound: ") && said.contains("2 entries"), "{said}");
    let _server = Process::start(&place.database, NO_ARGUMENTS);
    let (status, said) = run(&mut place.command(&["check"]));
    assert_eq!(status, Some(75), "{said}");
}

#[test]
fn postgresql_has_tools_of_its_own_for_all_three() {
    for words in [&["backup", "copy.db"][..], &["restore", "copy.db"], &["check"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
        command.env_clear().args(words).args(["--database-url", "postgres://a@localhost/b"]);
        let (status, said) = run(&mut command);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("is for a SQLite file"), "{said}");
    }
    let mut command = Process::command_on("postgres://a@localhost/b");
    let (status, said) = run(command.args(["--backup-dir", "backups"]));
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("--backup-dir") && said.contains("tools of its own"), "{said}");
}

#[test]
fn a_page_that_only_an_index_needs_is_missed_by_no_check() {
    let place = Place::new();
    let pages = stored(
        &place.database,
        "select cast(rootpage as text) from sqlite_schema where name = 'transitions_by_time'",
    );
    let page: u64 = pages[0].parse().unwrap();
    let file = fs::File::options().write(true).open(&place.database).unwrap();
    file.write_all_at(&[0; 4096], (page - 1) * 4096).unwrap();
    let (status, said) = run(&mut place.command(&["check"]));
    assert_eq!(status, Some(65), "{said}");
    assert!(said.contains("gitops-status-server repair"), "{said}");
}
