//! The sums that a snapshot keeps, compared with its entries.

use std::time::Duration;

use super::*;
use crate::domain::{Plan, Report, ReporterSchedule, SETTLING_TIME};

/// Compares the sums of a snapshot with its entries.
fn check(snapshot: &Snapshot, now: Now) {
    let standings = || snapshot.segments.iter().flat_map(|segment| segment.standings());
    let is_due = |standing: &Standing| {
        let anew = Standing::new(Arc::clone(standing.entry()), &snapshot.policy, now.at);
        (anew.is_stale(), anew.is_listed()) != (standing.is_stale(), standing.is_listed())
    };
    assert!(
        snapshot.has_deadlines_due(now) || !standings().any(is_due),
        "a deadline is late at {now:?}"
    );
    assert_eq!(snapshot.unsettled, standings().filter(|standing| standing.is_unsettled()).count());
    assert_eq!(snapshot.kept() + snapshot.expired_drifted(), standings().count());
    assert_eq!(snapshot.row_bytes(), standings().map(Standing::row_bytes).sum::<u64>());
}

#[test]
fn what_the_clock_is_due_to_change_is_known_without_asking_each_segment() {
    let now = |at| Now { at: Timestamp::from_millis(at), steady_for: 2 * SETTLING_TIME };
    let policy = Policy::new(Some(Duration::from_secs(9)), None);
    let mut snapshot = Snapshot::load(policy, Head::default(), Vec::new(), now(0));
    let (mut advanced, mut settled) = (0, 0);
    for step in 1..4000_u32 {
        let (now, number) = (now(i64::from(step) * 100), step * 7919 % 500);
        let seconds = |every| number.is_multiple_of(every).then_some(number % 30 + 1);
        let schedule =
            ReporterSchedule { stale_after_seconds: seconds(3), ttl_seconds: seconds(2) };
        let report = Report { schedule, ..Report::synced("repo", &format!("s-{number}")) };
        let mut plan = Plan::default();
        if step % 5 == 0 {
            plan.remove(&snapshot, report.key(), now);
        } else if step % 7 == 0 {
            let (entry, head) = (Entry::first(report, now.at).0, snapshot.head().next());
            snapshot.adopt(Changes { head, put: vec![entry.into()], ..Changes::default() }, now);
            assert_eq!(snapshot.head(), head, "it is adopted");
        } else if step % 1000 < 700 {
            plan.apply(&snapshot, report, now);
        }
        for standing in snapshot.unsettled(now, 3).into_iter().filter(|_| step % 2 == 0) {
            plan.settle(&snapshot, &standing);
            settled += 1;
        }
        let row_bytes = plan.row_bytes_of(&snapshot);
        snapshot.accept(&plan, snapshot.head().next());
        assert_eq!(snapshot.row_bytes(), row_bytes);
        check(&snapshot, now);
        if step % 3 == 0 && snapshot.has_deadlines_due(now) {
            snapshot.advance(now);
            assert!(!snapshot.has_deadlines_due(now), "it would be asked for ever at {now:?}");
            advanced += 1;
        }
        (step % 900 == 0).then(|| snapshot.reschedule(now, now.at));
        check(&snapshot, now);
    }
    assert!(advanced > 100 && settled > 100, "{advanced} {settled}");
}
