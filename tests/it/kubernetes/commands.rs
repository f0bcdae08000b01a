//! The commands of docs/kubernetes.md, run up to where they need a cluster or a registry.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::rendered::{Copied, Rendered, items, run, succeed, tool, yaml};
use crate::support::Process;
use crate::support::dashboards::repository;
use crate::support::document;

/// Stands in for kubectl. What needs no cluster is done by the real one; `apply -k` renders. For the rest,
/// the real one looks for a server where none is, so it has accepted the command if that is its error.
const KUBECTL: &str = r#"#!/bin/bash
set -u
printf '%s\n' "$*" >>"$LOG"
real() { command "$KUBECTL" "$@"; }
case " $* " in
*" apply -k "*) real kustomize "${@: -1}" ;;
*" get secret "*) sed -n 's/^  tokens.toml: //p' "$MADE" | tail -n 1 ;;
*" create secret "* | *" create namespace "*)
    real "$@" --dry-run=client -o yaml | tee -a "$MADE" && echo --- >>"$MADE" ;;
*" apply -f - "*) cat >/dev/null ;;
*)
    said=$(real --server http://127.0.0.1:9 --request-timeout 1s "$@" 2>&1 </dev/null)
    case $said in *refused*) ;; *) printf '%s\n' "$said" >&2; exit 1 ;; esac ;;
esac
"#;

/// Stands in for docker, which has no registry here.
const DOCKER: &str = "#!/bin/sh\nprintf 'docker %s\\n' \"$*\" >>\"$LOG\"\n";

/// Stands in for git: the copy has no history.
const GIT: &str = "#!/bin/sh\necho 0123abc\n";

/// Stands in for curl, and so for the server behind the port: it writes this backup.
const CURL: &str =
    "#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\ncp \"$BACKUP\" \"$2\"\n";

/// Returns the commands of the document: those of its blocks, and then those in its sentences.
fn commands() -> Vec<String> {
    let text = document("docs/kubernetes.md");
    let shown = crate::support::commands(&text);
    assert!(shown.iter().all(|it| it.output.is_empty()), "{shown:?}");
    let is_command = |it: &&str| {
        let begins =
            ["kubectl -n ", "kubectl apply -k deploy"].iter().any(|word| it.starts_with(word));
        begins && !it.ends_with("...")
    };
    let in_sentences: Vec<_> = text.split('`').filter(is_command).map(str::to_owned).collect();
    assert_eq!(in_sentences.len(), 2, "{in_sentences:?}");
    shown.into_iter().map(|it| it.command).chain(in_sentences).collect()
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// A copy of the repository's `deploy`, with stand-ins for the programs of a cluster in its path.
struct Desk {
    copy: Copied,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { copy: Copied::new() };
        let programs = desk.file("programs");
        fs::create_dir(&programs).unwrap();
        executable(&programs.join("kubectl"), KUBECTL);
        executable(&programs.join("docker"), DOCKER);
        executable(&programs.join("git"), GIT);
        executable(&programs.join("curl"), CURL);
        assert_eq!(Process::start(&desk.file("backup.db"), &[""; 0]).terminate().code(), Some(0));
        let program = env!("CARGO_BIN_EXE_gitops-status-server");
        std::os::unix::fs::symlink(program, programs.join("gitops-status-server")).unwrap();
        fs::write(desk.file("password"), "correct horse").unwrap();
        fs::write(desk.file("ca.crt"), "a certificate").unwrap();
        desk
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.copy.root().join(name)
    }

    fn run(&self, line: &str) -> Output {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", line]).current_dir(self.copy.root());
        command.env("PATH", format!("{}:{path}", self.file("programs").display()));
        command.env("KUBECTL", tool("kubectl")).env("HOME", self.copy.root());
        command.env("LOG", self.file("log")).env("MADE", self.file("made"));
        command.env("BACKUP", self.file("backup.db"));
        run(&mut command, b"")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }
}

#[test]
fn the_commands_of_the_document_do_what_it_says() {
    let desk = Desk::new();
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for line in &commands {
        let Output { status, stderr, .. } = desk.run(line);
        assert!(status.success(), "{line}: {}", String::from_utf8_lossy(&stderr));
    }
    let render = |name: &str| Rendered::of_folder(name, &desk.copy.folder(name));
    let (base, mine, restore) = (render("base"), render("mine"), render("restore"));
    let image = "registry.example/gitops-status-server:0.2.0";
    assert_eq!(base.container()["image"], image, "after the upgrade");
    assert_eq!(mine.container()["image"], image);
    assert_eq!(restore.all("Pod")[0]["spec"]["containers"][0]["image"], image);

    // Nothing that the document says to replace is left.
    let text = Value::from(mine.objects.clone()).to_string();
    for placeholder in
        [".invalid", "gitops-status.example", "git.example", "http://localhost:8080", "put-your"]
    {
        assert!(!text.contains(placeholder), "{placeholder}");
    }
    assert!(text.contains("postgres://status@db1.your.example:5432/status?sslrootcert="));
    assert_eq!(mine.all("Ingress")[0]["spec"]["tls"][0]["hosts"][0], "status.your.example");
    for kind in ["ServiceMonitor", "PrometheusRule", "ScrapeConfig"] {
        let labels = &mine.all(kind)[0]["metadata"]["labels"];
        assert_eq!(labels["release"], "kube-prometheus-stack", "{kind}");
    }
    // A label that a release changes must not be in a selector, which cannot be changed.
    let selector = &mine.workload()["spec"]["selector"]["matchLabels"];
    assert_eq!(selector.as_object().unwrap().len(), 1);

    assert!(document("Dockerfile").contains("\nARG GITOPS_STATUS_COMMIT"));
    let log = desk.read("log");
    assert!(log.contains(" --build-arg GITOPS_STATUS_COMMIT=0123abc "), "{log}");
    every_secret_is_made(&desk, &mine);
    tokens_are_only_added(&desk);
    every_object_that_is_named_is_there(&log, &[base, mine]);
}

/// The Secrets that pods mount are those that the commands make, with the files that the program reads.
fn every_secret_is_made(desk: &Desk, mine: &Rendered) {
    let made = yaml(desk.read("made").as_bytes());
    let secrets: Vec<_> = made.iter().filter(|it| it["kind"] == "Secret").collect();
    let keys: BTreeMap<String, Vec<String>> = secrets
        .iter()
        .map(|secret| {
            assert_eq!(secret["metadata"]["namespace"], "observability-stack");
            let keys = secret["data"].as_object().unwrap().keys().cloned().collect();
            (secret["metadata"]["name"].as_str().unwrap().to_owned(), keys)
        })
        .collect();
    let volumes = items(&mine.pod()["spec"]["volumes"]).iter();
    let mounts = items(&mine.container()["volumeMounts"]).iter();
    let mut mounted = Vec::new();
    for volume in volumes.filter(|volume| volume.get("secret").is_some()) {
        let name = volume["secret"]["secretName"].as_str().unwrap();
        let mount = mounts.clone().find(|mount| mount["name"] == volume["name"]).unwrap();
        for key in keys.get(name).unwrap_or_else(|| panic!("no command makes {name}")) {
            mounted.push(format!("{}/{key}", mount["mountPath"].as_str().unwrap()));
        }
    }
    for variable in items(&mine.container()["env"]) {
        let value = variable["value"].as_str().unwrap();
        let files = value.split(['=', '?']).filter(|it| it.starts_with("/etc/gitops-status/"));
        for file in files.filter(|file| !file.contains("/config/")) {
            assert!(mounted.iter().any(|it| it == file), "{file} is in no Secret: {mounted:?}");
        }
    }
    // The first one is that of the token.
    fs::write(desk.file("made.toml"), tokens(secrets[0]).unwrap()).unwrap();
    let check =
        "token check --tokens-file made.toml --token-file <(head -n 1 new) --repo r --server s";
    let Output { status, stderr, .. } = desk.run(&format!("gitops-status-server {check}"));
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let permissions = fs::metadata(desk.file("new")).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600, "others can read the token");
}

/// Returns the tokens file of a Secret, if it has one.
fn tokens(secret: &Value) -> Option<String> {
    let encoded = secret["data"]["tokens.toml"].as_str()?;
    let decoded = succeed(Command::new("base64").arg("--decode"), encoded.as_bytes());
    Some(String::from_utf8(decoded).unwrap())
}

/// A Secret is replaced as a whole: with a token that it has lost, nobody may report any more.
fn tokens_are_only_added(desk: &Desk) {
    let made: Vec<_> = yaml(desk.read("made").as_bytes()).iter().filter_map(tokens).collect();
    let ids: Vec<_> = made.iter().map(|it| it.matches("\nid = ").count()).collect();
    assert_eq!(ids, [1, 2, 3], "{made:?}");
    assert!(made.windows(2).all(|pair| pair[1].starts_with(&pair[0])), "{made:?}");
}

/// `kubectl rollout status statefulset/NAME` and the like name what was applied.
fn every_object_that_is_named_is_there(log: &str, rendered: &[Rendered]) {
    let mut named = 0;
    for word in log.split_whitespace() {
        let Some((kind, name)) = word.split_once('/') else { continue };
        let kind = match kind {
            "service" => "Service",
            "statefulset" => "StatefulSet",
            "deployment" => "Deployment",
            _ => continue,
        };
        assert!(rendered.iter().any(|it| it.find(kind, name).is_some()), "{word}");
        named += 1;
    }
    assert!(named >= 4, "{log}");
}

#[test]
fn the_document_lists_each_overlay_and_each_component() {
    let document = fs::read_to_string(repository("docs/kubernetes.md")).unwrap();
    for name in super::rendered::overlays() {
        let name = name.trim_start_matches("overlays/");
        assert!(name == "base" || document.contains(&format!("\n| `{name}` |")), "{name}");
    }
    for component in fs::read_dir(repository("deploy/kubernetes/components")).unwrap() {
        let name = component.unwrap().file_name().into_string().unwrap();
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
}

/// `grep -rl observability-stack deploy | xargs sed ...`, as the document says.
#[test]
fn another_namespace_is_one_command() {
    let desk = Desk::new();
    let document = fs::read_to_string(repository("docs/kubernetes.md")).unwrap();
    let (_, rest) = document.split_once("`grep -rl ").unwrap();
    let command = format!("grep -rl {}", rest.split('`').next().unwrap());
    assert!(desk.run(&command).status.success());
    let mine = Rendered::of_folder("mine", &desk.copy.folder("mine"));
    let text = Value::from(mine.objects.clone()).to_string();
    assert!(!text.contains("observability-stack") && text.contains("your-namespace"));
}
