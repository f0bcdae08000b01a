//! The entries as the database stores them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::join;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::sighting_log::{self, Sighted, SightingLog};
use super::{outages, pairs, result_code as code, sql};
use crate::domain::{Changes, Entry, KeyRef, Outage, Revision, Timestamp};
use crate::store::{Loaded, StoreError, record};

/// The most entries in a page.
const READ_AT_ONCE: u16 = 4096;
/// The most bytes of files in a page, unless a single entry has more: while a page is read and
/// decoded, there are several copies of it, and a start needs memory for them.
const FILE_BYTES_AT_ONCE: i64 = 1024 * 1024;

/// A repository and a server.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The identity and revision of a database, the outages of its server, and when it was restored.
pub(super) struct Meta {
    store_id: String,
    revision: Revision,
    outages: Vec<Outage>,
    restored_at: Option<Timestamp>,
}

/// The present, as a database stores it.
#[derive(Debug)]
pub(super) struct Everything {
    pub(super) loaded: Loaded,
    pub(super) unfolded: Unfolded,
}

/// What the log of sightings has and the rows lack.
#[derive(Debug)]
pub(super) struct Unfolded {
    /// The entries that were seen after their rows were written, with their last times.
    pub(super) entries: Vec<Arc<Entry>>,
    /// The number of logged sightings.
    pub(super) logged: usize,
    /// The commits that have a row in the log.
    pub(super) commits: VecDeque<Revision>,
}

/// Rows in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Rows {
    entries: Vec<Arc<Entry>>,
    /// The commit that wrote each row.
    written: Vec<Revision>,
}

impl Rows {
    /// Decodes a JSON array of rows that come after these.
    pub(super) fn decode(&mut self, rows: &str) -> Result<(), StoreError> {
        let repo = self.entries.last().map(|last| last.report.repo.clone());
        record::read_entries(rows, repo, |entry, written| {
            self.entries.push(Arc::new(entry));
            self.written.push(written);
        })
    }

    /// Applies the sightings that are later than their rows, and returns those entries.
    pub(super) fn see(&mut self, log: SightingLog) -> Unfolded {
        let SightingLog { latest, logged, commits } = log;
        let mut entries = Vec::with_capacity(latest.len());
        for sighted in latest {
            let key = sighted.key().borrow();
            let place = self.entries.binary_search_by(|entry| entry.key().cmp(&key));
            let written = place.ok().and_then(|place| self.written.get(place));
            if let (Ok(place), Some(written)) = (place, written)
                && sighted.revision > *written
                && let Some(entry) = self.entries.get_mut(place)
            {
                sighted.sighting.note_in(entry);
                entries.push(Arc::clone(entry));
            }
        }
        Unfolded { entries, logged, commits }
    }
}

/// Some entries in the order of their keys, not yet decoded.
pub(super) struct Page {
    pub(super) rows: String,
    /// The pair after which the next page begins; `None` if this is the last one.
    pub(super) last: Option<String>,
}

impl Everything {
    /// Applies the log of sightings to the rows.
    pub(super) fn new((meta, mut rows): (Meta, Rows), log: SightingLog) -> Self {
        let unfolded = rows.see(log);
        let Meta { store_id, revision, outages, restored_at } = meta;
        let (head, entries) = (revision.into(), rows.entries);
        Self { loaded: Loaded { store_id, head, entries, outages, restored_at }, unfolded }
    }
}

/// Reads everything, in the order of the keys.
pub(super) async fn read_all(connection: &mut SqliteConnection) -> Result<Everything, StoreError> {
    let rows = read_rows(connection).await?;
    Ok(Everything::new(rows, sighting_log::read(connection, Revision(0)).await?))
}

/// Replaces the moment of the restore, and reads it.
pub(super) async fn put_restored_at(
    connection: &mut SqliteConnection,
    at: Timestamp,
    in_place_of: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let put = sqlx::query(sql::PUT_RESTORED_AT).bind(at.millis()).bind(in_place_of.millis());
    put.execute(&mut *connection).await?;
    read_restored_at(connection).await
}

async fn read_restored_at(
    connection: &mut SqliteConnection,
) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = sqlx::query_scalar(sql::RESTORED_AT).fetch_one(connection).await?;
    Ok(millis.map(Timestamp::from_millis))
}

/// Reads everything but the log of sightings.
pub(super) async fn read_rows(
    connection: &mut SqliteConnection,
) -> Result<(Meta, Rows), StoreError> {
    let meta = sqlx::query(sql::META).fetch_one(&mut *connection).await?;
    let meta = Meta {
        store_id: meta.try_get("store_id")?,
        revision: Revision(meta.try_get("revision")?),
        outages: outages::read(connection).await?,
        restored_at: read_restored_at(connection).await?,
    };
    let mut rows = Rows::default();
    // Names are not empty, so this is before every pair.
    let mut page = read_page(connection, KeyRef { repo: "", server: "" }).await?;
    while let Some(last) = &page.last {
        let (repo, server): Pair<'_> = serde_json::from_str(last).map_err(unreadable)?;
        let last = KeyRef { repo: &repo, server: &server };
        // The connection's thread reads the next page while this one is decoded.
        let next = read_page(connection, last);
        let (next, decoded) = join(next, async { rows.decode(&page.rows) }).await;
        decoded?;
        page = next?;
    }
    rows.decode(&page.rows)?;
    Ok((meta, rows))
}

/// Reads a page: many short entries, or few long ones.
pub(super) async fn read_page(
    connection: &mut SqliteConnection,
    after: KeyRef<'_>,
) -> Result<Page, StoreError> {
    let fitting: i64 = sqlx::query_scalar(sql::ENTRIES_THAT_FIT)
        .bind(after.repo.to_owned())
        .bind(after.server.to_owned())
        .bind(READ_AT_ONCE)
        .bind(FILE_BYTES_AT_ONCE)
        .fetch_one(&mut *connection)
        .await?;
    let page = sqlx::query(sql::ENTRIES_AFTER)
        .bind(after.repo.to_owned())
        .bind(after.server.to_owned())
        .bind(fitting.max(1))
        .fetch_one(&mut *connection)
        .await?;
    Ok(Page { rows: page.try_get("page")?, last: page.try_get("last")? })
}

/// Reduces the size of a page if an error says that its text was too long.
fn fewer(at_once: &mut u16, error: sqlx::Error) -> Result<(), sqlx::Error> {
    if code::primary(&error) != Some(code::TOOBIG) || *at_once == 1 {
        return Err(error);
    }
    *at_once /= 16;
    Ok(())
}

pub(super) async fn read_changes(
    connection: &mut SqliteConnection,
    since: Revision,
) -> Result<Option<Changes>, StoreError> {
    let revision = read_revision(&mut *connection).await?;
    if revision.0 - since.0 > sql::TOMBSTONES_KEPT {
        return Ok(None);
    }
    let put: Vec<String> =
        sqlx::query_scalar(sql::ENTRIES_SINCE).bind(since.0).fetch_all(&mut *connection).await?;
    let mut rows = Rows::default();
    put.iter().try_for_each(|row| rows.decode(row))?;
    // An entry that was seen after its row was written is in the list twice; the later one counts.
    let unfolded = read_unfolded(&mut *connection, since).await?;
    let put = rows.entries.into_iter().chain(unfolded.entries).collect();
    let gone = sqlx::query(sql::REMOVED_SINCE).bind(since.0).fetch_all(connection).await?;
    let removed =
        gone.iter().map(|row| pairs::decode(row, "tombstones")).collect::<Result<_, _>>()?;
    Ok(Some(Changes { head: revision.into(), put, seen: Vec::new(), removed }))
}

pub(super) async fn read_revision(
    connection: &mut SqliteConnection,
) -> Result<Revision, sqlx::Error> {
    sqlx::query_scalar(sql::REVISION).fetch_one(connection).await.map(Revision)
}

/// Reads the log of sightings after a revision, and the rows of those entries only.
pub(super) async fn read_unfolded(
    connection: &mut SqliteConnection,
    since: Revision,
) -> Result<Unfolded, StoreError> {
    let log = sighting_log::read(&mut *connection, since).await?;
    let mut rows = Rows::default();
    let (mut rest, mut at_once) = (log.latest.as_slice(), READ_AT_ONCE);
    while !rest.is_empty() {
        let (some, others) = rest.split_at(rest.len().min(at_once.into()));
        let keys = pairs::parameter(some.iter().map(Sighted::key))?;
        let query = sqlx::query_scalar::<_, String>(sql::ENTRIES_OF).bind(keys);
        match query.fetch_one(&mut *connection).await {
            Ok(page) => {
                rows.decode(&page)?;
                rest = others;
            }
            Err(error) => fewer(&mut at_once, error)?,
        }
    }
    Ok(rows.see(log))
}

fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { table: "entries", reason: error.to_string() }
}
