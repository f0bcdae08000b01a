//! Three replicas at fixed addresses, as a proxy has them in its configuration.

use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::kit::{command_at, metric};
use crate::support::proxy::{placed, shipped};
use crate::support::{PostgresDatabase, Process, wait_until};

/// The delay that docs/replicas.md names.
const ARGUMENTS: [&str; 2] = ["--shutdown-delay", "5s"];

/// Three replicas of one database, each in its place.
pub struct Fleet {
    addresses: [SocketAddr; 3],
    running: [Process; 3],
}

impl Fleet {
    /// Starts the replicas at loopback addresses that nothing else uses, so that their ports stay free
    /// while one is replaced.
    pub fn start(database: &PostgresDatabase) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = process::id() * 8 + STARTED.fetch_add(1, Ordering::Relaxed);
        let [.., high, low] = number.to_be_bytes();
        let addresses = [11, 12, 13]
            .map(|last| SocketAddr::from((Ipv4Addr::new(127, 1 + high % 254, low, last), 8080)));
        let running = addresses.map(|address| start(address, &database.url()));
        Self { addresses, running }
    }

    /// Returns a file that is shipped for a proxy, with the addresses of these replicas.
    pub fn configuration(&self, name: &str) -> String {
        let servers = ["10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"];
        let all = servers.into_iter().zip(self.addresses);
        all.fold(shipped(name), |text, (server, address)| placed(&text, server, &address))
    }

    /// Stops the replica in a place in order, and starts another one there.
    pub fn replace(&mut self, place: usize, url: &str) {
        assert_eq!(self.running[place].terminate().code(), Some(0));
        self.running[place] = start(self.addresses[place], url);
    }

    /// Kills the replica in a place, and starts another one there.
    pub fn kill(&mut self, place: usize, url: &str) {
        self.running[place].signal("KILL");
        self.running[place].wait();
        self.running[place] = start(self.addresses[place], url);
    }

    /// Waits until each replica has stored an update.
    pub fn wait_until_all_are_used(&self) {
        let stored =
            r#"gitops_status_http_requests_total{route="/api/status",method="POST",code="200"}"#;
        wait_until("the proxy sends updates to each replica", || {
            self.running.iter().all(|replica| {
                replica.get("/metrics").text().contains(stored) && metric(replica, stored) > 0
            })
        });
    }

    /// Returns the replicas.
    pub fn replicas(&self) -> &[Process] {
        &self.running
    }
}

fn start(address: SocketAddr, url: &str) -> Process {
    Process::run(&mut command_at(&address.to_string(), url, &ARGUMENTS))
}
