//! What a replica may do, by its meetings.

use super::*;

fn replica(version: &str, settings: &str) -> Replica {
    Replica {
        name: format!("{version}:1"),
        version: version.to_owned(),
        settings: settings.to_owned(),
    }
}

fn meeting(leads: bool, others: &[(&Replica, i64)]) -> Meeting {
    let at = Timestamp::from_millis(100_000);
    let seen = |seconds_ago: i64| Timestamp::from_millis(at.millis() - seconds_ago * 1000);
    let others = others.iter().map(|(other, ago)| (Replica::clone(other), seen(*ago)));
    let others = others.collect();
    Meeting { at, leads, others, outages: Vec::new(), ran_since: at }
}

fn met(meeting: Meeting, ahead: i64) -> Met {
    Met { meeting, ahead, took: Duration::ZERO }
}

fn replicas(first: Option<Met>) -> Replicas {
    Replicas::new(replica("1", "ttl=a stale_after=b old=c"), first)
}

#[test]
fn a_process_that_has_its_store_alone_does_everything_and_tells_nothing() {
    let alone = replicas(None);
    assert!(alone.leads() && alone.may_settle() && alone.state().is_none());
    alone.note_following(Err(&"never asked"));
    assert_eq!(alone.take_outages(), None);
}

#[tokio::test(start_paused = true)]
async fn the_lead_is_over_five_seconds_after_the_last_meeting() {
    let leading = replicas(Some(met(meeting(true, &[]), 0)));
    tokio::time::advance(Duration::from_millis(4999)).await;
    assert!(leading.leads() && leading.may_settle());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!leading.leads() && !leading.may_settle());
    leading.note_meeting(met(meeting(true, &[]), 0));
    assert!(leading.leads());
    leading.note_meeting(met(meeting(false, &[]), 0));
    assert!(!leading.leads());
}

#[test]
fn a_replica_whose_clock_is_wrong_settles_nothing_beside_others() {
    let other = replica("1", "");
    for (ahead, may_settle) in [(4900, true), (-4900, true), (5100, false), (-5100, false)] {
        let beside = replicas(Some(met(meeting(true, &[(&other, 1)]), ahead)));
        assert_eq!((beside.leads(), beside.may_settle()), (true, may_settle), "{ahead} ms");
        assert_eq!(beside.presence(true).may_lead, may_settle, "{ahead} ms");
        assert!(!beside.presence(false).may_lead, "it could store nothing");
        let led = replicas(Some(met(meeting(false, &[(&other, 1)]), ahead)));
        assert_eq!(led.may_trim(), !may_settle, "{ahead} ms: it may be that none leads");
        let alone = replicas(Some(met(meeting(true, &[]), ahead)));
        assert!(alone.may_settle() && alone.presence(true).may_lead, "{ahead} ms alone");
    }
}

/// As a crash of the database empties the table of replicas.
#[tokio::test(start_paused = true)]
async fn others_are_gone_after_a_minute_of_meetings_without_them() {
    let other = replica("1", "");
    let beside = replicas(Some(met(meeting(false, &[(&other, 1)]), 60_000)));
    let meet_for = async |seconds: u64| {
        for _ in 0..seconds {
            tokio::time::advance(Duration::from_secs(1)).await;
            beside.note_meeting(met(meeting(true, &[]), 60_000));
        }
    };
    meet_for(59).await;
    assert!(!beside.may_settle() && !beside.presence(true).may_lead);
    // The database is away.
    tokio::time::advance(Duration::from_mins(5)).await;
    meet_for(59).await;
    assert!(!beside.may_settle() && !beside.presence(true).may_lead);
    meet_for(2).await;
    assert!(beside.may_settle() && beside.presence(true).may_lead);
    tokio::time::advance(Duration::from_mins(5)).await;
    meet_for(1).await;
    assert!(beside.may_settle(), "it was alone before");
}

#[test]
fn settings_and_versions_that_differ_are_named() {
    let others = [replica("1", "ttl=x stale_after=b new=y"), replica("2", "ttl=z old=c")];
    let meeting = meeting(false, &[(&others[0], 1), (&others[1], 59)]);
    let state = replicas(Some(met(meeting, 0))).state().unwrap();
    assert_eq!(state.running, 3);
    assert_eq!(state.differing_names().collect::<Vec<_>>(), ["ttl", "version"]);
    let count = |(name, others): &(String, usize)| (name.clone(), *others);
    let counts: Vec<_> = state.differing.iter().map(count).collect();
    let expected = [("ttl", 2), ("stale_after", 0), ("old", 0), ("version", 1)];
    assert_eq!(counts, expected.map(|(name, others)| (name.to_owned(), others)));
}

#[tokio::test(start_paused = true)]
async fn one_question_without_an_answer_is_no_fault_yet() {
    let beside = replicas(Some(met(meeting(false, &[]), 0)));
    let is_following = || beside.state().unwrap().is_following;
    beside.note_following(Err(&"lost"));
    tokio::time::advance(Duration::from_millis(900)).await;
    beside.note_following(Err(&"lost"));
    assert!(is_following());
    tokio::time::advance(Duration::from_millis(100)).await;
    beside.note_following(Err(&"lost"));
    assert!(!is_following());
    beside.note_following(Ok(()));
    assert!(is_following());
    beside.note_following(Err(&"lost again"));
    assert!(is_following());
}

#[test]
fn a_start_ends_an_outage_only_if_nobody_ran_before_it() {
    let other = replica("1", "");
    assert!(!is_beside_others(&meeting(true, &[])));
    assert!(is_beside_others(&meeting(true, &[(&other, 4)])));
    assert!(!is_beside_others(&meeting(true, &[(&other, 30)])), "it was killed");
    assert!(is_beside_others(&meeting(false, &[])), "the one that leads was there a moment ago");
}

#[test]
fn the_offset_of_a_clock_is_taken_in_the_middle_of_a_meeting() {
    let at = Timestamp::from_millis;
    assert_eq!(ahead_of(at(5_000), at(5_900), at(6_100)), 1_000);
    assert_eq!(ahead_of(at(5_000), at(3_900), at(4_100)), -1_000);
}
