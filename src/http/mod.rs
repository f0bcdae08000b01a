//! The HTTP interface: every path, and the way from a request to its answer.
//!
//! Handlers are thin: who asks, for what, do it, answer. The domain decides what updates and filters
//! mean, `render` what rows look like, and `wire` what JSON is accepted.

mod answer;
mod backup;
mod badge;
mod bodies;
mod body;
mod caching;
mod caller;
mod coding;
mod connections;
mod credentials;
mod document;
mod error;
mod etag;
mod events;
mod figures;
mod files;
mod filters;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod headers_of_all;
mod health;
mod history;
mod list;
mod malformed;
mod measure;
mod methods;
mod metrics;
mod openapi;
mod pages;
mod query;
mod refusal_log;
mod representation;
mod request_log;
mod routes;
mod scrapes;
mod sending;
mod sent_names;
mod services;
mod single_flight;
mod sites;
mod status;
mod stopping;
mod threads;
mod throttle;
mod timeline;
mod times;
mod update_log;
mod warning;
mod whole_list;
mod wire;
mod work;

pub use backup::BackupTurn;
pub use bodies::Bodies;
pub use connections::{ConnectionLimits, Connections, Entrance};
pub(crate) use connections::{Stream, track};
pub use headers_of_all::HEADERS_OF_ALL;
pub use refusal_log::RefusalLog;
pub(crate) use routes::{admin_routes, routes};
pub use scrapes::Scrapes;
pub use sending::Sending;
pub use services::{Limits, Links, Services};
pub use sites::Sites;
pub use stopping::Stopping;
pub use update_log::UpdateLog;
pub use whole_list::WholeLists;
pub use work::Work;
