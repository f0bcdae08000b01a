//! Runs the program once, with its own working directory and environment.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A run that is being prepared.
pub struct Run {
    directory: TempDir,
    command: Command,
    files: Vec<String>,
}

/// The result of a run.
pub struct Outcome {
    /// The exit status.
    pub status: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// The names of files that it created in the working directory.
    pub created: Vec<String>,
}

impl Run {
    /// Prepares a run with these arguments and an empty environment.
    pub fn new(words: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
        command.args(words).env_clear().current_dir(directory.path()).stdin(Stdio::null());
        Self { directory, command, files: Vec::new() }
    }

    /// Adds an argument, which need not be UTF-8.
    pub fn word(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    /// Sets an environment variable, to a value that need not be UTF-8.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Puts a file into the working directory.
    pub fn file(mut self, name: &str, content: &str) -> Self {
        fs::write(self.directory.path().join(name), content).unwrap();
        self.files.push(name.to_owned());
        self
    }

    /// Runs the program to its end. If it starts to serve, it is stopped and the test fails.
    pub fn finish(mut self) -> Outcome {
        let outputs = TempDir::new().unwrap();
        let (out, err) = (outputs.path().join("out"), outputs.path().join("err"));
        self.command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut child = self.command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("still running: {:?}", self.command);
            }
            thread::sleep(Duration::from_millis(2));
        };
        Outcome {
            status: status.code(),
            out: fs::read_to_string(out).unwrap(),
            err: fs::read_to_string(err).unwrap(),
            created: created(self.directory.path(), &self.files),
        }
    }

    /// Runs `check-config` and returns what it prints, as text and as TOML.
    #[track_caller]
    pub fn checked(self) -> (String, toml::Table) {
        let outcome = self.finish();
        assert_eq!((outcome.status, outcome.err.as_str()), (Some(0), ""));
        assert_eq!(outcome.created, [""; 0]);
        let table = outcome.out.parse().unwrap();
        (outcome.out, table)
    }

    /// Asserts that the program refuses its settings in one line that contains these words.
    #[track_caller]
    pub fn refused(self, words: &[&str]) {
        let described = format!("{:?}", self.command);
        let outcome = self.finish();
        assert_eq!(outcome.status, Some(2), "{described}: {}", outcome.err);
        assert_eq!(outcome.out, "", "{described}");
        assert_eq!(outcome.created, [""; 0], "{described}");
        let line = outcome.err.strip_suffix('\n').unwrap();
        assert!(line.starts_with("error: ") && !line.contains('\n'), "{described}: {line}");
        for word in words {
            assert!(line.contains(word), "{described}: no {word:?} in {line}");
        }
    }
}

fn created(directory: &Path, given: &[String]) -> Vec<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !given.contains(name))
        .collect()
}
