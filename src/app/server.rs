//! The HTTP server, and the number of connections that the process can have.

use std::io;
use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::http::KeepAlive;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::Data;
use actix_web::{App as Routes, HttpServer};

use crate::config::Config;
use crate::http::{self, ConnectionLimits, Connections, Services};

/// Binds the configured address. Returns it with the real port if port 0 was configured.
pub(super) fn bind(
    config: &Config,
    services: Data<Services>,
    connections: &Connections,
    room: ConnectionLimits,
) -> io::Result<(Server, SocketAddr)> {
    let stopping = services.stopping.clone();
    let connections = connections.clone();
    let server = HttpServer::new(move || {
        let stopping = stopping.clone();
        Routes::new()
            .app_data(services.clone())
            .wrap(DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
            .wrap_fn(move |request, service| http::track(request, service, stopping.clone()))
            .configure(http::routes)
    })
    .on_connect(move |io, data| http::note_connection(&connections, io, data))
    .workers(config.workers)
    .max_connections(room.most_at_once().div_ceil(config.workers))
    // Otherwise an answer in several writes waits for the client's acknowledgement.
    .tcp_nodelay(true)
    // The housekeeper closes idle connections.
    .keep_alive(KeepAlive::Os)
    // Workers hold connections until the writer has answered; `App::run` enforces the grace.
    .shutdown_timeout(config.shutdown_grace.as_secs().saturating_add(1))
    .disable_signals()
    .bind(config.listen)?;
    let address = server.addrs().first().copied().unwrap_or(config.listen);
    Ok((server.run(), address))
}

/// Returns the configured limits of connections, or lower ones if the process cannot open enough
/// files.
pub(super) fn connection_limits(config: &Config) -> ConnectionLimits {
    let total = files_for_connections(config.max_connections, config.workers);
    ConnectionLimits { total, per_address: config.max_connections_per_address }
}

/// Raises the process's limit of open files to what its connections need, if possible. Returns the
/// number of connections that the limit allows.
fn files_for_connections(max_connections: usize, workers: usize) -> usize {
    // The database, the log and the listener need 32, each worker needs 4, and the connections per
    // worker are rounded up. A connection has two handles.
    let others = 32 + 6 * workers as u64;
    let limits = ConnectionLimits { total: max_connections, per_address: None };
    let needed = others + 2 * limits.most_at_once() as u64;
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit >= needed => max_connections,
        Ok(limit) => {
            let at_once = usize::try_from(limit.saturating_sub(others) / 2).unwrap_or(usize::MAX);
            let affordable = ConnectionLimits::total_within(at_once);
            log::warn!(
                "Only {limit} files may be open, but max_connections = {max_connections} needs \
                 {needed}: at most {affordable} connections will be accepted. Raise the limit \
                 (ulimit -n) or lower the setting."
            );
            affordable
        }
        Err(error) => {
            log::warn!("The limit of open files cannot be read: {error}");
            max_connections
        }
    }
}
