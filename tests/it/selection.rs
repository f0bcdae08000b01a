//! The snapshot and selections from it, compared with a naive model.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use gitops_status_server::domain::{
    Column, DriftCount, Effort, Entry, Event, FileName, Filter, Head, KeyRef, Names, Now, Order,
    Plan, Policy, RepoName, Report, ReportedTime, ReporterSchedule, Revision, Selection,
    ServerName, Snapshot, Sort, SyncStatus, Timestamp,
};
use gitops_status_server::render;
use proptest::prelude::*;

const POLICY: Policy = Policy::new(Some(Duration::from_secs(50)), None);

type Model = BTreeMap<(String, String), Report>;

fn now(seconds: i64) -> Now {
    Now { at: Timestamp::from_millis(seconds * 1000), steady_for: Duration::from_hours(1) }
}

fn report(repo: u8, server: u16, drift: u8) -> Report {
    let files = (0..drift % 3).map(|file| FileName::parse(&format!("f{file}")).unwrap());
    Report {
        repo: RepoName::parse(&format!("r{repo}")).unwrap(),
        server: ServerName::parse(&format!("s{server}")).unwrap(),
        sync_status: if drift.is_multiple_of(2) {
            SyncStatus::Synced
        } else {
            SyncStatus::OutOfSync
        },
        drift_count: DriftCount::parse(u64::from(drift)).unwrap(),
        files: files.collect(),
        last_check: ReportedTime::parse("2026-04-21T10:32:15Z").unwrap(),
        schedule: ReporterSchedule::default(),
        revision: None,
        url: None,
    }
}

fn empty() -> Snapshot {
    Snapshot::load(POLICY, Head::default(), Vec::new(), now(0))
}

fn key(report: &Report) -> (String, String) {
    (report.repo.to_string(), report.server.to_string())
}

/// Changes of a snapshot: an update (with a count) or a removal.
fn steps() -> impl Strategy<Value = Vec<(u8, u16, Option<u8>)>> {
    let step = (0..3_u8, 0..900_u16, prop::option::weighted(0.8, any::<u8>()));
    prop::collection::vec(step, 0..2500)
}

fn run(steps: &[(u8, u16, Option<u8>)]) -> (Snapshot, Model) {
    run_and_read(steps, |_| {})
}

/// Applies the steps, and reads some of the snapshots in between.
fn run_and_read(steps: &[(u8, u16, Option<u8>)], read: impl Fn(&Snapshot)) -> (Snapshot, Model) {
    let (mut snapshot, mut model) = (empty(), Model::new());
    let (mut plan, mut held) = (Plan::default(), None);
    for &(repo, server, drift) in steps {
        let report = report(repo, server, drift.unwrap_or(0));
        if drift.is_some() {
            let change = plan.apply(&snapshot, report.clone(), now(1));
            let is_first = model.insert(key(&report), report).is_none();
            assert_eq!(change.event == Some(Event::First), is_first);
        } else {
            let (repo, server) = key(&report);
            let removed = plan.remove(&snapshot, KeyRef { repo: &repo, server: &server }, now(1));
            assert_eq!(removed.is_some(), model.remove(&(repo, server)).is_some());
        }
        assert_eq!(plan.kept_of(snapshot.kept()), model.len());
        // Batches of all lengths, and now and then a reader that holds the snapshot before.
        if server % 7 == 0 {
            held = (server % 3 == 0).then(|| snapshot.clone());
            let revision = snapshot.head().next();
            snapshot.accept(&std::mem::take(&mut plan), revision);
            if server % 35 == 0 {
                read(&snapshot);
                held.iter().chain([&snapshot]).for_each(expect_each_is_found);
            }
        }
    }
    drop(held);
    snapshot.accept(&plan, Revision(1).into());
    (snapshot, model)
}

/// Asserts that a snapshot finds each of its entries.
fn expect_each_is_found(snapshot: &Snapshot) {
    for standing in snapshot.segments().iter().flat_map(|segment| segment.standings()) {
        let found = snapshot.get(standing.entry().key()).unwrap();
        assert!(Arc::ptr_eq(found.entry(), standing.entry()));
    }
}

/// Makes the snapshot that a restart would make of the same entries.
fn loaded_anew(snapshot: &Snapshot) -> Snapshot {
    let standings = snapshot.segments().iter().flat_map(|segment| segment.standings());
    let entries: Vec<Arc<Entry>> =
        standings.map(|standing| Arc::clone(standing.entry())).rev().collect();
    Snapshot::load(POLICY, Revision(9).into(), entries, now(2))
}

fn list(snapshot: &Snapshot) -> String {
    String::from_utf8(render::whole(snapshot).unwrap().concat()).unwrap()
}

fn list_by_gzip(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let packed = render::whole_gzip(snapshot).unwrap();
    GzDecoder::new(packed.as_ref()).read_to_string(&mut text).unwrap();
    text
}

fn shown(snapshot: &Snapshot, selection: &Selection) -> (Vec<(String, String, u32)>, usize) {
    let selected = selection.select(snapshot, &mut Effort::unlimited()).unwrap();
    let rows = selected.standings().map(|standing| {
        let report = &standing.entry().report;
        let (repo, server) = key(report);
        (repo, server, report.drift_count.get())
    });
    (rows.collect(), selected.total)
}

fn selections() -> impl Strategy<Value = Selection> {
    let names = prop_oneof![
        Just(""),
        Just("r1"),
        Just("r0,r2"),
        Just("r*"),
        Just("*1"),
        Just("nothing"),
        Just("r1,x*")
    ];
    let servers = prop_oneof![3 => Just(""), 1 => Just("s1*"), 1 => Just("s7,s8,s500")];
    let status = prop::option::weighted(0.3, Just(SyncStatus::OutOfSync));
    let sort = prop::option::of((
        prop_oneof![Just(Column::DriftCount), Just(Column::Server), Just(Column::SyncStatus)],
        any::<bool>(),
    ));
    let page = (prop::option::of(1..600_usize), 0..40_usize);
    (names, servers, status, prop::option::weighted(0.3, any::<bool>()), sort, page).prop_map(
        |(repo, server, sync_status, drifted, sort, (limit, offset))| Selection {
            filter: Filter {
                repo: Names::parse([repo]),
                server: Names::parse([server]),
                sync_status,
                drifted,
                ..Filter::default()
            },
            order: sort.map_or(Order::Natural, |(column, descending)| {
                Order::By(Sort { column, descending })
            }),
            limit,
            offset,
        },
    )
}

/// Filters, sorts and cuts a plain list.
fn expected(model: &Model, selection: &Selection) -> (Vec<(String, String, u32)>, usize) {
    let Selection { filter, order, limit, offset } = selection;
    let mut rows: Vec<&Report> = model
        .values()
        .filter(|report| {
            filter.repo.matches(report.repo.as_str())
                && filter.server.matches(report.server.as_str())
                && filter.sync_status.is_none_or(|status| status == report.sync_status)
                && filter.drifted.is_none_or(|drifted| {
                    let is_drifted =
                        report.sync_status == SyncStatus::OutOfSync || report.drift_count.get() > 0;
                    drifted == is_drifted
                })
        })
        .collect();
    if let Order::By(Sort { column, descending }) = order {
        rows.sort_by(|a, b| {
            let order = match column {
                Column::DriftCount => a.drift_count.cmp(&b.drift_count),
                Column::Server => a.server.cmp(&b.server),
                _ => a.sync_status.as_str().cmp(b.sync_status.as_str()),
            };
            if *descending { order.reverse() } else { order }
        });
    }
    let total = rows.len();
    let page = rows.into_iter().skip(*offset).take(limit.unwrap_or(usize::MAX));
    let row = |report: &Report| {
        let (repo, server) = key(report);
        (repo, server, report.drift_count.get())
    };
    (page.map(row).collect(), total)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_snapshot_equals_a_sorted_map(
        steps in steps(), selections in prop::collection::vec(selections(), 1..8),
    ) {
        let (snapshot, model) = run(&steps);
        prop_assert_eq!((snapshot.listed(), snapshot.kept()), (model.len(), model.len()));
        let whole = Selection::default();
        for selection in selections.iter().chain([&whole]) {
            prop_assert_eq!(shown(&snapshot, selection), expected(&model, selection));
        }
    }

    #[test]
    fn equal_entries_have_equal_fingerprints_in_any_order_of_updates(steps in steps()) {
        let (snapshot, _) = run(&steps);
        let loaded = loaded_anew(&snapshot);
        prop_assert_eq!(loaded.fingerprint(), snapshot.fingerprint());
        let mut later = loaded.clone();
        later.advance(now(60));
        let is_empty = loaded.listed() == 0;
        prop_assert_eq!(later.fingerprint() == loaded.fingerprint(), is_empty, "all are stale");
        later.advance(now(2));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_list_is_the_same_whether_or_not_it_was_read_before(steps in steps()) {
        let read = |snapshot: &Snapshot| assert_eq!(list(snapshot), list_by_gzip(snapshot));
        let (snapshot, _) = run_and_read(&steps, read);
        prop_assert_eq!(list(&snapshot), list(&loaded_anew(&snapshot)));
        prop_assert_eq!(list_by_gzip(&snapshot), list(&snapshot));
    }
}
