//! What this replica knows of the others, and what it may do for all of them.
//!
//! The follower writes it, and the writer obeys it. A store that one process has alone has no others:
//! then this replica may do everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::{CLOCK_TOLERANCE, Outage, Timestamp};
use crate::metrics::ReplicaState;
use crate::mutex::locked;
use crate::store::{Meeting, Replica, Store, StoreError};

/// For how long a meeting says who leads. The store gives the lead to another replica after that.
const LEASE: Duration = Duration::from_secs(5);
/// A replica that has not said for so long that it runs is not counted on.
const RUNNING: Duration = Duration::from_secs(5);
/// For how long the others may not be heard before that is a fault.
const PATIENCE: Duration = Duration::from_secs(1);
/// A difference between the clocks of this replica and of the store that is worth a warning.
const NOTABLE: Duration = Duration::from_secs(1);
/// The name under which versions are compared, like a setting.
const VERSION: &str = "version";

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
        me: &Replica,
        clock: &dyn Clock,
    ) -> Result<Option<Self>, StoreError> {
        let began = clock.read();
        let Some(meeting) = store.meet(me).await? else { return Ok(None) };
        let ended = clock.read();
        let ahead = ahead_of(meeting.at, began.wall, ended.wall);
        let took = ended.monotonic.saturating_sub(began.monotonic);
        Ok(Some(Self { meeting, ahead, took }))
    }
}

/// What is known of the other replicas.
#[derive(Debug)]
pub(super) struct Replicas {
    pub(super) me: Replica,
    /// `None` if one process has the store alone.
    company: Option<Mutex<Company>>,
}

#[derive(Debug)]
struct Company {
    met_at: Instant,
    leads: bool,
    others: usize,
    /// By how much this replica's clock is ahead of the store's, in milliseconds.
    ahead: i64,
    is_clock_off: bool,
    /// The names of other replicas, by the setting that they have otherwise.
    differing: BTreeMap<String, BTreeSet<String>>,
    /// What all replicas have noted, until the writer has taken it.
    outages: Option<Vec<Outage>>,
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
                ahead: 0,
                is_clock_off: false,
                differing: BTreeMap::new(),
                outages: None,
                deaf_since: None,
                is_following: true,
            };
            company.note(&me, met);
            Mutex::new(company)
        });
        Self { me, company }
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

    /// Whether this replica stores what the clock has done to entries: if it leads, and if its clock
    /// does not contradict the one that all replicas share. A replica that is alone has only its own.
    pub(super) fn may_settle(&self) -> bool {
        self.company().is_none_or(|company| {
            let off_by = Duration::from_millis(company.ahead.unsigned_abs());
            let is_clock_good = off_by <= CLOCK_TOLERANCE;
            company.leads() && (is_clock_good || company.others == 0)
        })
    }

    /// Returns the noted outages if there was a meeting since they were last taken.
    pub(super) fn take_outages(&self) -> Option<Vec<Outage>> {
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
        let settings = settings_of(&self.me).map(|(name, _)| name);
        let differing = settings.chain([VERSION]).map(|name| {
            let count = company.differing.get(name).map_or(0, BTreeSet::len);
            (name.to_owned(), count)
        });
        Some(ReplicaState {
            running: company.others + 1,
            leads: company.leads(),
            is_following: company.is_following,
            clock_ahead: company.ahead,
            differing: differing.collect(),
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

    fn note(&mut self, me: &Replica, met: Met) {
        let Met { meeting, ahead, took } = met;
        let Meeting { at: _, leads, others, outages } = meeting;
        self.met_at = Instant::now();
        self.leads = leads;
        self.others = others.len();
        self.outages = Some(outages);
        self.note_clock(ahead, took);
        let mut differing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (other, _) in &others {
            for name in differences(me, other) {
                differing.entry(name.to_owned()).or_default().insert(other.name.clone());
            }
        }
        if differing != self.differing {
            log_differences(&differing);
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
    let Meeting { at, leads, others, outages: _ } = meeting;
    // What leads and is not among the others has ended a moment ago without a word.
    !leads || others.iter().any(|(_, seen_at)| seen_at.plus(RUNNING) > *at)
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

fn log_differences(differing: &BTreeMap<String, BTreeSet<String>>) {
    if differing.is_empty() {
        log::info!("All replicas have the same version and settings");
        return;
    }
    for (setting, replicas) in differing {
        let replicas: Vec<&str> = replicas.iter().map(String::as_str).collect();
        let replicas = replicas.join(", ");
        log::warn!("Other replicas run with another {setting}, and answer otherwise: {replicas}");
    }
}

/// Returns by how many milliseconds the clock of a replica is ahead, which showed `began` and `ended`
/// before and after the store's showed `at`.
fn ahead_of(at: Timestamp, began: Timestamp, ended: Timestamp) -> i64 {
    began.millis().midpoint(ended.millis()).saturating_sub(at.millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(version: &str, settings: &str) -> Replica {
        Replica {
            name: format!("{version}:1"),
            version: version.to_owned(),
            settings: settings.to_owned(),
        }
    }

    fn meeting(leads: bool, others: &[(&Replica, i64)]) -> Meeting {
        let at = Timestamp::from_millis(100_000);
        let seen = |seconds_ago: i64| Timestamp::from_millis(at.millis() - seconds_ago * 1000);
        let others = others.iter().map(|(other, ago)| (Replica::clone(other), seen(*ago)));
        Meeting { at, leads, others: others.collect(), outages: Vec::new() }
    }

    fn met(meeting: Meeting, ahead: i64) -> Met {
        Met { meeting, ahead, took: Duration::ZERO }
    }

    fn replicas(first: Option<Met>) -> Replicas {
        Replicas::new(replica("1", "ttl=a stale_after=b old=c"), first)
    }

    #[test]
    fn a_process_that_has_its_store_alone_does_everything_and_tells_nothing() {
        let alone = replicas(None);
        assert!(alone.leads() && alone.may_settle() && alone.state().is_none());
        alone.note_following(Err(&"never asked"));
        assert_eq!(alone.take_outages(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_lead_is_over_five_seconds_after_the_last_meeting() {
        let leading = replicas(Some(met(meeting(true, &[]), 0)));
        tokio::time::advance(Duration::from_millis(4999)).await;
        assert!(leading.leads() && leading.may_settle());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!leading.leads() && !leading.may_settle());
        leading.note_meeting(met(meeting(true, &[]), 0));
        assert!(leading.leads());
        leading.note_meeting(met(meeting(false, &[]), 0));
        assert!(!leading.leads());
    }

    #[test]
    fn a_replica_whose_clock_is_wrong_settles_nothing_beside_others() {
        let other = replica("1", "");
        for (ahead, may_settle) in [(4900, true), (-4900, true), (5100, false), (-5100, false)] {
            let beside = replicas(Some(met(meeting(true, &[(&other, 1)]), ahead)));
            assert_eq!((beside.leads(), beside.may_settle()), (true, may_settle), "{ahead} ms");
            assert!(
                replicas(Some(met(meeting(true, &[]), ahead))).may_settle(),
                "{ahead} ms alone"
            );
        }
    }

    #[test]
    fn settings_and_versions_that_differ_are_named() {
        let others = [replica("1", "ttl=x stale_after=b new=y"), replica("2", "ttl=z old=c")];
        let meeting = meeting(false, &[(&others[0], 1), (&others[1], 59)]);
        let state = replicas(Some(met(meeting, 0))).state().unwrap();
        assert_eq!(state.running, 3);
        assert_eq!(state.differing_names().collect::<Vec<_>>(), ["ttl", "version"]);
        let count = |(name, others): &(String, usize)| (name.clone(), *others);
        let counts: Vec<_> = state.differing.iter().map(count).collect();
        let expected = [("ttl", 2), ("stale_after", 0), ("old", 0), ("version", 1)];
        assert_eq!(counts, expected.map(|(name, others)| (name.to_owned(), others)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_question_without_an_answer_is_no_fault_yet() {
        let beside = replicas(Some(met(meeting(false, &[]), 0)));
        let is_following = || beside.state().unwrap().is_following;
        beside.note_following(Err(&"lost"));
        tokio::time::advance(Duration::from_millis(900)).await;
        beside.note_following(Err(&"lost"));
        assert!(is_following());
        tokio::time::advance(Duration::from_millis(100)).await;
        beside.note_following(Err(&"lost"));
        assert!(!is_following());
        beside.note_following(Ok(()));
        assert!(is_following());
        beside.note_following(Err(&"lost again"));
        assert!(is_following());
    }

    #[test]
    fn a_start_ends_an_outage_only_if_nobody_ran_before_it() {
        let other = replica("1", "");
        assert!(!is_beside_others(&meeting(true, &[])));
        assert!(is_beside_others(&meeting(true, &[(&other, 4)])));
        assert!(!is_beside_others(&meeting(true, &[(&other, 30)])), "it was killed");
        assert!(
            is_beside_others(&meeting(false, &[])),
            "the one that leads was there a moment ago"
        );
    }

    #[test]
    fn the_offset_of_a_clock_is_taken_in_the_middle_of_a_meeting() {
        let at = Timestamp::from_millis;
        assert_eq!(ahead_of(at(5_000), at(5_900), at(6_100)), 1_000);
        assert_eq!(ahead_of(at(5_000), at(3_900), at(4_100)), -1_000);
    }
}
