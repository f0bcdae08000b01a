//! The fleet: 25 repositories on 300 servers, each of which reports every hour.
//!
//! What a job reports is a pure function of the job and the hour, so a run can be repeated.

use std::fmt::Write as _;

use xxhash_rust::xxh3::xxh3_64;

/// The repositories.
const REPOS: u64 = 25;
/// The places for servers. When a server is replaced, its successor takes its place.
const PLACES: u64 = 300;
/// The jobs, each of which reports one entry.
pub const JOBS: u64 = REPOS * PLACES;

/// The first repositories are checked by a CI: their reports name a commit and a run of their own.
const WITH_RUN: u64 = 5;
/// These and the ones before name a commit.
const WITH_COMMIT: u64 = 15;

const DAY: u64 = 24;
const WEEK: u64 = 7 * DAY;
/// In how many hours a server is down once, an entry is edited by hand once, and a server is replaced.
const DOWN_EVERY: u64 = 30 * DAY;
const EDITED_EVERY: u64 = 20 * DAY;
const REPLACED_EVERY: u64 = 150 * DAY;
/// In how many hours one repository has a bad deploy.
const DEPLOY_EVERY: u64 = 12;
/// In how many weeks a tenth of the servers is silent for one.
const SILENT_EVERY: u64 = 13;
const SILENT_WEEK: u64 = 5;

/// What a number is drawn for.
#[derive(Clone, Copy)]
enum Of {
    Down,
    DownLasts,
    Edit,
    EditLasts,
    EditFiles,
    Replaced,
    Deploy,
    Deployed,
    Turn,
    Commit,
}

/// A job: one repository on one place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Job(pub u64);

/// The files that differ, a bit for each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Finding(u64);

impl Finding {
    /// The names of the files.
    pub fn files(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [&str; 4] =
            ["main.conf", "conf.d/10-limits.conf", "conf.d/20-tls.conf", "unit.service"];
        NAMES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, name)| name)
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The word for it.
    pub fn status(self) -> &'static str {
        if self.0 == 0 { "SYNCED" } else { "OUT_OF_SYNC" }
    }
}

impl Job {
    fn repo(self) -> u64 {
        self.0 % REPOS
    }

    fn place(self) -> u64 {
        self.0 / REPOS
    }

    /// The quarter of an hour in which the job has its turn.
    pub fn quarter(self) -> u64 {
        draw(Of::Turn, self.0, 0) % 4
    }

    /// How many servers have been replaced in its place before an hour.
    pub fn generation(self, hour: u64) -> u64 {
        (hour + draw(Of::Replaced, self.place(), 0) % REPLACED_EVERY) / REPLACED_EVERY
    }

    /// Whether somebody takes out the entries of the server of a generation when it is replaced. The
    /// others fall silent and expire.
    pub fn is_taken_out(self, generation: u64) -> bool {
        (self.place() + generation).is_multiple_of(2)
    }

    pub fn repo_name(self) -> String {
        format!("repo-{:02}", self.repo())
    }

    pub fn server_name(self, generation: u64) -> String {
        format!("server-{:03}-{generation}.example.net", self.place())
    }

    /// Whether the server does not report in an hour.
    pub fn is_silent(self, hour: u64) -> bool {
        let (place, week) = (self.place(), hour / WEEK);
        let is_silent_week =
            week % SILENT_EVERY == SILENT_WEEK && place % 10 == week / SILENT_EVERY;
        let (epoch, after) = epoch(Of::Down, place, hour, DOWN_EVERY);
        let begins = draw(Of::Down, place, epoch) % (DOWN_EVERY - 30);
        let lasts = 3 + draw(Of::DownLasts, place, epoch) % 28;
        is_silent_week || (begins..begins + lasts).contains(&after)
    }

    /// What a check finds in an hour.
    pub fn finding(self, hour: u64) -> Finding {
        let (epoch, after) = epoch(Of::Edit, self.0, hour, EDITED_EVERY);
        let begins = draw(Of::Edit, self.0, epoch) % (EDITED_EVERY - 36);
        let lasts = 1 + draw(Of::EditLasts, self.0, epoch) % 36;
        let is_edited = (begins..begins + lasts).contains(&after);
        let edited = if is_edited { 1 + draw(Of::EditFiles, self.0, epoch) % 7 } else { 0 };
        let (number, after) = (hour / DEPLOY_EVERY, hour % DEPLOY_EVERY);
        let begins = draw(Of::Deploy, number, 1) % 8;
        let is_deployed = draw(Of::Deploy, number, 0) % REPOS == self.repo()
            && (begins..begins + 2).contains(&after)
            && draw(Of::Deployed, number, self.place()) % 10 < 6;
        Finding(edited | u64::from(is_deployed) << 3)
    }

    /// Writes the body of the report of an hour.
    pub fn write_report(self, finding: Finding, hour: u64, last_check: &str, body: &mut String) {
        let (repo, server) = (self.repo_name(), self.server_name(self.generation(hour)));
        let (status, count) = (finding.status(), finding.count());
        // Writing to a string cannot fail.
        write!(
            body,
            "{{\"repo\":\"{repo}\",\"server\":\"{server}\",\"sync_status\":\"{status}\",\
             \"drift_count\":{count},\"files\":["
        )
        .ok();
        for (number, name) in finding.files().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(body, "{comma}{{\"name\":\"{name}\"}}").ok();
        }
        write!(body, "],\"last_check\":\"{last_check}\"").ok();
        if self.repo() < WITH_COMMIT {
            let (day, _) = epoch(Of::Commit, self.repo(), hour, DAY);
            let commit = [1, 2].map(|part| draw(Of::Commit, self.repo() + part * REPOS, day));
            write!(body, ",\"revision\":\"{:016x}{:016x}{:08x}\"", commit[0], commit[1], day).ok();
        }
        if self.repo() < WITH_RUN {
            write!(body, ",\"url\":\"https://ci.example.net/{repo}/runs/{hour}\"").ok();
        }
        body.push('}');
    }
}

/// Divides time into epochs, each of which has one thing of a kind. They begin at other hours for
/// others. Returns the epoch, and the hours since its beginning.
fn epoch(of: Of, about: u64, hour: u64, length: u64) -> (u64, u64) {
    let shifted = hour + draw(of, about, u64::MAX) % length;
    (shifted / length, shifted % length)
}

/// Draws a number that depends only on what it is for.
fn draw(of: Of, about: u64, number: u64) -> u64 {
    let mut bytes = [0; 24];
    for (place, part) in bytes.chunks_exact_mut(8).zip([of as u64, about, number]) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    xxh3_64(&bytes)
}
