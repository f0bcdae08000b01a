//! `demo`: a fleet that lives, and its reports as lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gitops_status_server::clock::{Clock as _, ManualClock};
use gitops_status_server::demo::{Fleet, Life, Pace};
use gitops_status_server::domain::ReportedTime;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::{Process, TestApp, wait_until};

const NIGHTLY: [&str; 3] = ["borgmatic", "cis-baseline", "os-packages"];

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().env("TMPDIR", folder).arg("demo").args(words).stdin(Stdio::null());
    command
}

/// Runs a demo that ends by itself; returns its status and its outputs.
fn run(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let ran = command(folder, words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

fn print(words: &[&str]) -> String {
    let (status, out, err) = run(Path::new("/nonexistent"), &[&["--print"], words].concat());
    assert_eq!((status, err.as_str()), (Some(0), ""));
    out
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

fn seconds(time: &Value) -> i64 {
    ReportedTime::parse(time.as_str().unwrap()).unwrap().instant().0
}

#[test]
fn a_demo_shows_a_whole_fleet_at_once_that_lives_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Process::demo(folder.path(), &["--speed", "60"]);
    let begun = demo.get("/health").json()["timestamp"].as_str().unwrap().to_owned();
    assert!(!is_empty(folder.path()));
    let count = |path: &str| demo.get(path).json().as_array().unwrap().len();
    // For a moment, a server that is replaced is missing.
    wait_until("there are 7,500 entries", || {
        demo.get("/api/summary").json()["entries"] == 7500 && count("/api/servers") == 300
    });
    assert_eq!(count("/api/repos"), 25);
    let summary = demo.get("/api/summary").json();
    for kind in ["drifted", "stale", "synced"] {
        assert!(summary[kind].as_u64().unwrap() > 10, "{summary}");
    }
    let yesterday = demo.get("/api/history?to=now-24h&limit=1").json();
    assert_eq!(yesterday["items"].as_array().unwrap().len(), 1, "nothing happened yesterday");
    // Jobs of the night, which are not stale although they have not reported for hours.
    let nightly = &demo.list("?repo=borgmatic&stale=false&sort=updated_at&limit=1")[0];
    let age = seconds(&Value::from(begun.as_str())) - seconds(&nightly["updated_at"]);
    assert!(age > 2 * 3600, "{nightly}");
    for event in ["drifted", "synced", "fresh"] {
        wait_until(event, || {
            let news = demo.get(&format!("/api/history?event={event}&from={begun}&limit=1")).json();
            !news["items"].as_array().unwrap().is_empty()
        });
    }
    let metrics = demo.get("/metrics").text();
    let stored = metrics.lines().find(|line| line.contains(r#"updates_total{outcome="stored"}"#));
    assert!(!stored.unwrap().ends_with(" 0"), "the fleet reports by HTTP");
    assert_eq!(demo.terminate().code(), Some(0));
    assert_eq!(demo.log(), "");
    assert!(is_empty(folder.path()));
}

#[test]
fn a_demo_whose_address_is_taken_says_so_in_one_line_and_leaves_no_file() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let (status, out, err) = run(folder.path(), &["--listen", &address]);
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(err.contains(&format!("{address} cannot be listened on: ")), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(is_empty(folder.path()));
}

#[test]
fn a_demo_without_a_folder_for_its_database_says_where_it_looked() {
    let (status, out, err) = run(Path::new("/nonexistent/tmp"), &[]);
    assert_eq!((status, out.as_str()), (Some(74), ""));
    assert!(err.contains("in /nonexistent/tmp: "), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn a_stop_while_the_past_is_stored_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path(), &[]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut demo = Process::launch(&mut command);
    wait_until("the folder is there", || !is_empty(folder.path()));
    assert_eq!(demo.terminate().code(), Some(0));
    assert!(is_empty(folder.path()));
}

#[test]
fn a_demo_ends_with_its_terminal_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["HUP", "QUIT"] {
        // As a terminal starts it, also if `nohup` has started the tests.
        let mut command = Command::new("env");
        command.env("TMPDIR", folder.path()).arg("--default-signal=HUP");
        command.args([env!("CARGO_BIN_EXE_gitops-status-server"), "demo"]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut demo = Process::launch(&mut command);
        wait_until("the folder is there", || !is_empty(folder.path()));
        demo.signal(signal);
        assert_eq!(demo.wait().code(), Some(0), "{signal}");
        assert!(is_empty(folder.path()), "{signal}");
    }
}

#[test]
fn a_fleet_that_was_suspended_makes_up_for_ten_minutes_only() {
    let app = TestApp::spawn();
    let clock = ManualClock::at(app.clock.read().wall);
    let began = clock.read();
    let pace = Pace::with_a_slow_past(began.wall, 60);
    clock.advance(Duration::from_mins(2));
    let life = Life::new(Fleet::new(1), pace, Arc::new(clock), began, app.address);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let living = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(life.run(stopped));
    });
    wait_until("it reports", || !app.list("?limit=1").is_empty());
    stop.cancel();
    // It ends once the reports that are due have been answered.
    living.join().unwrap();
    // 7,500 entries report about every hour.
    let entries = app.list("").len();
    assert!((600..2500).contains(&entries), "{entries}");
}

#[test]
fn a_demo_that_nohup_started_outlives_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("nohup");
    command.env_clear().env("TMPDIR", folder.path()).env("RUST_LOG", "info");
    command.arg(env!("CARGO_BIN_EXE_gitops-status-server")).arg("demo");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut demo = Process::launch(&mut command);
    wait_until("the folder is there", || !is_empty(folder.path()));
    demo.signal("HUP");
    wait_until("it is logged", || demo.log().contains("SIGHUP: there is nothing"));
    assert_eq!(demo.terminate().code(), Some(0));
    assert!(is_empty(folder.path()));
}

#[test]
fn the_demo_uses_no_database_of_others_and_explains_its_options() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["--database-url", "sqlite://mine.db"][..],
        &["--config", "mine.toml"],
        &["--speed", "0"],
        &["--speed", "601"],
        &["--seed", "-1"],
        &["--span", "1h"],
        &["--print", "--span", "1 hour"],
        &["--print", "--start", "yesterday"],
        &["--listen", "0.0.0.0:0"],
    ] {
        let (status, out, err) = run(folder.path(), words);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{words:?}");
        assert!(err.starts_with("error: "), "{words:?}: {err}");
    }
    assert!(is_empty(folder.path()));
    let (status, help, _) = run(folder.path(), &["--help"]);
    assert_eq!(status, Some(0));
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/demo.md");
    let docs = fs::read_to_string(docs).unwrap();
    for option in ["seed", "speed", "listen", "print", "span", "start"] {
        assert!(help.contains(&format!("--{option}")), "{help}");
        assert!(docs.contains(&format!("| `--{option}")), "docs/demo.md lacks {option}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    for untrue in ["--database-url", "--config", "[env", "GITOPS_STATUS_", "8080"] {
        assert!(!help.contains(untrue), "{untrue}: {help}");
    }
    assert!(help.contains("[default: a free port"), "{help}");
    assert!(help.contains("[default: 67108864]"), "{help}");
}

#[test]
fn the_same_seed_makes_the_same_reports() {
    let lines = print(&["--seed", "5", "--span", "20m"]);
    assert_eq!(lines, print(&["--seed", "5", "--span", "20m"]));
    assert_ne!(lines, print(&["--seed", "6", "--span", "20m"]));
    assert!(lines.lines().count() > 1500);
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/demo.md");
    let first = print(&["--span", "1h"]).lines().next().unwrap().to_owned();
    assert!(fs::read_to_string(docs).unwrap().contains(&first), "docs/demo.md shows another line");
}

#[test]
fn a_servers_answer_to_a_printed_report_is_200_without_warnings() {
    let app = TestApp::spawn();
    let lines = print(&["--span", "5m", "--speed", "60"]);
    for line in lines.lines().step_by(10) {
        let line: Value = serde_json::from_str(line).unwrap();
        let reply = app.post(line["report"].to_string());
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.json().get("warnings").is_none(), "{}", reply.text());
        assert_eq!(line["report"]["stale_after_seconds"].as_u64().unwrap() % 60, 0);
    }
}

/// What was reported of one repository.
#[derive(Default)]
struct OfRepo {
    drifted: BTreeSet<String>,
    healed: BTreeSet<String>,
    last: i64,
    longest_silence: i64,
}

#[test]
fn printed_reports_tell_of_every_kind_of_incident() {
    let (mut repos, mut servers) = (BTreeMap::<String, OfRepo>::new(), BTreeMap::new());
    let (mut removed, mut flips, mut time) = (BTreeSet::new(), BTreeMap::new(), 0);
    for line in print(&["--seed", "5", "--span", "9h"]).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert!(seconds(&line["time"]) >= time, "lines are in the order of time");
        time = seconds(&line["time"]);
        let Some(report) = line.get("report") else {
            removed.insert(text(&line["remove"]["server"]));
            continue;
        };
        let (repo, server) = (text(&report["repo"]), text(&report["server"]));
        let has_drifted = report["sync_status"] == "OUT_OF_SYNC";
        let flip: &mut (bool, u32) = flips.entry((repo.clone(), server.clone())).or_default();
        *flip = (has_drifted, flip.1 + u32::from(flip.0 != has_drifted));
        let of_repo = repos.entry(repo.clone()).or_default();
        if of_repo.last > 0 {
            of_repo.longest_silence = of_repo.longest_silence.max(time - of_repo.last);
        }
        of_repo.last = time;
        if has_drifted {
            of_repo.drifted.insert(server.clone());
        } else if of_repo.drifted.contains(&server) {
            of_repo.healed.insert(server.clone());
        }
        let is_nightly = NIGHTLY.contains(&repo.as_str());
        let schedule = report["stale_after_seconds"].as_u64();
        assert_eq!(schedule, is_nightly.then_some(26 * 3600), "{report}");
        servers.insert(server, time);
    }
    assert_eq!(repos.len(), 25);
    assert!(repos.values().any(|of| of.drifted.len() > 250 && of.healed.len() > 250), "bad deploy");
    let mut hourly = repos.iter().filter(|(name, _)| !NIGHTLY.contains(&name.as_str()));
    assert!(hourly.any(|(_, of)| of.longest_silence > 3 * 3600), "dead runner");
    assert!(removed.iter().any(|name| servers[name] < time - 5 * 3600), "decommissioned");
    assert_eq!(servers.len(), 300 + removed.len(), "each is replaced");
    let flapping = flips.values().filter(|(_, flips)| *flips > 30).count();
    assert_eq!(flapping, 2, "flapping jobs");
    let down =
        servers.iter().filter(|(name, last)| !removed.contains(*name) && **last < time - 2 * 3600);
    assert!(down.count() > 0, "servers that are down");
}
