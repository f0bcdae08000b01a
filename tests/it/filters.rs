//! The query string of the list: every parameter in every spelling.

use std::time::Duration;

use crate::support::{TestApp, report, wait_until};

/// An application with a few entries that differ in every field that has a filter.
fn fleet() -> TestApp {
    let app = TestApp::spawn();
    for (repo, server, status, count, files, last_check) in [
        ("nginx", "web-1", "SYNCED", 0, &[][..], "2026-04-21T10:32:15Z"),
        (
            "nginx",
            "web-2",
            "OUT_OF_SYNC",
            2,
            &["nginx.conf", "Größe.conf"],
            "2026-04-21T10:32:15.5Z",
        ),
        ("rsyslog", "web-1", "OUT_OF_SYNC", 0, &["rsyslog.conf"], "2026-04-21T10:32:15.05Z"),
        ("rsyslog", "db,1", "SYNCED", 3, &["x"], "2026-04-21T10:32:14.999Z"),
        ("a,b", "{x}", "SYNCED", 0, &[], "2026-04-21T10:32:15.50Z"),
    ] {
        let mut body: serde_json::Value =
            serde_json::from_str(&report(repo, server, status, files)).unwrap();
        body["drift_count"] = count.into();
        body["last_check"] = last_check.into();
        if server == "web-2" {
            body["revision"] = "abc".into();
            body["ttl_seconds"] = 0.into();
        }
        app.accept(body.to_string());
    }
    app
}

#[test]
fn a_filter_keeps_the_matching_entries_in_every_spelling() {
    let app = fleet();
    let all = ["a,b/{x}", "nginx/web-1", "nginx/web-2", "rsyslog/db,1", "rsyslog/web-1"];
    let nginx = ["nginx/web-1", "nginx/web-2"];
    let no = [""; 0];
    for (query, expected) in [
        ("", &all[..]),
        ("?repo=nginx", &nginx),
        ("?repo=nginx&repo=nothing", &nginx),
        ("?repo=nginx,nothing", &nginx),
        ("?repo={nginx,nothing}", &nginx),
        ("?repo=%7Bnginx%2Cnothing%7D", &nginx),
        ("?var-repo=nginx", &nginx),
        ("?var-repo=nothing&repo=nginx", &nginx),
        ("?repo=,nginx,,", &nginx),
        ("?repo=ngi*", &nginx),
        ("?repo=*gin*", &nginx),
        ("?repo=Nginx", &no),
        ("?repo=ngin", &no),
        ("?repo=n.*x", &no),
        ("?repo=", &all),
        ("?repo", &all),
        ("?repo=,", &all),
        ("?repo={}", &all),
        ("?repo=*", &all),
        ("?repo=nothing,*", &all),
        ("?repo=.*", &all),
        ("?repo=$__all", &all),
        ("?repo={nothing,$__all}&server=%24__all", &all),
        ("?repo=a,b", &["a,b/{x}"]),
        ("?server={x}", &["a,b/{x}"]),
        ("?server=db,1", &["rsyslog/db,1"]),
        ("?server=web-1", &["nginx/web-1", "rsyslog/web-1"]),
        ("?var-server=web-1&repo=rsyslog", &["rsyslog/web-1"]),
        ("?file=nginx.conf", &["nginx/web-2"]),
        ("?file=*.conf", &["nginx/web-2", "rsyslog/web-1"]),
        ("?file=x,rsyslog.conf", &["rsyslog/db,1", "rsyslog/web-1"]),
        ("?sync_status=OUT_OF_SYNC", &["nginx/web-2", "rsyslog/web-1"]),
        ("?sync_status=out_of_sync", &["nginx/web-2", "rsyslog/web-1"]),
        ("?sync_status=synced&repo=nginx", &["nginx/web-1"]),
        ("?sync_status=synced,OUT_OF_SYNC", &all),
        ("?sync_status={Out_Of_Sync}", &["nginx/web-2", "rsyslog/web-1"]),
        ("?revision=abc", &["nginx/web-2"]),
        ("?revision=a*,b*", &["nginx/web-2"]),
        ("?revision=nothing&var-revision={abc}", &["nginx/web-2"]),
        ("?revision=ABC", &no),
        ("?revision=*", &all),
        ("?revision=", &all),
        ("?drifted=true", &["nginx/web-2", "rsyslog/db,1", "rsyslog/web-1"]),
        ("?drifted=1", &["nginx/web-2", "rsyslog/db,1", "rsyslog/web-1"]),
        ("?drifted=false", &["a,b/{x}", "nginx/web-1"]),
        ("?drifted=0&drifted=true", &all),
        ("?stale=false", &all),
        ("?stale=true", &no),
        ("?q=WEB-2", &["nginx/web-2"]),
        ("?q=gr%C3%96%C3%9Fe", &["nginx/web-2"]),
        ("?q=rsyslog", &["rsyslog/db,1", "rsyslog/web-1"]),
        ("?q=web-2&q=db,", &["nginx/web-2", "rsyslog/db,1"]),
        ("?q=*", &no),
        ("?q=", &all),
        ("?_=123&repo=nginx&&_", &nginx),
        ("?repo=a+b", &no),
    ] {
        assert_eq!(app.names(query), expected, "{query}");
    }
}

#[test]
fn entries_can_be_filtered_by_staleness() {
    let app = fleet();
    app.advance(Duration::from_hours(3));
    wait_until("all are stale", || app.list("?stale=true").len() == 5);
    app.accept(report("nginx", "web-1", "SYNCED", &[]));
    assert_eq!(app.names("?stale=false"), ["nginx/web-1"]);
    assert_eq!(app.list("?sync_status=synced").len(), 3, "staleness does not matter");
}

#[test]
fn a_wrong_parameter_is_an_error_that_names_it() {
    let app = fleet();
    for (query, name) in [
        ("?sync_status=broken", "sync_status"),
        ("?sync_status=SYNCED,x", "sync_status"),
        ("?drifted=yes", "drifted"),
        ("?drifted=TRUE", "drifted"),
        ("?literal=yes", "literal"),
        ("?literal=true&literal=true", "literal"),
        ("?stale=2", "stale"),
        ("?flat=flat", "flat"),
        ("?flat=true&flat=true", "flat"),
        ("?sort=files", "sort"),
        ("?sort=status_code", "sort"),
        ("?sort=", "sort"),
        ("?sort=repo&sort=server", "sort"),
        ("?limit=0", "limit"),
        ("?limit=100001", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=+1", "limit"),
        ("?limit=", "limit"),
        ("?limit=1&limit=1", "limit"),
        ("?offset=-1", "offset"),
        ("?offset=1.0", "offset"),
        ("?offset=0&offset=0", "offset"),
        ("?fields=repo,x", "fields"),
        ("?fields=repo,repo", "fields"),
        ("?rep=nginx", "rep"),
        ("?Repo=nginx", "Repo"),
        ("?=x", ""),
        ("?repo=%ff", "query"),
    ] {
        for path in ["/status.json", "/status.csv"] {
            let is_flat_by_itself = path == "/status.csv";
            if is_flat_by_itself && matches!(query, "?sort=files" | "?sort=status_code") {
                continue;
            }
            let message = app.get(&format!("{path}{query}")).error(400);
            assert!(message.contains(name), "{query}: {message}");
        }
    }
    let message = app.get("/status.json?rep=nginx").error(400);
    assert!(
        message.contains("repo, server, file, sync_status, drifted, stale, revision, q, literal"),
        "{message}"
    );
    for path in ["/health", "/livez", "/readyz"] {
        assert_eq!(app.get(&format!("{path}?anything=1&limit=x")).status, 200);
    }
}

#[test]
fn the_number_of_patterns_in_a_query_is_limited() {
    let app = fleet();
    for name in ["repo", "server", "file", "revision"] {
        let patterns = |count: usize| "*web-1*,".repeat(count);
        assert_eq!(app.get(&format!("/status.json?{name}={}", patterns(100))).status, 200);
        let message = app.get(&format!("/status.json?{name}={}", patterns(101))).error(400);
        assert!(message.starts_with(&format!("{name} must be ")), "{message}");
        let names = "web-1,".repeat(5000);
        assert_eq!(app.get(&format!("/status.json?{name}={names}")).status, 200);
        let literal = format!("/status.json?literal=true&{name}={}", patterns(101));
        assert_eq!(app.get(&literal).status, 200, "a star is no pattern there");
    }
    let texts = |count: usize| "q=WEB-2&".repeat(count);
    assert_eq!(app.names(&format!("?{}", texts(100))), ["nginx/web-2"]);
    let message = app.get(&format!("/status.json?{}", texts(101))).error(400);
    assert!(message.starts_with("q must be given at most 100 times"), "{message}");
}

#[test]
fn the_list_can_be_sorted_by_every_scalar_field() {
    let app = fleet();
    let [ab, n1, n2, rd, r1] =
        ["a,b/{x}", "nginx/web-1", "nginx/web-2", "rsyslog/db,1", "rsyslog/web-1"];
    for (sort, expected) in [
        ("repo", [ab, n1, n2, rd, r1]),
        ("-repo", [rd, r1, n1, n2, ab]),
        ("server", [rd, n1, r1, n2, ab]),
        ("sync_status", [n2, r1, ab, n1, rd]),
        ("-drift_count", [rd, n2, ab, n1, r1]),
        ("last_check", [rd, n1, r1, ab, n2]),
        ("-last_check", [ab, n2, r1, n1, rd]),
        ("expires_at", [ab, n1, rd, r1, n2]),
        ("-expires_at", [ab, n1, rd, r1, n2]),
        ("revision", [n2, ab, n1, rd, r1]),
        ("-revision", [n2, ab, n1, rd, r1]),
        ("url", [ab, n1, n2, rd, r1]),
        ("stale", [ab, n1, n2, rd, r1]),
        ("updated_at", [ab, n1, n2, rd, r1]),
        ("-status_since", [ab, n1, n2, rd, r1]),
    ] {
        assert_eq!(app.names(&format!("?sort={sort}")), expected, "{sort}");
        assert_eq!(app.names(&format!("?flat=true&sort={sort}")), expected, "{sort}");
    }
    assert_eq!(app.names("?flat=1&sort=-file_count")[0], n2);
    assert_eq!(app.names("?flat=1&sort=files")[4], rd);
    assert_eq!(app.names("?flat=1&sort=-status_code")[..2], [n2, r1]);
}

#[test]
fn a_page_is_cut_after_sorting_and_has_the_total() {
    let app = fleet();
    let page = |query: &str| {
        let reply = app.get(&format!("/status.json{query}"));
        (reply.header("x-total-count").unwrap().to_owned(), app.names(query).len())
    };
    let total = |total: &str, rows: usize| (total.to_owned(), rows);
    assert_eq!(page(""), total("5", 5));
    assert_eq!(page("?limit=2"), total("5", 2));
    assert_eq!(page("?limit=2&offset=4"), total("5", 1));
    assert_eq!(page("?offset=9"), total("5", 0));
    assert_eq!(page("?repo=nginx&limit=1"), total("2", 1));
    assert_eq!(app.names("?sort=-repo&limit=1&offset=1"), ["rsyslog/web-1"]);
}

#[test]
fn fields_keeps_only_those_in_that_order() {
    let app = fleet();
    let text = app.get("/status.json?repo=nginx&limit=1&fields=server,stale,repo").text();
    assert_eq!(text, r#"[{"server":"web-1","stale":false,"repo":"nginx"}]"#);
    let text = app.get("/status.json?repo=nginx&limit=1&fields={server,stale}&flat=true").text();
    assert_eq!(text, r#"[{"server":"web-1","stale":0}]"#);
    assert_eq!(
        app.get("/status.csv?limit=1&fields=server,repo").text(),
        "server,repo\r\n{x},\"a,b\"\r\n"
    );
    app.get("/status.json?fields=status_code").error(400);
    assert_eq!(
        app.get("/status.json?fields=&limit=1").text(),
        app.get("/status.json?limit=1").text()
    );
}
