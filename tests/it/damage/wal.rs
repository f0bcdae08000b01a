//! A write-ahead log that is damaged, or torn by a power cut.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{NO_ARGUMENTS, bytes_of, repair};
use crate::support::{Process, report};

/// Few enough that no checkpoint moves them out of the log.
const UPDATES: usize = 30;
const FRAME: usize = 24 + 4096;

/// Makes a database whose updates are only in its log, as after a kill.
fn killed() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    let server = Process::start(&path, NO_ARGUMENTS);
    for number in 0..UPDATES {
        server.accept(report("repo", &format!("server-{number}"), "SYNCED", &[]));
    }
    server.kill();
    (folder, path)
}

fn change_log(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut log = bytes_of(path)[1].clone().expect("there is a log");
    assert!((log.len() - 32).is_multiple_of(FRAME) && log.len() > 50 * FRAME);
    change(&mut log);
    fs::write(format!("{}-wal", path.display()), log).unwrap();
}

/// Returns how many commits a server reports as lost.
fn lost(server: &Process) -> usize {
    let metrics = server.get("/metrics").text();
    let line = metrics.lines().find(|line| line.starts_with("gitops_status_wal_commits_lost "));
    let count: usize = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    let warning = format!("up to {count} commits that had been confirmed are lost");
    assert_eq!(server.log().contains(&warning), count > 0, "{}", server.log());
    assert_eq!(server.log().contains("are lost"), count > 0, "{}", server.log());
    count
}

#[test]
fn a_flipped_bit_in_the_log_is_reported_as_lost_updates() {
    let (_folder, path) = killed();
    change_log(&path, |log| {
        let fifth = (log.len() - 32) / FRAME / 5;
        log[32 + fifth * FRAME + 24 + 1000] ^= 1;
    });
    let server = Process::start(&path, NO_ARGUMENTS);
    let (listed, gone) = (server.list("").len(), lost(&server));
    assert!(listed < UPDATES && gone > 1);
    assert_eq!(listed + gone, UPDATES);
    server.accept(report("repo", "server-29", "SYNCED", &[]));
    server.kill();
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(lost(&server), 0, "it is not said again");
    assert_eq!(server.list("").len(), listed + 1);
}

#[test]
fn repair_says_that_updates_lost_from_the_log_cannot_be_repaired() {
    let (_folder, path) = killed();
    change_log(&path, |log| log[17] ^= 1);
    let before = bytes_of(&path);
    let (status, said) = repair(&path);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("Nothing can be repaired") && said.contains("commits ago"), "{said}");
    assert!(bytes_of(&path) == before);
}

#[test]
fn a_log_with_a_broken_header_is_reported_to_have_lost_all_its_updates() {
    for damage in ["salt", "zeroed"] {
        let (_folder, path) = killed();
        change_log(&path, |log| match damage {
            "salt" => log[17] ^= 1,
            _ => log[..4096].fill(0),
        });
        let server = Process::start(&path, NO_ARGUMENTS);
        assert_eq!(server.list("").len(), 0, "{damage}");
        assert!(lost(&server) >= UPDATES, "{damage}");
    }
}

#[test]
fn a_torn_last_commit_is_no_loss() {
    for damage in ["cut", "flipped", "frame before flipped"] {
        let (_folder, path) = killed();
        change_log(&path, |log| match damage {
            "cut" => log.truncate(log.len() - 5000),
            "flipped" => *log.last_mut().unwrap() ^= 1,
            _ => {
                let place = log.len() - FRAME - 100;
                log[place] ^= 1;
            }
        });
        let server = Process::start(&path, NO_ARGUMENTS);
        assert_eq!(lost(&server), 0, "{damage}");
        assert_eq!(server.list("").len(), UPDATES - 1, "{damage}");
    }
}

#[test]
fn the_remains_of_an_older_log_are_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    let server = Process::start(&path, NO_ARGUMENTS);
    // Enough for some checkpoints, so that the log has been restarted over its older frames.
    for number in 0..150 {
        server.accept(report("repo", &format!("server-{number}"), "SYNCED", &[]));
    }
    server.kill();
    let server = Process::start(&path, NO_ARGUMENTS);
    assert_eq!(lost(&server), 0);
    assert_eq!(server.list("").len(), 150);
}
