//! Replicas of two versions on one database. A newer version is this one in a database that does
//! for it what a newer version would do itself.

use sqlx::{Connection, PgConnection};
use tokio::runtime::Builder;

use super::kit::{agree, command, metric, replica, replicas};
use crate::support::{Cluster, Events, PostgresDatabase, Process, report, wait_until};

/// What a migration of a newer version leaves: a column, which only that version fills in. Triggers
/// know the newer version by the name of its sessions, and give it another version.
pub const MIGRATED: &str = "
set role status;
alter table entries add column weather text;
create function as_newer_entry() returns trigger language plpgsql as $$
begin
    if current_setting('application_name') = 'newer' then new.weather := 'fine'; end if;
    return new;
end $$;
create trigger as_newer before insert or update on entries
    for each row execute function as_newer_entry();
create function as_newer_replica() returns trigger language plpgsql as $$
begin
    if current_setting('application_name') = 'newer' then new.version := '99.0.0'; end if;
    return new;
end $$;
create trigger as_newer before insert or update on replicas
    for each row execute function as_newer_replica();
insert into _sqlx_migrations (version, description, success, checksum, execution_time)
values (9999, 'weather', true, '\\x00', 0);
";

/// Gives the commits of the newer version a format that this one does not know.
const IN_ANOTHER_FORMAT: &str = "
set role status;
create function as_newer_commit() returns trigger language plpgsql as $$
begin
    if current_setting('application_name') = 'newer' then new.format := 2; end if;
    return new;
end $$;
create trigger as_newer before insert on commits
    for each row execute function as_newer_commit();
";

/// Returns the URL by which a replica is of the newer version.
pub fn newer(database: &PostgresDatabase) -> String {
    database.url() + "?application_name=newer"
}

fn run(database: &PostgresDatabase, sql: &str) {
    Cluster::shared().run(database.name(), sql);
}

#[test]
fn a_replica_of_the_older_version_goes_on_and_starts_again_after_a_newer_one_has_migrated() {
    let database = PostgresDatabase::create();
    let [one, other] = replicas::<2>(&database, &[]);
    one.accept(report("repo", "a", "OUT_OF_SYNC", &["x"]));
    run(&database, MIGRATED);
    let new = replica(&newer(&database), &[]);
    for replica in [&one, &other] {
        let said = || replica.get("/health").json()["message"].as_str().unwrap_or("").to_owned();
        wait_until("it notices the newer version", || {
            said().starts_with("other replicas run with another version; updates go on")
        });
        let series = "gitops_status_replica_differences{setting=\"version\"}";
        assert_eq!(metric(replica, series), 1);
        replica.accept(report("repo", "b", "OUT_OF_SYNC", &["x"]));
    }
    new.accept(report("repo", "a", "SYNCED", &[]));
    other.kill();
    let other = replica(&database.url(), &[]);
    agree(&[&*one, &*other, &*new]);
    other.accept(report("repo", "a", "OUT_OF_SYNC", &["y"]));
    agree(&[&*one, &*other, &*new]);
    let weather = "select coalesce(weather, '') from entries order by server";
    assert_eq!(database.stored(weather), ["fine", ""], "the older version leaves it as it is");
}

#[test]
fn a_replica_loads_everything_after_each_commit_in_a_format_that_it_does_not_know() {
    let database = PostgresDatabase::create();
    let old = replica(&database.url(), &[]);
    run(&database, IN_ANOTHER_FORMAT);
    let new = replica(&newer(&database), &[]);
    let (mut events, _) = Events::open(&old, "/api/events", &[]);
    for number in 0..5 {
        for (replica, name) in [(&new, "new"), (&old, "old")] {
            replica.accept(report("repo", &format!("{name}-{number}"), "SYNCED", &[]));
        }
    }
    agree(&[&*old, &*new]);
    assert_eq!(old.names("").len(), 10);
    for _ in 0..10 {
        assert_eq!(events.next().unwrap().0, "entry");
    }
    let removed = new.send("DELETE", "/api/status?repo=repo&server=old-0", &[], b"");
    assert_eq!(removed.status, 200);
    assert_eq!(events.next().unwrap().0, "gone");
    assert_eq!(old.get("/health").json()["message"], serde_json::Value::Null);
    let formats = "select format::text from commits where format > 1";
    assert_eq!(database.stored(formats).len(), 6);
}

#[test]
fn two_builds_of_one_version_are_two_versions() {
    let database = PostgresDatabase::create();
    let one = replica(&database.url(), &[]);
    let other_build = "insert into replicas \
         select gen_random_uuid(), 'other:1', split_part(version, '+', 1) || '+other', settings, seen_at, began_at from replicas";
    run(&database, other_build);
    let series = "gitops_status_replica_differences{setting=\"version\"}";
    wait_until("it notices another build", || {
        one.get("/metrics").text().contains(series) && metric(&one, series) == 1
    });
}

#[test]
fn a_replica_waits_for_one_that_upgrades_the_database_and_does_not_hold_up_its_new_index() {
    let database = PostgresDatabase::create();
    assert!(replica(&database.url(), &[]).terminate().success());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut upgrading = runtime.block_on(PgConnection::connect(&database.url())).unwrap();
    let mut run = |sql| runtime.block_on(sqlx::raw_sql(sql).execute(&mut upgrading)).unwrap();
    run("select pg_advisory_lock(1735619700)");
    let starting = Process::launch(&mut command(&database.url(), &[]));
    let waits = "Another replica is upgrading the database, which this one waits for";
    wait_until("it waits for the upgrade", || starting.log().contains(waits));
    run("create index concurrently on transitions (\"by\")");
    assert!(!starting.log().contains("Listening on"), "{}", starting.log());
    run("select pg_advisory_unlock(1735619700)");
    wait_until("it has started", || starting.log().contains("Listening on"));
}

#[test]
fn a_database_without_what_an_older_version_needs_ends_its_start_with_65() {
    let database = PostgresDatabase::create();
    assert!(replica(&database.url(), &[]).terminate().success());
    run(&database, "update meta set oldest_program = 9999");
    let (status, said) = Process::run_to_end(&mut command(&database.url(), &[]));
    assert_eq!(status.code(), Some(65), "{said}");
    assert!(said.contains("it needs a newer version of this program"), "{said}");
    assert!(said.contains("Run the version that has used it last"), "{said}");
}
