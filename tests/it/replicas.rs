//! Several replicas of the program on one PostgreSQL database, from outside.

mod commands;
mod crash;
mod faults;
mod fleet;
mod kit;
mod limits;
mod pooler;
mod rolling;
mod time;
mod traffic;
mod versions;

use kit::{agree, metric, replica, replicas};

use crate::support::{Events, PostgresDatabase, Process, report, wait_until};

#[test]
fn an_update_is_visible_at_once_where_it_was_sent_and_soon_on_every_replica() {
    let database = PostgresDatabase::create();
    let replicas = replicas::<3>(&database, &[]);
    for (number, replica) in replicas.iter().enumerate() {
        replica.accept(report("repo", &format!("s{number}"), "OUT_OF_SYNC", &["a.conf"]));
        assert_eq!(replica.names(&format!("?server=s{number}")).len(), 1, "it is there at once");
    }
    agree(&replicas);
    assert_eq!(replicas[0].names(""), ["repo/s0", "repo/s1", "repo/s2"]);
    let removed = replicas[1].send("DELETE", "/api/status?repo=repo&server=s0", &[], b"");
    assert_eq!((removed.status, replicas[1].names("").len()), (200, 2));
    // All pairs at once, each on a replica that has not reported it before.
    for (number, replica) in replicas.iter().enumerate() {
        replica.accept(report("repo", &format!("s{}", (number + 1) % 3), "SYNCED", &[]));
    }
    agree(&replicas);
    let events = database.stored("select server || ' ' || event from transitions order by id");
    let s0 = events.iter().filter(|event| event.starts_with("s0")).collect::<Vec<_>>();
    assert_eq!(s0, ["s0 first", "s0 deleted", "s0 first"]);
    assert_eq!(metric(&replicas[0], "gitops_status_replicas"), 3);
    wait_until("one of them leads", || {
        let leads = |replica: &Process| metric(replica, "gitops_status_replica_leads");
        replicas.iter().map(leads).sum::<usize>() == 1
    });
}

#[test]
fn a_tag_from_one_replica_is_good_on_another() {
    let database = PostgresDatabase::create();
    let replicas = replicas::<2>(&database, &[]);
    replicas[0].accept(report("repo", "s", "OUT_OF_SYNC", &["a.conf"]));
    agree(&replicas);
    for target in ["/status.json", "/status.csv?repo=repo", "/api/summary"] {
        let tag = replicas[0].get(target).header("etag").unwrap().to_owned();
        let again = replicas[1].get_with(target, &[("If-None-Match", &tag)]);
        assert_eq!(again.status, 304, "{target}");
    }
}

#[test]
fn each_replica_streams_the_changes_of_all() {
    let database = PostgresDatabase::create();
    let replicas = replicas::<3>(&database, &[]);
    let open = |at: usize| Events::open(&replicas[at], "/api/events", &[]).0;
    let mut streams = [open(0), open(1), open(2)];
    for (number, replica) in replicas.iter().enumerate() {
        let server = format!("s{number}");
        replica.accept(report("repo", &server, "SYNCED", &[]));
        for stream in &mut streams {
            let (event, row) = stream.next().unwrap();
            assert_eq!((event.as_str(), row["server"].as_str()), ("entry", Some(&*server)));
        }
    }
    let last = [("Last-Event-ID", streams[0].id.as_str())];
    let (_, has_resumed) = Events::open(&replicas[1], "/api/events", &last);
    assert!(!has_resumed, "another replica cannot know what came after that");
}

#[test]
fn settings_that_differ_are_named_everywhere_until_they_are_the_same() {
    let database = PostgresDatabase::create();
    let secret = "https://status.example/inner-name";
    let one = replica(&database.url(), &[]);
    let arguments = ["--ttl", "1d", "--external-url", secret, "--workers", "2"];
    let mut other = replica(&database.url(), &arguments);
    let said = "other replicas run with another ttl, external_url; \
                updates go on; see the server's log";
    for replica in [&one, &other] {
        let health = || replica.get("/health").json();
        wait_until("it notices the other", || health()["message"] == said);
        assert_eq!(health()["status"], "degraded");
        let differing = |setting: &str| {
            let series = format!("gitops_status_replica_differences{{setting=\"{setting}\"}}");
            metric(replica, &series)
        };
        assert_eq!(["ttl", "stale_after", "version"].map(differing), [1, 0, 0]);
        let line = "Other replicas run with another ttl, and answer otherwise";
        wait_until("it says so in its log", || replica.log().contains(line));
    }
    assert!(!one.log().contains(secret) && !one.get("/metrics").text().contains(secret));
    let stored = database.stored("select settings from replicas");
    assert!(stored.iter().all(|settings| !settings.contains("https")), "{stored:?}");
    assert!(other.terminate().success());
    wait_until("the other has said that it ends", || {
        one.get("/health").json()["status"] == "healthy"
    });
    assert_eq!(metric(&one, "gitops_status_replicas"), 1);
}
