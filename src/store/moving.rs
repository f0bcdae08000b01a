//! Moving everything that a store holds into another one, of whatever kind.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::OpenError;
use crate::domain::{Entry, Outage, Revision, Timestamp, Transition, TransitionId};

/// One thing that a store holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// An entry.
    Entry(Arc<Entry>),
    /// A transition. Ids give the order of recording, and cursors of the history contain them.
    Transition(TransitionId, Box<Transition>),
    /// An outage of the server.
    Outage(Outage),
}

/// How many records of each kind there are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Entries, with those that have expired while they were drifted.
    pub entries: u64,
    /// Transitions.
    pub transitions: u64,
    /// Outages.
    pub outages: u64,
}

impl Counts {
    /// Counts one more record.
    pub fn add(&mut self, record: &Record) {
        match record {
            Record::Entry(_) => self.entries += 1,
            Record::Transition(..) => self.transitions += 1,
            Record::Outage(_) => self.outages += 1,
        }
    }

    /// Returns the number of records of all kinds.
    #[must_use]
    pub fn sum(self) -> u64 {
        let Self { entries, transitions, outages } = self;
        entries.saturating_add(transitions).saturating_add(outages)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, transitions, outages } = self;
        write!(f, "entries: {entries}, transitions: {transitions}, outages: {outages}")
    }
}

/// What is read from a store, in short.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contents {
    /// Identifies the store.
    pub store_id: String,
    /// The revision at which all of it is read.
    pub revision: Revision,
    /// How much there is.
    pub counts: Counts,
}

/// Everything that a store holds at one revision, read a piece at a time.
///
/// A piece is at most some megabytes, unless one record takes more. It is empty if that was all.
#[async_trait]
pub trait Outgoing: Send {
    /// Says what will be read.
    fn contents(&self) -> &Contents;

    /// Reads entries by their keys. `last` is the last one that was read, if any was.
    async fn entries_after(&mut self, last: Option<&Entry>) -> Result<Vec<Arc<Entry>>, OpenError>;

    /// Reads transitions by their ids, after one.
    async fn transitions_after(
        &mut self,
        last: TransitionId,
    ) -> Result<Vec<(TransitionId, Transition)>, OpenError>;

    /// Reads all outages by their beginnings.
    async fn outages(&mut self) -> Result<Vec<Outage>, OpenError>;
}

impl dyn Outgoing + '_ {
    /// Reads the records that come after one, or the first ones: entries, then transitions, then
    /// outages. There are none if that was all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn records_after(&mut self, last: Option<&Record>) -> Result<Vec<Record>, OpenError> {
        let (entry, transition) = match last {
            None => (None, TransitionId::MIN),
            Some(Record::Entry(entry)) => (Some(&**entry), TransitionId::MIN),
            Some(Record::Transition(id, _)) => (None, *id),
            Some(Record::Outage(_)) => return Ok(Vec::new()),
        };
        if !matches!(last, Some(Record::Transition(..))) {
            let entries = self.entries_after(entry).await?;
            if !entries.is_empty() {
                return Ok(entries.into_iter().map(Record::Entry).collect());
            }
        }
        let transitions = self.transitions_after(transition).await?;
        if !transitions.is_empty() {
            let record = |(id, transition)| Record::Transition(id, Box::new(transition));
            return Ok(transitions.into_iter().map(record).collect());
        }
        Ok(self.outages().await?.into_iter().map(Record::Outage).collect())
    }
}

/// A store that held nothing, while it is filled.
///
/// Until it is finished, whatever happens leaves the store as it was.
#[async_trait]
pub trait Incoming: Send {
    /// Puts more records into the store, in the order in which [`Outgoing`] has them.
    async fn put(&mut self, records: Vec<Record>) -> Result<(), OpenError>;

    /// Makes everything durable at once. The store has an id of its own, not that of another. What it
    /// holds expires a time to live after `at` at the earliest.
    async fn finish(self: Box<Self>, at: Timestamp) -> Result<(), OpenError>;
}
