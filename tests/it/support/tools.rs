//! External tools that check the files shipped for them, and the compiler of C.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs a tool of a Debian package, asserts that it succeeds, and returns its output.
pub fn run_tool(name: &str, package: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    let is_missing = child.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    assert!(!is_missing, "{name} is missing: install the Debian package {package}");
    let mut child = child.unwrap();
    // Dropping the pipe is the end of the input.
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let (said, complained) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{name} {arguments:?}: {said}{complained}");
    said
}

/// Compiles a source in C beside the tests into a library that a program can preload; returns its path.
pub fn library_of(source: &str, folder: &Path) -> PathBuf {
    let library = folder.join(source).with_extension("so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(source);
    let mut compiler = Command::new("gcc");
    compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]);
    let status = compiler.status().expect("gcc is missing: install the Debian package gcc");
    assert!(status.success());
    library
}
