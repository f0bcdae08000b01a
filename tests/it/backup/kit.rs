//! A database, and the commands on it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{Process, report};

pub const NO_ARGUMENTS: &[&str] = &[];

/// A database in a folder of its own.
pub struct Place {
    pub folder: TempDir,
    pub database: PathBuf,
}

impl Place {
    /// Makes a database with two entries and the history of one change.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("status.db");
        let mut server = Process::start(&database, NO_ARGUMENTS);
        server.accept(report("nginx", "web-1", "SYNCED", &[]));
        server.accept(report("nginx", "web-1", "OUT_OF_SYNC", &["nginx.conf"]));
        server.accept(report("rsyslog", "web-1", "SYNCED", &[]));
        assert_eq!(server.terminate().code(), Some(0));
        Self { folder, database }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, words: &[&str]) -> Command {
        command(&self.database, words)
    }
}

/// The user of the server, where the tests run as root.
const SOMEBODY: u32 = 47_112;

/// A machine with the database of a server in `data`, and root's shell in `shell`.
pub struct Machine {
    folder: TempDir,
    pub user: Option<u32>,
}

impl Machine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let user = rustix::process::getuid().is_root().then_some(SOMEBODY);
        for name in ["data", "shell"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        chown(folder.path(), user, None).unwrap();
        chown(folder.path().join("data"), user, None).unwrap();
        Process::copy_to(&folder.path().join("server"));
        Self { folder, user }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn database(&self) -> PathBuf {
        self.file("data/gitops-status.db")
    }

    /// Starts the server as its user.
    pub fn start(&self) -> Process {
        let described = Process::command(&self.database());
        let mut command = Command::new(self.file("server"));
        command.env_clear().args(described.get_args()).current_dir(self.file("data"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        self.user.map(|user| command.uid(user));
        Process::run(&mut command)
    }

    /// Runs a command of a document in the shell, with the paths of this machine.
    pub fn run(&self, command: &str, server: &Process) -> String {
        let paths = [("/var/lib/gitops-status", "data"), ("/mnt/backups", "elsewhere")];
        let here = paths.iter().fold(command.to_owned(), |command, (documented, name)| {
            command.replace(documented, self.file(name).to_str().unwrap())
        });
        let mut shell = Command::new("sh");
        shell.args(["-c", &here]).current_dir(self.file("shell")).env_clear();
        let program = Path::new(env!("CARGO_BIN_EXE_gitops-status-server")).parent().unwrap();
        shell.env("PATH", format!("{}:/usr/bin:/bin", program.display()));
        shell.env("GITOPS_STATUS_LISTEN", server.address.to_string()).stdin(Stdio::null());
        succeed(&mut shell)
    }
}

pub fn command(database: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().current_dir(database.parent().unwrap()).args(words);
    command.arg("--database-url").arg(format!("sqlite://{}", database.display()));
    command.stdin(Stdio::null());
    command
}

/// Runs a command; returns its status, and what it has said on both outputs.
pub fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Runs a command that has to succeed.
pub fn succeed(command: &mut Command) -> String {
    let (status, said) = run(command);
    assert_eq!(status, Some(0), "{said}");
    said
}

/// Everything but when entries expire, which depends on the restore.
const FIELDS: &str = "repo,server,sync_status,drift_count,files,last_check,updated_at,status_since,\
     stale,revision,url,drifted_since";

/// Returns the answers of a server that tell all that it holds, and the id of its store.
pub fn all(database: &Path) -> (Vec<String>, String) {
    let mut server = Process::start(database, NO_ARGUMENTS);
    let lists = ["/status.json", "/status.csv"].map(|list| format!("{list}?fields={FIELDS}"));
    let others = ["/api/history", "/api/repos"].map(str::to_owned);
    let answers = lists.iter().chain(&others).map(|target| server.get(target).text()).collect();
    let log = server.log();
    let id = log.split("Database ").nth(1).unwrap().split(':').next().unwrap().to_owned();
    assert_eq!(server.terminate().code(), Some(0));
    (answers, id)
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
