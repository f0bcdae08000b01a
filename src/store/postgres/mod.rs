//! The store in PostgreSQL.

mod connect_error;
mod login;
mod server;
mod target;

pub use connect_error::ConnectError;
pub use login::{Host, Login, LoginFiles, Tls};
pub use server::{OLDEST_VERSION, Server, SessionLimits};
pub use target::{Session, Target};
