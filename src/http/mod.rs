//! The HTTP side: every path, and the way from a request to an answer.
//!
//! Handlers are thin: who, what, do it, answer. What updates and filters mean is decided in the
//! domain, what rows look like in `render`, what JSON is accepted in `wire`.

mod access;
mod answer;
mod badge;
mod bodies;
mod body;
mod caller;
mod coding;
mod connections;
mod document;
mod error;
mod etag;
mod events;
mod figures;
mod filters;
mod health;
mod history;
mod list;
mod measure;
mod methods;
mod metrics;
mod openapi;
mod pages;
mod places;
mod query;
mod request_log;
mod resource;
mod routes;
mod sending;
mod services;
mod single_flight;
mod status;
mod timeline;
mod upgrade;
mod warning;
mod whole_list;
mod wire;
mod work;

pub use bodies::Bodies;
pub use connections::Connections;
pub(crate) use connections::{note_connection, track};
pub use places::ConnectionLimits;
pub(crate) use request_log::log_request;
pub(crate) use routes::routes;
pub use sending::Sending;
pub use services::{Limits, Services, Stopping};
pub use whole_list::WholeLists;
pub use work::Work;
