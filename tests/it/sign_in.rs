//! Signing in with a browser, which sends a token as the password of HTTP Basic.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops_status_server::access::{Minted, TokenId, mint};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;

use crate::support::{Reply, TestApp, report};

const BASIC: &str = "Basic realm=\"gitops-status-server\", charset=\"UTF-8\"";
const HTML: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// An application with tokens: `ci` may write, `admin` may remove what is of nginx, `reader` may read.
struct Guarded {
    app: TestApp,
    ci: String,
    admin: String,
    reader: String,
    _folder: TempDir,
}

fn guarded(settings: &[(&str, &str)]) -> Guarded {
    let folder = tempfile::tempdir().unwrap();
    let mut content = String::new();
    let [ci, admin, reader] = [
        ("ci", "write = { repo = \"*\", server = \"*\" }"),
        ("admin", "delete = { repo = \"nginx\", server = \"*\" }\nread = true"),
        ("reader", "read = true"),
    ]
    .map(|(id, rights)| {
        let Minted { text, digest, .. } = mint(TokenId::parse(id)).unwrap();
        content += &format!("[[token]]\nid = \"{id}\"\nsha256 = \"{digest}\"\n{rights}\n");
        text
    });
    let path = folder.path().join("tokens.toml");
    fs::write(&path, content).unwrap();
    let file = ("tokens_file", path.to_str().unwrap());
    let app = TestApp::with_settings(&[&[file], settings].concat());
    for repo in ["nginx", "rsyslog"] {
        let bearer = format!("Bearer {ci}");
        let json = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        let body = report(repo, "web-1", "OUT_OF_SYNC", &["a.conf"]);
        assert_eq!(app.send("POST", "/api/status", &json, body.as_bytes()).status, 200);
    }
    Guarded { app, ci, admin, reader, _folder: folder }
}

/// Asks as a browser does for somebody who has opened an address.
fn open(app: &TestApp, target: &str, token: Option<&str>) -> Reply {
    let basic = token.map(|token| format!("Basic {}", STANDARD.encode(format!("x:{token}"))));
    let authorization = basic.as_ref().map(|basic| ("Authorization", basic.as_str()));
    let headers: Vec<_> = [HTML].into_iter().chain(authorization).collect();
    app.get_with(target, &headers)
}

fn offers(reply: &Reply) -> Vec<&str> {
    let offers =
        reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
    offers.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn signing_in_makes_a_browser_ask_and_leads_back() {
    let Guarded { app, ci, .. } = guarded(&[]);
    let target = "/login?to=entry%3Frepo%3Dnginx%26server%3Dweb-1";
    let asked = open(&app, target, None);
    assert_eq!(asked.status, 401);
    assert_eq!(offers(&asked), ["Bearer realm=\"gitops-status-server\"", BASIC]);
    let wrong = open(&app, target, Some("gss_ci_wrong"));
    assert_eq!((wrong.status, offers(&wrong).len()), (401, 2));
    let back = open(&app, target, Some(&ci));
    assert_eq!(
        (back.status, back.header("location")),
        (303, Some("entry?repo=nginx&server=web-1"))
    );
    assert_eq!(back.header("cache-control"), Some("no-store"));
    assert_eq!(open(&app, "/login", Some(&ci)).header("location"), Some("./"));
}

#[test]
fn signing_in_leads_to_pages_of_this_server_only() {
    let Guarded { app, ci, .. } = guarded(&[]);
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    for to in
        ["./", "./?repo=a,b&q=%20%C3%A4", "entry?repo=r&server=s&cursor=1.2", "file?name=/etc/x"]
    {
        let reply = open(&app, &format!("/login?to={}", encoded(to)), Some(&ci));
        assert_eq!((reply.status, reply.header("location")), (303, Some(to)));
    }
    for to in [
        "",
        "/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        ".//evil.example",
        "./../x",
        "..//evil.example",
        "entry/../..//evil.example",
        "entry\\..\\x",
        " ./",
        "./ ",
        "./#x",
        "./?q=#x",
        "./?q=\r\nSet-Cookie: a=b",
        "./?q=\u{e4}",
        "./?q=a b",
        "./\t",
        "status.json",
        "login",
        "login?to=./",
        "ENTRY",
        "api/status",
    ] {
        let target = format!("/login?to={}", encoded(to));
        let reply = app.get_with(&target, &[("X-Api-Key", &ci)]);
        assert_eq!(reply.status, 400, "{to:?}");
        assert!(
            reply.header("location").is_none() && reply.header("set-cookie").is_none(),
            "{to:?}"
        );
        assert!(reply.error(400).starts_with("to must be the address of a page"), "{to:?}");
    }
}

#[test]
fn a_reader_who_wants_another_token_is_asked_for_it() {
    let Guarded { app, ci, admin, .. } = guarded(&[]);
    let asked = open(&app, "/login?not=ci", Some(&ci));
    assert_eq!((asked.status, offers(&asked).len()), (401, 2));
    assert_eq!(open(&app, "/login?not=ci", Some(&admin)).status, 303);
    assert_eq!(open(&app, "/login?not=other", Some(&ci)).status, 303);
}

#[test]
fn without_tokens_nobody_signs_in() {
    let app = TestApp::spawn();
    app.accept(report("nginx", "web-1", "SYNCED", &[]));
    assert!(app.get("/login").error(403).contains("this server has no tokens"));
    for target in ["/", "/entry?repo=nginx&server=web-1", "/file?name=a"] {
        assert!(!app.get(target).text().contains("login"), "{target}");
    }
}

#[test]
fn a_page_says_who_has_signed_in_and_how_to() {
    let Guarded { app, ci, .. } = guarded(&[]);
    for (target, to) in [
        ("/?repo=nginx&q=a%20b", ".%2F%3Frepo%3Dnginx%26q%3Da%2520b"),
        ("/entry?repo=nginx&server=web-1", "entry%3Frepo%3Dnginx%26server%3Dweb-1"),
        ("/file?name=a.conf", "file%3Fname%3Da.conf"),
        ("/entry", "entry"),
    ] {
        let signed_out = open(&app, target, None).text();
        assert!(
            signed_out.contains(&format!("<a href=\"login?to={to}\">Sign in</a>")),
            "{signed_out}"
        );
        let signed_in = open(&app, target, Some(&ci)).text();
        assert!(signed_in.contains("Signed in as</span> <b>ci</b>"), "{target}");
        assert!(
            signed_in.contains(&format!("<a href=\"login?to={to}&#38;not=ci\">")),
            "{signed_in}"
        );
        assert!(!signed_in.contains(&ci), "{target}");
    }
    assert!(!open(&app, "/?view=wall", Some(&ci)).text().contains("Signed in"));
}

#[test]
fn a_page_of_another_reader_has_another_tag() {
    let Guarded { app, ci, reader, .. } = guarded(&[]);
    let tag = |token| open(&app, "/", token).header("etag").unwrap().to_owned();
    let tags = [tag(None), tag(Some(&ci)), tag(Some(&reader))];
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
    assert_eq!(tag(Some(&ci)), tags[1]);
    let known = app.get_with("/", &[("X-Api-Key", &ci), ("If-None-Match", &tags[0])]);
    assert_eq!(known.status, 200);
}

#[test]
fn the_button_that_removes_an_entry_is_there_for_those_who_may() {
    let Guarded { app, ci, admin, .. } = guarded(&[]);
    let entry =
        |repo: &str, token| open(&app, &format!("/entry?repo={repo}&server=web-1"), token).text();
    let button = "<button id=\"remove\"";
    let command = "curl -X DELETE -H @token-header &#39;http://";
    for (repo, token, may, said) in [
        ("nginx", Some(admin.as_str()), true, ""),
        ("rsyslog", Some(admin.as_str()), false, "The token <b>admin</b> has no right"),
        ("nginx", Some(ci.as_str()), false, "The token <b>ci</b> has no right"),
        ("nginx", None, false, "That takes a token with the right"),
    ] {
        let page = entry(repo, token);
        assert_eq!(page.contains(button), may, "{repo}");
        assert!(page.contains(said), "{repo}: {page}");
        assert!(page.contains(command) || page.contains(&command.replace("&#39;", "'")), "{page}");
    }
    let open_to_all = TestApp::with(|config| config.allow_anonymous_writes = true);
    open_to_all.accept(report("nginx", "web-1", "SYNCED", &[]));
    let page = open_to_all.get("/entry?repo=nginx&server=web-1").text();
    assert!(page.contains("Nobody may do that here") && !page.contains(button), "{page}");
    assert!(!page.contains("curl"), "{page}");
}

#[test]
fn a_page_that_is_refused_is_a_page_for_people_and_json_for_programs() {
    let Guarded { app, ci, .. } = guarded(&[("require_read_token", "true")]);
    for target in
        ["/", "/?view=wall", "/entry?repo=nginx&server=web-1", "/file?name=a.conf", "/login"]
    {
        let page = open(&app, target, None);
        assert_eq!((page.status, offers(&page).len()), (401, 2), "{target}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{target}");
        let text = page.text();
        assert!(
            text.contains("any user name") && text.contains(">Sign in</a>"),
            "{target}: {text}"
        );
        assert!(!text.contains("nginx</"), "{target}");
        let plain = app.get(target);
        assert!(plain.error(401).starts_with("This needs a token"), "{target}");
        assert_eq!(offers(&plain).len(), 2, "{target}");
    }
    let wrong = open(&app, "/", Some("gss_ci_x")).text();
    assert!(wrong.contains("The token does not have the form"), "{wrong}");
    let may_not = open(&app, "/?repo=nginx", Some(&ci));
    assert_eq!(may_not.status, 403);
    let again = "href=\"login?to=.%2F%3Frepo%3Dnginx&#38;not=ci\">Sign in with another token</a>";
    assert!(may_not.text().contains(again), "{}", may_not.text());
}

#[test]
fn styles_and_scripts_are_open_so_that_the_page_that_asks_to_sign_in_has_them() {
    let Guarded { app, .. } = guarded(&[("require_read_token", "true")]);
    let page = open(&app, "/", None).text();
    let assets: Vec<&str> =
        page.split("\"assets/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(assets.len() > 5, "{page}");
    for asset in assets {
        assert_eq!(app.get(&format!("/assets/{asset}")).status, 200, "{asset}");
    }
}

/// The browser would open its dialog whenever a page in the background looks for news.
#[test]
fn a_page_that_looks_for_news_does_not_make_the_browser_ask_for_a_password() {
    let Guarded { app, .. } = guarded(&[("require_read_token", "true")]);
    for (target, header) in [
        ("/", ("X-Requested-With", "fetch")),
        ("/api/repos", ("X-Requested-With", "fetch")),
        ("/api/events", ("Accept", "text/event-stream")),
    ] {
        let reply = app.get_with(target, &[header]);
        assert_eq!(reply.status, 401);
        assert_eq!(offers(&reply), ["Bearer realm=\"gitops-status-server\""], "{target}");
    }
    assert_eq!(offers(&app.get("/api/events")).len(), 2);
}
