//! The description of the API has every path, method, parameter and column of the server, and no
//! others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gitops_status_server::domain::{Event, SyncStatus};
use serde_json::{Value, json};

use crate::access::kit::{ALL, Mount, Token, basic, headers};
use crate::support::{Description, Reply, TestApp, report};

/// The committed description, which the program serves unchanged.
const COMMITTED: &str = "docs/openapi.json";

/// A name that no path knows.
const UNKNOWN: &str = "no_such_parameter";

/// A report with every field of an update.
fn full_report() -> Value {
    let mut full: Value =
        serde_json::from_str(&report("rsyslog", "lab", "OUT_OF_SYNC", &["a.conf"])).unwrap();
    full["stale_after_seconds"] = json!(3600);
    full["ttl_seconds"] = json!(7200);
    full["revision"] = json!("4f2a91c");
    full["url"] = json!("https://ci.example/runs/7");
    full
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn described() -> Description {
    Description::new(serde_json::from_str(&read(COMMITTED)).unwrap())
}

#[test]
fn the_committed_description_is_the_one_that_is_served_and_is_of_this_version() {
    let reply = TestApp::spawn().get("/openapi.json");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(read(COMMITTED).trim_end(), reply.text());
    assert_eq!(reply.json()["info"]["version"], env!("CARGO_PKG_VERSION"), "{COMMITTED}");
}

#[test]
fn every_method_of_a_path_is_described_and_no_other() {
    let (app, described) = (TestApp::spawn(), described());
    for (path, ..) in described.operations() {
        let methods: BTreeSet<String> = described
            .operations()
            .filter(|(other, ..)| *other == path)
            .map(|(_, method, _)| method)
            .collect();
        let reply = app.send("OPTIONS", path, &[], b"");
        // HEAD is GET without a body.
        let allowed = reply.header("allow").unwrap().split(", ").filter(|name| *name != "HEAD");
        assert_eq!(methods, allowed.map(str::to_owned).collect(), "{path}");
    }
}

#[test]
fn every_parameter_that_a_path_takes_is_described_and_no_other() {
    let (app, described) = (TestApp::spawn(), described());
    for (path, method, operation) in described.operations() {
        let parameters = described.parameters(operation);
        let names: BTreeSet<String> =
            parameters.clone().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
        let reply = app.send(&method, &format!("{path}?{UNKNOWN}=1"), &[], b"");
        assert_eq!(known_parameters(&reply), names, "{method} {path}");

        let needs_some = parameters.clone().any(|parameter| parameter["required"] == true);
        let bodiless = if method == "GET" { "HEAD" } else { &method };
        let is_wrong = app.send(bodiless, path, &[], b"").status == 400;
        assert!(method == "POST" || is_wrong == needs_some, "{method} {path}");
    }
}

#[test]
fn a_parameter_has_the_bounds_that_are_described() {
    let (app, described) = (TestApp::spawn(), described());
    let mut bounds = 0;
    for (path, _, operation) in described.operations() {
        let parameters = described.parameters(operation);
        for parameter in parameters.filter(|parameter| parameter["required"] == false) {
            let name = parameter["name"].as_str().unwrap();
            for (keyword, beyond) in
                [("minimum", -1), ("maximum", 1), ("minLength", -1), ("maxLength", 1)]
            {
                let Some(bound) = parameter["schema"][keyword].as_i64() else { continue };
                let status = |bound: i64| {
                    let value = match keyword {
                        "minimum" | "maximum" => bound.to_string(),
                        _ => "x".repeat(bound.try_into().unwrap()),
                    };
                    app.send("HEAD", &format!("{path}?{name}={value}"), &[], b"").status
                };
                let statuses = (status(bound), status(bound + beyond));
                assert_eq!(statuses, (200, 400), "{path}: {keyword} of {name}");
                bounds += 1;
            }
        }
    }
    assert!(bounds > 10, "the description lost its bounds");
}

#[test]
fn refusals_are_described_on_every_path_that_may_need_a_token_and_on_no_other() {
    let nothing = Token::new("nothing", "");
    let mount = Mount::new(&[&nothing]);
    let app = mount.app(&[("require_read_token", "true")]);
    let mut described = described();
    let operations: Vec<(String, String, Value)> = described
        .operations()
        .map(|(path, method, operation)| (path.to_owned(), method, operation.clone()))
        .collect();
    let bearer = nothing.bearer();
    for (path, method, operation) in operations {
        let required = described.parameters(&operation).filter(|it| it["required"] == true);
        let required: Vec<String> =
            required.map(|it| format!("{}=x", it["name"].as_str().unwrap())).collect();
        let target = format!("{path}?{}", required.join("&"));
        let is_open = operation["security"] == json!([]);
        let answers = &operation["responses"];
        assert_eq!(answers["401"].is_null(), is_open, "{method} {path}");
        assert_eq!(answers["403"].is_null(), is_open, "{method} {path}");
        // Every token signs in.
        let with_token = if path == "/login" { 303 } else { 403 };
        for (sent, status) in [(vec![], 401), (headers(&bearer), with_token)] {
            let reply = app.send(&method, &target, &sent, b"");
            assert_eq!(reply.status, if is_open { 200 } else { status }, "{method} {path}");
            described.check(&method, &target, &reply);
        }
        if !is_open && !required.is_empty() {
            let reply = app.send(&method, &path, &[], b"");
            assert_eq!(reply.status, 400, "{method} {path}");
            described.check(&method, &path, &reply);
        }
    }
}

#[test]
fn each_place_of_a_token_that_is_described_is_one() {
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[&token]);
    let app = mount.app(&[("require_read_token", "true")]);
    let described: Value = serde_json::from_str(&read(COMMITTED)).unwrap();
    let schemes = described["components"]["securitySchemes"].as_object().unwrap();
    for (name, scheme) in schemes {
        let header = match scheme["scheme"].as_str() {
            Some("bearer") => ("Authorization", format!("Bearer {}", token.text)),
            Some("basic") => ("Authorization", basic(b"user", &token.text)),
            _ => (scheme["name"].as_str().unwrap(), token.text.clone()),
        };
        assert_eq!(app.get_with("/status.json", &headers(&[header])).status, 200, "{name}");
        let requirements = described["security"].as_array().unwrap();
        assert!(requirements.contains(&json!({ name.as_str(): [] })), "{name}");
    }
    assert_eq!(schemes.len(), 3);
}

#[test]
fn the_words_for_events_and_statuses_are_those_that_are_described() {
    let described: Value = serde_json::from_str(&read(COMMITTED)).unwrap();
    let words = |schema: &str| described["components"]["schemas"][schema]["enum"].clone();
    assert_eq!(words("Event"), json!(Event::ALL.map(Event::as_str)));
    let statuses = [SyncStatus::Synced, SyncStatus::OutOfSync];
    assert_eq!(words("SyncStatus"), json!(statuses.map(SyncStatus::as_str)));
}

/// Returns the parameters that an error, or a notice on a page, lists as known.
fn known_parameters(reply: &Reply) -> BTreeSet<String> {
    let text = reply.text();
    let Some((_, known)) = text.split_once("; known are ") else { return BTreeSet::new() };
    let known = known.split(['.', '"', '<']).next().unwrap().replace(" and ", ", ");
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_field_of_an_update_that_the_server_reads_is_described_and_no_other() {
    let app = TestApp::spawn();
    let mut described = described();
    let update = json!({ "$ref": "#/components/schemas/Update" });
    described.fits(&update, &full_report(), "").unwrap();
    assert!(!described.never_served().iter().any(|column| column.starts_with("Update.")));
    let source = read("src/http/wire.rs");
    let (_, known) = source.split_once("struct Document<'a> {").unwrap();
    let (known, _) = known.split_once('}').unwrap();
    let known = known.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name);
    let known: BTreeSet<&str> = known.collect();
    assert_eq!(known, full_report().as_object().unwrap().keys().map(String::as_str).collect());
    for field in full_report().as_object().unwrap().keys() {
        let mut wrong = full_report();
        wrong[field] = json!({});
        let reply = app.post(wrong.to_string());
        assert!(reply.text().contains(field), "{field}: {}", reply.text());
    }
}

#[test]
fn an_answer_is_as_it_is_described_and_every_column_that_is_described_is_served() {
    let (app, mut described) = (TestApp::spawn(), described());
    let mut ask = |method: &str, target: &str, body: &str| {
        let json = [("Content-Type", "application/json")];
        let headers = if body.is_empty() { &[][..] } else { &json };
        let reply = app.send(method, target, headers, body.as_bytes());
        described.check(method, target, &reply);
        reply.status
    };
    let mut with_warning = full_report();
    with_warning["revision"] = json!(7);
    assert_eq!(ask("POST", "/api/status", &full_report().to_string()), 200);
    assert_eq!(ask("POST", "/api/status", &with_warning.to_string()), 200);
    assert_eq!(ask("POST", "/api/status", "{}"), 400);
    assert_eq!(ask("POST", "/api/status", "{"), 400);
    assert_eq!(ask("POST", "/api/status", ""), 415);
    for target in [
        "/",
        "/entry?repo=rsyslog&server=lab",
        "/file?name=a.conf",
        "/status.json",
        "/status.json?flat=true",
        "/status.csv",
        "/api/history",
        "/api/history?flat=true&limit=1",
        "/api/timeline?from=0&to=9999999999",
        "/api/timeline?by=repo",
        "/api/timeline?by=server",
        "/api/summary",
        "/api/repos",
        "/api/servers",
        "/api/files",
        "/badge.svg",
        "/metrics",
        "/health",
        "/livez",
        "/readyz",
    ] {
        assert_eq!(ask("GET", target, ""), 200, "{target}");
    }
    assert_eq!(ask("GET", "/entry?repo=nothing&server=known", ""), 404);
    for target in ["/entry", "/file", "/status.json?limit=0", "/status.csv?limit=0"] {
        assert_eq!(ask("GET", target, ""), 400, "{target}");
    }
    for path in ["history", "timeline", "events", "summary", "repos", "servers", "files"] {
        assert_eq!(ask("GET", &format!("/api/{path}?{UNKNOWN}=1"), ""), 400, "{path}");
    }
    assert_eq!(ask("DELETE", "/api/status", ""), 400);
    assert_eq!(ask("DELETE", "/api/status?repo=rsyslog&server=lab", ""), 200);
    assert_eq!(ask("DELETE", "/api/status?repo=rsyslog&server=lab", ""), 404);

    let mut never_served = described.never_served();
    never_served.retain(|column| !column.starts_with("Update."));
    // The description of itself says no more than its first column; nothing is wrong with this server.
    assert_eq!(never_served, ["Description.openapi", "Health.message"]);
}
