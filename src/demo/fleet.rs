//! The fleet, and all that happens in it.

use super::act::Act;
use super::chance::{Chance, Of};
use super::incidents::{Incidents, Replacements, reached};
use super::inventory::{FLAPPING_REPO, Place, REPOS, places};
use super::pace::{HOUR, Pace, SECOND};
use super::timetable::Timetable;
use super::verdict::{Check, FLAP, World};
use crate::domain::{Action, Key, RepoName, ServerName};

/// When the fleet's jobs first report: 30 hours before the start, by the clock of a slow past.
pub const BIRTH: i64 = -15 * HOUR / 2;

/// The time between the first reports of a new server.
const BETWEEN_FIRST_REPORTS: i64 = SECOND;
/// How many servers a job flaps on.
const FLAPPING: usize = 2;

/// A fleet of 300 servers and 25 repositories; each server has every repository.
#[derive(Debug)]
pub struct Fleet {
    pub(super) chance: Chance,
    places: Vec<Place>,
    repos: Vec<RepoName>,
    /// The first server of each place.
    servers: Vec<ServerName>,
    flapping: Vec<usize>,
    replacements: Replacements,
    timetable: Timetable,
}

impl Fleet {
    /// Makes the fleet of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (chance, places) = (Chance::new(seed), places());
        let may_flap = |index: &usize| places.get(*index).is_some_and(Place::may_flap);
        let order = chance.order(places.len(), Of::Flapping, 0);
        let first_server = |place: &Place| ServerName::parse(&place.server(0)).ok();
        Self {
            flapping: order.into_iter().filter(may_flap).take(FLAPPING).collect(),
            replacements: Replacements::new(chance, places.len()),
            timetable: Timetable::new(chance, places.len()),
            // A test parses every name.
            repos: REPOS.iter().filter_map(|repo| RepoName::parse(repo.name).ok()).collect(),
            servers: places.iter().filter_map(first_server).collect(),
            places,
            chance,
        }
    }

    /// Returns what happens from one moment of the fleet to another, in the order of time.
    #[must_use]
    pub fn acts(&self, from: i64, until: i64, pace: &Pace) -> Vec<Act> {
        let from = from.max(BIRTH);
        let world = World {
            chance: self.chance,
            places: &self.places,
            flapping: &self.flapping,
            replacements: &self.replacements,
            incidents: Incidents::between(self.chance, &self.places, from, until),
        };
        let (mut checks, mut acts) = (Vec::new(), Vec::new());
        self.timetable.checks(from, until, &mut checks);
        self.follow_deploys(&world.incidents, &mut checks);
        self.flap(from, until, &mut checks);
        self.replace_servers(from, until, &mut checks, &mut acts);
        checks.retain(|check| (from..until).contains(&check.at) && !world.is_silent(check));
        acts.extend(checks.iter().filter_map(|check| {
            Some((check.at, Action::Report(self.report(&world, check, pace)?)))
        }));
        acts.sort_by_key(|(at, _)| *at);
        acts.into_iter().map(|(at, action)| Act { at: pace.clock_at(at), action }).collect()
    }

    /// Returns only the removals of a time, in no order.
    pub(super) fn removals(&self, from: i64, until: i64, pace: &Pace) -> Vec<Act> {
        let mut acts = Vec::new();
        if from < until {
            self.replace_servers(from, until, &mut Vec::new(), &mut acts);
        }
        acts.into_iter().map(|(at, action)| Act { at: pace.clock_at(at), action }).collect()
    }

    /// Adds the checks with which each deploy ends on each server.
    fn follow_deploys(&self, incidents: &Incidents, checks: &mut Vec<Check>) {
        for bad in &incidents.bad_deploys {
            for begun in [bad.deployed, bad.fixed] {
                checks.extend((0..self.places.len()).map(|index| {
                    let at = reached(begun, index);
                    Check { at, run_began: begun, repo: bad.repo, index, is_first: false }
                }));
            }
        }
    }

    /// Adds the checks of the job that flaps, which runs more often than the others.
    fn flap(&self, from: i64, until: i64, checks: &mut Vec<Check>) {
        for index in &self.flapping {
            let number = (from - 1).div_euclid(FLAP) + 1;
            let times = (number..).map(|number| number * FLAP).take_while(|at| *at < until);
            checks.extend(times.map(|at| Check {
                at,
                run_began: at,
                repo: FLAPPING_REPO,
                index: *index,
                is_first: false,
            }));
        }
    }

    /// Takes out what is listed of servers that are switched off for good, and lets each new server
    /// report for the first time.
    fn replace_servers(
        &self,
        from: i64,
        until: i64,
        checks: &mut Vec<Check>,
        acts: &mut Vec<(i64, Action)>,
    ) {
        let takes = BETWEEN_FIRST_REPORTS * i64::try_from(REPOS.len() + 1).unwrap_or(0);
        for index in 0..self.places.len() {
            for moment in self.replacements.moments(index, from - takes, until) {
                let Some(server) = self.server(index, moment - 1) else { continue };
                if moment >= from {
                    let entries = self.repos.iter().cloned();
                    acts.extend(entries.map(|repo| {
                        (moment, Action::Remove(Key { repo, server: server.clone() }))
                    }));
                }
                let times = (1..).map(|number| moment + number * BETWEEN_FIRST_REPORTS);
                checks.extend((0..self.repos.len()).zip(times).map(|(repo, at)| Check {
                    at,
                    run_began: moment,
                    repo,
                    index,
                    is_first: true,
                }));
            }
        }
    }

    pub(super) fn repo(&self, repo: usize) -> Option<RepoName> {
        self.repos.get(repo).cloned()
    }

    /// Returns the server that is in a place at a moment.
    pub(super) fn server(&self, index: usize, at: i64) -> Option<ServerName> {
        match self.replacements.before(index, at) {
            0 => self.servers.get(index).cloned(),
            replaced => ServerName::parse(&self.places.get(index)?.server(replaced)).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::demo::pace::MINUTE;
    use crate::domain::Timestamp;

    fn pace() -> Pace {
        Pace::with_a_slow_past(Timestamp::from_millis(1_776_767_535_000), 60)
    }

    #[test]
    fn pieces_of_time_have_the_same_acts_as_the_whole() {
        let (fleet, pace) = (Fleet::new(7), pace());
        let shown = |acts: Vec<Act>| {
            acts.into_iter().map(|act| format!("{act:?}")).collect::<BTreeSet<String>>()
        };
        let (begin, end) = (-40 * MINUTE, 75 * MINUTE);
        let whole = fleet.acts(begin, end, &pace);
        let count = whole.len();
        let mut pieces = BTreeSet::new();
        let mut counted = 0;
        for from in (begin..end).step_by(usize::try_from(7 * MINUTE).unwrap()) {
            let piece = fleet.acts(from, end.min(from + 7 * MINUTE), &pace);
            counted += piece.len();
            pieces.extend(shown(piece));
        }
        assert_eq!(counted, count);
        assert_eq!(pieces, shown(whole));
    }

    #[test]
    fn the_removals_of_a_time_are_those_among_its_acts() {
        let (fleet, pace) = (Fleet::new(7), pace());
        let removed = |acts: Vec<Act>| {
            let acts = acts.into_iter().filter(|act| matches!(act.action, Action::Remove(_)));
            acts.map(|act| format!("{act:?}")).collect::<BTreeSet<String>>()
        };
        let removals = fleet.removals(0, 9 * HOUR, &pace);
        assert!(removals.len() >= 25, "{removals:?}");
        assert_eq!(removed(removals), removed(fleet.acts(0, 9 * HOUR, &pace)));
    }

    #[test]
    fn there_are_7500_entries_from_the_first_hour_on() {
        let (fleet, pace) = (Fleet::new(7), pace());
        let mut entries = BTreeMap::new();
        for hour in 0..20 {
            let begin = BIRTH + hour * HOUR;
            for act in fleet.acts(begin, begin + HOUR, &pace) {
                match act.action {
                    Action::Report(report) => {
                        let key = (report.repo.to_string(), report.server.to_string());
                        entries.insert(key, report.is_drifted());
                    }
                    Action::Remove(Key { repo, server }) => {
                        let was = entries.remove(&(repo.to_string(), server.to_string()));
                        assert!(was.is_some(), "{repo} {server}");
                    }
                }
            }
            // A server that is down in its first hour may wait for the night.
            let missing = 7500 - entries.len();
            assert!(missing == 0 || hour < 7, "{missing} are missing in hour {hour}");
            let drifted = entries.values().filter(|is_drifted| **is_drifted).count();
            assert!((10..1000).contains(&drifted), "{drifted} in hour {hour}");
        }
    }
}
