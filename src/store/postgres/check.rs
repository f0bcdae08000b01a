//! Reads every row, a piece at a time, while the server runs.
//!
//! Each row is decoded as for users. One statement reads a piece. PostgreSQL checks its own pages if
//! the cluster has checksums, and its indexes by `amcheck`, which a role like the program's may not
//! use.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::line::{Patience, Source, piece, within};
use super::records::decode;
use super::server::SessionLimits;
use super::{sql, sqlstate};
use crate::domain::Report;
use crate::store::record::StoredEntry;
use crate::store::{Examination, Examined, Part, StoreError};

/// The most rows in a piece, and the bytes of files after which a piece ends.
const ROWS: i64 = 1000;
const BYTES: i64 = 1 << 20;

/// The row after which the next piece begins.
#[derive(Clone, Debug)]
enum Position {
    Entries(String, String),
    History(i64),
    End,
}

/// A look at a database, with a connection of its own.
pub(super) struct Check {
    connection: PgConnection,
    limits: SessionLimits,
    position: Position,
    /// The number of rows that were read, and about how many there are.
    seen: u64,
    rows: u64,
}

impl Check {
    pub(super) async fn begin(source: &Source, limits: SessionLimits) -> Result<Self, StoreError> {
        let mut connection = source.connect(&limits, Patience::None).await?;
        let ask = sqlx::query_scalar(sql::ABOUT_ROWS).fetch_one(&mut connection);
        let rows: i64 = piece(ask).await?;
        let position = Position::Entries(String::new(), String::new());
        Ok(Self { connection, limits, position, seen: 0, rows: rows.unsigned_abs() })
    }

    /// Reads the rows after a position, and returns the position that the look continues after.
    async fn read(&mut self) -> Result<Position, StoreError> {
        match self.position.clone() {
            Position::Entries(repo, server) => self.read_entries(&repo, &server).await,
            Position::History(after) => self.read_history(after).await,
            Position::End => Ok(Position::End),
        }
    }

    async fn read_entries(&mut self, repo: &str, server: &str) -> Result<Position, StoreError> {
        let question = sqlx::query(sql::ENTRIES_AFTER).bind(repo).bind(server);
        let mut rows = question.bind(ROWS).bind(BYTES).fetch(&mut self.connection);
        let mut next = Position::History(i64::MIN);
        while let Some(row) = rows.try_next().await? {
            let Report { repo, server, .. } =
                StoredEntry::of_columns(&row, 0)?.beside(None)?.report;
            next = Position::Entries(repo.to_string(), server.to_string());
            self.seen += 1;
        }
        Ok(next)
    }

    async fn read_history(&mut self, after: i64) -> Result<Position, StoreError> {
        let question = sqlx::query(sql::HISTORY_AFTER).bind(after);
        let mut rows = question.bind(ROWS).bind(BYTES).fetch(&mut self.connection);
        let mut next = Position::End;
        while let Some(row) = rows.try_next().await? {
            next = Position::History(decode(&row)?.cursor.id);
            self.seen += 1;
        }
        Ok(next)
    }
}

#[async_trait]
impl Examination for Check {
    async fn next(&mut self) -> Result<Option<Examined>, StoreError> {
        if matches!(self.position, Position::End) {
            return Ok(None);
        }
        let limits = self.limits;
        let read = within(&limits, self.read()).await;
        let damage = match read {
            Ok(next) => {
                self.position = next;
                None
            }
            Err(error) => {
                let Some(reason) = sqlstate::damage(&error) else { return Err(error) };
                // The rest of a damaged part is not read.
                let (part, next) = match &self.position {
                    Position::Entries(..) => (Part::Entries, Position::History(i64::MIN)),
                    Position::History(_) | Position::End => (Part::History, Position::End),
                };
                self.position = next;
                Some((part, reason))
            }
        };
        let progress = match self.position {
            Position::End => 1000,
            _ => u32::try_from(999 * self.seen / self.rows.max(self.seen).max(1)).unwrap_or(0),
        };
        Ok(Some(Examined { damage, progress }))
    }

    async fn close(self: Box<Self>) {
        // It has only read, so an error loses nothing.
        sqlx::Connection::close(self.connection).await.ok();
    }
}
