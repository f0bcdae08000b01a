//! The application: the only module that wires parts together and starts tasks.

mod build;
mod error;
mod run;
mod server;

pub use build::App;
pub use error::AppError;
