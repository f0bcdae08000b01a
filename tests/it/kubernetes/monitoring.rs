//! What Prometheus and Grafana get, and what they make of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::rendered::{Rendered, items, run, tool, yaml};
use crate::support::dashboards::{dashboards, repository};
use crate::support::{Process, Prometheus, report, run_tool, wait_until};

const NO_ARGUMENTS: &[&str] = &[];

/// The only object of a kind.
fn only<'a>(rendered: &'a Rendered, kind: &str) -> &'a Value {
    let found = rendered.all(kind);
    assert_eq!(found.len(), 1, "{}: {kind}", rendered.name);
    found[0]
}

#[test]
fn the_rules_of_the_operator_are_those_of_the_file() {
    let read = |path: &str| yaml(&fs::read(repository(path)).unwrap()).remove(0);
    let rules = read("deploy/prometheus/rules/gitops-status.yml");
    let object = read("deploy/kubernetes/components/monitoring/prometheusrule.yaml");
    assert!(items(&rules["groups"]).len() > 1);
    assert!(object["spec"] == rules, "run scripts/kubernetes-rules");
    // kustomize breaks the lines of expressions anew.
    let rendered = Rendered::of("overlays/monitoring");
    let object = only(&rendered, "PrometheusRule");
    let words = |text: &str| text.replace("\\n", " ").split_whitespace().collect::<String>();
    assert!(words(&object["spec"].to_string()) == words(&rules.to_string()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.json");
    fs::write(&path, object["spec"].to_string()).unwrap();
    let arguments = ["check", "rules", "--lint=all", "--lint-fatal", path.to_str().unwrap()];
    run_tool("promtool", "prometheus", &arguments, "");
}

#[test]
fn the_dashboards_and_the_data_source_are_the_files_with_the_labels_of_the_sidecar() {
    let rendered = Rendered::of("overlays/monitoring");
    let maps = rendered.all("ConfigMap");
    let labelled = |label: &str| -> Vec<&Value> {
        maps.iter().copied().filter(|map| map["metadata"]["labels"][label] == "1").collect()
    };
    let mut found = Vec::new();
    for map in labelled("grafana_dashboard") {
        for (file, text) in map["data"].as_object().unwrap() {
            found.push((file.clone(), serde_json::from_str(text.as_str().unwrap()).unwrap()));
        }
    }
    found.sort_by(|a: &(String, Value), b| a.0.cmp(&b.0));
    let shipped: Vec<_> = dashboards().into_iter().map(|it| (it.file, it.json)).collect();
    assert_eq!(found, shipped);
    let sources = labelled("grafana_datasource");
    let file = "deploy/grafana/provisioning/datasources/gitops-status.yaml";
    let text = fs::read_to_string(repository(file)).unwrap();
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0]["data"], json!({"gitops-status.yaml": text}));
}

/// Where kustomize puts a component first, another one must still find the objects that it changes.
#[test]
fn components_can_be_combined_in_any_order() {
    let copy = super::rendered::Copied::new();
    let file = copy.folder("mine").join("kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let is_component = |line: &&str| line.contains("../components/");
    let components: Vec<_> = text.lines().filter(is_component).collect();
    assert_eq!(components.len(), 4);
    let mine = Rendered::of_folder("mine", &copy.folder("mine"));
    // What changes the scrape has to come after it.
    let [postgres, ingress, monitoring, replicas] = components[..] else { panic!("{text}") };
    let turned = [ingress, monitoring, replicas, postgres].join("\n");
    let shipped = text.replace(&components[..3].join("\n"), "COMPONENTS").replace(replicas, "");
    fs::write(&file, shipped.replace("COMPONENTS", &turned)).unwrap();
    let other = Rendered::of_folder("turned", &copy.folder("mine"));
    let names = |rendered: &Rendered| -> BTreeSet<String> {
        let name = |it: &Value| format!("{} {}", it["kind"], it["metadata"]["name"]);
        rendered.objects.iter().map(name).collect()
    };
    assert_eq!(names(&mine), names(&other));
    let variables = |rendered: &Rendered| -> BTreeSet<String> {
        items(&rendered.container()["env"]).iter().map(Value::to_string).collect()
    };
    assert_eq!(variables(&mine), variables(&other));
    assert_eq!(mine.all("ServiceMonitor"), other.all("ServiceMonitor"));
}

/// kustomize skips a patch that finds nothing, and entries would be scraped once for each replica.
#[test]
fn the_scrape_of_entries_is_refused_without_or_before_the_scrape_that_it_changes() {
    let copy = super::rendered::Copied::new();
    let file = copy.folder("mine").join("kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let [monitoring, replicas] =
        ["monitoring", "monitoring-of-replicas"].map(|it| format!("  - ../components/{it}\n"));
    let without = text.replace(&monitoring, "");
    let turned = text.replace(&replicas, "").replace(&monitoring, &(replicas + &monitoring));
    for wrong in [without, turned] {
        assert_ne!(wrong, text);
        fs::write(&file, wrong).unwrap();
        let mut command = Command::new(tool("kubectl"));
        let output = run(command.arg("kustomize").arg(copy.folder("mine")), b"");
        let said = String::from_utf8(output.stderr).unwrap();
        let is_refused = said.contains("no matches for Id ServiceMonitor");
        assert!(!output.status.success() && is_refused, "{said}");
    }
}

/// Returns the metrics of a chapter of docs/metrics.md.
fn documented(chapter: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(repository("docs/metrics.md")).unwrap();
    let (_, rest) = text.split_once(&format!("\n## {chapter}\n")).unwrap();
    let rows = rest.split("\n## ").next().unwrap().lines();
    let names = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    names.map(str::to_owned).collect()
}

/// Returns a scrape job with relabelings of the operator, whose keys Prometheus spells in another way.
fn job(name: &str, targets: &[String], relabelings: &Value) -> Value {
    let respelt = |it: &Value| json!({"action": it["action"], "regex": it["regex"], "source_labels": it["sourceLabels"]});
    json!({
        "job_name": name,
        "static_configs": [{"targets": targets}],
        "metric_relabel_configs": items(relabelings).iter().map(respelt).collect::<Vec<_>>(),
    })
}

/// Returns the names of the metrics that a server shows, without those of histograms.
fn shown(server: &Process) -> BTreeSet<String> {
    let text = server.admin().get("/metrics").text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let types = types.filter(|line| !line.ends_with(" histogram"));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// Returns how many series of each metric of the program Prometheus has, by job.
fn series(prometheus: &Prometheus) -> Vec<(String, String, u64)> {
    let names = r#"{__name__=~"gitops_status_.*|process_start_time_seconds"}"#;
    let counted = prometheus.query(&format!("count by (__name__, job) ({names})"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row = |it: &Value| {
        let labels = &it["metric"];
        let count = text(&it["value"][1]).parse().unwrap();
        (text(&labels["__name__"]), text(&labels["job"]), count)
    };
    counted.iter().map(row).collect()
}

#[test]
fn prometheus_has_each_entry_of_several_replicas_once_and_everything_else_of_each() {
    let copy = super::rendered::Copied::new();
    let mine = Rendered::of_folder("mine", &copy.folder("mine"));
    let folder = tempfile::tempdir().unwrap();
    let admin = ["--admin-listen", "127.0.0.1:0"];
    // To Prometheus, two servers with the same entries are two replicas.
    let replicas = ["a.db", "b.db"].map(|name| Process::start(&folder.path().join(name), &admin));
    for replica in &replicas {
        replica.accept(report("rsyslog", "web-1", "OUT_OF_SYNC", &["a.conf"]));
        replica.accept(report("nginx", "web-1", "SYNCED", NO_ARGUMENTS));
    }
    let targets = replicas.each_ref().map(|replica| replica.admin().address.to_string());
    let monitor = &only(&mine, "ServiceMonitor")["spec"]["endpoints"][0];
    let config = &only(&mine, "ScrapeConfig")["spec"];
    assert_eq!([&monitor["path"], &config["metricsPath"]], ["/metrics", "/metrics"]);
    let configuration = json!({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            job("pods", &targets, &monitor["metricRelabelings"]),
            job("entries", &targets[..1], &config["metricRelabelings"]),
        ],
    });
    let file = folder.path().join("prometheus.json");
    fs::write(&file, configuration.to_string()).unwrap();
    let prometheus = Prometheus::start(&file, Path::new(&folder.path().join("data")));
    let mut found = Vec::new();
    wait_until("Prometheus has scraped all three targets", || {
        found = series(&prometheus);
        let builds = found.iter().filter(|(name, ..)| name == "gitops_status_build_info");
        builds.map(|(_, _, count)| count).sum::<u64>() == 3
    });
    let entries = documented("Each entry");
    assert!(entries.len() == 8, "{entries:?}");
    let seen: BTreeSet<_> = found.iter().map(|(name, ..)| name.clone()).collect();
    let unseen: Vec<_> = shown(&replicas[0]).difference(&seen).cloned().collect();
    // Nothing has expired, and no reports were answered.
    let absent = |name: &String| name != "gitops_status_expired_drifted";
    assert_eq!(unseen.iter().filter(|name| absent(name)).count(), 0, "{unseen:?}");
    for (name, job, count) in found {
        let is_of_entry = entries.contains(&name);
        if name != "gitops_status_build_info" {
            assert_eq!(job, if is_of_entry { "entries" } else { "pods" }, "{name}");
        }
        if is_of_entry {
            assert_eq!(count, 2, "{name} of two entries or repositories");
        }
    }
}

#[test]
fn a_restart_of_the_pod_does_not_change_the_instance() {
    let rendered = Rendered::of("overlays/monitoring");
    let endpoint = &only(&rendered, "ServiceMonitor")["spec"]["endpoints"][0];
    let expected = json!([{"action": "replace", "targetLabel": "instance",
        "sourceLabels": ["__meta_kubernetes_pod_name"]}]);
    assert_eq!(endpoint["relabelings"], expected);
    // One pod: nothing is dropped.
    assert!(endpoint.get("metricRelabelings").is_none());
}
