//! A model test of the board: thousands of interleavings of clients, replicas and faults.
//!
//! Up to three boards share a database that conflicts, loses answers, applies commits that it has
//! reported as failed, forks, fails on some pairs, is full for a while and hangs up. Whatever
//! happens, nothing that was confirmed is lost, nothing is applied twice, and the history of each
//! pair tells every change once. A run depends on its seed alone, so a failure can be repeated.

mod cluster;
mod database;
mod fake_store;
mod faults;
mod history;
mod model;
mod one_line;

use std::time::Duration;

/// How many interleavings are tried.
const SEEDS: u64 = 2400;
/// For how long a run may go on, by the paused clock of its runtime.
const LONGEST: Duration = Duration::from_mins(10);

/// Runs one interleaving. Returns what went wrong, and all steps if they are wanted.
fn run(seed: u64, are_steps_wanted: bool) -> (Vec<String>, String) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let run = async { tokio::time::timeout(LONGEST, cluster::run(seed, are_steps_wanted)).await };
    let ended = tokio::task::LocalSet::new().block_on(&runtime, run);
    ended.unwrap_or_else(|_| (vec!["it does not end".to_owned()], String::new()))
}

#[test]
fn nothing_is_lost_or_doubled_whatever_the_database_and_other_boards_do() {
    for seed in 0..SEEDS {
        let (wrong, _) = run(seed, false);
        if !wrong.is_empty() {
            let (_, steps) = run(seed, true);
            panic!("{steps}\nseed {seed}: {}", wrong.join("\n"));
        }
    }
}
