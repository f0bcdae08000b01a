//! What every example was told: it has each kind of row that a database can have.

use std::time::Duration;

use gitops_status_server::domain::Timestamp;
use serde_json::{Value, json};

use super::examples::Database;
use crate::support::{TestApp, report, wait_until};

const MINUTE: Duration = Duration::from_mins(1);
/// 2026-04-21T10:32:15Z, where the story begins.
const BEGINS: Timestamp = Timestamp::from_millis(1_776_767_535_000);
/// When it ends.
pub const ENDS: Timestamp = Timestamp::from_millis(1_776_767_535_000 + 206 * 60_000);
/// How many entries there are at its end.
pub const ENTRIES: usize = 7;

/// Returns the time of the last update, in milliseconds.
pub fn last_update() -> String {
    ENDS.millis().to_string()
}

/// Returns a report with more fields.
fn with(report: &str, fields: &Value) -> String {
    let mut report: Value = serde_json::from_str(report).unwrap();
    report.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    report.to_string()
}

fn post_all(app: &TestApp) {
    app.accept(report("web", "seen-again", "SYNCED", &[]));
    let names = ["a.conf", "sü\"ß, b.conf"];
    let run = json!({"revision": "4f2a91c", "url": "https://ci.example/7?a=1&b=%00",
                     "last_check": "2026-04-21T12:32:15.120+02:00"});
    app.accept(with(&report("web", "drifted", "OUT_OF_SYNC", &names), &run));
    app.accept(with(&report("web", "by-count", "SYNCED", &[]), &json!({"drift_count": 2})));
    // Two pairs that are one word.
    app.accept(report("a:b", "c", "SYNCED", &[]));
    app.accept(report("a", "b:c", "OUT_OF_SYNC", &["x"]));
}

fn wait_for(database: &Database, event: &str, count: usize) {
    wait_until(&format!("{count} are {event}"), || {
        let events = database.stored("select event from transitions");
        events.iter().filter(|it| *it == event).count() == count
    });
}

/// Tells the story to this version.
pub fn tell(database: &Database) -> TestApp {
    let app = TestApp::on(&database.url(), BEGINS, |_| {});
    post_all(&app);
    let silent = report("silent", "one", "OUT_OF_SYNC", &["a.conf"]);
    app.accept(with(&silent, &json!({"stale_after_seconds": 600, "ttl_seconds": 0})));
    let ending = report("ending", "one", "OUT_OF_SYNC", &["a.conf"]);
    app.accept(with(&ending, &json!({"stale_after_seconds": 600, "ttl_seconds": 1200})));
    for server in ["deleted", "deleted-and-back"] {
        app.accept(report("web", server, "OUT_OF_SYNC", &["a.conf", "b.conf"]));
    }
    app.advance(MINUTE);
    app.accept(report("web", "drifted", "OUT_OF_SYNC", &["b.conf"]));
    for server in ["deleted", "deleted-and-back"] {
        let target = format!("/api/status?repo=web&server={server}");
        assert_eq!(app.send("DELETE", &target, &[], b"").status, 200);
    }
    app.advance(MINUTE);
    app.accept(report("web", "deleted-and-back", "SYNCED", &["c.conf"]));
    app.advance(10 * MINUTE);
    wait_for(database, "stale", 2);
    app.advance(12 * MINUTE);
    wait_for(database, "expired", 1);
    let app = app.restart_after(180 * MINUTE);
    post_all(&app);
    app.accept(report("web", "deleted-and-back", "SYNCED", &["c.conf"]));
    app.advance(2 * MINUTE);
    // These change only times.
    app.accept(report("web", "seen-again", "SYNCED", &[]));
    app.accept(report("a:b", "c", "SYNCED", &[]));
    app
}
