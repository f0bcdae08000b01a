//! Files named by settings that are pipes, devices or too large.

use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::run::Run;

fn pipe_in(folder: &TempDir) -> String {
    let path = folder.path().join("pipe").to_str().unwrap().to_owned();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_config_file_that_is_a_device_or_endless_stops_the_start_at_once() {
    let folder = TempDir::new().unwrap();
    let large = folder.path().join("large");
    fs::write(&large, "#".repeat(1024 * 1024 + 1)).unwrap();
    let (large, pipe) = (large.to_str().unwrap(), pipe_in(&folder));
    let secret = "GITOPS_STATUS_DATABASE_URL_FILE";
    for (path, reason) in [
        ("/dev/zero", "neither a regular file nor a pipe"),
        ("/dev/null", "neither a regular file nor a pipe"),
        ("/", "directory"),
        (large, "more than 1048576 bytes"),
        (&pipe, "a pipe that nobody writes to"),
    ] {
        Run::new(&["--config", path]).refused(&["flag --config", path, "cannot read", reason]);
        Run::new(&[]).env("GITOPS_STATUS_CONFIG", path).refused(&[path, "cannot read", reason]);
        Run::new(&[]).env(secret, path).refused(&[secret, "cannot read", reason]);
    }
}

#[test]
fn a_pipe_with_a_silent_writer_does_not_block_the_start_for_ever() {
    let folder = TempDir::new().unwrap();
    let pipe = pipe_in(&folder);
    let _writer = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    Run::new(&["--config", &pipe]).refused(&["cannot read", "a pipe whose writer is silent"]);
}

#[test]
fn settings_may_come_through_a_pipe_from_another_program() {
    let output = Command::new("sh")
        .args(["-c", "(sleep 0.1; echo 'ttl = \"9d\"') | \"$0\" check-config --config /dev/stdin"])
        .arg(env!("CARGO_BIN_EXE_gitops-status-server"))
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""));
    assert!(out.contains("ttl = \"9d\" "), "{out}");
}
