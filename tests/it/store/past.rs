//! What every store has to answer about the past, held against the plainest way to work it out.

use std::sync::Arc;

use gitops_status_server::domain::{
    Batch, Event, Filter, HistoryItem, HistoryQuery, KeyRef, Names, State, TimeRange,
};
use gitops_status_server::store::Store;

use super::{Pair, now, report};

const SERVERS: [&str; 5] = ["a", "b", "b,c", "ü", "z"];

/// A small generator of numbers, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        i64::try_from(self.0 >> 40).unwrap() % end
    }
}

/// Commits all that can happen to some entries, often at the same moment and not always in order.
async fn live(store: Arc<dyn Store>, random: &mut Random, changes: i64) -> State {
    let mut pair = Pair::new(store);
    let mut at = 1_776_767_535_000;
    for _ in 0..changes {
        at += random.below(4) * random.below(30) * 17_000;
        let server = SERVERS[usize::try_from(random.below(5)).unwrap()];
        let what = random.below(10);
        let files: &[&str] = if random.below(3) == 0 { &["f"] } else { &[] };
        pair.commit(|batch, state| {
            if what == 0 {
                batch.remove(state, KeyRef { repo: super::REPO, server }, now(at));
            } else if what == 1 {
                settle(batch, state, server);
            } else {
                let mut report = report(server, files);
                report.sync_status = status(what);
                batch.apply(state, report, now(at));
            }
        })
        .await;
    }
    pair.state
}

fn status(what: i64) -> gitops_status_server::domain::SyncStatus {
    use gitops_status_server::domain::SyncStatus::{OutOfSync, Synced};
    if what < 6 { Synced } else { OutOfSync }
}

/// Says that a reporter is silent: at the end of time, since the policy of these tests has no
/// silence. So the history has something after all that follows.
fn settle(batch: &mut Batch, state: &State, server: &str) {
    if let Some(slot) = state.get(KeyRef { repo: super::REPO, server }) {
        batch.settle(state, slot);
    }
}

fn query(limit: usize) -> HistoryQuery {
    let (filter, range) = (Filter::default(), TimeRange::ALL);
    HistoryQuery { filter, events: Vec::new(), range, after: None, limit }
}

/// Reads all that a query asks for, page by page.
async fn everything(store: &dyn Store, mut query: HistoryQuery) -> Vec<HistoryItem> {
    let mut items = Vec::new();
    loop {
        let page = store.history(&query).await.unwrap();
        assert!(page.items.len() <= query.limit);
        items.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return items,
        }
    }
}

pub(super) async fn pages_of_any_size_and_filter_are_parts_of_the_whole(store: Arc<dyn Store>) {
    let mut random = Random(7);
    live(Arc::clone(&store), &mut random, 300).await;
    let all = everything(&*store, query(10_000)).await;
    assert!(all.len() > 150);
    assert!(all.is_sorted_by(|a, b| a.place > b.place), "newest first");
    let middle = all[all.len() / 2].place.at;
    for limit in [1, 7, 100] {
        for server in [&[][..], &["a"], &["b,c", "z"], &["*"], &["b*"], &["nobody"]] {
            for events in [vec![], vec![Event::Drifted, Event::Deleted]] {
                for from in [TimeRange::ALL.from, middle] {
                    let server = Names::parse(server.iter().copied());
                    let asked = HistoryQuery {
                        filter: Filter { server, ..Filter::default() },
                        events: events.clone(),
                        range: TimeRange { from, to: TimeRange::ALL.to },
                        ..query(limit)
                    };
                    let passes = |item: &&HistoryItem| {
                        asked.matches(&item.transition) && item.place.at >= from
                    };
                    let expected: Vec<_> = all.iter().filter(passes).cloned().collect();
                    assert_eq!(everything(&*store, asked.clone()).await, expected, "{asked:?}");
                }
            }
        }
    }
}
