//! A database that crashes and has then forgotten which replicas run: those tables are unlogged.

use std::time::Duration;

use super::kit::{agree, metric, replica};
use crate::support::{Cluster, Process, ROLE, Relay, TestApp, report, wait_until};

/// A server of its own with one replica on it, which a relay can cut off.
struct Beside {
    cluster: Cluster,
    relay: Relay,
    running: Process,
}

impl Beside {
    fn start() -> Self {
        let cluster = Cluster::start("");
        cluster.run("postgres", &format!("create database status owner {ROLE}"));
        let relay = Relay::to(cluster.port());
        let port = |port: u16| format!(":{port}/");
        let url = cluster.url("status").replace(&port(cluster.port()), &port(relay.port()));
        let running = replica(&url, &[]);
        Self { cluster, relay, running }
    }

    fn url(&self) -> String {
        self.cluster.url("status")
    }

    fn stored(&self, sql: &str) -> Vec<String> {
        self.cluster.stored("status", sql)
    }

    /// Cuts the replica off, and lets the server crash.
    fn crash(&self) {
        self.relay.cut();
        self.cluster.crash();
    }
}

#[test]
fn a_replica_that_starts_right_after_a_crash_of_the_database_notes_no_outage_beside_one_that_ran() {
    let beside = Beside::start();
    beside.running.accept(report("repo", "s", "SYNCED", &[]));
    let past = "select (extract(epoch from clock_timestamp()) * 1000 > max(updated_at) + 1500)::text \
                from entries";
    wait_until("an outage would be worth noting", || beside.stored(past) == ["true"]);
    beside.crash();
    assert_eq!(beside.stored("select count(*)::text from replicas"), ["0"]);
    let new = replica(&beside.url(), &[]);
    let outages = || beside.stored("select count(*)::text from outages");
    wait_until("it has heard of nobody", || outages() == ["1"]);
    beside.relay.mend();
    wait_until("it hears of the other", || metric(&new, "gitops_status_replicas") == 2);
    wait_until("there was no outage", || outages() == ["0"]);
    beside.running.accept(report("repo", "s", "SYNCED", &[]));
    agree(&[&*beside.running, &*new]);
    assert_eq!(outages(), ["0"]);
}

#[test]
fn a_wrong_clock_records_nothing_when_a_crash_of_the_database_has_made_it_forget_the_others() {
    let beside = Beside::start();
    let off = TestApp::replica_ahead(&beside.url(), Duration::from_hours(3));
    // Now it believes its clock.
    off.advance(Duration::from_mins(10));
    beside.running.accept(report("repo", "s", "SYNCED", &[]));
    let is_stale = || off.list("").first().is_some_and(|row| row["stale"] == true);
    wait_until("it shows the entry as stale", is_stale);
    beside.crash();
    wait_until("it has heard of nobody since, and could record it", || {
        metric(&off, "gitops_status_replicas") == 1 && metric(&off, "gitops_status_writable") == 1
    });
    let met_at = || {
        let seconds = "select floor(extract(epoch from max(seen_at)))::bigint::text from replicas";
        beside.stored(seconds)[0].parse::<u64>().unwrap()
    };
    let first = met_at();
    wait_until("it has had time to record it", || met_at() > first + 2);
    assert_eq!(beside.stored("select event from transitions"), ["first"]);
}
