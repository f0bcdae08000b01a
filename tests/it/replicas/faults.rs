//! Replicas that lose their database, each other, or their own process.

use std::thread;
use std::time::{Duration, Instant};

use super::kit::{agree, metric, replica, replicas, url_by, without};
use crate::support::{Cluster, Events, PostgresDatabase, Relay, report, wait_until};

#[test]
fn a_replica_that_is_cut_off_serves_what_it_knows_and_catches_up_by_itself() {
    let database = PostgresDatabase::create();
    let relay = Relay::to(Cluster::shared().port());
    let (good, cut_off) = (replica(&database.url(), &[]), replica(&url_by(&relay, &database), &[]));
    good.accept(report("repo", "a", "SYNCED", &[]));
    wait_until("it knows the entry", || cut_off.names("") == ["repo/a"]);
    let (mut events, _) = Events::open(&cut_off, "/api/events", &[]);
    relay.cut();
    let health = || cut_off.get("/health").json();
    wait_until("it notices", || {
        let message = health()["message"].as_str().unwrap_or_default().to_owned();
        message.contains("changes of other replicas cannot be read")
            && message.contains("Updates cannot be stored")
    });
    assert_eq!(health()["status"], "degraded");
    good.accept(report("repo", "b", "OUT_OF_SYNC", &["x"]));
    good.accept(report("repo", "a", "OUT_OF_SYNC", &["x"]));
    cut_off.post(report("repo", "c", "SYNCED", &[])).error(503);
    assert_eq!(cut_off.names(""), ["repo/a"]);
    assert_eq!(cut_off.get("/readyz").status, 200, "reads work");
    assert_eq!(metric(&cut_off, "gitops_status_writable"), 0);
    assert_eq!(metric(&cut_off, "gitops_status_replica_following"), 0);
    relay.mend();
    wait_until("it has caught up", || health()["status"] == "healthy");
    agree(&[&*good, &*cut_off]);
    let mut changed = [events.next().unwrap(), events.next().unwrap()];
    changed.sort_by_key(|(_, row)| row["server"].to_string());
    assert_eq!(changed.map(|(_, row)| row["server"].clone()), ["a", "b"]);
    cut_off.accept(report("repo", "c", "SYNCED", &[]));
    agree(&[&*good, &*cut_off]);
    assert_eq!(metric(&cut_off, "gitops_status_replica_following"), 1);
}

#[test]
fn a_removal_is_not_refused_by_a_replica_that_has_not_heard_of_the_entry() {
    let database = PostgresDatabase::create();
    let relay = Relay::to(Cluster::shared().port());
    let (good, other) = (replica(&database.url(), &[]), replica(&url_by(&relay, &database), &[]));
    let remove = |name: &str| {
        let target = format!("/api/status?repo=repo&server={name}");
        other.send("DELETE", &target, &[], b"")
    };
    for number in 0..20 {
        let name = format!("s{number}");
        good.accept(report("repo", &name, "SYNCED", &[]));
        assert_eq!(remove(&name).status, 200, "{name} was stored, and heard of soon");
    }
    remove("s0").error(404);
    relay.cut();
    good.accept(report("repo", "last", "SYNCED", &[]));
    remove("last").error(503);
    relay.mend();
    wait_until("it is back", || other.get("/health").json()["status"] == "healthy");
    assert_eq!(remove("last").status, 200);
}

/// Each update after it was once refused, for as long as no further session could be had.
#[test]
fn a_removal_of_nothing_fails_no_update_beside_or_after_it() {
    let database = PostgresDatabase::create();
    let replica = replica(&database.url(), &[]);
    let put = |name: &str| replica.accept(report("repo", name, "SYNCED", &[]));
    put("a");
    let (admin, name) = (Cluster::shared(), database.name());
    admin.run("postgres", &format!("alter database {name} with allow_connections false"));
    // Only the session that commits is left.
    let end = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where datname = '{name}' and query not like '%commit_v1%' \
         and query not like '%pg_is_in_recovery%'"
    );
    admin.run("postgres", &end);
    put("b");
    replica.send("DELETE", "/api/status?repo=repo&server=none", &[], b"").error(404);
    put("c");
    admin.run("postgres", &format!("alter database {name} with allow_connections true"));
}

#[test]
fn a_replica_that_is_cut_off_does_not_say_that_there_is_no_room() {
    let database = PostgresDatabase::create();
    let relay = Relay::to(Cluster::shared().port());
    let limit = ["--max-entries", "1"];
    let good = replica(&database.url(), &limit);
    let cut_off = replica(&url_by(&relay, &database), &limit);
    good.accept(report("repo", "old", "SYNCED", &[]));
    wait_until("the other one knows it", || {
        cut_off.get("/status.json").json()[0]["server"] == "old"
    });
    relay.cut();
    assert_eq!(good.send("DELETE", "/api/status?repo=repo&server=old", &[], b"").status, 200);
    good.accept(report("repo", "new", "SYNCED", &[]));
    cut_off.post(report("repo", "new", "SYNCED", &[])).error(503);
    relay.mend();
    wait_until("it is back", || cut_off.get("/health").json()["status"] == "healthy");
    cut_off.accept(report("repo", "new", "SYNCED", &[]));
    cut_off.post(report("repo", "more", "SYNCED", &[])).error(507);
}

#[test]
fn replicas_that_have_all_lost_their_database_go_on_when_it_is_back() {
    let database = PostgresDatabase::create();
    let replicas = replicas::<2>(&database, &[]);
    replicas[0].accept(report("repo", "a", "SYNCED", &[]));
    agree(&replicas);
    without(&database, || {
        for replica in &replicas {
            wait_until("it notices", || replica.get("/health").json()["status"] == "degraded");
            assert_eq!(replica.names(""), ["repo/a"]);
            replica.post(report("repo", "b", "SYNCED", &[])).error(503);
        }
    });
    for replica in &replicas {
        wait_until("it goes on", || replica.get("/health").json()["status"] == "healthy");
    }
    replicas[1].accept(report("repo", "c", "SYNCED", &[]));
    agree(&replicas);
    assert_eq!(replicas[0].names(""), ["repo/a", "repo/c"]);
    let outages = database.stored("select count(*)::text from outages");
    assert_eq!(outages, ["0"], "they ran all the time");
}

#[test]
fn a_lost_connection_fails_no_update() {
    let database = PostgresDatabase::create();
    let replica = replica(&database.url(), &[]);
    for number in 0..20 {
        let sql = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
            database.name()
        );
        Cluster::shared().run("postgres", &sql);
        replica.accept(report("repo", &format!("s{number:02}"), "SYNCED", &[]));
    }
    assert_eq!(database.stored("select count(*)::text from transitions"), ["20"]);
}

#[test]
fn a_database_that_is_away_for_a_moment_fails_no_update() {
    let database = PostgresDatabase::create();
    let relay = Relay::to(Cluster::shared().port());
    let replica = replica(&url_by(&relay, &database), &[]);
    replica.accept(report("repo", "a", "SYNCED", &[]));
    relay.stall();
    thread::scope(|scope| {
        let update = scope.spawn(|| replica.post(report("repo", "b", "SYNCED", &[])));
        wait_until("the update is under way", || metric(&replica, "gitops_status_queue_bytes") > 0);
        relay.cut_for(2);
        assert_eq!(update.join().unwrap().status, 200);
    });
    assert!(relay.refused() >= 2, "it has missed the database");
    assert_eq!(database.stored("select count(*)::text from transitions"), ["2"]);
}

#[test]
fn a_database_that_stays_away_is_asked_for_less_and_less() {
    let database = PostgresDatabase::create();
    let relay = Relay::to(Cluster::shared().port());
    let replica = replica(&url_by(&relay, &database), &[]);
    let began = Instant::now();
    relay.cut();
    // By clients too.
    wait_until("it has tried for long", || {
        replica.post(report("repo", "a", "SYNCED", &[])).error(503);
        replica.get("/api/history").error(503);
        relay.refused() >= 12
    });
    // The shortest pauses before the first six tries, and before each of the others. The first tries
    // of three connections may come at once.
    let shortest = Duration::from_millis(25 + 50 + 100 + 200 + 400 + 3 * 500);
    assert!(began.elapsed() > shortest, "12 tries in {:?}", began.elapsed());
    relay.mend();
    wait_until("it is back", || replica.get("/health").json()["status"] == "healthy");
    replica.accept(report("repo", "a", "SYNCED", &[]));
}

#[test]
fn the_history_is_read_again_at_once_after_the_server_has_ended_all_sessions() {
    let database = PostgresDatabase::create();
    let replica = replica(&database.url(), &[]);
    replica.accept(report("repo", "a", "SYNCED", &[]));
    for target in ["/api/history", "/api/timeline", "/api/history?event=stale"] {
        assert_eq!(replica.get(target).status, 200);
        without(&database, || {});
        assert_eq!(replica.get(target).status, 200, "{target}");
    }
}

#[test]
fn a_replica_that_was_away_for_longer_than_the_log_loads_everything() {
    let database = PostgresDatabase::create();
    let relay = Relay::to(Cluster::shared().port());
    let (good, cut_off) = (replica(&database.url(), &[]), replica(&url_by(&relay, &database), &[]));
    good.accept(report("repo", "a", "SYNCED", &[]));
    good.accept(report("repo", "gone", "SYNCED", &[]));
    wait_until("it knows the entries", || cut_off.names("").len() == 2);
    let (mut events, _) = Events::open(&cut_off, "/api/events", &[]);
    relay.cut();
    good.accept(report("repo", "b", "SYNCED", &[]));
    good.send("DELETE", "/api/status?repo=repo&server=gone", &[], b"");
    let sql = "delete from commits where revision < (select max(revision) from commits)";
    Cluster::shared().run(database.name(), sql);
    relay.mend();
    wait_until("it has loaded", || cut_off.names("") == ["repo/a", "repo/b"]);
    agree(&[&*good, &*cut_off]);
    let mut told = [events.next().unwrap(), events.next().unwrap()];
    told.sort_by_key(|(event, _)| event.clone());
    let told = told.map(|(event, row)| (event, row["server"].clone()));
    assert_eq!(told, [("entry".to_owned(), "b".into()), ("gone".to_owned(), "gone".into())]);
    cut_off.accept(report("repo", "a", "OUT_OF_SYNC", &[]));
    agree(&[&*good, &*cut_off]);
}

#[test]
fn a_rolling_restart_loses_nothing_and_ends_no_outage() {
    let database = PostgresDatabase::create();
    let mut running: Vec<_> = replicas::<3>(&database, &[]).into();
    let mut count = 0;
    let mut post = |replica: &crate::support::Client| {
        replica.accept(report("repo", &format!("s{count:03}"), "SYNCED", &[]));
        count += 1;
    };
    for turn in 0..6 {
        for replica in &running {
            post(replica);
        }
        let mut old = running.remove(0);
        if turn % 2 == 0 {
            assert!(old.terminate().success());
        } else {
            old.kill();
        }
        for replica in &running {
            post(replica);
        }
        running.push(replica(&database.url(), &[]));
    }
    agree(&running);
    assert_eq!(running[0].names("?limit=1000").len(), count);
    assert_eq!(database.stored("select count(*)::text from outages"), ["0"]);
    let leaders =
        || running.iter().map(|it| metric(it, "gitops_status_replica_leads")).sum::<usize>();
    wait_until("one leads", || leaders() == 1);
}
