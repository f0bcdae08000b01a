//! The pod that puts a backup in the place of the database.

use std::fs;
use std::time::Duration;

use super::pod::Pod;
use super::rendered::{Rendered, items};
use crate::support::{Process, eventually, report};

/// A server makes its first backup ten seconds after its start.
const SOON: Duration = Duration::from_mins(1);

#[test]
fn the_pod_that_restores_is_the_pod_of_the_server_with_another_command() {
    let (base, restore) = (Rendered::of("base"), Rendered::of("restore"));
    let (of_server, pods) = (&base.pod()["spec"], restore.all("Pod"));
    let spec = &pods[0]["spec"];
    for name in ["enableServiceLinks", "automountServiceAccountToken", "securityContext"] {
        assert_eq!(spec[name], of_server[name], "{name}");
    }
    let container = &spec["containers"][0];
    for name in ["image", "resources", "securityContext"] {
        assert_eq!(container[name], base.container()[name], "{name}");
    }
    for variable in items(&container["env"]) {
        assert!(items(&base.container()["env"]).contains(variable), "{variable}");
    }
    let claims = items(&base.workload()["spec"]["volumeClaimTemplates"]);
    for (claim, volume) in claims.iter().zip(items(&spec["volumes"])) {
        let name = claim["metadata"]["name"].as_str().unwrap();
        assert_eq!(volume["name"], name);
        let claimed = &volume["persistentVolumeClaim"]["claimName"];
        assert_eq!(*claimed, format!("{name}-gitops-status-server-0"), "as a StatefulSet names it");
        let path = |container: &serde_json::Value| {
            let mounts = items(&container["volumeMounts"]).iter();
            mounts.clone().find(|mount| mount["name"] == name).unwrap()["mountPath"].clone()
        };
        assert_eq!(path(container), path(base.container()), "{name}");
    }
    // The NetworkPolicy and the Service are for others.
    assert_ne!(pods[0]["metadata"]["labels"], base.pod()["metadata"]["labels"]);
}

#[test]
fn a_pod_makes_backups_by_itself_and_the_pod_that_restores_puts_the_newest_back() {
    let restore = Rendered::of("restore");
    let pod = Pod::of(&Rendered::of("base")).on_free_ports();
    let mut server = Process::run(&mut pod.command());
    let bearer = pod.token.bearer();
    let headers = [("Content-Type", "application/json"), ("Authorization", &*bearer)];
    let body = report("rsyslog", "lab", "SYNCED", &[]);
    assert_eq!(server.send("POST", "/api/status", &headers, body.as_bytes()).status, 200);
    let folder = pod.root().join("var/backups/gitops-status");
    let is_made = || {
        let mut files = fs::read_dir(&folder).into_iter().flatten();
        let is_whole = |file: &fs::DirEntry| file.path().extension().is_some_and(|it| it == "db");
        files.any(|file| is_whole(&file.unwrap())).then_some(()).ok_or("no backup is made")
    };
    eventually(SOON, is_made).unwrap();
    server.signal("KILL");
    server.wait();
    let database = pod.root().join("var/lib/gitops-status/gitops-status.db");
    fs::write(&database, "damaged").unwrap();
    let log = database.with_file_name("gitops-status.db-wal");
    if log.exists() {
        fs::remove_file(log).unwrap();
    }
    let refused = Process::try_run(&mut pod.command()).err().unwrap();
    assert!(refused.contains("is refused"), "{refused}");

    let mut command = pod.command();
    for word in items(&restore.all("Pod")[0]["spec"]["containers"][0]["args"]) {
        let word = word.as_str().unwrap();
        command
            .arg(word.replace("/var/backups/", &format!("{}/var/backups/", pod.root().display())));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = Process::run(&mut pod.command());
    assert_eq!(server.names(""), ["rsyslog/lab"]);
}
