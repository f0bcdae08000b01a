//! The pool of connections that only read, for questions about the history.
//!
//! In WAL mode, readers never block the writer. A question that takes too long is cancelled, so
//! that none keeps a core or a connection for minutes.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::aside::{self, aside};
use super::file::DatabaseFile;
use super::gate::{Gate, Pass};
use super::{connection, result_code as code};
use crate::mutex::locked;
use crate::store::StoreError;

/// The number of questions that run at the same time; others wait. Three may come from requests
/// (`http::work`), and one from the program itself.
const PLACES: usize = 4;
/// The number of SQLite's instructions between two calls of the progress handler: well under a
/// millisecond.
pub(super) const INSTRUCTIONS_A_LOOK: i32 = 10_000;

/// The connections, opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    places: Semaphore,
    idle: Mutex<Vec<Reader>>,
    pub(super) gate: Arc<Gate>,
}

#[derive(Debug)]
struct Reader {
    connection: SqliteConnection,
    /// Whether the question that the connection works on was cancelled.
    is_given_up: Arc<AtomicBool>,
}

/// A connection on loan. Dropping the loan cancels what the connection is doing.
pub(super) struct Loan<'a> {
    readers: &'a Readers,
    reader: Option<Reader>,
    _pass: Pass<'a>,
    _place: SemaphorePermit<'a>,
}

impl Readers {
    pub(super) fn new() -> Self {
        Self { places: Semaphore::new(PLACES), idle: Mutex::default(), gate: Arc::default() }
    }

    /// Waits for the answer to a question, at most for some time.
    pub(super) async fn ask<T>(
        &self,
        patience: Duration,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let answer = tokio::time::timeout(patience, question).await;
        answer.unwrap_or(Err(StoreError::TooSlow(patience)))
    }

    /// Lends a connection, if the database is still where it was opened.
    pub(super) async fn lend(&self, file: &Arc<DatabaseFile>) -> Result<Loan<'_>, StoreError> {
        let place = self.places.acquire().await.map_err(|_| StoreError::Closed)?;
        let pass = self.gate.enter().await?;
        file.ask(DatabaseFile::check).await?;
        let idle = locked(&self.idle).pop();
        let mut loan = Loan { readers: self, reader: idle, _pass: pass, _place: place };
        if let Some(reader) = &mut loan.reader
            && reader.is_given_up.load(Ordering::Relaxed)
        {
            // This waits until the cancelled question has ended; the flag would cancel the next
            // one.
            match reader.connection.ping().await {
                Ok(()) => reader.is_given_up.store(false, Ordering::Relaxed),
                Err(_) => loan.discard().await,
            }
        }
        if loan.reader.is_none() {
            loan.reader = Some(Reader::open(file, &self.gate).await?);
        }
        Ok(loan)
    }

    /// Closes the idle connections, and lends no more.
    pub(super) async fn close(&self) {
        self.places.close();
        self.close_idle().await;
    }

    /// Closes the idle connections.
    pub(super) async fn close_idle(&self) {
        let idle = std::mem::take(&mut *locked(&self.idle));
        for reader in idle {
            reader.is_given_up.store(true, Ordering::Relaxed);
            aside::close(reader.connection).await.ok();
        }
    }

    fn put(&self, reader: Reader) {
        locked(&self.idle).push(reader);
    }
}

impl Reader {
    async fn open(file: &Arc<DatabaseFile>, gate: &Gate) -> Result<Self, StoreError> {
        let opened = Arc::clone(file);
        let mut connection =
            aside(async move { connection::connect_to_read(&opened).await }).await?;
        let is_given_up = Arc::new(AtomicBool::new(false));
        let should_go_on = {
            let (is_given_up, is_clearing) = (Arc::clone(&is_given_up), gate.clearing());
            move || !is_given_up.load(Ordering::Relaxed) && !is_clearing.load(Ordering::Relaxed)
        };
        connection.lock_handle().await?.set_progress_handler(INSTRUCTIONS_A_LOOK, should_go_on);
        Ok(Self { connection, is_given_up })
    }
}

impl Loan<'_> {
    /// Returns the connection.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.reader.as_mut().map(|reader| &mut reader.connection).ok_or(StoreError::Closed)
    }

    /// Returns the connection to the pool, or closes it after an error.
    pub(super) async fn give_back<T>(
        mut self,
        outcome: Result<T, StoreError>,
        file: &Arc<DatabaseFile>,
    ) -> Result<T, StoreError> {
        // Checked after the answer: a file that is gone now may have been gone before.
        let outcome = match outcome {
            Ok(value) => file.ask(DatabaseFile::check).await.map(|()| value),
            Err(error) => Err(error),
        };
        let outcome = outcome.map_err(interrupted);
        if outcome.is_err() {
            self.discard().await;
        } else if let Some(reader) = self.reader.take() {
            self.readers.put(reader);
        }
        outcome
    }

    async fn discard(&mut self) {
        if let Some(reader) = self.reader.take() {
            // The connection is not used again, whether closing works or not.
            aside::close(reader.connection).await.ok();
        }
    }
}

/// Tells an interrupted question from one that failed.
pub(super) fn interrupted(error: StoreError) -> StoreError {
    let is_interrupt = |error: &sqlx::Error| code::primary(error) == Some(code::INTERRUPT);
    match error {
        StoreError::Unavailable(cause)
            if cause.downcast_ref::<sqlx::Error>().is_some_and(is_interrupt) =>
        {
            StoreError::Interrupted
        }
        other => other,
    }
}

/// The question timed out, or its client has left.
impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.is_given_up.store(true, Ordering::Relaxed);
            self.readers.put(reader);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    /// Counts for hours without returning a row, as a search without a hit does.
    const ENDLESS: &str = "with recursive number (n) as (select 0 union all select n + 1 from number) \
         select n from number where n < 0";

    #[actix_web::test]
    async fn a_question_that_nobody_waits_for_ends_and_its_connection_answers_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        let (readers, file) = (&store.readers, &store.file);
        for _ in 0..2 * PLACES {
            let endless = async {
                let mut loan = readers.lend(file).await.unwrap();
                sqlx::query(ENDLESS).execute(loan.connection().unwrap()).await.unwrap();
            };
            let outcome = tokio::time::timeout(Duration::from_millis(20), endless).await;
            assert!(outcome.is_err(), "it has an end");
        }
        assert_eq!(readers.idle.lock().unwrap().len(), 1, "it was used again and again");
        let mut loan = readers.lend(file).await.unwrap();
        let one: i64 =
            sqlx::query_scalar("select 1").fetch_one(loan.connection().unwrap()).await.unwrap();
        assert_eq!(loan.give_back(Ok(one), file).await.unwrap(), 1);
        readers.close().await;
        assert!(matches!(readers.lend(file).await.err(), Some(StoreError::Closed)));
    }
}
