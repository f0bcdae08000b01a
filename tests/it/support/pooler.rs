//! A real `PgBouncer` in front of the shared PostgreSQL server.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use super::dashboards::repository;
use super::postgres::{as_server_user, give_to_server};
use super::process::{Running, spawn};
use super::proxy::placed;
use super::{Cluster, PASSWORD, PostgresDatabase, ROLE, free_address, wait_until};

/// A running pooler; it is killed when this is dropped.
pub struct Pooler {
    port: u16,
    _child: Running,
    _folder: TempDir,
}

impl Pooler {
    /// Starts the pooler that docs/postgres.md sets up, before a database, in another mode if one is
    /// given.
    pub fn before(database: &PostgresDatabase, mode: &str) -> Self {
        let program = Path::new("/usr/sbin/pgbouncer");
        assert!(program.exists(), "pgbouncer is missing: install the Debian package of that name");
        let folder = tempfile::tempdir().unwrap();
        let [settings, users] = ["pgbouncer.ini", "userlist.txt"].map(|it| folder.path().join(it));
        let port = free_address().port();
        let server = format!("host=127.0.0.1 port={} dbname=", Cluster::shared().port());
        let text = shipped();
        let text = placed(&text, "host=db1 port=5432", &(server + database.name()));
        let text = placed(&text, "listen_port = 6432", &format!("listen_port = {port}"));
        let text = placed(&text, "/etc/pgbouncer/userlist.txt", &users.display());
        let text = placed(&text, "pool_mode = session", &format!("pool_mode = {mode}"));
        fs::write(&settings, text + "unix_socket_dir =\n").unwrap();
        fs::write(&users, format!("\"{ROLE}\" \"{PASSWORD}\"\n")).unwrap();
        for path in [folder.path(), &settings, &users] {
            give_to_server(path);
        }
        let mut command = as_server_user(program);
        command.arg(&settings);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let (child, log, reader) = spawn(&mut command);
        wait_until("the pooler listens or ends", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() || reader.is_finished()
        });
        assert!(!reader.is_finished(), "pgbouncer has ended: {}", log.lock().unwrap());
        Self { port, _child: child, _folder: folder }
    }

    /// Returns the URL of the database behind it.
    pub fn url(&self) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("postgres://{ROLE}:{password}@127.0.0.1:{}/status", self.port)
    }
}

/// Returns the settings of the pooler in the document.
fn shipped() -> String {
    let document = fs::read_to_string(repository("docs/postgres.md")).unwrap();
    let (_, settings) = document.split_once("```ini\n").unwrap();
    settings.split_once("```").unwrap().0.to_owned()
}
