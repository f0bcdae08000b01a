//! Connections that are kept: opened when they are first needed, and again after each error.
//!
//! The state of a connection after an error is unknown, so it is not used again.

use std::future::Future;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until, timeout};

use super::absence::Absence;
use super::server::SessionLimits;
use super::sql;
use super::target::Target;
use crate::store::StoreError;

/// How much longer than the server a caller waits before a connection counts as lost.
const GRACE: Duration = Duration::from_secs(1);

/// What a caller does while the database cannot be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Patience {
    /// It asks again later.
    None,
    /// It waits, if the database has been away for a moment only.
    Short,
}

/// A database that was opened.
#[derive(Debug)]
pub(super) struct Source {
    target: Target,
    /// Identifies the database.
    pub(super) store_id: String,
    /// Set while the database cannot be reached.
    absence: Mutex<Option<Absence>>,
}

impl Source {
    pub(super) fn new(target: Target, store_id: String) -> Self {
        Self { target, store_id, absence: Mutex::new(None) }
    }

    /// Opens a connection to the database that was opened, wherever its primary is now. While it cannot
    /// be reached, one caller at a time tries, now and then; the others get the last error.
    pub(super) async fn connect(
        &self,
        limits: &SessionLimits,
        patience: Patience,
    ) -> Result<PgConnection, StoreError> {
        loop {
            let error = match self.try_in_turn(limits).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            match self.next_try().await {
                Some(next_try) if patience == Patience::Short => sleep_until(next_try).await,
                Some(_) | None => return Err(error),
            }
        }
    }

    /// Returns when to try again, or `None` if that is not worth waiting for.
    async fn next_try(&self) -> Option<Instant> {
        match &*self.absence.lock().await {
            None => Some(Instant::now()),
            Some(absence) => absence.is_short().then(|| absence.next_try()),
        }
    }

    /// Tries to connect, unless that has failed a moment ago.
    async fn try_in_turn(&self, limits: &SessionLimits) -> Result<PgConnection, StoreError> {
        // While the database is away, this waits for the one that tries.
        let mut turn = self.absence.lock().await;
        let now = Instant::now();
        if let Some(absence) = turn.as_ref().filter(|absence| now < absence.next_try()) {
            return Err(absence.error());
        }
        if let Some(absence) = &mut *turn {
            let outcome = self.open(limits).await;
            match &outcome {
                Ok(_) => *turn = None,
                Err(error) => absence.go_on(error),
            }
            return outcome;
        }
        drop(turn);
        let outcome = self.open(limits).await;
        if let Err(error) = &outcome {
            let mut absence = self.absence.lock().await;
            absence.get_or_insert_with(|| Absence::begin(now, error));
        }
        outcome
    }

    async fn open(&self, limits: &SessionLimits) -> Result<PgConnection, StoreError> {
        let mut connection = self.target.connect(limits).await?.connection;
        let ask = sqlx::query_scalar(sql::BEGIN_SESSION).fetch_one(&mut connection);
        let store_id: String = within(limits, async { Ok(ask.await?) }).await?;
        if store_id == self.store_id { Ok(connection) } else { Err(StoreError::Displaced) }
    }
}

/// Waits for an answer a little longer than the server works at it.
pub(super) async fn within<T>(
    limits: &SessionLimits,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let patience = limits.statement + GRACE;
    timeout(patience, answer).await.unwrap_or(Err(StoreError::Silent(patience)))
}

/// A place for one connection, which one caller at a time uses.
#[derive(Debug)]
pub(super) struct Line {
    limits: SessionLimits,
    patience: Patience,
    held: Mutex<Held>,
}

#[derive(Debug)]
enum Held {
    Open(PgConnection),
    Broken,
    Closed,
}

/// A connection on loan. Dropping the loan closes it.
pub(super) struct Loan<'a> {
    place: MutexGuard<'a, Held>,
    pub(super) connection: PgConnection,
}

impl Line {
    pub(super) fn new(limits: SessionLimits, patience: Patience) -> Self {
        Self { limits, patience, held: Mutex::new(Held::Broken) }
    }

    pub(super) fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    /// Lends the connection, or a new one if there is none.
    pub(super) async fn lend(&self, source: &Source) -> Result<Loan<'_>, StoreError> {
        let mut place = self.held.lock().await;
        let connection = match std::mem::replace(&mut *place, Held::Broken) {
            Held::Open(connection) => connection,
            Held::Broken => source.connect(&self.limits, self.patience).await?,
            Held::Closed => {
                *place = Held::Closed;
                return Err(StoreError::Closed);
            }
        };
        Ok(Loan { place, connection })
    }

    /// An error if the connection was closed for good.
    pub(super) async fn check_open(&self) -> Result<(), StoreError> {
        let is_closed = matches!(*self.held.lock().await, Held::Closed);
        if is_closed { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Closes the connection, and lends none any more.
    pub(super) async fn close(&self) {
        let held = std::mem::replace(&mut *self.held.lock().await, Held::Closed);
        if let Held::Open(connection) = held {
            // Everything that was confirmed is durable, whether the server hears the end or not.
            timeout(GRACE, connection.close()).await.ok();
        }
    }
}

impl Loan<'_> {
    /// Keeps the connection after a success, and closes it after an error.
    pub(super) fn give_back<T, E>(self, outcome: Result<T, E>) -> Result<T, E> {
        if outcome.is_ok() {
            self.keep();
        }
        outcome
    }

    /// Keeps the connection.
    pub(super) fn keep(mut self) {
        *self.place = Held::Open(self.connection);
    }
}
