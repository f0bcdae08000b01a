//! Runs the application with a fleet that reports to it, in a database that ends with it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::build::{App, policy};
use super::database::open;
use super::error::AppError;
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl};
use crate::demo::{Fleet, Life, Pace, live_past};
use crate::store::{Archive, Store};

/// The application, and a fleet that reports to it.
pub struct Demo {
    /// The settings; the database is the demo's own.
    pub config: Config,
    /// The fleet.
    pub fleet: Fleet,
    /// How many times faster than the clock it lives.
    pub speed: u32,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Demo {
    /// Serves until `shutdown`. The database is in a folder of its own in `folder`, which is removed
    /// at the end. Calls `announce` with the address once the page shows the fleet.
    ///
    /// # Errors
    /// See [`AppError`].
    pub async fn run(
        mut self,
        folder: &Path,
        shutdown: CancellationToken,
        announce: impl FnOnce(SocketAddr),
    ) -> Result<(), AppError> {
        let address = self.config.listen;
        // Tried before the past, which takes a second or two.
        TcpListener::bind(address).map_err(|error| AppError::Listen { address, error })?;
        let own = tempfile::Builder::new().prefix("gitops-status-demo-").tempdir_in(folder);
        let own = own.map_err(|error| AppError::Folder { folder: folder.to_owned(), error })?;
        self.config.database_url = DatabaseUrl::Sqlite(own.path().join("demo.db"));
        let (store, archive) = open(self.config.database_url.clone()).await?;
        let outcome = self.serve(Arc::clone(&store), archive, shutdown, announce).await;
        // Also after an error: an open store would write to the folder while it is removed.
        store.close().await;
        let folder = own.path().to_owned();
        own.close().map_err(|error| AppError::Folder { folder, error })?;
        outcome
    }

    async fn serve(
        self,
        store: Arc<dyn Store>,
        archive: Arc<dyn Archive>,
        shutdown: CancellationToken,
        announce: impl FnOnce(SocketAddr),
    ) -> Result<(), AppError> {
        let Self { config, fleet, speed, clock } = self;
        let began = clock.read();
        let pace = Pace::with_a_slow_past(began.wall, speed);
        live_past(&fleet, &pace, policy(&config), &*store, &shutdown).await?;
        if shutdown.is_cancelled() {
            return Ok(());
        }
        let app = App::with_store(&config, Arc::clone(&clock), store, archive).await?;
        let address = app.address();
        let life = Life::new(fleet, pace, clock, began, address).run(shutdown.clone());
        let mut running = Box::pin(app.run(shutdown));
        tokio::pin!(life);
        announce(address);
        tokio::select! {
            outcome = &mut running => outcome,
            // It ends at the shutdown, once its last reports are answered.
            () = &mut life => running.await,
        }
    }
}
