//! The checks that the jobs of the fleet make by the clock.

use super::chance::{Chance, Of};
use super::fleet::BIRTH;
use super::inventory::{Job, REPOS};
use super::pace::{HOUR, SECOND};
use super::verdict::Check;

/// When the nightly jobs begin.
const NIGHT: i64 = -3 * HOUR;
const DAY: i64 = 24 * HOUR;

/// How long a run takes from one server to the next, in an hour and in a night.
const HOURLY_STEP: i64 = 8 * SECOND;
const NIGHTLY_STEP: i64 = 12 * SECOND;
/// The time between the runs of two repositories.
const BETWEEN_RUNS: i64 = 144 * SECOND;

/// When each server is checked against each repository.
#[derive(Debug)]
pub(super) struct Timetable {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    repo: usize,
    index: usize,
    every: i64,
    /// When one of the runs begins.
    run_begins: i64,
    /// How long after the beginning of a run the server has its turn.
    turn: i64,
}

impl Timetable {
    pub(super) fn new(chance: Chance, places: usize) -> Self {
        let lines = (0..REPOS.len()).zip(&REPOS).flat_map(|(repo, of_repo)| {
            let of_repos = i64::try_from(repo).unwrap_or(0);
            let (every, begin, step) = match of_repo.job {
                Job::Hourly | Job::Cron => (HOUR, 0, HOURLY_STEP),
                Job::Nightly => (DAY, NIGHT, NIGHTLY_STEP),
            };
            let run_begins = begin + BETWEEN_RUNS * of_repos;
            (0..places).map(move |index| {
                let before = i64::try_from(index).unwrap_or(0);
                let late = chance.below(step, Of::CheckTime, [of_repos, before, 0]);
                Line { repo, index, every, run_begins, turn: step * before + late }
            })
        });
        Self { lines: lines.collect() }
    }

    /// Adds the checks from one moment to another.
    pub(super) fn checks(&self, from: i64, until: i64, checks: &mut Vec<Check>) {
        for Line { repo, index, every, run_begins, turn } in &self.lines {
            let check = |run_began, at| Check {
                at,
                run_began,
                repo: *repo,
                index: *index,
                is_first: false,
            };
            let born = BIRTH + turn;
            if *every == DAY && (from..until).contains(&born) {
                // Without it, the entry would not exist before the night.
                checks.push(check(BIRTH, born));
            }
            let first = run_begins + turn;
            let passed = (from - first + every - 1).div_euclid(*every);
            let times = (passed..).map(|number| first + number * every);
            checks.extend(times.take_while(|at| *at < until).map(|at| check(at - turn, at)));
        }
    }
}
