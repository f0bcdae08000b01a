//! The steps in a cluster, up to where they need one.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::{commands_in, part};
use crate::support::dashboards::repository;
use crate::support::{Shown, console_blocks};

/// Returns kubectl, with no cluster.
fn kubectl(arguments: &[&str], input: &str) -> Output {
    let program = repository("target/tools/bin/kubectl");
    assert!(program.exists(), "kubectl is missing: scripts/test installs it into target/tools");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository("")).env("HOME", "/nonexistent");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Returns the objects that kubectl writes for some local work.
fn objects(arguments: &[&str], input: &str) -> Vec<Value> {
    let Output { status, stdout, stderr } = kubectl(arguments, input);
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    serde_json::Deserializer::from_slice(&stdout).into_iter().map(Result::unwrap).collect()
}

/// A paste of the block of the switch must not delete the old server, which is told more until all know of it.
#[test]
fn the_old_server_is_deleted_by_a_command_of_its_own_after_one_more_copy() {
    let steps = part("**In Kubernetes**", "**If jobs report straight");
    let blocks = console_blocks(&steps, "");
    let commands =
        |block: &[Shown]| -> Vec<String> { block.iter().map(|it| it.command.clone()).collect() };
    let [switch, copy, delete] = &blocks[..] else { panic!("{blocks:?}") };
    assert!(commands(switch).iter().any(|it| it.contains(" set selector ")));
    assert_eq!(commands(copy), [super::copy()]);
    let delete = commands(delete);
    assert!(delete.len() == 1 && delete[0].contains(" delete deployment/"), "{delete:?}");
}

/// The Service of the original leads to its pods until it is told otherwise.
#[test]
fn the_commands_for_kubernetes_leave_the_service_to_the_old_server_and_then_turn_it_to_this_one() {
    let commands = commands_in(&part("**In Kubernetes**", "**If jobs report straight"));
    let words: Vec<Vec<String>> = commands
        .iter()
        .filter_map(|line| line.strip_prefix("kubectl "))
        .map(|line| {
            line.trim_end_matches(" &").split_whitespace().map(|it| it.replace('\'', "")).collect()
        })
        .collect();
    assert_eq!(words.len(), 7, "{commands:?}");
    for words in &words {
        let nowhere = ["--server", "http://127.0.0.1:9", "--request-timeout", "1s"];
        let words: Vec<_> = words.iter().map(String::as_str).chain(nowhere).collect();
        let said = String::from_utf8(kubectl(&words, "").stderr).unwrap();
        assert!(said.contains("refused"), "{words:?} is not what kubectl accepts: {said}");
    }

    let apply = |number: usize| -> &[String] { &words[number] };
    let [_, _, selector, _, folder] = apply(0) else { panic!("{words:?}") };
    assert_eq!(apply(5).last(), Some(folder));
    let (label, left_out) = selector.split_once("!=").unwrap();
    let all = objects(&["label", "--local", "-o", "json", "-k", folder, "seen=yes"], "");
    let of = |object: &Value, key: &str| object["metadata"]["labels"][key].clone();
    let (service, others): (Vec<_>, Vec<_>) = all.iter().partition(|it| of(it, label) == left_out);
    let kinds = |objects: &[&Value]| -> Vec<String> {
        objects.iter().map(|object| object["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&service), ["Service"]);
    assert_eq!(kinds(&others), ["ConfigMap", "StatefulSet", "NetworkPolicy"]);

    let original = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "gitops-status-server", "namespace": "observability-stack"},
        "spec": {"selector": {"app": "gitops-status-server"}, "ports": [{"port": 80, "targetPort": 8080}]},
    });
    assert_eq!(service[0]["metadata"]["name"], original["metadata"]["name"]);
    assert_eq!(service[0]["metadata"]["namespace"], original["metadata"]["namespace"]);
    let turn = apply(4).last().unwrap();
    let set = ["set", "selector", "--local", "-o", "json", "-f", "-", turn];
    let turned = objects(&set, &original.to_string()).remove(0);
    assert_eq!(turned["spec"]["selector"], service[0]["spec"]["selector"]);
    let pod = &others[1]["spec"]["template"];
    for (key, value) in turned["spec"]["selector"].as_object().unwrap() {
        assert_eq!(pod["metadata"]["labels"][key], *value);
    }
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["containerPort"], 8080);
}
