//! No page of another origin can load an answer, except the badge where it is for everybody.

use std::fs;

use serde_json::Value;

use crate::support::{Client, Events, Minted, Reply, TestApp, report};

const HEADER: &str = "cross-origin-resource-policy";

/// Returns every path of the description, and some that are not in it.
fn paths() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let described: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let described = described["paths"].as_object().unwrap().keys().cloned();
    described.chain(["/assets/page.js", "/assets/none", "/nothing"].map(str::to_owned)).collect()
}

fn assert_kept(reply: &Reply, about: &str) {
    assert_eq!(reply.header(HEADER), Some("same-origin"), "{about}: {}", reply.status);
}

/// Checks the answers to every method on every path.
fn assert_all_kept(app: &Client) {
    let is_open = |method: &str, path: &str| method == "GET" && path == "/api/events";
    for path in paths() {
        for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"] {
            for query in ["", "?repo=r&server=s", "?name=f", "?x=1"] {
                if !is_open(method, &path) {
                    let target = format!("{path}{query}");
                    let reply = app.send(method, &target, &[], b"");
                    assert_kept(&reply, &format!("{method} {target}"));
                }
            }
        }
    }
}

#[test]
fn no_answer_can_be_loaded_by_a_page_of_another_origin() {
    let app = TestApp::spawn();
    app.accept(report("r", "s", "OUT_OF_SYNC", &["f"]));
    assert_all_kept(&app);
    let (stream, _) = Events::open(&app, "/api/events", &[]);
    let head = stream.head.to_lowercase();
    assert!(head.contains("cross-origin-resource-policy: same-origin\r\n"), "{head}");
    for path in ["/status.json", "/badge.svg", "/"] {
        let tag = app.get(path).header("etag").unwrap().to_owned();
        let unchanged = app.get_with(path, &[("If-None-Match", &tag)]);
        assert_eq!(unchanged.status, 304, "{path}");
        assert_kept(&unchanged, path);
    }
    let json = ("Content-Type", "application/json");
    let large = " ".repeat(2_000_000);
    for (status, header, body) in [(413, json, large.as_str()), (415, ("Content-Type", "x/y"), "")]
    {
        let reply = app.send("POST", "/api/status", &[header], body.as_bytes());
        assert_eq!(reply.status, status);
        assert_kept(&reply, "POST");
    }
    let folder = tempfile::tempdir().unwrap();
    let token = Minted::with_id("job");
    let file = Minted::file(folder.path(), &[&token]);
    let closed = [("tokens_file", file.as_str()), ("require_read_token", "true")];
    let closed = TestApp::with_settings(&closed);
    closed.get("/badge.svg").error(401);
    assert_all_kept(&closed);
    let badge = closed.get_with("/badge.svg", &[("Authorization", &token.bearer())]);
    assert_eq!(badge.status, 200);
    assert_kept(&badge, "a browser sends the token of its user");
}

#[test]
fn pages_elsewhere_show_the_badge_of_a_server_that_others_reach() {
    let beyond = TestApp::with(|config| {
        config.listen = "0.0.0.0:0".parse().unwrap();
        config.allow_anonymous_writes = true;
    });
    let badge = beyond.get("/badge.svg");
    assert_eq!(badge.header(HEADER), Some("cross-origin"));
    let tag = badge.header("etag").unwrap();
    let unchanged = beyond.get_with("/badge.svg", &[("If-None-Match", tag)]);
    assert_eq!((unchanged.status, unchanged.header(HEADER)), (304, Some("cross-origin")));
    for path in ["/", "/status.json", "/badge.svg?x=1", "/assets/page.js"] {
        assert_kept(&beyond.get(path), path);
    }
}
