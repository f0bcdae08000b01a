//! Counts the instructions of pure code under valgrind. The counts do not depend on the load of the
//! machine, so a slowdown shows without noise. `bench/count` runs this.

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
    Column, DriftCount, Effort, Entry, FileName, Filter, Head, Names, Now, Order, Plan, Policy,
    RepoName, Report, ReportedTime, ReporterSchedule, Revision, Selection, ServerName, Snapshot,
    Sort, SyncStatus, Tally, Texts, Timestamp,
};
use gitops_status_server::render::{self, Format, Layout, PIECE, Pieces, Rows};
use gungraun::{library_benchmark, library_benchmark_group, main};

const ENTRIES: usize = 20_000;
const POLICY: Policy = Policy::new(Some(Duration::from_hours(2)), Some(Duration::from_hours(336)));

fn now(second: i64) -> Now {
    Now { at: Timestamp::from_millis(second * 1000), steady_for: Duration::from_hours(1) }
}

/// Makes the report of a key, like those of `bench/wrk/update.lua`.
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
        schedule: ReporterSchedule::default(),
        revision: None,
        url: None,
    }
}

fn snapshot() -> Snapshot {
    state_of(ENTRIES)
}

fn state_of(count: usize) -> Snapshot {
    let entries = (0..count).map(|key| Arc::new(Entry::first(report(key, 0), now(0).at).0));
    Snapshot::load(POLICY, Head::default(), entries.collect(), now(0))
}

/// Makes a snapshot whose list is cached, and updates for a hundred entries in all parts of it.
fn updates(drift: usize) -> (Snapshot, Vec<Report>) {
    let snapshot = snapshot();
    render::whole_gzip(&snapshot).unwrap();
    (snapshot, (0..100).map(|number| report(number * 197 % ENTRIES, drift)).collect())
}

/// Makes a snapshot that is rendered on one thread: only that thread is counted.
fn few() -> Snapshot {
    state_of(960)
}

fn few_changed() -> Snapshot {
    let snapshot = few();
    render::whole_gzip(&snapshot).unwrap();
    applied(snapshot, vec![report(500, 1)])
}

fn changed() -> Snapshot {
    let (snapshot, reports) = updates(1);
    applied(snapshot, reports)
}

fn by_repo() -> (Snapshot, Selection) {
    let filter = Filter { repo: Names::parse(["repo-07"]), ..Filter::default() };
    (changed(), Selection { filter, ..Selection::default() })
}

fn by_text() -> (Snapshot, Selection) {
    let filter = Filter { text: Texts::parse(["00123"]).unwrap(), ..Filter::default() };
    (changed(), Selection { filter, ..Selection::default() })
}

fn sorted() -> (Snapshot, Selection) {
    let order = Order::By(Sort { column: Column::DriftCount, descending: true });
    (changed(), Selection { order, limit: Some(100), ..Selection::default() })
}

fn applied(mut snapshot: Snapshot, reports: Vec<Report>) -> Snapshot {
    let mut plan = Plan::default();
    for report in reports {
        black_box(plan.apply(&snapshot, report, now(60)));
    }
    snapshot.accept(&plan, Revision(1).into());
    snapshot
}

#[library_benchmark]
#[bench::only_times(args = (0), setup = updates)]
#[bench::changes(args = (1), setup = updates)]
fn apply((snapshot, reports): (Snapshot, Vec<Report>)) -> Snapshot {
    applied(snapshot, reports)
}

#[library_benchmark]
#[bench::one_repository_of_50(setup = by_repo)]
#[bench::a_text(setup = by_text)]
#[bench::sorted(setup = sorted)]
fn select((snapshot, selection): (Snapshot, Selection)) -> Snapshot {
    let selected = selection.select(&snapshot, &mut Effort::unlimited()).unwrap();
    let mut rows = Rows::new(&selected, Layout::PLAIN, Format::Json);
    let mut has_more = true;
    while has_more {
        let mut piece = Vec::with_capacity(PIECE);
        has_more = rows.write(&mut piece).unwrap();
        black_box(piece);
    }
    drop((rows, selected));
    snapshot
}

#[library_benchmark]
#[bench::all_960(setup = few)]
#[bench::after_a_change(setup = few_changed)]
fn whole(snapshot: Snapshot) -> Snapshot {
    black_box(render::whole(&snapshot).unwrap());
    snapshot
}

#[library_benchmark]
#[bench::all_960(setup = few)]
#[bench::after_a_change(setup = few_changed)]
fn whole_gzip(snapshot: Snapshot) -> Snapshot {
    black_box(render::whole_gzip(&snapshot).unwrap());
    snapshot
}

#[library_benchmark]
#[bench::all_20_000(setup = snapshot)]
fn summary(snapshot: Snapshot) -> Snapshot {
    let all = Selection::default().select(&snapshot, &mut Effort::unlimited()).unwrap();
    black_box(Tally::of(all.standings()));
    snapshot
}

library_benchmark_group!(name = pure, benchmarks = [apply, select, whole, whole_gzip, summary]);

main!(library_benchmark_groups = pure);
