//! What happens to replicas, network and database meanwhile.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::Part;
use super::checker::Kind;
use super::fleet::Running;
use super::reporters::{World, ask};
use super::servers::Servers;
use crate::support::{Random, Relay, wait_until};

/// How often the driver looks what is due.
const STEP: Duration = Duration::from_millis(5);
/// The longest time without a new fault.
const LULL: Duration = Duration::from_secs(1);
/// How long a part has faults, unless it still lacks some. On a busy machine, they come so fast that
/// nothing else would happen.
const LONGEST: Duration = Duration::from_secs(15);
/// How many faults begin at least in a part that has any.
const LEAST: usize = 3;

/// A thing that goes wrong, mostly for one replica.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// Some of its connections to the database are closed.
    Cut,
    /// It cannot reach the database for a while.
    Unreachable,
    /// Its connections are closed, and the host of the database drops what it sends for a while.
    Dropped,
    /// Its connections are slow.
    Slow,
    /// Its connections hang, and then go on or are closed.
    Stall,
    /// The database hears it, and it hears nothing until its connections are closed.
    LostAnswers,
    /// Half of all sessions are ended by an administrator.
    EndedSessions,
    /// The primary crashes and recovers.
    Crash,
    /// It is killed, and started again.
    Kill,
    /// It is stopped for a while, and goes on.
    Freeze,
    /// The standby is away for a while; commits wait for it.
    NoStandby,
    /// The disk of the primary is full for a while.
    FullDisk,
}

impl Fault {
    /// Each of them, those more often that take less of a run.
    pub const ALL: [Self; 18] = [
        Self::Cut,
        Self::Cut,
        Self::Cut,
        Self::LostAnswers,
        Self::LostAnswers,
        Self::LostAnswers,
        Self::EndedSessions,
        Self::EndedSessions,
        Self::Kill,
        Self::Kill,
        Self::Unreachable,
        Self::Dropped,
        Self::Slow,
        Self::Stall,
        Self::Crash,
        Self::Freeze,
        Self::NoStandby,
        Self::FullDisk,
    ];

    /// For how long it lasts at most, in milliseconds.
    fn longest(self) -> usize {
        match self {
            Self::Cut | Self::EndedSessions | Self::Crash | Self::Kill => 1,
            Self::LostAnswers => 60,
            Self::NoStandby | Self::FullDisk => 900,
            Self::Unreachable | Self::Slow => 1500,
            Self::Freeze => 4000,
            // Longer than a replica waits for an answer. A request to connect is sent again seconds later.
            Self::Stall | Self::Dropped => 7000,
        }
    }
}

/// A failover to the standby.
#[derive(Clone, Copy, Debug, Default)]
pub struct FailOver {
    /// The standby is away, so that the last commits still wait for it.
    pub lags: bool,
    /// Commits do not wait for the standby, which lacks the last ones. Their numbers are used again,
    /// with or without their tokens.
    pub loses: Option<Tokens>,
    /// Replicas are looked at while there is no primary.
    pub is_watched: bool,
    /// There is another standby afterwards.
    pub has_next: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tokens {
    New,
    /// As if there were no tokens.
    Same,
}

/// The end of a fault.
struct Heal {
    at: Instant,
    of: Fault,
    place: usize,
    frozen: Option<std::sync::Arc<Running>>,
}

/// Does all that.
pub struct Driver<'a> {
    pub world: &'a World,
    pub servers: &'a mut Servers,
    /// How each replica reaches the database: one way, or one to each of two servers.
    pub ways: &'a [Vec<Relay>],
    pub random: Random,
    pub counts: BTreeMap<Fault, usize>,
    pub failovers: usize,
    heals: Vec<Heal>,
}

impl<'a> Driver<'a> {
    pub fn new(
        world: &'a World,
        servers: &'a mut Servers,
        ways: &'a [Vec<Relay>],
        random: Random,
    ) -> Self {
        let (counts, failovers, heals) = (BTreeMap::new(), 0, Vec::new());
        Self { world, servers, ways, random, counts, failovers, heals }
    }

    /// Lets the faults of a part happen, one on top of the other, until it is over or stuck.
    pub fn run(&mut self, part: &Part<'_>) {
        let Part { faults, millis, updates, then: _ } = *part;
        let (world, lasting) = (self.world, Duration::from_millis(millis));
        let acknowledged = || world.ledger.acknowledged();
        let (start, before, faults_before) = (Instant::now(), acknowledged(), self.begun());
        let (mut next, mut at_last) = (start, before);
        let least = if faults.is_empty() { 0 } else { LEAST };
        loop {
            let (stored, begun) = (acknowledged() - before, self.begun() - faults_before);
            let has_enough = stored >= updates && begun >= least;
            if has_enough && start.elapsed() > lasting {
                break;
            }
            if start.elapsed() > lasting + world.stuck_after {
                let what = format!("a part had {stored} of {updates} updates, {begun} faults");
                world.ledger.note_break(Kind::Stuck, what);
                break;
            }
            thread::sleep(STEP);
            self.heal(|heal| heal.at <= Instant::now());
            // Something has to work in between, but not always.
            let has_worked = acknowledged() > at_last + 2 || next.elapsed() > LULL;
            let is_due = Instant::now() >= next && has_worked;
            let may_begin = begun < least || start.elapsed() < LONGEST;
            if is_due && may_begin && !faults.is_empty() {
                let pause = self.random.below(400) as u64;
                (next, at_last) = (Instant::now() + Duration::from_millis(pause), acknowledged());
                let fault = self.random.pick(faults);
                self.begin(fault);
            }
        }
        self.heal(|_| true);
    }

    /// Returns how many faults have begun.
    fn begun(&self) -> usize {
        self.counts.values().sum()
    }

    fn begin(&mut self, fault: Fault) {
        let place = self.random.below(self.ways.len());
        let longest = fault.longest();
        // Most are short.
        let millis = if self.random.below(6) == 0 { longest } else { longest.div_ceil(8) };
        let at = Instant::now() + Duration::from_millis(self.random.below(millis) as u64);
        let mut heal = Heal { at, of: fault, place, frozen: None };
        let ways = &self.ways[place];
        let has_happened = match fault {
            Fault::Cut => {
                let mut is_chosen = || self.random.below(2) == 0;
                ways.iter().map(|way| way.cut_where(&mut is_chosen)).sum::<usize>() > 0
            }
            Fault::Unreachable => on(ways, Relay::cut),
            Fault::Dropped => on(ways, Relay::drop_packets),
            Fault::Slow => {
                let delay = Duration::from_millis(1 + self.random.below(15) as u64);
                on(ways, |way| way.delay(delay))
            }
            Fault::Stall => on(ways, Relay::stall),
            Fault::LostAnswers => on(ways, |way| way.lose_answers(true)),
            Fault::EndedSessions => self.servers.end_sessions(false) > 0,
            Fault::Crash => {
                self.servers.crash();
                true
            }
            Fault::Kill => self.world.fleet.kill(place),
            Fault::Freeze => {
                heal.frozen = self.world.fleet.at(place);
                heal.frozen.as_ref().is_some_and(|it| on(&[()], |()| it.signal("STOP")))
            }
            Fault::NoStandby => {
                self.servers.let_standby_follow(false);
                self.servers.standby_port().is_some()
            }
            Fault::FullDisk => self.servers.fill_disk(),
        };
        if has_happened {
            *self.counts.entry(fault).or_default() += 1;
            self.heals.push(heal);
        }
    }

    /// Ends faults.
    fn heal(&mut self, is_due: impl Fn(&Heal) -> bool) {
        let (due, rest) = self.heals.drain(..).partition(is_due);
        self.heals = rest;
        let due: Vec<Heal> = due;
        for Heal { of, place, frozen, .. } in due {
            let ways = &self.ways[place];
            match of {
                Fault::Cut | Fault::EndedSessions | Fault::Crash | Fault::Kill => true,
                Fault::Unreachable => on(ways, Relay::mend),
                Fault::Dropped => on(ways, Relay::take_packets),
                Fault::Slow => on(ways, |way| way.delay(Duration::ZERO)),
                Fault::Stall => {
                    let is_cut = self.random.below(2) == 0;
                    on(ways, |way| {
                        way.cut_where(|| is_cut);
                        way.go_on();
                    })
                }
                Fault::LostAnswers => on(ways, |way| {
                    way.cut_where(|| true);
                    way.lose_answers(false);
                }),
                Fault::Freeze => frozen.is_some_and(|it| on(&[()], |()| it.signal("CONT"))),
                Fault::NoStandby => {
                    self.servers.let_standby_follow(true);
                    true
                }
                Fault::FullDisk => {
                    self.servers.free_disk();
                    true
                }
            };
        }
    }

    /// The primary stops at once, and the standby takes over.
    pub fn fail_over(&mut self, how: FailOver) {
        if how.loses.is_some() {
            self.servers.set_synchronous("");
        }
        if how.lags || how.loses.is_some() {
            self.servers.let_standby_follow(false);
            self.wait_for_lag(how);
        }
        self.all_ways(Relay::cut);
        let lost = how.loses.map(|_| self.servers.commits_without_standby()).unwrap_or_default();
        assert_eq!(how.loses.is_some(), !lost.is_empty(), "the standby lacks something");
        self.servers.stop_primary();
        if how.is_watched {
            self.watch_replicas();
        }
        self.servers.promote();
        match how.loses {
            Some(Tokens::Same) => self.servers.insert_commits(&lost),
            Some(Tokens::New) => {
                let new = |row: &String| replace_token(row);
                self.servers.insert_commits(&lost.iter().map(new).collect::<Vec<_>>());
            }
            None => {}
        }
        if how.has_next {
            self.servers.add_standby();
        }
        self.failovers += 1;
        self.turn();
        self.all_ways(Relay::mend);
    }

    /// Lets commits be made that the standby does not have.
    fn wait_for_lag(&mut self, how: FailOver) {
        let acknowledged = || self.world.ledger.acknowledged();
        let before = acknowledged();
        if how.loses.is_some() {
            wait_until("commits are made without the standby", || acknowledged() > before + 40);
        } else {
            // One waits for the standby. When its session is ended, all can see it.
            thread::sleep(Duration::from_millis(200));
            self.servers.end_sessions(true);
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Looks at the replicas, which have no database.
    fn watch_replicas(&self) {
        for replica in self.world.fleet.all() {
            let client = &replica.client;
            wait_until("a replica without its database says so", || {
                ask(client, "/health").is_some_and(|health| {
                    assert_eq!(health.status, 200);
                    health.json()["status"] == "degraded"
                })
            });
            assert_eq!(ask(client, "/readyz").unwrap().status, 200);
            let list = ask(client, "/status.json").unwrap();
            assert_eq!(list.status, 200);
            assert!(list.body.len() > 10, "it shows what it knows: {}", list.text());
        }
    }

    /// Leads the ways to the servers that there are now. A replica with two ways finds the primary by
    /// itself: it is at the end of the other way after each failover.
    pub fn turn(&self) {
        let mut ports = [Some(self.servers.port()), self.servers.standby_port()];
        for ways in self.ways {
            let is_other_way = ways.len() > 1 && !self.failovers.is_multiple_of(2);
            ports.rotate_left(usize::from(is_other_way));
            for (way, port) in ways.iter().zip(ports) {
                if let Some(port) = port {
                    way.turn_to(port);
                }
            }
            ports.rotate_left(usize::from(is_other_way));
        }
    }

    fn all_ways(&self, act: impl Fn(&Relay)) {
        self.ways.iter().flatten().for_each(act);
    }
}

/// Does something to each; it has happened then.
fn on<T>(each: &[T], act: impl Fn(&T)) -> bool {
    each.iter().for_each(act);
    true
}

/// Gives a row of a commit another token.
fn replace_token(row: &str) -> String {
    let (revision, rest) = row.split_once('\'').unwrap();
    let (_, rest) = rest.split_once('\'').unwrap();
    format!("{revision}gen_random_uuid(){rest}")
}
