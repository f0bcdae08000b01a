//! What the shipped rules fire when a server is upgraded: no more than they fired before.
//!
//! Before the upgrade, Prometheus has the series that the older version had, by the names and labels that
//! docs/metrics.md had then. The first two versions had none; the names of the third stand in for them.

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

/// The metrics that came with the schema 0005.
const SINCE_0005: &[&str] = &[
    "gitops_status_disk_size_bytes",
    "gitops_status_drifted",
    "gitops_status_expired_drifted",
    "gitops_status_expired_while_drifted_total",
    "gitops_status_external_url_info",
    "gitops_status_repo_entries",
    "gitops_status_wrong_entries_dropped",
];

/// The metrics that came with the schema 0006, which is that of the first version with PostgreSQL.
const SINCE_0006: &[&str] = &[
    "gitops_status_backup_failures_total",
    "gitops_status_backup_interval_seconds",
    "gitops_status_backup_last_success_bytes",
    "gitops_status_backup_last_success_timestamp_seconds",
    "gitops_status_replica_clock_ahead_seconds",
    "gitops_status_replica_differences",
    "gitops_status_replica_following",
    "gitops_status_replica_leads",
    "gitops_status_replicas",
    "gitops_status_tls_certificate_expires_timestamp_seconds",
    "gitops_status_tls_files_valid",
    "gitops_status_tls_handshakes_total",
    "gitops_status_token_expires_timestamp_seconds",
    "gitops_status_token_requests_total",
    "gitops_status_tokens_file_valid",
    "gitops_status_unauthorized_total",
    "gitops_status_updates_without_token_total",
];

const BUILD: &str = "gitops_status_build_info";

/// Whether a version had a metric.
fn had(example: &Example, name: &str) -> bool {
    let is_of = |metrics: &[&str]| metrics.contains(&name);
    match (example.kind, example.number.as_str()) {
        (Kind::Postgres, _) | (Kind::Sqlite, "0006" | "0007") => true,
        (Kind::Sqlite, "0005") => !is_of(SINCE_0006),
        (Kind::Sqlite, _) => !is_of(SINCE_0006) && !is_of(SINCE_0005),
    }
}

/// Returns what Prometheus scrapes as series of a server that is upgraded.
fn series(example: &Example, app: &TestApp) -> Vec<Value> {
    let scraped = app.get("/metrics").text();
    // The clock of the test is not that of the database.
    let is_ours = |line: &&str| !line.starts_with('#') && !line.contains("_clock_ahead_");
    let one = |name: &str, labels: &str, values: &str| {
        let comma = if labels == "}" { "" } else { "," };
        json!({"series": format!("{name}{{instance=\"a\",job=\"j\"{comma}{labels}"), "values": values})
    };
    let until_stopped = |value: &str| format!("{value}x{} stale", BEFORE - 1);
    let samples = scraped.lines().filter(is_ours);
    let mut all: Vec<_> = samples
        .map(|sample| {
            let (name, value) = sample.rsplit_once(' ').unwrap();
            let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
            let is_new = name == BUILD || !had(example, name);
            let before = if is_new { format!("_x{BEFORE} _") } else { until_stopped(value) };
            one(name, labels, &format!("{before} {value}x100"))
        })
        .collect();
    let revision = if had(example, "gitops_status_replicas") { ",revision=\"older\"" } else { "" };
    let labels = format!("version=\"0.0.{}\"{revision}}}", example.number);
    all.push(one(BUILD, &labels, &until_stopped("1")));
    all.push(one("up", "}", &format!("1x{} 0 1x100", BEFORE - 1)));
    all
}

/// Returns the alerts of a name that the entries of the story fire at a scrape.
fn deserved(example: &Example, name: &str, at: usize) -> Vec<Value> {
    // An alert about a drift waits for an hour.
    let knows_drifts = had(example, "gitops_status_drifted") || at > BEFORE + 60 / STEP;
    let knows_expired = had(example, "gitops_status_expired_drifted");
    let pairs: &[_] = match name {
        "GitopsStatusDrifted" if knows_drifts => &[
            ("a", "b:c"),
            ("silent", "one"),
            ("web", "by-count"),
            ("web", "deleted-and-back"),
            ("web", "drifted"),
        ],
        "GitopsStatusSilent" => &[("silent", "one")],
        // Before there was such a row, nothing could be known of it.
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
    let checks = names.flat_map(|name| {
        moments.map(|at| {
            let time = format!("{}m", at * STEP);
            json!({"eval_time": time, "alertname": name, "exp_alerts": deserved(example, name, at)})
        })
    });
    json!({
        "name": example.to_string(),
        "interval": format!("{STEP}m"),
        "input_series": series(example, app),
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
