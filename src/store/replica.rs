//! What the replicas that share a store tell each other.

use std::time::Duration;

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

/// What a replica says of itself when it meets the others.
#[derive(Clone, Copy, Debug)]
pub struct Presence<'a> {
    /// Which one it is.
    pub replica: &'a Replica,
    /// For how long it has run; `None` while it starts.
    pub ran_for: Option<Duration>,
    /// Whether it can do what one has to do for all. Otherwise it gives up the lead.
    pub may_lead: bool,
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
    /// When the one began that has run for longest, of those that have said within five seconds that
    /// they run, this one included.
    pub ran_since: Timestamp,
}
