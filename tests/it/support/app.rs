//! The application in this process, with its own database and a clock that tests move.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use gitops_status_server::app::App;
use gitops_status_server::clock::{Clock, ManualClock, SystemClock};
use gitops_status_server::config::{Config, DatabaseUrl, Resolved};
use gitops_status_server::domain::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Client;
use super::home::{Away, Home, database_url};

/// 2026-04-21T10:32:15Z, where the clock of a test starts.
pub const START: Timestamp = Timestamp::from_millis(1_776_767_535_000);

/// A running application; it stops when this is dropped.
pub struct TestApp {
    pub client: Client,
    pub clock: ManualClock,
    config: Config,
    home: Option<Home>,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Deref for TestApp {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl TestApp {
    /// Starts the application with its defaults.
    pub fn spawn() -> Self {
        Self::with(|_| {})
    }

    /// Starts the application with some settings changed.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::at(START, change)
    }

    /// Starts a replica of a PostgreSQL database whose clock is ahead.
    pub fn replica_ahead(url: &str, ahead: Duration) -> Self {
        let now = SystemClock::start().read().wall;
        Self::at(now.plus(ahead), |config| config.database_url = database_url(url))
    }

    /// Starts the application at some time, on the database of a URL.
    pub fn on(url: &str, now: Timestamp, change: impl FnOnce(&mut Config)) -> Self {
        Self::at(now, |config| {
            config.database_url = database_url(url);
            change(config);
        })
    }

    fn at(now: Timestamp, change: impl FnOnce(&mut Config)) -> Self {
        let home = Home::new();
        let mut config = Resolved::load(&|_| None, &|_| None).unwrap().config;
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.database_url = home.url();
        config.idle_timeout = Duration::from_secs(30);
        config.workers = 1;
        change(&mut config);
        Self::start(config, Some(home), ManualClock::at(now))
    }

    /// Starts the application with some settings as they would be written.
    pub fn with_settings(settings: &[(&str, &str)]) -> Self {
        let given = |name: &str| {
            let setting = settings.iter().find(|(known, _)| *known == name);
            setting.map(|(_, value)| value.into())
        };
        let given = Resolved::load(&given, &|_| None).unwrap().config;
        Self::with(|config| {
            let Config { listen, database_url, idle_timeout, workers, .. } = config.clone();
            *config = Config { listen, database_url, idle_timeout, workers, ..given };
        })
    }

    fn start(config: Config, home: Option<Home>, clock: ManualClock) -> Self {
        let shutdown = CancellationToken::new();
        let (tell, told) = std::sync::mpsc::channel::<SocketAddr>();
        let thread = std::thread::spawn({
            let (config, clock, shutdown) = (config.clone(), clock.clone(), shutdown.clone());
            move || {
                actix_web::rt::System::new().block_on(async {
                    let app = App::build(&config, Arc::new(clock)).await.unwrap();
                    tell.send(app.address()).unwrap();
                    app.run(shutdown).await.unwrap();
                });
            }
        });
        let address = told.recv().expect("the application did not start");
        let client = Client { address, is_tls: config.tls_cert.is_some() };
        Self { client, clock, config, home, shutdown, thread: Some(thread) }
    }

    /// Stops the application, lets time pass meanwhile, and starts it on the same database.
    pub fn restart_after(mut self, pause: Duration) -> Self {
        self.stop();
        self.clock.advance(pause);
        Self::start(self.config.clone(), self.home.take(), self.clock.clone())
    }

    /// Stops the application and starts it on the same database with other settings.
    pub fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        self.stop();
        change(&mut self.config);
        Self::start(self.config.clone(), self.home.take(), self.clock.clone())
    }

    /// Stops the application, does something to its database, and starts it again.
    pub fn restart_between(mut self, work: impl FnOnce()) -> Self {
        self.stop();
        work();
        Self::start(self.config.clone(), self.home.take(), self.clock.clone())
    }

    /// Runs a query on the database, and returns the first column of its rows as text.
    pub fn stored(&self, sql: &'static str) -> Vec<String> {
        self.home.as_ref().unwrap().stored(sql)
    }

    /// Makes the database unreachable.
    pub fn take_database_away(&self) -> Away {
        self.home.as_ref().unwrap().take_away()
    }

    /// Returns the path of the database, which is a file.
    pub fn database(&self) -> PathBuf {
        sqlite_file(&self.config)
    }

    /// Lets time pass by both clocks.
    pub fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the application has panicked");
        }
    }
}

/// Returns the path of the database that some settings name.
pub fn sqlite_file(config: &Config) -> PathBuf {
    match &config.database_url {
        DatabaseUrl::Sqlite(path) => path.clone(),
        DatabaseUrl::Postgres(url) => panic!("{url} is no file"),
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop();
    }
}
