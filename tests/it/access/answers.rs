//! The answers to those who may not, word for word, and which of several faults is told.

use std::io::{Read, Write};
use std::time::Duration;

use gitops_status_server::clock::Clock as _;

use super::kit::{ALL, Mount, Token, basic, update};
use crate::support::{Client, Reply, TestApp, report, update_request};

const BEARER: &str = "Bearer realm=\"gitops-status-server\"";
const BASIC: &str = "Basic realm=\"gitops-status-server\", charset=\"UTF-8\"";
const JSON: (&str, &str) = ("Content-Type", "application/json");

const MISSING: &str = "This needs a token: send it in the header 'Authorization: Bearer TOKEN'";
const MALFORMED: &str = "The token does not have the form gss_<id>_<secret>, with a secret of 43 \
    characters, or is in a wrong place: send it in the header 'Authorization: Bearer TOKEN'";
const INVALID: &str = "The token is not valid: it is unknown, its secret is wrong, or it has \
    expired; the server's log says which";

/// Returns a token that may report `rsyslog` and remove `web-*` of it, and an application that knows
/// it by a file.
fn guarded(more: &[(&str, &str)]) -> (Token, TestApp, Mount) {
    let token = Token::new(
        "ci",
        "write = { repo = \"rsyslog\", server = \"*\" }\n\
         delete = { repo = \"rsyslog\", server = \"web-*\" }\n",
    );
    let mount = Mount::new(&[&token]);
    (token, mount.app(more), mount)
}

fn send(client: &Client, method: &str, target: &str, token: Option<&str>, body: &str) -> Reply {
    let token = token.map(|token| format!("Bearer {token}"));
    let mut sent: Vec<_> = token.iter().map(|token| ("Authorization", token.as_str())).collect();
    sent.push(JSON);
    client.send(method, target, &sent, body.as_bytes())
}

fn challenges(reply: &Reply) -> Vec<&str> {
    let headers = reply.headers.iter().filter(|(name, _)| name == "www-authenticate");
    headers.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn an_unknown_id_a_wrong_secret_and_an_expired_token_get_one_answer() {
    let expired = Token::new("old", &format!("{ALL}expires = 2026-04-21"));
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[&token, &expired]);
    let app = mount.app(&[]);
    let unknown = Token::new("nobody", "").text;
    let wrong = Token::new("ci", "").text;
    for text in [unknown, wrong, expired.text] {
        let reply = send(&app, "POST", "/api/status", Some(&text), &update("r", "s"));
        assert_eq!(reply.error(401), INVALID);
        assert_eq!(challenges(&reply), [BEARER]);
    }
    for (text, message) in [(None, MISSING), (Some(&token.text[..40]), MALFORMED)] {
        let reply = send(&app, "POST", "/api/status", text, &update("r", "s"));
        assert_eq!(reply.error(401), message);
        assert_eq!(challenges(&reply), [BEARER]);
    }
}

#[test]
fn a_token_expires_by_the_clock_of_the_server_and_counts_again_if_that_is_set_back() {
    let token = Token::new("ci", &format!("{ALL}expires = 2026-04-21T11:00:00Z"));
    let mount = Mount::new(&[&token]);
    let app = mount.app(&[]);
    let post = || send(&app, "POST", "/api/status", Some(&token.text), &update("r", "s"));
    let before = app.clock.read().wall;
    assert_eq!(post().status, 200);
    app.clock.set_wall(before.plus(Duration::from_hours(1)));
    assert_eq!(post().error(401), INVALID);
    app.clock.set_wall(before);
    assert_eq!(post().status, 200);
}

#[test]
fn reads_offer_basic_so_that_browsers_ask_for_a_password() {
    let (_, app, _mount) = guarded(&[("require_read_token", "true")]);
    for target in ["/", "/status.json", "/metrics", "/api/events", "/openapi.json"] {
        let reply = app.get(target);
        assert_eq!(reply.error(401), MISSING, "{target}");
        assert_eq!(challenges(&reply), [BEARER, BASIC], "{target}");
        let reply = app.send("HEAD", target, &[], b"");
        assert_eq!((reply.status, challenges(&reply)), (401, vec![BEARER, BASIC]), "{target}");
    }
}

#[test]
fn what_a_token_may_not_do_is_told_with_its_name_and_the_right_that_it_lacks() {
    let (token, app, _mount) = guarded(&[("require_read_token", "true")]);
    let text = Some(token.text.as_str());
    let reply = send(&app, "POST", "/api/status", text, &update("nginx", "web-1"));
    assert_eq!(
        reply.error(403),
        "The token ci may not report repo \"nginx\" on server \"web-1\": its right write does not \
         cover them (see the server's tokens_file)"
    );
    let reply = send(&app, "DELETE", "/api/status?repo=rsyslog&server=db-1", text, "");
    assert_eq!(
        reply.error(403),
        "The token ci may not remove repo \"rsyslog\" on server \"db-1\": its right delete does not \
         cover them (see the server's tokens_file)"
    );
    let reply = send(&app, "GET", "/status.json", text, "");
    assert_eq!(
        reply.error(403),
        "The token ci may not read: it lacks the right read (see the server's tokens_file)"
    );
    let reader = Token::new("dashboard", "read = true");
    let mount = Mount::new(&[&reader]);
    let app = mount.app(&[]);
    let reply = send(&app, "POST", "/api/status", Some(&reader.text), &update("nginx", "web-1"));
    assert_eq!(
        reply.error(403),
        "The token dashboard may not report updates: it lacks the right write (see the server's \
         tokens_file)"
    );
    assert!(challenges(&reply).is_empty(), "another token is no help");
    let app = TestApp::with_settings(&[("allow_anonymous_writes", "true")]);
    let reply = send(&app, "DELETE", "/api/status?repo=r&server=s", None, "");
    let message = "Nobody may remove entries: this server has no tokens (see its tokens_file)";
    assert_eq!(reply.error(403), message);
}

#[test]
fn a_refusal_does_not_tell_whether_there_is_such_an_entry() {
    let (token, app, _mount) = guarded(&[("allow_anonymous_writes", "true")]);
    app.accept(report("nginx", "web-1", "SYNCED", &[]));
    let text = Some(token.text.as_str());
    let removal = |server: &str| {
        let target = format!("/api/status?repo=nginx&server={server}");
        let reply = send(&app, "DELETE", &target, text, "");
        assert_eq!(reply.status, 403);
        reply.text().replace(server, "SERVER")
    };
    assert_eq!(removal("web-1"), removal("web-2"));
    let removal = |server: &str| {
        let target = format!("/api/status?repo=rsyslog&server={server}");
        send(&app, "DELETE", &target, text, "").status
    };
    assert_eq!([removal("web-1"), removal("db-1")], [404, 403], "it may know of the first");
    let reply = send(&app, "POST", "/api/status", text, &update("nginx", "web-1"));
    let known = reply.text();
    let reply = send(&app, "POST", "/api/status", text, &update("nginx", "web-9"));
    assert_eq!(known, reply.text().replace("web-9", "web-1"));
}

#[test]
fn of_several_faults_the_first_in_the_documented_order_is_told() {
    let (token, app, _mount) = guarded(&[("require_read_token", "true"), ("max_entries", "1")]);
    let valid = Some(token.text.as_str());
    let status = |method: &str, target: &str, token: Option<&str>, body: &str| {
        send(&app, method, target, token, body).status
    };
    assert_eq!(status("POST", "/api/statuss?x=1", None, "{"), 404);
    assert_eq!(status("PUT", "/api/status", None, "{"), 405);
    assert_eq!(status("DELETE", "/status.json?nothing=1", None, ""), 405);
    for target in [
        "/status.json?nothing=1",
        "/status.csv?limit=0",
        "/api/history?from=x",
        "/api/timeline?nothing=1",
        "/api/summary?sort=x",
        "/api/repos?nothing=1",
        "/api/servers?nothing=1",
        "/api/files?nothing=1",
        "/api/events?nothing=1",
        "/badge.svg?nothing=1",
        "/entry",
        "/file?name=",
    ] {
        assert_eq!(status("GET", target, None, ""), 400, "{target}");
        assert_eq!(status("HEAD", target, Some("gss_wrong"), ""), 400, "{target}");
    }
    assert_eq!(status("DELETE", "/api/status?repo=r", None, ""), 400);
    assert_eq!(status("POST", "/api/status?anything=1", None, "{"), 401);
    assert_eq!(app.send("POST", "/api/status", &[], b"").status, 401, "before the type");
    assert_eq!(status("POST", "/api/status", valid, "{"), 400);
    assert_eq!(status("POST", "/api/status", valid, &update("nginx", "")), 400);
    assert_eq!(status("POST", "/api/status", valid, &update("rsyslog", "a")), 200);
    assert_eq!(status("POST", "/api/status", valid, &update("nginx", "b")), 403);
    assert_eq!(status("POST", "/api/status", valid, &update("rsyslog", "b")), 507);
}

#[test]
fn options_unknown_paths_and_probes_need_no_token() {
    let (_, app, _mount) = guarded(&[("require_read_token", "true")]);
    let options = app.send("OPTIONS", "/api/status", &[], b"");
    assert_eq!((options.status, options.header("allow")), (204, Some("POST, DELETE")));
    assert_eq!(app.send("OPTIONS", "*", &[], b"").status, 204);
    app.get("/nothing").error(404);
    let wrong = [("Authorization", "Bearer gss_wrong")];
    for target in ["/health", "/livez", "/readyz"] {
        for sent in [&[][..], &wrong] {
            assert_eq!(app.send("GET", target, sent, b"").status, 200, "{target}");
            assert_eq!(app.send("HEAD", target, sent, b"").status, 200, "{target}");
        }
    }
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    assert_eq!(app.get_with("/status.json", &upgrade).status, 401);
}

#[test]
fn a_compressed_update_needs_its_token_and_is_stored_with_it() {
    let (token, app, _mount) = guarded(&[]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(update("rsyslog", "lab").as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let mut sent = vec![JSON, ("Content-Encoding", "gzip")];
    assert_eq!(app.send("POST", "/api/status", &sent, &packed).error(401), MISSING);
    let password = basic(b"ci", &token.text);
    sent.push(("Authorization", &password));
    assert_eq!(app.send("POST", "/api/status", &sent, &packed).status, 200);
    assert_eq!(app.names(""), ["rsyslog/lab"]);
}

/// The beginnings of updates whose bodies never come.
fn heads(authorization: &str) -> [String; 2] {
    let head = |body: &str| {
        format!(
            "POST /api/status HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n\
             {authorization}{body}\r\n\r\n"
        )
    };
    [head("Content-Length: 900000"), head("Transfer-Encoding: chunked")]
}

#[test]
fn a_refusal_does_not_wait_for_the_body() {
    let (token, app, _mount) = guarded(&[]);
    let reader = Token::new("ci", "");
    for (authorization, status) in
        [(String::new(), 401), (format!("X-Api-Key: {}\r\n", reader.text), 401)]
    {
        for request in heads(&authorization) {
            let mut stream = app.connect();
            stream.write_all(request.as_bytes()).unwrap();
            let reply = Reply::read(&mut stream).unwrap();
            assert_eq!((reply.status, reply.header("connection")), (status, Some("close")));
            assert!(Reply::read(&mut stream).is_none(), "the connection ends");
        }
    }
    let reader = Token::new("dashboard", "read = true");
    let mount = Mount::new(&[&token, &reader]);
    let app = mount.app(&[]);
    let [request, _] = heads(&format!("X-Api-Key: {}\r\n", reader.text));
    assert_eq!(app.raw(request.as_bytes()).unwrap().status, 403);
}

#[test]
fn a_client_that_sends_a_large_body_all_the_same_gets_its_refusal() {
    let (_, app, _mount) = guarded(&[]);
    let body = update("rsyslog", "lab") + &" ".repeat(900_000);
    for _ in 0..20 {
        assert_eq!(app.post(&body).error(401), MISSING);
    }
}

#[test]
fn a_connection_ends_cleanly_after_a_refused_update_and_goes_on_after_a_refused_removal() {
    let (token, app, _mount) = guarded(&[]);
    let mut stream = app.connect();
    let removal = |authorization: &str| {
        let target = "/api/status?repo=rsyslog&server=web-1";
        format!("DELETE {target} HTTP/1.1\r\nHost: t\r\n{authorization}\r\n")
    };
    let bearer = format!("Authorization: Bearer {}\r\n", token.text);
    for (authorization, status) in [("", 401), (bearer.as_str(), 404), ("", 401)] {
        stream.write_all(removal(authorization).as_bytes()).unwrap();
        assert_eq!(Reply::read(&mut stream).unwrap().status, status);
    }
    stream.write_all(update_request(&update("rsyslog", "lab")).as_bytes()).unwrap();
    let reply = Reply::read(&mut stream).unwrap();
    assert_eq!((reply.status, reply.header("connection")), (401, Some("close")));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it is closed, not reset");
}

#[test]
fn a_token_in_a_parameter_is_no_token() {
    let (token, app, _mount) = guarded(&[]);
    let target = format!("/api/status?repo=rsyslog&server=web-1&token={}", token.text);
    let message = app.send("DELETE", &target, &[], b"").error(400);
    assert!(!message.contains(&token.text), "{message}");
    let target = format!("/api/status?token={}", token.text);
    let reply = app.send("POST", &target, &[JSON], update("rsyslog", "web-1").as_bytes());
    assert_eq!(reply.error(401), MISSING);
}
