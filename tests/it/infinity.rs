//! Grafana's Infinity data source: the requests that it sends, and the answers that it can parse.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use serde_json::Value;

use crate::support::{TestApp, infinity, report};

/// Gets a list as Infinity does.
fn ask(app: &TestApp, target: &str) -> Vec<Value> {
    serde_json::from_value(infinity::ask(app, target)).expect("a bare array")
}

/// Fails unless each field has one type in all rows: mixed types crash the plug-in.
fn assert_one_type_a_field(rows: &[Value]) {
    let mut types: HashMap<&str, Discriminant<Value>> = HashMap::new();
    for row in rows {
        for (field, value) in row.as_object().unwrap() {
            if !value.is_null() {
                let known = types.entry(field).or_insert(discriminant(value));
                assert_eq!(*known, discriminant(value), "{field}");
            }
        }
    }
}

#[test]
fn the_originals_queries_are_answered_so_that_infinity_can_read_them() {
    let app = TestApp::spawn();
    let (all, drifted) = ("/status.json", "/status.json?drifted=true&flat=true");
    assert_eq!(ask(&app, all), [Value::Null; 0]);
    assert_eq!(ask(&app, drifted), [Value::Null; 0], "no data, and no error");
    app.accept(report("nginx", "web-1", "SYNCED", &[]));
    app.accept(report("rsyslog", "web-1", "OUT_OF_SYNC", &["a.conf", "b.conf"]));
    app.accept(report("rsyslog", "web-2", "OUT_OF_SYNC", &[]));
    let rows = ask(&app, all);
    assert_eq!(rows.len(), 3);
    assert_one_type_a_field(&rows);
    for row in &rows {
        assert!(row["files"].is_array());
        for time in ["last_check", "updated_at", "status_since", "expires_at"] {
            let time = row[time].as_str().unwrap();
            assert!(time.contains('T') && time.ends_with('Z'), "{time}");
        }
    }
    let rows = ask(&app, drifted);
    assert_one_type_a_field(&rows);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["files"], "a.conf, b.conf");
    assert!(rows.iter().all(|row| row["drifted_since"].as_str().unwrap().ends_with('Z')));
}

#[test]
fn variables_are_understood_as_grafana_writes_them() {
    let app = TestApp::spawn();
    for repo in ["a", "b", "c", "two words"] {
        app.accept(report(repo, "s", "SYNCED", &[]));
    }
    for (query, count) in [
        ("repo=%7Ba%2Cb%7D", 2),
        ("repo=a%2Cb", 2),
        ("repo=a&repo=b", 2),
        ("var-repo=a&var-repo=b", 2),
        ("repo=two+words", 1),
        ("repo=two%20words", 1),
        ("repo=%7Ba%2Ctwo+words%7D", 2),
        ("var-repo=%24__all", 4),
        ("flat=true&repo=&server=%2A", 4),
        ("drifted=false&flat=true&repo=nothing", 0),
    ] {
        assert_eq!(ask(&app, &format!("/status.json?{query}")).len(), count, "{query}");
    }
}
