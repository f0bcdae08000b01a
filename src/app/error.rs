//! The errors of the application, with the exit status of each.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::store::{OpenError, StoreError};

/// Why the application does not start or does not go on.
#[derive(Debug, Error)]
pub enum AppError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store was opened but cannot be read.
    #[error("the database cannot be read: {0}")]
    Load(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// A task that must run for as long as the application has ended.
    #[error("the {0} has died")]
    TaskDied(&'static str),
    /// It was told to stop, and the time for that was over too soon.
    #[error("Requests received and not answered within the grace of {grace:?}: {requests}")]
    Unanswered {
        /// How many requests.
        requests: usize,
        /// How long they had.
        grace: Duration,
    },
}

impl AppError {
    /// The exit status that tells this apart from other failures.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Open(OpenError::InUse(_)) => 75,
            Self::Open(OpenError::Refused { .. }) => 65,
            Self::Open(OpenError::Unusable { .. }) | Self::Load(_) => 74,
            Self::Listen { .. } | Self::TaskDied(_) | Self::Unanswered { .. } => 1,
        }
    }
}
