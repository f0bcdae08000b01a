//! The objects that kustomize makes of a folder.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::dashboards::repository;

/// Prints the YAML documents of its input as one array in JSON.
const TO_JSON: &str = "
import json, sys, yaml
loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
json.dump(list(yaml.load_all(sys.stdin.buffer, loader)), sys.stdout)
";

/// Returns the path of a tool from `PyPI`.
pub fn tool(name: &str) -> PathBuf {
    let path = repository("target/tools/bin").join(name);
    assert!(path.exists(), "{name} is missing: scripts/test installs it into target/tools");
    path
}

/// Runs a command with some input.
pub fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // A tool that refuses its input need not read it all.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().unwrap()
    })
}

/// Runs a command that has to succeed, and returns its output.
pub fn succeed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let Output { status, stdout, stderr } = run(command, input);
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    stdout
}

/// Reads YAML as Kubernetes does.
pub fn yaml(text: &[u8]) -> Vec<Value> {
    let json = succeed(Command::new(tool("python")).args(["-c", TO_JSON]), text);
    serde_json::from_slice(&json).unwrap()
}

/// The objects of one kustomization.
pub struct Rendered {
    pub name: String,
    pub objects: Vec<Value>,
}

impl Rendered {
    /// Renders a folder of `deploy/kubernetes`.
    pub fn of(name: &str) -> Self {
        Self::of_folder(name, &repository("deploy/kubernetes").join(name))
    }

    /// Renders a folder, as `kubectl apply -k` does before it asks the cluster.
    pub fn of_folder(name: &str, folder: &Path) -> Self {
        let text = succeed(Command::new(tool("kubectl")).arg("kustomize").arg(folder), b"");
        Self { name: name.to_owned(), objects: yaml(&text) }
    }

    /// Returns the base, every overlay, the combination that the document shows, and some more.
    pub fn every() -> &'static [Self] {
        static EVERY: OnceLock<Vec<Rendered>> = OnceLock::new();
        EVERY.get_or_init(|| {
            let copy = Copied::new();
            let mut names = overlays();
            names.push("mine".to_owned());
            names.extend(combinations().iter().map(|names| copy.combine(names)));
            thread::scope(|scope| {
                let render = |name: String| Self::of_folder(&name, &copy.folder(&name));
                let running = names.into_iter().map(|name| scope.spawn(move || render(name)));
                let running: Vec<_> = running.collect();
                running.into_iter().map(|it| it.join().unwrap()).collect()
            })
        })
    }

    /// Returns whether it is of an overlay or of a combination with a component. `mine` is neither.
    pub fn has(&self, component: &str) -> bool {
        self.name.trim_start_matches("overlays/").split('+').any(|name| name == component)
    }

    /// Returns the objects of a kind.
    pub fn all(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// Returns the object of a kind and a name, if there is one.
    pub fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.all(kind).into_iter().find(|object| object["metadata"]["name"] == name)
    }

    /// Returns the Deployment or the `StatefulSet`; there is one.
    pub fn workload(&self) -> &Value {
        let found = [self.all("Deployment"), self.all("StatefulSet")].concat();
        assert_eq!(found.len(), 1, "{}", self.name);
        found[0]
    }

    /// Returns the pod that it makes.
    pub fn pod(&self) -> &Value {
        &self.workload()["spec"]["template"]
    }

    /// Returns the pod's container; there is one.
    pub fn container(&self) -> &Value {
        assert_eq!(items(&self.pod()["spec"]["containers"]).len(), 1, "{}", self.name);
        &self.pod()["spec"]["containers"][0]
    }

    /// Returns the `ConfigMap` with the settings.
    pub fn config_map(&self) -> &Value {
        let volumes = items(&self.pod()["spec"]["volumes"]);
        let name = volumes.iter().find_map(|volume| volume["configMap"]["name"].as_str());
        self.find("ConfigMap", name.unwrap()).expect("the ConfigMap of the volume")
    }
}

/// Returns the folders that can be applied.
pub fn overlays() -> Vec<String> {
    let folders = fs::read_dir(repository("deploy/kubernetes/overlays")).unwrap();
    let name = |folder: fs::DirEntry| folder.file_name().into_string().unwrap();
    let names = folders.map(|folder| format!("overlays/{}", name(folder.unwrap())));
    let mut names: Vec<_> = names.chain(["base".to_owned()]).collect();
    names.sort();
    assert!(names.len() > 6, "overlays are missing");
    names
}

/// Returns each two components that can be together, and as many as can be together.
fn combinations() -> Vec<Vec<String>> {
    let overlays = overlays();
    let names: Vec<&str> = overlays.iter().filter_map(|it| it.strip_prefix("overlays/")).collect();
    // Replicas have no claims.
    let can_be = |pair: &Vec<&str>| *pair != ["postgres", "readwriteoncepod"];
    let without = |name| -> Vec<&str> { names.iter().copied().filter(|it| *it != name).collect() };
    let of_replicas = [without("readwriteoncepod"), vec!["monitoring-of-replicas"]].concat();
    let pairs = (1..names.len()).flat_map(|at| names[at..].iter().map(move |b| (at - 1, *b)));
    let pairs = pairs.map(|(a, b)| vec![names[a], b]).filter(can_be);
    let all = pairs.chain([without("postgres"), of_replicas]);
    all.map(|names| names.into_iter().map(str::to_owned).collect()).collect()
}

/// Returns the elements of an array, none if it is missing.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A copy of `deploy` that a test may change, with the kustomization of the document.
pub struct Copied(TempDir);

impl Copied {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        succeed(Command::new("cp").arg("-r").arg(repository("deploy")).arg(folder.path()), b"");
        let document = fs::read_to_string(repository("docs/kubernetes.md")).unwrap();
        let (_, mine) = document.split_once("```yaml\n").unwrap();
        let mine = mine.split("```").next().unwrap();
        let copied = Self(folder);
        fs::create_dir(copied.folder("mine")).unwrap();
        fs::write(copied.folder("mine").join("kustomization.yaml"), mine).unwrap();
        copied
    }

    /// Adds the base with some components; returns its name.
    fn combine(&self, components: &[String]) -> String {
        let name = components.join("+");
        let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
        let lines = components.iter().map(|it| format!("  - ../components/{it}"));
        let lines = lines.collect::<Vec<_>>().join("\n");
        let text = format!("{head}resources:\n  - ../base\ncomponents:\n{lines}\n");
        fs::create_dir(self.folder(&name)).unwrap();
        fs::write(self.folder(&name).join("kustomization.yaml"), text).unwrap();
        name
    }

    /// Returns the folder that has `deploy`.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of a folder of `deploy/kubernetes`.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join("deploy/kubernetes").join(name)
    }
}
