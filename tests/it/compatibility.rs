//! What docs/compatibility.md calls stable is still there, by its name.
//!
//! `stable-names.txt` has the names of the last release. The test writes the present ones to
//! `target/tmp/stable-names.txt`, which takes its place with the next one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Command;
use gitops_status_server::cli;
use gitops_status_server::config::{CONFIG_FILE, SETTINGS};
use serde_json::Value;

use crate::exports::everything::exported_with_everything;
use crate::log_format::a_line_of_each_level;
use crate::support::TestApp;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Returns a word of the description without quotation marks.
fn word(value: &Value) -> String {
    value.to_string().trim_matches('"').replace("#/components/schemas/", "")
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
        for (field, described) in members(&described["properties"]) {
            names.insert(format!("field {schema}.{field}"));
            let kinds = [&described["type"], &described["$ref"]].map(word);
            for kind in kinds.iter().filter(|kind| *kind != "null") {
                names.insert(format!("type {schema}.{field} {kind}"));
            }
        }
        let values = described["enum"].as_array().into_iter().flatten();
        names.extend(values.map(|value| format!("value {schema} {}", word(value))));
    }
    let events = read("docs/api.md");
    let (_, events) = events.split_once("\n## GET /api/events\n").unwrap();
    let events = events.split("\n## ").next().unwrap();
    let of_event =
        rows(events).map(|row| row[0]).filter(|it| !it.starts_with('-') && *it != "event");
    names.extend(of_event.map(|event| format!("event {event}")));
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
    let settings = SETTINGS.iter().copied().chain([&CONFIG_FILE]);
    names.extend(settings.map(|setting| format!("setting {}", setting.name)));
}

/// Adds the commands within one, and their arguments. The flags of settings are those of the settings.
fn names_of_commands(within: &Command, path: &str, names: &mut BTreeSet<String>) {
    for command in within.get_subcommands() {
        let path = format!("{path} {}", command.get_name());
        names.insert(format!("command{path}"));
        let is_own = |it: &&clap::Arg| !it.is_global_set() && !it.is_hide_set();
        names.extend(command.get_arguments().filter(is_own).map(|argument| {
            let name = argument.get_long().map(|long| format!("--{long}"));
            let name = name.unwrap_or_else(|| argument.get_id().to_string().to_uppercase());
            format!("option{path} {name}")
        }));
        names_of_commands(command, &path, names);
    }
}

/// Adds the fields of a line of an export, or of an object within it.
fn names_of_export(object: &Value, path: &str, names: &mut BTreeSet<String>) {
    for (field, value) in members(object) {
        names.insert(format!("export {path}{field}"));
        let path = format!("{path}{field}.");
        names_of_export(value, &path, names);
        value.as_array().into_iter().flatten().for_each(|it| names_of_export(it, &path, names));
    }
}

fn names_of_lines(names: &mut BTreeSet<String>) {
    for line in exported_with_everything().lines() {
        names_of_export(&serde_json::from_str(line).unwrap(), "", names);
    }
    for line in a_line_of_each_level() {
        for field in ["time", "level", "message"].into_iter().filter(|it| line[it].is_string()) {
            names.insert(format!("log field {field}"));
        }
        names.insert(format!("log level {}", word(&line["level"])));
    }
}

#[test]
fn every_name_of_the_last_release_is_still_there() {
    let mut names = BTreeSet::new();
    names_of_the_api(&mut names);
    names_of_the_program(&mut names);
    names_of_commands(&cli::command(), "", &mut names);
    names_of_lines(&mut names);
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
    let kinds = "path parameter field type value event metric label alert exit setting command option \
                 export log columns";
    for kind in kinds.split_whitespace() {
        assert!(released.lines().any(|name| name.split(' ').next() == Some(kind)), "no {kind}");
    }
}
