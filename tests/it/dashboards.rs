//! The shipped dashboards are consistent in themselves.

use std::collections::HashSet;
use std::fs;

use serde_json::Value;

use crate::support::dashboards::{Dashboard, dashboards, references, repository, walk};
use crate::support::{Minted, TestApp};

/// Grafana's built-in variables and data sources.
const GLOBAL: [&str; 7] =
    ["__data", "__field", "__from", "__rate_interval", "__to", "__url_time_range", "__value"];
#[test]
fn panels_have_unique_ids_and_do_not_overlap() {
    for Dashboard { file, json } in dashboards() {
        let panels = json["panels"].as_array().unwrap();
        let in_rows = panels.iter().filter_map(|row| row["panels"].as_array()).flatten();
        let numbers: Vec<_> =
            panels.iter().chain(in_rows).map(|panel| panel["id"].as_u64()).collect();
        let different: HashSet<_> = numbers.iter().map(|number| number.unwrap()).collect();
        assert_eq!(different.len(), numbers.len(), "{file}: a number is used twice");
        let mut taken = HashSet::new();
        for panel in panels {
            let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
            let (right, bottom) = (side("x") + side("w"), side("y") + side("h"));
            assert!(right <= 24, "{file}: {} is beyond the grid", panel["title"]);
            for cell in (side("x")..right).flat_map(|x| (side("y")..bottom).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{file}: {} covers another", panel["title"]);
            }
        }
    }
}

#[test]
fn dashboards_and_panels_have_titles_and_descriptions() {
    let dashboards = dashboards();
    let says = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    for field in ["uid", "title"] {
        let names: HashSet<_> = dashboards.iter().map(|found| found.json[field].as_str()).collect();
        assert_eq!(names.len(), dashboards.len(), "a {field} is used twice");
    }
    for dashboard in &dashboards {
        assert!(says(&dashboard.json["description"]), "{}", dashboard.file);
        assert_eq!(dashboard.json["id"], Value::Null, "the number that some Grafana gave it");
        for panel in dashboard.panels() {
            assert!(says(&panel["title"]) && says(&panel["description"]), "{panel}");
        }
    }
}

#[test]
fn data_sources_are_chosen_by_variables_only() {
    for dashboard in dashboards() {
        walk(&dashboard.json, &mut |object| {
            let source = &object["datasource"];
            if !source.is_null() {
                let uid = source["uid"].as_str().unwrap();
                let name = uid.strip_prefix("${").unwrap().strip_suffix('}').unwrap();
                let variable = dashboard.variable(name);
                assert_eq!(variable["type"], "datasource", "{}: {name}", dashboard.file);
                assert_eq!(variable["query"], source["type"], "{}: {name}", dashboard.file);
            }
        });
        for panel in dashboard.panels() {
            assert!(panel["datasource"].is_object(), "{}: {}", dashboard.file, panel["title"]);
        }
    }
}

#[test]
fn every_reference_of_a_dashboard_exists() {
    let dashboards = dashboards();
    let uids: Vec<_> = dashboards.iter().map(|found| found.json["uid"].as_str().unwrap()).collect();
    for dashboard in &dashboards {
        let text = dashboard.json.to_string();
        for name in references(&text).into_iter().filter(|name| !GLOBAL.contains(name)) {
            assert!(name == "__all" || dashboard.variable(name).is_object());
        }
        for uid in text.split("\"/d/").skip(1).map(|rest| rest.split('?').next().unwrap()) {
            assert!(uids.contains(&uid), "{}: no dashboard {uid}", dashboard.file);
        }
    }
}

/// Grafana orders columns by title, and ignores a misspelt one.
#[test]
fn tables_order_and_format_columns_that_exist() {
    for dashboard in dashboards() {
        for panel in dashboard.panels().into_iter().filter(|panel| panel["type"] == "table") {
            let target = &panel["targets"][0];
            let listed = ["columns", "computed_columns"].map(|kind| target[kind].as_array());
            let listed = listed.into_iter().flatten().flatten().map(|column| &column["text"]);
            let titles: HashSet<_> = listed.map(|title| title.as_str().unwrap()).collect();
            let organize = &panel["transformations"][0]["options"];
            let named = |what: &str| organize[what].as_object().unwrap().keys().map(String::as_str);
            let placed: HashSet<_> = named("indexByName").chain(named("excludeByName")).collect();
            assert_eq!(placed, titles, "{}: {}", dashboard.file, panel["title"]);
            for dressed in panel["fieldConfig"]["overrides"].as_array().unwrap() {
                let title = dressed["matcher"]["options"].as_str().unwrap();
                assert!(titles.contains(title), "{}: {title}", panel["title"]);
            }
        }
    }
}

#[test]
fn the_provisioned_data_source_is_the_one_that_the_dashboards_prefer() {
    let file = repository("deploy/grafana/provisioning/datasources/gitops-status.yaml");
    let text = fs::read_to_string(file).unwrap();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key}")).trim()
    };
    assert_eq!(value("access:"), "proxy");
    assert_eq!(value("customHealthCheckEnabled:"), "true");
    assert_eq!(value("allowedHosts:"), format!("[\"{}\"]", value("url:")));
    for dashboard in dashboards() {
        walk(&dashboard.json, &mut |object| {
            if object["name"] == "DS_INFINITY" {
                assert_eq!(object["query"], value("type:"));
                assert_eq!(object["current"]["value"], value("uid:"));
            }
        });
    }
    let app = TestApp::spawn();
    let health = app.get(value("customHealthCheckUrl:"));
    assert_eq!((health.status, health.text().as_str()), (200, "[]"), "Infinity wants a body");
}

#[test]
fn the_data_source_with_a_token_reads_where_reading_needs_one() {
    let read = |folder: &str| {
        let file = format!("deploy/grafana/provisioning/{folder}/gitops-status.yaml");
        fs::read_to_string(repository(&file)).unwrap()
    };
    let (plain, with_token) = (read("datasources"), read("datasources-with-token"));
    let settings = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let added = settings(&with_token).split_off(settings(&plain).len());
    assert!(settings(&with_token).starts_with(&settings(&plain)), "they differ in more");
    // The names of Infinity; `$__file` is Grafana's own.
    assert_eq!(added[..2], ["      auth_method: bearerToken", "    secureJsonData:"]);
    assert!(added[2].starts_with("      bearerToken: $__file{/"), "{}", added[2]);
    assert_eq!(added.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    let grafana = Minted::new(&["--id=grafana", "--read"]);
    let file = Minted::file(folder.path(), &[&grafana]);
    let app = TestApp::with_settings(&[("tokens_file", &file), ("require_read_token", "true")]);
    let (_, health) = plain.split_once("customHealthCheckUrl: ").unwrap();
    let health = health.lines().next().unwrap();
    assert_eq!(app.get(health).status, 401);
    // So does Infinity send it.
    let reply = app.get_with(health, &[("Authorization", &grafana.bearer())]);
    assert_eq!((reply.status, reply.text().as_str()), (200, "[]"));
}
