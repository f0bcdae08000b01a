//! Filters by commit, and names that are taken as they are, on every path that has filters.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Events, TestApp, report};

/// Sends a report that lists one file and names a commit.
fn accept(app: &TestApp, repo: &str, server: &str, file: &str, revision: Option<&str>) {
    let mut body: Value =
        serde_json::from_str(&report(repo, server, "OUT_OF_SYNC", &[file])).unwrap();
    body["revision"] = revision.into();
    app.accept(body.to_string());
}

/// Entries with names that are read as lists and patterns, and entries that those would match.
fn fleet() -> TestApp {
    let app = TestApp::spawn();
    accept(&app, "a,b", "{x}", "*.conf", Some("v*"));
    accept(&app, "a", "x", "a.conf", Some("v1"));
    accept(&app, "b", "x", "b.conf", Some("v2"));
    accept(&app, "*", "$__all", "c", None);
    app.advance(Duration::from_mins(1));
    app
}

/// Returns how many entries each path has for a query.
fn counts(app: &TestApp, query: &str) -> Vec<(&'static str, usize)> {
    let rows = |path: &str| {
        let reply = app.get(&format!("{path}?{query}"));
        assert_eq!(reply.status, 200, "{path}?{query}: {}", reply.text());
        reply
    };
    let length = |value: &Value| value.as_array().unwrap().len();
    let badge = rows("/badge.svg").text();
    let mut texts = badge.split(['<', '>']);
    let badge = texts.find_map(|text| text.strip_suffix(" drifted")?.parse().ok());
    let page = rows("/").text();
    vec![
        ("list", length(&rows("/status.json").json())),
        ("csv", rows("/status.csv").text().lines().count() - 1),
        ("summary", rows("/api/summary").json()["entries"].as_u64().unwrap().try_into().unwrap()),
        ("repos", length(&rows("/api/repos").json())),
        ("servers", length(&rows("/api/servers").json())),
        ("files", length(&rows("/api/files").json())),
        ("history", length(&rows("/api/history").json()["items"])),
        ("timeline", length(&rows("/api/timeline").json())),
        ("badge", badge.unwrap_or(0)),
        ("page", page.matches("<tr role=\"row\" data-key").count()),
    ]
}

#[test]
fn a_name_with_a_comma_a_star_or_braces_can_be_asked_for_alone_on_every_path() {
    let app = fleet();
    for query in [
        "literal=true&repo=a,b",
        "var-repo=a,b&literal=1",
        "literal=true&server={x}",
        "literal=true&var-server=$__all",
        "literal=true&repo=*",
        "literal=true&repo=&server=&repo=*",
        "literal=true&file=*.conf",
        "literal=true&revision=v*",
        "literal=true&var-revision=v*&q=a,",
    ] {
        for (path, count) in counts(&app, query) {
            assert_eq!(count, 1, "{path}?{query}");
        }
    }
    assert_eq!(app.list("?repo=a,b").len(), 3, "tried whole as well as split");
    assert_eq!(app.list("?repo=a,b&literal=false").len(), 3);
    assert_eq!(app.list("?repo=*").len(), 4);
    assert_eq!(app.list("?literal=true&repo=&revision=").len(), 4, "empty values are dropped");
    assert_eq!(app.list("?literal=true&repo=a&repo=b").len(), 2, "repeated values are a list");
    assert_eq!(app.list("?literal=true&sync_status=SYNCED,OUT_OF_SYNC&drifted=1").len(), 4);
}

#[test]
fn who_runs_a_commit_can_be_asked_on_every_path() {
    let app = fleet();
    for (query, expected) in [("revision=v1", 1), ("revision={v1,v2}", 2), ("revision=w*", 0)] {
        for (path, count) in counts(&app, query) {
            // Both entries are of the same server.
            let expected = if path == "servers" { expected.min(1) } else { expected };
            assert_eq!(count, expected, "{path}?{query}");
        }
    }
    accept(&app, "a", "x", "a.conf", Some("v2"));
    accept(&app, "a", "x", "b.conf", Some("v3"));
    assert_eq!(app.names("?revision=v3"), ["a/x"]);
    let items = app.get("/api/history?revision=v1&repo=a").json()["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1, "the history has the commit of each change");
}

#[test]
fn the_stream_of_a_commit_or_an_exact_name_has_no_other_changes() {
    let app = fleet();
    let query = "/api/events?fields=repo&literal=true&revision=v*";
    let (mut stream, _) = Events::open(&app, query, &[]);
    accept(&app, "a", "x", "other", Some("v1"));
    accept(&app, "a,b", "{x}", "other", Some("v*"));
    let (event, row) = stream.next().unwrap();
    assert_eq!((event.as_str(), &row["repo"]), ("entry", &Value::from("a,b")));
}

#[test]
fn every_page_links_to_names_that_look_like_lists_and_patterns() {
    let app = fleet();
    let unescaped = |text: &str| text.replace("&#38;", "&").replace("&amp;", "&");
    let links = |page: &str| -> Vec<String> {
        let links = page.split("href=\"").skip(1);
        links.map(|link| unescaped(link.split('"').next().unwrap())).collect()
    };
    let page = app.get("/entry?repo=a,b&server={x}").text();
    for (start, expected) in
        [("./?repo=", 1), ("./?server=", 1), ("./?revision=", 1), ("api/history?", 1)]
    {
        let link = links(&page).into_iter().find(|link| link.starts_with(start)).unwrap();
        let target = link.trim_start_matches('.').trim_start_matches('/');
        let reply = app.get(&format!("/{target}")).text();
        let found = reply.matches("data-key").count() + reply.matches("\"event\":").count();
        assert_eq!(found, expected, "{link}");
    }
    let wall = app.get("/?view=wall").text();
    let of_repo = |repo: &str| links(&wall).into_iter().find(|link| link.contains(repo));
    assert_eq!(of_repo("=a,b").as_deref(), Some("./?repo=a,b&literal=true"));
    let wall = app.get("/?view=wall&server=*x*").text();
    assert!(wall.contains("<bdi>a,b</bdi>") && !wall.contains("repo=a,b"), "{wall}");
}

#[test]
fn a_page_reads_every_name_as_it_is_when_its_link_says_so() {
    let app = fleet();
    let stars = "*x*,".repeat(101);
    let page = app.get(&format!("/?repo={stars}&literal=true")).text();
    assert!(!page.contains("role=\"alert\""), "101 stars are no patterns: {page}");
    let page = app.get("/?literal=perhaps&repo=a").text();
    assert!(page.contains("literal must be true or false"), "{page}");
    assert_eq!(page.matches("data-key").count(), 1, "the other filter holds");
}
