//! What the replicas that share a store tell each other.

use crate::domain::{Outage, Timestamp};

/// A replica, as it presents itself to the others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Replica {
    /// Its name, for people: several may have the same.
    pub name: String,
    /// The version of the program.
    pub version: String,
    /// The settings that have to be the same everywhere, as one line without their values.
    pub settings: String,
}

/// What a replica learns when it says that it runs.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// The time, by the one clock that all replicas share.
    pub at: Timestamp,
    /// Whether this replica is the one that does for the next five seconds what one has to do for
    /// all, such as pruning. The one that leads stays so while it meets the others, and another
    /// takes over once it does not.
    pub leads: bool,
    /// The others that have said within a minute that they run and not that they have ended, each
    /// with when it last said so.
    pub others: Vec<(Replica, Timestamp)>,
    /// All noted outages, in order.
    pub outages: Vec<Outage>,
}
