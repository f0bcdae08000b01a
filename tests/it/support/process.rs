//! The real program as a process of its own, to be killed and asked for its exit status.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use super::{Client, wait_until};

/// A running program; it is killed when this is dropped.
pub struct Process {
    pub client: Client,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Deref for Process {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Process {
    /// Returns the program's command line on a database, listening on a free port, with nothing
    /// of this process's environment.
    pub fn command(database: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
        command.env_clear().args(["--listen", "127.0.0.1:0"]);
        command.arg("--database-url").arg(format!("sqlite://{}", database.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts the program with more arguments and waits until it listens.
    pub fn start(database: &Path, arguments: &[impl AsRef<OsStr>]) -> Self {
        Self::run(Self::command(database).args(arguments))
    }

    /// Starts a command and waits until it listens.
    pub fn run(command: &mut Command) -> Self {
        Self::try_run(command).unwrap_or_else(|log| panic!("the program did not start: {log}"))
    }

    /// Starts a command; if it ends before it listens, returns what it said.
    pub fn try_run(command: &mut Command) -> Result<Self, String> {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let Some(line) = lines.next() else {
                child.wait().unwrap();
                return Err(log.lock().unwrap().clone());
            };
            let line = line.unwrap();
            log.lock().unwrap().push_str(&(line.clone() + "\n"));
            if let Some((_, address)) = line.split_once("Listening on http://") {
                break address.parse().unwrap();
            }
        };
        let rest = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                rest.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Ok(Self { client: Client { address }, child, log })
    }

    /// Runs a command that is expected to end by itself; returns its status and what it said.
    pub fn run_to_end(command: &mut Command) -> (ExitStatus, String) {
        let output = command.stderr(Stdio::piped()).output().unwrap();
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Returns what the program has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Kills the program as a power cut would: it gets to do nothing any more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the program to end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Asks the program to stop, and waits for it.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
