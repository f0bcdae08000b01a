//! How this replica stands to the others.

use super::text::Text;

/// What is known of the replicas of a database.
#[derive(Clone, Debug)]
pub struct ReplicaState {
    /// How many run, this one included.
    pub running: usize,
    /// Whether this one does what one has to do for all.
    pub leads: bool,
    /// Whether it reads what others commit.
    pub is_following: bool,
    /// By how much its clock is ahead of the database's, in milliseconds.
    pub clock_ahead: i64,
    /// How many others have another value, for each setting that has to be the same, and the version.
    pub differing: Vec<(String, usize)>,
}

impl ReplicaState {
    /// Returns the names of the settings that others have otherwise.
    pub fn differing_names(&self) -> impl Iterator<Item = &str> {
        let differing = self.differing.iter().filter(|(_, others)| *others > 0);
        differing.map(|(name, _)| name.as_str())
    }

    #[expect(clippy::cast_precision_loss, reason = "a clock is not off by that much")]
    pub(super) fn write(&self, text: &mut Text) {
        let Self { running, leads, is_following, clock_ahead, differing } = self;
        text.gauge(
            "gitops_status_replicas",
            "Replicas that have said within a minute that they run, with this one",
            running,
        );
        text.gauge(
            "gitops_status_replica_leads",
            "Whether this replica records what expires, and prunes, for all",
            u8::from(*leads),
        );
        text.gauge(
            "gitops_status_replica_following",
            "Whether this replica can read what others commit",
            u8::from(*is_following),
        );
        text.gauge(
            "gitops_status_replica_clock_ahead_seconds",
            "By how much the clock of this replica is ahead of the clock of the database",
            *clock_ahead as f64 / 1000.0,
        );
        text.gauges(
            "gitops_status_replica_differences",
            "Other replicas that run with another value of a setting that has to be the same",
            "setting",
            differing.iter().map(|(name, others)| (name.as_str(), others)),
        );
    }
}
