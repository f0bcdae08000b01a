//! What goes wrong in the fleet: bad deploys, servers that are down, runners that have died, servers
//! that are replaced.
//!
//! Each kind comes at its own rhythm, so the incidents of any moment can be listed without those
//! before it.

use std::ops::Range;

use super::chance::{Chance, Of};
use super::fleet::BIRTH;
use super::inventory::{Job, Place, REPOS};
use super::pace::{HOUR, MINUTE};

/// No incident matters for longer than this after its beginning.
const LONGEST: i64 = 6 * HOUR;

const BAD_DEPLOY_EVERY: i64 = HOUR;
/// One has begun to roll out shortly before the start.
const BAD_DEPLOY_PHASE: i64 = -12 * MINUTE;
const BAD_DEPLOY_LASTS: i64 = 30 * MINUTE;
/// How long a deploy takes from one server to the next.
const ROLLOUT_STEP: i64 = 3600;

const OUTAGE_EVERY: i64 = 40 * MINUTE;

const DEAD_RUNNER_EVERY: i64 = 4 * HOUR;
/// At the start, one has been dead for more than two hours.
const DEAD_RUNNER_PHASE: i64 = 80 * MINUTE;
const DEAD_RUNNER_LASTS: i64 = 3 * HOUR + 15 * MINUTE;

const DECOMMISSION_EVERY: i64 = 150 * MINUTE;
/// By this time of the fleet, every job has reported once.
const FIRST_DECOMMISSION: i64 = BIRTH + 70 * MINUTE;
/// How long it takes until somebody takes a decommissioned server's entries out.
const NOTICED_AFTER: i64 = 5 * HOUR;

/// A commit that does not apply, until its fix. Both reach one server after the other.
#[derive(Debug)]
pub(super) struct BadDeploy {
    pub(super) number: i64,
    pub(super) repo: usize,
    /// The role of the servers that it breaks; `None` is all.
    role: Option<&'static str>,
    pub(super) deployed: i64,
    pub(super) fixed: i64,
}

impl BadDeploy {
    /// Whether a server has the bad commit and not the fix yet.
    pub(super) fn affects(&self, repo: usize, index: usize, place: &Place, at: i64) -> bool {
        let is_affected = self.repo == repo && self.role.is_none_or(|role| role == place.role);
        is_affected && (reached(self.deployed, index)..reached(self.fixed, index)).contains(&at)
    }
}

/// Returns when a deploy that begins at a moment reaches a server.
pub(super) fn reached(begun: i64, index: usize) -> i64 {
    begun + ROLLOUT_STEP * i64::try_from(index).unwrap_or(0)
}

/// A server that is down, or a runner that is dead.
#[derive(Debug)]
pub(super) struct Silence {
    /// The index of the server or of the runner's repository.
    pub(super) of: usize,
    pub(super) time: Range<i64>,
}

/// What goes wrong around a moment.
#[derive(Debug)]
pub(super) struct Incidents {
    pub(super) bad_deploys: Vec<BadDeploy>,
    pub(super) outages: Vec<Silence>,
    pub(super) dead_runners: Vec<Silence>,
}

impl Incidents {
    /// Lists what matters from one moment to another.
    pub(super) fn between(chance: Chance, places: &[Place], from: i64, until: i64) -> Self {
        let hourly: Vec<usize> = (0..).zip(&REPOS).filter_map(is_hourly).collect();
        let slots = |every: i64, phase: i64| {
            (from - LONGEST - phase).div_euclid(every)..=(until - phase).div_euclid(every)
        };
        let bad_deploy = |number| {
            let about = [number, 0, 0];
            let repo = pick(chance, &hourly, Of::BadDeploy, number)?;
            let late = chance.below(5 * MINUTE, Of::BadDeploy, about);
            let deployed = number * BAD_DEPLOY_EVERY + BAD_DEPLOY_PHASE + late;
            let role = if number.rem_euclid(3) == 1 { Some("web") } else { None };
            Some(BadDeploy { number, repo, role, deployed, fixed: deployed + BAD_DEPLOY_LASTS })
        };
        let everyone: Vec<usize> = (0..places.len()).collect();
        let outage = |number| {
            let about = [number, 0, 0];
            let begin = number * OUTAGE_EVERY + chance.below(15 * MINUTE, Of::Outage, about);
            let lasts = 140 * MINUTE + chance.below(100 * MINUTE, Of::Outage, [number, 1, 0]);
            let of = pick(chance, &everyone, Of::Outage, number)?;
            Some(Silence { of, time: begin..begin + lasts })
        };
        let dead_runner = |number| {
            let late = chance.below(20 * MINUTE, Of::DeadRunner, [number, 0, 0]);
            let begin = number * DEAD_RUNNER_EVERY + DEAD_RUNNER_PHASE + late;
            let of = pick(chance, &hourly, Of::DeadRunner, number)?;
            Some(Silence { of, time: begin..begin + DEAD_RUNNER_LASTS })
        };
        Self {
            bad_deploys: slots(BAD_DEPLOY_EVERY, BAD_DEPLOY_PHASE).filter_map(bad_deploy).collect(),
            outages: slots(OUTAGE_EVERY, 0).filter_map(outage).collect(),
            dead_runners: slots(DEAD_RUNNER_EVERY, DEAD_RUNNER_PHASE)
                .filter_map(dead_runner)
                .collect(),
        }
    }
}

fn is_hourly((index, repo): (usize, &super::inventory::Repo)) -> Option<usize> {
    (repo.job != Job::Nightly).then_some(index)
}

/// Picks the one that an incident hits: each has its turn before one is hit again.
fn pick(chance: Chance, among: &[usize], of: Of, number: i64) -> Option<usize> {
    let count = i64::try_from(among.len()).ok().filter(|count| *count > 0)?;
    let order = chance.order(among.len(), of, number.div_euclid(count));
    let turn = usize::try_from(number.rem_euclid(count)).ok()?;
    among.get(*order.get(turn)?).copied()
}

/// The servers that are decommissioned, and replaced by others.
#[derive(Debug)]
pub(super) struct Replacements {
    /// The turn of each place.
    turns: Vec<i64>,
}

impl Replacements {
    pub(super) fn new(chance: Chance, places: usize) -> Self {
        let mut turns = vec![0; places];
        for (turn, place) in (0..).zip(chance.order(places, Of::Decommission, 0)) {
            if let Some(of_place) = turns.get_mut(place) {
                *of_place = turn;
            }
        }
        Self { turns }
    }

    /// Returns the moments from one to another at which a server is replaced.
    pub(super) fn moments(&self, index: usize, from: i64, until: i64) -> impl Iterator<Item = i64> {
        let replaced = FIRST_DECOMMISSION + NOTICED_AFTER;
        let slot = |at: i64| (at - replaced).div_euclid(DECOMMISSION_EVERY);
        let (turn, cycle) = self.turn(index);
        (slot(from)..=slot(until))
            .filter(move |number| *number >= 0 && number.rem_euclid(cycle) == turn)
            .map(move |number| replaced + number * DECOMMISSION_EVERY)
            .filter(move |moment| (from..until).contains(moment))
    }

    /// Returns how many servers have been replaced in a place.
    pub(super) fn before(&self, index: usize, at: i64) -> usize {
        let (turn, cycle) = self.turn(index);
        let last = (at - FIRST_DECOMMISSION - NOTICED_AFTER).div_euclid(DECOMMISSION_EVERY);
        usize::try_from((last - turn).div_euclid(cycle) + 1).unwrap_or(0)
    }

    /// Whether the server in a place is switched off for good, and still listed.
    pub(super) fn is_off(&self, index: usize, at: i64) -> bool {
        self.moments(index, at + 1, at + 1 + NOTICED_AFTER).next().is_some()
    }

    fn turn(&self, index: usize) -> (i64, i64) {
        let cycle = i64::try_from(self.turns.len()).unwrap_or(1).max(1);
        (self.turns.get(index).copied().unwrap_or(-1), cycle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::inventory::places;

    #[test]
    fn every_place_is_emptied_once_before_one_is_emptied_again() {
        let replacements = Replacements::new(Chance::new(3), 300);
        let whole_cycle = FIRST_DECOMMISSION + NOTICED_AFTER + 300 * DECOMMISSION_EVERY;
        for index in 0..300 {
            let moments: Vec<i64> = replacements.moments(index, BIRTH, whole_cycle).collect();
            let [moment] = moments[..] else { panic!("{moments:?}") };
            assert_eq!(replacements.before(index, moment - 1), 0);
            assert_eq!(replacements.before(index, moment), 1);
            assert!(replacements.is_off(index, moment - 1));
            assert!(!replacements.is_off(index, moment));
            assert!(!replacements.is_off(index, moment - NOTICED_AFTER - 1));
            assert!(replacements.is_off(index, moment - NOTICED_AFTER));
        }
    }

    #[test]
    fn the_incidents_of_a_moment_do_not_depend_on_what_else_is_listed() {
        let (chance, places) = (Chance::new(3), places());
        let listed = |from, until| {
            let incidents = Incidents::between(chance, &places, from, until);
            let of_moment = |silence: &&Silence| silence.time.contains(&(10 * HOUR));
            incidents
                .outages
                .iter()
                .chain(&incidents.dead_runners)
                .filter(of_moment)
                .map(|silence| (silence.of, silence.time.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(listed(10 * HOUR, 10 * HOUR + 1), listed(BIRTH, 20 * HOUR));
    }

    #[test]
    fn two_hours_at_any_time_have_a_bad_deploy_from_its_beginning_to_its_end() {
        for seed in 0..20 {
            let incidents = Incidents::between(Chance::new(seed), &places(), BIRTH, 40 * HOUR);
            for from in (BIRTH..38 * HOUR).step_by(60_000) {
                let is_whole = |bad: &&BadDeploy| {
                    bad.deployed >= from && reached(bad.fixed, 299) <= from + 2 * HOUR
                };
                assert!(incidents.bad_deploys.iter().any(|bad| is_whole(&bad)), "{seed} {from}");
            }
        }
    }
}
