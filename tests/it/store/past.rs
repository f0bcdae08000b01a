//! Queries of every store about the past, compared with naive computations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Backend, Pair, now, report};
use gitops_status_server::domain::{
    Condition, Cursor, DriftCount, Event, Filter, HistoryItem, HistoryQuery, Key, KeyRef, Line,
    LineKind, Names, Plan, PruneRule, RepoName, ServerName, Snapshot, SyncStatus, TimeRange,
    TimelineQuery, Timestamp,
};

const SERVERS: [&str; 5] = ["a", "b", "b,c", "ü", "z"];
/// When the changes begin, in milliseconds.
const BEGIN: i64 = 1_776_767_535_000;

/// A small seeded random generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: i64) -> i64 {
        // SplitMix64, whose draws do not depend on the ones before.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) >> 40).unwrap() % end
    }
}

/// Commits every kind of change to some entries, often at equal times and not always in order.
async fn live(store: Arc<dyn Backend>, random: &mut Random, changes: i64) -> Snapshot {
    let mut pair = Pair::new(store).await;
    let mut at = BEGIN;
    for change in 0..changes {
        at += random.below(4) * random.below(30) * 17_000;
        let server = SERVERS[usize::try_from(random.below(5)).unwrap()];
        let what = random.below(10);
        let files: &[&str] = if random.below(3) == 0 { &["f"] } else { &[] };
        pair.commit(|plan, snapshot| {
            if what == 0 {
                plan.remove(snapshot, KeyRef { repo: super::REPO, server }, now(at));
            } else if what == 1 {
                settle(plan, snapshot, server);
            } else {
                let mut report = report(server, files);
                report.sync_status = status(random.below(100));
                // From some moment on, one is always drifted by its count alone.
                let counts = server == "z" && change > changes / 3 * 2;
                report.drift_count = drifts(report.sync_status == SyncStatus::OutOfSync || counts);
                plan.apply(snapshot, report, now(at));
            }
        })
        .await;
        if what == 0 {
            at += 1;
        }
    }
    pair.snapshot
}

fn status(percent: i64) -> SyncStatus {
    if percent < 85 { SyncStatus::Synced } else { SyncStatus::OutOfSync }
}

fn drifts(some: bool) -> DriftCount {
    DriftCount::parse(u64::from(some)).unwrap()
}

/// Records a silence at the end of time, since the policy of these tests has no silence. So the
/// history has an item that is later than all others.
fn settle(plan: &mut Plan, snapshot: &Snapshot, server: &str) {
    if let Some(standing) = snapshot.get(KeyRef { repo: super::REPO, server }) {
        plan.settle(snapshot, standing);
    }
}

fn query(limit: usize) -> HistoryQuery {
    let (filter, range) = (Filter::default(), TimeRange::ALL);
    HistoryQuery { filter, events: Vec::new(), range, after: None, limit }
}

/// Reads all results of a query, page by page.
async fn everything(store: &dyn Backend, mut query: HistoryQuery) -> Vec<HistoryItem> {
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

pub(super) async fn pages_of_any_size_and_filter_are_parts_of_the_whole(store: Arc<dyn Backend>) {
    let mut random = Random(7);
    live(Arc::clone(&store), &mut random, 300).await;
    let all = everything(&*store, query(10_000)).await;
    assert!(all.len() > 150);
    assert!(all.is_sorted_by(|a, b| a.cursor > b.cursor), "newest first");
    let middle = all[all.len() / 2].cursor.at;
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
                        asked.matches(&item.transition) && item.cursor.at >= from
                    };
                    let expected: Vec<_> = all.iter().filter(passes).cloned().collect();
                    assert_eq!(everything(&*store, asked.clone()).await, expected, "{asked:?}");
                }
            }
        }
    }
}

/// The transitions of an entry, the oldest first.
type Life = Vec<(Cursor, Condition)>;

/// Returns the entries of each line of a timeline.
fn lives(all: &[HistoryItem], kind: LineKind) -> Vec<(Line, Vec<Life>)> {
    let mut entries: BTreeMap<Key, Life> = BTreeMap::new();
    for HistoryItem { cursor, transition } in all.iter().rev() {
        let key = Key {
            repo: RepoName::parse(transition.repo.as_str()).unwrap(),
            server: ServerName::parse(transition.server.as_str()).unwrap(),
        };
        let condition = match kind {
            LineKind::Entry => transition.condition(),
            LineKind::Repo | LineKind::Server => transition.condition_in_sum(),
        };
        entries.entry(key).or_default().push((*cursor, condition));
    }
    let mut lives: BTreeMap<Line, Vec<Life>> = BTreeMap::new();
    for (key, life) in entries {
        let line = match kind {
            LineKind::Entry => Line::Entry(key),
            LineKind::Repo => Line::Repo(key.repo),
            LineKind::Server => Line::Server(key.server),
        };
        lives.entry(line).or_default().push(life);
    }
    lives.into_iter().collect()
}

/// Computes a timeline from the whole history, for every step of every line.
fn naive(
    all: &[HistoryItem],
    kind: LineKind,
    range: TimeRange,
    starts: Option<&[Timestamp]>,
) -> Vec<(Timestamp, Line, Condition)> {
    let mut rows = Vec::new();
    for (line, lives) in lives(all, kind) {
        let until = |moment: Timestamp| {
            let condition = |life: &Life| {
                let seen = life.iter().take_while(|(cursor, _)| cursor.at < moment);
                seen.last().map_or(Condition::Ended, |(_, condition)| *condition)
            };
            lives.iter().map(condition).max().unwrap()
        };
        let points = lives.iter().flatten();
        let shown: BTreeMap<Timestamp, Condition> = match starts {
            None => {
                let moments = points.map(|(cursor, _)| cursor.at);
                let inside = moments.filter(|at| (range.from..range.to).contains(at));
                let moments = [range.from].into_iter().chain(inside);
                moments.map(|at| (at, until(Timestamp::from_millis(at.millis() + 1)))).collect()
            }
            Some(starts) => {
                let ends = starts.iter().skip(1).copied().chain([range.to]);
                let steps = starts.iter().copied().zip(ends);
                let worst = steps.map(|(start, end)| {
                    let inside =
                        points.clone().filter(|(place, _)| (start..end).contains(&place.at));
                    (start, inside.map(|(_, c)| *c).fold(until(start), Ord::max))
                });
                worst.collect()
            }
        };
        let mut before = Condition::Ended;
        for (at, condition) in shown {
            if condition != before {
                rows.push((at, line.clone(), condition));
            }
            before = condition;
        }
    }
    rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    rows
}

pub(super) async fn a_timeline_agrees_with_the_whole_history(store: Arc<dyn Backend>) {
    let mut random = Random(11);
    live(Arc::clone(&store), &mut random, 900).await;
    let all = everything(&*store, query(10_000)).await;
    let times: Vec<i64> = all.iter().map(|item| item.cursor.at.millis()).collect();
    let times = &times[times.iter().filter(|at| **at == i64::MAX).count()..];
    let (first, last) = (times[times.len() - 1], times[0]);
    for (lines, count, more) in
        [(LineKind::Entry, 5, 40), (LineKind::Repo, 1, 8), (LineKind::Server, 5, 40)]
    {
        let mut stepped = 0;
        for round in 0..200 {
            let from = first + random.below(last - first);
            let to = from + 1 + random.below(last - from);
            let range =
                TimeRange { from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) };
            let limit = count + usize::try_from(random.below(more)).unwrap();
            let usual = TimelineQuery::new(range, lines, limit);
            let most_passed_by = if round % 2 == 0 { 0 } else { 1000 };
            let asked = TimelineQuery { most_points: limit * 8, most_passed_by, ..usual };
            let timeline = store.timeline(asked, &Names::Any, &|_| true).await.unwrap().unwrap();
            assert!(timeline.phases.len() <= limit);
            stepped += usize::from(timeline.step.is_some());
            let starts: Option<Vec<_>> = timeline.step.map(|step| step.starts(range).collect());
            let rows: Vec<_> = timeline
                .rows()
                .map(|(line, turn)| (turn.at, line.clone(), turn.condition))
                .collect();
            let expected = naive(&all, lines, range, starts.as_deref());
            assert_eq!(rows, expected, "round {round}: {asked:?}");
        }
        assert!((20..180).contains(&stepped), "{stepped} of 200 {lines:?} were cut into steps");
    }
}

/// A year of many entries was one solid band of red, since each entry made the steps longer.
pub(super) async fn a_timeline_of_names_is_as_fine_of_many_transitions_as_of_few(
    store: Arc<dyn Backend>,
) {
    let mut random = Random(13);
    live(Arc::clone(&store), &mut random, 900).await;
    let from = Timestamp::from_millis(BEGIN);
    let range = TimeRange { from, to: from.plus(Duration::from_hours(5 * 24)) };
    for lines in [LineKind::Repo, LineKind::Server] {
        for limit in [5, 8, 20, 100, 1000] {
            let few = TimelineQuery::new(range, lines, limit);
            let many = TimelineQuery { most_points: 0, ..few };
            for servers in [&SERVERS[..], &["a", "z"], &["nobody"]] {
                let passes = |key: KeyRef<'_>| servers.contains(&key.server);
                let few = store.timeline(few, &Names::Any, &passes).await.unwrap().unwrap();
                let many = store.timeline(many, &Names::Any, &passes).await.unwrap().unwrap();
                assert_eq!(few.phases.is_empty(), servers == ["nobody"]);
                assert_eq!(many, few, "{limit} rows of {servers:?}");
            }
        }
    }
}

pub(super) async fn a_timeline_has_only_entries_that_pass_the_filter(store: Arc<dyn Backend>) {
    live(Arc::clone(&store), &mut Random(3), 50).await;
    let asked = TimelineQuery::new(TimeRange::ALL, LineKind::Entry, 2);
    assert_eq!(store.timeline(asked, &Names::Any, &|_| true).await.unwrap(), None);
    let few = |key: KeyRef<'_>| key.server < "b,";
    let timeline = store.timeline(asked, &Names::Any, &few).await.unwrap().unwrap();
    let servers: Vec<&str> = timeline.lines.iter().filter_map(Line::server).collect();
    assert_eq!(servers, ["a", "b"]);
    for (repos, count) in [(super::REPO, 2), ("other", 0)] {
        let repos = Names::parse([repos]);
        let timeline = store.timeline(asked, &repos, &few).await.unwrap().unwrap();
        assert_eq!(timeline.lines.len(), count);
    }
}

/// Prunes by a rule until nothing is left that it does not keep.
async fn prune(store: &dyn Backend, rule: &PruneRule) {
    let mut has_found = true;
    while std::mem::take(&mut has_found) {
        let mut next = Some(rule.clone());
        while let Some(rule) = next {
            let pruned = store.prunable(rule).await.unwrap();
            has_found |= !pruned.found.is_empty();
            store.prune(&pruned.found).await.unwrap();
            next = pruned.next;
        }
    }
}

pub(super) async fn old_transitions_are_pruned(store: Arc<dyn Backend>) {
    live(Arc::clone(&store), &mut Random(17), 900).await;
    let mut all = everything(&*store, query(10_000)).await;
    let than = all[all.len() / 3].cursor.at;
    let is_end = |item: &HistoryItem| item.transition.condition() == Condition::Ended;
    // The last one of each entry before the moment stays, unless it is an end.
    let mut known = BTreeSet::new();
    all.retain(|item| {
        let is_newest = item.cursor.at >= than || known.insert(item.transition.server.clone());
        is_newest && (item.cursor.at >= than || !is_end(item))
    });
    prune(&*store, &PruneRule::Older { than, after: Cursor::START }).await;
    assert_eq!(everything(&*store, query(10_000)).await, all);
    let mut counts = BTreeMap::new();
    all.retain(|item| {
        let count = counts.entry(item.transition.server.clone()).or_insert(0);
        *count += 1;
        *count <= 20
    });
    prune(&*store, &PruneRule::Beyond { newest: 20, after: None }).await;
    assert_eq!(everything(&*store, query(10_000)).await, all);
}
