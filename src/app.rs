//! The application: the only place where parts are put together and tasks are started.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::KeepAlive;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::Data;
use actix_web::{App as Routes, HttpServer};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::board::{Board, BoardSettings, Checker, Feed, Writer};
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl};
use crate::domain::{Capacity, Policy, Retention};
use crate::http::{
    self, Bodies, ConnectionLimits, Connections, Limits, Sending, Services, Stopping, WholeLists,
    Work,
};
use crate::logging;
use crate::metrics::{EntrySeries, Metrics};
use crate::store::sqlite::SqliteStore;
use crate::store::{Archive, OpenError, Store, StoreError};

/// How long a stream of changes may be silent: proxies end those that are for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How much of the grace the writer and the store have for themselves.
const SHARE_OF_STORE: Duration = Duration::from_secs(2);

/// How long a client may take nothing of what it is sent.
const UNTAKEN: Duration = Duration::from_mins(1);

/// Why the application does not start or does not go on.
#[derive(Debug, Error)]
pub enum AppError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store was opened but cannot be read.
    #[error("the database cannot be read: {0}")]
    Load(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// A task that must run for as long as the application has ended.
    #[error("the {0} has died")]
    TaskDied(&'static str),
    /// It was told to stop, and the time for that was over too soon.
    #[error("Requests received and not answered within the grace of {grace:?}: {requests}")]
    Unanswered {
        /// How many requests.
        requests: usize,
        /// How long they had.
        grace: Duration,
    },
}

impl AppError {
    /// The exit status that tells this apart from other failures.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Open(OpenError::InUse(_)) => 75,
            Self::Open(OpenError::Refused { .. }) => 65,
            Self::Open(OpenError::Unusable { .. }) | Self::Load(_) => 74,
            Self::Listen { .. } | Self::TaskDied(_) | Self::Unanswered { .. } => 1,
        }
    }
}

/// A built application: its store is open and its address is bound.
pub struct App {
    server: Server,
    address: SocketAddr,
    writer: Writer,
    feed: Feed,
    checker: Checker,
    connections: Connections,
    stopping: Stopping,
    idle_timeout: Duration,
    shutdown_delay: Duration,
    shutdown_grace: Duration,
}

impl App {
    /// Opens the store, loads the state and binds the address. Connections are taken from here
    /// on, and served once [`App::run`] runs.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn build(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let DatabaseUrl::Sqlite(path) = config.database_url.clone();
        let runtime = Handle::current();
        // On a thread that a disk may hold up: signals are heard meanwhile.
        let store = spawn_blocking(move || runtime.block_on(SqliteStore::open(&path))).await;
        let store = store.map_err(|_| AppError::TaskDied("opening of the database"))??;
        let store = Arc::new(store);
        Self::with_store(config, clock, Arc::<SqliteStore>::clone(&store), store).await
    }

    /// Does the same with a store that is open already, whatever the settings say of it.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn with_store(
        config: &Config,
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        archive: Arc<dyn Archive>,
    ) -> Result<Self, AppError> {
        let room = connection_limits(config);
        let loaded = store.load().await?;
        log::info!(
            "Database {}: {} entries at revision {}",
            loaded.store_id,
            loaded.entries.len(),
            loaded.revision.0
        );
        let metrics =
            Arc::new(Metrics::new(entry_series(config), clock.read().wall, logging::lines_dropped));
        let (commits, usage) = (metrics.commits.clone(), store.usage().await);
        let settings = board_settings(config);
        let (board, writer, feed) =
            Board::new(loaded, store, archive, Arc::clone(&clock), settings, commits, usage);
        let checker = Checker::new(&board, Arc::clone(&clock));
        let stopping = Stopping::default();
        let patience = UNTAKEN.min(config.idle_timeout);
        let connections = Connections::new(room, patience, metrics.connections.clone());
        let services = Services {
            sending: Sending::new(Arc::clone(&clock)),
            board,
            clock,
            whole_lists: WholeLists::default(),
            work: Work::new(&metrics.overload),
            bodies: Bodies::default(),
            limits: limits(config, room),
            stopping: stopping.clone(),
            metrics,
        };
        let (server, address) = bind(config, Data::new(services), &connections, room)
            .map_err(|error| AppError::Listen { address: config.listen, error })?;
        Ok(Self {
            server,
            address,
            writer,
            feed,
            checker,
            connections,
            stopping,
            idle_timeout: config.idle_timeout,
            shutdown_delay: config.shutdown_delay,
            shutdown_grace: config.shutdown_grace,
        })
    }

    /// Returns the address that is listened on; its port is the real one if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then stops in order: unready, no more connections, every request
    /// under way answered, every update stored, the store closed.
    ///
    /// # Errors
    /// [`AppError::TaskDied`] if a task has ended before its time, [`AppError::Unanswered`] if
    /// requests have not got their answer when the grace is over.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), AppError> {
        let Self { server, address: _, writer, feed, checker, connections, stopping, .. } = self;
        let handle = server.handle();
        let stop_writer = CancellationToken::new();
        let mut writer = start(writer.run(stop_writer.clone()));
        let stop_feed = CancellationToken::new();
        let mut feed = start(feed.run(stop_feed.clone()));
        let mut checker = start(checker.run(stop_feed.clone()));
        let mut reaper = start(reap(connections.clone(), self.idle_timeout));
        let mut server = start(server);
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = &mut writer => return Err(AppError::TaskDied("writer")),
            _ = &mut feed => return Err(AppError::TaskDied("feed")),
            _ = &mut checker => return Err(AppError::TaskDied("checker")),
            _ = &mut reaper => return Err(AppError::TaskDied("reaper of connections")),
            _ = &mut server => return Err(AppError::TaskDied("server")),
        }
        log::info!("Stopping");
        stopping.begin();
        // Streams never end by themselves, and those who listen find another server the sooner.
        stop_feed.cancel();
        tokio::time::sleep(self.shutdown_delay).await;
        let grace = self.shutdown_grace;
        let end = Instant::now() + grace;
        let close_idle = start(close_idle(connections.clone()));
        let all_ended = timeout(share_of_connections(grace), handle.stop(true)).await;
        // Its connection is to be closed before the writer's, which takes the log away.
        timeout(SHARE_OF_STORE / 2, checker).await.ok();
        stop_writer.cancel();
        let is_closed = match timeout_at(end, &mut writer).await {
            Ok(Ok(())) => true,
            Ok(Err(_)) => return Err(AppError::TaskDied("writer")),
            Err(_) => false,
        };
        if all_ended.is_err() {
            // What the writer has answered last is on its way.
            timeout_at(end, answered(&connections)).await.ok();
        }
        close_idle.abort();
        reaper.abort();
        if !is_closed {
            log::warn!("The database was not closed within the grace, which loses nothing");
        }
        match connections.unanswered() {
            0 => Ok(()),
            requests => Err(AppError::Unanswered { requests, grace }),
        }
    }
}

fn limits(config: &Config, room: ConnectionLimits) -> Limits {
    Limits {
        max_body_bytes: config.max_body_bytes,
        request_timeout: config.request_timeout,
        // Those who send updates must get through as well.
        max_event_streams: (room.total / 2).max(1),
        keep_alive: KEEP_ALIVE.min(config.idle_timeout / 2),
    }
}

fn board_settings(config: &Config) -> BoardSettings {
    BoardSettings {
        policy: Policy { stale_after: config.stale_after, ttl: config.ttl },
        capacity: Capacity {
            entries: config.max_entries,
            bytes: config.max_stored_bytes.map(|bytes| bytes as u64),
        },
        retention: Retention {
            age: config.history_retention,
            rows_per_entry: config.history_rows_per_entry,
            bytes: config.history_max_bytes.map(|bytes| bytes as u64),
        },
    }
}

fn entry_series(config: &Config) -> EntrySeries {
    EntrySeries { is_on: config.metrics_per_entry, max_entries: config.metrics_max_entries }
}

/// Returns how many connections may be open: as many as the settings say, or fewer if this process
/// may not have enough files open.
fn connection_limits(config: &Config) -> ConnectionLimits {
    let total = files_for_connections(config.max_connections, config.workers);
    ConnectionLimits { total, per_address: config.max_connections_per_address }
}

/// Raises this process's limit of open files to what its connections need, as far as it may;
/// returns how many connections that is enough for.
fn files_for_connections(max_connections: usize, workers: usize) -> usize {
    // The database, the log and the listener need some, each worker needs four, and its share of
    // the connections is rounded up. A connection is held by two handles.
    let others = 32 + 6 * workers as u64;
    let limits = ConnectionLimits { total: max_connections, per_address: None };
    let needed = others + 2 * limits.most_at_once() as u64;
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit >= needed => max_connections,
        Ok(limit) => {
            let at_once = usize::try_from(limit.saturating_sub(others) / 2).unwrap_or(usize::MAX);
            let affordable = ConnectionLimits::total_within(at_once);
            log::warn!(
                "Only {limit} files may be open: at most {affordable} connections are open at \
                 once, not max_connections = {max_connections}, which needs {needed} files; raise \
                 the limit (ulimit -n) or lower the setting"
            );
            affordable
        }
        Err(error) => {
            log::warn!("The limit of open files cannot be read: {error}");
            max_connections
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tasks are started here and nowhere else")]
fn start<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(task)
}

/// Returns how long connections get to end, of the time that there is for all: the writer and the
/// store need some of it too.
fn share_of_connections(grace: Duration) -> Duration {
    grace.saturating_sub(SHARE_OF_STORE).max(grace / 2)
}

/// Waits until no request that was received whole is without its answer.
async fn answered(connections: &Connections) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while connections.unanswered() > 0 {
        ticks.tick().await;
    }
}

/// Shuts connections without progress, for as long as the application runs.
async fn reap(connections: Connections, limit: Duration) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1).min(limit / 2));
    loop {
        ticks.tick().await;
        connections.close_stalled(limit);
    }
}

/// Lets connections end as soon as they have nothing under way, while the server stops.
async fn close_idle(connections: Connections) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        connections.close_idle();
    }
}

fn bind(
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
            .wrap_fn(http::log_request)
            .configure(http::routes)
    })
    .on_connect(move |io, data| http::note_connection(&connections, io, data))
    .workers(config.workers)
    .max_connections(room.most_at_once().div_ceil(config.workers))
    // Answers in several writes would otherwise wait for the client's acknowledgement.
    .tcp_nodelay(true)
    // The reaper ends those that are idle for too long.
    .keep_alive(KeepAlive::Os)
    // Connections are held until the writer has answered; the end of the grace ends them.
    .shutdown_timeout(config.shutdown_grace.as_secs().saturating_add(1))
    .disable_signals()
    .bind(config.listen)?;
    let address = server.addrs().first().copied().unwrap_or(config.listen);
    Ok((server.run(), address))
}
