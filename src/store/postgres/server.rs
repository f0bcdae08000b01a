//! What the program asks of a server, and how it sets up a session.

use std::time::Duration;

use sqlx::{PgConnection, Row};
use thiserror::Error;

/// The oldest major version of PostgreSQL that is accepted, which is the one that the tests run.
pub const OLDEST_VERSION: u32 = 15;

/// How long a session may keep the server busy. The server ends what takes longer.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// One statement.
    pub statement: Duration,
    /// The wait for a lock.
    pub lock: Duration,
    /// A transaction in which nothing happens.
    pub idle_in_transaction: Duration,
}

impl SessionLimits {
    /// Those of a transaction that moves everything: counting takes long, and so may the other end,
    /// which the next statement waits for.
    pub(super) const OF_A_MOVE: Self = Self {
        statement: Duration::from_mins(30),
        lock: Duration::from_mins(1),
        idle_in_transaction: Duration::from_hours(1),
    };
}

/// The server of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    /// Its version, as it says it.
    pub version: String,
    /// Whether the session is in TLS.
    pub is_encrypted: bool,
    /// Whether a commit outlives a crash of the machine (`fsync`).
    pub syncs: bool,
}

/// What is wrong with a server.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Unfit {
    /// It is too old.
    #[error("PostgreSQL {0} is too old")]
    Version(String),
    /// It confirms commits that are not durable.
    #[error("synchronous_commit is {0}, so that a confirmed update could be lost")]
    SynchronousCommit(String),
    /// It cannot store every character.
    #[error("the encoding of the database is {0}, which has no place for every character")]
    Encoding(String),
    /// It is behind a pooler whose sessions are no sessions of the server.
    #[error(
        "a pooler mixes the sessions of its clients (its pool_mode is transaction or statement)"
    )]
    Pooled,
}

impl Unfit {
    /// Returns a sentence that says what to do.
    pub(super) fn way_out(&self) -> &'static str {
        match self {
            Self::Version(_) => "PostgreSQL 15 or newer is needed",
            Self::SynchronousCommit(_) => {
                "Set synchronous_commit to on or remote_apply, for the server, the database or the role"
            }
            Self::Encoding(_) => "Create the database with encoding UTF8",
            Self::Pooled => "Set pool_mode = session, or name the server instead of the pooler",
        }
    }
}

/// What a session is told by its server.
pub(super) enum Standing {
    /// The server takes writes, and is fit.
    Primary(Server),
    /// It takes none.
    Standby,
}

/// Sets the limits of a session, keeps its commits as durable as they were found to be, whatever is
/// changed later and reloaded, and has the server end sessions whose program has vanished. These are
/// statements, since a pooler drops what is sent with the login.
const SET_UP: &str = "select \
    set_config('statement_timeout', $1, false), \
    set_config('lock_timeout', $2, false), \
    set_config('idle_in_transaction_session_timeout', $3, false), \
    set_config('synchronous_commit', $4, false), \
    set_config('tcp_keepalives_idle', '30', false), \
    set_config('tcp_keepalives_interval', '10', false), \
    set_config('tcp_keepalives_count', '3', false)";

/// Writes a time as settings take it.
pub(super) fn in_millis(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

const ASK: &str = "select \
    current_setting('server_version_num')::integer, \
    current_setting('server_version'), \
    pg_is_in_recovery() or current_setting('transaction_read_only')::boolean, \
    current_setting('synchronous_commit'), \
    current_setting('server_encoding'), \
    current_setting('fsync')::boolean, \
    coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)";

/// Sets a new session up, and asks the server about itself.
pub(super) async fn set_up(
    connection: &mut PgConnection,
    limits: &SessionLimits,
) -> sqlx::Result<Result<Standing, Unfit>> {
    let row = sqlx::query(ASK).persistent(false).fetch_one(&mut *connection).await?;
    let (version_number, version): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    let takes_no_writes: bool = row.try_get(2)?;
    let (synchronous_commit, encoding): (String, String) = (row.try_get(3)?, row.try_get(4)?);
    if version_number.unsigned_abs() / 10_000 < OLDEST_VERSION {
        return Ok(Err(Unfit::Version(version)));
    }
    if takes_no_writes {
        return Ok(Ok(Standing::Standby));
    }
    if !matches!(synchronous_commit.as_str(), "on" | "remote_apply") {
        return Ok(Err(Unfit::SynchronousCommit(synchronous_commit)));
    }
    if encoding != "UTF8" {
        return Ok(Err(Unfit::Encoding(encoding)));
    }
    let SessionLimits { statement, lock, idle_in_transaction } = limits;
    let mut set_up = sqlx::query(SET_UP).persistent(false);
    for limit in [*statement, *lock, *idle_in_transaction] {
        set_up = set_up.bind(in_millis(limit));
    }
    set_up.bind(synchronous_commit).execute(connection).await?;
    let (syncs, is_encrypted) = (row.try_get(5)?, row.try_get(6)?);
    Ok(Ok(Standing::Primary(Server { version, is_encrypted, syncs })))
}
