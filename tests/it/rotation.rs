//! The steps of docs/security.md by which a token is replaced, run as they are written.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support::dashboards::repository;
use crate::support::{Client, Minted, Process, report, wait_until};

/// Returns the commands of a chapter, in order.
fn commands(chapter: &str) -> Vec<String> {
    let document = fs::read_to_string(repository("docs/security.md")).unwrap();
    let (_, rest) = document.split_once(&format!("\n## {chapter}\n")).unwrap();
    let text = rest.split("\n## ").next().unwrap();
    text.lines().filter_map(|line| line.trim().strip_prefix("$ ")).map(str::to_owned).collect()
}

/// Runs a command as a person would, in a folder; returns whether it succeeded, and its output.
fn run(folder: &Path, server: &Process, command: &str) -> (bool, String) {
    let command = command.replace("localhost:8080", &server.address.to_string());
    let bin = Path::new(env!("CARGO_BIN_EXE_gitops-status-server")).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(folder)
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
    let server =
        Process::start(&folder.join("status.db"), &["--tokens-file", tokens.to_str().unwrap()]);
    let (client, stop, sent) = (server.client, AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let reporters: Vec<_> =
            (0..2).map(|_| scope.spawn(|| report_on(client, &token, &stop, &sent))).collect();
        let count = |id: &str| {
            let metrics = server.get("/metrics").text();
            let series =
                format!("gitops_status_token_requests_total{{id=\"{id}\",outcome=\"allowed\"}} ");
            let value = metrics.lines().find_map(|line| line.strip_prefix(series.as_str()));
            value.map_or(0, |value| value.parse::<u64>().unwrap())
        };
        let commands = commands("Replace a token");
        assert_eq!(commands.len(), 8, "{commands:?}");
        for command in commands {
            if command.starts_with("awk") {
                // The document says to wait until the old one is not used any more.
                wait_until("the new token is used", || count("rsyslog-2027") > 0);
                let reported = sent.load(Ordering::Relaxed);
                wait_until("all use the new one", || sent.load(Ordering::Relaxed) > reported + 4);
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
        }
        let remains = || {
            let headers = [("Content-Type", "application/json"), ("Authorization", &*old.bearer())];
            client.send("POST", "/api/status", &headers, b"{").status != 401
        };
        wait_until("the old token is refused", || !remains());
        let reported = sent.load(Ordering::Relaxed);
        wait_until("reports go on", || sent.load(Ordering::Relaxed) > reported + 4);
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
