//! The rows of a database: the one list of an entry's columns, of a transition's and of a
//! sighting's.
//!
//! These lists determine the SQL, and how rows are written and read. A row crosses between the
//! program and the database as a JSON array, because one text crosses faster than single values. The
//! array begins with the repository and the server; the lists name the columns after them. Rows of
//! PostgreSQL are read column by column instead, which is faster there.
//!
//! To add a column: a line in the list and a field in the pattern above it, a line in `decode`
//! below, and a migration of each database. The compiler shows what is missing, and a test holds the numbers.
//!
//! Knows the domain and JSON; knows no SQL but the names of columns.

use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use super::StoreError;
use super::column::{FromColumn, Json, Text};
use crate::domain::{
    Actor, DriftCount, Entry, Event, FileDelta, FileName, GitRevision, InvalidField, Key, Recorded,
    RepoName, Report, ReportedTime, ReporterSchedule, Revision, RunUrl, ServerName, Sighting,
    SyncStatus, Timestamp, Transition, TransitionId,
};

/// Expands a list of columns. What comes of it depends on the first word.
///
/// `names`, `values` and `set` are pieces of SQL, each ending with a comma: the columns' names,
/// their values taken from a JSON array `value`, and assignments of the columns of another table.
/// Names are in brackets, since one of them is a keyword of SQL; `quoted` names are in quotes.
/// `records` makes one type that writes a row as a JSON array and one that reads it. `of_columns` lets
/// the latter be read from columns.
macro_rules! columns {
    (names; $row:tt $($place:literal $name:ident: $type:ty = $value:expr,)*) => {
        concat!($("[", stringify!($name), "], "),*)
    };
    (quoted; $row:tt $($place:literal $name:ident: $type:ty = $value:expr,)*) => {
        concat!($("\"", stringify!($name), "\", "),*)
    };
    (values; $row:tt $($place:literal $name:ident: $type:ty = $value:expr,)*) => {
        concat!($("value ->> ", $place, " as [", stringify!($name), "], "),*)
    };
    (set $source:literal; $row:tt $($place:literal $name:ident: $type:ty = $value:expr,)*) => {
        concat!($("[", stringify!($name), "] = ", $source, ".[", stringify!($name), "], "),*)
    };
    (places; $row:tt $($place:literal $name:ident: $type:ty = $value:expr,)*) => { [$($place),*] };
    (
        records $written:ident($of:ty), $stored:ident { $($more:ident: $more_type:ty)? };
        ($row:pat, $repo:ident, $server:ident)
        $($place:literal $name:ident: $type:ty = $value:expr,)*
    ) => {
        /// Writes a row as a JSON array.
        pub(super) struct $written<'a>(pub(super) &'a $of);

        impl Serialize for $written<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $row = self.0;
                let mut row = serializer.serialize_tuple(2 + [$($place),*].len())?;
                row.serialize_element($repo.as_str())?;
                row.serialize_element($server.as_str())?;
                $(row.serialize_element(&$value)?;)*
                row.end()
            }
        }

        /// A row as read from a JSON array, or from columns.
        #[derive(Deserialize)]
        #[serde(bound(deserialize = "'de: 'a"))]
        pub(super) struct $stored<'a> {
            repo: Text<'a>,
            server: Text<'a>,
            $($name: $type,)*
            $(#[serde(default)] $more: $more_type,)?
        }
    };
    (
        of_columns $stored:ident { $($more:ident: $more_type:ty)? };
        $row:tt $($place:literal $name:ident: $type:ty = $value:expr,)*
    ) => {
        impl<'a> $stored<'a> {
            /// Reads the columns of the list, which are the first of a row, and the repository and
            /// the server after them.
            pub(super) fn of_columns<R>(
                row: &'a R,
                $($more: $more_type,)?
            ) -> Result<Self, StoreError>
            where
                $($type: FromColumn<'a, R>,)*
                Text<'a>: FromColumn<'a, R>,
            {
                let key = [$($place),*].len();
                Ok(Self {
                    $($name: FromColumn::from_column(row, $place - 2)?,)*
                    repo: FromColumn::from_column(row, key)?,
                    server: FromColumn::from_column(row, key + 1)?,
                    $($more,)?
                })
            }
        }
    };
}
pub(super) use columns;

/// The columns of `entries`, but for the revision of the commit that wrote the row.
macro_rules! entry_columns {
    ($($what:tt)*) => {
        $crate::store::record::columns! {
            $($what)*;
            (Entry {
                report: Report {
                    repo,
                    server,
                    sync_status,
                    drift_count,
                    files,
                    last_check,
                    schedule: ReporterSchedule { stale_after_seconds, ttl_seconds },
                    revision,
                    url,
                },
                updated_at,
                status_since,
                drifted_since,
                recorded: Recorded { stale, expired_at },
            }, repo, server)
            2 sync_status: Text<'a> = sync_status.as_str(),
            3 drift_count: u64 = drift_count.get(),
            4 files: Json<'a> = names(files),
            5 last_check: Text<'a> = format_args!("{last_check}"),
            6 updated_at: i64 = updated_at.millis(),
            7 status_since: i64 = status_since.millis(),
            8 stale_after_seconds: Option<u32> = stale_after_seconds,
            9 ttl_seconds: Option<u32> = ttl_seconds,
            10 report_revision: Option<Text<'a>> = revision.as_ref().map(GitRevision::as_str),
            11 url: Option<Text<'a>> = url.as_ref().map(RunUrl::as_str),
            12 stale_recorded: u8 = u8::from(*stale),
            13 drifted_since: Option<i64> = millis_unless_never(*drifted_since),
            14 expired_at: Option<i64> = expired_at.map(Timestamp::millis),
        }
    };
}
pub(super) use entry_columns;

/// The columns of `transitions`, but for the row's id and the revision of the commit that wrote it.
macro_rules! transition_columns {
    ($($what:tt)*) => {
        $crate::store::record::columns! {
            $($what)*;
            (Transition {
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
            }, repo, server)
            2 at: i64 = at.millis(),
            3 event: Text<'a> = event.as_str(),
            4 sync_status: Text<'a> = sync_status.as_str(),
            5 drift_count: u64 = drift_count.get(),
            6 files_added: Json<'a> = names(&files_added.names),
            7 files_added_count: usize = files_added.count,
            8 files_removed: Json<'a> = names(&files_removed.names),
            9 files_removed_count: usize = files_removed.count,
            10 report_revision: Option<Text<'a>> = revision.as_ref().map(GitRevision::as_str),
            11 url: Option<Text<'a>> = url.as_ref().map(RunUrl::as_str),
            12 by: Option<Text<'a>> = by.as_ref().map(Actor::as_str),
        }
    };
}
pub(super) use transition_columns;

/// The columns of a sighting: the times of an entry that a logged update changed.
macro_rules! sighting_columns {
    ($($what:tt)*) => {
        $crate::store::record::columns! {
            $($what)*;
            (
                Entry { report: Report { repo, server, last_check, .. }, updated_at, .. },
                repo, server
            )
            2 last_check: Text<'a> = format_args!("{last_check}"),
            3 updated_at: i64 = updated_at.millis(),
        }
    };
}
pub(super) use sighting_columns;

entry_columns!(records EntryRow(Entry), StoredEntry { written: i64 });
transition_columns!(records TransitionRow(Transition), StoredTransition { id: TransitionId });
sighting_columns!(records SightingRow(Entry), StoredSighting {});
entry_columns!(of_columns StoredEntry { written: i64 });
transition_columns!(of_columns StoredTransition { id: TransitionId });

/// Why a row cannot be what this program wrote.
#[derive(Debug, Error)]
enum Malformed {
    #[error("{0}")]
    Field(#[from] InvalidField),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("an unknown event")]
    Event,
}

impl Malformed {
    fn in_table(self, table: &'static str) -> StoreError {
        StoreError::Damaged { table, reason: self.to_string() }
    }
}

/// Reads entries, each with the revision of the commit that wrote its row.
///
/// `take` gets them in order and returns the entry's own name of its repository: neighbours share
/// one allocation of it, as they do while updates arrive.
pub(super) fn read_entries(
    json: &str,
    mut repo: Option<RepoName>,
    mut take: impl FnMut(Entry, Revision),
) -> Result<(), StoreError> {
    let mut read = || {
        for row in serde_json::from_str::<Vec<StoredEntry<'_>>>(json)? {
            let written = Revision(row.written);
            let known = repo.take().filter(|repo| repo.as_str() == &*row.repo);
            let entry = row.decode(known)?;
            repo = Some(entry.report.repo.clone());
            take(entry, written);
        }
        Ok(())
    };
    read().map_err(|error: Malformed| error.in_table("entries"))
}

/// Reads a transition and its id.
pub(super) fn read_transition(json: &str) -> Result<(TransitionId, Transition), StoreError> {
    let read = || serde_json::from_str::<StoredTransition<'_>>(json)?.decode();
    read().map_err(|error| error.in_table("transitions"))
}

/// Reads the sightings of a commit.
pub(super) fn read_sightings(json: &str) -> Result<Vec<Sighting>, StoreError> {
    let read = || -> Result<_, Malformed> {
        let rows: Vec<StoredSighting<'_>> = serde_json::from_str(json)?;
        rows.into_iter().map(StoredSighting::decode).collect()
    };
    read().map_err(|error| error.in_table("sightings"))
}

impl StoredEntry<'_> {
    /// Makes the entry. It shares the name of its repository with a neighbour.
    pub(super) fn beside(self, neighbour: Option<&Entry>) -> Result<Entry, StoreError> {
        let repo = neighbour.map(|entry| &entry.report.repo);
        let known = repo.filter(|repo| repo.as_str() == &*self.repo).cloned();
        self.decode(known).map_err(|error| error.in_table("entries"))
    }

    fn decode(self, known_repo: Option<RepoName>) -> Result<Entry, Malformed> {
        let report = Report {
            repo: known_repo.map_or_else(|| RepoName::parse(&self.repo), Ok)?,
            server: ServerName::parse(&self.server)?,
            sync_status: SyncStatus::parse(&self.sync_status).ok_or(SyncStatus::INVALID)?,
            drift_count: DriftCount::parse(self.drift_count)?,
            files: file_names(&self.files)?.into_iter().collect(),
            last_check: ReportedTime::parse(&self.last_check)?,
            schedule: ReporterSchedule {
                stale_after_seconds: self.stale_after_seconds,
                ttl_seconds: self.ttl_seconds,
            },
            revision: self.report_revision.as_deref().map(GitRevision::parse).transpose()?,
            url: self.url.as_deref().map(RunUrl::parse).transpose()?,
        };
        // A drift has a beginning: where something else wrote the row without one, the earliest
        // moment that is known to belong to it.
        let drifted_since = self.drifted_since.or_else(|| {
            let is_by_status = report.sync_status == SyncStatus::OutOfSync;
            let known = if is_by_status { self.status_since } else { self.updated_at };
            report.is_drifted().then_some(known)
        });
        Ok(Entry {
            report,
            updated_at: Timestamp::from_millis(self.updated_at),
            status_since: Timestamp::from_millis(self.status_since),
            drifted_since: drifted_since.map_or(Timestamp::NEVER, Timestamp::from_millis),
            recorded: Recorded {
                stale: self.stale_recorded != 0,
                expired_at: self.expired_at.map(Timestamp::from_millis),
            },
        })
    }
}

impl StoredTransition<'_> {
    /// Makes the transition, and returns its id with it.
    pub(super) fn read(self) -> Result<(TransitionId, Transition), StoreError> {
        self.decode().map_err(|error| error.in_table("transitions"))
    }

    fn decode(self) -> Result<(TransitionId, Transition), Malformed> {
        let transition = Transition {
            at: Timestamp::from_millis(self.at),
            repo: RepoName::parse(&self.repo)?,
            server: ServerName::parse(&self.server)?,
            event: Event::parse(&self.event).ok_or(Malformed::Event)?,
            sync_status: SyncStatus::parse(&self.sync_status).ok_or(SyncStatus::INVALID)?,
            drift_count: DriftCount::parse(self.drift_count)?,
            files_added: file_delta(&self.files_added, self.files_added_count)?,
            files_removed: file_delta(&self.files_removed, self.files_removed_count)?,
            revision: self.report_revision.as_deref().map(GitRevision::parse).transpose()?,
            url: self.url.as_deref().map(RunUrl::parse).transpose()?,
            by: self.by.as_deref().map(Actor::parse).transpose()?,
        };
        Ok((self.id, transition))
    }
}

impl StoredSighting<'_> {
    fn decode(self) -> Result<Sighting, Malformed> {
        Ok(Sighting {
            key: Key {
                repo: RepoName::parse(&self.repo)?,
                server: ServerName::parse(&self.server)?,
            },
            last_check: ReportedTime::parse(&self.last_check)?,
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

/// A moment that never comes is null.
fn millis_unless_never(moment: Timestamp) -> Option<i64> {
    (moment != Timestamp::NEVER).then_some(moment.millis())
}

/// Writes names of files as a JSON array.
fn names(files: &[FileName]) -> impl Serialize {
    struct Names<'a>(&'a [FileName]);

    impl Serialize for Names<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.iter().map(FileName::as_str))
        }
    }

    Names(files)
}

fn file_names(json: &str) -> Result<Vec<FileName>, Malformed> {
    if json == "[]" {
        return Ok(Vec::new());
    }
    let names: Vec<Text<'_>> = serde_json::from_str(json)?;
    names.iter().map(|name| Ok(FileName::parse(name)?)).collect()
}

fn file_delta(json: &str, count: usize) -> Result<FileDelta, Malformed> {
    // Where no file is named there is none: names are left out only from the hundredth on.
    let names = file_names(json)?;
    let count = if names.is_empty() { 0 } else { count };
    Ok(FileDelta { names, count })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_numbers_of_the_columns_are_their_places_in_the_array() {
        let lists: [&[usize]; 3] =
            [&entry_columns!(places), &transition_columns!(places), &sighting_columns!(places)];
        for list in lists {
            assert_eq!(list, (2..2 + list.len()).collect::<Vec<_>>());
        }
    }
}
