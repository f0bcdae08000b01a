//! Replicas of the program, a primary and its standby, and faults of processes, connections and disk.
//!
//! Reporters send updates and removals to three processes until they are answered. Meanwhile
//! connections are cut, dropped, stalled and slowed down, processes are killed and frozen, the primary
//! crashes, fills its disk and is replaced by its standby. One process has another time than the
//! others. Then a checker holds what was answered and
//! shown against what is stored. `controls` takes one safeguard away at a time, and expects the
//! checker to notice.
//!
//! The seed decides the faults and what reporters do. The moments at which they meet are chance, so a
//! failure comes again often, but not always.
//!
//! Nothing becomes stale or expires here (`replicas::time` has that), and no machine loses its power:
//! the servers run with `fsync = off`.

mod checker;
mod controls;
mod faults;
mod fleet;
mod ledger;
mod reporters;
mod servers;

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use checker::{Break, Kind, Row, Stored};
use faults::{Driver, FailOver, Fault};
use fleet::Fleet;
use reporters::{Ending, MOST_ENTRIES, REPORTERS, Reporter, Shown, World, ask, read};
use servers::Servers;

use crate::support::{
    PATIENCE, Process, Random, Relay, answer_alike, eventually, library_of, wait_until,
};

/// How many replicas there are. The last one knows both servers.
const REPLICAS: usize = 3;
/// The place of the replica whose clock is ahead.
const AHEAD: usize = 1;
/// By how many milliseconds: by more than NTP allows, and by less than what costs it the lead.
const AHEAD_BY: &str = "1500";
/// After how long nothing but a failure explains that too little happens.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// One part of a run: faults for a while, and then a failover or none.
struct Part<'a> {
    faults: &'a [Fault],
    /// It takes at least so long, and until so many updates were acknowledged and some faults began.
    millis: u64,
    updates: usize,
    then: Option<FailOver>,
}

/// A run.
struct Plan<'a> {
    /// Names its database, which no other run on this machine may have at the same time.
    name: &'a str,
    seed: u64,
    /// More settings of the primary.
    settings: &'a str,
    has_small_disk: bool,
    has_standby: bool,
    /// What is changed in the function that commits, as old and new text.
    tampers: &'a [(&'a str, &'a str)],
    parts: &'a [Part<'a>],
    /// After how long a part or a reporter is stuck. A failure alone takes so long.
    stuck_after: Duration,
    /// How long the replicas have to agree afterwards.
    patience: Duration,
}

/// What a run has found.
struct Outcome {
    breaks: Vec<Break>,
    /// In one line.
    figures: String,
    /// What the replicas have logged.
    logs: String,
}

impl Outcome {
    fn kinds(&self) -> BTreeSet<Kind> {
        self.breaks.iter().map(|it| it.kind).collect()
    }

    /// Returns how often each kind was found, and some of what was found.
    fn summary(&self) -> String {
        let mut summary = self.figures.clone();
        for kind in self.kinds() {
            let breaks = self.breaks.iter().filter(|it| it.kind == kind);
            write!(summary, "\n{kind:?} {} times, such as", breaks.clone().count()).unwrap();
            breaks.take(5).for_each(|it| write!(summary, "\n    {}", it.what).unwrap());
        }
        summary
    }
}

/// Runs a plan, and checks everything. Fails with the logs of the replicas if it breaks off.
fn run(plan: &Plan<'_>) -> Outcome {
    eprintln!("rig: {} with seed {}", plan.name, plan.seed);
    let mut servers = Servers::start(&plan.database(), plan.settings, plan.has_small_disk);
    let ways: Vec<Vec<Relay>> = (0..REPLICAS)
        .map(|place| {
            let count = if place + 1 == REPLICAS { 2 } else { 1 };
            (0..count).map(|_| Relay::to(servers.port())).collect()
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let library = library_of("ahead.c", folder.path());
    let (fleet, orders) = Fleet::new(REPLICAS);
    let world = World::new(fleet, plan.stuck_after);
    let work = || {
        thread::scope(|scope| {
            let _ending = Ending(&world);
            for (place, (orders, ways)) in orders.into_iter().zip(&ways).enumerate() {
                let (fleet, ports) = (&world.fleet, ways.iter().map(Relay::port));
                let url = servers.url_by(&ports.collect::<Vec<_>>());
                let mut command = Process::command_on(&url);
                command.args(["--max-entries", &MOST_ENTRIES.to_string()]);
                if place == AHEAD {
                    command.env("LD_PRELOAD", &library).env("CLOCK_AHEAD", AHEAD_BY);
                }
                scope.spawn(move || fleet.keep(place, command, &orders));
            }
            plan.run_on(&world, &mut servers, &ways)
        })
    };
    // By now all processes have ended, also after a panic, which has said what it is.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let logs = world.fleet.logs.lock().unwrap();
        panic!("{} with seed {} has broken off; its replicas:\n{logs}", plan.name, plan.seed)
    })
}

impl Plan<'_> {
    fn database(&self) -> String {
        format!("rig_{}_{}", self.name, self.seed)
    }

    fn run_on(&self, world: &World, servers: &mut Servers, ways: &[Vec<Relay>]) -> Outcome {
        wait_until("the replicas run", || world.fleet.all().len() == REPLICAS);
        self.tampers.iter().for_each(|(old, new)| servers.tamper(old, new));
        if self.has_standby {
            servers.add_standby();
        }
        let random = |number: usize| Random::new(1000 * self.seed + number as u64);
        let mut driver = Driver::new(world, servers, ways, random(0));
        driver.turn();
        let shown = thread::scope(|scope| {
            let ending = Ending(world);
            for number in 0..REPORTERS {
                let reporter = Reporter::new(world, number, random(1 + number));
                scope.spawn(|| reporter.work());
            }
            let readers = (0..REPLICAS).map(|place| scope.spawn(move || read(world, place)));
            let readers: Vec<_> = readers.collect();
            for part in self.parts {
                driver.run(part);
                if let Some(how) = part.then {
                    driver.fail_over(how);
                }
            }
            drop(ending);
            readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
        });
        let (counts, failovers) = (std::mem::take(&mut driver.counts), driver.failovers);
        let mut figures = format!("seed {}: failovers {failovers}, {counts:?}", self.seed);
        let breaks = self.check(world, servers, &shown, failovers > 0, &mut figures);
        world.fleet.end();
        let logs = world.fleet.logs.lock().unwrap().clone();
        Outcome { breaks, figures, logs }
    }

    /// Checks everything once it is at rest.
    fn check(
        &self,
        world: &World,
        servers: &Servers,
        shown: &[Shown],
        was_primary_lost: bool,
        figures: &mut String,
    ) -> Vec<Break> {
        let mut breaks = std::mem::take(&mut *world.ledger.breaks.lock().unwrap());
        wait_until("the replicas run", || world.fleet.all().len() == REPLICAS);
        wait_until("the clock of one replica is ahead", || is_ahead(world));
        let rows = |servers: &Servers| servers.ask(Stored::ENTRIES);
        let agreed = eventually(self.patience, || difference(world, &rows(servers)));
        breaks.extend(agreed.err().map(|what| Break { kind: Kind::Differs, what }));
        let transitions = servers.ask(Stored::TRANSITIONS);
        let gaps = servers.ask(Stored::GAPS).concat();
        let mut stored = Stored::read(&transitions, &rows(servers), &gaps);
        let ops = world.ledger.ops();
        stored.check_ops(&ops);
        let taken_back = stored.check_shown(shown, &ops, was_primary_lost);
        breaks.append(&mut stored.breaks);
        let acknowledged = ops.iter().filter(|op| op.is_acknowledged()).count();
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        write!(
            figures,
            ", acknowledged {acknowledged}, changes {}, answered 503 {}, broken {}, given up {}, \
             not connected {}, answered 507 {}, failed starts {}, shown and taken back {taken_back}",
            transitions.len(),
            count(&world.met.not_stored),
            count(&world.met.broken),
            count(&world.met.given_up),
            count(&world.met.not_connected),
            count(&world.met.no_room),
            count(&world.fleet.failed_starts),
        )
        .unwrap();
        breaks
    }
}

/// Whether one replica has noticed that its clock is ahead by more than a second.
fn is_ahead(world: &World) -> bool {
    let metrics = world.fleet.at(AHEAD).and_then(|replica| ask(&replica.client, "/metrics"));
    let name = "\ngitops_status_replica_clock_ahead_seconds ";
    metrics.is_some_and(|reply| {
        let text = reply.text();
        text.split_once(name).is_some_and(|(_, rest)| rest.starts_with("1."))
    })
}

/// Returns in what the replicas differ from each other, from the rows of the database, or from what
/// their streams have told.
fn difference(world: &World, rows: &[String]) -> Result<(), String> {
    let replicas = world.fleet.all();
    answer_alike(&replicas.iter().map(|it| it.client).collect::<Vec<_>>(), ask)?;
    let stored = Stored::read(&[], rows, "0").rows;
    for replica in replicas {
        let list = ask(&replica.client, "/status.json").ok_or("no list")?.body;
        let list = Row::all_in(&list).into_iter().map(|row| (row.server.clone(), row)).collect();
        if stored != list {
            return Err(format!("a replica shows {list:?}, and {stored:?} is stored"));
        }
        let told = replica.told.lock().unwrap();
        if *told != list {
            return Err(format!("a stream has told {told:?}, and the list is {list:?}"));
        }
    }
    Ok(())
}

/// All faults, with two failovers.
fn run_everything(seed: u64) -> Outcome {
    let watched = FailOver { is_watched: true, has_next: true, ..FailOver::default() };
    let lagging = FailOver { lags: true, ..FailOver::default() };
    let part = |then| Part { faults: &Fault::ALL, millis: 5000, updates: 60, then };
    run(&Plan {
        name: "all",
        seed,
        settings: "",
        has_small_disk: true,
        has_standby: true,
        tampers: &[],
        parts: &[part(Some(watched)), part(Some(lagging)), part(None)],
        stuck_after: STUCK_AFTER,
        patience: PATIENCE,
    })
}

/// Returns the seeds of `RIG_SEEDS`, such as `30` for the first thirty or `7-9`, or one by the clock.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let Ok(text) = env::var("RIG_SEEDS") else {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = now.as_secs() % 1_000_000;
        return seed..=seed;
    };
    let (first, last) = text.split_once('-').unwrap_or(("1", &text));
    first.parse().unwrap()..=last.parse().unwrap()
}

#[test]
fn no_acknowledged_update_is_lost_whatever_happens_to_replicas_network_and_database() {
    for seed in seeds() {
        let outcome = run_everything(seed);
        eprintln!("{}", outcome.figures);
        assert!(outcome.breaks.is_empty(), "{}\n{}", outcome.logs, outcome.summary());
    }
}
