//! The description of the API: it is the one that is committed, and it has every path.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::TestApp;

/// The description in the repository, for those who do not run the program.
const COMMITTED: &str = "docs/openapi.json";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn described() -> Value {
    let reply = TestApp::spawn().get("/openapi.json");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    reply.json()
}

#[test]
fn the_committed_description_is_the_one_that_is_served() {
    let served = TestApp::spawn().get("/openapi.json").text();
    assert!(
        read(COMMITTED).trim_end() == served,
        "{COMMITTED} is out of date: curl -s localhost:8080/openapi.json > {COMMITTED}",
    );
}

#[test]
fn every_path_of_the_server_is_described_and_no_other() {
    let described = described();
    let paths: BTreeSet<&str> =
        described["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let routes = read("src/http/mod.rs");
    let routes: BTreeSet<&str> = routes
        .split(['\n'])
        .filter(|line| line.contains("reading(\"/") || line.contains("web::resource(\"/"))
        .filter_map(|line| line.split('"').nth(1))
        // What pages load has names that only pages know.
        .filter(|path| !path.starts_with("/assets/"))
        .collect();
    assert_eq!(paths, routes);
    let app = TestApp::spawn();
    for path in paths {
        assert_ne!(app.send("HEAD", path, &[], b"").status, 404, "{path}");
    }
}

#[test]
fn what_is_listed_has_no_column_that_is_not_described() {
    let app = TestApp::spawn();
    app.accept(crate::support::report("rsyslog", "lab", "OUT_OF_SYNC", &["a.conf"]));
    let described = described();
    for (schema, answer) in [
        ("Entry", "/status.json"),
        ("Entry", "/status.json?flat=true"),
        ("Summary", "/api/summary"),
        ("Group", "/api/repos"),
        ("Group", "/api/servers"),
        ("FileSpread", "/api/files"),
        ("Turn", "/api/timeline?from=0&to=9999999999"),
        ("HistoryPage", "/api/history"),
        ("HistoryItem", "/api/history?flat=true"),
        ("Health", "/health"),
        ("Probe", "/livez"),
    ] {
        let properties = &described["components"]["schemas"][schema]["properties"];
        let body = app.get(answer).json();
        let row =
            if schema == "HistoryItem" { &body["items"][0] } else { body.get(0).unwrap_or(&body) };
        let row = row.as_object().unwrap();
        assert!(!row.is_empty(), "{answer}");
        for column in row.keys() {
            assert!(properties.get(column).is_some(), "{answer}: {column} is not in {schema}");
        }
    }
}
