//! What other replicas have otherwise that should be the same everywhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::Replica;

/// The name under which versions are compared, like a setting.
const VERSION: &str = "version";

/// The names of other replicas, by the setting that they have otherwise.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Differences(BTreeMap<String, BTreeSet<String>>);

impl Differences {
    /// Compares a replica with others.
    pub(super) fn of<'a>(me: &Replica, others: impl Iterator<Item = &'a Replica>) -> Self {
        let mut differing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for other in others {
            for name in differences(me, other) {
                differing.entry(name.to_owned()).or_default().insert(other.name.clone());
            }
        }
        Self(differing)
    }

    /// Returns how many others differ, for each setting of a replica and for the version.
    pub(super) fn counts(&self, me: &Replica) -> Vec<(String, usize)> {
        let settings = settings_of(me).map(|(name, _)| name);
        let count = |name: &str| self.0.get(name).map_or(0, BTreeSet::len);
        settings.chain([VERSION]).map(|name| (name.to_owned(), count(name))).collect()
    }

    /// Says in the log what differs, or that nothing does any more.
    pub(super) fn log(&self) {
        if self.0.is_empty() {
            log::info!("All replicas have the same version and settings");
        }
        for (setting, replicas) in &self.0 {
            let replicas: Vec<&str> = replicas.iter().map(String::as_str).collect();
            let replicas = replicas.join(", ");
            log::warn!(
                "Other replicas run with another {setting}, and answer otherwise: {replicas}"
            );
        }
    }
}

/// Returns the names of the settings that two replicas have otherwise. One that only one of them knows
/// comes with its version.
fn differences<'a>(me: &'a Replica, other: &'a Replica) -> impl Iterator<Item = &'a str> {
    let theirs: BTreeMap<&str, &str> = settings_of(other).collect();
    let is_other =
        move |(name, value): &(&str, &str)| theirs.get(name).is_some_and(|theirs| theirs != value);
    let version = (me.version != other.version).then_some(VERSION);
    settings_of(me).filter(is_other).map(|(name, _)| name).chain(version)
}

fn settings_of(replica: &Replica) -> impl Iterator<Item = (&str, &str)> {
    replica.settings.split_whitespace().filter_map(|setting| setting.split_once('='))
}
