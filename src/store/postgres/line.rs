//! Connections that are kept: opened when they are first needed, and again after each error.
//!
//! The state of a connection after an error is unknown, so it is not used again.

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::{Mutex as Turns, MutexGuard as Turn};
use tokio::time::{Instant, sleep_until, timeout};

use super::absence::Absence;
use super::server::SessionLimits;
use super::sql;
use super::target::Target;
use crate::mutex::locked;
use crate::store::StoreError;

/// How much longer than the server a caller waits before a connection counts as lost.
const GRACE: Duration = Duration::from_secs(1);
/// How long a caller waits for the next piece of a long answer before a connection counts as lost.
const PIECE: Duration = Duration::from_secs(10);
/// How often a caller that waits looks whether somebody else has reached the database.
const LOOK: Duration = Duration::from_millis(25);

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
    reach: Mutex<Reach>,
}

/// Whether the database can be reached, as far as is known.
#[derive(Debug, Default)]
struct Reach {
    /// Set while it cannot.
    absence: Option<Absence>,
    /// Whether somebody tries to reach it meanwhile.
    is_tried: bool,
}

/// The one try to reach a database that is away. Dropping this ends it.
struct Try<'a>(&'a Source);

impl Drop for Try<'_> {
    fn drop(&mut self) {
        locked(&self.0.reach).is_tried = false;
    }
}

impl Source {
    pub(super) fn new(target: Target, store_id: String) -> Self {
        Self { target, store_id, reach: Mutex::default() }
    }

    /// Opens a connection to the database that was opened, wherever its primary is now. While it cannot
    /// be reached, one caller at a time tries, now and then; the others get the last error at once.
    pub(super) async fn connect(
        &self,
        limits: &SessionLimits,
        patience: Patience,
    ) -> Result<PgConnection, StoreError> {
        loop {
            let error = match self.try_alone(limits).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            match self.next_try() {
                Some(next_try) if patience == Patience::Short => sleep_until(next_try).await,
                Some(_) | None => return Err(error),
            }
        }
    }

    /// Returns when to try again, or `None` if that is not worth waiting for.
    fn next_try(&self) -> Option<Instant> {
        let (reach, now) = (locked(&self.reach), Instant::now());
        let Some(absence) = &reach.absence else { return Some(now) };
        let next_try = if reach.is_tried { now + LOOK } else { absence.next_try() };
        absence.is_short().then_some(next_try)
    }

    /// Whether the database cannot be reached, as far as is known.
    pub(super) fn is_away(&self) -> bool {
        locked(&self.reach).absence.is_some()
    }

    /// Returns why the database cannot be reached, if it is away.
    fn absence(&self) -> Option<StoreError> {
        locked(&self.reach).absence.as_ref().map(Absence::error)
    }

    /// Tries to connect, unless that has failed a moment ago or somebody else tries. Nothing is locked
    /// meanwhile: a host that does not answer takes seconds.
    async fn try_alone(&self, limits: &SessionLimits) -> Result<PgConnection, StoreError> {
        let began = Instant::now();
        let alone = self.begin_try(began)?;
        let outcome = self.open(limits).await;
        let mut reach = locked(&self.reach);
        match (&outcome, &mut reach.absence) {
            (Ok(_), absence) => *absence = None,
            (Err(error), absence @ None) => *absence = Some(Absence::begin(began, error)),
            (Err(error), Some(absence)) if alone.is_some() => absence.go_on(error),
            // Somebody else who began before the absence was known has noted it.
            (Err(_), Some(_)) => {}
        }
        drop(reach);
        outcome
    }

    /// Begins to try. `None` while the database is not known to be away: then all may try.
    fn begin_try(&self, now: Instant) -> Result<Option<Try<'_>>, StoreError> {
        let mut reach = locked(&self.reach);
        let Some(absence) = &reach.absence else { return Ok(None) };
        if reach.is_tried || now < absence.next_try() {
            return Err(absence.error());
        }
        reach.is_tried = true;
        Ok(Some(Try(self)))
    }

    async fn open(&self, limits: &SessionLimits) -> Result<PgConnection, StoreError> {
        let mut connection = self.target.connect(limits).await?.connection;
        let ask = sqlx::query_scalar(sql::BEGIN_SESSION).fetch_one(&mut connection);
        // As long as for the login: a load may take minutes, but not its first answer.
        let store_id: String = in_time(self.target.connect_timeout(), ask).await?;
        if store_id == self.store_id { Ok(connection) } else { Err(StoreError::Displaced) }
    }
}

/// Waits for an answer a little longer than the server works at it.
pub(super) async fn within<T, E: From<StoreError>>(
    limits: &SessionLimits,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let patience = limits.statement + GRACE;
    let silence = || Err(StoreError::Silent(patience).into());
    timeout(patience, answer).await.unwrap_or_else(|_| silence())
}

/// Waits for the next piece of a long answer. One that takes minutes is not lost while pieces come.
pub(super) async fn piece<T, E: Into<StoreError>>(
    next: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError> {
    in_time(PIECE, next).await
}

async fn in_time<T, E: Into<StoreError>>(
    patience: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError> {
    match timeout(patience, answer).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => Err(StoreError::Silent(patience)),
    }
}

/// A place for one connection, which one caller at a time uses.
#[derive(Debug)]
pub(super) struct Line {
    limits: SessionLimits,
    patience: Patience,
    held: Turns<Held>,
    /// Whether the one whose turn it is waits for a connection.
    is_connecting: AtomicBool,
}

#[derive(Debug)]
enum Held {
    Open(PgConnection),
    Broken,
    Closed,
}

/// A connection on loan. Dropping the loan closes it.
pub(super) struct Loan<'a> {
    place: Turn<'a, Held>,
    pub(super) connection: PgConnection,
}

impl Line {
    pub(super) fn new(limits: SessionLimits, patience: Patience) -> Self {
        let held = Turns::new(Held::Broken);
        Self { limits, patience, held, is_connecting: AtomicBool::new(false) }
    }

    pub(super) fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    /// Lends the connection, or a new one if there is none. Waits for its turn, but not while another
    /// caller tries to reach a database that is away.
    pub(super) async fn lend(&self, source: &Source) -> Result<Loan<'_>, StoreError> {
        let mut place = match (self.held.try_lock(), source.absence()) {
            (Ok(place), _) => place,
            (Err(_), Some(error)) if self.is_connecting.load(Ordering::Relaxed) => {
                return Err(error);
            }
            (Err(_), _) => self.held.lock().await,
        };
        let connection = match std::mem::replace(&mut *place, Held::Broken) {
            Held::Open(connection) => connection,
            Held::Broken => {
                self.is_connecting.store(true, Ordering::Relaxed);
                let connected = source.connect(&self.limits, self.patience).await;
                self.is_connecting.store(false, Ordering::Relaxed);
                connected?
            }
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
