//! Backups: `GET /api/backup`, those that are made by themselves, and SQLite's shell.

mod by_itself;
mod commands;
mod documented;
mod download;
mod kit;
mod litestream;
mod restore;

use std::fs;
use std::path::Path;

use crate::support::{TestApp, report, run_tool, stored};

/// Fails unless a file is a whole database without a log, of which every index fits its table.
fn assert_whole(copy: &Path) {
    assert_eq!(stored(copy, "pragma integrity_check"), ["ok"]);
    assert_eq!(stored(copy, "pragma journal_mode"), ["delete"]);
}

#[test]
fn a_copy_made_beside_the_running_server_has_every_acknowledged_update() {
    let app = TestApp::spawn();
    let database = app.database();
    let copy = database.with_file_name("copy.db");
    for number in 0..20 {
        app.accept(report("nginx", &format!("web-{number:02}"), "SYNCED", &[]));
        // Only times change: these updates are in a table of their own.
        app.accept(report("nginx", &format!("web-{number:02}"), "SYNCED", &[]));
    }
    let saved = app.get("/status.json").text();
    let command = format!(".backup {}", copy.display());
    run_tool("sqlite3", "sqlite3", &[database.to_str().unwrap(), &command], "");
    app.accept(report("nginx", "too-late", "SYNCED", &[]));

    let wal = database.with_file_name("test.db-wal");
    let app = app.restart_with(|_| {
        assert!(!wal.exists() || fs::remove_file(&wal).is_ok());
        fs::rename(&copy, &database).unwrap();
    });
    assert_eq!(app.get("/status.json").text(), saved);
    app.accept(report("nginx", "afterwards", "SYNCED", &[]));
}
