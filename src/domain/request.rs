//! Requests: what clients ask to be done to the entries, and what comes of it.

use thiserror::Error;

use super::{Actor, Full, Key, KeyRef, Omitted, Report};

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Record the latest report of a pair.
    Report(Report),
    /// Take an entry out at once.
    Remove(Key),
}

/// An action, and who asks for it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub action: Action,
    /// Who asks, if that is known.
    pub by: Option<Actor>,
}

impl Request {
    /// Returns the pair that the request is about.
    #[must_use]
    pub fn key(&self) -> KeyRef<'_> {
        match &self.action {
            Action::Report(report) => report.key(),
            Action::Remove(key) => key.borrow(),
        }
    }

    /// Returns the same with texts that it shares.
    #[must_use]
    pub fn to_key(&self) -> Key {
        match &self.action {
            Action::Report(report) => report.to_key(),
            Action::Remove(key) => key.clone(),
        }
    }

    /// Estimates how many bytes the request takes in memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        match &self.action {
            Action::Report(report) => report.weight(),
            Action::Remove(key) => key.repo.as_str().len() + key.server.as_str().len(),
        }
    }
}

/// What a request has achieved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Done {
    /// The report is the pair's latest, but for what was omitted for want of room.
    Recorded(Omitted),
    /// The entry is gone.
    Removed,
}

/// Why a request has no effect.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refused {
    /// It is the first report of a pair, and a limit keeps new entries out.
    #[error("a limit on what is stored is reached")]
    Full(Full),
    /// There is no entry to take out.
    #[error("there is no such entry")]
    NoSuchEntry,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{
        Capacity, Event, Head, Now, Plan, Policy, Revision, SETTLING_TIME, Snapshot, SyncStatus,
        Timestamp,
    };

    const CAPACITY: Capacity = Capacity { entries: Some(2), bytes: None };

    fn now(at: i64) -> Now {
        Now { at: Timestamp::from_millis(at), steady_for: 2 * SETTLING_TIME }
    }

    fn report(server: &str, by: Option<&str>) -> Request {
        let report = Report { sync_status: SyncStatus::OutOfSync, ..Report::synced("r", server) };
        Request { action: Action::Report(report), by: by.map(|name| Actor::parse(name).unwrap()) }
    }

    fn remove(server: &str, by: &str) -> Request {
        let key = Report::synced("r", server).to_key();
        Request { action: Action::Remove(key), by: Some(Actor::parse(by).unwrap()) }
    }

    fn told(plan: &Plan) -> Vec<(Event, Option<&str>)> {
        let told = plan.transitions().iter();
        told.map(|told| (told.event, told.by.as_ref().map(Actor::as_str))).collect()
    }

    #[test]
    fn the_history_is_told_who_asked_and_nobody_asked_for_what_the_clock_does() {
        let policy = Policy::new(Some(Duration::from_millis(10)), None);
        let mut snapshot = Snapshot::load(policy, Head::default(), Vec::new(), now(0));
        let plan = Plan::of(&snapshot, &[report("a", Some("ci"))], &CAPACITY, now(0));
        assert_eq!(told(&plan), [(Event::First, Some("ci"))]);
        snapshot.accept(&plan, Revision(1).into());
        snapshot.advance(now(20));
        let key = report("a", None);
        let settled = Plan::settling(&snapshot, [key.key()], now(20));
        assert_eq!(told(&settled), [(Event::Stale, None)]);
        let plan = Plan::of(&snapshot, &[remove("a", "ann")], &CAPACITY, now(30));
        assert_eq!(told(&plan), [(Event::Stale, None), (Event::Deleted, Some("ann"))]);
        snapshot.accept(&settled, Revision(2).into());
        let plan = Plan::of(&snapshot, &[report("a", Some("cd"))], &CAPACITY, now(30));
        assert_eq!(told(&plan), [(Event::Fresh, Some("cd"))]);
        assert!(Plan::settling(&snapshot, [key.key()], now(30)).is_empty(), "it is settled");
    }

    #[test]
    fn the_same_requests_can_be_planned_again_after_others_have_changed_the_entries() {
        let policy = Policy::new(None, None);
        let empty = Snapshot::load(policy, Head::default(), Vec::new(), now(0));
        let requests =
            [report("a", None), remove("b", "ann"), report("b", None), report("c", None)];
        let (recorded, full) =
            (Ok(Done::Recorded(Omitted::default())), Err(Refused::Full(Full::Entries)));
        let plan = Plan::of(&empty, &requests, &CAPACITY, now(1));
        assert_eq!(plan.outcomes(), [recorded, Err(Refused::NoSuchEntry), recorded, full]);
        let others = Plan::of(&empty, &[report("b", None)], &CAPACITY, now(1));
        let mut snapshot = empty.clone();
        snapshot.accept(&others, Revision(1).into());
        let plan = Plan::of(&snapshot, &requests, &CAPACITY, now(1));
        assert_eq!(plan.outcomes(), [recorded, Ok(Done::Removed), recorded, full]);
        assert_eq!(plan.news().len(), 3);
        let (Action::Report(asked), entry) = (&requests[0].action, &plan.news()[0].entry) else {
            panic!("it is a report")
        };
        assert_eq!(*asked, entry.report);
    }
}
