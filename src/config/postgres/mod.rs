//! The settings of a connection to PostgreSQL: its URL, the `PG*` variables, and files.

mod environment;
mod escapes;
mod files;
mod pass_file;
mod place;
mod secret;
mod ssl_mode;
mod url;

pub use files::LoginSecrets;
pub use place::Place;
pub use ssl_mode::SslMode;
pub use url::PostgresUrl;
