//! What a state keeps of all its entries, held against each of them.

use std::time::Duration;

use super::*;
use crate::domain::{Promise, Report, SETTLING_TIME};

/// Holds what the state says of the clock against every entry of it.
fn check(state: &State, now: Now) {
    let slots = || state.segments.iter().flat_map(|segment| segment.slots());
    let is_due = |slot: &Slot| {
        let mark = Slot::new(Arc::clone(slot.entry()), &state.policy, now.at);
        (mark.is_stale(), mark.is_listed()) != (slot.is_stale(), slot.is_listed())
    };
    assert!(state.has_marks_due(now) || !slots().any(is_due), "a mark is late at {now:?}");
    assert_eq!(state.unsettled, slots().filter(|slot| slot.is_unsettled()).count());
    assert_eq!(state.kept(), slots().count());
    assert_eq!(state.row_bytes(), slots().map(Slot::row_bytes).sum::<u64>());
}

#[test]
fn what_the_clock_is_due_to_change_is_known_without_asking_each_segment() {
    let now = |at| Now { at: Timestamp::from_millis(at), steady_for: 2 * SETTLING_TIME };
    let policy = Policy { stale_after: Some(Duration::from_secs(9)), ttl: None };
    let mut state = State::load(policy, Revision(0), Vec::new(), now(0));
    let (mut marked, mut settled) = (0, 0);
    for step in 1..4000_u32 {
        let (now, number) = (now(i64::from(step) * 100), step * 7919 % 500);
        let seconds = |every| number.is_multiple_of(every).then_some(number % 30 + 1);
        let promise = Promise { stale_after_seconds: seconds(3), ttl_seconds: seconds(2) };
        let report = Report { promise, ..Report::synced("repo", &format!("s-{number}")) };
        let mut batch = Batch::default();
        if step % 5 == 0 {
            batch.remove(&state, report.key(), now);
        } else if step % 7 == 0 {
            let (entry, revision) = (Entry::first(report, now.at).0, state.revision());
            state.adopt(Changes { revision, put: vec![entry.into()], removed: vec![] }, now);
        } else if step % 1000 < 700 {
            batch.apply(&state, report, now);
        }
        for slot in state.unsettled(now, 3).into_iter().filter(|_| step % 2 == 0) {
            batch.settle(&state, &slot);
            settled += 1;
        }
        let row_bytes = batch.row_bytes_of(&state);
        state.accept(&batch, state.revision().next());
        assert_eq!(state.row_bytes(), row_bytes);
        check(&state, now);
        if step % 3 == 0 && state.has_marks_due(now) {
            state.mark(now);
            assert!(!state.has_marks_due(now), "it would be asked for ever at {now:?}");
            marked += 1;
        }
        (step % 900 == 0).then(|| state.reschedule(now));
        check(&state, now);
    }
    assert!(marked > 100 && settled > 100, "{marked} {settled}");
}
