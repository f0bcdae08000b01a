//! `deploy/compose.yaml` fits the files that it mounts, and the program.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::rendered::{items, yaml};
use crate::support::dashboards::repository;

fn compose() -> Value {
    yaml(&fs::read(repository("deploy/compose.yaml")).unwrap()).remove(0)
}

fn shipped(path: &str) -> String {
    fs::read_to_string(repository("deploy").join(path)).unwrap()
}

/// Returns the mounts of a service: what, where, and whether it is a named volume.
fn mounts(service: &Value) -> Vec<(&str, &str)> {
    let volumes = items(&service["volumes"]).iter().map(|it| it.as_str().unwrap());
    volumes.map(|it| it.trim_end_matches(":ro").split_once(':').unwrap()).collect()
}

#[test]
fn every_file_that_it_mounts_exists_and_every_volume_is_declared() {
    let compose = compose();
    let mut files = 0;
    for (name, service) in compose["services"].as_object().unwrap() {
        for (source, target) in mounts(service) {
            if source.starts_with("./") {
                assert!(repository("deploy").join(source).exists(), "{name}: {source}");
                files += 1;
            } else {
                assert!(compose["volumes"].as_object().unwrap().contains_key(source), "{name}");
            }
            assert!(target.starts_with('/'), "{name}: {target}");
        }
        for config in items(&service["configs"]) {
            let source = config["source"].as_str().unwrap();
            assert!(compose["configs"][source]["content"].is_string(), "{name}: {source}");
        }
        for port in items(&service["ports"]) {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
    assert_eq!(files, 6);
}

/// The files name other machines by their addresses in a cluster.
#[test]
fn every_address_in_the_files_is_that_of_a_service() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let aliases = |service: &Value| items(&service["networks"]["default"]["aliases"]).to_vec();
    let aliases: Vec<Value> = services.values().flat_map(aliases).collect();
    let mut named = 0;
    for file in ["prometheus/prometheus.yml", "grafana/provisioning/datasources/gitops-status.yaml"]
    {
        let text = shipped(file);
        for rest in
            text.split(".observability-stack.svc.cluster.local").collect::<Vec<_>>().windows(2)
        {
            let host = rest[0].rsplit(['"', '/']).next().unwrap();
            let address = format!("{host}.observability-stack.svc.cluster.local");
            assert!(aliases.contains(&Value::from(address)), "{file}: {host}");
            let port = rest[1].trim_start_matches(':').split(['"', '\n']).next().unwrap();
            let service = &services[host];
            let listens = &service["environment"]["GITOPS_STATUS_LISTEN"];
            let published = items(&service["ports"])[0].as_str().unwrap();
            assert!(published.ends_with(&format!(":{port}")), "{file}: {port}");
            assert!(listens.is_null() || *listens == format!("0.0.0.0:{port}"), "{file}: {port}");
            named += 1;
        }
    }
    assert_eq!(named, 4);
}

#[test]
fn grafana_finds_its_dashboards_its_plug_in_and_both_data_sources() {
    let compose = compose();
    let grafana = &compose["services"]["grafana"];
    let provider = yaml(shipped("grafana/provisioning/dashboards/gitops-status.yaml").as_bytes());
    let folder = provider[0]["providers"][0]["options"]["path"].as_str().unwrap();
    assert!(mounts(grafana).contains(&("./grafana/dashboards", folder)));
    let source = yaml(shipped("grafana/provisioning/datasources/gitops-status.yaml").as_bytes());
    let plugin = &source[0]["datasources"][0]["type"];
    assert_eq!(grafana["environment"]["GF_PLUGINS_PREINSTALL_SYNC"], *plugin);
    let content = compose["configs"]["grafana-prometheus"]["content"].as_str().unwrap();
    let prometheus = yaml(content.as_bytes()).remove(0);
    let address = prometheus["datasources"][0]["url"].as_str().unwrap();
    let (host, port) = address.strip_prefix("http://").unwrap().split_once(':').unwrap();
    let published = items(&compose["services"][host]["ports"])[0].as_str().unwrap();
    assert!(published.ends_with(&format!(":{port}")), "{address}");
    // Links of the dashboards lead to the page.
    let page = compose["services"]["gitops-status-server"]["ports"][0].as_str().unwrap();
    let page = page.strip_prefix("127.0.0.1:").unwrap().split(':').next().unwrap();
    assert!(
        shipped("grafana/dashboards/overview.json").contains(&format!("http://localhost:{page}"))
    );
}

#[test]
fn the_server_takes_its_variables() {
    let compose = compose();
    let server = &compose["services"]["gitops-status-server"];
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().current_dir(&folder).arg("check-config");
    let variables = server["environment"].as_object().unwrap();
    command.envs(variables.iter().map(|(name, value)| (name, value.as_str().unwrap())));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    for name in variables.keys() {
        assert!(said.contains(&format!("# environment {name}\n")), "{name} is no setting");
    }
    assert_eq!(mounts(server), [("status", "/var/lib/gitops-status")]);
}
