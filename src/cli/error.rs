//! The errors of the command line.

use std::net::SocketAddr;

use thiserror::Error;

use crate::access::redacted;
use crate::config::ConfigError;

/// Why the program does not do what it was asked to. The text is meant for standard error.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum CliError {
    /// The arguments make no sense; the text is clap's, with a hint on the usage.
    #[error("{0}")]
    Usage(String),
    /// A setting is not accepted.
    #[error("error: {}", redacted(&.0.to_string()))]
    Settings(#[from] ConfigError),
    /// There can be no new token.
    #[error("error: the system gives no random numbers: {0}")]
    NoRandomness(getrandom::Error),
    /// The server did not answer that it is healthy.
    #[error("error: {address} is not healthy: {reason}")]
    Unhealthy {
        /// The address that was asked.
        address: SocketAddr,
        /// What happened instead, in one line.
        reason: String,
    },
}

impl CliError {
    /// Returns the exit status for this error.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Settings(_) => 2,
            Self::NoRandomness(_) | Self::Unhealthy { .. } => 1,
        }
    }
}
