//! A fleet that moves to tokens one job at a time, and proxies that have credentials of their own.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::dashboards::repository;
use crate::support::{Minted, Reply, TestApp, report, run_tool};

fn post(app: &TestApp, repo: &str, headers: &[(&str, &str)]) -> Reply {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    app.send("POST", "/api/status", &headers, report(repo, "web-1", "SYNCED", &[]).as_bytes())
}

#[test]
fn updates_without_a_token_are_counted_by_repository_while_a_fleet_moves() {
    let folder = tempfile::tempdir().unwrap();
    let moved = Minted::new(&["--id=moved", "--write=repo=moved,server=*"]);
    let file = Minted::file(folder.path(), &[&moved]);
    let settings = [("tokens_file", file.as_str()), ("allow_anonymous_writes", "true")];
    let app = TestApp::with_settings(&settings);
    let bearer = moved.bearer();
    let with_token = [("Authorization", bearer.as_str())];
    for repo in ["left", "left", "also \"left\""] {
        assert_eq!(post(&app, repo, &[]).status, 200);
    }
    assert_eq!(post(&app, "moved", &with_token).status, 200);
    assert_eq!(post(&app, "left", &with_token).status, 403, "a token counts for what it says");
    let wrong = moved.bearer().replace("moved", "moves");
    assert_eq!(post(&app, "left", &[("Authorization", &wrong)]).status, 401);
    let removed = app.send("DELETE", "/api/status?repo=left&server=web-1", &[], b"");
    assert_eq!(removed.status, 401, "to remove needs its right");
    let metrics = app.get("/metrics").text();
    let counts = metrics.lines().filter(|line| line.starts_with("gitops_status_updates_without_"));
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [
            "gitops_status_updates_without_token_total{repo=\"also \\\"left\\\"\"} 1",
            "gitops_status_updates_without_token_total{repo=\"left\"} 2",
        ]
    );
}

#[test]
fn prometheus_understands_the_question_of_who_has_not_moved() {
    let document = fs::read_to_string(repository("docs/security.md")).unwrap();
    let blocks =
        document.split("```promql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut blocks = blocks.filter(|it| it.contains("gitops_status_updates_without_token_total"));
    let block = blocks.next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    let expression = block.trim();
    let rule = format!("groups:\n- name: a\n  rules:\n  - record: b:c:d\n    expr: {expression}\n");
    fs::write(&file, rule).unwrap();
    run_tool("promtool", "prometheus", &["check", "rules", file.to_str().unwrap()], "");
}

#[test]
fn a_credential_of_a_proxy_counts_as_absent() {
    let folder = tempfile::tempdir().unwrap();
    let ci = Minted::new(&["--id=ci", "--write=repo=*,server=*"]);
    let file = Minted::file(folder.path(), &[&ci]);
    let app = TestApp::with_settings(&[("tokens_file", &file)]);
    // A person's name and password, and a token of the provider.
    for proxys in
        ["Basic YWxpY2U6c2VjcmV0", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "Negotiate YQ=="]
    {
        let proxys = ("Authorization", proxys);
        assert_eq!(app.get_with("/status.json", &[proxys]).status, 200);
        let message = post(&app, "a", &[proxys]).error(401);
        assert!(message.starts_with("This needs a token"), "{message}");
        let both = [proxys, ("X-Api-Key", ci.token.as_str())];
        assert_eq!(post(&app, "a", &both).status, 200);
    }
}

#[test]
fn a_browser_is_asked_for_a_password_where_reading_needs_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let reader = Minted::new(&["--id=reader", "--read"]);
    let file = Minted::file(folder.path(), &[&reader]);
    let app = TestApp::with_settings(&[("tokens_file", &file), ("require_read_token", "true")]);
    let reply = app.get("/");
    assert_eq!(reply.status, 401);
    let offers = reply.headers.iter().filter(|(name, _)| name == "www-authenticate");
    let offers: Vec<_> = offers.map(|(_, value)| value.split(' ').next().unwrap()).collect();
    assert_eq!(offers, ["Bearer", "Basic"]);
    let basic = format!("Basic {}", STANDARD.encode(format!("anybody:{}", reader.token)));
    assert_eq!(app.get_with("/", &[("Authorization", &basic)]).status, 200);
}
