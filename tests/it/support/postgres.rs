//! PostgreSQL servers, and databases of their own for tests.
//!
//! A server ends with the process that started it, also when that is killed: a watcher waits for the
//! end of a pipe that only this process holds, stops the server and removes its folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use tokio::runtime::Builder;

use super::{free_address, wait_until};

/// The role that the program logs in as: it owns its database, and has no other right.
pub const ROLE: &str = "status";
/// Its password.
pub const PASSWORD: &str = "correct horse";

/// Waits for the end of its input, then stops the server (at once: `QUIT`) and removes the folder.
const WATCHER: &str = r#"
folder=$1
shift
"$@" </dev/null >"$folder/log" 2>&1 &
server=$!
read -r end
kill -QUIT "$server"
wait "$server"
rm -rf "$folder"
"#;

/// Settings of a server that need survive no crash of the machine.
const SETTINGS: &str = "
max_connections = 300
shared_buffers = 64MB
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 256MB
log_line_prefix = '%m [%p] %u@%d '
";

/// Settings of a server that has standbys.
pub const REPLICATED: &str = "wal_level = replica\nmax_wal_senders = 5\n";

/// Everything by the socket, which only this user reaches; by TCP, a password.
const ACCESS: &str = "
local all         all              trust
local replication all              trust
host  all         all 127.0.0.1/32 scram-sha-256
host  all         all ::1/128      scram-sha-256
";

/// A running server with a socket in its folder and a port on loopback; dropping it ends the server.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    watcher: Child,
}

impl Cluster {
    /// Returns the server that the tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(""))
    }

    /// Starts a server with more settings, lines of `postgresql.conf`.
    pub fn start(settings: &str) -> Self {
        Self::start_with_files(settings, &[])
    }

    /// Starts a server that speaks TLS with a certificate and its key, both in PEM.
    pub fn start_in_tls(certificate: &str, key: &str) -> Self {
        Self::start_with_files("ssl = on", &[("server.crt", certificate), ("server.key", key)])
    }

    /// Starts a server with more settings, and more files in its folder, which only it may read.
    pub fn start_with_files(settings: &str, files: &[(&str, &str)]) -> Self {
        let cluster = loop {
            let folder = new_folder();
            let data = folder.join("data");
            initialize(&data, settings);
            for (name, content) in files {
                let path = data.join(name);
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
                give_to_server(&path);
            }
            // Another process may take the port meanwhile.
            if let Some(cluster) = Self::serve(folder) {
                break cluster;
            }
        };
        let role = format!("create role {ROLE} login password '{PASSWORD}'");
        cluster.run("postgres", &role);
        cluster
    }

    /// Starts a standby of this server, which needs [`REPLICATED`] among its settings.
    pub fn standby(&self) -> Self {
        self.standby_with(|_| Vec::new())
    }

    /// Starts a standby of this server whose copy of a tablespace is in its own folder.
    pub fn standby_of_tablespace(&self, at: &Path) -> Self {
        let mapped =
            |folder: &Path| format!("{}={}", at.display(), tablespace_in(folder).display());
        self.standby_with(|folder| vec![format!("--tablespace-mapping={}", mapped(folder))])
    }

    fn standby_with(&self, arguments: impl Fn(&Path) -> Vec<String>) -> Self {
        loop {
            let folder = new_folder();
            let mut copy = command("pg_basebackup");
            copy.arg("--pgdata").arg(folder.join("data")).arg("--host").arg(&self.folder);
            copy.args(["--port", &self.port.to_string(), "--username=postgres", "--no-sync"]);
            copy.args(arguments(&folder));
            succeed(copy.args(["--checkpoint=fast", "--write-recovery-conf"]));
            if let Some(standby) = Self::serve(folder) {
                return standby;
            }
        }
    }

    /// Starts the server whose data is in a folder; `None` if its port was not free.
    fn serve(folder: PathBuf) -> Option<Self> {
        let port = free_address().port();
        let watcher = watcher(&folder, port);
        let cluster = Self { folder, port, watcher };
        wait_until("PostgreSQL accepts connections or ends", || {
            cluster.log().contains("ready to accept") || cluster.log().contains("FATAL:")
        });
        let log = cluster.log();
        if log.contains("ready to accept") {
            return Some(cluster);
        }
        assert!(log.contains("could not create any TCP/IP sockets"), "{log}");
        None
    }

    /// Returns the URL of a database, for the role that owns it, by TCP.
    pub fn url(&self, database: &str) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("postgres://{ROLE}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns the port on loopback, which is also in the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder of the socket.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the place of the tablespace that a standby has a copy of.
    pub fn tablespace(&self) -> PathBuf {
        tablespace_in(&self.folder)
    }

    /// Returns what the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Kills a process of the server, which then recovers as after any crash, and waits for it.
    pub fn crash(&self) {
        let starts = || self.log().matches("ready to accept connections").count();
        let before = starts();
        let writer = "select pid::text from pg_stat_activity where backend_type = 'checkpointer'";
        succeed(Command::new("kill").args(["-s", "KILL"]).args(self.stored("postgres", writer)));
        wait_until("the server has recovered", || starts() > before);
    }

    /// Runs SQL as the administrator.
    pub fn run(&self, database: &str, sql: &str) {
        self.as_administrator(database, async |connection| {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())
        })
        .unwrap();
    }

    /// Runs a query as the administrator, and returns the first column of its rows as text.
    pub fn stored(&self, database: &str, sql: &str) -> Vec<String> {
        self.try_stored(database, sql).unwrap()
    }

    /// The same on a server that may have lost its connections.
    pub fn try_stored(&self, database: &str, sql: &str) -> sqlx::Result<Vec<String>> {
        self.as_administrator(database, async |connection| {
            let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?;
            rows.iter().map(|row| row.try_get_unchecked(0)).collect()
        })
    }

    /// Works with a connection on a thread of its own, so that the caller may be a task.
    fn as_administrator<T: Send>(
        &self,
        database: &str,
        work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T> + Send,
    ) -> sqlx::Result<T> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&self.folder)
            .port(self.port)
            .username("postgres")
            .database(database);
        let run = || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = options.connect().await?;
                let result = work(&mut connection).await?;
                connection.close().await?;
                Ok(result)
            })
        };
        thread::scope(|scope| scope.spawn(run).join().unwrap())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        self.watcher.wait().ok();
    }
}

/// A database of a test on the shared server; it is dropped with this.
pub struct PostgresDatabase {
    name: String,
}

impl PostgresDatabase {
    /// Makes a database with nothing in it.
    pub fn create() -> Self {
        Self::from("template1")
    }

    /// Makes a database as a copy of another one, to which nobody is connected.
    pub fn from(template: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
        let sql = format!("create database {name} owner {ROLE} template {template}");
        Cluster::shared().run("postgres", &sql);
        Self { name }
    }

    /// Returns its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its URL, for the role that owns it.
    pub fn url(&self) -> String {
        Cluster::shared().url(&self.name)
    }

    /// Runs a query as the administrator, and returns the first column of its rows as text.
    pub fn stored(&self, sql: &str) -> Vec<String> {
        Cluster::shared().stored(&self.name, sql)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let sql = format!("drop database {} with (force)", self.name);
        Cluster::shared().run("postgres", &sql);
    }
}

/// Makes the data of a new server.
fn initialize(data: &Path, settings: &str) {
    // The order of a language, so that SQL which forgets `collate "C"` is found out.
    let locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"];
    let mut initdb = command("initdb");
    initdb.args(["--no-sync", "--username=postgres", "--encoding=UTF8", "--pgdata"]).arg(data);
    succeed(initdb.args(locale));
    let configuration = data.join("postgresql.conf");
    let all = fs::read_to_string(&configuration).unwrap() + SETTINGS + settings;
    fs::write(configuration, all).unwrap();
    fs::write(data.join("pg_hba.conf"), ACCESS).unwrap();
}

/// Makes a folder that the server's user owns.
fn new_folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("postgres-").tempdir().unwrap().keep();
    give_to_server(&folder);
    folder
}

fn tablespace_in(folder: &Path) -> PathBuf {
    folder.join("tablespace")
}

/// Makes the server's user the owner of a file or folder.
pub fn give_to_server(path: &Path) {
    if let Some(user) = server_user() {
        chown(path, Some(number_of(user, "-u")), Some(number_of(user, "-g"))).unwrap();
    }
}

/// Starts a server under its watcher. Its log is a file in the folder.
fn watcher(folder: &Path, port: u16) -> Child {
    let server = command("postgres");
    let mut watcher = Command::new("sh");
    watcher.args(["-c", WATCHER, "watcher"]).arg(folder);
    watcher.arg(server.get_program()).args(server.get_args());
    watcher.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    watcher.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    watcher.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C in a terminal is for the tests; the watcher sees their end.
    watcher.process_group(0).spawn().unwrap()
}

/// Returns a command of PostgreSQL.
fn command(name: &str) -> Command {
    as_server_user(&programs().join(name))
}

/// Returns the command of a program that refuses to run as root, so root gives it a user of its own.
/// If the process that starts it ends, it ends.
pub(super) fn as_server_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if let Some(user) = server_user() {
        command.args(["--reuid", user, "--regid", &number_of(user, "-g").to_string()]);
        command.arg("--clear-groups");
    }
    command.arg(program).env("LC_ALL", "C").current_dir("/");
    command
}

/// Returns the folder of PostgreSQL's programs, of the newest version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.filter_map(|version| version.ok()?.file_name().into_string().ok());
    let newest = versions.filter_map(|version| version.parse::<u32>().ok()).max();
    let newest = newest.expect("initdb is missing: install the Debian package postgresql");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"))
}

/// Returns the user to run the server as, if this process is root.
fn server_user() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("postgres")
}

/// Returns the number of a user or of its group.
fn number_of(user: &str, option: &str) -> u32 {
    succeed(Command::new("id").args([option, user])).trim().parse().unwrap()
}

/// Runs a command, and returns its output.
fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}
