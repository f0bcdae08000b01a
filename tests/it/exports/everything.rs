//! A database with everything that there is to move.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{DAYS, Database, export};
use crate::support::{TestApp, database_url, report, run_sql, wait_until};

/// Reports with everything that a report can have, and with what is hard to write as text.
fn unusual_reports() -> Vec<Value> {
    let one = |repo: &str, server: &str, files: &[&str]| {
        serde_json::from_str::<Value>(&report(repo, server, "OUT_OF_SYNC", files)).unwrap()
    };
    let mut full = one("ä", "z\"\\/\u{2028}\u{202e}😀", &["\u{feff} a ", "</script>", "a", "a"]);
    let fields = json!({
        "drift_count": 7,
        "last_check": "2026-04-21T12:32:15.120000000+02:00",
        "stale_after_seconds": 86_400,
        "ttl_seconds": 0,
        "revision": "v1 \"x\"",
        "url": "https://ci.example/run?id=1&x=%00#log",
    });
    full.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let many: Vec<String> = (0..250).map(|number| format!("file-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut expires = one("gone", "expires", &["x"]);
    expires["stale_after_seconds"] = 3600.into();
    expires["ttl_seconds"] = 100_000.into();
    let mut by_count_alone = one("Z", "counted", &[]);
    by_count_alone["sync_status"] = "SYNCED".into();
    by_count_alone["drift_count"] = 3.into();
    vec![
        full,
        one("z", "many", &many),
        one("z", "many", &["one"]),
        by_count_alone,
        expires,
        one("gone", "deleted", &["x"]),
    ]
}

/// Fills a database with everything that there is to move, and returns its export.
pub fn with_everything(old: &Path) -> String {
    let app = TestApp::with(|config| config.database_url = database_url(&old.url()));
    for report in unusual_reports() {
        app.accept(report.to_string());
        // Only times change: these updates are in a table of their own.
        app.advance(Duration::from_mins(1));
        app.accept(report.to_string());
    }
    let removed = app.send("DELETE", "/api/status?repo=gone&server=deleted", &[], b"");
    assert_eq!(removed.status, 200, "{}", removed.text());
    app.advance(DAYS);
    wait_until("silence is in the history", || {
        app.get("/api/history").text().contains("\"event\":\"stale\"")
    });
    drop(app);
    run_sql(old, "update transitions set \"by\" = 'ci' where id = 2");
    let exported = export(old);
    for held in [
        "\"by\":\"ci\"",
        "\"stale_recorded\":true",
        "\"event\":\"deleted\"",
        "\"files_removed_count\":250",
    ] {
        assert!(exported.contains(held), "{held}: {exported}");
    }
    exported
}

/// Returns an export with every field that there is.
pub fn exported_with_everything() -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.db");
    with_everything(&path);
    run_sql(&path, "insert into outages (began, ended) values (1776767535000, 1776767595000)");
    export(&path)
}
