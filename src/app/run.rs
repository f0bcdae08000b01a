//! Runs the application: starts its tasks, and stops them in order.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::build::App;
use super::error::AppError;
use super::server::Port;
use crate::board::{Backups, Checker};
use crate::http::{Connections, RefusalLog, UpdateLog};

/// The part of the grace that is reserved for the writer and the store.
const SHARE_OF_STORE: Duration = Duration::from_secs(2);

/// How long idle connections have to end before the server is told to stop: a worker that still has one
/// then looks again only after a second.
const HEAD_START: Duration = Duration::from_millis(20);

/// How long the last answers on the port of `admin_listen` may take, beyond the grace.
const LAST_ANSWERS: Duration = Duration::from_millis(250);

impl App {
    /// Serves until `shutdown`, then stops in this order: report "not ready", stop accepting
    /// connections, answer the requests in flight, commit the queued updates, close the store, close
    /// the port of `admin_listen`.
    ///
    /// # Errors
    /// [`AppError::TaskDied`] if a task ends early, [`AppError::Unanswered`] if requests are
    /// unanswered when the grace runs out.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), AppError> {
        let Some(Port { server, connections, .. }) = self.admin.take() else {
            return Box::pin(self.run_main(shutdown)).await;
        };
        let handle = server.handle();
        let server = start(server);
        let housekeeper = start(keep_house(connections.clone(), self.idle_timeout, || {}));
        let outcome = tokio::select! {
            outcome = Box::pin(self.run_main(shutdown)) => outcome,
            _ = housekeeper => return Err(AppError::TaskDied("housekeeper of admin_listen")),
            _ = server => return Err(AppError::TaskDied("server of admin_listen")),
        };
        timeout(LAST_ANSWERS, answered(&connections)).await.ok();
        handle.stop(false).await;
        outcome
    }

    /// Does so without the port of `admin_listen`.
    async fn run_main(self, shutdown: CancellationToken) -> Result<(), AppError> {
        let Self { main, writer, feed, follower, checker, backups, stopping, .. } = self;
        let Port { server, connections, .. } = main;
        let handle = server.handle();
        let [stop_writer, stop_feed, stop_follower] = [(); 3].map(|()| CancellationToken::new());
        let mut writer = start(writer.run(stop_writer.clone()));
        let mut feed = start(feed.run(stop_feed.clone()));
        let mut checker = start(beside(checker, backups, stop_feed.clone()));
        let mut follower = start(follower.run(stop_follower.clone()));
        let sum_up = sum_up(self.update_log, self.refusal_log);
        let mut housekeeper = start(keep_house(connections.clone(), self.idle_timeout, sum_up));
        let mut keepers = start(self.keepers.run(self.reload));
        let mut server = start(server);
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = &mut writer => return Err(AppError::TaskDied("writer")),
            _ = &mut feed => return Err(AppError::TaskDied("feed")),
            _ = &mut checker => return Err(AppError::TaskDied("checker or the maker of backups")),
            _ = &mut follower => return Err(AppError::TaskDied("follower of other replicas")),
            _ = &mut housekeeper => return Err(AppError::TaskDied("housekeeper")),
            _ = &mut keepers => return Err(AppError::TaskDied("reader of changed files")),
            _ = &mut server => return Err(AppError::TaskDied("server")),
        }
        log::info!("Stopping");
        stopping.begin();
        // Event streams never end by themselves. Their clients can move to another server now.
        stop_feed.cancel();
        tokio::time::sleep(self.shutdown_delay).await;
        let grace = self.shutdown_grace;
        let end = Instant::now() + grace;
        let close_idle = begin_to_close_idle(&connections).await;
        let all_ended = timeout(share_of_connections(grace), handle.stop(true)).await;
        stop_follower.cancel();
        timeout(SHARE_OF_STORE / 2, ended(checker, follower)).await.ok();
        stop_writer.cancel();
        let is_closed = match timeout_at(end, &mut writer).await {
            Ok(Ok(())) => true,
            Ok(Err(_)) => return Err(AppError::TaskDied("writer")),
            Err(_) => false,
        };
        if all_ended.is_err() {
            // The writer's last answers are still being sent.
            timeout_at(end, answered(&connections)).await.ok();
        }
        close_idle.abort();
        housekeeper.abort();
        keepers.abort();
        if !is_closed {
            log::warn!("The database was not closed within the grace; no data is lost");
        }
        all_answered(&connections, grace)
    }
}

#[expect(clippy::disallowed_methods, reason = "tasks are started here and nowhere else")]
fn start<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(task)
}

/// Returns the part of the grace in which connections have to end.
fn share_of_connections(grace: Duration) -> Duration {
    grace.saturating_sub(SHARE_OF_STORE).max(grace / 2)
}

/// Runs what looks through the store and what copies it, until `stop`.
async fn beside(checker: Checker, backups: Backups, stop: CancellationToken) {
    join(checker.run(stop.clone()), backups.run(stop)).await;
}

/// Waits for the end of what reads the store beside the writer. Its connections must close first:
/// closing the writer's removes the WAL file.
async fn ended(checker: JoinHandle<()>, follower: JoinHandle<()>) {
    checker.await.ok();
    follower.await.ok();
}

/// Fails if requests that were received whole have had no answer within the grace.
fn all_answered(connections: &Connections, grace: Duration) -> Result<(), AppError> {
    match connections.unanswered() {
        0 => Ok(()),
        requests => Err(AppError::Unanswered { requests, grace }),
    }
}

/// Waits until every request that was received whole has its answer.
async fn answered(connections: &Connections) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while connections.unanswered() > 0 {
        ticks.tick().await;
    }
}

/// Returns what tells of the lines that the logs of refused requests have left out.
fn sum_up(updates: Arc<UpdateLog>, refusals: Arc<RefusalLog>) -> impl Fn() {
    move || {
        updates.sum_up();
        refusals.sum_up();
    }
}

/// Closes stalled connections, and does something else each time, until aborted.
async fn keep_house(connections: Connections, limit: Duration, each_time: impl Fn()) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1).min(limit / 2));
    loop {
        ticks.tick().await;
        connections.close_stalled(limit);
        each_time();
    }
}

/// Starts to close idle connections, and gives them time to end.
async fn begin_to_close_idle(connections: &Connections) -> JoinHandle<()> {
    let task = start(close_idle(connections.clone()));
    tokio::time::sleep(HEAD_START).await;
    task
}

/// Closes connections as soon as they have no request in flight, until aborted.
async fn close_idle(connections: Connections) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        connections.close_idle();
    }
}
