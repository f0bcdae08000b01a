//! The connections that only read, for questions about the history.
//!
//! A question that takes too long is cancelled, so that none keeps the server busy for minutes. Nothing
//! else is: a commit that waits for its standby would count as made if it was cancelled.

use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::line::{Line, Patience, Source, within};
use super::server::{SessionLimits, in_millis};
use super::{sql, sqlstate};
use crate::mutex::locked;
use crate::store::StoreError;
use crate::store::archive::FOR_A_REQUEST;

/// The number of questions that run at the same time; others wait. Three may come from requests
/// (`http::work`), and one from the program itself.
const PLACES: usize = 4;
/// How long a server may take to end a question that was cancelled.
const END: Duration = Duration::from_secs(2);

/// The limits of a session. Each loan sets that of its statements.
const LIMITS: SessionLimits = SessionLimits {
    statement: FOR_A_REQUEST,
    lock: FOR_A_REQUEST,
    idle_in_transaction: FOR_A_REQUEST,
};

/// The connections, opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    places: Semaphore,
    idle: Mutex<Vec<Reader>>,
}

#[derive(Debug)]
struct Reader {
    connection: PgConnection,
    process: Process,
    /// Whether the question that the connection works on was given up.
    is_given_up: bool,
}

/// The process of the server behind a connection. Another one may have its number: on another server,
/// and later on the same one.
#[derive(Clone, Copy, Debug)]
struct Process {
    number: i32,
    /// When it began, in microseconds since 1970; `None` if the role may not know.
    began: Option<i64>,
}

/// A connection on loan. Dropping the loan gives up what the connection is doing.
pub(super) struct Loan<'a> {
    readers: &'a Readers,
    reader: Option<Reader>,
    _place: SemaphorePermit<'a>,
}

impl Readers {
    pub(super) fn new() -> Self {
        Self { places: Semaphore::new(PLACES), idle: Mutex::default() }
    }

    /// Waits for the answer to a question, at most for some time.
    pub(super) async fn ask<T>(
        &self,
        patience: Duration,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match timeout(patience, question).await {
            Ok(Err(error)) if sqlstate::is_given_up(&error) => Err(StoreError::TooSlow(patience)),
            Ok(answer) => answer,
            Err(_) => Err(StoreError::TooSlow(patience)),
        }
    }

    /// Lends a connection for statements that may each take some time. What it may still be doing is
    /// cancelled by another one.
    pub(super) async fn lend(
        &self,
        patience: Duration,
        source: &Source,
        other: &Line,
    ) -> Result<Loan<'_>, StoreError> {
        let place = self.places.acquire().await.map_err(|_| StoreError::Closed)?;
        let idle = locked(&self.idle).pop();
        let mut loan = Loan { readers: self, reader: idle, _place: place };
        if let Some(reader) = &mut loan.reader
            && reader.make_ready(patience, source, other).await.is_err()
        {
            loan.reader = None;
        }
        if loan.reader.is_none() {
            loan.reader = Some(Reader::open(patience, source).await?);
        }
        Ok(loan)
    }

    /// Closes the idle connections, and lends no more. Cancels what they may still be doing.
    pub(super) async fn close(&self, source: &Source, other: &Line) {
        self.places.close();
        let idle = std::mem::take(&mut *locked(&self.idle));
        let (given_up, idle): (Vec<_>, Vec<_>) =
            idle.into_iter().partition(|reader| reader.is_given_up);
        let cancel = async {
            for reader in &given_up {
                reader.cancel(source, other).await?;
            }
            Ok::<_, StoreError>(())
        };
        timeout(END, cancel).await.ok();
        for reader in idle {
            timeout(END, reader.connection.close()).await.ok();
        }
    }
}

impl Reader {
    async fn open(patience: Duration, source: &Source) -> Result<Self, StoreError> {
        let mut connection = source.connect(&LIMITS, Patience::Short).await?;
        let prepare = sqlx::query(sql::PREPARE_TO_READ).bind(in_millis(patience));
        let row = prepare.fetch_one(&mut connection).await?;
        let process = Process { number: row.try_get(0)?, began: row.try_get(1)? };
        Ok(Self { connection, process, is_given_up: false })
    }

    /// Sets the time that a statement may take. So it makes sure that the session is alive: the server
    /// may have ended it, or gone away, since it was last used. Waits until a question that was given up
    /// has ended.
    async fn make_ready(
        &mut self,
        patience: Duration,
        source: &Source,
        other: &Line,
    ) -> Result<(), StoreError> {
        if self.is_given_up {
            self.cancel(source, other).await?;
        }
        let limit = sqlx::query(sql::LIMIT_STATEMENTS).bind(in_millis(patience));
        let answers = timeout(END, limit.execute(&mut self.connection)).await;
        answers.map_err(|_| StoreError::Silent(END))??;
        self.is_given_up = false;
        Ok(())
    }

    /// Cancels what the session is doing, by another one.
    async fn cancel(&self, source: &Source, other: &Line) -> Result<(), StoreError> {
        let mut loan = other.lend(source).await?;
        let cancelled = within(other.limits(), self.process.cancel(&mut loan.connection)).await;
        loan.give_back(cancelled)
    }
}

impl Process {
    /// Cancels what it is doing, if it still runs on the server of a connection.
    async fn cancel(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let Self { number, began } = self;
        sqlx::query(sql::CANCEL).bind(number).bind(began).execute(connection).await?;
        Ok(())
    }
}

impl Loan<'_> {
    /// Returns the connection.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.reader.as_mut().map(|reader| &mut reader.connection).ok_or(StoreError::Closed)
    }

    /// Returns the connection to the pool, or closes it after an error.
    pub(super) fn give_back<T>(mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let reader = self.reader.take();
        if outcome.is_ok() {
            locked(&self.readers.idle).extend(reader);
        }
        outcome
    }
}

/// The question timed out, or its client has left.
impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(mut reader) = self.reader.take() {
            reader.is_given_up = true;
            locked(&self.readers.idle).push(reader);
        }
    }
}
