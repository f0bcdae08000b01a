//! The files shipped for Prometheus and Alertmanager, checked with the tools of both.

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use crate::support::dashboards::{repository, shipped};
use crate::support::{commands, run_tool};

/// The files of cases for the rules.
const CASES: [&str; 7] = ["entries", "down", "fleet", "hours", "program", "tokens", "weeks"];

/// Returns the shipped rules as text.
fn rules() -> String {
    fs::read_to_string(shipped("prometheus/rules/gitops-status.yml")).unwrap()
}

fn promtool(arguments: &[&str]) -> String {
    run_tool("promtool", "prometheus", arguments, "")
}

#[test]
fn prometheus_accepts_the_configuration_and_the_rules() {
    promtool(&["check", "config", &shipped("prometheus/prometheus.yml")]);
    let rules = shipped("prometheus/rules/gitops-status.yml");
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", &rules]);
}

#[test]
fn alerts_fire_when_they_should_and_not_when_they_should_not() {
    let paths = CASES.map(|name| shipped(&format!("prometheus/tests/{name}.yml")));
    thread::scope(|scope| {
        for path in &paths {
            scope.spawn(|| promtool(&["test", "rules", path]));
        }
    });
}

#[test]
fn every_alert_has_tests() {
    let tests = CASES.map(|name| shipped(&format!("prometheus/tests/{name}.yml")));
    let tests = tests.map(|path| fs::read_to_string(path).unwrap()).concat();
    let tested: BTreeSet<_> = tests.split("alertname: ").skip(1).map(first_word).collect();
    assert_eq!(tested, alerts(&rules()));
}

#[test]
fn the_runbook_has_a_chapter_for_each_alert_and_no_other() {
    let runbook = fs::read_to_string(repository("docs/alerts.md")).unwrap();
    let chapters = runbook.split("\n## ").skip(1).map(first_word);
    let chapters: BTreeSet<_> = chapters.filter(|word| word.starts_with("Gitops")).collect();
    assert_eq!(chapters, alerts(&rules()));
}

#[test]
fn alertmanager_accepts_the_example() {
    let file = shipped("alertmanager/alertmanager.yml");
    run_tool("amtool", "prometheus-alertmanager", &["check-config", &file], "");
}

/// Nobody would notice an inhibition rule for an alert that does not exist.
#[test]
fn the_example_for_alertmanager_knows_the_alerts() {
    let example = fs::read_to_string(shipped("alertmanager/alertmanager.yml")).unwrap();
    let words = example.split(|c: char| !c.is_alphanumeric());
    let named: Vec<_> = words.filter(|word| word.starts_with("Gitops")).collect();
    assert!(!named.is_empty());
    for name in named {
        assert!(alerts(&rules()).contains(name), "{name}");
    }
}

/// An outage holds a drift of a region, once another label is kept.
const REGIONS: &str = r#"
rule_files: [gitops-status.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="a",region="eu",instance="a"}', values: '1x120 0x60'}
      - {series: 'gitops_status_build_info{job="a",region="eu",instance="a"}', values: '1x120 stale'}
      - {series: 'gitops_status_drifted{job="a",region="eu",instance="a",repo="r",server="s"}', values: '1x120 stale'}
      - {series: 'gitops_status_build_info{job="a",region="us",instance="b"}', values: '1x180'}
      - {series: 'gitops_status_drifted{job="a",region="us",instance="b",repo="r",server="s"}', values: '0x180'}
    promql_expr_test:
      - expr: repo_server:gitops_status_drifted:max
        eval_time: 150m
        exp_samples:
          - {labels: 'repo_server:gitops_status_drifted:max{region="eu",repo="r",server="s"}', value: 1}
          - {labels: 'repo_server:gitops_status_drifted:max{region="us",repo="r",server="s"}', value: 0}
"#;

/// Runs the commands of the runbook that keep another label.
#[test]
fn another_label_can_be_kept_as_the_runbook_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(file("gitops-status.yml"), rules()).unwrap();
    fs::copy(shipped("alertmanager/alertmanager.yml"), file("alertmanager.yml")).unwrap();
    fs::write(file("regions.yml"), REGIONS).unwrap();
    let runbook = fs::read_to_string(repository("docs/alerts.md")).unwrap();
    let commands = commands(&runbook).into_iter().map(|shown| shown.command);
    let commands: Vec<_> = commands.filter(|command| command.contains("cluster, region")).collect();
    assert_eq!(commands.len(), 2);
    for command in commands {
        let command = format!("cd {} && {command}", folder.path().display());
        run_tool("sh", "dash", &["-c", &command], "");
    }
    promtool(&["test", "rules", &file("regions.yml")]);
    let rules = fs::read_to_string(file("gitops-status.yml")).unwrap();
    let kept = rules.matches("(cluster, region").count();
    let others = [rules.matches("(cluster,").count(), rules.matches("(cluster)").count()];
    assert_eq!(others, [kept, 0]);
    assert!(
        !rules.contains("by (repo") && !rules.contains("by (job") && !rules.contains(" region:")
    );
    let example = fs::read_to_string(file("alertmanager.yml")).unwrap();
    for line in example.lines().filter(|it| it.contains("equal:") || it.contains("group_by:")) {
        assert!(line.contains("cluster, region"), "{line}");
    }
    run_tool("amtool", "prometheus-alertmanager", &["check-config", &file("alertmanager.yml")], "");
}

/// The placeholder is documented, and each alert has its own chapter behind it.
#[test]
fn every_alert_leads_to_its_chapter_by_an_absolute_address() {
    let base = "https://git.example/gitops-status-server";
    for rule in rules().split("- alert: ").skip(1) {
        let name = first_word(rule);
        let url = format!("runbook_url: {base}/docs/alerts.md#{}\n", name.to_lowercase());
        assert!(rule.contains(&url), "{name}");
    }
    let runbook = fs::read_to_string(repository("docs/alerts.md")).unwrap();
    assert!(runbook.contains(&format!("s,{base},")));
    // A query in a link would run once for every alert at every evaluation.
    let page = "https://gitops-status.example";
    assert!(runbook.contains(&format!("s,{page},")));
    let rules = rules();
    assert_eq!(rules.matches("link: ").count(), rules.matches(&format!("link: {page}/")).count());
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap()
}

fn alerts(rules: &str) -> BTreeSet<&str> {
    rules.split("- alert: ").skip(1).map(first_word).collect()
}
