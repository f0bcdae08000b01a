//! The steps of docs/security.md by which a token is replaced, run as they are written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::{self, Client, Minted, Process, document, report, run_tool, wait_until};

/// Returns a chapter of the document.
fn chapter(title: &str) -> String {
    let document = document("docs/security.md");
    let (_, rest) = document.split_once(&format!("\n## {title}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

/// Returns the commands of a chapter, in order.
fn commands(title: &str) -> Vec<String> {
    support::commands(&chapter(title)).into_iter().map(|shown| shown.command).collect()
}

/// Returns who may read and write a file.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Runs a command as a person would, in a folder; returns whether it succeeded, and its output. The
/// umask is that of the command before, as in one shell.
fn run(folder: &Path, server: &Process, command: &str) -> (bool, String) {
    let command = command.replace("localhost:8080", &server.address.to_string());
    let command = format!("umask $(cat umask); {command}\nstatus=$?; umask > umask; exit $status");
    let bin = Path::new(env!("CARGO_BIN_EXE_gitops-status-server")).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(folder)
        .env("EDITOR", "cp left.toml")
        .env("PATH", format!("{}:{path}", bin.display()))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Reports with the token of a file until told to stop; returns the refused updates.
fn report_on(client: Client, token: &Path, stop: &AtomicBool, sent: &AtomicUsize) -> Vec<String> {
    let mut refused = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let token = fs::read_to_string(token).unwrap();
        let bearer = format!("Bearer {}", token.trim());
        let headers = [("Content-Type", "application/json"), ("Authorization", &*bearer)];
        let body = report("rsyslog", "web-1", "SYNCED", &[]);
        let reply = client.send("POST", "/api/status", &headers, body.as_bytes());
        if reply.status != 200 {
            refused.push(format!("{}: {}", reply.status, reply.text()));
        }
        sent.fetch_add(1, Ordering::Relaxed);
    }
    refused
}

#[test]
fn a_token_is_replaced_by_the_steps_of_the_document_without_a_refused_update() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = "--write=repo=rsyslog,server=*";
    let old = Minted::new(&["--id=rsyslog-2026", write]);
    let other = Minted::new(&["--id=nginx", "--write=repo=nginx,server=*"]);
    Minted::file(folder, &[&other, &old]);
    let token = folder.join("rsyslog.token");
    fs::write(&token, format!("{}\n", old.token)).unwrap();
    let tokens = folder.join("tokens.toml");
    // The server and the job are other users, who are in a group of these files.
    for (path, mode) in [(&token, 0o640), (&tokens, 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(folder.join("umask"), "022").unwrap();
    let server =
        Process::start(&folder.join("status.db"), &["--tokens-file", tokens.to_str().unwrap()]);
    let (client, stop) = (server.client, AtomicBool::new(false));
    let sent = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let wait_for_reports = || {
        let before = sent.each_ref().map(|count| count.load(Ordering::Relaxed));
        wait_until("both jobs report", || {
            let mut counts = sent.iter().zip(before);
            counts.all(|(count, before)| count.load(Ordering::Relaxed) > before + 2)
        });
    };
    thread::scope(|scope| {
        let reporters: Vec<_> = sent
            .iter()
            .map(|sent| scope.spawn(|| report_on(client, &token, &stop, sent)))
            .collect();
        let count = |id: &str| {
            let metrics = server.get("/metrics").text();
            let series =
                format!("gitops_status_token_requests_total{{id=\"{id}\",outcome=\"allowed\"}} ");
            let value = metrics.lines().find_map(|line| line.strip_prefix(series.as_str()));
            value.map_or(0, |value| value.parse::<u64>().unwrap())
        };
        let commands = commands("Replace a token");
        assert_eq!(commands.len(), 10, "{commands:?}");
        for command in commands {
            if command.contains("EDITOR") {
                let all = fs::read_to_string(&tokens).unwrap();
                fs::write(folder.join("left.toml"), all.replace(&old.lines, "")).unwrap();
                // The document says to wait until the old one is not used any more.
                wait_until("the new token is used", || count("rsyslog-2027") > 0);
                wait_for_reports();
            }
            let mut said = String::new();
            // The third step is repeated until the server has read the file.
            wait_until(&format!("{command} succeeds"), || {
                let (is_done, output) = run(folder, &server, &command);
                said = output;
                let may_wait = command.starts_with("curl");
                assert!(is_done || may_wait, "{command}: {said}");
                is_done
            });
            assert!(!said.contains(&old.token[20..]), "{command}: {said}");
            if command.contains("token new") {
                assert_eq!(mode(&folder.join("new")), 0o600, "others can read the new token");
            }
        }
        let headers = [("Content-Type", "application/json"), ("Authorization", &*old.bearer())];
        // The last command has waited for that.
        assert_eq!(client.send("POST", "/api/status", &headers, b"{").status, 401);
        assert_eq!((mode(&token), mode(&tokens)), (0o640, 0o644), "other users cannot read them");
        wait_for_reports();
        stop.store(true, Ordering::Relaxed);
        for reporter in reporters {
            assert_eq!(reporter.join().unwrap(), [""; 0], "updates were refused");
        }
    });
    let left = fs::read_to_string(&tokens).unwrap();
    assert!(left.contains("\"nginx\"") && left.contains("\"rsyslog-2027\""), "{left}");
    assert!(!left.contains("rsyslog-2026"), "{left}");
    assert!(!folder.join("new").exists(), "a file with the secret is left");
}

/// Returns a test of an expression after a day of requests of one outcome.
fn after_a_day_of(outcome: &str, expression: &str, is_unused: bool) -> Value {
    let id = "rsyslog-2026";
    let series = ["allowed", "forbidden", "wrong_secret", "expired"].map(|other| {
        let series =
            format!("gitops_status_token_requests_total{{id=\"{id}\",outcome=\"{other}\"}}");
        let step = i32::from(other == outcome);
        json!({ "series": series, "values": format!("0+{step}x48") })
    });
    let unused = json!([{ "labels": format!("{{id=\"{id}\"}}"), "value": 0 }]);
    let expected = if is_unused { unused } else { json!([]) };
    let check = json!({ "expr": expression, "eval_time": "1d", "exp_samples": expected });
    json!({ "interval": "30m", "input_series": series, "promql_expr_test": [check] })
}

#[test]
fn the_question_of_the_document_tells_an_unused_token_from_one_in_use() {
    let chapter = chapter("Replace a token");
    let expression =
        chapter.split("```promql\n").nth(1).unwrap().split("```").next().unwrap().trim();
    let tests = [
        ("allowed", false),
        ("forbidden", false),
        // Everybody can send a wrong secret.
        ("wrong_secret", true),
        ("nothing", true),
    ]
    .map(|(outcome, is_unused)| after_a_day_of(outcome, expression, is_unused));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tests.yml");
    fs::write(&file, json!({ "tests": tests }).to_string()).unwrap();
    run_tool("promtool", "prometheus", &["test", "rules", file.to_str().unwrap()], "");
}
