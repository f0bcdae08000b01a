//! What the clock does to entries is the same on all replicas, and recorded once.

use std::time::Duration;

use super::kit::{agree, metric, replica, replicas};
use crate::support::{Cluster, PostgresDatabase, TestApp, report, wait_until};

/// Refuses the commits of the sessions of this name.
const STUCK: &str = "
set role status;
create function refuse() returns trigger language plpgsql as $$
begin
    if current_setting('application_name') = 'stuck' then raise exception 'stuck'; end if;
    return new;
end $$;
create trigger refuse before insert on commits for each row execute function refuse();
";

#[test]
fn what_becomes_stale_and_expires_is_recorded_once_by_all_replicas_together() {
    let database = PostgresDatabase::create();
    let replicas = replicas::<3>(&database, &["--stale-after", "1s", "--ttl", "3s"]);
    for number in 0..30 {
        let status = ["SYNCED", "OUT_OF_SYNC"][number % 2];
        replicas[number % 3].accept(report("repo", &format!("s{number:02}"), status, &[]));
    }
    wait_until("none is left", || replicas.iter().all(|replica| replica.names("").is_empty()));
    let told = "select event || ' ' || count(*) from transitions group by event order by event";
    let mut expected = ["expired 30", "first 30", "stale 30"];
    expected.sort_unstable();
    wait_until("all is recorded", || {
        let mut told = database.stored(told);
        told.sort_unstable();
        told == expected
    });
    agree(&replicas);
    replicas[1].accept(report("repo", "s01", "SYNCED", &[]));
    agree(&replicas);
    // It becomes stale again in a second.
    let events = "select event from transitions where server = 's01' order by id limit 4";
    assert_eq!(database.stored(events), ["first", "stale", "expired", "first"]);
    let first = "select count(*)::text from transitions where server = 's01' and event = 'first'";
    assert_eq!(database.stored(first), ["2"]);
}

#[test]
fn the_one_that_leads_is_replaced_when_it_dies() {
    let database = PostgresDatabase::create();
    let arguments = ["--stale-after", "1s"];
    let leading = replica(&database.url(), &arguments);
    let other = replica(&database.url(), &arguments);
    leading.accept(report("repo", "s", "SYNCED", &[]));
    wait_until("the other knows it", || other.names("").len() == 1);
    leading.kill();
    wait_until("the other records the silence", || {
        database.stored("select event from transitions order by id") == ["first", "stale"]
    });
}

#[test]
fn a_leader_whose_clock_is_wrong_leaves_it_to_another_to_record_what_becomes_stale() {
    let database = PostgresDatabase::create();
    let off = TestApp::replica_ahead(&database.url(), Duration::from_hours(1));
    assert_eq!(metric(&off, "gitops_status_replica_leads"), 1, "it has only its own clock");
    let good = replica(&database.url(), &["--stale-after", "1s"]);
    good.accept(report("repo", "s", "SYNCED", &[]));
    wait_until("the other records the silence", || {
        database.stored("select event from transitions order by id") == ["first", "stale"]
    });
    assert_eq!(metric(&good, "gitops_status_replica_leads"), 1);
    assert_eq!(metric(&off, "gitops_status_replica_leads"), 0);
}

#[test]
fn a_leader_that_cannot_store_leaves_it_to_another_to_record_what_becomes_stale() {
    let database = PostgresDatabase::create();
    let stuck = replica(&(database.url() + "?application_name=stuck"), &["--stale-after", "1s"]);
    let good = replica(&database.url(), &["--stale-after", "1s"]);
    assert_eq!(metric(&stuck, "gitops_status_replica_leads"), 1);
    Cluster::shared().run(database.name(), STUCK);
    good.accept(report("repo", "s", "SYNCED", &[]));
    wait_until("the other records the silence", || {
        database.stored("select event from transitions order by id") == ["first", "stale"]
    });
    assert_eq!(metric(&stuck, "gitops_status_writable"), 0);
}

#[test]
fn a_replica_that_starts_beside_others_has_ended_no_outage_and_the_first_one_has() {
    let database = PostgresDatabase::create();
    let mut first = replica(&database.url(), &[]);
    first.accept(report("repo", "s", "SYNCED", &[]));
    let past = "select (extract(epoch from clock_timestamp()) * 1000 > max(updated_at) + 1500)::text \
                from entries";
    wait_until("an outage would be worth noting", || database.stored(past) == ["true"]);
    let mut second = replica(&database.url(), &[]);
    let outages = || database.stored("select (ended - began)::text from outages");
    assert_eq!(outages(), [""; 0]);
    assert!(first.terminate().success() && second.terminate().success());
    let last = || database.stored("select max(updated_at)::text from entries");
    let before = last();
    let third = replica(&database.url(), &[]);
    wait_until("the outage is noted", || outages().len() == 1);
    let fourth = replica(&database.url(), &[]);
    agree(&[&*third, &*fourth]);
    assert_eq!(database.stored("select began::text from outages"), before);
    let outage = outages();
    fourth.accept(report("repo", "s", "SYNCED", &[]));
    let fifth = replica(&database.url(), &[]);
    agree(&[&*third, &*fourth, &*fifth]);
    assert_eq!(outages(), outage, "nobody finds it again");
}
