//! Why no connection to a database is made, in words for the operator.

use std::time::Duration;

use thiserror::Error;

use super::login::{Host, LoginFiles};
use super::server::Unfit;
use crate::store::{OpenError, StoreError};

/// Why no connection is made.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// A server was reached whose database this program does not use.
    #[error("{host}: {unfit}. {}", unfit.way_out())]
    Unfit {
        /// The server.
        host: Host,
        /// What is wrong with it.
        unfit: Unfit,
    },
    /// No host takes the program as its primary.
    #[error("{}", .0.iter().map(Failure::to_string).collect::<Vec<_>>().join("; "))]
    Unreachable(Vec<Failure>),
}

impl ConnectError {
    /// Returns the error of a start, with the database's name as the user knows it.
    #[must_use]
    pub fn at_start(self, database: &impl ToString) -> OpenError {
        let path = database.to_string();
        match self {
            Self::Unfit { host, unfit } => OpenError::Refused {
                path,
                reason: format!("{host}: {unfit}"),
                way_out: unfit.way_out(),
            },
            Self::Unreachable(_) => OpenError::Unusable { path, cause: Box::new(self) },
        }
    }
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// Why one host is not used.
#[derive(Debug, Error)]
#[error("{host}: {cause}")]
pub struct Failure {
    pub(super) host: Host,
    pub(super) cause: Cause,
}

/// What stands between the program and a host.
#[derive(Debug, Error)]
pub(super) enum Cause {
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("it is a standby, or takes no writes; only the primary is used")]
    Standby,
    #[error("{0}")]
    Files(String),
    #[error("{0}")]
    Login(String),
}

impl Cause {
    /// Puts an error of the login into words.
    pub(super) fn of_login(error: &sqlx::Error, files: &LoginFiles) -> Self {
        /// `invalid_password`.
        const WRONG_PASSWORD: &str = "28P01";
        /// `duplicate_prepared_statement`, `invalid_sql_statement_name`: of another session.
        const OF_ANOTHER_SESSION: [&str; 2] = ["42P05", "26000"];
        Self::Login(match error {
            sqlx::Error::Database(error) => {
                let is_missing = files.password.is_none();
                let hint = match error.code().as_deref() {
                    Some(WRONG_PASSWORD) if is_missing => " (no password is configured)",
                    Some(code) if OF_ANOTHER_SESSION.contains(&code) => {
                        " (a pooler mixes sessions: set its pool_mode to session)"
                    }
                    _ if error.message().ends_with("startup parameter: options") => {
                        " (a pooler does not take PGOPTIONS)"
                    }
                    _ => "",
                };
                format!("{}{hint}", error.message())
            }
            sqlx::Error::Io(error) => with_hint(&error.to_string()),
            sqlx::Error::Tls(error) => with_hint(&error.to_string()),
            error => error.to_string(),
        })
    }
}

/// Adds what to do about an error of TLS.
fn with_hint(error: &str) -> String {
    let hint = if error.contains("UnknownIssuer") {
        " (its authority is not trusted: sslrootcert names a PEM file of authorities)"
    } else if error.contains("CaUsedAsEndEntity") {
        " (an authority's own certificate is not accepted as a server's: sign one for the host with it)"
    } else if error.contains("does not support TLS") {
        " (set ssl = on there; or write a weaker sslmode, which lets others read and change what is sent)"
    } else {
        ""
    };
    format!("{error}{hint}")
}
