//! The kit that tests share.

mod alertmanager;
mod alike;
mod app;
mod certificates;
mod client;
mod connection;
pub mod dashboards;
mod database;
mod document;
mod events;
mod home;
pub mod infinity;
mod minted;
mod pooler;
mod postgres;
mod process;
mod prometheus;
pub mod proxy;
mod random;
mod relay;
mod schema;
mod tools;
pub mod variables;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use alertmanager::{Alertmanager, Receiver};
pub use alike::answer_alike;
pub use app::{TestApp, sqlite_file};
pub use certificates::{Authority, Mounted, Pair};
pub use client::{Client, Reply, begin_update, update_request};
pub(crate) use connection::over_both_transports;
pub use connection::{Connection, Transport};
pub use database::{OLDER, run_sql, stored};
pub use document::{Shown, commands, console_blocks, document};
pub use events::Events;
pub use home::{database_url, is_on_postgres, take_away};
pub use minted::Minted;
pub use pooler::Pooler;
pub use postgres::{Cluster, PASSWORD, PostgresDatabase, REPLICATED, ROLE, give_to_server};
pub use process::{Process, is_traced};
pub use prometheus::Prometheus;
pub use random::Random;
pub use relay::Relay;
pub use schema::Description;

pub use tools::{library_of, run_tool};

/// How long a condition may take to come true before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until a condition is true, and fails with its description if it doesn't become so.
pub fn wait_until(description: &str, mut condition: impl FnMut() -> bool) {
    let is_met = eventually(PATIENCE, || condition().then_some(()).ok_or(()));
    assert!(is_met.is_ok(), "this did not happen: {description}");
}

/// Waits until something succeeds, or returns its last failure.
pub fn eventually<E>(patience: Duration, mut act: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    let start = Instant::now();
    loop {
        let outcome = act();
        if outcome.is_ok() || start.elapsed() > patience {
            return outcome;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns an address where nobody listens, for programs that cannot report a port that the system chose.
/// By default, Linux chooses ports above these, and no two tests get the same one.
pub fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let number = std::process::id().wrapping_mul(97).wrapping_add(given) % 20_000;
        let port = 12_000 + u16::try_from(number).unwrap();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// Returns a valid report as JSON text.
pub fn report(repo: &str, server: &str, status: &str, files: &[&str]) -> String {
    let files: Vec<_> = files.iter().map(|name| serde_json::json!({ "name": name })).collect();
    serde_json::json!({
        "repo": repo,
        "server": server,
        "sync_status": status,
        "drift_count": files.len(),
        "files": files,
        "last_check": "2026-04-21T10:32:15Z",
    })
    .to_string()
}
