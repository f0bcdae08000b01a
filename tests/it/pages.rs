//! The pages as HTML; `tests/browser` tests them in a browser.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Reply, TestApp, report, wait_until};

const HTML: &str = "text/html; charset=utf-8";

fn text_of(reply: &Reply) -> String {
    assert_eq!(reply.header("content-type"), Some(HTML));
    String::from_utf8(reply.inflated()).unwrap()
}

fn synced(app: &TestApp, repo: &str) {
    app.accept(report(repo, "s", "SYNCED", &[]));
}

fn drifted(app: &TestApp, repo: &str) {
    app.accept(report(repo, "s", "OUT_OF_SYNC", &["a.conf"]));
}

/// Returns the names of repositories in the order of a page's rows.
fn repos(page: &str) -> Vec<&str> {
    let cells = page.split("data-label=\"Repo\"").skip(1);
    cells.map(|cell| cell.split("<bdi>").nth(1).unwrap().split('<').next().unwrap()).collect()
}

#[test]
fn the_drifted_come_first_by_age_then_the_silent_then_the_others() {
    let app = TestApp::spawn();
    synced(&app, "z-silent-longest");
    app.advance(Duration::from_mins(5));
    synced(&app, "a-silent");
    app.advance(Duration::from_hours(3));
    drifted(&app, "a-drifted-later");
    synced(&app, "well");
    synced(&app, "also-well");
    drifted(&app, "z-drifted-longest");
    app.advance(Duration::from_mins(1));
    synced(&app, "a-drifted-later");
    app.advance(Duration::from_mins(1));
    drifted(&app, "a-drifted-later");
    wait_until("two are stale", || app.list("?stale=true").len() == 2);
    let order = [
        "z-drifted-longest",
        "a-drifted-later",
        "z-silent-longest",
        "a-silent",
        "also-well",
        "well",
    ];
    assert_eq!(repos(&text_of(&app.get("/"))), order);
    assert_eq!(repos(&text_of(&app.get("/?limit=2&offset=1"))), &order[1..3]);
}

#[test]
fn a_stale_entry_says_how_long_it_has_been_silent_and_how_it_was_before() {
    let app = TestApp::spawn();
    synced(&app, "nginx");
    drifted(&app, "rsyslog");
    app.advance(Duration::from_hours(7 * 24));
    synced(&app, "nginx");
    drifted(&app, "rsyslog");
    app.advance(Duration::from_hours(3));
    wait_until("both are stale", || app.list("?stale=true").len() == 2);
    let text = |target: &str| {
        let page = text_of(&app.get(target));
        page.split('<').filter_map(|part| Some(part.split_once('>')?.1)).collect::<String>()
    };
    for (repo, said) in [
        ("nginx", "silent for 3 h, was in sync for 7 d"),
        ("rsyslog", "silent for 3 h, drifted for 7 d"),
    ] {
        assert!(text(&format!("/?repo={repo}")).contains(said), "{repo}");
        assert!(text(&format!("/entry?repo={repo}&server=s")).contains(said), "{repo}");
    }
}

#[test]
fn each_cell_of_a_row_has_its_heading() {
    let app = TestApp::spawn();
    drifted(&app, "nginx");
    for target in ["/", "/file?name=a.conf"] {
        let page = text_of(&app.get(target));
        let headings = page.split("role=\"columnheader\"").skip(1).map(|heading| {
            let texts = heading.split("</th>").next().unwrap().split('>').skip(1);
            texts.map(|text| text.split('<').next().unwrap()).collect::<String>()
        });
        let cells = page.split("data-label=\"").skip(1).map(|cell| cell.split('"').next().unwrap());
        let (headings, cells): (Vec<String>, Vec<&str>) = (headings.collect(), cells.collect());
        assert_eq!(headings.len(), 9, "{target}");
        let cells: Vec<&str> = cells.iter().map(|cell| cell.trim_end_matches(" since")).collect();
        assert_eq!(headings, cells, "{target}");
    }
}

#[test]
fn a_page_keeps_its_tag_until_something_changes_and_is_never_cached() {
    let app = TestApp::spawn();
    drifted(&app, "nginx");
    let first = app.get("/?repo=nginx");
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("W/\""), "ages make the bytes differ: {tag}");
    assert_eq!(first.header("cache-control"), Some("no-store"));
    app.advance(Duration::from_mins(1));
    let known = |target: &str| app.get_with(target, &[("If-None-Match", &tag)]).status;
    assert_eq!(known("/?repo=nginx"), 304);
    assert_eq!(known("/?repo=rsyslog"), 200);
    synced(&app, "nginx");
    assert_eq!(known("/?repo=nginx"), 200);
}

#[test]
fn a_revision_links_to_its_commit_if_there_is_a_template() {
    let template = ("revision_url", "https://git.example/{repo}/commit/{revision}");
    let revision = "4f1c2ab9d3e7<&\">";
    let mut body: Value =
        serde_json::from_str(&report("web/a b", "s", "OUT_OF_SYNC", &["a.conf"])).unwrap();
    body["revision"] = revision.into();
    let link = "<a href=\"https://git.example/web/a%20b/commit/4f1c2ab9d3e7%3C%26%22%3E\" \
                rel=\"noreferrer noopener nofollow\"><code";
    let targets = ["/", "/file?name=a.conf", "/entry?repo=web/a%20b&server=s"];
    let app = TestApp::with_settings(&[template]);
    app.accept(body.to_string());
    for (target, links) in targets.into_iter().zip([1, 1, 2]) {
        let page = text_of(&app.get(target));
        assert_eq!(page.matches(link).count(), links, "{target}: {page}");
    }
    let tag = app.get("/").header("etag").unwrap().to_owned();
    let app = app.restart_with(|config| config.revision_url = None);
    for target in targets {
        let page = text_of(&app.get(target));
        assert!(page.contains("4f1c2ab9d3") && !page.contains("git.example"), "{target}: {page}");
    }
    assert_eq!(app.get_with("/", &[("If-None-Match", &tag)]).status, 200, "it has no links now");
}

#[test]
fn a_reporter_cannot_choose_where_on_the_forge_a_commit_leads() {
    let template = ("revision_url", "https://git.example/org/{repo}/commit/{revision}");
    let app = TestApp::with_settings(&[template]);
    for (repo, revision) in [("r", "../../../evil/x"), ("..", "4f1c2ab"), ("r/../../evil", "x")] {
        let mut body: Value =
            serde_json::from_str(&report(repo, "s", "OUT_OF_SYNC", &["a.conf"])).unwrap();
        body["revision"] = revision.into();
        app.accept(body.to_string());
        for target in ["/", "/file?name=a.conf", &format!("/entry?repo={repo}&server=s")] {
            let page = text_of(&app.get(target));
            assert!(page.contains(revision.get(..7).unwrap_or(revision)), "{target}: {page}");
            assert!(!page.contains("git.example"), "{target}: {page}");
        }
    }
}

#[test]
fn commands_on_pages_name_the_url_where_people_reach_the_server() {
    let app = TestApp::with_settings(&[("external_url", "https://x.example/gitops/")]);
    let empty = text_of(&app.get("/"));
    assert!(empty.contains("https://x.example/gitops/</span>api/status"), "{empty}");
    synced(&app, "nginx");
    let entry = text_of(&app.get("/entry?repo=nginx&server=s"));
    let command = "curl -X DELETE &#39;https://x.example/gitops/api/status?repo=nginx";
    assert!(entry.contains(command) || entry.contains(&command.replace("&#39;", "'")), "{entry}");
}

#[test]
fn the_lists_that_the_page_links_to_have_its_order() {
    let app = TestApp::spawn();
    for (repo, status, count) in [("c", "SYNCED", 1), ("b", "OUT_OF_SYNC", 1), ("a", "SYNCED", 0)] {
        let mut body: Value = serde_json::from_str(&report(repo, "s", status, &[])).unwrap();
        body["drift_count"] = count.into();
        app.accept(body.to_string());
        app.advance(Duration::from_mins(1));
    }
    // Its drift is older than its status.
    drifted(&app, "c");
    for query in ["sort=status_since&drifted=true", "sort=-status_since&drifted=true"] {
        let page = text_of(&app.get(&format!("/?{query}")));
        let (_, link) = page.split_once("href=\"status.json?").unwrap();
        let link = link.split('"').next().unwrap().replace("&#38;", "&");
        let listed = app.list(&format!("?{link}"));
        let listed: Vec<_> = listed.iter().map(|row| row["repo"].as_str().unwrap()).collect();
        assert_eq!(repos(&page), listed, "{query}: {link}");
    }
    for (query, sort) in [
        ("sort=status_since", None),
        ("sort=status_since&drifted=false", Some("status_since")),
        ("sort=-server", Some("-server")),
    ] {
        let page = text_of(&app.get(&format!("/?{query}")));
        for list in ["json", "csv"] {
            let (_, link) = page.split_once(&format!("href=\"status.{list}")).unwrap();
            let link = link.split('"').next().unwrap();
            let sent = link.split_once("sort=").map(|(_, sort)| sort.split('&').next().unwrap());
            assert_eq!(sent, sort, "{query}: {link}");
        }
    }
}

#[test]
fn characters_that_only_change_direction_are_visible_in_the_names_that_are_offered() {
    let app = TestApp::spawn();
    synced(&app, "A\u{202e}nigx");
    let page = text_of(&app.get("/?repo=a%E2%80%AEni"));
    let offer = page.split("class=\"offer\"").nth(1).unwrap().split("show it").next().unwrap();
    assert_eq!(offer.matches("data-mark=\"U+202E\"").count(), 2, "asked and offered: {offer}");
}

#[test]
fn a_page_is_compressed_if_asked_and_takes_head() {
    let app = TestApp::spawn();
    drifted(&app, "nginx");
    for target in ["/", "/entry?repo=nginx&server=s", "/file?name=a.conf"] {
        let gzip = app.get_with(target, &[("Accept-Encoding", "gzip")]);
        assert_eq!(gzip.header("content-encoding"), Some("gzip"), "{target}");
        assert!(text_of(&gzip).contains("nginx"), "{target}");
        let head = app.send("HEAD", target, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
        assert_eq!(head.header("content-type"), Some(HTML), "{target}");
        assert_eq!(app.post("").status, 400);
        assert_eq!(app.send("POST", target, &[], b"").header("allow"), Some("GET, HEAD"));
    }
}

#[test]
fn every_page_forbids_what_it_does_not_need() {
    let app = TestApp::spawn();
    app.accept(report("a", "b", "OUT_OF_SYNC", &["x", "y"]));
    for target in ["/", "/?view=wall", "/entry?repo=a&server=b", "/entry", "/file?name=x", "/file"]
    {
        let reply = app.get(target);
        let policy = reply.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{target}: {policy}");
        assert!(policy.contains("frame-ancestors 'self'"), "{target}: {policy}");
        assert!(!policy.contains("unsafe"), "{target}: {policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{target}");
        let page = text_of(&reply);
        assert!(!page.contains("style=") && !page.contains("onclick="), "{target}");
        assert!(!page.contains("=\"/") && !page.contains("=\"http"), "{target}: absolute link");
    }
}

#[test]
fn a_missing_entry_or_file_is_a_page() {
    let app = TestApp::spawn();
    for (target, status, said) in [
        ("/entry", 400, "repo must be given"),
        ("/entry?repo=a", 400, "server must be given"),
        ("/entry?repo=a&server=%20b", 400, "server must be a string"),
        ("/entry?repo=a&server=b&x=1", 400, "Unknown parameter"),
        ("/entry?repo=a&server=b&cursor=x", 400, "cursor must be"),
        ("/entry?repo=a&server=b", 404, "There is no entry of this repo and server."),
        ("/file", 400, "name must be given"),
        ("/file?name=%00", 400, "name must be a string"),
        ("/file?name=a&name=b", 400, "name must be given only once"),
        ("/file?name=a", 200, "No drifted entry lists a file of this name."),
    ] {
        let reply = app.get(target);
        assert_eq!(reply.status, status, "{target}");
        assert!(text_of(&reply).contains(said), "{target}: {}", reply.text());
    }
    assert_eq!(app.get("/assets/page-0.css").error(404), "There is nothing at this path");
}

#[test]
fn assets_are_cached_for_ever_and_are_small() {
    let app = TestApp::spawn();
    let page = text_of(&app.get("/"));
    let mut size = 0;
    for (stem, media_type) in [
        ("page-", "text/css; charset=utf-8"),
        ("page-", "text/javascript; charset=utf-8"),
        ("change-", "text/javascript; charset=utf-8"),
        ("controls-", "text/javascript; charset=utf-8"),
        ("hold-", "text/javascript; charset=utf-8"),
        ("lamp-", "text/javascript; charset=utf-8"),
        ("removal-", "text/javascript; charset=utf-8"),
        ("icon-lost-", "image/svg+xml"),
        ("icon-", "image/svg+xml"),
    ] {
        let names = page.split("\"assets/").skip(1).map(|rest| rest.split('"').next().unwrap());
        let asset = names
            .filter(|name| name.starts_with(stem))
            .map(|name| app.get(&format!("/assets/{name}")))
            .find(|reply| reply.header("content-type") == Some(media_type));
        let asset = asset.unwrap_or_else(|| panic!("no {media_type}"));
        let cache_control = asset.header("cache-control");
        assert_eq!(cache_control, Some("public, max-age=31536000, immutable"));
        size += asset.body.len();
    }
    assert!(size < 60_000, "{size} bytes");
}

#[test]
fn a_name_with_wildcards_is_one_entry_and_one_file_on_its_pages() {
    let app = TestApp::spawn();
    app.accept(report("n*", "s,t", "OUT_OF_SYNC", &["*.conf"]));
    app.accept(report("nginx", "s", "OUT_OF_SYNC", &["nginx.conf"]));
    let entry = text_of(&app.get("/entry?repo=n*&server=s,t"));
    assert!(entry.contains("*.conf") && !entry.contains("nginx.conf"));
    assert_eq!(repos(&text_of(&app.get("/file?name=*.conf"))), ["n*"]);
}

#[test]
fn a_page_of_very_long_names_stays_a_page() {
    let app = TestApp::spawn();
    let names: Vec<String> = (0..200).map(|file| format!("{file:0>4000}")).collect();
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    for server in 0..20 {
        app.accept(report("nginx", &format!("web-{server}"), "OUT_OF_SYNC", &files));
    }
    let page = text_of(&app.get("/"));
    assert!(page.len() < 20 * 40_000, "{} bytes", page.len());
    assert!(page.contains("198 more") && page.contains("and 198 others"), "the rest is counted");
    let entry = text_of(&app.get("/entry?repo=nginx&server=web-0"));
    assert!(entry.len() < 400_000 && entry.contains("These are 17 of 200"), "{}", entry.len());
}

#[test]
fn a_wall_shows_what_it_leaves_out_and_that_nothing_matches() {
    let app = TestApp::spawn();
    synced(&app, "nginx");
    let page = text_of(&app.get("/?view=wall&repo=ngnix"));
    assert!(page.contains("repo: <bdi>ngnix</bdi>"), "{page}");
    assert!(page.contains("No entry matches these filters."), "{page}");
    assert!(page.contains("tile synced none"), "nothing is not green: {page}");
}

#[test]
fn an_entry_with_thousands_of_files_shows_the_first_ones() {
    let app = TestApp::spawn();
    let names: Vec<String> = (0..9_000).map(|file| format!("conf.d/{file:04}.conf")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    app.accept(report("nginx", "web-1", "OUT_OF_SYNC", &names));
    let page = app.get("/entry?repo=nginx&server=web-1").text();
    assert!(page.len() < 100_000, "{}", page.len());
    assert!(page.contains("conf.d/0499.conf") && !page.contains("conf.d/0500.conf"));
    assert!(page.contains("These are 500 of 9000") && page.contains("and 8980 others"));
    let link = "status.json?repo=nginx&#38;server=web-1&#38;fields=files";
    assert!(page.contains(link), "{page}");
    let files = app.list("?repo=nginx&server=web-1&fields=files")[0]["files"].clone();
    assert_eq!(files.as_array().unwrap().len(), 9_000);
}
