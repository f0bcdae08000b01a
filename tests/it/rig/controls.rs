//! The controls: without one of its safeguards, the program breaks its promises, and the checker says
//! which. They are taken from the database or its standby; the program is as it is.

use std::panic::catch_unwind;
use std::time::Duration;

use super::checker::Kind;
use super::faults::{FailOver, Fault, Tokens};
use super::{Part, Plan, REPLICAS, STUCK_AFTER, run};
use crate::support::PATIENCE;

const LOCK: &str = "perform pg_advisory_xact_lock(1735619699);";
/// How often a control is tried until the checker has found what it must find.
const TRIES: u64 = 16;
/// What follows from the loss of acknowledged updates.
const OF_LOSS: [Kind; 3] = [Kind::WentBack, Kind::Refused, Kind::NotShown];

/// What follows where replicas go on from different states.
const OF_OLD_STATES: [Kind; 4] = [Kind::Torn, Kind::Differs, Kind::TimeWentBack, Kind::TooMany];

/// A control: a safeguard that is missing, and what happens then.
struct Control<'a> {
    name: &'a str,
    settings: &'a str,
    tampers: &'a [(&'a str, &'a str)],
    parts: &'a [Part<'a>],
    has_standby: bool,
}

impl Control<'_> {
    fn plan(&self, seed: u64, patience: Duration) -> Plan<'_> {
        let Self { name, settings, tampers, parts, has_standby } = *self;
        Plan {
            name,
            seed,
            settings,
            has_small_disk: false,
            has_standby,
            tampers,
            parts,
            stuck_after: STUCK_AFTER,
            patience,
        }
    }

    /// Fails unless the checker finds this kind of break, and none but these.
    fn expect(&self, kind: Kind, others: &[Kind]) {
        // Replicas that differ for good need no long wait.
        let patience =
            if others.contains(&Kind::Differs) { Duration::from_secs(4) } else { PATIENCE };
        for seed in 1..=TRIES {
            let outcome = run(&self.plan(seed, patience));
            eprintln!("{}: {}", self.name, outcome.summary());
            let mut kinds = outcome.kinds();
            let is_found = kinds.remove(&kind);
            kinds.retain(|kind| !others.contains(kind));
            let (logs, summary) = (&outcome.logs, outcome.summary());
            assert!(kinds.is_empty(), "{logs}\n{kinds:?} was not expected: {summary}");
            if is_found {
                return;
            }
        }
        panic!("the checker has not found that something was {kind:?}");
    }
}

const fn part(faults: &[Fault], updates: usize, then: Option<FailOver>) -> Part<'_> {
    Part { faults, millis: 0, updates, then }
}

#[test]
fn a_run_that_breaks_off_says_its_seed_and_what_its_replicas_have_logged() {
    let control = Control {
        name: "broken_off",
        settings: "",
        tampers: &[("what the function does not have", "")],
        parts: &[],
        has_standby: false,
    };
    let cause = catch_unwind(|| run(&control.plan(7, PATIENCE))).err().expect("it breaks off");
    let said = cause.downcast_ref::<String>().unwrap();
    assert!(said.contains("with seed 7 has broken off"), "{said}");
    assert_eq!(said.matches("Listening on http").count(), REPLICAS, "{said}");
}

#[test]
fn replicas_that_never_store_again_and_faults_that_do_not_happen_are_noticed() {
    let never = format!("{LOCK} raise exception 'never again';");
    let control = Control {
        name: "stuck",
        settings: "",
        tampers: &[(LOCK, &never)],
        // There is no standby that could be away.
        parts: &[part(&[Fault::NoStandby], 1, None)],
        has_standby: false,
    };
    let outcome = run(&Plan { stuck_after: Duration::from_secs(1), ..control.plan(1, PATIENCE) });
    let summary = outcome.summary();
    assert_eq!(outcome.kinds(), [Kind::Stuck].into(), "{summary}");
    assert!(summary.contains("a part had 0 of 1 updates, 0 faults"), "{summary}");
    assert!(summary.contains(" is never answered"), "{summary}");
}

#[test]
fn without_the_check_of_pairs_changes_are_made_from_old_states() {
    Control {
        name: "no_check",
        settings: "",
        tampers: &[("select unnest(new_keys)", "select unnest(new_keys) where false")],
        parts: &[part(&[], 500, None)],
        has_standby: false,
    }
    .expect(
        Kind::FromOldState,
        &[&OF_OLD_STATES[..], &[Kind::Lost, Kind::Doubled, Kind::Refused, Kind::WentBack]].concat(),
    );
}

#[test]
fn without_the_look_for_a_lost_commit_it_is_made_twice() {
    // The commit that settles another one does not find it.
    let token = "case when c.token = settled then gen_random_uuid() else c.token end";
    let new = format!("select 'missed', c.revision, {token},");
    Control {
        name: "blind_retry",
        settings: "",
        tampers: &[("select 'missed', c.revision, c.token,", &new)],
        parts: &[part(&[Fault::LostAnswers], 600, None)],
        has_standby: false,
    }
    // A removal that was made and is planned again finds no entry, so nobody hears that it was made.
    .expect(Kind::Doubled, &[Kind::Refused, Kind::Lost]);
}

#[test]
fn answers_before_commits_are_durable_lose_updates_in_a_crash() {
    let new = format!("{LOCK} perform set_config('synchronous_commit', 'off', true);");
    Control {
        name: "early_answer",
        settings: "wal_writer_delay = 10s",
        tampers: &[(LOCK, &new)],
        parts: &[part(&[], 150, None), part(&[Fault::Crash], 0, None), part(&[], 50, None)],
        has_standby: false,
    }
    .expect(Kind::Lost, &OF_LOSS);
}

/// A failover to a standby that lacks commits, whose numbers are then used again.
const fn lossy(tokens: Tokens) -> FailOver {
    FailOver { lags: false, loses: Some(tokens), is_watched: false, has_next: false }
}

#[test]
fn a_standby_that_commits_do_not_wait_for_loses_updates_but_tears_no_history() {
    Control {
        name: "asynchronous",
        settings: "",
        tampers: &[],
        parts: &[part(&[], 50, Some(lossy(Tokens::New))), part(&[], 50, None)],
        has_standby: true,
    }
    .expect(Kind::Lost, &OF_LOSS);
}

#[test]
fn without_tokens_replicas_go_on_from_a_state_that_was_lost() {
    Control {
        name: "no_token",
        settings: "",
        tampers: &[],
        parts: &[part(&[], 50, Some(lossy(Tokens::Same))), part(&[], 100, None)],
        has_standby: true,
    }
    .expect(Kind::FromOldState, &[&OF_OLD_STATES[..], &[Kind::Lost], &OF_LOSS].concat());
}
