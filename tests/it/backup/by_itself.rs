//! Backups that the server makes by itself: `backup_dir`, `backup_every` and `backup_keep`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gitops_status_server::domain::Timestamp;
use tempfile::TempDir;

use super::assert_whole;
use crate::disk::SmallDisk;
use crate::support::{Client, TestApp, report, run_tool, stored, wait_until};

/// Returns the names in a folder, and without what each has of the identity of its database.
fn found(folder: &Path) -> Vec<(String, String)> {
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = found
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let cut = |(time, rest): (&str, &str)| format!("{time}Z{}", &rest[8..]);
            let time = name.split_once("Z-").map_or(name.clone(), cut);
            (name, time)
        })
        .collect();
    names.sort();
    names
}

fn names(folder: &Path) -> Vec<String> {
    found(folder).into_iter().map(|(_, time)| time).collect()
}

/// Returns the path of the copy that was made at the time of this name.
fn copy(folder: &Path, name: &str) -> PathBuf {
    let (name, _) = found(folder).into_iter().find(|(_, time)| time == name).unwrap();
    folder.join(name)
}

fn backing_up(folder: &Path) -> TestApp {
    keeping("3", folder)
}

fn keeping(number: &str, folder: &Path) -> TestApp {
    let folder = folder.to_str().unwrap();
    TestApp::with_settings(&[
        ("backup_dir", folder),
        ("backup_every", "1h"),
        ("backup_keep", number),
    ])
}

fn metric(client: &Client, name: &str) -> Option<f64> {
    let text = client.get("/metrics").text();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn wait_for(folder: &Path, expected: &[&str]) {
    wait_until(&format!("{expected:?}"), || names(folder) == expected);
}

const FIRST: &str = "gitops-status-20260421T103225Z.db";

#[test]
fn a_backup_is_made_soon_after_the_start_and_then_every_while_and_the_newest_are_kept() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("backups");
    let app = backing_up(&folder);
    app.accept(report("nginx", "web-1", "OUT_OF_SYNC", &["nginx.conf"]));
    app.advance(Duration::from_secs(10));
    wait_for(&folder, &[FIRST]);
    let copy = copy(&folder, FIRST);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&copy)), (0o700, 0o600), "a backup holds everything");
    assert_whole(&copy);
    assert_eq!(stored(&copy, "select repo || server from entries"), ["nginxweb-1"]);
    let success = "gitops_status_backup_last_success_timestamp_seconds";
    wait_until("it is counted", || metric(&app, success) == Some(1_776_767_545.0));
    let bytes = fs::metadata(&copy).unwrap().len();
    assert_eq!(
        metric(&app, "gitops_status_backup_last_success_bytes"),
        Some(f64::from(u32::try_from(bytes).unwrap()))
    );
    assert_eq!(metric(&app, "gitops_status_backup_interval_seconds"), Some(3600.0));
    fs::write(folder.join("of-somebody-else.db"), "").unwrap();
    for expected in ["113225", "123225", "133225"] {
        app.advance(Duration::from_hours(1));
        let name = format!("gitops-status-20260421T{expected}Z.db");
        wait_until(&name, || names(&folder).contains(&name));
    }
    let kept =
        ["113225", "123225", "133225"].map(|time| format!("gitops-status-20260421T{time}Z.db"));
    let mut expected: Vec<&str> = kept.iter().map(String::as_str).collect();
    expected.push("of-somebody-else.db");
    wait_for(&folder, &expected);
}

#[test]
fn a_restart_neither_forgets_the_newest_backup_nor_makes_one_too_soon() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("backups");
    let app = backing_up(&folder);
    app.advance(Duration::from_secs(10));
    wait_for(&folder, &[FIRST]);
    let app = app.restart_after(Duration::from_mins(30));
    let success = "gitops_status_backup_last_success_timestamp_seconds";
    wait_until("it is known", || metric(&app, success) == Some(1_776_767_545.0));
    app.advance(Duration::from_mins(29));
    assert_eq!(names(&folder), [FIRST]);
    app.advance(Duration::from_mins(1));
    wait_for(&folder, &[FIRST, "gitops-status-20260421T113225Z.db"]);
}

#[test]
fn a_clock_that_was_set_back_makes_no_backup_the_oldest() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("backups");
    let app = backing_up(&folder);
    app.advance(Duration::from_secs(10));
    wait_for(&folder, &[FIRST]);
    let a_year_before = Timestamp::from_millis(1_745_231_535_000);
    app.clock.set_wall(a_year_before);
    app.accept(report("nginx", "after the jump", "SYNCED", &[]));
    app.advance(Duration::from_hours(1));
    let second = "gitops-status-20260421T103226Z.db";
    wait_for(&folder, &[FIRST, second]);
    assert_eq!(stored(&copy(&folder, second), "select server from entries"), ["after the jump"]);
}

#[test]
fn a_backup_that_cannot_be_made_is_told_and_keeps_the_others() {
    let disk = SmallDisk::mount();
    let folder = disk.path().join("backups");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(FIRST), "an old one").unwrap();
    let app = backing_up(&folder);
    let failures = "gitops_status_backup_failures_total";
    assert_eq!(metric(&app, failures), Some(0.0));
    app.advance(Duration::from_hours(2));
    wait_until("it has failed", || metric(&app, failures) == Some(1.0));
    assert_eq!(names(&folder), [FIRST]);
    let health = app.get("/health").json();
    assert_eq!(health["status"], "degraded");
    assert_eq!(
        health["message"],
        "the last backup could not be made; updates go on; see the server's log"
    );
    app.advance(Duration::from_mins(10));
    wait_until("it is tried again", || metric(&app, failures) == Some(2.0));
}

#[test]
fn a_lowered_number_of_backups_makes_room_for_the_next_one() {
    let disk = SmallDisk::of_size("84m");
    let folder = disk.path().join("backups");
    fs::create_dir(&folder).unwrap();
    for day in 17..=20 {
        let old = folder.join(format!("gitops-status-202604{day}T103225Z.db"));
        fs::write(old, vec![1; 8 << 20]).unwrap();
    }
    let app = keeping("1", &folder);
    app.advance(Duration::from_secs(10));
    // The names do not say which database they are of: it might be another one.
    wait_for(&folder, &["gitops-status-20260420T103225Z.db", FIRST]);
}

#[test]
fn a_database_that_was_begun_anew_leaves_the_last_backup_of_the_one_before() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("backups");
    let app = backing_up(&folder);
    app.advance(Duration::from_secs(10));
    wait_for(&folder, &[FIRST]);
    app.accept(report("nginx", "web-1", "SYNCED", &[]));
    app.advance(Duration::from_hours(1));
    let last = "gitops-status-20260421T113225Z.db";
    wait_for(&folder, &[FIRST, last]);
    let database = app.database();
    let app = app.restart_between(|| fs::remove_file(database).unwrap());
    let made = ["123225", "133225", "143225", "153225"]
        .map(|time| format!("gitops-status-20260421T{time}Z.db"));
    for name in &made {
        app.advance(Duration::from_hours(1));
        wait_until(name, || names(&folder).contains(name));
    }
    wait_for(&folder, &[last, &made[1], &made[2], &made[3]]);
    assert_eq!(stored(&copy(&folder, last), "select server from entries"), ["web-1"]);
    assert!(stored(&copy(&folder, &made[3]), "select server from entries").is_empty());
}

#[test]
fn a_backup_that_cannot_be_removed_keeps_no_other_from_being_made_or_removed() {
    let disk = SmallDisk::of_size("100m");
    let folder = disk.path().join("backups");
    fs::create_dir(&folder).unwrap();
    let others = ["17", "18"].map(|day| format!("gitops-status-202604{day}T103225Z.db"));
    for name in &others {
        fs::write(folder.join(name), "an old one").unwrap();
    }
    let stuck = folder.join(&others[0]);
    let stuck = stuck.to_str().unwrap();
    run_tool("mount", "mount", &["--bind", stuck, stuck], "");
    let app = keeping("1", &folder);
    app.advance(Duration::from_secs(10));
    wait_for(&folder, &[&others[0], &others[1], FIRST]);
    app.advance(Duration::from_hours(1));
    wait_for(&folder, &[&others[0], &others[1], "gitops-status-20260421T113225Z.db"]);
    assert_eq!(metric(&app, "gitops_status_backup_failures_total"), Some(0.0));
    assert_eq!(app.get("/health").json()["status"], "healthy");
}

#[test]
fn what_a_kill_has_left_of_a_backup_is_removed_by_the_next_one() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("backups");
    fs::create_dir(&folder).unwrap();
    for end in ["", "-wal", "-shm"] {
        let left = format!("gitops-status-20260421T093225Z.db.unfinished{end}");
        fs::write(folder.join(left), "half of it").unwrap();
    }
    let app = backing_up(&folder);
    app.advance(Duration::from_secs(10));
    wait_for(&folder, &[FIRST]);
}
