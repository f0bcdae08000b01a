//! Runs the application: starts its tasks, and stops them in order.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::build::App;
use super::error::AppError;
use crate::http::Connections;

/// The part of the grace that is reserved for the writer and the store.
const SHARE_OF_STORE: Duration = Duration::from_secs(2);

impl App {
    /// Serves until `shutdown`, then stops in order: unready, no more connections, every request
    /// under way answered, every update stored, the store closed.
    ///
    /// # Errors
    /// [`AppError::TaskDied`] if a task has ended before its time, [`AppError::Unanswered`] if
    /// requests have not got their answer when the grace is over.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), AppError> {
        let Self { server, writer, feed, checker, connections, stopping, .. } = self;
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
