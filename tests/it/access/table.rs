//! The table of actions, cell by cell, as documents have it.

use std::path::Path;
use std::process::{Command, Stdio};

use super::kit::{ALL, Mount, Token, headers, update};
use crate::support::{Client, Process, TestApp};

/// Returns how each action is answered: a report, a removal, a read, and a probe.
fn actions(client: &Client, token: Option<&Token>) -> [u16; 4] {
    let sent = token.map(Token::bearer).into_iter().flatten().collect::<Vec<_>>();
    let mut sent = headers(&sent);
    let removal = "/api/status?repo=rsyslog&server=lab";
    sent.push(("Content-Type", "application/json"));
    [
        client.send("POST", "/api/status", &sent, update("rsyslog", "lab").as_bytes()).status,
        client.send("DELETE", removal, &sent, b"").status,
        client.send("GET", "/status.json", &sent, b"").status,
        client.send("GET", "/health", &sent, b"").status,
    ]
}

/// Returns the command line of a server on an address.
fn elsewhere(folder: &Path, address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    let database = format!("sqlite://{}", folder.join("status.db").display());
    command.env_clear().args(["--listen", address, "--database-url", &database]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn on_loopback_without_tokens_everything_is_open() {
    let token = Token::new("ci", ALL);
    let app = TestApp::spawn();
    assert_eq!(actions(&app, None), [200, 200, 200, 200]);
    assert_eq!(actions(&app, Some(&token)), [200, 200, 200, 200]);
}

#[test]
fn elsewhere_without_tokens_it_does_not_start_and_says_what_to_set() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let (status, output) = Process::run_to_end(&mut elsewhere(folder.path(), address));
        assert_eq!(status.code(), Some(2), "{output}");
        for setting in ["--tokens-file", "--allow-anonymous-writes", "127.0.0.1:8080"] {
            assert!(output.contains(setting), "{output}");
        }
    }
    assert!(!folder.path().join("status.db").exists(), "nothing was opened");
}

#[test]
fn with_allow_anonymous_writes_alone_everybody_reports_and_nobody_removes() {
    let token = Token::new("ci", ALL);
    let app = TestApp::with_settings(&[("allow_anonymous_writes", "true")]);
    assert_eq!(actions(&app, None), [200, 403, 200, 200]);
    assert_eq!(actions(&app, Some(&token)), [200, 403, 200, 200]);
}

#[test]
fn with_tokens_their_rights_are_needed() {
    let (all, none) = (Token::new("all", ALL), Token::new("none", ""));
    let mount = Mount::new(&[&all, &none]);
    let app = mount.app(&[]);
    assert_eq!(actions(&app, None), [401, 401, 200, 200]);
    assert_eq!(actions(&app, Some(&all)), [200, 200, 200, 200]);
    assert_eq!(actions(&app, Some(&none)), [403, 403, 200, 200]);
    let app = mount.app(&[("require_read_token", "true")]);
    assert_eq!(actions(&app, None), [401, 401, 401, 200]);
    assert_eq!(actions(&app, Some(&all)), [200, 200, 200, 200]);
    assert_eq!(actions(&app, Some(&none)), [403, 403, 403, 200]);
}

#[test]
fn with_both_a_right_or_no_token_at_all_is_needed_to_report() {
    let (all, none) = (Token::new("all", ALL), Token::new("none", ""));
    let mount = Mount::new(&[&all, &none]);
    let app = mount.app(&[("allow_anonymous_writes", "true")]);
    assert_eq!(actions(&app, None), [200, 401, 200, 200]);
    assert_eq!(actions(&app, Some(&all)), [200, 200, 200, 200]);
    assert_eq!(actions(&app, Some(&none)), [403, 403, 200, 200]);
    let both = [("allow_anonymous_writes", "true"), ("require_read_token", "true")];
    let app = mount.app(&both);
    assert_eq!(actions(&app, None), [200, 401, 401, 200]);
    assert_eq!(actions(&app, Some(&all)), [200, 200, 200, 200]);
    assert_eq!(actions(&app, Some(&none)), [403, 403, 403, 200]);
}

#[test]
fn elsewhere_tokens_are_enough_to_start() {
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[&token]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = elsewhere(folder.path(), "0.0.0.0:0");
    let mut server = Process::run(command.args(["--tokens-file", &mount.path()]));
    server.client.address.set_ip([127, 0, 0, 1].into());
    assert_eq!(actions(&server, None), [401, 401, 200, 200]);
    assert_eq!(actions(&server, Some(&token)), [200, 200, 200, 200]);
}
