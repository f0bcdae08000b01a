//! A real Prometheus scrapes the program and evaluates the queries of dashboards and rules.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::metrics::missing_on_postgres;
use crate::support::dashboards::{dashboards, shipped};
use crate::support::variables::interpolate;
use crate::support::{Minted, Process, Prometheus, is_on_postgres, report, run_tool, wait_until};

/// How long Prometheus may take to scrape a few times and to evaluate the rules.
const SCRAPING: Duration = Duration::from_mins(1);

/// What is recorded only while something is wrong.
const RECORDS_OF_TROUBLE: [&str; 7] = [
    "instance:gitops_status_commits_just_lost:max",
    "instance:gitops_status_down:max",
    "repo:gitops_status_many_drifted:count",
    "repo:gitops_status_many_silent:count",
    "repo_server:gitops_status_expired_drifted:max",
    "repo_server:gitops_status_flapping:changes8h",
    "repo_server:gitops_status_silent:max",
];

/// Sends updates and queries of every kind until a condition is true.
fn keep_busy(server: &Process, patience: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < patience, "Prometheus has not seen enough");
        server.accept(report("nginx", "web-1", "SYNCED", &[]));
        server.accept(report("rsyslog", "web-1", "OUT_OF_SYNC", &["a.conf"]));
        server.get("/status.json");
        server.get("/nowhere");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Returns the shipped configuration with another target, shorter intervals, and the path of the
/// rules, which are copied to a folder.
fn configuration(server: &Process, folder: &Path) -> String {
    let rules = fs::read_to_string(shipped("prometheus/rules/gitops-status.yml")).unwrap();
    let copy = folder.join("rules.yml");
    fs::write(&copy, rules.replace("interval: 5m", "interval: 1s")).unwrap();
    let mut text = fs::read_to_string(shipped("prometheus/prometheus.yml")).unwrap();
    for (shipped, here) in [
        (
            "gitops-status-server.observability-stack.svc.cluster.local:80",
            server.address.to_string(),
        ),
        ("alertmanager.observability-stack.svc.cluster.local:9093", "127.0.0.1:9".to_owned()),
        ("scrape_interval: 30s", "scrape_interval: 1s".to_owned()),
        ("evaluation_interval: 30s", "evaluation_interval: 1s".to_owned()),
        ("rules/*.yml", copy.to_str().unwrap().to_owned()),
    ] {
        assert!(text.contains(shipped), "the configuration has no {shipped}");
        text = text.replace(shipped, &here);
    }
    text
}

#[test]
fn the_metrics_are_named_and_described_as_prometheus_wants() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("test.db"), &[] as &[&str]);
    server.accept(report("rsyslog", "web-1", "OUT_OF_SYNC", &["a.conf"]));
    let metrics = server.get("/metrics");
    assert_eq!(metrics.status, 200);
    run_tool("promtool", "prometheus", &["check", "metrics"], &metrics.text());
}

#[test]
fn every_expression_of_dashboards_and_rules_has_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&folder.path().join("test.db"), &[] as &[&str]);
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, configuration(&server, folder.path())).unwrap();
    let prometheus = Prometheus::start(&file, &folder.path().join("data"));
    // A rate needs two samples of a series, and the series of a path may appear late.
    let seen = r#"min_over_time(up{job="gitops-status"}[6s]) == 1 and count_over_time(up[1m]) > 6"#;
    keep_busy(&server, SCRAPING, || !prometheus.query(seen).is_empty());
    for dashboard in dashboards() {
        for expression in dashboard.expressions() {
            let expression = interpolate_for_prometheus(&expression);
            let is_known = !(is_on_postgres() && names_what_is_missing_there(&expression));
            let is_number = |series: &Value| series["value"][1].as_str().unwrap() != "NaN";
            let has_number = || prometheus.query(&expression).iter().any(is_number);
            if is_known {
                // A scrape that takes a second is lost, with every series until the next one.
                wait_until(&expression, has_number);
            } else {
                assert!(!has_number(), "{expression}");
            }
        }
    }
    let evaluated = |rule: &Value| rule["health"] == "ok";
    wait_until("the rules are evaluated", || prometheus.rules().iter().all(evaluated));
    for rule in prometheus.rules() {
        assert_eq!(rule["lastError"], Value::Null, "{rule}");
        if rule["type"] == "recording" {
            let record = rule["name"].as_str().unwrap();
            let is_wrong = RECORDS_OF_TROUBLE.contains(&record);
            wait_until(record, || prometheus.query(record).is_empty() == is_wrong);
        } else {
            // An alert has no answer while all is well.
            prometheus.query(rule["query"].as_str().unwrap());
            for text in ["summary", "description", "runbook_url"] {
                assert!(rule["annotations"][text].is_string(), "{rule}");
            }
            assert!(rule["labels"]["severity"].is_string(), "{rule}");
        }
    }
    let drifted = r#"repo_server:gitops_status_drifted:max{repo="rsyslog", server="web-1"} == 1"#;
    wait_until(drifted, || prometheus.query(drifted).len() == 1);
}

/// Whether an expression is about what only SQLite has.
fn names_what_is_missing_there(expression: &str) -> bool {
    missing_on_postgres().iter().any(|name| expression.contains(name))
}

/// Fills in an expression as Grafana does when everything is chosen, over a short time.
fn interpolate_for_prometheus(expression: &str) -> String {
    let filled = expression.replace("$__rate_interval", "1m");
    let filled = filled.replace("$instance", ".*").replace("$cluster", ".*");
    interpolate(&filled, &|name, _| panic!("{expression} refers to {name}"))
}

#[test]
fn prometheus_scrapes_with_the_token_of_a_file() {
    let read = |name: &str| fs::read_to_string(shipped(&format!("prometheus/{name}"))).unwrap();
    let (plain, with_token) = (read("prometheus.yml"), read("prometheus-with-token.yml"));
    let settings = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let added = ["    authorization:", "      credentials_file: gitops-status.token"];
    let mut others = settings(&with_token);
    others.retain(|line| !added.contains(&line.as_str()));
    assert_eq!(others, settings(&plain));
    assert_eq!(settings(&with_token).len(), others.len() + added.len());

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let reader = Minted::new(&["--id=prometheus", "--read"]);
    let file = Minted::file(folder, &[&reader]);
    let flags = ["--tokens-file", &file, "--require-read-token"];
    let server = Process::start(&folder.join("status.db"), &flags);
    assert_eq!(server.get("/metrics").status, 401);
    fs::write(folder.join("gitops-status.token"), format!("{}\n", reader.token)).unwrap();
    let here = with_token
        .replace(
            "gitops-status-server.observability-stack.svc.cluster.local:80",
            &server.address.to_string(),
        )
        .replace("scrape_interval: 30s", "scrape_interval: 1s")
        .replace("alertmanager.observability-stack.svc.cluster.local:9093", "127.0.0.1:9");
    let configuration = folder.join("prometheus.yml");
    fs::write(&configuration, here).unwrap();
    run_tool("promtool", "prometheus", &["check", "config", configuration.to_str().unwrap()], "");
    let prometheus = Prometheus::start(&configuration, &folder.join("data"));
    let expression =
        "gitops_status_token_requests_total{id=\"prometheus\",outcome=\"allowed\"} > 0";
    wait_until("Prometheus has scraped with its token", || {
        !prometheus.query(expression).is_empty()
    });
}
