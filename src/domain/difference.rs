//! The entries that two snapshots show differently.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use super::{Segment, Snapshot, Standing};

/// An entry that two snapshots show differently; at least one of them shows it.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The entry in the earlier snapshot, if shown there.
    pub before: Option<Standing>,
    /// The entry in the later snapshot, if shown there.
    pub after: Option<Standing>,
}

impl Difference {
    /// Returns the differences between two snapshots, in the order of the keys.
    ///
    /// It skips the segments that both share, so the cost is proportional to what has changed.
    #[must_use]
    pub fn between(earlier: &Snapshot, later: &Snapshot) -> Vec<Self> {
        let (known, kept) = (addresses(earlier), addresses(later));
        let mut old = shown(earlier, &kept).peekable();
        let mut new = shown(later, &known).peekable();
        let mut differences = Vec::new();
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return differences,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.entry().key().cmp(&b.entry().key()),
            };
            let before = if order == Ordering::Greater { None } else { old.next() };
            let after = if order == Ordering::Less { None } else { new.next() };
            let is_same = before.zip(after).is_some_and(|(a, b)| a.shows_the_same_as(b));
            if !is_same {
                differences.push(Self { before: before.cloned(), after: after.cloned() });
            }
        }
    }

    /// Estimates how many bytes of text it keeps in memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        let Self { before, after } = self;
        let standings = [before, after].into_iter().flatten();
        standings.map(|standing| standing.entry().report.weight()).sum()
    }
}

fn addresses(snapshot: &Snapshot) -> HashSet<*const Segment> {
    snapshot.segments().iter().map(Arc::as_ptr).collect()
}

/// Returns the listed entries of the segments that are not among `others`.
fn shown<'a>(
    snapshot: &'a Snapshot,
    others: &HashSet<*const Segment>,
) -> impl Iterator<Item = &'a Standing> {
    let own = snapshot.segments().iter().filter(|segment| !others.contains(&Arc::as_ptr(segment)));
    own.flat_map(|segment| segment.standings()).filter(|standing| standing.is_listed())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::Effort;
    use crate::domain::{
        DriftCount, Entry, Head, Now, Plan, Policy, Report, Revision, Selection, SyncStatus,
        Timestamp,
    };

    const POLICY: Policy =
        Policy::new(Some(Duration::from_secs(100)), Some(Duration::from_secs(200)));

    fn now(second: i64) -> Now {
        Now { at: Timestamp::from_millis(second * 1000), steady_for: Duration::from_hours(1) }
    }

    fn report(key: usize, count: u64) -> Report {
        let repo = format!("repo-{}", key / 50);
        Report {
            sync_status: SyncStatus::OutOfSync,
            drift_count: DriftCount::parse(count).unwrap(),
            ..Report::synced(&repo, &format!("server-{:02}", key % 50))
        }
    }

    fn snapshot(keys: impl Iterator<Item = usize>) -> Snapshot {
        let entries = keys.map(|key| Arc::new(Entry::first(report(key, 0), now(0).at).0));
        Snapshot::load(POLICY, Head::default(), entries.collect(), now(0))
    }

    fn updated(
        snapshot: &Snapshot,
        keys: impl IntoIterator<Item = usize>,
        second: i64,
    ) -> Snapshot {
        let mut plan = Plan::default();
        for key in keys {
            plan.apply(snapshot, report(key, 1), now(second));
        }
        let mut next = snapshot.clone();
        next.accept(&plan, snapshot.head().next());
        next
    }

    /// What is different, without a thought for segments.
    fn naive(old: &Snapshot, new: &Snapshot) -> Vec<String> {
        let mut pairs: BTreeMap<_, (Option<&Standing>, Option<&Standing>)> = BTreeMap::new();
        let standings = |snapshot| {
            let selected = Selection::default().select(snapshot, &mut Effort::unlimited()).unwrap();
            selected.standings().collect::<Vec<&Standing>>()
        };
        for standing in standings(old) {
            pairs.entry(standing.entry().key()).or_default().0 = Some(standing);
        }
        for standing in standings(new) {
            pairs.entry(standing.entry().key()).or_default().1 = Some(standing);
        }
        let lines = pairs.into_values().map(|(old, new)| (line(old), line(new)));
        lines
            .filter(|(old, new)| old != new)
            .map(|(old, new)| format!("{old:?} -> {new:?}"))
            .collect()
    }

    fn line(standing: Option<&Standing>) -> Option<String> {
        standing.map(|standing| {
            let Entry { report, updated_at, .. } = standing.entry().as_ref();
            let key = (report.repo.as_str(), report.server.as_str());
            format!("{key:?} {} {updated_at} {}", report.drift_count.get(), standing.is_stale())
        })
    }

    fn shown(Difference { before, after }: &Difference) -> String {
        format!("{:?} -> {:?}", line(before.as_ref()), line(after.as_ref()))
    }

    /// What happened to each pair: whether it was there, and whether it is.
    fn kinds(old: &Snapshot, new: &Snapshot) -> Vec<(bool, bool)> {
        let kind = |Difference { before, after }: &Difference| (before.is_some(), after.is_some());
        Difference::between(old, new).iter().map(kind).collect()
    }

    fn found(old: &Snapshot, new: &Snapshot) -> Vec<String> {
        Difference::between(old, new).iter().map(shown).collect()
    }

    #[test]
    fn what_is_shared_or_only_rebuilt_is_no_difference() {
        let old = snapshot(0..500);
        assert_eq!(found(&old, &old), [""; 0]);
        assert_eq!(found(&old, &snapshot(0..500)), [""; 0], "no segment is shared");
        assert_eq!(found(&snapshot(0..0), &snapshot(0..0)), [""; 0]);
    }

    #[test]
    fn a_new_a_changed_and_a_removed_entry_are_found() {
        let old = snapshot((0..500).step_by(2));
        let mut new = updated(&old, [7, 100], 5);
        let mut plan = Plan::default();
        plan.remove(&new, report(300, 0).key(), now(5)).unwrap();
        new.accept(&plan, Revision(2).into());
        assert_eq!(kinds(&old, &new), [(false, true), (true, true), (true, false)]);
    }

    #[test]
    fn deadlines_make_a_difference_and_what_was_not_shown_before_is_not_gone() {
        let old = snapshot(0..3);
        let mut stale = old.clone();
        stale.advance(now(100));
        assert_eq!(Difference::between(&old, &stale).len(), 3);
        let mut expired = stale.clone();
        expired.advance(now(200));
        assert_eq!(kinds(&stale, &expired), [(true, false); 3]);
        let mut plan = Plan::default();
        for standing in expired.unsettled(now(200), 3) {
            plan.settle(&expired, &standing);
        }
        let mut settled = expired.clone();
        settled.accept(&plan, Revision(1).into());
        assert_eq!((settled.kept(), found(&expired, &settled)), (0, vec![]));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 64, failure_persistence: None, ..ProptestConfig::default()
        })]
        #[test]
        fn it_finds_what_a_look_at_every_entry_finds(
            steps in prop::collection::vec(
                (0..3_u8, prop::collection::vec(0..600_usize, 0..200), 0..150_i64), 0..6,
            ),
            kept in 0..400_usize,
        ) {
            let old = snapshot(0..kept);
            let mut new = old.clone();
            for (kind, keys, second) in steps {
                match kind {
                    0 => new = updated(&new, keys, second),
                    1 => {
                        let mut plan = Plan::default();
                        for key in keys {
                            plan.remove(&new, report(key, 0).key(), now(second));
                        }
                        new.accept(&plan, new.head().next());
                    }
                    _ => new.advance(now(second + 60)),
                }
                prop_assert_eq!(found(&old, &new), naive(&old, &new));
                prop_assert_eq!(found(&new, &old), naive(&new, &old));
            }
        }
    }
}
