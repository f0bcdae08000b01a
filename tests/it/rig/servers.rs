//! The database of the rig: a primary, its standby, and what can happen to them.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::disk::SmallDisk;
use crate::support::{Cluster, REPLICATED, ROLE, give_to_server, wait_until};

/// The size of the disk that fills up. An empty database takes a third of it.
const DISK: &str = "24m";

/// A standby asks again soon when it has lost its primary.
const SETTINGS: &str = "wal_retrieve_retry_interval = 100ms\n";

/// The servers of a database. The standby follows by a socket, which no relay cuts.
pub struct Servers {
    database: String,
    /// Before its disk, so that it ends first.
    primary: Cluster,
    standby: Option<Cluster>,
    /// How the standby reaches its primary.
    way_to_primary: String,
    tablespace: Option<PathBuf>,
    disk: Option<SmallDisk>,
}

impl Servers {
    /// Starts a primary with more settings, whose database has a small disk for its tables if wanted.
    pub fn start(database: &str, settings: &str, has_small_disk: bool) -> Self {
        let primary = Cluster::start(&format!("{REPLICATED}{SETTINGS}{settings}"));
        let disk = has_small_disk.then(|| SmallDisk::of_size(DISK));
        let tablespace = disk.as_ref().map(|disk| disk.path().join("tablespace"));
        let mut create = format!("create database {database} owner {ROLE}");
        if let Some(place) = &tablespace {
            fs::create_dir(place).unwrap();
            give_to_server(place);
            let sql = format!("create tablespace small location '{}'", place.display());
            primary.run("postgres", &sql);
            create += " tablespace small";
        }
        primary.run("postgres", &create);
        let (standby, way_to_primary) = (None, String::new());
        Self { database: database.to_owned(), primary, standby, way_to_primary, tablespace, disk }
    }

    /// Returns the URL of the database for a replica that reaches it by these ports.
    pub fn url_by(&self, ports: &[u16]) -> String {
        let url = self.primary.url(&self.database);
        let (login, _) = url.rsplit_once('@').unwrap();
        let hosts = ports.iter().map(|port| format!("127.0.0.1:{port}"));
        format!("{login}@{}/{}", hosts.collect::<Vec<_>>().join(","), self.database)
    }

    pub fn port(&self) -> u16 {
        self.primary.port()
    }

    pub fn standby_port(&self) -> Option<u16> {
        self.standby.as_ref().map(Cluster::port)
    }

    /// Asks the primary as its administrator, again while it starts.
    pub fn ask(&self, sql: &str) -> Vec<String> {
        let mut answer = Vec::new();
        wait_until("the primary answers its administrator", || {
            let asked = self.primary.try_stored(&self.database, sql);
            asked.inspect_err(|error| eprintln!("{sql}: {error}")).map(|rows| answer = rows).is_ok()
        });
        answer
    }

    /// Changes the function that commits.
    pub fn tamper(&self, old: &str, new: &str) {
        let function = self.ask("select pg_get_functiondef('commit_v1'::regproc)").concat();
        assert_eq!(function.matches(old).count(), 1, "{old} is not there once: {function}");
        self.ask(&function.replace(old, new));
    }

    /// Adds a standby, for which each commit waits from then on.
    pub fn add_standby(&mut self) {
        let standby = match &self.tablespace {
            Some(place) => self.primary.standby_of_tablespace(place),
            None => self.primary.standby(),
        };
        self.way_to_primary = standby.stored("postgres", "show primary_conninfo").concat();
        self.standby = Some(standby);
        // Not before, or the standby would have it too, and wait for one of its own later.
        self.set_synchronous("*");
        wait_until("the standby is synchronous", || {
            self.ask("select sync_state from pg_stat_replication") == ["sync"]
        });
    }

    /// Sets for which standbys a commit waits.
    pub fn set_synchronous(&self, names: &str) {
        self.ask(&format!("alter system set synchronous_standby_names = '{names}'"));
        self.ask("select pg_reload_conf()::text");
    }

    /// Keeps the standby from its primary, or lets it follow again.
    pub fn let_standby_follow(&self, follows: bool) {
        let Some(standby) = &self.standby else { return };
        let way = if follows { self.way_to_primary.replace('\'', "''") } else { String::new() };
        standby.run("postgres", &format!("alter system set primary_conninfo = '{way}'"));
        standby.stored("postgres", "select pg_reload_conf()::text");
    }

    /// Stops the primary at once and for ever. The standby is next.
    pub fn stop_primary(&mut self) {
        self.primary = self.standby.take().unwrap();
        self.tablespace = self.disk.take().map(|_| self.primary.tablespace());
    }

    /// Makes the standby of a stopped primary the primary.
    pub fn promote(&self) {
        assert_eq!(self.primary.stored("postgres", "select pg_promote()::text"), ["true"]);
    }

    /// Ends about half of the sessions of replicas, or all. Returns how many.
    pub fn end_sessions(&self, are_all: bool) -> usize {
        let share = if are_all { 1.0 } else { 0.5 };
        let sql = format!(
            "select count(pg_terminate_backend(pid))::text from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid() and random() < {share}"
        );
        self.ask(&sql)[0].parse().unwrap()
    }

    /// Kills a process of the primary, which then recovers as after a crash.
    pub fn crash(&self) {
        let sql = "select pid::text from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid() limit 1";
        if let Some(process) = self.ask(sql).first() {
            Command::new("kill").args(["-s", "KILL", process]).status().unwrap();
        }
    }

    /// Fills the disk of the primary; returns whether it has one that can be filled.
    pub fn fill_disk(&self) -> bool {
        let Some(disk) = &self.disk else { return false };
        let mut ballast = fs::File::create(disk.path().join("ballast")).unwrap();
        let page = [1; 4096];
        while ballast.write_all(&page).is_ok() {}
        true
    }

    pub fn free_disk(&self) {
        if let Some(disk) = &self.disk {
            fs::remove_file(disk.path().join("ballast")).ok();
        }
    }

    /// Returns the commits that the standby lacks, as rows for [`Self::insert_commits`].
    pub fn commits_without_standby(&self) -> Vec<String> {
        let last = "select max(revision)::text from commits";
        let known = self.standby.as_ref().unwrap().stored(&self.database, last).concat();
        let lacking = format!(
            "select format('(%s, %L, 1, ''{{}}'', 0, 0)', revision, token) from commits \
             where revision > {known} order by revision"
        );
        self.ask(&lacking)
    }

    /// Makes commits that change nothing, with these numbers and tokens.
    pub fn insert_commits(&self, rows: &[String]) {
        let columns = "revision, token, format, keys, grown_entries, grown_bytes";
        self.ask(&format!("insert into commits ({columns}) values {}", rows.join(", ")));
    }
}
