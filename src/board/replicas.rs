//! What this replica knows of the others, and what it may do for all of them.
//!
//! The follower writes it, and the writer obeys it. A store that one process has alone has no others:
//! then this replica may do everything.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::differences::Differences;
use crate::clock::Clock;
use crate::domain::{CLOCK_TOLERANCE, Outage, Timestamp};
use crate::metrics::ReplicaState;
use crate::mutex::locked;
use crate::store::{Meeting, Presence, Replica, Store, StoreError};

/// For how long a meeting says who leads. The store gives the lead to another replica after that.
const LEASE: Duration = Duration::from_secs(5);
/// A replica that has not said for so long that it runs is not counted on.
const RUNNING: Duration = Duration::from_secs(5);
/// For how long meetings have to be without others before they count as gone. A database that crashed
/// has forgotten them, and they have to reach it again.
const GONE: Duration = Duration::from_mins(1);
/// For how long the others may not be heard before that is a fault.
const PATIENCE: Duration = Duration::from_secs(1);
/// A difference between the clocks of this replica and of the store that is worth a warning.
const NOTABLE: Duration = Duration::from_secs(1);

/// What this replica has learnt by a meeting.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) meeting: Meeting,
    /// By how many milliseconds this replica's clock was ahead of the store's. This is off by half of
    /// what the meeting took, at most.
    ahead: i64,
    took: Duration,
}

impl Met {
    /// Says that this replica runs. Returns what it learns, unless it has the store alone.
    pub(super) async fn with_others(
        store: &dyn Store,
        me: Presence<'_>,
        clock: &dyn Clock,
    ) -> Result<Option<Self>, StoreError> {
        let began = clock.read();
        let Some(meeting) = store.meet(me).await? else { return Ok(None) };
        let ended = clock.read();
        let ahead = ahead_of(meeting.at, began.wall, ended.wall);
        let took = ended.monotonic.saturating_sub(began.monotonic);
        Ok(Some(Self { meeting, ahead, took }))
    }

    /// Since when there was always a replica that ran, by the clock of the store. Not told to a replica
    /// by whose clock that is another time.
    pub(super) fn ran_since(&self) -> Option<Timestamp> {
        is_good(self.ahead).then_some(self.meeting.ran_since)
    }
}

/// Outages as a meeting has found them.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct NotedOutages {
    pub(super) noted: Vec<Outage>,
    /// Since when there was always a replica that ran, if that is known.
    pub(super) ran_since: Option<Timestamp>,
}

/// What is known of the other replicas.
#[derive(Debug)]
pub(super) struct Replicas {
    me: Replica,
    began: Instant,
    /// `None` if one process has the store alone.
    company: Option<Mutex<Company>>,
}

#[derive(Debug)]
struct Company {
    met_at: Instant,
    leads: bool,
    others: usize,
    /// Until when others count as running that meetings do not have.
    counted_until: Option<Instant>,
    /// By how much this replica's clock is ahead of the store's, in milliseconds.
    ahead: i64,
    is_clock_off: bool,
    differing: Differences,
    /// What all replicas have noted, until the writer has taken it.
    outages: Option<NotedOutages>,
    /// Since when the others have not been heard.
    deaf_since: Option<Instant>,
    is_following: bool,
}

impl Replicas {
    /// Begins with the first meeting, if the store has one.
    pub(super) fn new(me: Replica, first: Option<Met>) -> Self {
        let company = first.map(|met| {
            let mut company = Company {
                met_at: Instant::now(),
                leads: false,
                others: 0,
                counted_until: None,
                ahead: 0,
                is_clock_off: false,
                differing: Differences::default(),
                outages: None,
                deaf_since: None,
                is_following: true,
            };
            company.note(&me, met);
            Mutex::new(company)
        });
        Self { me, began: Instant::now(), company }
    }

    /// Returns what this replica says at the next meeting. It does not lead while it could record
    /// nothing.
    pub(super) fn presence(&self, is_storing: bool) -> Presence<'_> {
        let is_clock_right = self.company().is_none_or(|company| company.is_clock_right());
        let may_lead = is_storing && is_clock_right;
        Presence { replica: &self.me, ran_for: Some(self.began.elapsed()), may_lead }
    }

    /// Notes a meeting.
    pub(super) fn note_meeting(&self, met: Met) {
        if let Some(mut company) = self.company() {
            company.note(&self.me, met);
        }
    }

    /// Whether this replica does what one has to do for all.
    pub(super) fn leads(&self) -> bool {
        self.company().is_none_or(|company| company.leads())
    }

    /// Whether this replica lets the store forget what none needs any more: the one that leads. Several
    /// at once do no harm, and if all clocks are off, none leads.
    pub(super) fn may_trim(&self) -> bool {
        self.company().is_none_or(|company| company.leads() || !company.is_clock_right())
    }

    /// Whether this replica stores what the clock has done to entries.
    pub(super) fn may_settle(&self) -> bool {
        self.company().is_none_or(|company| company.leads() && company.is_clock_right())
    }

    /// Returns the noted outages if there was a meeting since they were last taken.
    pub(super) fn take_outages(&self) -> Option<NotedOutages> {
        self.company()?.outages.take()
    }

    /// Notes, and logs, whether it could be read what others have committed.
    pub(super) fn note_following(&self, outcome: Result<(), &dyn Display>) {
        let Some(mut company) = self.company() else { return };
        match outcome {
            Ok(()) => {
                company.deaf_since = None;
                if !company.is_following {
                    company.is_following = true;
                    log::info!("Changes of other replicas can be read again");
                }
            }
            Err(error) => {
                let deaf_since = *company.deaf_since.get_or_insert_with(Instant::now);
                if company.is_following && deaf_since.elapsed() >= PATIENCE {
                    company.is_following = false;
                    log::error!("Changes of other replicas cannot be read: {error}");
                }
            }
        }
    }

    /// Returns what metrics and `/health` show; `None` if one process has the store alone.
    pub(super) fn state(&self) -> Option<ReplicaState> {
        let company = self.company()?;
        Some(ReplicaState {
            running: company.others + 1,
            leads: company.leads(),
            is_following: company.is_following,
            clock_ahead: company.ahead,
            differing: company.differing.counts(&self.me),
        })
    }

    fn company(&self) -> Option<MutexGuard<'_, Company>> {
        self.company.as_ref().map(locked)
    }
}

impl Company {
    fn leads(&self) -> bool {
        self.leads && self.met_at.elapsed() < LEASE
    }

    /// Whether the clock does not contradict the one that all replicas share. A replica that is alone
    /// has only its own.
    fn is_clock_right(&self) -> bool {
        is_good(self.ahead) || !self.is_beside_others()
    }

    /// Whether others run, or may do so although the last meeting did not have them.
    fn is_beside_others(&self) -> bool {
        self.others > 0 || self.counted_until.is_some_and(|until| Instant::now() < until)
    }

    fn note(&mut self, me: &Replica, met: Met) {
        let ran_since = met.ran_since();
        let Met { meeting, ahead, took } = met;
        let Meeting { at: _, leads, others, outages, ran_since: _ } = meeting;
        // They could not meet this one either while the store was away.
        let was_beside_others = self.counted_until.is_some_and(|until| self.met_at < until);
        let was_away = self.met_at.elapsed() >= LEASE;
        self.met_at = Instant::now();
        if !others.is_empty() || (was_beside_others && was_away) {
            self.counted_until = Some(self.met_at + GONE);
        }
        self.leads = leads;
        self.others = others.len();
        self.outages = Some(NotedOutages { noted: outages, ran_since });
        self.note_clock(ahead, took);
        let differing = Differences::of(me, others.iter().map(|(other, _)| other));
        if differing != self.differing {
            differing.log();
            self.differing = differing;
        }
    }

    fn note_clock(&mut self, ahead: i64, took: Duration) {
        self.ahead = ahead;
        let off_by = Duration::from_millis(ahead.unsigned_abs()).saturating_sub(took / 2);
        let is_off = off_by > NOTABLE;
        if is_off && !self.is_clock_off {
            let (seconds, side) =
                (off_by.as_secs_f64(), if ahead > 0 { "ahead of" } else { "behind" });
            log::warn!(
                "The clock of this replica is {seconds:.1} s {side} the clock of the database: \
                 replicas disagree on what is stale"
            );
        } else if !is_off && self.is_clock_off {
            log::info!("The clock of this replica agrees with the clock of the database again");
        }
        self.is_clock_off = is_off;
    }
}

/// Whether others run, by their first meeting with this replica.
pub(super) fn is_beside_others(meeting: &Meeting) -> bool {
    let Meeting { at, leads, others, outages: _, ran_since: _ } = meeting;
    // What leads and is not among the others has ended a moment ago without a word.
    !leads || others.iter().any(|(_, seen_at)| seen_at.plus(RUNNING) > *at)
}

/// Whether a clock that is ahead by so many milliseconds is right enough to record what it does.
fn is_good(ahead: i64) -> bool {
    Duration::from_millis(ahead.unsigned_abs()) <= CLOCK_TOLERANCE
}

/// Returns by how many milliseconds the clock of a replica is ahead, which showed `began` and `ended`
/// before and after the store's showed `at`.
fn ahead_of(at: Timestamp, began: Timestamp, ended: Timestamp) -> i64 {
    began.millis().midpoint(ended.millis()).saturating_sub(at.millis())
}

#[cfg(test)]
mod tests;
