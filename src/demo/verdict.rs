//! What a check finds, if it comes to an end.

use super::chance::{Chance, Of};
use super::incidents::{BadDeploy, Incidents, Replacements, Silence};
use super::inventory::{FLAPPING_REPO, Job, Place, REPOS};
use super::pace::{HOUR, MINUTE};

/// How long a job that flaps stays at one verdict.
pub(super) const FLAP: i64 = 10 * MINUTE;

/// In how long a file of an entry may be edited by hand once, and repaired.
const EDITS_EVERY: i64 = 36 * HOUR;

/// One check of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    pub(super) at: i64,
    /// When its job's run began.
    pub(super) run_began: i64,
    pub(super) repo: usize,
    /// The index of the server's place.
    pub(super) index: usize,
    /// Whether it is the first one of a new server, which is up.
    pub(super) is_first: bool,
}

/// All that decides what checks find.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) chance: Chance,
    pub(super) places: &'a [Place],
    pub(super) flapping: &'a [usize],
    pub(super) replacements: &'a Replacements,
    pub(super) incidents: Incidents,
}

impl World<'_> {
    /// Whether nothing comes of a check: the server is off, or what runs the job is.
    pub(super) fn is_silent(&self, check: &Check) -> bool {
        let Check { at, repo, index, is_first, run_began: _ } = *check;
        if is_first {
            return false;
        }
        let Incidents { outages, dead_runners, bad_deploys: _ } = &self.incidents;
        let hits = |of, silence: &Silence| silence.of == of && silence.time.contains(&at);
        let is_runner_dead = dead_runners.iter().any(|runner| hits(repo, runner));
        // A new server does not inherit its predecessor's outage.
        let replaced = |at| self.replacements.before(index, at);
        let is_down = outages
            .iter()
            .any(|outage| hits(index, outage) && replaced(outage.time.start) == replaced(at));
        is_runner_dead || is_down || self.replacements.is_off(index, at)
    }

    /// Returns the files that differ; none if the server is in sync.
    pub(super) fn drifted_files(&self, check: &Check) -> Vec<&'static str> {
        let Check { at, repo, index, .. } = *check;
        let (Some(of_repo), Some(place)) = (REPOS.get(repo), self.places.get(index)) else {
            return Vec::new();
        };
        let affects = |bad: &&BadDeploy| bad.affects(repo, index, place, at);
        if let Some(bad) = self.incidents.bad_deploys.iter().find(affects) {
            return self.some(of_repo.files, Of::BadFiles, [bad.number, 0]);
        }
        let flaps = repo == FLAPPING_REPO && self.flapping.contains(&index);
        if flaps && at.div_euclid(FLAP).rem_euclid(2) == 1 {
            return of_repo.files.iter().copied().take(1).collect();
        }
        self.files_edited_by_hand(check, of_repo.job, of_repo.files)
    }

    /// Returns files that differ because somebody edited them, until they are repaired.
    fn files_edited_by_hand(
        &self,
        check: &Check,
        job: Job,
        files: &'static [&'static str],
    ) -> Vec<&'static str> {
        let Check { at, repo, index, .. } = *check;
        let (chance, of) = (self.chance, Of::HandEdit);
        let replaced = self.replacements.before(index, at);
        let entry = number(repo) * 1_000_000 + number(index) * 1000 + number(replaced);
        let from_edits_on = at + chance.below(EDITS_EVERY, of, [entry, 0, 0]);
        let (edit, after) =
            (from_edits_on.div_euclid(EDITS_EVERY), from_edits_on.rem_euclid(EDITS_EVERY));
        // People edit the files of some repositories only.
        let is_edited = chance.below(5, of, [number(repo), 0, 4]) < 2;
        let in_a_thousand = match job {
            Job::Nightly => 40,
            Job::Hourly | Job::Cron if is_edited => 25,
            Job::Hourly | Job::Cron => 1,
        };
        if chance.below(1000, of, [entry, edit, 1]) >= in_a_thousand {
            return Vec::new();
        }
        let half = EDITS_EVERY / 2;
        let edited = chance.below(half, of, [entry, edit, 2]);
        let repaired = half + chance.below(half, of, [entry, edit, 3]);
        if (edited..repaired).contains(&after) {
            self.some(files, Of::EditedFiles, [entry, edit])
        } else {
            Vec::new()
        }
    }

    /// Draws at least one of some files.
    fn some(&self, files: &[&'static str], of: Of, about: [i64; 2]) -> Vec<&'static str> {
        let most = number(files.len());
        let count = 1 + self.chance.below(most, of, [about[0], about[1], 0]);
        let order = self.chance.order(files.len(), of, about[0] ^ about[1]);
        let mut drawn: Vec<usize> =
            order.into_iter().take(usize::try_from(count).unwrap_or(1)).collect();
        drawn.sort_unstable();
        drawn.into_iter().filter_map(|index| files.get(index).copied()).collect()
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(0)
}
