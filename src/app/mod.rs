//! The application: the only module that wires parts together and starts tasks.

mod build;
mod certificate;
mod database;
mod demo;
mod error;
mod reload;
mod replica;
mod run;
mod server;
mod tokens;

pub use build::App;
pub use database::{incoming, outgoing};
pub use demo::Demo;
pub use error::AppError;
