//! What the shipped rules fire when a server is upgraded: no more than they fired before.

use std::fs;

use serde_json::{Value, json};

use super::examples::{Example, Kind};
use super::upgraded;
use crate::scenarios::bare_rules;
use crate::support::{TestApp, run_tool};

/// The minutes between two scrapes.
const STEP: usize = 5;
/// The scrapes before the upgrade, which takes one.
const BEFORE: usize = 24;

/// Returns what Prometheus scrapes as series of a server that is upgraded.
fn series(app: &TestApp) -> Vec<Value> {
    let scraped = app.get("/metrics").text();
    // The clock of the test is not that of the database.
    let is_ours = |line: &&str| !line.starts_with('#') && !line.contains("_clock_ahead_");
    let samples = scraped.lines().filter(is_ours);
    let mut all: Vec<_> = samples
        .map(|sample| {
            let (name, value) = sample.rsplit_once(' ').unwrap();
            let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
            let comma = if labels == "}" { "" } else { "," };
            let values = format!("{value}x{} stale {value}x100", BEFORE - 1);
            json!({"series": format!("{name}{{instance=\"a\",job=\"j\"{comma}{labels}"), "values": values})
        })
        .collect();
    let up = format!("1x{} 0 1x100", BEFORE - 1);
    all.push(json!({"series": "up{instance=\"a\",job=\"j\"}", "values": up}));
    all
}

/// Returns the alerts that the entries of the story fire all the time, by name.
fn deserved(name: &str, knows_expired: bool) -> Vec<Value> {
    let pairs: &[_] = match name {
        "GitopsStatusDrifted" => &[
            ("a", "b:c"),
            ("silent", "one"),
            ("web", "by-count"),
            ("web", "deleted-and-back"),
            ("web", "drifted"),
        ],
        "GitopsStatusSilent" => &[("silent", "one")],
        "GitopsStatusExpiredDrifted" if knows_expired => &[("ending", "one")],
        _ => &[],
    };
    let labels = pairs.iter().map(|(repo, server)| {
        json!({"exp_labels": {"severity": "warning", "repo": repo, "server": server}})
    });
    labels.collect()
}

/// Returns the test of promtool that holds this.
fn promtool_test(example: &Example, app: &TestApp, rules: &str) -> Value {
    let names = rules.split("- alert: ").skip(1).filter_map(|rest| rest.split_whitespace().next());
    let moments = [BEFORE - 1, BEFORE, BEFORE + 1, BEFORE + 2, BEFORE + 12, BEFORE + 40];
    // Before there was such a row, nothing could be known of it.
    let knows_expired = matches!(example.kind, Kind::Postgres) || *example.number >= *"0005";
    let checks = names.flat_map(|name| {
        let alerts = deserved(name, knows_expired);
        moments.map(|at| {
            let at = format!("{}m", at * STEP);
            json!({"eval_time": at, "alertname": name, "exp_alerts": alerts})
        })
    });
    json!({
        "name": example.to_string(),
        "interval": format!("{STEP}m"),
        "input_series": series(app),
        "alert_rule_test": checks.collect::<Vec<_>>(),
    })
}

#[test]
fn an_upgrade_from_any_schema_fires_no_alert() {
    let rules = bare_rules();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yml"), &rules).unwrap();
    let examples = Example::all(Kind::Sqlite).chain(Example::all(Kind::Postgres));
    let tests: Vec<_> = examples
        .map(|example| {
            let database = example.load();
            promtool_test(&example, &upgraded(&database), &rules)
        })
        .collect();
    let test = json!({
        "rule_files": ["rules.yml"],
        "evaluation_interval": format!("{STEP}m"),
        "tests": tests,
    });
    let file = folder.path().join("test.yml");
    fs::write(&file, test.to_string()).unwrap();
    run_tool("promtool", "prometheus", &["test", "rules", file.to_str().unwrap()], "");
}
