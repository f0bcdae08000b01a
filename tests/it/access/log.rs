//! What the log says of those who write, and of those who may not.

use serde_json::json;

use super::kit::{ALL, Mount, Token, headers, update};
use crate::support::{Client, Process, report, wait_until};

fn send(client: &Client, method: &str, target: &str, token: Option<&Token>, body: &str) -> u16 {
    let bearer = token.map(Token::bearer).into_iter().flatten().collect::<Vec<_>>();
    let mut sent = headers(&bearer);
    sent.push(("Content-Type", "application/json"));
    client.send(method, target, &sent, body.as_bytes()).status
}

fn post(client: &Client, token: Option<&Token>, body: &str) -> u16 {
    send(client, "POST", "/api/status", token, body)
}

/// Waits for a line, and returns how often it is in the log.
fn lines(server: &Process, line: &str) -> usize {
    wait_until(line, || server.log().contains(line));
    server.log().matches(line).count()
}

#[test]
fn the_line_of_an_update_and_of_a_removal_names_the_token() {
    let token = Token::new("rsyslog-ci", ALL);
    let mount = Mount::new(&[&token]);
    let server = mount.program(&["--allow-anonymous-writes"]);
    let body = report("rsyslog", "rsyslog-lab", "OUT_OF_SYNC", &["a", "b"]);
    assert_eq!(post(&server, Some(&token), &body), 200);
    let line = "INFO ] Status update: rsyslog:rsyslog-lab -> OUT_OF_SYNC (drift_count: 2) by \
                rsyslog-ci\n";
    assert_eq!(lines(&server, line), 1);
    assert_eq!(post(&server, None, &update("rsyslog", "rsyslog-lab")), 200);
    let line = "INFO ] Status update: rsyslog:rsyslog-lab -> SYNCED (drift_count: 0)\n";
    assert_eq!(lines(&server, line), 1);
    let target = "/api/status?repo=rsyslog&server=rsyslog-lab";
    assert_eq!(send(&server, "DELETE", target, Some(&token), ""), 200);
    assert_eq!(lines(&server, "INFO ] Status removed: rsyslog:rsyslog-lab by rsyslog-ci\n"), 1);
    let history = server.get("/api/history").json();
    let by: Vec<_> = history["items"].as_array().unwrap().iter().map(|it| &it["by"]).collect();
    assert_eq!(json!(by), json!(["rsyslog-ci", null, "rsyslog-ci"]));
}

#[test]
fn a_reporter_with_the_wrong_token_is_found_by_the_log() {
    let ci = Token::new("ci", "write = { repo = \"rsyslog\", server = \"*\" }");
    let old = Token::new("old", &format!("{ALL}expires = 2020-01-01"));
    let reader = Token::new("dashboard", "read = true");
    let mount = Mount::new(&[&ci, &old, &reader]);
    let server = mount.program(&["--require-read-token"]);
    let body = update("nginx", "web-1");
    let wrong = Token::new("ci", "");
    let unknown = Token::new("nobody", "");
    let cut = Token { text: ci.text[..30].to_owned(), ..ci.clone() };
    for _ in 0..5 {
        for (token, status) in
            [(&ci, 403), (&reader, 403), (&old, 401), (&wrong, 401), (&unknown, 401), (&cut, 401)]
        {
            assert_eq!(post(&server, Some(token), &body), status);
        }
        assert_eq!(post(&server, None, &body), 401);
        assert_eq!(send(&server, "GET", "/status.json", None, ""), 401);
        assert_eq!(send(&server, "GET", "/status.json", Some(&ci), ""), 403);
    }
    assert_eq!(post(&server, Some(&ci), "{"), 400);
    let last = " with the token ci was refused: Invalid JSON payload";
    wait_until("the log has the last line", || lines(&server, last) == 1);
    let from = "INFO ] POST /api/status from 127.0.0.1";
    for line in [
        format!(
            "{from} with the token ci was refused: The token ci may not report repo \"nginx\" on \
             server \"web-1\": its right write does not cover them"
        ),
        format!("{from} with the token dashboard was refused: The token dashboard may not report"),
        format!("{from} with the token old was refused: it has expired\n"),
        format!("{from} with the token ci was refused: its secret is wrong\n"),
        format!("{from} was refused: no token has the id it sent\n"),
        format!("{from} was refused: its token has not the form of one, or is in a wrong place\n"),
        format!("{from} was refused: there is no token\n"),
    ] {
        assert_eq!(lines(&server, &line), 1, "one line a minute: {line}");
    }
    let log = server.log();
    assert!(!log.contains("GET /status.json from"), "{log}");
    for token in [&ci, &old, &reader, &wrong, &unknown] {
        let secret = token.text.splitn(3, '_').nth(2).unwrap();
        assert!(!log.contains(secret) && !log.contains(&token.text[4..20]), "{log}");
    }
    assert!(!log.contains("nobody"), "an unknown id may be a part of a secret: {log}");
}

/// The ids are in the metrics, which everybody may read.
#[test]
fn strangers_who_know_all_ids_hide_no_reporter_whose_token_lacks_a_right() {
    let ci = Token::new("ci", "write = { repo = \"rsyslog\", server = \"*\" }");
    let others: Vec<_> = (0..70).map(|number| Token::new(&format!("job-{number}"), ALL)).collect();
    let mount = Mount::new(&others.iter().chain([&ci]).collect::<Vec<_>>());
    let server = mount.program(&[]);
    for number in 0..70 {
        let wrong = Token::new(&format!("job-{number}"), "");
        assert_eq!(post(&server, Some(&wrong), &update("r", "s")), 401);
    }
    assert_eq!(post(&server, Some(&ci), &update("nginx", "web-1")), 403);
    assert_eq!(lines(&server, "with the token ci was refused: The token ci may not report"), 1);
    assert_eq!(server.log().matches("its secret is wrong").count(), 8, "{}", server.log());
}

#[test]
fn strangers_who_try_everything_hide_no_reporter_and_forge_no_line() {
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[&token]);
    let server = mount.program(&["--require-read-token"]);
    for number in 0..200 {
        let stranger = Token::new(&format!("guess-{number}"), "");
        assert_eq!(post(&server, Some(&stranger), &update("r", "s")), 401);
        let target = format!("/file?name={number}%20INFO%20forged&_=%0aforged");
        assert_eq!(send(&server, "GET", &target, Some(&stranger), ""), 401);
    }
    let headers = [("X-Api-Key", "gss_x\tINFO ] forged")];
    assert_eq!(server.send("POST", "/api/status", &headers, b"").status, 401);
    let wrong = Token::new("ci", "");
    assert_eq!(post(&server, Some(&wrong), &update("r", "s")), 401);
    assert_eq!(post(&server, Some(&token), "{\"repo\":\"rsyslog\""), 400);
    assert_eq!(lines(&server, "with the token ci was refused: its secret is wrong\n"), 1);
    assert_eq!(lines(&server, "for the repo rsyslog with the token ci was refused: Invalid"), 1);
    let log = server.log();
    assert_eq!(log.matches("no token has the id it sent").count(), 1, "{log}");
    assert!(!log.contains("forged") && !log.contains("guess"), "{log}");
}
