//! The program as a pod runs it, in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::rendered::{Rendered, items};
use crate::support::{Authority, Minted, PASSWORD};

/// The pod of some manifests: its environment, and its files under a folder instead of the root.
pub struct Pod {
    folder: TempDir,
    pub environment: BTreeMap<String, String>,
    /// A token of its tokens file, which may do everything.
    pub token: Minted,
}

impl Pod {
    /// Makes the files that the volumes of the pod would have.
    pub fn of(rendered: &Rendered) -> Self {
        let token = Minted::with_id("first");
        let folder = tempfile::tempdir().unwrap();
        for mount in items(&rendered.container()["volumeMounts"]) {
            let mounted = mount["mountPath"].as_str().unwrap();
            let here = folder.path().join(mounted.trim_start_matches('/'));
            fs::create_dir_all(&here).unwrap();
            match mount["name"].as_str().unwrap() {
                "data" | "backups" => {}
                "config" => {
                    for (name, text) in rendered.config_map()["data"].as_object().unwrap() {
                        fs::write(here.join(name), text.as_str().unwrap()).unwrap();
                    }
                }
                "tokens" => fs::write(here.join("tokens.toml"), &token.lines).unwrap(),
                "postgres" => {
                    fs::write(here.join("password"), PASSWORD).unwrap();
                    let authority = Authority::new("postgres");
                    fs::copy(authority.file(), here.join("ca.crt")).unwrap();
                }
                other => panic!("this test knows no volume {other}"),
            }
        }
        let mut environment = image_environment();
        for variable in items(&rendered.container()["env"]) {
            let (name, value) = (&variable["name"], &variable["value"]);
            let value = value.as_str().expect("a value that is there").to_owned();
            environment.insert(name.as_str().unwrap().to_owned(), value);
        }
        let mut pod = Self { folder, environment, token };
        let root = pod.root().to_str().unwrap().to_owned();
        for value in pod.environment.values_mut() {
            for mounted in ["/etc/gitops-status/", "/var/lib/gitops-status/", "/var/backups/"] {
                *value = value.replace(mounted, &format!("{root}{mounted}"));
            }
        }
        pod
    }

    /// Returns the folder in place of the root of the file system.
    pub fn root(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Returns the command of the container, with its environment and nothing else.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
        command.env_clear().envs(&self.environment).current_dir(self.root());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Lets it listen on loopback, on ports that are free.
    pub fn on_free_ports(mut self) -> Self {
        self.set("GITOPS_STATUS_LISTEN", "127.0.0.1:0");
        self.set("GITOPS_STATUS_ADMIN_LISTEN", "127.0.0.1:0");
        self
    }
}

/// Returns the variables that the image sets; those of the container override them.
fn image_environment() -> BTreeMap<String, String> {
    let dockerfile = crate::support::dashboards::repository("Dockerfile");
    let dockerfile = fs::read_to_string(dockerfile).unwrap();
    let (_, set) = dockerfile.split_once("\nENV ").unwrap();
    let mut set_here = BTreeMap::new();
    for line in set.lines() {
        let (name, value) = line.trim().trim_end_matches(" \\").split_once('=').unwrap();
        set_here.insert(name.to_owned(), value.to_owned());
        if !line.ends_with('\\') {
            break;
        }
    }
    set_here
}
