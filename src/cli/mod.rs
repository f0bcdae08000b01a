//! The command line: what the program is asked to do, and with which settings.
//!
//! This module reads the process's arguments and environment. It prints nothing and must not know
//! how a server runs.

mod backup;
mod check_config;
mod command;
mod compact;
mod demo;
mod download;
mod error;
mod healthcheck;
mod invocation;
mod place;
mod repair;
mod token;
mod transfer;

pub use backup::{RestoreBackup, TakeBackup, TakeError, backup, check, restore};
pub use check_config::check_files;
pub use command::command;
pub use compact::compact;
pub use demo::DemoOptions;
pub use download::DownloadError;
pub use error::CliError;
pub use healthcheck::healthcheck;
pub use invocation::{Asked, Invocation, from_process, parse};
pub use place::Place;
pub use repair::repair;
pub use token::{CheckToken, NewToken, Verdict, check_token, new_token};
pub use transfer::{export, import};
