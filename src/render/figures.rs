//! Figures as JSON: one object of counts, and tables of counts by name.

use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::RenderError;
use super::cell::Cell;
use crate::domain::{Effort, FileSpread, GivenUp, Names, Selected, Tally};

/// What is counted, and by what.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Figures {
    /// All entries: one object.
    Summary,
    /// Entries by repository: an array of rows.
    Repos,
    /// Entries by server: an array of rows.
    Servers,
    /// Files that drifted entries list, by name: an array of rows.
    Files,
}

impl Figures {
    /// Returns the names of all columns in the order of a row. They are only ever added, at the
    /// end.
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

    /// Counts selected entries; of files, only those of these names.
    fn rows<'a>(
        self,
        selected: &Selected<'a>,
        files: &Names,
        effort: &mut Effort<'_>,
    ) -> Result<Vec<Vec<Cell<'a>>>, GivenUp> {
        Ok(match self {
            Self::Summary => vec![summary(&Tally::of(selected.slots()))],
            Self::Repos => Tally::by_repo(selected).iter().map(group).collect(),
            Self::Servers => Tally::by_server(selected).iter().map(group).collect(),
            Self::Files => FileSpread::of(selected, files, effort)?.iter().map(file).collect(),
        })
    }
}

/// Which rows of a table are shown, and what of them.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Cut {
    /// Only the columns at these places of [`Figures::columns`], in this order; `None` is all.
    pub only: Option<Vec<usize>>,
    /// How many rows at the most.
    pub limit: Option<usize>,
    /// How many rows to leave out first.
    pub offset: usize,
}

/// Returns figures as JSON, and how many rows there are before limit and offset, if it is rows.
///
/// # Errors
/// See [`RenderError`].
pub fn figures(
    figures: Figures,
    selected: &Selected<'_>,
    files: &Names,
    cut: &Cut,
    effort: &mut Effort<'_>,
) -> Result<(Bytes, Option<usize>), RenderError> {
    let Cut { only, limit, offset } = cut;
    let columns = figures.columns();
    let places = match only {
        Some(places) => places.clone(),
        None => (0..columns.len()).collect(),
    };
    let rows = figures.rows(selected, files, effort)?;
    let total = rows.len();
    let page = rows.into_iter().skip(*offset).take(limit.unwrap_or(usize::MAX));
    let mut objects = page.map(|cells| Row { columns, cells, places: &places });
    if figures == Figures::Summary {
        return Ok((serde_json::to_vec(&objects.next())?.into(), None));
    }
    Ok((serde_json::to_vec(&objects.collect::<Vec<_>>())?.into(), Some(total)))
}

fn summary(tally: &Tally) -> Vec<Cell<'static>> {
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
    vec![entries, synced, out_of_sync, drifted, stale, stale_drifted, drift_count, since]
}

fn group<'a>((name, tally): &(&'a str, Tally)) -> Vec<Cell<'a>> {
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
    vec![Cell::Text(name), entries, synced, out_of_sync, drifted, stale, drift_count]
}

fn file<'a>(file: &FileSpread<'a>) -> Vec<Cell<'a>> {
    let FileSpread { name, entries, repos, servers, since } = *file;
    let [entries, repos, servers] = [entries, repos, servers].map(number);
    vec![Cell::Text(name), entries, repos, servers, Cell::Moment(since)]
}

fn number<'a>(count: usize) -> Cell<'a> {
    Cell::Number(count as u64)
}

/// The cells of a row, and at which places those are that are shown.
struct Row<'a> {
    columns: &'static [&'static str],
    cells: Vec<Cell<'a>>,
    places: &'a [usize],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(Some(self.places.len()))?;
        for &place in self.places {
            if let (Some(name), Some(cell)) = (self.columns.get(place), self.cells.get(place)) {
                row.serialize_entry(name, cell)?;
            }
        }
        row.end()
    }
}
