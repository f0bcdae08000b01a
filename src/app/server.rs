//! The HTTP servers, and the number of connections that the process can have.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App as Routes, Error};
use socket2::{Domain, Protocol, Socket, Type};

use super::error::AppError;
use crate::config::Config;
use crate::http::{self, ConnectionLimits, Connections, Entrance, Services, Stream};
use crate::metrics::ConnectionCounts;
use crate::tls::Tls;

/// How many connections the port of `admin_listen` may have. Kubelets and Prometheus need a few; the
/// others are for clients that hold theirs, until they are closed.
const ADMIN_CONNECTIONS: usize = 256;

/// How long a client may read nothing of an answer before its connection is closed.
const UNTAKEN: Duration = Duration::from_mins(1);
/// The same on the port of `admin_listen`, whose clients are near and whose answers are short.
const ADMIN_UNTAKEN: Duration = Duration::from_secs(5);

/// How long a new connection may be silent before it may be closed for another.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// The same on the port of `admin_listen`. It takes in more than two thousand silent connections a
/// second, and a probe does not wait for any of them.
const ADMIN_FIRST_REQUEST: Duration = Duration::from_millis(100);

/// How long a client may take for its first head.
const FIRST_HEAD: Duration = Duration::from_secs(5);
/// How long a client may take to end a connection that the server ends.
const LAST_BYTES: Duration = Duration::from_secs(1);
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How a port is served.
struct Plan<R> {
    address: SocketAddr,
    /// The threads that serve it, and no other port.
    workers: usize,
    room: ConnectionLimits,
    routes: R,
    /// Its certificate, if it speaks TLS.
    tls: Option<Tls>,
    /// What the log advises clients that speak TLS where it speaks plain HTTP.
    advice: &'static str,
    /// For how many seconds it waits for connections to end when it is told to stop in order.
    patience: u64,
}

/// A bound port. The system accepts connections; they are served once the server runs.
pub(super) struct Port {
    pub(super) server: Server,
    /// The address, with the real port if port 0 was configured.
    pub(super) address: SocketAddr,
    pub(super) connections: Connections,
}

/// Binds the port of `listen`, and that of `admin_listen` if it is set.
///
/// # Errors
/// [`AppError::Listen`] and [`AppError::NoThread`].
pub(super) fn bind(
    config: &Config,
    services: Services,
    room: ConnectionLimits,
) -> Result<(Port, Option<Port>), AppError> {
    let beside = config
        .admin_listen
        .map(|address| services.of_another_port().map(|services| (address, Data::new(services))));
    let beside = beside.transpose().map_err(AppError::NoThread)?;
    let connections = Connections::new(room, services.metrics.connections.clone());
    let main =
        main_port(config, room, services.tls.clone()).bind(Data::new(services), connections)?;
    let admin = beside.map(|(address, services)| {
        let room = admin_connections(config);
        let connections = Connections::new(room, ConnectionCounts::default());
        admin_port(address, room, main.address).bind(services, connections)
    });
    Ok((main, admin.transpose()?))
}

impl<R: Fn(&mut ServiceConfig) + Clone + Send + 'static> Plan<R> {
    /// Binds the port.
    ///
    /// # Errors
    /// [`AppError::Listen`].
    fn bind(self, services: Data<Services>, connections: Connections) -> Result<Port, AppError> {
        let address = self.address;
        self.try_bind(services, connections).map_err(|error| AppError::Listen { address, error })
    }

    /// actix-web's own `HttpServer` is made of the same parts, but shows connections only after
    /// their TLS handshake.
    fn try_bind(self, services: Data<Services>, connections: Connections) -> io::Result<Port> {
        let Self { address, workers, room, routes, tls, advice, patience } = self;
        let listener = listen_on(address)?;
        let address = listener.local_addr()?;
        let entrance =
            Entrance::new(connections.clone(), tls, services.metrics.tls.clone(), advice);
        let stopping = services.stopping.clone();
        let serve = move || {
            let (stopping, entrance) = (stopping.clone(), entrance.of_another_worker());
            let routes = Routes::new()
                .app_data(services.clone())
                .wrap(headers_of_all())
                .wrap_fn(move |request, service| http::track(request, service, stopping.clone()))
                .configure(routes.clone())
                .into_factory()
                .map_err(|error: Error| error.error_response());
            let http = HttpService::build()
                // The housekeeper closes idle connections.
                .keep_alive(KeepAlive::Os)
                .client_request_timeout(FIRST_HEAD)
                .client_disconnect_timeout(LAST_BYTES)
                .on_connect_ext(|stream: &Stream, data: &mut _| stream.hand_over(data))
                .finish(map_config(routes, |()| AppConfig::default()));
            fn_service(move |socket| entrance.clone().accept(socket)).and_then(http)
        };
        let server = Server::build()
            .workers(workers)
            .max_concurrent_connections(room.most_at_once().div_ceil(workers))
            .shutdown_timeout(patience)
            .disable_signals()
            .listen("http", listener, serve)?;
        Ok(Port { server: server.run(), address, connections })
    }
}

/// Returns what adds [`http::HEADERS_OF_ALL`] to answers without them.
fn headers_of_all() -> DefaultHeaders {
    http::HEADERS_OF_ALL.into_iter().fold(DefaultHeaders::new(), DefaultHeaders::add)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart need not wait until the system has forgotten the last connections.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Returns how the port of `listen` is served.
fn main_port(
    config: &Config,
    room: ConnectionLimits,
    tls: Option<Tls>,
) -> Plan<impl Fn(&mut ServiceConfig) + Clone + Send + 'static> {
    Plan {
        address: config.listen,
        workers: config.workers,
        room,
        routes: http::routes,
        tls,
        advice: "use http://, or set tls_cert and tls_key",
        // Workers hold connections until the writer has answered; `App::run` enforces the grace.
        patience: config.shutdown_grace.as_secs().saturating_add(1),
    }
}

/// Returns how the port of `admin_listen` is served, beside the main port of this address. It has a
/// thread of its own, so that no client of the main port can delay its answers.
fn admin_port(
    address: SocketAddr,
    room: ConnectionLimits,
    main: SocketAddr,
) -> Plan<impl Fn(&mut ServiceConfig) + Clone + Send + 'static> {
    Plan {
        address,
        workers: 1,
        room,
        routes: move |paths: &mut ServiceConfig| http::admin_routes(paths, main.port()),
        tls: None,
        advice: "use http://, since admin_listen never speaks TLS",
        patience: 0,
    }
}

/// Returns the limits of connections to the port of `admin_listen`.
fn admin_connections(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        port: "admin_listen",
        total: ADMIN_CONNECTIONS,
        per_address: None,
        first_request: ADMIN_FIRST_REQUEST,
        untaken: ADMIN_UNTAKEN.min(config.idle_timeout),
    }
}

/// Returns the configured limits of connections, or lower ones if the process cannot open enough
/// files.
pub(super) fn connection_limits(config: &Config) -> ConnectionLimits {
    let wanted = ConnectionLimits {
        port: "listen",
        total: config.max_connections,
        per_address: config.max_connections_per_address,
        first_request: FIRST_REQUEST,
        untaken: UNTAKEN.min(config.idle_timeout),
    };
    ConnectionLimits { total: files_for_connections(config, &wanted), ..wanted }
}

/// Raises the process's limit of open files to what its connections need, if possible. Returns the
/// number of connections to the main port that the limit allows.
fn files_for_connections(config: &Config, wanted: &ConnectionLimits) -> usize {
    let max_connections = wanted.total;
    // The database, the log and the listener need 32, each worker needs 4, and the connections per
    // worker are rounded up. A connection has two handles.
    let mut others = 32 + 6 * config.workers as u64;
    if config.admin_listen.is_some() {
        others += 8 + 2 * admin_connections(config).most_at_once() as u64;
    }
    let needed = others + 2 * wanted.most_at_once() as u64;
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
