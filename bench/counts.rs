//! Instructions of the pure parts, counted by valgrind: the same on a busy machine as on an idle
//! one, so that a part that has become slower shows without noise. `bench/count` runs it.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    missing_docs,
    unused_qualifications,
    reason = "the macros write items of their own"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use gitops_status_server::domain::{
    Batch, Column, DriftCount, Effort, Entry, FileName, Filter, Names, Now, Order, Policy, Promise,
    RepoName, Report, ReportedTime, Revision, Selection, ServerName, Sort, State, SyncStatus,
    Tally, Texts, Timestamp,
};
use gitops_status_server::render::{self, Format, Layout, PIECE, Pieces, Rows};
use gungraun::{library_benchmark, library_benchmark_group, main};

const ENTRIES: usize = 20_000;
const POLICY: Policy =
    Policy { stale_after: Some(Duration::from_hours(2)), ttl: Some(Duration::from_hours(336)) };

fn now(second: i64) -> Now {
    Now { at: Timestamp::from_millis(second * 1000), steady_for: Duration::from_hours(1) }
}

/// The report of one key, as `bench/wrk/update.lua` makes it.
fn report(key: usize, drift: usize) -> Report {
    let drift = drift + if key.is_multiple_of(4) { 2 } else { 0 };
    let file = |number| FileName::parse(&format!("conf.d/{number:02}-site-{:02}.conf", key % 50));
    Report {
        repo: RepoName::parse(&format!("repo-{:02}", key % 50)).unwrap(),
        server: ServerName::parse(&format!("server-{:05}.example.net", key / 50)).unwrap(),
        sync_status: if drift > 0 { SyncStatus::OutOfSync } else { SyncStatus::Synced },
        drift_count: DriftCount::parse(drift as u64).unwrap(),
        files: (1..=drift).map(|number| file(number).unwrap()).collect(),
        last_check: ReportedTime::parse("2026-04-21T10:32:15Z").unwrap(),
        promise: Promise::default(),
        revision: None,
        url: None,
    }
}

fn state() -> State {
    state_of(ENTRIES)
}

fn state_of(count: usize) -> State {
    let entries = (0..count).map(|key| Arc::new(Entry::first(report(key, 0), now(0).at).0));
    State::load(POLICY, Revision(0), entries.collect(), now(0))
}

/// A state whose list has been read, and a hundred updates for it from all over.
fn updates(drift: usize) -> (State, Vec<Report>) {
    let state = state();
    render::whole_gzip(&state).unwrap();
    (state, (0..100).map(|number| report(number * 197 % ENTRIES, drift)).collect())
}

/// Few enough entries for their list to be made by one thread, which is the one that is counted.
fn few() -> State {
    state_of(960)
}

fn few_changed() -> State {
    let state = few();
    render::whole_gzip(&state).unwrap();
    applied(state, vec![report(500, 1)])
}

fn changed() -> State {
    let (state, reports) = updates(1);
    applied(state, reports)
}

fn by_repo() -> (State, Selection) {
    let filter = Filter { repo: Names::parse(["repo-07"]), ..Filter::default() };
    (changed(), Selection { filter, ..Selection::default() })
}

fn by_text() -> (State, Selection) {
    let filter = Filter { text: Texts::parse(["00123"]).unwrap(), ..Filter::default() };
    (changed(), Selection { filter, ..Selection::default() })
}

fn sorted() -> (State, Selection) {
    let order = Order::By(Sort { column: Column::DriftCount, descending: true });
    (changed(), Selection { order, limit: Some(100), ..Selection::default() })
}

fn applied(mut state: State, reports: Vec<Report>) -> State {
    let mut batch = Batch::default();
    for report in reports {
        black_box(batch.apply(&state, report, now(60)));
    }
    state.accept(&batch, Revision(1));
    state
}

#[library_benchmark]
#[bench::only_times(args = (0), setup = updates)]
#[bench::changes(args = (1), setup = updates)]
fn apply((state, reports): (State, Vec<Report>)) -> State {
    applied(state, reports)
}

#[library_benchmark]
#[bench::one_repository_of_50(setup = by_repo)]
#[bench::a_text(setup = by_text)]
#[bench::sorted(setup = sorted)]
fn select((state, selection): (State, Selection)) -> State {
    let selected = selection.select(&state, &mut Effort::unlimited()).unwrap();
    let mut rows = Rows::new(&selected, Layout::PLAIN, Format::Json);
    let mut has_more = true;
    while has_more {
        let mut piece = Vec::with_capacity(PIECE);
        has_more = rows.write(&mut piece).unwrap();
        black_box(piece);
    }
    drop((rows, selected));
    state
}

#[library_benchmark]
#[bench::all_960(setup = few)]
#[bench::after_a_change(setup = few_changed)]
fn whole(state: State) -> State {
    black_box(render::whole(&state).unwrap());
    state
}

#[library_benchmark]
#[bench::all_960(setup = few)]
#[bench::after_a_change(setup = few_changed)]
fn whole_gzip(state: State) -> State {
    black_box(render::whole_gzip(&state).unwrap());
    state
}

#[library_benchmark]
#[bench::all_20_000(setup = state)]
fn summary(state: State) -> State {
    let all = Selection::default().select(&state, &mut Effort::unlimited()).unwrap();
    black_box(Tally::of(all.slots()));
    state
}

library_benchmark_group!(name = pure, benchmarks = [apply, select, whole, whole_gzip, summary]);

main!(library_benchmark_groups = pure);
