//! Where reading needs a token, a cache that several clients share keeps no answer for others.

use super::kit::{ALL, Mount, Token, headers, update};
use crate::support::{Description, TestApp};

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
