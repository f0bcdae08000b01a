//! The errors of the application, with the exit status of each.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::config::ConfigError;
use crate::demo::PastError;
use crate::store::{OpenError, StoreError};
use crate::transfer::TransferError;

/// Why the application does not start, or stops.
#[derive(Debug, Error)]
pub enum AppError {
    /// A file that a setting names cannot be used.
    #[error("{0}")]
    File(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store was opened but cannot be read.
    #[error("the database cannot be read: {0}")]
    Load(#[from] StoreError),
    /// An export or an import has failed.
    #[error(transparent)]
    Transfer(TransferError),
    /// The past of the demo's fleet cannot be stored.
    #[error("the past of the demo's fleet cannot be stored: {0}")]
    Past(#[from] PastError),
    /// The folder of the demo's database cannot be made or removed.
    #[error("the folder of the demo's database cannot be made or removed in {}: {error}", folder.display())]
    Folder {
        /// Where.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The address cannot be bound.
    #[error("{address} cannot be listened on: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The system starts no thread.
    #[error("no thread could be started: {0}")]
    NoThread(io::Error),
    /// A task ended before the application did.
    #[error("the {0} has died")]
    TaskDied(&'static str),
    /// The grace ran out before every request had its answer.
    #[error("Requests received and not answered within the grace of {grace:?}: {requests}")]
    Unanswered {
        /// The number of unanswered requests.
        requests: usize,
        /// The grace that they had.
        grace: Duration,
    },
}

impl AppError {
    /// Returns the exit status for this error.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::File(_) => 2,
            Self::Open(OpenError::InUse(_)) => 75,
            Self::Open(OpenError::Refused { .. }) | Self::Transfer(TransferError::Line { .. }) => {
                65
            }
            Self::Open(OpenError::Unusable { .. })
            | Self::Load(_)
            | Self::Transfer(_)
            | Self::Past(_)
            | Self::Folder { .. } => 74,
            Self::Listen { .. }
            | Self::NoThread(_)
            | Self::TaskDied(_)
            | Self::Unanswered { .. } => 1,
        }
    }
}

impl From<TransferError> for AppError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Store(error) => Self::Open(error),
            other => Self::Transfer(other),
        }
    }
}
