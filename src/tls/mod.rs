//! TLS: the server's certificate with its key, read from files and replaced while it serves.
//!
//! This module must not know HTTP, or how connections are limited.

mod certificate;
mod client;
mod files;
mod in_force;
mod validity;

pub use certificate::Certificate;
pub use client::{ToSelf, connect_to_own, connect_to_self};
pub use files::CertificateFiles;
pub use in_force::Tls;
