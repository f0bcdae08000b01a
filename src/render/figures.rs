//! Figures as JSON: an object of counts, or tables of counts by name.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::RenderError;
use super::cell::Cell;
use super::pieces::{Array, Pieces};
use crate::domain::{Effort, Entry, FileName, FileSpread, Names, Report, Selected, Tally};

/// The kinds of figures.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Figures {
    /// Counts of all entries, as one object.
    Summary,
    /// Counts by repository, as an array of rows.
    Repos,
    /// Counts by server, as an array of rows.
    Servers,
    /// Counts by name of the files that drifted entries list, as an array of rows.
    Files,
}

impl Figures {
    /// Returns the names of all columns in their order. New ones are only added at the end.
    #[must_use]
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Summary => &[
                "entries",
                "synced",
                "out_of_sync",
                "drifted",
                "stale",
                "stale_drifted",
                "drift_count",
                "drifted_since",
            ],
            Self::Repos => {
                &["repo", "entries", "synced", "out_of_sync", "drifted", "stale", "drift_count"]
            }
            Self::Servers => {
                &["server", "entries", "synced", "out_of_sync", "drifted", "stale", "drift_count"]
            }
            Self::Files => &["name", "entries", "repos", "servers", "since"],
        }
    }
}

/// The rows and columns of a table to show.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RowWindow {
    /// Indexes into [`Figures::columns`], in the order to show them; `None` is all.
    pub only: Option<Vec<usize>>,
    /// The most rows to show.
    pub limit: Option<usize>,
    /// Rows to skip first.
    pub offset: usize,
}

impl RowWindow {
    fn apply<T>(&self, rows: Vec<T>) -> impl Iterator<Item = T> {
        rows.into_iter().skip(self.offset).take(self.limit.unwrap_or(usize::MAX))
    }
}

/// Counts selected entries, and for [`Figures::Files`] only files with these names. Returns the
/// figures as JSON and, for tables, the number of rows before limit and offset.
///
/// # Errors
/// See [`RenderError`].
pub fn figures(
    figures: Figures,
    selected: &Selected<'_>,
    files: &Names,
    window: &RowWindow,
    effort: &mut Effort<'_>,
) -> Result<(Box<dyn Pieces>, Option<usize>), RenderError> {
    let columns = figures.columns();
    let indexes = window.only.clone().unwrap_or_else(|| (0..columns.len()).collect());
    let shown = Shown { columns, indexes };
    match figures {
        Figures::Summary => {
            let mut out = Vec::new();
            shown.write(&mut out, &summary(&Tally::of(selected.standings())))?;
            Ok((Box::new(VecDeque::from([Bytes::from(out)])), None))
        }
        Figures::Repos => {
            Ok(groups(Tally::by_repo(selected), window, shown, |report| report.repo.as_str()))
        }
        Figures::Servers => {
            Ok(groups(Tally::by_server(selected), window, shown, |report| report.server.as_str()))
        }
        Figures::Files => Ok(spreads(FileSpread::of(selected, files, effort)?, window, shown)),
    }
}

/// Makes a table of counts by name, each from an entry that has the name and its counts.
fn groups(
    groups: Vec<(&Arc<Entry>, Tally)>,
    window: &RowWindow,
    shown: Shown,
    name: fn(&Report) -> &str,
) -> (Box<dyn Pieces>, Option<usize>) {
    let total = groups.len();
    let rows: Vec<_> =
        window.apply(groups).map(|(entry, tally)| (Arc::clone(entry), tally)).collect();
    let write = move |out: &mut Vec<u8>, (entry, tally): (Arc<Entry>, Tally)| {
        shown.write(out, &group(name(&entry.report), &tally))
    };
    (Box::new(Array::new(rows, write)), Some(total))
}

fn spreads(
    spreads: Vec<FileSpread<'_>>,
    window: &RowWindow,
    shown: Shown,
) -> (Box<dyn Pieces>, Option<usize>) {
    let total = spreads.len();
    let owned = |spread| {
        let FileSpread { entry, file, entries, repos, servers, since } = spread;
        (Arc::clone(entry), file, [entries, repos, servers], since)
    };
    let rows: Vec<_> = window.apply(spreads).map(owned).collect();
    let write = move |out: &mut Vec<u8>, (entry, file, counts, since): (Arc<Entry>, _, _, _)| {
        let name = entry.report.files.get(file).map_or("", FileName::as_str);
        let [entries, repos, servers] = <[usize; 3]>::map(counts, number);
        shown.write(out, &[Cell::Text(name), entries, repos, servers, Cell::Moment(since)])
    };
    (Box::new(Array::new(rows, write)), Some(total))
}

fn summary(tally: &Tally) -> [Cell<'static>; 8] {
    let Tally {
        entries,
        synced,
        out_of_sync,
        drifted,
        stale,
        stale_drifted,
        drift_count,
        drifted_since,
    } = *tally;
    let [entries, synced, out_of_sync] = [entries, synced, out_of_sync].map(number);
    let [drifted, stale, stale_drifted] = [drifted, stale, stale_drifted].map(number);
    let since = drifted_since.map_or(Cell::Nothing, Cell::Moment);
    let drift_count = Cell::Number(drift_count);
    [entries, synced, out_of_sync, drifted, stale, stale_drifted, drift_count, since]
}

fn group<'a>(name: &'a str, tally: &Tally) -> [Cell<'a>; 7] {
    let Tally {
        entries,
        synced,
        out_of_sync,
        drifted,
        stale,
        stale_drifted: _,
        drift_count,
        drifted_since: _,
    } = *tally;
    let [entries, synced, out_of_sync] = [entries, synced, out_of_sync].map(number);
    let [drifted, stale] = [drifted, stale].map(number);
    let drift_count = Cell::Number(drift_count);
    [Cell::Text(name), entries, synced, out_of_sync, drifted, stale, drift_count]
}

fn number<'a>(count: usize) -> Cell<'a> {
    Cell::Number(count as u64)
}

/// The columns of a table, and the indexes of those that are shown.
struct Shown {
    columns: &'static [&'static str],
    indexes: Vec<usize>,
}

impl Shown {
    fn write(&self, out: &mut Vec<u8>, cells: &[Cell<'_>]) -> Result<(), RenderError> {
        Ok(serde_json::to_writer(out, &Row { shown: self, cells })?)
    }
}

struct Row<'a> {
    shown: &'a Shown,
    cells: &'a [Cell<'a>],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { shown: Shown { columns, indexes }, cells } = self;
        let mut row = serializer.serialize_map(Some(indexes.len()))?;
        for &index in indexes {
            if let (Some(name), Some(cell)) = (columns.get(index), cells.get(index)) {
                row.serialize_entry(name, cell)?;
            }
        }
        row.end()
    }
}
