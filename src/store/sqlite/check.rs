//! Checks every row, a piece at a time, while the server runs.
//!
//! Each row is decoded as for users. The history's table and its indexes are compared in both
//! directions. One statement reads a piece, so a piece sees one snapshot, and the log can restart
//! between two pieces. `pragma integrity_check` would read everything in one statement, and the log
//! would grow for as long as it runs.

mod position;

use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use self::position::{Position, SMALL};
use super::aside::{self, aside};
use super::file::DatabaseFile;
use super::gate::Gate;
use super::inspect::{Rejected, check_table};
use super::stored_entries::Rows;
use super::{connection, readers, records, sighting_log, sql};
use crate::domain::Revision;
use crate::store::{Examination, Examined, Part, StoreError};

/// The most rows in a piece, and the bytes of text after which a piece ends.
const ROWS: i64 = 1000;
const BYTES: usize = 1 << 20;

/// The first and the last id in the history.
const EXTENT: &str = "select \
    coalesce((select min(id) from transitions), 0), coalesce((select max(id) from transitions), 0)";

/// Rows of the history, and whether the indexes have them.
macro_rules! history {
    ($is_right:literal) => {
        concat!(
            "select ",
            sql::transition_as_json!(),
            " as transition, ",
            $is_right,
            " as is_right from transitions as row not indexed where id > $1 order by id limit $2"
        )
    };
}

/// Compares the rows with both indexes.
const HISTORY: &str = history!(
    "exists ( \
        select 1 from transitions as by_time indexed by transitions_by_time \
        where by_time.at = row.at and by_time.id = row.id \
    ) and exists ( \
        select 1 from transitions as by_state indexed by transitions_by_state \
        where by_state.repo = row.repo and by_state.server = row.server \
            and by_state.state = row.state and by_state.at = row.at and by_state.id = row.id \
    )"
);
const HISTORY_ALONE: &str = history!("true");

/// The rows of the index by time, and whether the table has the same.
const BY_TIME: &str = "\
    select id, at, ( \
        select row.at = seen.at from transitions as row not indexed where row.id = seen.id \
    ) as is_right \
    from transitions as seen indexed by transitions_by_time \
    where (at, id) > ($1, $2) order by at, id limit $3";

/// The rows of the index by state, and whether the table has the same. SQLite computes the state
/// from the table, so a wrong state in the index shows only as a wrong order.
const BY_STATE: &str = "\
    select id, at, repo, server, state, ( \
        select row.repo = seen.repo and row.server = seen.server and row.at = seen.at \
        from transitions as row not indexed where row.id = seen.id \
    ) as is_right \
    from transitions as seen indexed by transitions_by_state \
    where (repo, server, state, at, id) > ($1, $2, $3, $4, $5) \
    order by repo, server, state, at, id limit $6";

/// The result of checking a piece.
struct Looked {
    next: Position,
    damage: Option<(Part, String)>,
}

/// A check of a database, with a connection of its own. `None` while a piece is checked, and for
/// good if that was cancelled.
pub(super) struct Check(Option<Look>);

struct Look {
    connection: SqliteConnection,
    file: Arc<DatabaseFile>,
    gate: Arc<Gate>,
    position: Position,
    /// The number of rows of this kind that were checked.
    seen: u64,
    /// About how many entries the database has.
    entries: u64,
    /// The first and the last id in the history.
    extent: (i64, i64),
    /// The number of rows that the history had.
    transitions: u64,
}

impl Check {
    pub(super) async fn begin(
        file: Arc<DatabaseFile>,
        gate: Arc<Gate>,
        entries: usize,
    ) -> Result<Self, StoreError> {
        Ok(Self(Some(aside(Look::begin(file, gate, entries)).await?)))
    }
}

#[async_trait]
impl Examination for Check {
    async fn next(&mut self) -> Result<Option<Examined>, StoreError> {
        let mut look = self.0.take().ok_or(StoreError::Closed)?;
        // Rows are decoded there too.
        let (outcome, look) = aside(async move { Ok((look.next().await, look)) }).await?;
        self.0 = Some(look);
        outcome
    }

    async fn close(self: Box<Self>) {
        if let Some(look) = self.0 {
            // It has only read, so an error loses nothing.
            aside::close(look.connection).await.ok();
        }
    }
}

impl Look {
    async fn begin(
        file: Arc<DatabaseFile>,
        gate: Arc<Gate>,
        entries: usize,
    ) -> Result<Self, StoreError> {
        let mut connection = connection::connect_to_look_through(&file).await?;
        let is_clearing = gate.clearing();
        let should_go_on = move || !is_clearing.load(Ordering::Relaxed);
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(readers::INSTRUCTIONS_A_LOOK, should_go_on);
        drop(handle);
        Ok(Self {
            connection,
            file,
            gate,
            position: Position::Small(0),
            seen: 0,
            entries: entries as u64,
            extent: (0, 0),
            transitions: 0,
        })
    }

    async fn next(&mut self) -> Result<Option<Examined>, StoreError> {
        if self.position == Position::End {
            return Ok(None);
        }
        let looked = self.piece().await;
        // Damage in a file that has replaced ours says nothing about ours.
        self.file.check()?;
        let damage = match looked {
            Ok(Looked { next, damage }) => {
                self.go_to(next);
                damage
            }
            // The writer needed the log. The next call checks this piece again.
            Err(StoreError::Interrupted) => None,
            Err(error) => return Err(error),
        };
        Ok(Some(Examined { damage, progress: self.progress() }))
    }

    async fn piece(&mut self) -> Result<Looked, StoreError> {
        let gate = Arc::clone(&self.gate);
        let _pass = gate.enter().await?;
        let position = self.position.clone();
        let outcome = match &position {
            Position::Small(number) => self.small_table(*number).await,
            _ => self.rows(&position).await.map_err(Rejected::from),
        };
        let reason = match outcome {
            Ok(next) => return Ok(Looked { next, damage: None }),
            Err(unfit) => damage(unfit)?,
        };
        if let Position::History(after) = position {
            match self.rows(&Position::HistoryAlone(after)).await {
                Ok(next) => {
                    return Ok(Looked { next, damage: Some((Part::HistoryIndex, reason)) });
                }
                Err(error) => damage(error.into())?,
            };
        }
        Ok(Looked { next: position.behind_damage(), damage: Some((position.part(), reason)) })
    }

    async fn small_table(&mut self, number: usize) -> Result<Position, Rejected> {
        if number == 0 {
            let extent = sqlx::query(EXTENT).fetch_one(&mut self.connection).await;
            // If this cannot be read, the check of the history will find it.
            let extent = extent.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
            self.extent = extent.unwrap_or_default();
        }
        if let Some((table, _)) = SMALL.get(number) {
            check_table(&mut self.connection, table).await?;
        }
        Ok(self.position.next_kind())
    }

    /// Checks the rows after a position, and returns the position that the check continues after.
    async fn rows(&mut self, position: &Position) -> Result<Position, StoreError> {
        let question = match position.clone() {
            Position::Entries(repo, server) => {
                sqlx::query(sql::ENTRY_ROWS_AFTER).bind(repo).bind(server)
            }
            Position::Sightings(after) => sqlx::query(sql::SIGHTINGS_AFTER).bind(after),
            Position::History(after) => sqlx::query(HISTORY).bind(after),
            Position::HistoryAlone(after) => sqlx::query(HISTORY_ALONE).bind(after),
            Position::ByTime(at, id) => sqlx::query(BY_TIME).bind(at).bind(id),
            Position::ByState(repo, server, state, at, id) => {
                sqlx::query(BY_STATE).bind(repo).bind(server).bind(state).bind(at).bind(id)
            }
            Position::Small(_) | Position::End => return Ok(Position::End),
        };
        let (mut last, mut count, mut bytes) = (position.clone(), 0, 0);
        let mut rows = question.bind(ROWS).fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await? {
            let (next, length) = examine(&row, position)?;
            // Without this, damage could make the check go in circles.
            if next <= last {
                return Err(damaged("rows are out of order"));
            }
            (last, count, bytes) = (next, count + 1, bytes + length);
            if bytes > BYTES {
                break;
            }
        }
        drop(rows);
        self.seen += count;
        Ok(if count < ROWS.unsigned_abs() && bytes <= BYTES { position.next_kind() } else { last })
    }

    fn go_to(&mut self, next: Position) {
        if discriminant(&next) != discriminant(&self.position) {
            if let Position::History(_) = self.position {
                self.transitions = self.seen;
            }
            self.seen = 0;
        }
        self.position = next;
    }

    /// Returns the progress, in thousandths.
    fn progress(&self) -> u32 {
        let (from, to, (done, all)) = match &self.position {
            Position::Small(_) => (0, 0, (0, 0)),
            Position::Entries(..) => (0, 100, (self.seen, self.entries)),
            Position::Sightings(_) => (100, 100, (0, 0)),
            Position::History(after) | Position::HistoryAlone(after) => {
                let (first, last) = self.extent;
                (100, 500, (after.abs_diff(first.min(*after)), last.abs_diff(first)))
            }
            Position::ByTime(..) => (500, 700, (self.seen, self.transitions)),
            Position::ByState(..) => (700, 1000, (self.seen, self.transitions)),
            Position::End => (1000, 1000, (0, 0)),
        };
        let all = u128::from(all.max(done).max(1));
        from + u32::try_from(u128::from(to - from) * u128::from(done) / all).unwrap_or(0)
    }
}

/// Returns the damage, or an error if the check itself has failed.
fn damage(unfit: Rejected) -> Result<String, StoreError> {
    match unfit {
        Rejected::Refused { reason, .. } => Ok(reason),
        Rejected::Unreadable(cause) => Err(readers::interrupted(StoreError::Unavailable(cause))),
    }
}

/// Decodes a row. Returns its position and about how many bytes of text it has.
fn examine(row: &SqliteRow, kind: &Position) -> Result<(Position, usize), StoreError> {
    let position = match kind {
        Position::Entries(..) => {
            let entry: &str = row.try_get("entry")?;
            Rows::default().decode(entry)?;
            let position = Position::Entries(row.try_get("repo")?, row.try_get("server")?);
            return Ok((position, entry.len()));
        }
        Position::Sightings(_) => {
            let (revision, seen): (i64, &str) = (row.try_get("revision")?, row.try_get("seen")?);
            sighting_log::decode_row(seen, Revision(revision), &mut Vec::new())?;
            return Ok((Position::Sightings(revision), seen.len()));
        }
        Position::History(_) | Position::HistoryAlone(_) => {
            let item = records::decode(row)?;
            let (added, removed) = (&item.transition.files_added, &item.transition.files_removed);
            let names = added.names.iter().chain(&removed.names);
            let length = names.map(|name| name.as_str().len()).sum();
            check_indexes(row)?;
            let id = item.cursor.id;
            let is_alone = matches!(kind, Position::HistoryAlone(_));
            return Ok((
                if is_alone { Position::HistoryAlone(id) } else { Position::History(id) },
                length,
            ));
        }
        Position::ByTime(..) => Position::ByTime(row.try_get("at")?, row.try_get("id")?),
        Position::ByState(..) => Position::ByState(
            row.try_get("repo")?,
            row.try_get("server")?,
            row.try_get("state")?,
            row.try_get("at")?,
            row.try_get("id")?,
        ),
        Position::Small(_) | Position::End => Position::End,
    };
    check_indexes(row)?;
    Ok((position, 0))
}

fn check_indexes(row: &SqliteRow) -> Result<(), StoreError> {
    match row.try_get("is_right")? {
        Some(true) => Ok(()),
        Some(false) | None => Err(damaged("the table and an index do not have the same")),
    }
}

fn damaged(reason: &str) -> StoreError {
    StoreError::Damaged { table: "transitions", reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use sqlx::Executor;
    use tokio::time::timeout;

    use crate::store::Store;
    use crate::store::sqlite::store::SqliteStore;
    use crate::store::sqlite::writing::WriteConnection;

    const HISTORY: &str = "\
        with recursive number (n) as (select 1 union all select n + 1 from number where n < 3000) \
        insert into transitions (id, at, revision, repo, server, event, sync_status, drift_count, \
            files_added, files_added_count, files_removed, files_removed_count) \
        select n, n, 1, 'r', 's', 'changed', 'SYNCED', 0, '[]', 0, '[]', 0 from number";

    #[actix_web::test]
    async fn a_look_makes_way_for_the_log_and_takes_that_for_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        if let WriteConnection::Open(connection) = &mut store.writing.lock().await.connection {
            connection.execute(HISTORY).await.unwrap();
        }
        let (gate, mut look) = (&store.readers.gate, store.examine().await.unwrap());
        gate.close();
        {
            let mut piece = pin!(look.next());
            let early = timeout(Duration::from_millis(50), &mut piece).await;
            assert!(early.is_err(), "it reads behind the closed gate");
            gate.open();
            assert!(piece.await.unwrap().is_some());
        }
        gate.clear();
        let mut pieces = Vec::new();
        for _ in 0..50 {
            pieces.push(look.next().await.unwrap().unwrap());
        }
        let (last, before) = (pieces.pop().unwrap(), pieces.pop().unwrap());
        assert!(last == before && last.progress < 1000, "it does not make way: {last:?}");
        gate.open();
        while let Some(piece) = look.next().await.unwrap() {
            pieces.push(piece);
        }
        assert!(gate.is_empty());
        assert!(pieces.iter().all(|piece| piece.damage.is_none()), "{pieces:?}");
        assert_eq!(pieces.pop().unwrap().progress, 1000);
        look.close().await;
        store.close().await;
    }
}
