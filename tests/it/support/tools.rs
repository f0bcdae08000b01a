//! Programs of others that what is shipped for them is held against.

use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

/// Runs a tool that a Debian package brings and that has to be content; returns what it prints.
pub fn run_tool(name: &str, package: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    let is_missing = child.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    assert!(!is_missing, "{name} is missing: install the Debian package {package}");
    let mut child = child.unwrap();
    // Dropping its end tells the tool that there is no more.
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let (said, complained) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{name} {arguments:?}: {said}{complained}");
    said
}
