//! The program: runs what the command line asks for and turns the outcome into an exit status.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use gitops_status_server::app::{App, AppError};
use gitops_status_server::cli::{self, Invocation};
use gitops_status_server::clock::SystemClock;
use gitops_status_server::config::Config;
use gitops_status_server::logging::{self, Log};
use gitops_status_server::shutdown::Signals;
use gitops_status_server::store::OpenError;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    match cli::from_process() {
        Ok(Invocation::Serve(config)) => serve(&config),
        Ok(Invocation::CheckConfig(text) | Invocation::Print(text)) => print(&text),
        Ok(Invocation::Healthcheck(address)) => match cli::healthcheck(address) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => say(&error, error.exit_status()),
        },
        Ok(Invocation::Compact(database)) => maintain(cli::compact(&database)),
        Ok(Invocation::Repair(database)) => maintain(cli::repair(&database)),
        Err(error) => say(&error, error.exit_status()),
    }
}

/// Runs a command on a database that no server has open.
fn maintain(work: impl Future<Output = Result<String, OpenError>>) -> ExitCode {
    match actix_web::rt::System::new().block_on(work) {
        Ok(text) => print(&text),
        Err(error) => {
            let error = AppError::from(error);
            say(format_args!("error: {error}"), error.exit_status())
        }
    }
}

fn serve(config: &Config) -> ExitCode {
    let log = match logging::start() {
        Ok(log) => log,
        Err(error) => return say(format_args!("The log cannot be started: {error}"), 1),
    };
    let system = actix_web::rt::System::new();
    let outcome = system.block_on(run(config, &log));
    // Dropping it would wait for threads that a hanging disk blocks.
    std::mem::forget(system);
    match outcome {
        Ok(()) => {
            log::info!("Stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            log::error!("{error}");
            ExitCode::from(error.downcast_ref().map_or(1, AppError::exit_status))
        }
    }
}

async fn run(config: &Config, log: &Log) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let app = tokio::select! {
        app = App::build(config, Arc::new(SystemClock::start())) => app?,
        // No update has been accepted yet.
        () = signals.asked_to_stop() => return Ok(()),
    };
    if let Some(url) = &config.external_url {
        log::info!("People reach it at {}", url.as_str());
    }
    log::info!("Listening on http://{}", app.address());
    let _serving = log.serve();
    let shutdown = CancellationToken::new();
    let running = app.run(shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        outcome = &mut running => return Ok(outcome?),
        () = signals.asked_to_stop() => shutdown.cancel(),
    }
    tokio::select! {
        outcome = &mut running => Ok(outcome?),
        () = signals.asked_to_stop() => anyhow::bail!("Stopped at once by a second signal"),
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn say(message: impl Display, status: u8) -> ExitCode {
    // If standard error is closed, the exit status must suffice.
    writeln!(io::stderr(), "{message}").ok();
    ExitCode::from(status)
}
