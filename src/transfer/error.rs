//! Why an export or an import fails.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::store::OpenError;

/// Why an export or an import fails. Nothing was changed then.
#[derive(Debug, Error)]
pub enum TransferError {
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// What is read is no whole export.
    #[error("line {line} of the export: {reason}; nothing was imported")]
    Line {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The export cannot be read.
    #[error("the export cannot be read: {0}")]
    Read(io::Error),
    /// The export cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(io::Error),
    /// The file of the export cannot be opened or made.
    #[error("{}: {error}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}
