//! Summaries and tables of figures: each count equals the length of the list with its filter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{TestApp, report, wait_until};

/// An application with entries of every kind, among them stale ones.
fn fleet() -> TestApp {
    let app = TestApp::spawn();
    for step in 0..2 {
        for number in 0..40 {
            if (number % 3 == 0) == (step == 1) {
                app.accept(entry(number));
            }
        }
        app.advance(Duration::from_secs([3600, 3601][step]));
    }
    wait_until("the first ones are stale", || app.list("?stale=true").len() == 26);
    app
}

fn entry(number: usize) -> String {
    let repo = ["nginx", "rsyslog", "a,b", "Größe"][number % 4];
    let server = format!("web-{}", number / 4);
    let status = if number % 5 < 2 { "OUT_OF_SYNC" } else { "SYNCED" };
    let files = ["nginx.conf", "site.conf", "b/c.conf", "site.conf"];
    let mut body: Value =
        serde_json::from_str(&report(repo, &server, status, &files[..number % 5])).unwrap();
    body["drift_count"] = (number % 3).into();
    body.to_string()
}

fn get(app: &TestApp, target: &str) -> Value {
    let reply = app.get(target);
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"), "{target}");
    let body = reply.json();
    if let Some(rows) = body.as_array() {
        assert_eq!(reply.header("x-total-count"), Some(rows.len().to_string().as_str()));
    }
    body
}

fn is_drifted(row: &Value) -> bool {
    row["sync_status"] == "OUT_OF_SYNC" || row["drift_count"] != 0
}

fn oldest<'a>(rows: impl Iterator<Item = &'a Value>) -> Value {
    rows.map(|row| row["drifted_since"].as_str().unwrap()).min().into()
}

/// Counts rows of a list as a summary does.
fn counted(rows: &[&Value]) -> Value {
    let count = |keep: &dyn Fn(&Value) -> bool| rows.iter().filter(|row| keep(row)).count();
    json!({
        "entries": rows.len(),
        "synced": count(&|row| row["sync_status"] == "SYNCED"),
        "out_of_sync": count(&|row| row["sync_status"] == "OUT_OF_SYNC"),
        "drifted": count(&|row| is_drifted(row)),
        "stale": count(&|row| row["stale"] == true),
        "stale_drifted": count(&|row| is_drifted(row) && row["stale"] == true),
        "drift_count": rows.iter().map(|row| row["drift_count"].as_u64().unwrap()).sum::<u64>(),
        "drifted_since": oldest(rows.iter().copied().filter(|row| is_drifted(row))),
    })
}

/// Counts rows of a list by the name in one of their columns.
fn grouped(rows: &[Value], column: &str) -> Value {
    let mut groups: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in rows {
        groups.entry(row[column].as_str().unwrap()).or_default().push(row);
    }
    let row = |(name, rows): (&&str, &Vec<&Value>)| {
        let mut row = counted(rows);
        row.as_object_mut().unwrap().remove("stale_drifted");
        row.as_object_mut().unwrap().remove("drifted_since");
        row[column] = json!(name);
        row
    };
    groups.iter().map(row).collect()
}

/// Counts the files of the drifted rows of a list.
fn spread(rows: &[Value], passes: impl Fn(&str) -> bool) -> Value {
    let mut files: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_drifted(row)) {
        let names = row["files"].as_array().unwrap().iter();
        let names: BTreeSet<&str> = names.map(|file| file["name"].as_str().unwrap()).collect();
        for name in names.into_iter().filter(|name| passes(name)) {
            files.entry(name).or_default().push(row);
        }
    }
    let distinct = |rows: &[&Value], column: &str| {
        rows.iter().map(|row| row[column].as_str().unwrap()).collect::<BTreeSet<_>>().len()
    };
    let mut rows: Vec<Value> = files
        .iter()
        .map(|(name, rows)| {
            json!({
                "name": name,
                "entries": rows.len(),
                "repos": distinct(rows, "repo"),
                "servers": distinct(rows, "server"),
                "since": oldest(rows.iter().copied()),
            })
        })
        .collect();
    let number = |row: &Value, column: &str| row[column].as_u64().unwrap();
    rows.sort_by_key(|row| {
        let name = row["name"].as_str().unwrap().to_owned();
        (u64::MAX - number(row, "servers"), u64::MAX - number(row, "entries"), name)
    });
    rows.into()
}

fn any_filter() -> impl Strategy<Value = String> {
    let one = prop::sample::select(vec![
        "repo=nginx",
        "var-repo=%7Bnginx,rsyslog%7D",
        "repo=a,b",
        "repo=r*",
        "server=web-1,web-2,web-3",
        "server=web-*",
        "server=nothing",
        "sync_status=OUT_OF_SYNC",
        "sync_status=synced",
        "drifted=true",
        "drifted=false",
        "stale=true",
        "stale=0",
        "q=GR%C3%96SSE",
        "q=b/c",
    ]);
    prop::collection::vec(one, 0..4).prop_map(|filters| filters.join("&"))
}

#[test]
fn a_count_equals_the_length_of_the_list_with_its_filter() {
    let app = fleet();
    proptest!(ProptestConfig::with_cases(200), |(filter in any_filter())| {
        let rows = app.list(&format!("?{filter}"));
        let all: Vec<&Value> = rows.iter().collect();
        prop_assert_eq!(get(&app, &format!("/api/summary?{filter}")), counted(&all));
        for (path, column) in [("/api/repos", "repo"), ("/api/servers", "server")] {
            prop_assert_eq!(get(&app, &format!("{path}?{filter}")), grouped(&rows, column));
        }
        prop_assert_eq!(get(&app, &format!("/api/files?{filter}")), spread(&rows, |_| true));
    });
}

#[test]
fn a_filter_on_files_also_limits_the_rows_to_matching_names() {
    let app = fleet();
    for (filter, passes) in [
        ("file=site.conf", (|name| name == "site.conf") as fn(&str) -> bool),
        ("file=*site*&stale=true", |name| name.contains("site")),
        ("file=b*&file=nginx.conf", |name| name.starts_with('b') || name == "nginx.conf"),
        ("file=nothing", |_| false),
    ] {
        let rows = app.list(&format!("?{filter}"));
        assert_eq!(get(&app, &format!("/api/files?{filter}")), spread(&rows, passes), "{filter}");
    }
    assert_eq!(get(&app, "/api/files?drifted=false"), json!([]), "only drifted entries count");
}

#[test]
fn a_file_that_an_entry_lists_twice_counts_once() {
    let app = TestApp::spawn();
    app.accept(report("repo", "b", "OUT_OF_SYNC", &["x", "y", "x"]));
    app.accept(report("repo", "a", "OUT_OF_SYNC", &["y"]));
    app.accept(report("other", "b", "OUT_OF_SYNC", &["x", "x"]));
    let rows = get(&app, "/api/files?fields=name,entries,repos,servers");
    let row = |name, entries, repos, servers| json!({ "name": name, "entries": entries, "repos": repos, "servers": servers });
    assert_eq!(rows, json!([row("y", 2, 1, 2), row("x", 2, 2, 1)]));
}

#[test]
fn without_entries_there_are_zeros_and_no_rows() {
    let app = TestApp::spawn();
    let text = app.get("/api/summary").text();
    assert_eq!(
        text,
        r#"{"entries":0,"synced":0,"out_of_sync":0,"drifted":0,"stale":0,"stale_drifted":0,"drift_count":0,"drifted_since":null}"#
    );
    for path in ["/api/repos", "/api/servers", "/api/files"] {
        assert_eq!(app.get(path).text(), "[]");
    }
}

#[test]
fn figures_come_in_the_order_that_fields_asks_for() {
    let app = TestApp::spawn();
    app.accept(report("nginx", "web-1", "OUT_OF_SYNC", &["a", "b"]));
    for (target, expected) in [
        ("/api/summary?fields=drifted,entries", r#"{"drifted":1,"entries":1}"#),
        ("/api/repos?fields=repo", r#"[{"repo":"nginx"}]"#),
        ("/api/servers?fields=%7Bserver,stale%7D", r#"[{"server":"web-1","stale":0}]"#),
        ("/api/files?fields=servers,name&limit=1", r#"[{"servers":1,"name":"a"}]"#),
        (
            "/api/repos",
            r#"[{"repo":"nginx","entries":1,"synced":0,"out_of_sync":1,"drifted":1,"stale":0,"drift_count":2}]"#,
        ),
    ] {
        assert_eq!(app.get(target).text(), expected, "{target}");
    }
    let message = app.get("/api/files?fields=repo").error(400);
    assert_eq!(message, "fields must be a comma list of name, entries, repos, servers, since");
    app.get("/api/repos?fields=repo,repo").error(400);
}

#[test]
fn a_page_of_figures_says_how_many_rows_there_are() {
    let app = fleet();
    let all = get(&app, "/api/servers");
    let reply = app.get("/api/servers?limit=3&offset=2");
    assert_eq!(reply.header("x-total-count"), Some("10"));
    assert_eq!(reply.json(), json!(all.as_array().unwrap()[2..5]));
    for query in ["limit=0", "limit=100001", "offset=-1", "limit=1&limit=2"] {
        app.get(&format!("/api/servers?{query}")).error(400);
    }
}

#[test]
fn an_unknown_parameter_is_refused_with_a_list_of_the_known_ones() {
    let app = TestApp::spawn();
    let filters = "repo, server, file, sync_status, drifted, stale, revision, q, literal";
    for (path, known) in [
        ("/api/summary", format!("{filters} and fields")),
        ("/api/repos", format!("{filters}, fields, limit and offset")),
        ("/api/servers", format!("{filters}, fields, limit and offset")),
        ("/api/files", format!("{filters}, fields, limit and offset")),
        ("/badge.svg", format!("{filters} and label")),
    ] {
        let message = app.get(&format!("{path}?_=1&flat=true")).error(400);
        assert_eq!(message, format!("Unknown parameter \"flat\"; known are {known}"));
        assert_eq!(app.send("POST", path, &[], b"").error(405), {
            "This path does not take this method; it takes GET, HEAD"
        });
    }
}

#[test]
fn unchanged_figures_are_not_sent_again() {
    let app = fleet();
    for path in ["/api/summary", "/api/repos", "/api/servers", "/api/files", "/badge.svg"] {
        let target = format!("{path}?repo=nginx");
        let tag = app.get(&target).header("etag").unwrap().to_owned();
        assert_eq!(app.get_with(&target, &[("If-None-Match", &tag)]).status, 304, "{path}");
        let zipped = app.get_with(&target, &[("Accept-Encoding", "gzip")]);
        assert_ne!(zipped.header("etag"), Some(tag.as_str()));
        assert_eq!(zipped.inflated(), app.get(&target).body);
        assert_eq!(app.send("HEAD", &target, &[], b"").header("etag"), Some(tag.as_str()));
        app.accept(report("nginx", path, "OUT_OF_SYNC", &["new"]));
        assert_eq!(app.get_with(&target, &[("If-None-Match", &tag)]).status, 200, "{path}");
    }
}
