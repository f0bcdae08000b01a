//! The lines of an export: what each has, and how it becomes a record.
//!
//! An unknown field is an error: a later version that adds one raises [`VERSION`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::moment::Moment;
use crate::domain::{
    Actor, DriftCount, Entry, Event, FileDelta, FileName, GitRevision, InvalidField,
    MAX_DELTA_NAMES, MAX_FILES, Outage, Recorded, RepoName, Report, ReportedTime, ReporterSchedule,
    RunUrl, ServerName, SyncStatus, Timestamp, Transition, TransitionId,
};
use crate::store::{Counts, Record};

/// What the first line of every export says.
pub(super) const FORMAT: &str = "gitops-status-export";
/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// The part of the first line that has to be the same in every version.
#[derive(Deserialize)]
pub(super) struct Preamble<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
}

/// The first line.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: u32,
    pub(super) store_id: Cow<'a, str>,
    pub(super) revision: i64,
    pub(super) exported_at: Moment,
    pub(super) counts: Counts,
}

/// Every other line.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line<'a> {
    #[serde(borrow)]
    Entry(EntryLine<'a>),
    Transition(TransitionLine<'a>),
    Outage(OutageLine),
    End(End<'a>),
}

/// The last line.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End<'a> {
    pub(super) counts: Counts,
    /// The digest of all lines before, in hexadecimal digits. Who edits an export leaves it out.
    #[serde(borrow)]
    pub(super) sha256: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryLine<'a> {
    #[serde(borrow)]
    repo: Cow<'a, str>,
    server: Cow<'a, str>,
    sync_status: Cow<'a, str>,
    drift_count: u64,
    files: Vec<File<'a>>,
    last_check: Cow<'a, str>,
    updated_at: Moment,
    status_since: Moment,
    drifted_since: Option<Moment>,
    stale_after_seconds: Option<u64>,
    ttl_seconds: Option<u64>,
    revision: Option<Cow<'a, str>>,
    url: Option<Cow<'a, str>>,
    /// Whether the history has the silence since `updated_at`.
    stale_recorded: bool,
    expired_at: Option<Moment>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransitionLine<'a> {
    id: i64,
    time: Moment,
    #[serde(borrow)]
    repo: Cow<'a, str>,
    server: Cow<'a, str>,
    event: Cow<'a, str>,
    sync_status: Cow<'a, str>,
    drift_count: u64,
    files_added: Vec<File<'a>>,
    files_added_count: usize,
    files_removed: Vec<File<'a>>,
    files_removed_count: usize,
    revision: Option<Cow<'a, str>>,
    url: Option<Cow<'a, str>>,
    by: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutageLine {
    from: Moment,
    to: Moment,
}

/// Why a line is no record.
#[derive(Debug, Error)]
pub(super) enum NoRecord {
    #[error("{0}")]
    Field(#[from] InvalidField),
    #[error("{0}")]
    Rule(&'static str),
}

impl<'a> Line<'a> {
    /// Makes the line of a record.
    pub(super) fn of(record: &'a Record) -> Self {
        match record {
            Record::Entry(entry) => Self::Entry(EntryLine::of(entry)),
            Record::Transition(id, transition) => {
                Self::Transition(TransitionLine::of(*id, transition))
            }
            Record::Outage(Outage { from, to }) => {
                Self::Outage(OutageLine { from: Moment(*from), to: Moment(*to) })
            }
        }
    }
}

impl<'a> EntryLine<'a> {
    fn of(entry: &'a Entry) -> Self {
        let Entry { report, updated_at, status_since, drifted_since, recorded } = entry;
        let Report {
            repo,
            server,
            sync_status,
            drift_count,
            files,
            last_check,
            schedule: ReporterSchedule { stale_after_seconds, ttl_seconds },
            revision,
            url,
        } = report;
        let Recorded { stale, expired_at } = recorded;
        Self {
            repo: repo.as_str().into(),
            server: server.as_str().into(),
            sync_status: sync_status.as_str().into(),
            drift_count: drift_count.get().into(),
            files: lines(files),
            last_check: last_check.to_string().into(),
            updated_at: Moment(*updated_at),
            status_since: Moment(*status_since),
            drifted_since: (*drifted_since != Timestamp::NEVER).then_some(Moment(*drifted_since)),
            stale_after_seconds: stale_after_seconds.map(u64::from),
            ttl_seconds: ttl_seconds.map(u64::from),
            revision: revision.as_ref().map(|revision| revision.as_str().into()),
            url: url.as_ref().map(|url| url.as_str().into()),
            stale_recorded: *stale,
            expired_at: expired_at.map(Moment),
        }
    }

    /// Makes the entry. Neighbours share the text of their repository.
    pub(super) fn entry(self, last_repo: Option<&RepoName>) -> Result<Entry, NoRecord> {
        let repo = match last_repo.filter(|last| last.as_str() == self.repo) {
            Some(last) => last.clone(),
            None => RepoName::parse(&self.repo)?,
        };
        if self.files.len() > MAX_FILES {
            return Err(NoRecord::Rule("there are more files than a report can have"));
        }
        let seconds = |value: Option<u64>, invalid| {
            let seconds = |value| ReporterSchedule::seconds(value).ok_or(invalid);
            value.map(seconds).transpose()
        };
        let report = Report {
            repo,
            server: ServerName::parse(&self.server)?,
            sync_status: SyncStatus::parse(&self.sync_status).ok_or(SyncStatus::INVALID)?,
            drift_count: DriftCount::parse(self.drift_count)?,
            files: names(&self.files)?.into_iter().collect(),
            last_check: ReportedTime::parse(&self.last_check)?,
            schedule: ReporterSchedule {
                stale_after_seconds: seconds(
                    self.stale_after_seconds,
                    ReporterSchedule::INVALID_STALE_AFTER,
                )?,
                ttl_seconds: seconds(self.ttl_seconds, ReporterSchedule::INVALID_TTL)?,
            },
            revision: self.revision.as_deref().map(GitRevision::parse).transpose()?,
            url: self.url.as_deref().map(RunUrl::parse).transpose()?,
        };
        if report.is_drifted() != self.drifted_since.is_some() {
            return Err(NoRecord::Rule("drifted_since is null if and only if it is not drifted"));
        }
        Ok(Entry {
            report,
            updated_at: self.updated_at.0,
            status_since: self.status_since.0,
            drifted_since: self.drifted_since.map_or(Timestamp::NEVER, |Moment(at)| at),
            recorded: Recorded {
                stale: self.stale_recorded,
                expired_at: self.expired_at.map(|Moment(at)| at),
            },
        })
    }
}

impl<'a> TransitionLine<'a> {
    fn of(id: i64, transition: &'a Transition) -> Self {
        let Transition {
            at,
            repo,
            server,
            event,
            sync_status,
            drift_count,
            files_added,
            files_removed,
            revision,
            url,
            by,
        } = transition;
        Self {
            id,
            time: Moment(*at),
            repo: repo.as_str().into(),
            server: server.as_str().into(),
            event: event.as_str().into(),
            sync_status: sync_status.as_str().into(),
            drift_count: drift_count.get().into(),
            files_added: lines(&files_added.names),
            files_added_count: files_added.count,
            files_removed: lines(&files_removed.names),
            files_removed_count: files_removed.count,
            revision: revision.as_ref().map(|revision| revision.as_str().into()),
            url: url.as_ref().map(|url| url.as_str().into()),
            by: by.as_ref().map(|by| by.as_str().into()),
        }
    }

    /// Makes the transition, and returns its id.
    pub(super) fn transition(self) -> Result<(TransitionId, Transition), NoRecord> {
        let transition = Transition {
            at: self.time.0,
            repo: RepoName::parse(&self.repo)?,
            server: ServerName::parse(&self.server)?,
            event: Event::parse(&self.event).ok_or(NoRecord::Rule("the event is unknown"))?,
            sync_status: SyncStatus::parse(&self.sync_status).ok_or(SyncStatus::INVALID)?,
            drift_count: DriftCount::parse(self.drift_count)?,
            files_added: delta(&self.files_added, self.files_added_count)?,
            files_removed: delta(&self.files_removed, self.files_removed_count)?,
            revision: self.revision.as_deref().map(GitRevision::parse).transpose()?,
            url: self.url.as_deref().map(RunUrl::parse).transpose()?,
            by: self.by.as_deref().map(Actor::parse).transpose()?,
        };
        Ok((self.id, transition))
    }
}

impl OutageLine {
    /// Makes the outage.
    pub(super) fn outage(&self) -> Outage {
        Outage { from: self.from.0, to: self.to.0 }
    }
}

fn lines(names: &[FileName]) -> Vec<File<'_>> {
    names.iter().map(|name| File { name: name.as_str().into() }).collect()
}

fn names(files: &[File<'_>]) -> Result<Vec<FileName>, InvalidField> {
    files.iter().map(|file| FileName::parse(&file.name)).collect()
}

fn delta(files: &[File<'_>], count: usize) -> Result<FileDelta, NoRecord> {
    let is_whole = files.len() == count;
    let is_cut = files.len() == MAX_DELTA_NAMES && (MAX_DELTA_NAMES..=MAX_FILES).contains(&count);
    if !is_whole && !is_cut {
        return Err(NoRecord::Rule("the count of files does not match their names"));
    }
    Ok(FileDelta { names: names(files)?, count })
}
