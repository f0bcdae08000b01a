//! The badge of a selection.

use std::time::Duration;

use crate::support::{TestApp, report, wait_until};

/// Returns the text of a badge, after checking its other properties.
fn badge(app: &TestApp, query: &str) -> String {
    let reply = app.get(&format!("/badge.svg{query}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("image/svg+xml"));
    assert_eq!(reply.header("cache-control"), Some("max-age=60"));
    assert!(reply.header("etag").is_some());
    let svg = reply.text();
    let (_, rest) = svg.split_once("<title>").unwrap();
    let title = rest.split_once("</title>").unwrap().0.to_owned();
    assert!(svg.contains(&format!("role=\"img\" aria-label=\"{title}\"")), "{svg}");
    let green = svg.contains("#2e7d32");
    assert_eq!(green, title.ends_with(": in sync"), "nothing else is green: {svg}");
    assert_eq!(svg.contains("#c62828"), title.ends_with("drifted"), "drift is red: {svg}");
    title
}

#[test]
fn a_badge_shows_the_status_of_its_selection() {
    let app = TestApp::spawn();
    assert_eq!(badge(&app, ""), "gitops: none");
    app.accept(report("nginx", "web-1", "SYNCED", &[]));
    app.accept(report("rsyslog", "web-1", "OUT_OF_SYNC", &["a"]));
    app.accept(report("rsyslog", "web-2", "SYNCED", &["a"]));
    assert_eq!(badge(&app, ""), "gitops: 2 drifted");
    assert_eq!(badge(&app, "?repo=nginx"), "gitops: in sync");
    assert_eq!(badge(&app, "?repo=nothing&label=nginx+%26+co"), "nginx &amp; co: none");

    app.advance(Duration::from_hours(2));
    wait_until("all are stale", || app.list("?stale=true").len() == 3);
    assert_eq!(badge(&app, "?repo=nginx"), "gitops: 1 stale");
    assert_eq!(badge(&app, ""), "gitops: 2 drifted", "silence ends no drift");
    app.accept(report("rsyslog", "web-2", "SYNCED", &[]));
    assert_eq!(badge(&app, "?server=web-2"), "gitops: in sync");
    assert_eq!(badge(&app, "?sync_status=SYNCED"), "gitops: 1 stale");
}

#[test]
fn a_badge_links_to_its_selection_where_people_reach_the_server() {
    let app = TestApp::with_settings(&[("external_url", "https://x.example/gitops")]);
    let svg = app.get("/badge.svg?repo=a%26b&label=x&drifted=true&_=7").text();
    let link = "<a href=\"https://x.example/gitops/?repo=a%26b&amp;drifted=true\" target=\"_top\">";
    assert!(svg.contains(link) && svg.ends_with("</a></svg>"), "{svg}");
    assert!(!TestApp::spawn().get("/badge.svg").text().contains("<a "));
}

#[test]
fn a_label_is_escaped() {
    let app = TestApp::spawn();
    let hostile = "%3C/text%3E%3Cscript%3E%22'%26lt;";
    let title = badge(&app, &format!("?label={hostile}"));
    assert_eq!(title, "&lt;/text&gt;&lt;script&gt;&quot;&#39;&amp;lt;: none");
    assert_eq!(badge(&app, &format!("?label={}", "%C3%BC".repeat(64))).chars().count(), 70);
    for refused in ["", "%00", "a%0Ab", "%EF%BF%BF", "a&label=b", &"x".repeat(65)] {
        let message = app.get(&format!("/badge.svg?label={refused}")).error(400);
        assert!(message.starts_with("label must be "), "{message}");
    }
}
