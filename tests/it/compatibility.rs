//! What docs/compatibility.md calls stable is still there, by its name.
//!
//! `stable-names.txt` has the names of the last release. The test writes the present ones to
//! `target/tmp/stable-names.txt`, which takes its place with the next one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gitops_status_server::config::SETTINGS;
use serde_json::Value;

use crate::support::TestApp;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Returns the first cells of the rows of a document's tables, without backticks.
fn rows(document: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = document.lines().filter(|line| line.starts_with("| "));
    rows.map(|row| row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`')).collect())
}

/// Other tests hold that this description has what the server answers.
fn names_of_the_api(names: &mut BTreeSet<String>) {
    let description: Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    for (path, methods) in members(&description["paths"]) {
        for (method, operation) in members(methods) {
            names.insert(format!("path {method} {path}"));
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let reference = parameter["$ref"].as_str().map(|it| it.trim_start_matches('#'));
                let parameter = reference.map_or(parameter, |it| description.pointer(it).unwrap());
                let parameter = parameter["name"].as_str().unwrap();
                names.insert(format!("parameter {method} {path} {parameter}"));
            }
        }
    }
    for (schema, described) in members(&description["components"]["schemas"]) {
        for (field, _) in members(&described["properties"]) {
            names.insert(format!("field {schema}.{field}"));
        }
    }
}

/// Other tests hold that these documents have what the program has.
fn names_of_the_program(names: &mut BTreeSet<String>) {
    for row in rows(&read("docs/metrics.md")) {
        let [name, _, labels, ..] = row[..] else { continue };
        if name.starts_with("gitops_status_") || name.starts_with("process_") {
            names.insert(format!("metric {name}"));
            let labels = labels.split(", ").map(|label| label.trim_matches('`'));
            names.extend(labels.filter(|it| !it.is_empty()).map(|it| format!("label {name} {it}")));
        }
    }
    for rules in
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/rules")).unwrap()
    {
        let rules = fs::read_to_string(rules.unwrap().path()).unwrap();
        let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        names.extend(alerts.map(|alert| format!("alert {alert}")));
    }
    let operating = read("docs/operations.md");
    let statuses = rows(&operating).filter(|row| row[0].parse::<u8>().is_ok());
    names.extend(statuses.map(|row| format!("exit status {}", row[0])));
    names.extend(SETTINGS.iter().map(|setting| format!("setting {}", setting.name)));
}

#[test]
fn every_name_of_the_last_release_is_still_there() {
    let mut names = BTreeSet::new();
    names_of_the_api(&mut names);
    names_of_the_program(&mut names);
    let columns = TestApp::spawn().get("/status.csv").text();
    let columns = columns.trim_start_matches('\u{feff}').lines().next().unwrap().to_owned();
    let text: Vec<String> = names.iter().cloned().chain([format!("columns {columns}")]).collect();
    let present = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stable-names.txt");
    fs::write(present, text.join("\n") + "\n").unwrap();

    let released = read("tests/it/stable-names.txt");
    let is_there = |name: &str| match name.strip_prefix("columns ") {
        // New columns come last.
        Some(released) => columns == released || columns.starts_with(&format!("{released},")),
        None => names.contains(name),
    };
    let gone: Vec<&str> = released.lines().filter(|name| !is_there(name)).collect();
    assert!(gone.is_empty(), "{gone:#?} gone, though docs/compatibility.md says that they stay");
    for kind in
        ["path", "parameter", "field", "metric", "label", "alert", "exit", "setting", "columns"]
    {
        assert!(released.lines().any(|name| name.split(' ').next() == Some(kind)), "no {kind}");
    }
}
