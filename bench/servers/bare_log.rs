//! The program with a store that only appends: one line per update, one sync per batch.
//!
//! It shows the limit that disk and HTTP set. The store cannot read its lines back.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gitops_status_server::app::App;
use gitops_status_server::cli::{self, Invocation};
use gitops_status_server::clock::SystemClock;
use gitops_status_server::config::{Config, DatabaseUrl};
use gitops_status_server::domain::{
    Changes, CommitId, FileName, Head, HistoryPage, HistoryQuery, Names, Plan, Prunable, PruneRule,
    Report, Timeline, TimelineQuery, TransitionId,
};
use gitops_status_server::store::{
    Archive, CommitError, CommitOutcome, Committed, Examination, KeyPredicate, Loaded, Store,
    StoreError,
};
use tokio_util::sync::CancellationToken;

struct BareLog(Mutex<File>);

impl BareLog {
    fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self(Mutex::new(File::create(path)?)))
    }
}

#[async_trait]
impl Store for BareLog {
    async fn load(&self) -> Result<Loaded, StoreError> {
        Ok(Loaded {
            store_id: String::new(),
            head: Head::default(),
            entries: Vec::new(),
            outages: Vec::new(),
            restored_at: None,
        })
    }

    async fn commit(
        &self,
        expected: Head,
        _: CommitId,
        plan: &Plan,
    ) -> Result<Committed, CommitError> {
        let mut lines = String::new();
        for row in plan.rows() {
            let Report { repo, server, sync_status, drift_count, files, last_check, .. } =
                &row.entry().report;
            let (status, count) = (sync_status.as_str(), drift_count.get());
            let files = files.iter().map(FileName::as_str).collect::<Vec<_>>().join(",");
            let at = row.entry().updated_at.millis();
            writeln!(lines, "{repo}\t{server}\t{status}\t{count}\t{files}\t{last_check}\t{at}")
                .ok();
        }
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|error| CommitError::Unknown(error.into()))?;
        Ok(Committed { head: expected.next(), missed: Vec::new() })
    }

    async fn outcome(&self, _: Head, _: CommitId) -> Result<CommitOutcome, StoreError> {
        Err(StoreError::Closed)
    }

    async fn changes_since(&self, _: Head) -> Result<Option<Changes>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn prune(&self, _: &[TransitionId]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn examine(&self) -> Result<Box<dyn Examination>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn close(&self) {}
}

#[async_trait]
impl Archive for BareLog {
    async fn history(&self, _: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        Err(StoreError::Closed)
    }

    async fn timeline(
        &self,
        _: TimelineQuery,
        _: &Names,
        _: KeyPredicate<'_>,
    ) -> Result<Option<Timeline>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn prunable(&self, _: PruneRule) -> Result<Prunable, StoreError> {
        Ok(Prunable::default())
    }
}

fn main() -> anyhow::Result<()> {
    let Invocation::Serve(config) = cli::from_process().invocation? else {
        anyhow::bail!("the bare log has no commands, only settings");
    };
    actix_web::rt::System::new().block_on(serve(&config))
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let DatabaseUrl::Sqlite(path) = &config.database_url else {
        anyhow::bail!("bare-log needs a sqlite:// URL: it writes its log at that path");
    };
    let store = Arc::new(BareLog::create(path)?);
    let app = App::with_store(
        config,
        Arc::new(SystemClock::start()),
        Arc::<BareLog>::clone(&store),
        store,
    )
    .await?;
    Ok(app.run(CancellationToken::new()).await?)
}
