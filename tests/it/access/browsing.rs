//! What the pages say of tokens.

use super::kit::{ALL, Mount, Token, headers, update};
use crate::support::report;

#[test]
fn the_history_on_the_page_of_an_entry_names_who_reported() {
    let token = Token::new("rsyslog-ci.2", ALL);
    let mount = Mount::new(&[&token]);
    let app = mount.app(&[("allow_anonymous_writes", "true")]);
    app.accept(report("rsyslog", "lab", "OUT_OF_SYNC", &["a.conf"]));
    let page = app.get("/entry?repo=rsyslog&server=lab").text();
    assert!(page.contains("first report, OUT_OF_SYNC</span>"), "{page}");
    let bearer = token.bearer();
    let mut sent = headers(&bearer);
    sent.push(("Content-Type", "application/json"));
    let reply = app.send("POST", "/api/status", &sent, update("rsyslog", "lab").as_bytes());
    assert_eq!(reply.status, 200);
    let page = app.get("/entry?repo=rsyslog&server=lab").text();
    assert!(page.contains("is in sync again, SYNCED, by <bdi>rsyslog-ci.2</bdi></span>"), "{page}");
    let items = &app.get("/api/history").json()["items"];
    assert_eq!((&items[0]["by"], &items[1]["by"]), (&"rsyslog-ci.2".into(), &().into()));
}
