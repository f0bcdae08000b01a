//! Who may connect to the pods, and what they may connect to.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::rendered::{Copied, Rendered, items};

fn policy(rendered: &Rendered) -> &Value {
    &rendered.find("NetworkPolicy", "gitops-status-server").unwrap()["spec"]
}

/// Returns the port of a PostgreSQL database in the environment of the container.
fn database_port(rendered: &Rendered) -> Option<u64> {
    let variables = items(&rendered.container()["env"]);
    let url = variables.iter().find(|it| it["name"] == "GITOPS_STATUS_DATABASE_URL").unwrap();
    let rest = url["value"].as_str().unwrap().strip_prefix("postgres://")?;
    let host = rest.split_once('@').unwrap().1.split('/').next().unwrap();
    Some(host.split_once(':').unwrap().1.parse().unwrap())
}

#[test]
fn replicas_reach_names_and_their_database_and_a_pod_with_a_file_reaches_nothing() {
    for rendered in Rendered::every() {
        let rules = items(&policy(rendered)["egress"]).iter();
        let ports = rules.flat_map(|rule| items(&rule["ports"]));
        let ports =
            ports.map(|it| (it["port"].as_u64().unwrap(), it["protocol"].as_str().unwrap()));
        let ports: BTreeSet<_> = ports.collect();
        // The DNS pods of OpenShift listen on 5353.
        let names = [(53, "TCP"), (53, "UDP"), (5353, "TCP"), (5353, "UDP")];
        let expected = match database_port(rendered) {
            Some(port) => names.into_iter().chain([(port, "TCP")]).collect(),
            None => BTreeSet::new(),
        };
        assert_eq!(ports, expected, "{}", rendered.name);
    }
}

#[test]
fn the_example_of_addresses_that_are_no_pods_is_taken_once_it_is_uncommented() {
    let copy = Copied::new();
    let file = copy.folder("base").join("networkpolicy.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let uncommented = text.replace("# - ipBlock", "- ipBlock").replace("#     cidr", "    cidr");
    fs::write(&file, uncommented).unwrap();
    let rendered = Rendered::of_folder("base", &copy.folder("base"));
    let peers = json!([{"namespaceSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/16"}}]);
    assert_eq!(policy(&rendered)["ingress"][0]["from"], peers);
}
