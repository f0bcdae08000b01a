//! Replicas, and how to compare what they answer.

use std::ops::Deref;
use std::process::{Command, Stdio};

use crate::support::{
    Client, Cluster, PATIENCE, PostgresDatabase, Process, Relay, answer_alike, eventually,
    wait_until,
};

/// Returns the command of a replica, with an empty environment.
pub fn command(url: &str, arguments: &[&str]) -> Command {
    command_at("127.0.0.1:0", url, arguments)
}

/// Returns the command of a replica that listens on an address, with an empty environment.
pub fn command_at(address: &str, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().args(["--listen", address, "--database-url", url]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Starts a replica on a database.
pub fn replica(url: &str, arguments: &[&str]) -> Process {
    Process::run(&mut command(url, arguments))
}

/// Starts replicas, which all know of each other.
pub fn replicas<const COUNT: usize>(
    database: &PostgresDatabase,
    arguments: &[&str],
) -> [Process; COUNT] {
    let replicas = [(); COUNT].map(|()| replica(&database.url(), arguments));
    wait_until("the replicas know of each other", || {
        replicas.iter().all(|replica| metric(replica, "gitops_status_replicas") == COUNT)
    });
    replicas
}

/// Returns the URL of a database for a replica that reaches it by a relay.
pub fn url_by(relay: &Relay, database: &PostgresDatabase) -> String {
    let port = |port: u16| format!(":{port}/");
    database.url().replace(&port(Cluster::shared().port()), &port(relay.port()))
}

/// Waits until all replicas give the same bytes with the same tags.
pub fn agree(replicas: &[impl Deref<Target = Client>]) {
    let replicas: Vec<Client> = replicas.iter().map(|replica| **replica).collect();
    let ask = |replica: &Client, target: &str| Some(replica.get(target));
    eventually(PATIENCE, || answer_alike(&replicas, ask)).unwrap();
}

/// Returns the value of a series of a replica's metrics.
pub fn metric(replica: &Client, series: &str) -> usize {
    let text = replica.get("/metrics").text();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("there is no {series} in {text}")).parse().unwrap()
}

/// Runs something with a database to which nobody can connect meanwhile.
pub fn without(database: &PostgresDatabase, work: impl FnOnce()) {
    let name = database.name();
    let allow = |may: bool| {
        let sql = format!("alter database {name} with allow_connections {may}");
        Cluster::shared().run("postgres", &sql);
    };
    allow(false);
    let sql =
        format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
    Cluster::shared().run("postgres", &sql);
    work();
    allow(true);
}
