//! Replicas that are replaced or killed behind a proxy, with the shipped configurations.

use super::fleet::Fleet;
use super::kit::agree;
use super::traffic::{self, AT_ONCE, Outcome};
use super::versions::{MIGRATED, newer};
use crate::support::proxy::{Proxy, placed};
use crate::support::{Cluster, PostgresDatabase};

fn haproxy(fleet: &Fleet) -> Proxy {
    Proxy::haproxy_before(&fleet.configuration("haproxy-replicas.cfg"))
}

fn nginx(fleet: &Fleet) -> Proxy {
    Proxy::nginx_before(&fleet.configuration("nginx-replicas.conf"))
}

/// A proxy that sends a request to another replica only if none has taken it, as most do.
fn haproxy_that_repeats_nothing(fleet: &Fleet) -> Proxy {
    let shipped = fleet.configuration("haproxy-replicas.cfg");
    Proxy::haproxy_before(&placed(&shipped, "retry-on conn-failure empty-response", &""))
}

/// Asserts that the history has every update that was answered with 200, once and in order.
fn assert_all_is_told(database: &PostgresDatabase, stored: &[u64]) {
    for (pair, count) in stored.iter().enumerate() {
        let told = format!(
            "select drift_count::text from transitions where server = 's{pair}' order by at, id"
        );
        let expected: Vec<String> = (1..=*count).map(|count| count.to_string()).collect();
        assert_eq!(database.stored(&told), expected, "s{pair}");
    }
}

/// Replaces the replicas by those of a newer version, which begins by migrating the database.
fn update(with: impl FnOnce(&Fleet) -> Proxy) {
    let database = PostgresDatabase::create();
    let mut fleet = Fleet::start(&database);
    let proxy = with(&fleet);
    let outcome = traffic::during(proxy.client, || {
        fleet.wait_until_all_are_used();
        Cluster::shared().run(database.name(), MIGRATED);
        for place in 0..3 {
            fleet.replace(place, &newer(&database));
        }
        fleet.wait_until_all_are_used();
    });
    let Outcome { stored, failures, reopened } = outcome;
    assert_eq!(failures, [""; 0], "of {stored:?} updates");
    assert!(reopened > 0, "the stream of a replica ends with it");
    assert_all_is_told(&database, &stored);
    agree(fleet.replicas());
    let by_newer = "select count(*)::text from entries where weather = 'fine'";
    assert_eq!(database.stored(by_newer), [(stored.len() + 1).to_string()]);
}

/// Kills one replica after the other; returns what has failed.
fn kill(with: impl FnOnce(&Fleet) -> Proxy) -> Vec<String> {
    let database = PostgresDatabase::create();
    let mut fleet = Fleet::start(&database);
    let proxy = with(&fleet);
    let Outcome { stored, failures, .. } = traffic::during(proxy.client, || {
        for place in 0..3 {
            fleet.wait_until_all_are_used();
            fleet.kill(place, &database.url());
        }
        fleet.wait_until_all_are_used();
    });
    assert_all_is_told(&database, &stored);
    agree(fleet.replicas());
    failures
}

#[test]
fn a_rolling_update_behind_haproxy_fails_no_request() {
    update(haproxy);
}

#[test]
fn a_rolling_update_behind_nginx_fails_no_request() {
    update(nginx);
}

#[test]
fn a_rolling_update_behind_a_proxy_that_repeats_nothing_fails_no_request() {
    update(haproxy_that_repeats_nothing);
}

#[test]
fn replicas_that_are_killed_behind_haproxy_fail_no_request() {
    assert_eq!(kill(haproxy), [""; 0]);
}

#[test]
fn replicas_that_are_killed_behind_nginx_fail_no_request() {
    assert_eq!(kill(nginx), [""; 0]);
}

/// And a reporter that repeats what was under way loses nothing.
#[test]
fn replicas_that_are_killed_behind_a_proxy_that_repeats_nothing_fail_what_was_under_way() {
    let failures = kill(haproxy_that_repeats_nothing);
    assert!(failures.len() <= 3 * AT_ONCE, "{failures:?}");
}
