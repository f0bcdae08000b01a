//! Every credential at every route and method, against a small model of who may do what.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::kit::{Mount, Token, basic, headers, update};
use crate::support::{Client, Description, Reply, TestApp};

/// The pairs that are reported and removed.
const PAIRS: [(&str, &str); 3] = [("rsyslog", "web-1"), ("rsyslog", "db-1"), ("nginx", "web-1")];

/// A credential of somebody else, such as a proxy.
const FOREIGN: &str = "eyJhbGciOiJIUzI1NiJ9.e30.AbCdEfGh";

/// Which pairs a right covers: none, all, or `rsyslog` on `web-*`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Extent {
    Nothing,
    Some,
    All,
}

impl Extent {
    fn line(self, right: &str) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Some => format!("{right} = [{{ repo = \"rsyslog\", server = \"web-*\" }}]\n"),
            Self::All => format!("{right} = {{ repo = \"*\", server = \"*\" }}\n"),
        }
    }

    fn covers(self, pair: (&str, &str)) -> bool {
        match self {
            Self::Nothing => false,
            Self::Some => pair == PAIRS[0],
            Self::All => true,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Grants {
    write: Extent,
    delete: Extent,
    read: bool,
    backup: bool,
}

/// What a request has to say for itself.
#[derive(Clone, Copy, Debug)]
enum Sent {
    /// Nothing, or a credential that is none of ours.
    Nothing,
    Invalid,
    Valid(Grants),
}

#[derive(Clone, Copy, Debug)]
enum Need {
    Probe,
    Read,
    Write,
    Delete,
    Backup,
    SignIn,
}

#[derive(Clone, Copy, Debug)]
struct Setting {
    tokens: bool,
    anonymous_writes: bool,
    require_read: bool,
}

/// The model: 200 stands for every answer to somebody who may.
fn expected(setting: Setting, sent: Sent, need: Need, pair: (&str, &str)) -> u16 {
    let Setting { tokens, anonymous_writes, require_read } = setting;
    let may = |it: bool, refusal: u16| if it { 200 } else { refusal };
    match (need, if tokens { sent } else { Sent::Nothing }) {
        (Need::Probe, _) | (Need::SignIn, Sent::Valid(_)) => 200,
        (_, Sent::Invalid) => 401,
        (Need::Read, Sent::Valid(grants)) => may(grants.read || !require_read, 403),
        (Need::Write, Sent::Valid(grants)) => may(grants.write.covers(pair), 403),
        (Need::Delete, Sent::Valid(grants)) => may(grants.delete.covers(pair), 403),
        (Need::Backup, Sent::Valid(grants)) => may(grants.backup, 403),
        (Need::Read, Sent::Nothing) => may(!require_read, 401),
        (Need::SignIn, Sent::Nothing) => {
            if tokens {
                401
            } else {
                403
            }
        }
        (Need::Write, Sent::Nothing) => may(!tokens || anonymous_writes, 401),
        (Need::Delete | Need::Backup, Sent::Nothing) if tokens => 401,
        (Need::Delete | Need::Backup, Sent::Nothing) => may(!anonymous_writes, 403),
    }
}

/// Headers with a credential, and what they stand for.
struct Case {
    name: String,
    headers: Vec<(&'static str, String)>,
    sent: Sent,
}

/// The three places of a credential.
fn places(name: &str, text: &str, sent: Sent) -> [Case; 3] {
    [
        ("Authorization", format!("Bearer {text}")),
        ("Authorization", basic(b"anybody", text)),
        ("X-Api-Key", text.to_owned()),
    ]
    .map(|header| Case {
        name: format!("{name} as {}", header.0),
        headers: vec![header],
        sent,
    })
}

/// Makes tokens with each combination of rights, those that are not valid, and their requests.
fn tokens_and_cases() -> (Vec<Token>, Vec<Case>) {
    let (mut tokens, mut cases) = (Vec::new(), Vec::new());
    for write in [Extent::Nothing, Extent::Some, Extent::All] {
        for delete in [Extent::Nothing, Extent::Some, Extent::All] {
            for read in [false, true] {
                // Each two of these rights come in every combination.
                let backup = tokens.len() % 4 < 2;
                let grants = Grants { write, delete, read, backup };
                let switches = format!("read = {read}\nbackup = {backup}");
                let lines = [write.line("write"), delete.line("delete"), switches];
                let token = Token::new(&format!("t{}", tokens.len()), &lines.concat());
                cases.extend(places(&format!("{grants:?}"), &token.text, Sent::Valid(grants)));
                tokens.push(token);
            }
        }
    }
    let all = Grants { write: Extent::All, delete: Extent::All, read: true, backup: true };
    let valid = tokens.last().unwrap().text.clone();
    let expired = Token::new("expired", &format!("{}expires = 2026-04-21", super::kit::ALL));
    let same_id = Token::new("t0", "").text;
    let unknown = Token::new("nobody", "").text;
    for (name, text) in [
        ("expired", expired.text.as_str()),
        ("a wrong secret", &same_id),
        ("an unknown id", &unknown),
        ("cut off", &valid[..valid.len() - 1]),
        ("too long", &format!("{valid}x")),
        ("nothing but the prefix", "gss_"),
    ] {
        cases.extend(places(name, text, Sent::Invalid));
    }
    cases.extend(places("foreign", FOREIGN, Sent::Nothing));
    cases.extend(places("another prefix", &valid.replacen("gss", "GSS", 1), Sent::Nothing));
    tokens.push(expired);
    cases.extend(odd_cases(&valid, &unknown, Sent::Valid(all)));
    (tokens, cases)
}

/// Odd spellings, and several credentials at once.
fn odd_cases(valid: &str, invalid: &str, all: Sent) -> Vec<Case> {
    let (authorization, key) = ("Authorization", "X-Api-Key");
    let bearer = |text: &str| format!("Bearer {text}");
    [
        ("none", vec![], Sent::Nothing),
        ("in lower case", vec![(authorization, format!("bearer {valid}"))], all),
        ("in upper case", vec![(authorization, format!("BEARER {valid}"))], all),
        ("more blanks", vec![(authorization, format!("Bearer   {valid}  "))], all),
        (
            "basic in lower case",
            vec![(authorization, basic(b"u", valid).replacen('B', "b", 1))],
            all,
        ),
        ("no user", vec![(authorization, basic(b"", valid))], all),
        ("a user in Latin-1", vec![(authorization, basic(b"M\xfcller", valid))], all),
        ("without padding", vec![(authorization, basic(b"", valid).replace('=', ""))], all),
        ("with padding", vec![(authorization, basic(b"uu", valid).replace('=', ""))], all),
        (
            "part of a proxy's",
            vec![(authorization, bearer("eyJ.x-gss_A.e/gss_30")), (key, "~gss_".into())],
            Sent::Nothing,
        ),
        ("empty", vec![(authorization, "Bearer ".to_owned()), (key, String::new())], Sent::Nothing),
        ("another header", vec![("X-Token", valid.to_owned())], Sent::Nothing),
        ("beside a proxy's", vec![(authorization, bearer(FOREIGN)), (key, valid.into())], all),
        ("after a proxy's", vec![(key, FOREIGN.into()), (key, valid.into())], all),
        ("the first counts", vec![(authorization, bearer(valid)), (key, invalid.into())], all),
        (
            "the first is not valid",
            vec![(authorization, bearer(invalid)), (key, valid.into())],
            Sent::Invalid,
        ),
    ]
    .map(|(name, headers, sent)| Case { name: name.to_owned(), headers, sent })
    .into_iter()
    .chain(broken_cases(valid))
    .collect()
}

/// Tokens that a job has put where or how none belongs. The job must notice it.
fn broken_cases(valid: &str) -> impl Iterator<Item = Case> {
    let (authorization, key) = ("Authorization", "X-Api-Key");
    [
        ("as a user", authorization, basic(valid.as_bytes(), "")),
        ("as a user with a password", authorization, basic(valid.as_bytes(), "x-oauth-basic")),
        ("as a user alone", authorization, format!("Basic {}", STANDARD.encode(valid))),
        ("a quoted password", authorization, basic(b"u", &format!("'{valid}'"))),
        ("no base64", authorization, format!("Basic {valid}")),
        ("no scheme", authorization, valid.to_owned()),
        ("another scheme", authorization, format!("Token {valid}")),
        ("a parameter", authorization, format!("Token token=\"{valid}\"")),
        ("in quotes", authorization, format!("Bearer \"{valid}\"")),
        ("twice the scheme", authorization, format!("Bearer Bearer {valid}")),
        ("a colon", authorization, format!("Bearer: {valid}")),
        ("a tab", authorization, format!("Bearer\t{valid}")),
        ("a no-break space", authorization, format!("Bearer {valid}\u{a0}")),
        ("a no-break space before", authorization, format!("Bearer \u{a0}{valid}")),
        ("a key in quotes", key, format!("'{valid}'")),
        ("a key with a scheme", key, format!("Bearer {valid}")),
        ("a key and more", key, format!("{valid}\u{e4}")),
        ("a key and its name", key, format!("X-Api-Key: {valid}")),
    ]
    .into_iter()
    .map(|(name, header, value)| Case {
        name: name.to_owned(),
        headers: vec![(header, value)],
        sent: Sent::Invalid,
    })
}

/// A request for a route.
struct Request {
    method: String,
    target: String,
    body: String,
    need: Need,
    pair: (&'static str, &'static str),
}

/// Returns a request for each method of each path, and for each pair where one is changed. A unit test
/// in `http::routes` holds the description against the table of routes.
fn requests() -> Vec<Request> {
    let text = include_str!("../../../docs/openapi.json");
    let described = Description::new(serde_json::from_str::<Value>(text).unwrap());
    let mut requests = Vec::new();
    for (path, method, operation) in described.operations() {
        let required = described.parameters(operation).filter(|it| it["required"] == true);
        let required: Vec<String> =
            required.map(|it| format!("{}=x", it["name"].as_str().unwrap())).collect();
        let target = format!("{path}?{}", required.join("&"));
        match (method.as_str(), path) {
            ("GET", "/health" | "/livez" | "/readyz") => reads(&mut requests, &target, Need::Probe),
            ("GET", "/api/backup") => reads(&mut requests, &target, Need::Backup),
            ("GET", "/login") => reads(&mut requests, &target, Need::SignIn),
            ("GET", _) => reads(&mut requests, &target, Need::Read),
            ("POST", "/api/status") => requests.extend(PAIRS.map(|pair| Request {
                method: method.clone(),
                target: path.to_owned(),
                body: update(pair.0, pair.1),
                need: Need::Write,
                pair,
            })),
            ("DELETE", "/api/status") => requests.extend(PAIRS.map(|pair| Request {
                method: method.clone(),
                target: format!("{path}?repo={}&server={}", pair.0, pair.1),
                body: String::new(),
                need: Need::Delete,
                pair,
            })),
            _ => panic!("teach this test who may {method} {path}"),
        }
    }
    reads(&mut requests, "/assets/page.js", Need::Probe);
    requests
}

fn reads(requests: &mut Vec<Request>, target: &str, need: Need) {
    for method in ["GET", "HEAD"] {
        let (method, target) = (method.to_owned(), target.to_owned());
        requests.push(Request { method, target, body: String::new(), need, pair: PAIRS[0] });
    }
}

/// Sends a request, and returns the head of the answer.
fn head(client: &Client, request: &Request, headers: &[(&str, &str)]) -> Reply {
    let Request { method, target, body, .. } = request;
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        bytes += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    let mut stream = client.connect();
    stream.write_all((bytes + "\r\n" + body).as_bytes()).unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece).unwrap();
        answer.extend_from_slice(&piece[..count]);
        // A stream of changes has no end.
        if let Some(reply) = Reply::parse(&answer) {
            return reply;
        }
        assert!(count > 0, "no answer to {method} {target}");
    }
}

fn every_answer_is_that_of_the_model(app: &TestApp, setting: Setting, cases: &[Case]) {
    let requests = requests();
    assert!(requests.len() > 40);
    for request in &requests {
        for Case { name, headers: sent, sent: stands_for } in cases {
            let reply = head(app, request, &headers(sent));
            let expected = expected(setting, *stands_for, request.need, request.pair);
            // These answers also mean that the caller has the right: 303 leads a caller who has signed in
            // to the page, 404 says that the entry does not exist, and 501 that the database is one of
            // PostgreSQL, of which the server makes no backups.
            let status = if [303, 404, 501].contains(&reply.status) { 200 } else { reply.status };
            let Request { method, target, pair, .. } = request;
            assert_eq!(status, expected, "{setting:?} {name}: {method} {target} {pair:?}");
            let offers_basic = status == 401 && ["GET", "HEAD"].contains(&method.as_str());
            let offers = |scheme: &str| {
                let offers = reply.headers.iter().filter(|(name, _)| name == "www-authenticate");
                offers.filter(|(_, value)| value.starts_with(scheme)).count()
            };
            let offered = (offers("Bearer "), offers("Basic "));
            assert_eq!(offered, ((status == 401).into(), offers_basic.into()), "{method} {target}");
        }
    }
}

/// Runs every case with tokens, and with these settings.
fn with_tokens(anonymous_writes: bool, require_read: bool) {
    let (tokens, cases) = tokens_and_cases();
    let mount = Mount::new(&tokens.iter().collect::<Vec<_>>());
    let mut settings = Vec::new();
    if anonymous_writes {
        settings.push(("allow_anonymous_writes", "true"));
    }
    if require_read {
        settings.push(("require_read_token", "true"));
    }
    let setting = Setting { tokens: true, anonymous_writes, require_read };
    every_answer_is_that_of_the_model(&mount.app(&settings), setting, &cases);
}

#[test]
fn with_tokens_their_rights_decide_and_everybody_may_read() {
    with_tokens(false, false);
}

#[test]
fn with_tokens_that_are_required_to_read_their_rights_decide_everything() {
    with_tokens(false, true);
}

#[test]
fn beside_tokens_those_without_one_may_report_while_a_fleet_moves() {
    with_tokens(true, false);
}

#[test]
fn beside_tokens_that_are_required_to_read_those_without_one_may_only_report() {
    with_tokens(true, true);
}

#[test]
fn without_tokens_every_credential_is_ignored() {
    let (_, mut cases) = tokens_and_cases();
    // All rights are alike here.
    cases.drain(3..3 * 17);
    for anonymous_writes in [false, true] {
        let allowed = anonymous_writes.to_string();
        let app = TestApp::with_settings(&[("allow_anonymous_writes", &allowed)]);
        let setting = Setting { tokens: false, anonymous_writes, require_read: false };
        every_answer_is_that_of_the_model(&app, setting, &cases);
    }
}
