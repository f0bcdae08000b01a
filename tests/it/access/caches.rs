//! What caches may keep: no error, and where reading needs a token, no answer for others.

use std::collections::BTreeSet;

use super::kit::{ALL, Mount, Token, headers, update};
use crate::support::{Description, Reply, TestApp};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"];

/// Returns the paths that can be read, each with a query string that is answered. The stream of changes
/// does not end, and is asked for by HEAD.
fn targets(app: &TestApp, credential: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let description = Description::new(app.get_with("/openapi.json", credential).json());
    let reads = description.operations().filter(|(_, method, _)| method == "GET");
    let mut targets: Vec<(&str, String)> = reads
        .map(|(path, ..)| {
            let method = if path == "/api/events" { "HEAD" } else { "GET" };
            let query = match path {
                "/entry" => "?repo=rsyslog&server=lab",
                "/file" => "?name=a.conf",
                _ => "",
            };
            (method, format!("{path}{query}"))
        })
        .collect();
    targets.extend(["/status.json?repo=rsyslog", "/?view=wall"].map(|more| ("GET", more.into())));
    targets
}

fn cache_control(
    app: &TestApp,
    (method, target): &(&str, String),
    sent: &[(&str, &str)],
) -> String {
    let reply = app.send(method, target, sent, b"");
    assert!([200, 303, 304].contains(&reply.status), "{target}: {}", reply.status);
    let said = reply.header("cache-control");
    let said = said.unwrap_or_else(|| panic!("{target} says nothing to caches")).to_owned();
    if let Some(tag) = reply.header("etag") {
        let unchanged = app.send(method, target, &[sent, &[("If-None-Match", tag)]].concat(), b"");
        assert_eq!(
            (unchanged.status, unchanged.header("cache-control")),
            (304, Some(said.as_str()))
        );
    }
    said
}

#[test]
fn where_reading_needs_a_token_no_shared_cache_keeps_an_answer() {
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[&token]);
    let app = mount.app(&[("require_read_token", "true")]);
    let bearer = token.bearer();
    let json = [headers(&bearer), vec![("Content-Type", "application/json")]].concat();
    let body = update("rsyslog", "lab");
    assert_eq!(app.send("POST", "/api/status", &json, body.as_bytes()).status, 200);
    // A cache knows by itself that an answer to `Authorization` is not for others, but not here.
    let key = [("X-Api-Key", token.text.as_str())];
    let mut targets = targets(&app, &key);
    assert!(targets.len() > 18, "{targets:?}");
    // A server on PostgreSQL makes no backups.
    targets.retain(|(method, target)| app.send(method, target, &key, b"").status != 501);
    for target in &targets {
        let said = cache_control(&app, target, &key);
        let expected = match target.1.split('?').next().unwrap() {
            "/badge.svg" => "private, max-age=60",
            "/status.json" | "/status.csv" | "/api/summary" | "/api/repos" | "/api/servers"
            | "/api/files" => "private, no-cache",
            _ => "no-store",
        };
        assert_eq!(said, expected, "{target:?}");
    }
    let page = app.get_with("/", &key).text();
    let asset = page.split("\"assets/").nth(1).unwrap().split('"').next().unwrap();
    let asset = cache_control(&app, &("GET", format!("/assets/{asset}")), &[]);
    assert_eq!(asset, "public, max-age=31536000, immutable", "it says nothing of entries");
}

#[test]
fn where_everybody_reads_shared_caches_may_help() {
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[&token]);
    let app = mount.app(&[]);
    for sent in [vec![], vec![("X-Api-Key", token.text.as_str())]] {
        for (target, expected) in [("/badge.svg", "max-age=60"), ("/status.json", "no-cache")] {
            assert_eq!(cache_control(&app, &("GET", target.into()), &sent), expected, "{target}");
        }
    }
}

/// Sends every method to every path, right and wrong; returns each request with its answer.
fn ask_everything(app: &TestApp, sent: &[(&str, &str)]) -> Vec<(String, Reply)> {
    let text = include_str!("../../../docs/openapi.json");
    let described = Description::new(serde_json::from_str(text).unwrap());
    let described: BTreeSet<&str> = described.operations().map(|(path, ..)| path).collect();
    let others = ["/nothing", "/api/status/", "/assets/nothing", "/assets/page.css"];
    let mut answers = Vec::new();
    for path in described.into_iter().chain(others) {
        for target in [path.to_owned(), format!("{path}?no_such_parameter=1")] {
            for method in METHODS {
                // It has no end.
                if (method, target.as_str()) != ("GET", "/api/events") {
                    let asked = format!("{method} {target}");
                    answers.push((asked, app.send(method, &target, sent, b"")));
                }
            }
        }
    }
    answers
}

/// RFC 9111 lets caches keep a 404, 405, 410, 414 or 501 that says nothing of it. The page of an entry
/// that somebody opened before its first report would have stayed a 404.
#[test]
fn every_answer_says_what_caches_may_do_and_they_keep_no_error() {
    let nothing = Token::new("nothing", "");
    let mount = Mount::new(&[&nothing]);
    let (open, closed) = (TestApp::spawn(), mount.app(&[("require_read_token", "true")]));
    let bearer = nothing.bearer();
    let html = [("Accept", "text/html,application/xhtml+xml")];
    let mut errors = BTreeSet::new();
    for (app, sent) in
        [(&open, vec![]), (&open, html.to_vec()), (&closed, vec![]), (&closed, headers(&bearer))]
    {
        let mut answers = ask_everything(app, &sent);
        let foreign = app.raw(b"GET /status.json HTTP/1.1\r\nHost: x.example\r\n\r\n").unwrap();
        answers.push(("of a foreign host".to_owned(), foreign));
        for (asked, reply) in answers {
            let said = reply.headers.iter().filter(|(name, _)| name == "cache-control");
            let said: Vec<&str> = said.map(|(_, value)| value.as_str()).collect();
            assert_eq!(said.len(), 1, "{asked}: {}", reply.status);
            if reply.status >= 400 {
                assert_eq!(said, ["no-store"], "{asked}: {}", reply.status);
                errors.insert(reply.status);
            }
        }
    }
    // A server on PostgreSQL makes no backups.
    errors.remove(&501);
    assert_eq!(errors, BTreeSet::from([400, 401, 403, 404, 405, 415, 421]));
}
