//! The program with a clock that a driver moves, and a client that is a whole fleet: for `bench/year`.
//!
//! `year SETTINGS` serves. Its clock stands until a line on standard input says by how many milliseconds
//! it moves; the first line is the time at the start. The wall clock and the monotonic one move alike, so
//! the program believes them. `year report` is the fleet.

mod connection;
mod fleet;
mod ledger;
mod reporter;

use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gitops_status_server::app::App;
use gitops_status_server::cli::{self, Invocation};
use gitops_status_server::clock::ManualClock;
use gitops_status_server::config::Config;
use gitops_status_server::domain::Timestamp;
use gitops_status_server::logging;
use gitops_status_server::shutdown::Signals;
use log::LevelFilter;
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("report") {
        return reporter::run();
    }
    let Invocation::Serve(config) = cli::from_process().invocation? else {
        anyhow::bail!("it has no commands but `report`, only settings");
    };
    let mut start = String::new();
    io::stdin().read_line(&mut start)?;
    let clock = ManualClock::at(Timestamp::from_millis(start.trim().parse()?));
    let log = logging::start(LevelFilter::Warn)?;
    let _serving = log.serve();
    actix_web::rt::System::new().block_on(serve(&config, clock))
}

async fn serve(config: &Config, clock: ManualClock) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let app = App::build(config, Arc::new(clock.clone())).await?;
    thread::spawn(move || drive(&clock));
    let shutdown = CancellationToken::new();
    let running = app.run(shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        outcome = &mut running => return Ok(outcome?),
        () = signals.asked_to_stop() => shutdown.cancel(),
    }
    Ok(running.await?)
}

/// Moves the clock as standard input says, and says when that is done.
fn drive(clock: &ManualClock) -> anyhow::Result<()> {
    for line in io::stdin().lock().lines() {
        clock.advance(Duration::from_millis(line?.trim().parse()?));
        writeln!(io::stdout(), "moved")?;
    }
    Ok(())
}
