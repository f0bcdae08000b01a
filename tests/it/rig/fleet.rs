//! The replicas of the rig: real processes, which are started again when they are killed.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::checker::Row;
use crate::support::{Client, Events, Process, Random};

/// After how long a replica that did not start is started again.
const AGAIN: Duration = Duration::from_millis(100);

/// An order to the keeper of a place, a thread that keeps a process running there.
pub enum Order {
    Kill,
    End,
}

/// A process that runs.
pub struct Running {
    pub client: Client,
    id: u32,
    /// Tells it from all other processes of the run.
    pub number: usize,
    /// What its stream of changes, which is open for as long as it runs, has told.
    pub told: Mutex<BTreeMap<String, Row>>,
}

impl Running {
    pub fn signal(&self, name: &str) {
        Command::new("kill").args(["-s", name, &self.id.to_string()]).status().unwrap();
    }
}

struct Slot {
    running: Mutex<Option<Arc<Running>>>,
    orders: Sender<Order>,
}

/// The places of replicas, each of which has a process nearly all the time.
pub struct Fleet {
    slots: Vec<Slot>,
    started: AtomicUsize,
    pub failed_starts: AtomicUsize,
    /// What processes that have ended had logged.
    pub logs: Mutex<String>,
}

impl Fleet {
    /// Makes places, and what their keepers need.
    pub fn new(size: usize) -> (Self, Vec<Receiver<Order>>) {
        let slot = |_| {
            let (orders, kept) = channel();
            (Slot { running: Mutex::new(None), orders }, kept)
        };
        let (slots, kept) = (0..size).map(slot).unzip();
        let (started, failed_starts) = (AtomicUsize::new(0), AtomicUsize::new(0));
        (Self { slots, started, failed_starts, logs: Mutex::default() }, kept)
    }

    /// Keeps a process of a command running at a place until the end.
    pub fn keep(&self, place: usize, mut command: Command, orders: &Receiver<Order>) {
        loop {
            // Without its database, it does not start.
            let process = match Process::try_run(&mut command) {
                Ok(process) => process,
                Err(log) => {
                    self.failed_starts.fetch_add(1, Ordering::Relaxed);
                    self.logs.lock().unwrap().push_str(&log);
                    if matches!(orders.try_recv(), Ok(Order::End)) {
                        return;
                    }
                    thread::sleep(AGAIN);
                    continue;
                }
            };
            *self.slots[place].running.lock().unwrap() = Some(self.follow(&process));
            let order = orders.recv().unwrap();
            let log = format!("== replica {place} ==\n{}", process.log());
            self.logs.lock().unwrap().push_str(&log);
            process.kill();
            if matches!(order, Order::End) {
                return;
            }
        }
    }

    /// Follows the stream of changes of a process for as long as it runs.
    fn follow(&self, process: &Process) -> Arc<Running> {
        let (mut events, _) = Events::open(process, "/api/events", &[]);
        let rows = process.list("").iter().map(Row::named).collect();
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let (client, id, told) = (process.client, process.id(), Mutex::new(rows));
        let running = Arc::new(Running { client, id, number, told });
        let told = Arc::clone(&running);
        thread::spawn(move || {
            while let Some((event, row)) = events.next() {
                let mut rows = told.told.lock().unwrap();
                match event.as_str() {
                    "entry" => rows.extend([Row::named(&row)]),
                    "gone" => drop(rows.remove(name_in(&row))),
                    other => panic!("an unknown event: {other}"),
                }
            }
        });
        running
    }

    /// Returns the process at a place, unless it is being started.
    pub fn at(&self, place: usize) -> Option<Arc<Running>> {
        self.slots[place].running.lock().unwrap().clone()
    }

    pub fn any(&self, random: &mut Random) -> Option<Arc<Running>> {
        self.at(random.below(self.slots.len()))
    }

    pub fn all(&self) -> Vec<Arc<Running>> {
        (0..self.slots.len()).filter_map(|place| self.at(place)).collect()
    }

    /// Kills the process at a place, if there is one; it is started again.
    pub fn kill(&self, place: usize) -> bool {
        let slot = &self.slots[place];
        let is_there = slot.running.lock().unwrap().take().is_some();
        if is_there {
            slot.orders.send(Order::Kill).unwrap();
        }
        is_there
    }

    /// Kills all processes for good.
    pub fn end(&self) {
        for slot in &self.slots {
            slot.orders.send(Order::End).ok();
        }
    }
}

fn name_in(row: &Value) -> &str {
    row["server"].as_str().unwrap()
}
