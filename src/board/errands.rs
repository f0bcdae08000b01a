//! Errands: what is done for the writer beside its batches, such as a measurement or a search.
//!
//! An errand may have a lock of the store that the writer waits for. Polled only between two batches,
//! it would never let go of it. So whenever the writer waits for anything, its errands go on.

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// An errand, which hands its result over by itself.
type Running = BoxFuture<'static, ()>;

/// Where the result of an errand will be.
pub(super) type Awaited<T> = oneshot::Receiver<T>;

/// Begins errands.
#[derive(Clone)]
pub(super) struct Errands(UnboundedSender<Running>);

/// The errands that were begun. Dropping this gives them up.
pub(super) struct Underway {
    begun: UnboundedReceiver<Running>,
    running: FuturesUnordered<Running>,
}

/// Returns what begins errands, and what does them.
pub(super) fn errands() -> (Errands, Underway) {
    let (sender, begun) = unbounded_channel();
    (Errands(sender), Underway { begun, running: FuturesUnordered::new() })
}

impl Errands {
    /// Begins an errand. Awaiting the result is not what lets it go on.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        errand: impl Future<Output = T> + Send + 'static,
    ) -> Awaited<T> {
        let (result, awaited) = oneshot::channel();
        // Nobody takes the result, or does the errand, once the writer has ended.
        let errand = async move { drop(result.send(errand.await)) };
        self.0.send(Box::pin(errand)).ok();
        awaited
    }
}

impl Underway {
    /// Does errands for as long as it is polled.
    pub(super) async fn run(&mut self) {
        loop {
            tokio::select! {
                biased;
                Some(errand) = self.begun.recv() => self.running.push(errand),
                Some(()) = self.running.next() => {}
                else => std::future::pending().await,
            }
        }
    }
}
