//! The queries of the dashboards, sent as Grafana's Infinity plug-in sends them. No Grafana runs here.

use std::fs;
use std::time::Duration;

use gitops_status_server::clock::Clock;

use crate::support::dashboards::{Dashboard, dashboards, repository};
use crate::support::infinity::Query;
use crate::support::variables::{Chosen, chosen, interpolate};
use crate::support::{TestApp, report, wait_until};

const REPOS: [&str; 2] = ["rsyslog", "two words"];
const SERVERS: [&str; 2] = ["web-1", "web-2"];

/// Starts a server whose entries have been in every state, with and without optional fields.
fn eventful() -> TestApp {
    let app = TestApp::spawn();
    let with = |text: String, more: &str| text.replacen('{', &format!("{{{more},"), 1);
    app.accept(report("gone", "web-1", "SYNCED", &[]));
    app.accept(with(report("expires", "web-1", "SYNCED", &[]), r#""ttl_seconds":14400"#));
    app.accept(report("two words", "web-2", "SYNCED", &[]));
    app.accept(report("rsyslog", "web-2", "OUT_OF_SYNC", &["b.conf"]));
    let run = r#""revision":"4fc1d2","url":"https://ci.example/run/1""#;
    app.accept(with(report("rsyslog", "web-1", "OUT_OF_SYNC", &["a.conf", "b.conf"]), run));
    // All reporters fall silent, and one entry expires.
    app.advance(Duration::from_hours(5));
    wait_until("silence is recorded", || app.list("?stale=true").len() == 4);
    app.accept(report("rsyslog", "web-1", "SYNCED", &["a.conf"]));
    app.accept(with(report("rsyslog", "web-1", "OUT_OF_SYNC", &["a.conf", "c.conf"]), run));
    app.accept(report("rsyslog", "web-2", "SYNCED", &[]));
    app.accept(report("rsyslog", "web-2", "OUT_OF_SYNC", &["b.conf"]));
    let removed = app.send("DELETE", "/api/status?repo=gone&server=web-1", &[], b"");
    assert_eq!(removed.status, 200);
    app.accept(report("two words", "web-1", "SYNCED", &[]));
    // `to` is the first moment that is not shown.
    app.advance(Duration::from_secs(1));
    app
}

/// Fills in a parameter as Grafana does.
fn fill_in(dashboard: &Dashboard, app: &TestApp, how: Chosen, text: &str) -> String {
    let now = app.clock.read().wall.millis();
    interpolate(text, &|name, format| match name {
        "__from" => (now - 24 * 3_600_000).to_string(),
        "__to" => now.to_string(),
        "repo" => chosen(dashboard.variable(name), how, format, &REPOS),
        "server" => chosen(dashboard.variable(name), how, format, &SERVERS),
        _ => {
            let variable = dashboard.variable(name);
            let values: Vec<_> = variable["query"].as_str().unwrap().split(',').collect();
            chosen(variable, how, format, &values)
        }
    })
}

#[test]
fn every_query_of_the_dashboards_is_answered_so_that_infinity_can_read_it() {
    let app = eventful();
    let mut count = 0;
    for dashboard in dashboards() {
        for (place, query) in dashboard.infinity_queries() {
            for how in Chosen::EVERY {
                let target = query.target(|text| fill_in(&dashboard, &app, how, text));
                let rows = query.rows(&app, &target);
                assert!(!rows.is_empty(), "{place}: nothing at {target}");
                count += 1;
            }
        }
    }
    assert!(count > 50, "only {count} requests");
}

#[test]
fn a_choice_of_variables_narrows_all_of_the_overview() {
    let app = eventful();
    let overview = dashboards().into_iter().find(|found| found.file == "overview.json").unwrap();
    for (_, query) in overview.infinity_queries() {
        let ask = |repo: &str, server: &str| {
            let fill = |name: &str, _: &str| {
                format!("{name}={}", if name == "repo" { repo } else { server })
            };
            query.target(|text| interpolate(text, &fill))
        };
        let nobody = query.rows(&app, &ask("nobody", "nobody"));
        let counts = nobody.iter().flat_map(|row| row.as_object().unwrap().values());
        let is_repo_variable = query.0["url"] == "/api/repos" && query.0["refId"] == "variable";
        assert!(is_repo_variable || counts.into_iter().all(|count| count == 0 || count.is_null()));
    }
}

/// The list of Grafana offers such names, and `repo=` alone takes them for lists and patterns.
#[test]
fn a_name_that_looks_like_a_list_or_a_pattern_is_chosen_alone() {
    let app = TestApp::spawn();
    for repo in ["a,b", "a", "b", "*", "{a}", "a&b=c"] {
        app.accept(report(repo, "web-1", "OUT_OF_SYNC", &["x.conf"]));
    }
    app.advance(Duration::from_secs(1));
    let mut tables = 0;
    for dashboard in dashboards() {
        for (place, query) in dashboard.infinity_queries() {
            let has_repos = |row: &serde_json::Value| row["repo"].is_string();
            for repo in ["a,b", "*", "{a}", "a&b=c"] {
                let fill = |name: &str, format: &str| match name {
                    "repo" => chosen(dashboard.variable(name), Chosen::One, format, &[repo]),
                    "server" => chosen(dashboard.variable(name), Chosen::All, format, &[]),
                    "event" => "first".to_owned(),
                    _ => fill_in(&dashboard, &app, Chosen::All, &format!("${{{name}}}")),
                };
                let rows = query.rows(&app, &query.target(|text| interpolate(text, &fill)));
                let is_variable = query.0["refId"] == "variable" && query.0["url"] == "/api/repos";
                if !is_variable && rows.iter().any(has_repos) {
                    assert!(rows.iter().all(|row| row["repo"] == repo), "{place}: {rows:?}");
                    tables += 1;
                }
            }
        }
    }
    assert!(tables >= 4 * 7, "only {tables} tables");
}

/// A fleet of 300 servers and 25 repositories has 7,500 entries: too many bands for a browser.
#[test]
fn the_history_asks_for_a_band_of_each_entry_only_in_a_row_that_is_closed_at_first() {
    let history = dashboards().into_iter().find(|found| found.file == "history.json").unwrap();
    let top = history.json["panels"].as_array().unwrap();
    let of_names = top.iter().filter_map(|panel| {
        let target = &panel["targets"][0];
        let parameters = target["url_options"]["params"].as_array()?;
        let is_timeline = target["url"].as_str()?.starts_with("/api/timeline");
        is_timeline.then(|| parameters.iter().any(|parameter| parameter["key"] == "by"))
    });
    assert_eq!(of_names.collect::<Vec<_>>(), [true, true]);
    let row = top.iter().find(|panel| panel["type"] == "row").unwrap();
    assert_eq!(row["collapsed"], true);
    assert!(row["panels"][0]["targets"][0]["url"].as_str().unwrap().starts_with("/api/timeline"));
}

#[test]
fn every_query_to_copy_from_the_documentation_is_answered() {
    let app = eventful();
    let text = fs::read_to_string(repository("docs/grafana.md")).unwrap();
    let dashboards = dashboards();
    let history = dashboards.iter().find(|found| found.file == "history.json").unwrap();
    let blocks = text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut count = 0;
    for block in blocks {
        let query = Query(serde_json::from_str(block).unwrap_or_else(|_| panic!("{block}")));
        let target = query.target(|text| fill_in(history, &app, Chosen::Several, text));
        assert!(!query.rows(&app, &target).is_empty(), "nothing at {target}");
        count += 1;
    }
    assert!(count >= 6, "only {count} queries");
}
