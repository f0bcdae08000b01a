//! How this process presents itself to the other replicas of its database.

use std::fmt::Debug;
use std::net::SocketAddr;

use xxhash_rust::xxh3::xxh3_64;

use crate::config::{Config, ExternalUrl, RevisionUrl};
use crate::store::Replica;

/// Presents a replica with its settings, as far as these have to be the same everywhere.
pub(super) fn present(config: &Config) -> Replica {
    let settings = shared_settings(config).map(|(name, value)| format!("{name}={value:016x}"));
    Replica {
        name: name(config.listen),
        // Builds of one version may answer otherwise, and their entity tags differ.
        version: concat!(env!("CARGO_PKG_VERSION"), "+", env!("GITOPS_STATUS_BUILD")).to_owned(),
        settings: settings.join(" "),
    }
}

/// Returns the host's name, which is the pod's in Kubernetes, and the port.
fn name(listen: SocketAddr) -> String {
    let system = rustix::system::uname();
    format!("{}:{}", system.nodename().to_string_lossy(), listen.port())
}

/// Returns the settings that shape what answers show or what is stored, each with a hash of its
/// value: other replicas learn that it differs, and nothing else.
fn shared_settings(config: &Config) -> [(&'static str, u64); 10] {
    let Config {
        stale_after,
        ttl,
        schedules,
        history_retention,
        history_rows_per_entry,
        history_max_bytes,
        max_entries,
        max_stored_bytes,
        external_url,
        revision_url,
        ..
    } = config;
    [
        ("stale_after", hash(stale_after)),
        ("ttl", hash(ttl)),
        ("schedules", hash(schedules)),
        ("history_retention", hash(history_retention)),
        ("history_rows_per_entry", hash(history_rows_per_entry)),
        ("history_max_bytes", hash(history_max_bytes)),
        ("max_entries", hash(max_entries)),
        ("max_stored_bytes", hash(max_stored_bytes)),
        ("external_url", hash(&external_url.as_ref().map(ExternalUrl::as_str))),
        ("revision_url", hash(&revision_url.as_ref().map(RevisionUrl::as_str))),
    ]
}

fn hash(value: &impl Debug) -> u64 {
    xxh3_64(format!("{value:?}").as_bytes())
}
