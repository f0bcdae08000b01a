//! Backup and restore by SQLite's shell, as docs/operating.md describes them.

use std::fs;

use crate::support::{TestApp, report, run_tool};

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
