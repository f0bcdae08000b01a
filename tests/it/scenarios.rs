//! Incidents of a fleet of 300 servers and 25 repositories: what the shipped rules fire, by a real
//! promtool, and what a real Alertmanager with the shipped example then sends.

mod incidents;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gitops_status_server::domain::Timestamp;
use serde_json::{Value, json};

use crate::support::dashboards::shipped;
use crate::support::{Alertmanager, PATIENCE, Receiver, eventually, run_tool, wait_until};
use incidents::{END, Firing, Incident};

/// How long a minute takes in Alertmanager.
const MINUTE: Duration = Duration::from_millis(100);
/// The same where hours pass.
const SHORT_MINUTE: Duration = Duration::from_millis(25);
/// The minutes between two evaluations of the rules.
const STEP: u32 = 5;

/// Returns the rules without annotations, whose texts the plain cases hold.
pub(crate) fn bare_rules() -> String {
    let rules = fs::read_to_string(shipped("prometheus/rules/gitops-status.yml")).unwrap();
    let mut is_annotation = false;
    let is_kept = |line: &&str| {
        let is_within = is_annotation && line.starts_with("          ");
        is_annotation = is_within || line.trim() == "annotations:";
        !is_annotation
    };
    // promtool loads at most 10,000 samples for an expression.
    let rules = rules.replace("[8h:5m]", "[8h:1h]");
    rules.split_inclusive('\n').filter(is_kept).collect()
}

/// Returns the moments around each change of what fires.
fn moments(firing: &[Firing]) -> BTreeSet<u32> {
    let around = |minute: u32| [minute.saturating_sub(STEP), minute];
    let changes = firing.iter().flat_map(|alert| [alert.from, alert.to]).filter(|it| *it != END);
    changes.flat_map(around).chain([60, 120, 180, 240]).collect()
}

/// Returns an incident as a test of promtool: at each moment these alerts fire, and no others.
fn promtool_test(incident: &Incident, names: &[&str]) -> Value {
    let checks = moments(&incident.firing).into_iter().flat_map(|minute| {
        names.iter().map(move |name| {
            let firing = incident.firing.iter().filter(|alert| alert.name == *name);
            let firing = firing.filter(|alert| (alert.from..alert.to).contains(&minute));
            let expected: Vec<_> = firing.map(|it| json!({ "exp_labels": it.labels() })).collect();
            json!({ "eval_time": format!("{minute}m"), "alertname": name, "exp_alerts": expected })
        })
    });
    let series = incident.series.iter();
    let series = series.map(|(series, values)| json!({ "series": series, "values": values }));
    json!({
        "name": incident.name,
        "interval": format!("{STEP}m"),
        "input_series": series.collect::<Vec<_>>(),
        "alert_rule_test": checks.collect::<Vec<_>>(),
    })
}

#[test]
fn the_rules_fire_few_alerts_for_an_incident_and_none_for_its_quiet_counterpart() {
    let rules = bare_rules();
    let names = rules.split("- alert: ").skip(1).map(|rest| rest.split_whitespace().next());
    let names: Vec<_> = names.flatten().collect();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yml"), &rules).unwrap();
    std::thread::scope(|scope| {
        for incident in incidents::all() {
            let file = folder.path().join(format!("{}.yml", incident.name));
            let test = json!({
                "rule_files": ["rules.yml"],
                "evaluation_interval": format!("{STEP}m"),
                "tests": [promtool_test(&incident, &names)],
            });
            fs::write(&file, test.to_string()).unwrap();
            scope.spawn(move || {
                run_tool("promtool", "prometheus", &["test", "rules", file.to_str().unwrap()], "")
            });
        }
    });
}

/// Returns the shipped example with our receiver, and with its durations scaled down.
fn configuration(receiver: &Receiver, minute: Duration) -> String {
    let mut text = fs::read_to_string(shipped("alertmanager/alertmanager.yml")).unwrap();
    let bridge = "chat-bridge.observability-stack.svc.cluster.local";
    text = text.replace(bridge, &receiver.address.to_string());
    for (shipped, seconds) in [
        (": 15m\n", 900),
        (": 1h\n", 3600),
        (": 1d\n", 86_400),
        (": 30s\n", 30),
        (": 5m\n", 300),
        (": 4h\n", 14_400),
        (": 8h\n", 28_800),
        (": 1m\n", 60),
    ] {
        assert!(text.contains(shipped), "the example has no {shipped}");
        let here = minute * seconds / 60;
        text = text.replace(shipped, &format!(": {}ms\n", here.as_millis()));
    }
    text
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap()).to_string()
}

/// Sends each alert of an incident at the minute when it begins and when it ends. Returns how late the
/// latest of them was.
fn replay(alertmanager: &Alertmanager, incident: &Incident, length: Duration) -> Duration {
    let Incident { begins, firing, .. } = incident;
    let changes = firing.iter().flat_map(|it| [it.from, it.to]);
    let changes: BTreeSet<u32> = changes.filter(|minute| *minute != END).collect();
    let (start, mut began, mut late) = (Instant::now(), BTreeMap::new(), Duration::ZERO);
    for minute in changes {
        for past in 0..=minute - begins {
            wait_until("this minute has come", || start.elapsed() >= length * past);
        }
        let now = now();
        let changing = firing.iter().enumerate();
        let changing = changing.filter(|(_, it)| it.from == minute || it.to == minute);
        let alerts = changing.map(|(place, alert)| {
            let starts = began.entry(place).or_insert_with(|| now.clone());
            let ends = if alert.to == minute { &now } else { "2999-01-01T00:00:00Z" };
            json!({ "labels": alert.all_labels(), "startsAt": starts, "endsAt": ends })
        });
        alertmanager.post(&alerts.collect::<Vec<_>>());
        late = late.max(start.elapsed().saturating_sub(length * (minute - begins)));
    }
    late
}

/// Replays all incidents with an Alertmanager, so many times slower than usual. Returns its messages, or
/// `None` if an alert was late by minutes: then it was another incident.
fn messages_of(incidents: &[Incident], slower: u32) -> Option<Vec<Value>> {
    let minute = MINUTE * slower;
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    let file = folder.path().join("alertmanager.yml");
    fs::write(&file, configuration(&receiver, minute)).unwrap();
    let alertmanager = Alertmanager::start(&file, &folder.path().join("data"));
    let late = std::thread::scope(|scope| {
        let replays = incidents.iter().map(|it| scope.spawn(|| replay(&alertmanager, it, minute)));
        let replays: Vec<_> = replays.collect();
        replays.into_iter().map(|replay| replay.join().unwrap()).max()
    });
    wait_for_all_groups(&alertmanager, &receiver, PATIENCE * slower);
    (late.unwrap() < 5 * minute).then(|| receiver.messages())
}

/// Waits for as long as a group waits before its first message, and then before its next.
fn wait_for_all_groups(alertmanager: &Alertmanager, receiver: &Receiver, patience: Duration) {
    for count in 1..=2 {
        alertmanager.post(&[json!({
            "labels": { "alertname": "Last", "severity": "warning", "repo": count.to_string() },
            "startsAt": now(), "endsAt": "2999-01-01T00:00:00Z",
        })]);
        let had_its_turn = || {
            let messages = receiver.messages();
            let is_last = |it: &&Value| it["groupLabels"]["alertname"] == "Last";
            let is_over = messages.iter().filter(is_last).count() == count;
            is_over.then_some(()).ok_or("a group has not had its turn")
        };
        eventually(patience, had_its_turn).unwrap();
    }
}

#[test]
fn an_incident_is_at_most_three_messages_and_an_upgrade_is_none() {
    let incidents = incidents::all();
    // A busy machine needs more time.
    let in_time = [1, 2, 4, 8].into_iter().find_map(|slower| messages_of(&incidents, slower));
    let messages = in_time.expect("alerts are late at every pace");
    for incident in incidents {
        let ours = messages.iter().filter(|it| it["groupLabels"]["cluster"] == incident.name);
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let ours: Vec<_> = ours
            .map(|it| format!("{} {}", word(&it["groupLabels"]["alertname"]), word(&it["status"])))
            .collect();
        assert_eq!(ours, incident.messages, "{}", incident.name);
        assert!(ours.len() <= 3);
    }
}

/// Returns an alert that fires.
fn alert(name: &str, cluster: &str, labels: &[(&str, &str)]) -> Value {
    let mut all = json!({ "alertname": name, "cluster": cluster, "severity": "warning" });
    for (label, value) in labels {
        all[*label] = (*value).into();
    }
    json!({ "labels": all, "startsAt": now(), "endsAt": "2999-01-01T00:00:00Z" })
}

#[test]
fn alerts_about_the_program_come_first_and_a_drifted_repository_is_told_again_the_same_day() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    let file = folder.path().join("alertmanager.yml");
    fs::write(&file, configuration(&receiver, SHORT_MINUTE)).unwrap();
    let alertmanager = Alertmanager::start(&file, &folder.path().join("data"));
    let (repo, server, instance) = (("repo", "r"), ("server", "s"), ("instance", "a"));
    // A server that does not answer explains the silences; one that was removed does not.
    alertmanager.post(&[
        alert("GitopsStatusDown", "outage", &[instance, ("severity", "critical")]),
        alert("GitopsStatusDown", "removed", &[("severity", "critical")]),
    ]);
    alertmanager.post(&[
        alert("GitopsStatusSilent", "outage", &[repo, server]),
        alert("GitopsStatusSilent", "removed", &[repo, server]),
        alert("GitopsStatusDrifted", "other", &[repo, ("server", "t")]),
        alert("GitopsStatusRepoDrifted", "day", &[repo]),
        alert("GitopsStatusStoreFull", "other", &[instance]),
    ]);
    let sent = |name: &str, cluster: &str| {
        let messages = receiver.messages();
        let is_it = |it: &Value| {
            it["groupLabels"]["alertname"] == name && it["groupLabels"]["cluster"] == cluster
        };
        messages
            .iter()
            .enumerate()
            .filter(|(_, it)| is_it(it))
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    wait_until("the drifts of the repository are told again", || {
        sent("GitopsStatusRepoDrifted", "day").len() == 2
    });
    let [program, drift] =
        ["GitopsStatusStoreFull", "GitopsStatusDrifted"].map(|name| sent(name, "other"));
    assert_eq!((program.len(), drift.len()), (1, 1), "told again too");
    assert!(program < drift, "an alert about an entry did not wait for others");
    assert_eq!(sent("GitopsStatusSilent", "removed").len(), 1);
    assert!(sent("GitopsStatusSilent", "outage").is_empty());
}

/// docs/alerts.md says so.
#[test]
fn a_silenced_alert_about_a_repository_still_holds_back_those_about_its_entries() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    fs::write(&file, configuration(&Receiver::start(), MINUTE)).unwrap();
    let alertmanager = Alertmanager::start(&file, &folder.path().join("data"));
    alertmanager.silence("GitopsStatusRepoDrifted");
    alertmanager.post(&[
        alert("GitopsStatusRepoDrifted", "a", &[("repo", "r")]),
        alert("GitopsStatusDrifted", "a", &[("repo", "r"), ("server", "s")]),
    ]);
    wait_until("the one is silenced, and the other held back", || {
        alertmanager.held_back_by("GitopsStatusRepoDrifted", "silencedBy") == 1
            && alertmanager.held_back_by("GitopsStatusDrifted", "inhibitedBy") == 1
    });
}
