//! The commands with which docs/postgres.md begins.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{
    Client, Cluster, console_blocks, document, free_address, run_tool, wait_until,
};

/// Stands in for sudo: the tests' server lets everybody in as its administrator.
const SUDO: &str = r#"#!/bin/sh
[ "$1 $2" = "-u postgres" ] || exit 64
shift 2
PGUSER=postgres exec "$@"
"#;

/// A shell with what it has started in the background; dropping it ends all of them.
struct Shell(Child);

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        Command::new("kill").args(["-s", "KILL", "--", &group]).status().ok();
        self.0.wait().ok();
    }
}

/// Returns the command of a shell in which the commands reach a server of this test.
fn shell(cluster: &Cluster, folder: &Path, script: &str) -> Command {
    let sudo = folder.join("sudo");
    fs::write(&sudo, SUDO).unwrap();
    fs::set_permissions(&sudo, Permissions::from_mode(0o755)).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_gitops-status-server")).parent().unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", folder.display(), program.display());
    let mut shell = Command::new("bash");
    shell.args(["-ec", script]).env_clear().env("PATH", path).env("USER", "tester");
    shell.env("PGHOST", cluster.socket_folder()).env("PGPORT", cluster.port().to_string());
    shell.stdin(Stdio::null()).stderr(File::create(folder.join("log")).unwrap());
    shell
}

#[test]
fn two_replicas_run_after_five_commands_and_a_report_to_one_is_on_the_other() {
    run_tool("curl", "curl", &["--version"], "");
    let (cluster, folder) = (Cluster::start(""), tempfile::tempdir().unwrap());
    let addresses = [free_address(), free_address()];
    // The server of Debian is in a fixed place, and the ports may be in use.
    let here = |text: String| {
        let text = text.replace("/var/run/postgresql", &cluster.socket_folder().to_string_lossy());
        let ports = text.replace("127.0.0.1:8081", &addresses[0].to_string());
        ports.replace("127.0.0.1:8082", &addresses[1].to_string())
    };
    // They are the first block.
    let commands = console_blocks(&document("docs/postgres.md"), "").remove(0);
    let (five, two) = commands.split_at(5);
    assert!(five.iter().all(|shown| shown.output.is_empty()), "{five:?}");
    let script: Vec<String> = five.iter().map(|shown| here(shown.command.clone())).collect();
    let script = script.join("\n") + "\nwait\n";
    assert_eq!(script.matches("--listen").count(), 2, "{script}");
    let mut shell_of_five = shell(&cluster, folder.path(), &script);
    let mut running = Shell(shell_of_five.process_group(0).spawn().unwrap());
    let said = || fs::read_to_string(folder.path().join("log")).unwrap();
    for address in addresses {
        wait_until("the replica listens", || {
            assert!(running.0.try_wait().unwrap().is_none(), "{script}: {}", said());
            Client::at(address).try_connect().is_some()
        });
    }
    assert_eq!(two.len(), 2);
    for shown in two {
        wait_until("the document's output comes", || {
            let output =
                shell(&cluster, folder.path(), &here(shown.command.clone())).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim_end() == shown.output.trim_end()
        });
    }
}
