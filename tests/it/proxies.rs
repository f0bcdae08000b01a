//! The server behind real proxies, with the shipped configurations and with common ones.

use crate::support::proxy::{Proxy, shipped};
use crate::support::{Client, Events, TestApp, report, wait_until};

/// A common configuration of nginx: every request has `Upgrade: websocket`.
const HARD_CODED_UPGRADE: &str = "
server {
    listen 80;
    location / {
        proxy_pass http://127.0.0.1:8080;
        proxy_http_version 1.1;
        proxy_set_header Upgrade websocket;
        proxy_set_header Connection upgrade;
    }
}
";

/// The configuration in nginx's manual, which passes on the `Upgrade` of clients.
const PASSED_ON_UPGRADE: &str = r#"
map $http_upgrade $connection_upgrade { default upgrade; "" close; }
server {
    listen 80;
    location / {
        proxy_pass http://127.0.0.1:8080/;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
    }
}
"#;

/// A configuration of `HAProxy` with its default check.
const DEFAULT_CHECK: &str = "
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    # Without this, a check has only the time until the next one.
    timeout check 10s
frontend web
    bind :80
    default_backend status
backend status
    option httpchk
    server status 127.0.0.1:8080 check inter 50ms fall 1
";

/// Sends every kind of request, below a path.
fn use_everything(proxy: &Client, prefix: &str) {
    let post = |body: String, more: &[(&str, &str)]| {
        let headers = [&[("Content-Type", "application/json")], more].concat();
        proxy.send("POST", &format!("{prefix}/api/status"), &headers, body.as_bytes())
    };
    let (mut events, _) = Events::open(proxy, &format!("{prefix}/api/events"), &[]);
    for (server, more) in [
        ("plain", &[][..]),
        ("ü/ +%2F&#", &[]),
        ("asks for an upgrade", &[("Upgrade", "websocket")]),
    ] {
        let reply = post(report("proxied", server, "OUT_OF_SYNC", &["a.conf"]), more);
        assert_eq!(reply.status, 200, "{server}: {}", reply.text());
        let (event, row) = events.next().unwrap();
        assert_eq!((event.as_str(), row["server"].as_str()), ("entry", Some(server)));
    }
    post("{".to_owned(), &[]).error(400);

    let list = proxy.get_with(&format!("{prefix}/status.json"), &[("Accept-Encoding", "gzip")]);
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&list.inflated()).unwrap();
    assert_eq!(rows.len(), 3);
    let tag = [("If-None-Match", list.header("etag").unwrap()), ("Accept-Encoding", "gzip")];
    assert_eq!(proxy.get_with(&format!("{prefix}/status.json"), &tag).status, 304);
    assert_eq!(proxy.send("OPTIONS", &format!("{prefix}/status.json"), &[], b"").status, 204);

    let page = proxy.get(&format!("{prefix}/")).text();
    let (_, asset) = page.split_once("src=\"").expect("the page has a script");
    let asset = asset.split('"').next().unwrap();
    assert!(!asset.starts_with('/'), "{asset} is below the path");
    assert_eq!(proxy.get(&format!("{prefix}/{asset}")).status, 200, "{asset}");

    let target = format!("{prefix}/api/status?repo=proxied&server=%C3%BC%2F%20%2B%252F%26%23");
    assert_eq!(proxy.send("DELETE", &target, &[], b"").status, 200);
    assert_eq!(events.next().unwrap().0, "gone");
    assert_eq!(proxy.get(&format!("{prefix}/livez")).status, 200);
}

/// Asserts that an update that is too large gets the server's answer.
fn send_too_much(proxy: &Client) {
    let json = [("Content-Type", "application/json")];
    proxy.send("POST", "/drift/api/status", &json, &vec![b' '; 1_100_000]).error(413);
}

fn requests(app: &Client, labels: &str) -> u64 {
    let text = app.get("/metrics").text();
    let name = format!("gitops_status_http_requests_total{{{labels}}} ");
    let count = text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
    count.unwrap_or(0)
}

#[test]
fn everything_works_through_the_shipped_nginx_configuration() {
    let app = TestApp::spawn();
    let nginx = Proxy::nginx(&shipped("nginx.conf"), app.address);
    use_everything(&nginx.client, "/drift");
    send_too_much(&nginx.client);
    let reply = nginx.client.get("/drift");
    assert_eq!(reply.status, 301);
    assert!(reply.header("location").unwrap().ends_with("/drift/"));
}

/// nginx passes on the name that people use, which could be another site's.
#[test]
fn a_server_on_loopback_behind_nginx_has_to_be_told_its_name() {
    let asked = |app: &TestApp| {
        let nginx = Proxy::nginx(&shipped("nginx.conf"), app.address);
        let head = "GET /drift/status.json HTTP/1.1\r\nHost: status.example.org\r\n";
        nginx.client.raw(format!("{head}Connection: close\r\n\r\n").as_bytes()).unwrap()
    };
    let error = asked(&TestApp::spawn()).error(421);
    assert!(error.contains("behind a proxy, set allowed_hosts"), "{error}");
    let url = ("external_url", "https://status.example.org/drift");
    for setting in [("allowed_hosts", "status.example.org"), url] {
        assert_eq!(asked(&TestApp::with_settings(&[setting])).status, 200, "{setting:?}");
    }
}

#[test]
fn everything_works_through_the_shipped_haproxy_configuration() {
    let app = TestApp::spawn();
    let haproxy = Proxy::haproxy(&shipped("haproxy.cfg"), app.address);
    use_everything(&haproxy.client, "/drift");
    send_too_much(&haproxy.client);
    let reply = haproxy.client.get("/drift");
    assert_eq!((reply.status, reply.header("location")), (302, Some("/drift/")));
    wait_until("HAProxy has asked whether the server is ready", || {
        requests(&app, r#"route="/readyz",method="GET",code="200""#) >= 2
    });
    assert_eq!(haproxy.client.get("/drift/livez").status, 200);
}

#[test]
fn everything_works_through_an_nginx_that_always_asks_for_websockets() {
    let app = TestApp::spawn();
    let nginx = Proxy::nginx(HARD_CODED_UPGRADE, app.address);
    use_everything(&nginx.client, "");
}

#[test]
fn everything_works_through_an_nginx_that_passes_upgrades_on() {
    let app = TestApp::spawn();
    let nginx = Proxy::nginx(PASSED_ON_UPGRADE, app.address);
    use_everything(&nginx.client, "");
}

#[test]
fn the_default_check_of_haproxy_finds_the_server_up() {
    let app = TestApp::spawn();
    let haproxy = Proxy::haproxy(DEFAULT_CHECK, app.address);
    wait_until("HAProxy has checked the server and found it up", || {
        requests(&app, r#"route="/",method="OPTIONS",code="204""#) >= 3
            && haproxy.client.get("/livez").status == 200
    });
    use_everything(&haproxy.client, "");
}
