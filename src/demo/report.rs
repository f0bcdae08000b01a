//! The report that a check makes.

use super::chance::Of;
use super::fleet::{BIRTH, Fleet};
use super::incidents::BadDeploy;
use super::inventory::{Job, REPOS};
use super::pace::{HOUR, MINUTE, Pace};
use super::verdict::{Check, World};
use crate::domain::{
    DriftCount, FileName, FileNames, GitRevision, Report, ReportedTime, ReporterSchedule, RunUrl,
    SyncStatus,
};

/// How often a repository gets a commit that applies.
const COMMITS_EVERY: i64 = 5 * HOUR;
/// How far apart the commits of two repositories are.
const BETWEEN_COMMITS: i64 = 47 * MINUTE;
/// The number of the first run.
const FIRST_RUN: i64 = 20_000;

/// After how much silence an hourly entry is stale, as the server's default is.
const HOURLY_STALE_AFTER: i64 = 2 * HOUR;
const DEFAULT_STALE_AFTER_SECONDS: u32 = 7200;
const NIGHTLY_STALE_AFTER: i64 = 26 * HOUR;

impl Fleet {
    /// Returns the report of a check.
    pub(super) fn report(&self, world: &World<'_>, check: &Check, pace: &Pace) -> Option<Report> {
        let Check { at, run_began, repo, index, is_first: _ } = *check;
        let of_repo = REPOS.get(repo)?;
        let names = world.drifted_files(check);
        let count = DriftCount::parse(names.len() as u64).ok()?;
        let files: FileNames = names.iter().filter_map(|name| FileName::parse(name).ok()).collect();
        let (revision, url) = if of_repo.job == Job::Cron {
            (None, None)
        } else {
            let number = FIRST_RUN + (run_began - BIRTH).div_euclid(MINUTE);
            let url = format!("https://ci.example.com/infra/{}/-/pipelines/{number}", of_repo.name);
            let revision = self.revision(&world.incidents.bad_deploys, repo, run_began);
            (GitRevision::parse(&revision).ok(), RunUrl::parse(&url).ok())
        };
        Some(Report {
            repo: self.repo(repo)?,
            server: self.server(index, at)?,
            sync_status: if names.is_empty() { SyncStatus::Synced } else { SyncStatus::OutOfSync },
            drift_count: count,
            files,
            last_check: ReportedTime::to_the_second(pace.clock_at(at)),
            schedule: schedule(of_repo.job, at, pace),
            revision,
            url,
        })
    }

    /// Returns the commit that is the latest of a repository at a moment.
    fn revision(&self, bad_deploys: &[BadDeploy], repo: usize, at: i64) -> String {
        let of = i64::try_from(repo).unwrap_or(0);
        let phase = of * BETWEEN_COMMITS;
        let number = (at - phase).div_euclid(COMMITS_EVERY);
        let regular = (number * COMMITS_EVERY + phase, [of, number, 0]);
        let of_deploys = bad_deploys.iter().filter(|bad| bad.repo == repo).flat_map(|bad| {
            [(bad.deployed, [of, bad.number, 1]), (bad.fixed, [of, bad.number, 2])]
        });
        let known = of_deploys.filter(|(made, _)| *made <= at).chain([regular]);
        let (_, latest) = known.max_by_key(|(made, _)| *made).unwrap_or(regular);
        let part = |part| self.chance.draw(Of::Revision, [latest[0], latest[1], latest[2] + part]);
        format!("{:016x}{:016x}{:08x}", part(10), part(20), part(30) >> 32)
    }
}

/// Returns what a report says of its job's rhythm: nothing, if the server's default fits.
fn schedule(job: Job, at: i64, pace: &Pace) -> ReporterSchedule {
    let stale_after = match job {
        Job::Hourly | Job::Cron => pace.seconds(at, HOURLY_STALE_AFTER),
        Job::Nightly => pace.seconds(at, NIGHTLY_STALE_AFTER),
    };
    ReporterSchedule {
        stale_after_seconds: (stale_after != DEFAULT_STALE_AFTER_SECONDS).then_some(stale_after),
        ttl_seconds: None,
    }
}
