//! The real program as a separate process, which tests can kill and whose exit status they can read.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, PipeReader};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::home::url_of;
use super::{Client, wait_until};

/// A running program; it is killed when this is dropped.
pub struct Process {
    pub client: Client,
    child: Running,
    log: Arc<Mutex<String>>,
    /// Collects the output, unless the caller reads it.
    reader: Option<JoinHandle<()>>,
}

impl Deref for Process {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Process {
    /// Returns the program's command line for a database, on a free port, with an empty environment.
    pub fn command(database: &Path) -> Command {
        Self::command_on(&url_of(database))
    }

    /// Returns the same for the URL of a database.
    pub fn command_on(database_url: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
        command.env_clear().args(["--listen", "127.0.0.1:0", "--database-url", database_url]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Copies the program to a place, for users who cannot go where the build is. `cp` writes the copy: a
    /// file that this process writes stays open in a child that another test starts meanwhile, and cannot
    /// be run until that ends.
    pub fn copy_to(place: &Path) {
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_gitops-status-server")).arg(place);
        assert!(copy.status().unwrap().success());
    }

    /// Starts the program with more arguments and waits until it listens.
    pub fn start(database: &Path, arguments: &[impl AsRef<OsStr>]) -> Self {
        Self::run(Self::command(database).args(arguments))
    }

    /// Starts a command and waits until it listens.
    pub fn run(command: &mut Command) -> Self {
        Self::try_run(command).unwrap_or_else(|log| panic!("the program did not start: {log}"))
    }

    /// Starts a command; if it ends before it listens, returns its output.
    pub fn try_run(command: &mut Command) -> Result<Self, String> {
        let (mut child, log, reader) = spawn(command);
        wait_until("the program listens or ends", || {
            client_in(&log.lock().unwrap()).is_some() || reader.is_finished()
        });
        let client = client_in(&log.lock().unwrap());
        if let Some(client) = client {
            return Ok(Self { client, child, log, reader: Some(reader) });
        }
        end_of(&mut child);
        Err(log.lock().unwrap().clone())
    }

    /// Starts a command with both outputs in one pipe, and reads the pipe until the program listens.
    /// The caller may read on, or not.
    pub fn run_unread(command: &mut Command) -> (Self, BufReader<PipeReader>) {
        let (reader, writer) = std::io::pipe().unwrap();
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = Running(command.spawn().unwrap());
        // The command holds a write end; while that is open, the pipe has no end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (mut reader, mut log) = (BufReader::new(reader), String::new());
        let client = loop {
            if let Some(client) = client_in(&log) {
                break client;
            }
            assert!(reader.read_line(&mut log).unwrap() > 0, "the program did not start: {log}");
        };
        let process = Self { client, child, log: Arc::new(Mutex::new(log)), reader: None };
        (process, reader)
    }

    /// Starts a demo with its folder in `folder`, and waits until it prints its address.
    pub fn demo(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
        command.env_clear().env("TMPDIR", folder).arg("demo").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, log, reader) = spawn(&mut command);
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{line:?} {}", log.lock().unwrap()));
        Self { client: Client::at(address), child, log, reader: Some(reader) }
    }

    /// Starts a command that never listens; its client has no server.
    pub fn launch(command: &mut Command) -> Self {
        let (child, log, reader) = spawn(command);
        let client = Client::at(([127, 0, 0, 1], 0).into());
        Self { client, child, log, reader: Some(reader) }
    }

    /// Runs a command that ends by itself; returns its status and its output.
    pub fn run_to_end(command: &mut Command) -> (ExitStatus, String) {
        let (mut child, log, reader) = spawn(command.stderr(Stdio::piped()));
        let status = end_of(&mut child);
        reader.join().unwrap();
        (status, log.lock().unwrap().clone())
    }

    /// Returns a client of the port for probes and metrics.
    pub fn admin(&self) -> Client {
        let log = self.log();
        let address = address_after("Probes and metrics on http://", &log);
        Client::at(address.expect("there is no such port"))
    }

    /// Returns what the program has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the program has logged a line, and asserts that it has done so once.
    pub fn expect_logged_once(&self, line: &str) {
        wait_until("the log says so", || self.log().contains(line));
        assert_eq!(self.log().matches(line).count(), 1, "{line}: {}", self.log());
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Kills the program (`SIGKILL`), which can do nothing more.
    pub fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    /// Returns the exit status if the program has ended.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.0.try_wait().unwrap()
    }

    /// Waits for the program to end, and for all that it has said.
    pub fn wait(&mut self) -> ExitStatus {
        let status = end_of(&mut self.child);
        if let Some(reader) = &self.reader {
            wait_until("its output is read", || reader.is_finished());
        }
        status
    }

    /// Asks the program to stop, and waits for it.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Process {
    /// Prints the program's output if the test has failed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let state = self.child.0.try_wait();
            eprintln!("The program ({state:?}) has said:\n{}", self.log());
        }
    }
}

/// A child process; it is killed when this is dropped.
pub(super) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts a command and a thread that collects its output.
pub(super) fn spawn(command: &mut Command) -> (Running, Arc<Mutex<String>>, JoinHandle<()>) {
    let mut child = Running(command.spawn().unwrap());
    let log = Arc::new(Mutex::new(String::new()));
    let lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let collected = Arc::clone(&log);
    let reader = std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            collected.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    (child, log, reader)
}

/// Waits for the end of a process, with a time limit.
fn end_of(child: &mut Running) -> ExitStatus {
    let mut status = None;
    wait_until("the program ends", || {
        status = child.0.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Finds the listening address in the output of a program, and whether it speaks TLS there.
fn client_in(log: &str) -> Option<Client> {
    let (_, rest) = log.split_once("Listening on http")?;
    let (end_of_scheme, address) = rest.lines().next()?.split_once("://")?;
    // In JSON, the message ends with a quotation mark.
    let address = address.split('"').next()?.parse().ok()?;
    Some(Client { address, is_tls: end_of_scheme == "s" })
}

fn address_after(words: &str, log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once(words)?;
    rest.lines().next()?.parse().ok()
}

/// Whether a tracer is attached to every thread of a process.
pub fn is_traced(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.into_iter().all(|thread| {
        let status = fs::read_to_string(thread.unwrap().path().join("status"));
        status.is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
    })
}
