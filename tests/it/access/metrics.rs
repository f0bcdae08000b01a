//! The metrics of tokens.

use std::collections::BTreeMap;

use super::kit::{ALL, Mount, Token, headers, update};
use crate::support::{Client, wait_until};

fn post(client: &Client, token: Option<&Token>, body: &str) -> u16 {
    let bearer = token.map(Token::bearer).into_iter().flatten().collect::<Vec<_>>();
    let mut sent = headers(&bearer);
    sent.push(("Content-Type", "application/json"));
    client.send("POST", "/api/status", &sent, body.as_bytes()).status
}

/// Returns the series of one metric with their values, by their labels.
fn series(client: &Client, name: &str) -> BTreeMap<String, f64> {
    let text = client.get("/metrics").text();
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    let lines = lines.map(|line| line.rsplit_once("} ").unwrap());
    lines.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap())).collect()
}

/// Returns those of them that are not 0.
fn counted(client: &Client, name: &str) -> Vec<String> {
    let counted = series(client, name).into_iter().filter(|(_, value)| *value > 0.0);
    counted.map(|(labels, value)| format!("{labels} {value}")).collect()
}

const REQUESTS: &str = "gitops_status_token_requests_total";
const UNAUTHORIZED: &str = "gitops_status_unauthorized_total";
const WITHOUT: &str = "gitops_status_updates_without_token_total";

#[test]
fn without_a_file_of_tokens_there_are_no_metrics_of_them() {
    let app = crate::support::TestApp::spawn();
    app.accept(update("r", "s"));
    let text = app.get("/metrics").text();
    assert!(!text.contains("token") && !text.contains("unauthorized"), "{text}");
}

#[test]
fn requests_are_counted_by_token_and_outcome_and_counts_survive_a_reload() {
    let ci = Token::new("ci", "write = { repo = \"rsyslog\", server = \"*\" }");
    let old = Token::new("old", &format!("{ALL}expires = 2026-04-21"));
    let idle = Token::new("idle", ALL);
    let mount = Mount::new(&[&ci, &old, &idle]);
    let app = mount.app(&[]);
    assert_eq!(series(&app, REQUESTS).len(), 12, "all exist from the start");
    assert!(counted(&app, REQUESTS).is_empty());
    let wrong = Token::new("ci", "");
    for (token, body, status) in [
        (&ci, update("rsyslog", "a"), 200),
        (&ci, update("rsyslog", "b"), 200),
        (&ci, "{".to_owned(), 400),
        (&ci, update("nginx", "a"), 403),
        (&wrong, update("rsyslog", "a"), 401),
        (&wrong, update("rsyslog", "a"), 401),
        (&old, update("rsyslog", "a"), 401),
    ] {
        assert_eq!(post(&app, Some(token), &body), status);
    }
    let bearer = ci.bearer();
    assert_eq!(app.send("GET", "/status.json", &headers(&bearer), b"").status, 200);
    assert_eq!(app.send("GET", "/livez", &headers(&bearer), b"").status, 200);
    assert_eq!(
        app.send("GET", "/login", &headers(&bearer), b"").status,
        303,
        "it counts as allowed"
    );
    let target = "/api/status?repo=rsyslog&server=a";
    assert_eq!(app.send("DELETE", target, &headers(&bearer), b"").status, 403);
    let expected = [
        "id=\"ci\",outcome=\"allowed\" 5",
        "id=\"ci\",outcome=\"forbidden\" 2",
        "id=\"ci\",outcome=\"wrong_secret\" 2",
        "id=\"old\",outcome=\"expired\" 1",
    ];
    assert_eq!(counted(&app, REQUESTS), expected);
    let new = Token::new("new", ALL);
    mount.swap(&[&new, &old, &ci]);
    wait_until("the file is read again", || {
        series(&app, REQUESTS).contains_key("id=\"new\",outcome=\"allowed\"")
    });
    assert_eq!(counted(&app, REQUESTS), expected);
    assert!(!series(&app, REQUESTS).contains_key("id=\"idle\",outcome=\"allowed\""));
    let expires = series(&app, "gitops_status_token_expires_timestamp_seconds");
    assert_eq!(expires, BTreeMap::from([("id=\"old\"".to_owned(), 1_776_729_600.0)]));
}

#[test]
fn a_page_with_a_wrong_token_is_counted_once_and_one_with_a_wrong_query_not_at_all() {
    let ci = Token::new("ci", ALL);
    let old = Token::new("old", &format!("{ALL}expires = 2026-04-21"));
    let mount = Mount::new(&[&ci, &old]);
    let app = mount.app(&[("require_read_token", "true")]);
    let ask = |target: &str, token: &Token| {
        let bearer = token.bearer();
        let sent = [&headers(&bearer)[..], &[("Accept", "text/html")]].concat();
        app.send("GET", target, &sent, b"").status
    };
    for token in [&Token::new("ci", ""), &old] {
        assert_eq!(ask("/", token), 401);
        assert_eq!(ask("/status.json?limit=no", token), 400);
        assert_eq!(ask("/nowhere", token), 404);
    }
    let bearer = ci.bearer();
    let counted = || {
        let text = app.send("GET", "/metrics", &headers(&bearer), b"").text();
        let lines = text.lines().filter_map(|line| line.strip_prefix(REQUESTS)?.strip_prefix('{'));
        let lines = lines.filter(|line| !line.ends_with(" 0"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let [wrong, expired] =
        ["id=\"ci\",outcome=\"wrong_secret\"} 1", "id=\"old\",outcome=\"expired\"} 1"];
    assert_eq!(counted(), ["id=\"ci\",outcome=\"allowed\"} 1", wrong, expired]);
    assert_eq!(ask("/login", &ci), 303);
    assert_eq!(ask("/login?not=ci", &ci), 401);
    assert_eq!(counted(), ["id=\"ci\",outcome=\"allowed\"} 3", wrong, expired]);
    let text = app.send("GET", "/metrics", &headers(&bearer), b"").text();
    assert!(text.contains("gitops_status_unauthorized_total{reason=\"missing\"} 1\n"), "{text}");
}

#[test]
fn requests_without_a_valid_token_are_counted_by_reason_and_nothing_they_send_is_a_label() {
    let mount = Mount::new(&[&Token::new("ci", ALL)]);
    let app = mount.app(&[]);
    for number in 0..20 {
        let stranger = Token::new(&format!("stranger-{number}"), "");
        assert_eq!(post(&app, Some(&stranger), &update("stranger", "stranger")), 401);
        let cut = Token { text: format!("gss_stranger-{number}"), ..stranger };
        assert_eq!(post(&app, Some(&cut), &update("stranger", "stranger")), 401);
    }
    assert_eq!(post(&app, None, &update("stranger", "stranger")), 401);
    let expected = ["reason=\"malformed\" 20", "reason=\"missing\" 1", "reason=\"unknown_id\" 20"];
    assert_eq!(counted(&app, UNAUTHORIZED), expected);
    assert!(!app.get("/metrics").text().contains("stranger"));
}

#[test]
fn updates_without_a_token_are_counted_by_repository_up_to_a_thousand_of_them() {
    let ci = Token::new("ci", ALL);
    let mount = Mount::new(&[&ci]);
    let app = mount.app(&[("allow_anonymous_writes", "true")]);
    assert_eq!(post(&app, Some(&ci), &update("moved", "a")), 200);
    assert_eq!(post(&app, None, &update("rsyslog", "a")), 200);
    assert_eq!(post(&app, None, &update("rsyslog", "b")), 200);
    assert_eq!(post(&app, None, &update("a\"b\\c", "b")), 200);
    assert_eq!(post(&app, None, "{"), 400);
    assert_eq!(counted(&app, WITHOUT), [r#"repo="a\"b\\c" 1"#, "repo=\"rsyslog\" 2"]);
    for number in 0..1010 {
        assert_eq!(post(&app, None, &update(&format!("r{number:04}"), "a")), 200);
    }
    assert_eq!(post(&app, None, &update("rsyslog", "a")), 200);
    let counted = series(&app, WITHOUT);
    assert_eq!(counted.len(), 1001);
    assert!((counted["repo=\"rsyslog\""] - 3.0).abs() < f64::EPSILON);
    assert!((counted["repo=\"others \""] - 12.0).abs() < f64::EPSILON);
}
