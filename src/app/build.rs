//! Builds the application: opens the store, wires the parts together and binds the address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::database::open;
use super::error::AppError;
use super::reload::Keepers;
use super::replica;
use super::server::{Port, bind, connection_limits};
use crate::board::{
    BackupSettings, Backups, Board, BoardSettings, Checker, Feed, Follower, Start, Writer,
};
use crate::clock::Clock;
use crate::config::{Config, RevisionUrl, is_loopback};
use crate::domain::{Capacity, Policy, Retention, Timestamp};
use crate::http::{
    BackupTurn, Bodies, ConnectionLimits, Limits, Links, RefusalLog, Scrapes, Sending, Services,
    Sites, Stopping, UpdateLog, WholeLists, Work,
};
use crate::logging;
use crate::metrics::{EntrySeries, Metrics};
use crate::store::{Archive, Loaded, Store};

/// The longest silence on an event stream: proxies close streams that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A built application: its store is open and its address is bound.
pub struct App {
    pub(super) main: Port,
    pub(super) admin: Option<Port>,
    pub(super) writer: Writer,
    pub(super) feed: Feed,
    pub(super) follower: Follower,
    pub(super) checker: Checker,
    pub(super) backups: Backups,
    is_tls: bool,
    pub(super) keepers: Keepers,
    pub(super) reload: watch::Receiver<()>,
    pub(super) update_log: Arc<UpdateLog>,
    pub(super) refusal_log: Arc<RefusalLog>,
    pub(super) stopping: Stopping,
    pub(super) idle_timeout: Duration,
    pub(super) shutdown_delay: Duration,
    pub(super) shutdown_grace: Duration,
}

impl App {
    /// Opens the store, loads the entries and binds the address. The system accepts connections
    /// from then on; [`App::run`] serves them.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn build(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let metrics = Arc::new(metrics(config, clock.read().wall));
        let keepers = Keepers::begin(config, &metrics, &clock).await?;
        let (store, archive) = open(config.database_url.clone()).await?;
        Self::assemble(config, clock, store, archive, metrics, keepers).await
    }

    /// Builds the application with a store and an archive that are already open, instead of the
    /// configured ones.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn with_store(
        config: &Config,
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        archive: Arc<dyn Archive>,
    ) -> Result<Self, AppError> {
        let metrics = Arc::new(metrics(config, clock.read().wall));
        let keepers = Keepers::begin(config, &metrics, &clock).await?;
        Self::assemble(config, clock, store, archive, metrics, keepers).await
    }

    async fn assemble(
        config: &Config,
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        archive: Arc<dyn Archive>,
        metrics: Arc<Metrics>,
        keepers: Keepers,
    ) -> Result<Self, AppError> {
        let room = connection_limits(config);
        let start = Start::of(&*store, replica::present(config), &*clock).await?;
        log_loaded(&start.loaded);
        let (commits, settings) = (metrics.commits.clone(), board_settings(config));
        let (board, writer, feed, follower) =
            Board::new(start, store, archive, Arc::clone(&clock), settings, commits);
        let (checker, stopping) = (Checker::new(&board, Arc::clone(&clock)), Stopping::default());
        let backups = Backups::new(&board, Arc::clone(&clock), backup_settings(config));
        let (update_log, refusal_log) = logs(&clock);
        let work = Work::new(&metrics.overload).map_err(AppError::NoThread)?;
        let services = Services {
            sending: Sending::new(Arc::clone(&clock), &work),
            scrapes: Scrapes::default(),
            board,
            access: keepers.tokens.access(),
            sites: sites(config),
            clock,
            whole_lists: WholeLists::default(),
            work,
            bodies: Bodies::default(),
            backup_turn: BackupTurn::default(),
            update_log: Arc::clone(&update_log),
            refusal_log: Arc::clone(&refusal_log),
            limits: limits(config, room),
            links: links(config),
            stopping: stopping.clone(),
            metrics,
            tls: keepers.tls(),
        };
        let (main, admin) = bind(config, services, room)?;
        Ok(Self {
            main,
            admin,
            writer,
            feed,
            follower,
            checker,
            backups,
            is_tls: config.tls_cert.is_some(),
            keepers,
            reload: watch::Sender::new(()).subscribe(),
            update_log,
            refusal_log,
            stopping,
            idle_timeout: config.idle_timeout,
            shutdown_delay: config.shutdown_delay,
            shutdown_grace: config.shutdown_grace,
        })
    }

    /// Reads files that may change, such as the one of tokens, also whenever this receiver says so.
    #[must_use]
    pub fn reloading_on(self, reload: watch::Receiver<()>) -> Self {
        Self { reload, ..self }
    }

    /// Returns the scheme of the server's URLs.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// Returns the bound address, with the real port if port 0 was configured.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.main.address
    }

    /// Returns the bound address of the port for probes and metrics, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }
}

/// Returns the logs of requests that are refused.
fn logs(clock: &Arc<dyn Clock>) -> (Arc<UpdateLog>, Arc<RefusalLog>) {
    let updates = UpdateLog::new(Arc::clone(clock));
    (Arc::new(updates), Arc::new(RefusalLog::new(Arc::clone(clock))))
}

fn log_loaded(loaded: &Loaded) {
    let (id, entries, revision) = (&loaded.store_id, loaded.entries.len(), loaded.head.revision.0);
    log::info!("Database {id}: {entries} entries at revision {revision}");
}

fn links(config: &Config) -> Links {
    Links::new(external_url(config), config.revision_url.as_ref().map(RevisionUrl::as_str))
}

/// Returns the names of this server, on each of its ports. Beyond loopback, and where there are tokens,
/// it answers to every name: proxies, load balancers and DNS give it names that the settings need not
/// know. A page under such a name may read what everybody may who reaches the server, also if its own
/// site does not.
fn sites(config: &Config) -> Sites {
    let allowed = config.allowed_hosts.iter().map(str::to_owned).collect();
    let refuses_other_hosts = is_loopback(config.listen) && config.tokens_file.is_none();
    Sites::new(allowed, external_url(config).as_deref(), refuses_other_hosts)
}

fn external_url(config: &Config) -> Option<String> {
    config.external_url.as_ref().map(|url| url.as_str().to_owned())
}

fn limits(config: &Config, room: ConnectionLimits) -> Limits {
    Limits {
        max_body_bytes: config.max_body_bytes,
        request_timeout: config.request_timeout,
        // Leave the other half of the connections to updates and reads.
        max_event_streams: (room.total / 2).max(1),
        keep_alive: KEEP_ALIVE.min(config.idle_timeout / 2),
    }
}

fn board_settings(config: &Config) -> BoardSettings {
    BoardSettings {
        policy: policy(config),
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

/// Returns which copies of the database are made by themselves, if some are.
fn backup_settings(config: &Config) -> Option<BackupSettings> {
    let folder = config.backup_dir.as_ref()?.as_path().to_owned();
    Some(BackupSettings { folder, every: config.backup_every, keep: config.backup_keep })
}

/// Returns how long entries last.
pub(super) fn policy(config: &Config) -> Policy {
    let schedules = config.schedules.clone();
    Policy { schedules, ..Policy::new(config.stale_after, config.ttl) }
}

fn metrics(config: &Config, started: Timestamp) -> Metrics {
    let entries =
        EntrySeries { is_on: config.metrics_per_entry, max_entries: config.metrics_max_entries };
    Metrics::new(entries, started, external_url(config), logging::lines_dropped)
}
