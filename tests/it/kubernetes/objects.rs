//! The objects fit each other and the schemas of Kubernetes.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::rendered::{Rendered, items, run, tool};

/// The oldest version that its makers still mended when these manifests were written, the newest, and one
/// between.
const VERSIONS: [&str; 3] = ["1.30", "1.34", "1.37"];

/// The namespace that reporters and Grafana know.
const NAMESPACE: &str = "observability-stack";

/// Runs the validator over objects of Kubernetes itself; returns whether it accepts them, and its output.
fn validate(version: &str, objects: &BTreeSet<String>) -> (bool, String) {
    let documents = objects.iter().map(|object| format!("---\n{object}\n"));
    let text: String = documents.collect();
    let mut command = Command::new(tool("kubernetes-validate"));
    let output = run(command.args(["-k", version, "--strict", "-"]), text.as_bytes());
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), said)
}

/// Whether an object's kind comes with the Prometheus Operator. Its schemas are not at hand.
fn is_of_operator(object: &Value) -> bool {
    object["apiVersion"].as_str().unwrap().starts_with("monitoring.coreos.com/")
}

#[test]
fn every_overlay_fits_the_schemas_of_three_versions_of_kubernetes() {
    let restore = Rendered::of("restore");
    let all = Rendered::every().iter().chain([&restore]);
    let objects = all.flat_map(|rendered| &rendered.objects);
    let objects = objects.filter(|object| !is_of_operator(object));
    // Most are the same in several overlays.
    let objects: BTreeSet<_> = objects.map(Value::to_string).collect();
    for version in VERSIONS {
        let (is_accepted, said) = validate(version, &objects);
        assert!(is_accepted, "{version}: {said}");
        assert_eq!(said.matches(" passed for resource ").count(), objects.len(), "{said}");
    }
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_found() {
    let rendered = Rendered::of("base");
    let mut workload = rendered.workload().clone();
    workload["spec"]["template"]["spec"]["containers"][0]["resourcess"] = json!({});
    let (is_accepted, said) = validate("1.34", &BTreeSet::from([workload.to_string()]));
    assert!(!is_accepted && said.contains("resourcess"), "{said}");
}

/// Whether a selector of labels matches an object's labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.get("matchLabels").unwrap_or(selector).as_object().unwrap();
    wanted.iter().all(|(label, value)| labels[label] == *value)
}

#[test]
fn everything_that_selects_pods_selects_those_of_the_server() {
    for rendered in Rendered::every() {
        let labels = &rendered.pod()["metadata"]["labels"];
        let mut selectors = vec![&rendered.workload()["spec"]["selector"]];
        let kinds = ["Service", "PodDisruptionBudget", "NetworkPolicy"];
        for object in kinds.iter().flat_map(|kind| rendered.all(kind)) {
            let spec = &object["spec"];
            selectors.push(spec.get("podSelector").unwrap_or(&spec["selector"]));
        }
        let affinity = &rendered.pod()["spec"]["affinity"]["podAntiAffinity"];
        let preferred = items(&affinity["preferredDuringSchedulingIgnoredDuringExecution"]);
        selectors.extend(preferred.iter().map(|it| &it["podAffinityTerm"]["labelSelector"]));
        assert!(selectors.len() >= 3);
        for selector in selectors {
            let is_empty = selector.as_object().is_none_or(serde_json::Map::is_empty);
            assert!(!is_empty && selects(selector, labels), "{}: {selector}", rendered.name);
        }
    }
}

/// Returns the names of a container's or a Service's ports.
fn port_names(ports: &Value) -> BTreeSet<&str> {
    items(ports).iter().map(|port| port["name"].as_str().unwrap()).collect()
}

#[test]
fn every_port_that_is_named_exists() {
    for rendered in Rendered::every() {
        let container = rendered.container();
        let known = port_names(&container["ports"]);
        let mut named: Vec<&Value> = Vec::new();
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            named.push(&container[probe]["httpGet"]["port"]);
        }
        for service in rendered.all("Service") {
            named.extend(items(&service["spec"]["ports"]).iter().map(|port| &port["targetPort"]));
        }
        for policy in rendered.all("NetworkPolicy") {
            let rules = items(&policy["spec"]["ingress"]).iter();
            named.extend(rules.flat_map(|rule| items(&rule["ports"])).map(|port| &port["port"]));
        }
        for port in named {
            assert!(known.contains(port.as_str().unwrap()), "{}: {port}", rendered.name);
        }
        for ingress in rendered.all("Ingress") {
            let service = &ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"];
            let target = rendered.find("Service", service["name"].as_str().unwrap()).unwrap();
            let ports = port_names(&target["spec"]["ports"]);
            assert!(ports.contains(service["port"]["name"].as_str().unwrap()), "{service}");
        }
    }
}

#[test]
fn prometheus_finds_one_service_for_each_thing_that_it_scrapes() {
    let mut scraped = 0;
    for rendered in Rendered::every() {
        for monitor in rendered.all("ServiceMonitor") {
            let is_selected = |service: &&Value| {
                selects(&monitor["spec"]["selector"], &service["metadata"]["labels"])
            };
            let found: Vec<_> = rendered.all("Service").into_iter().filter(is_selected).collect();
            assert_eq!(found.len(), 1, "{}", rendered.name);
            // It lists the pods, also those that are not ready.
            assert_eq!(found[0]["spec"]["clusterIP"], "None");
            assert_eq!(found[0]["spec"]["publishNotReadyAddresses"], true);
            let ports = port_names(&found[0]["spec"]["ports"]);
            assert!(ports.contains(monitor["spec"]["endpoints"][0]["port"].as_str().unwrap()));
            scraped += 1;
        }
        for config in rendered.all("ScrapeConfig") {
            let target = config["spec"]["staticConfigs"][0]["targets"][0].as_str().unwrap();
            let (host, port) = target.split_once(':').unwrap();
            let (name, rest) = host.split_once('.').unwrap();
            assert_eq!(rest, format!("{NAMESPACE}.svc"));
            let service = rendered.find("Service", name).expect(name);
            assert_eq!(service["spec"]["ports"][0]["port"].to_string(), port);
            scraped += 1;
        }
    }
    assert!(scraped > 3, "{scraped}: monitoring alone, and that of replicas in two ways");
}

#[test]
fn only_the_port_of_the_api_is_at_the_address_that_reporters_know() {
    for rendered in Rendered::every() {
        let service = rendered.find("Service", "gitops-status-server").unwrap();
        let ports = json!([{"name": "http", "port": 80, "targetPort": "http"}]);
        assert_eq!(service["spec"]["ports"], ports, "{}", rendered.name);
        assert_eq!(service["metadata"]["namespace"], NAMESPACE);
        for object in &rendered.objects {
            let metadata = &object["metadata"];
            let namespace = match object["kind"].as_str() {
                Some("Namespace") => &metadata["name"],
                _ => &metadata["namespace"],
            };
            assert_eq!(namespace, NAMESPACE, "{}: {}", rendered.name, metadata["name"]);
        }
    }
}

#[test]
fn every_mount_has_its_volume_and_every_volume_its_object() {
    for rendered in Rendered::every() {
        let pod = &rendered.pod()["spec"];
        let claims = items(&rendered.workload()["spec"]["volumeClaimTemplates"]);
        let volumes = items(&pod["volumes"]).iter().map(|volume| &volume["name"]);
        let claimed = claims.iter().map(|claim| &claim["metadata"]["name"]);
        let there: BTreeSet<_> = volumes.chain(claimed).map(Value::to_string).collect();
        let mounts = items(&rendered.container()["volumeMounts"]).iter();
        let mounted: BTreeSet<_> = mounts.clone().map(|mount| mount["name"].to_string()).collect();
        assert_eq!(mounted, there, "{}", rendered.name);
        for mount in mounts {
            // The kubelet never updates a file that is mounted by subPath.
            assert!(mount.get("subPath").is_none() && mount.get("subPathExpr").is_none());
            let is_claimed = claims.iter().any(|claim| claim["metadata"]["name"] == mount["name"]);
            assert_eq!(mount["readOnly"] == true, !is_claimed, "{mount}");
        }
        let files = rendered.config_map()["data"].as_object().unwrap();
        assert!(files.contains_key("config.toml"), "{}", rendered.name);
        // Kubernetes keeps the old pods on the old settings unless the name changes with the content.
        let name = rendered.config_map()["metadata"]["name"].as_str().unwrap();
        assert!(name.len() > "gitops-status-server-".len(), "{name}");
    }
}

/// What the Pod Security Standard "restricted" asks for, and more.
#[test]
fn the_pod_may_do_nothing_that_it_does_not_need() {
    for rendered in Rendered::every() {
        let (pod, container) = (&rendered.pod()["spec"], rendered.container());
        assert_eq!(pod["enableServiceLinks"], false);
        assert_eq!(pod["automountServiceAccountToken"], false);
        for absent in ["hostNetwork", "hostPID", "hostIPC", "serviceAccountName"] {
            assert!(pod.get(absent).is_none(), "{absent}");
        }
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"], true);
        assert_eq!(security["seccompProfile"], json!({"type": "RuntimeDefault"}));
        let expected = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}});
        assert_eq!(container["securityContext"], expected);
        let resources = &container["resources"];
        assert_eq!(resources["requests"]["memory"], resources["limits"]["memory"]);
        assert!(resources["requests"]["cpu"].is_string());
        assert_eq!(resources["limits"].as_object().unwrap().len(), 1, "only memory has a limit");
        let kinds = items(&pod["volumes"]).iter().flat_map(|it| it.as_object().unwrap().keys());
        for kind in kinds {
            assert!(["name", "configMap", "secret"].contains(&kind.as_str()), "{kind}");
        }
        // The namespace asks for that, and yet bars no pod of others.
        for namespace in rendered.all("Namespace") {
            let labels = json!({"pod-security.kubernetes.io/warn": "restricted"});
            assert_eq!(namespace["metadata"]["labels"], labels);
        }
    }
}

#[test]
fn the_user_is_that_of_the_image() {
    let image = std::fs::read_to_string(crate::support::dashboards::repository("Dockerfile"));
    let image = image.unwrap();
    let user = image.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    for rendered in Rendered::every() {
        let security = &rendered.pod()["spec"]["securityContext"];
        let (run_as, group) = (&security["runAsUser"], &security["runAsGroup"]);
        assert_eq!(format!("{run_as}:{group}"), user, "{}", rendered.name);
        assert_eq!(security["fsGroup"], *group);
    }
}

#[test]
fn the_image_has_a_name_that_no_registry_has() {
    for rendered in Rendered::every() {
        let image = rendered.container()["image"].as_str().unwrap();
        assert_eq!(image, "registry.invalid/gitops-status-server:put-your-image-here");
    }
}

/// `kubectl apply` keeps the object in an annotation, and all annotations have 256 KiB.
#[test]
fn every_object_is_small_enough_for_kubectl_apply() {
    for rendered in Rendered::every() {
        for object in &rendered.objects {
            let length = object.to_string().len();
            assert!(length < 200_000, "{}: {length} bytes", object["metadata"]["name"]);
        }
    }
}

#[test]
fn one_pod_has_the_file_and_three_replicas_share_a_database() {
    for rendered in Rendered::every() {
        let (spec, kind) = (&rendered.workload()["spec"], &rendered.workload()["kind"]);
        let has_file = spec.get("volumeClaimTemplates").is_some();
        assert_eq!(*kind == "StatefulSet", has_file, "{}", rendered.name);
        assert_eq!(spec["replicas"], if has_file { 1 } else { 3 }, "{}", rendered.name);
        let budgets = rendered.all("PodDisruptionBudget");
        // A budget for a single pod would keep its node from being drained.
        assert_eq!(budgets.len(), usize::from(!has_file), "{}", rendered.name);
        if has_file {
            // The default waits for a pod that never gets ready before it replaces it.
            assert_eq!(spec["podManagementPolicy"], "Parallel", "{}", rendered.name);
            let is_of_pod = rendered.has("readwriteoncepod");
            let mode = if is_of_pod { "ReadWriteOncePod" } else { "ReadWriteOnce" };
            for claim in items(&spec["volumeClaimTemplates"]) {
                assert_eq!(claim["spec"]["accessModes"], json!([mode]), "{}", rendered.name);
            }
        } else {
            let strategy = &spec["strategy"]["rollingUpdate"];
            assert_eq!(*strategy, json!({"maxUnavailable": 0, "maxSurge": 1}));
        }
    }
}
