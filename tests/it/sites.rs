//! What browsers send for pages of other sites is refused, and answers tell browsers how to treat them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Client, Minted, Reply, TestApp, report};

/// The `Host` of the original's requests.
const ORIGINAL: &str = "gitops-status-server.observability-stack.svc.cluster.local:80";

/// Sends a request with these lines of the head behind the first, and no others.
fn send(app: &Client, first: &str, lines: &[&str], body: &str) -> Reply {
    let mut head = format!("{first}\r\nConnection: close\r\n");
    for line in lines {
        head += &format!("{line}\r\n");
    }
    if !body.is_empty() {
        let length = body.len();
        head += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
    }
    app.raw(format!("{head}\r\n{body}").as_bytes()).unwrap_or_else(|| panic!("no answer to {head}"))
}

/// Asks for the list under the name in `Host`.
fn status_at(app: &Client, host: &str) -> u16 {
    send(app, "GET /status.json HTTP/1.1", &[&format!("Host: {host}")], "").status
}

/// Returns every path of the description, with each of its methods.
fn operations() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let described: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let paths = described["paths"].as_object().unwrap();
    let methods = |methods: &Value| {
        methods.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect::<Vec<_>>()
    };
    let described = paths.iter().flat_map(|(path, of)| {
        methods(of).into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    });
    let others = ["GET /assets/page.css", "GET /nothing", "PUT /api/status", "OPTIONS /", "HEAD /"];
    let others = others.iter().map(|other| other.split_once(' ').unwrap());
    let others = others.map(|(method, path)| (method.to_owned(), path.to_owned()));
    described.chain(others).chain([("OPTIONS".to_owned(), "*".to_owned())]).collect()
}

fn with_entry() -> TestApp {
    let app = TestApp::spawn();
    app.accept(report("rsyslog", "lab", "OUT_OF_SYNC", &["secret.conf"]));
    app
}

#[test]
fn under_the_name_of_another_site_no_path_tells_or_changes_anything() {
    let app = with_entry();
    let before = app.get("/status.json").text();
    for (method, path) in operations() {
        let target = format!("{method} {path}?repo=rsyslog&server=lab HTTP/1.1");
        let target = target.replace("*?repo=rsyslog&server=lab", "*");
        let body =
            if method == "POST" { report("rsyslog", "lab", "SYNCED", &[]) } else { String::new() };
        let reply = send(&app, &target, &["Host: rebind.example:8080"], &body);
        assert_eq!(reply.status, 421, "{target}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{target}");
        if method != "HEAD" {
            assert!(reply.error(421).contains("allowed_hosts"), "{target}: {}", reply.text());
        }
        assert!(!reply.text().contains("secret.conf"), "{target}");
    }
    assert_eq!(app.get("/status.json").text(), before);
}

#[test]
fn the_original_request_and_each_local_name_are_answered() {
    let app = with_entry();
    let body = report("rsyslog", "rsyslog-lab", "SYNCED", &[]);
    let reply = send(&app, "POST /api/status HTTP/1.1", &[&format!("Host: {ORIGINAL}")], &body);
    assert_eq!(reply.text(), r#"{"status":"ok","message":"Status updated successfully"}"#);
    for host in [
        ORIGINAL,
        "127.0.0.1",
        "127.0.0.1:8080",
        "192.0.2.7:1",
        "[::1]:8080",
        "[::FFFF:127.0.0.1]",
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "gitops_status",
        "a.localhost:8080",
        "status.observability.svc",
        "nas.local",
        "vm.internal.:80",
    ] {
        assert_eq!(status_at(&app, host), 200, "{host}");
    }
}

#[test]
fn no_spelling_of_another_name_passes_for_a_local_one() {
    let app = with_entry();
    for host in [
        "rebind.example",
        "REBIND.example:8080",
        "rebind.example.",
        "rebind.example..",
        "localhost.rebind.example",
        "127.0.0.1.rebind.example",
        "xlocal.rebind.example:80",
        "rebind.svc.example",
        "mylocal.example",
        "localhost:80@rebind.example",
        "localhost@rebind.example",
        "localhost%2erebind%2eexample",
        "localhost, rebind.example",
        "localhost rebind.example",
        "localhost/rebind.example",
        "localhost\\rebind.example",
        "http://localhost",
        "[::1].rebind.example",
        "[::1",
        "::1",
        "localhost:http",
        "localhost:65536",
        "loc\u{e4}lhost.example",
        ".",
        "",
    ] {
        let status = status_at(&app, host);
        assert!(matches!(status, 400 | 421), "{host}: {status}");
    }
    let twice = ["Host: localhost", "Host: rebind.example"];
    assert_eq!(send(&app, "GET /status.json HTTP/1.1", &twice, "").status, 400);
    for forwarded in ["X-Forwarded-Host: localhost", "Forwarded: host=localhost"] {
        let lines = ["Host: rebind.example", forwarded];
        assert_eq!(send(&app, "GET /status.json HTTP/1.1", &lines, "").status, 421, "{forwarded}");
        let lines = ["Host: localhost", &forwarded.replace("localhost", "rebind.example")];
        assert_eq!(send(&app, "GET /status.json HTTP/1.1", &lines, "").status, 200, "{forwarded}");
    }
}

#[test]
fn a_target_that_is_a_url_counts_as_well_as_host() {
    let app = with_entry();
    for (target, host, status) in [
        ("http://localhost:8080/status.json", "localhost:8080", 200),
        ("http://rebind.example/status.json", "localhost", 421),
        ("http://localhost/status.json", "rebind.example", 421),
        ("http://localhost@rebind.example/status.json", "localhost", 421),
        ("//rebind.example/status.json", "localhost", 404),
    ] {
        let reply = send(&app, &format!("GET {target} HTTP/1.1"), &[&format!("Host: {host}")], "");
        assert_eq!(reply.status, status, "{target} at {host}");
    }
}

#[test]
fn a_check_by_http_1_0_needs_no_host() {
    let app = with_entry();
    assert_eq!(send(&app, "OPTIONS / HTTP/1.0", &[], "").status, 204);
    assert_eq!(send(&app, "GET /status.json HTTP/1.0", &[], "").status, 200);
    assert_eq!(send(&app, "GET /status.json HTTP/1.0", &["Host: rebind.example"], "").status, 421);
}

#[test]
fn the_settings_name_other_hosts_of_the_server() {
    let allowed = ("allowed_hosts", "status.example.org, *.example.net");
    let external = ("external_url", "https://drift.example.com:8443/gitops");
    let app = TestApp::with_settings(&[allowed, external]);
    for host in [
        "status.example.org",
        "Status.Example.Org.:8080",
        "a.b.example.net",
        "drift.example.com",
        "localhost",
    ] {
        assert_eq!(status_at(&app, host), 200, "{host}");
    }
    for host in ["example.org", "example.net", "xexample.net", "x.drift.example.com"] {
        assert_eq!(status_at(&app, host), 421, "{host}");
    }
}

#[test]
fn a_server_for_other_machines_or_with_tokens_answers_to_every_name() {
    let beyond = TestApp::with(|config| {
        config.listen = "0.0.0.0:0".parse().unwrap();
        config.allow_anonymous_writes = true;
    });
    assert_eq!(status_at(&beyond, "rebind.example"), 200);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let with_tokens = TestApp::with_settings(&[("tokens_file", path)]);
    assert_eq!(status_at(&with_tokens, "rebind.example"), 200);
}

#[test]
fn without_a_token_a_page_whose_name_was_made_to_lead_here_reports_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let token = Minted::with_id("job");
    let file = Minted::file(folder.path(), &[&token]);
    let beyond = TestApp::with(|config| {
        config.listen = "0.0.0.0:0".parse().unwrap();
        config.allow_anonymous_writes = true;
    });
    let with_tokens = TestApp::with_settings(&[
        ("allow_anonymous_writes", "true"),
        ("allowed_hosts", "status.example"),
        ("tokens_file", &file),
    ]);
    for (app, has_tokens) in [(&beyond, false), (&with_tokens, true)] {
        let report = |host: &str, lines: &[&str]| {
            let host = format!("Host: {host}");
            let lines = [&[host.as_str()], lines].concat();
            let body = report("rsyslog", "new", "SYNCED", &[]);
            send(app, "POST /api/status HTTP/1.1", &lines, &body)
        };
        for sent in ["Origin: http://rebind.example:8080", "Sec-Fetch-Site: same-origin"] {
            report("rebind.example:8080", &[sent]).error(403);
            assert_eq!(app.names(""), [""; 0], "{sent}");
        }
        assert_eq!(report("10.0.0.1:8080", &["Origin: http://10.0.0.1:8080"]).status, 200);
        assert_eq!(report("jobs.example", &[]).status, 200, "no browser has sent it");
        let known = report("status.example", &["Origin: http://status.example"]).status;
        assert_eq!(known, if has_tokens { 200 } else { 403 }, "only that one knows the name");
        if has_tokens {
            let sent =
                ["Origin: http://jobs.example", &format!("Authorization: {}", token.bearer())];
            assert_eq!(report("jobs.example", &sent).status, 200, "no page has the token of a job");
        }
    }
}

/// Tries to write and to remove; returns the statuses.
fn write(app: &Client, host: &str, lines: &[&str]) -> [u16; 2] {
    let host = format!("Host: {host}");
    let lines = [&[host.as_str()], lines].concat();
    let body = report("rsyslog", "new", "SYNCED", &[]);
    let posted = send(app, "POST /api/status HTTP/1.1", &lines, &body);
    let target = "DELETE /api/status?repo=rsyslog&server=new HTTP/1.1";
    [posted.status, send(app, target, &lines, "").status]
}

#[test]
fn a_write_for_a_page_of_another_site_is_refused() {
    let app = with_entry();
    let before = app.get("/status.json").text();
    for lines in [
        &["Sec-Fetch-Site: cross-site"][..],
        &["Sec-Fetch-Site: same-site"],
        &["Sec-Fetch-Site: Same-Origin"],
        &["Sec-Fetch-Site: same-origin, cross-site"],
        &["Sec-Fetch-Site:"],
        &["Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"],
        &["Sec-Fetch-Site: cross-site", "Origin: http://localhost:8080"],
        &["Origin: null"],
        &["Origin: http://rebind.example"],
        &["Origin: http://localhost"],
        &["Origin: http://localhost:8081"],
        &["Origin: http://127.0.0.1:8080"],
        &["Origin: https://localhost"],
        &["Origin: http://localhost:8080.rebind.example"],
        &["Origin: http://localhost:8080@rebind.example"],
        &["Origin: http://localhost:8080/"],
        &["Origin: http://localhost:8080 http://rebind.example"],
        &["Origin: http://localhost:8080", "Origin: http://rebind.example"],
        &["Origin: localhost:8080"],
        &["Origin: file://"],
        &["Origin: chrome-extension://localhost:8080"],
        &["Origin:"],
        &["Origin: http://l\u{f6}calhost:8080"],
    ] {
        assert_eq!(write(&app, "localhost:8080", lines), [403, 403], "{lines:?}");
    }
    assert_eq!(app.get("/status.json").text(), before);
    let lines = ["Host: localhost", "Origin: http://rebind.example"];
    let reply = send(&app, "PUT /status.json HTTP/1.1", &lines, "");
    assert!(reply.error(403).contains("allowed_hosts"), "{}", reply.text());
}

#[test]
fn a_write_of_this_servers_page_or_of_no_page_is_accepted() {
    let app = TestApp::with_settings(&[
        ("allowed_hosts", "*.example.net"),
        ("external_url", "https://drift.example.com/gitops"),
    ]);
    for (host, lines) in [
        ("localhost:8080", &[][..]),
        ("localhost:8080", &["Sec-Fetch-Site: same-origin"]),
        ("localhost:8080", &["Sec-Fetch-Site: none"]),
        ("localhost:8080", &["Sec-Fetch-Site: same-origin", "Origin: https://other.example"]),
        ("localhost:8080", &["Origin: http://LOCALHOST.:8080"]),
        ("localhost", &["Origin: http://localhost:80"]),
        ("localhost:443", &["Origin: https://localhost"]),
        ("[::1]:8080", &["Origin: http://[0:0::1]:8080"]),
        ("10.0.0.1:8080", &["Origin: https://drift.example.com"]),
        ("10.0.0.1:8080", &["Origin: http://a.example.net:1234"]),
    ] {
        assert_eq!(write(&app, host, lines), [200, 200], "{host} {lines:?}");
    }
}

#[test]
fn reads_for_pages_of_other_sites_are_answered_and_no_site_may_see_them() {
    let app = with_entry();
    let foreign =
        ["Host: localhost", "Origin: http://rebind.example", "Sec-Fetch-Site: cross-site"];
    // Without tokens nobody signs in.
    for (method, path) in operations().into_iter().filter(|(_, path)| path != "/login") {
        // The stream has no end.
        let method = if path == "/api/events" { "HEAD" } else { &method };
        let wants = "Access-Control-Request-Method: POST";
        let lines =
            [&foreign[..], &[wants, "Access-Control-Request-Headers: content-type"]].concat();
        let reply = send(&app, &format!("{method} {path} HTTP/1.1"), &lines, "");
        let is_write = !matches!(method, "GET" | "HEAD" | "OPTIONS");
        assert_eq!(reply.status == 403, is_write, "{method} {path}: {}", reply.status);
        let cors =
            |(name, _): &&(String, String)| name.to_lowercase().starts_with("access-control");
        assert_eq!(reply.headers.iter().find(cors), None, "{method} {path}");
    }
}

#[test]
fn what_is_refused_for_its_site_is_counted_with_its_path_and_status() {
    let app = with_entry();
    status_at(&app, "rebind.example");
    send(&app, "GET /nothing HTTP/1.1", &["Host: rebind.example"], "");
    write(&app, "localhost", &["Origin: null"]);
    let metrics = app.get("/metrics").text();
    for (labels, count) in [
        (r#"route="/status.json",method="GET",code="421""#, 1),
        (r#"route="none",method="GET",code="421""#, 1),
        (r#"route="/api/status",method="POST",code="403""#, 1),
        (r#"route="/api/status",method="DELETE",code="403""#, 1),
    ] {
        let line = format!("gitops_status_http_requests_total{{{labels}}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

/// Returns the directives of the policy of an answer.
fn policy(reply: &Reply) -> Vec<&str> {
    let policy = reply.header("content-security-policy").expect("every answer has a policy");
    policy.split(';').map(str::trim).collect()
}

#[test]
fn every_answer_forbids_to_guess_its_type_and_to_run_or_frame_it() {
    let app = with_entry();
    let page = app.get("/").text();
    let assets = page.split("\"assets/").skip(1).map(|rest| rest.split('"').next().unwrap());
    let assets: Vec<String> = assets.map(|name| format!("/assets/{name}")).collect();
    assert!(assets.len() > 5);
    let others = ["/status.json", "/status.csv", "/metrics", "/health", "/livez", "/openapi.json"];
    let errors = ["/nothing", "/status.json?x=1", "/assets/nothing", "/badge.svg?x=1"];
    let targets = assets.iter().map(String::as_str).chain(others).chain(errors);
    for target in targets {
        let reply = app.get(target);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(policy(&reply), ["default-src 'none'", "frame-ancestors 'none'"], "{target}");
    }
    let reply = app.post(report("rsyslog", "lab", "SYNCED", &[]));
    assert_eq!(policy(&reply), ["default-src 'none'", "frame-ancestors 'none'"]);
    // A README may show a badge as an object, whose link works.
    assert_eq!(policy(&app.get("/badge.svg")), ["default-src 'none'"]);
    let tag = app.get("/status.json").header("etag").unwrap().to_owned();
    let unchanged = app.get_with("/status.json", &[("If-None-Match", &tag)]);
    assert_eq!((unchanged.status, policy(&unchanged).len()), (304, 2));
}

#[test]
fn every_page_forbids_what_is_not_its_own_also_as_an_error() {
    let app = with_entry();
    let tag = app.get("/").header("etag").unwrap().to_owned();
    let html = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    for (target, status, more) in [
        ("/", 200, None),
        ("/", 304, Some(("If-None-Match", tag.as_str()))),
        ("/?view=wall", 200, None),
        ("/entry?repo=rsyslog&server=lab", 200, None),
        ("/entry?repo=no&server=lab", 404, None),
        ("/entry", 400, None),
        ("/file?name=secret.conf", 200, None),
        ("/login", 403, None),
    ] {
        let headers: Vec<_> = [html].into_iter().chain(more).collect();
        let reply = app.get_with(target, &headers);
        assert_eq!(reply.status, status, "{target}");
        let policy = policy(&reply);
        for directive in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'self'"] {
            assert!(policy.contains(&directive), "{target}: {policy:?}");
        }
        assert!(!policy.iter().any(|directive| directive.contains("unsafe")), "{target}");
        assert_eq!(reply.header("referrer-policy"), Some("same-origin"), "{target}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{target}");
    }
}
