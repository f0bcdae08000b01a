//! The program: runs what the command line asks for and turns the outcome into an exit status.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use gitops_status_server::app::{self, App, AppError, Demo};
use gitops_status_server::cli::{
    self, Asked, CheckToken, CliError, DemoOptions, Invocation, Place, TakeBackup, TakeError,
    Verdict,
};
use gitops_status_server::clock::{Clock as _, SystemClock};
use gitops_status_server::config::{Config, DatabaseUrl, LogFormat};
use gitops_status_server::demo::{Fleet, Pace, write_lines};
use gitops_status_server::domain::Timestamp;
use gitops_status_server::logging::{self, Log};
use gitops_status_server::shutdown::Signals;
use gitops_status_server::transfer::Progress;
use log::{Level, LevelFilter};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let Asked { log_format, invocation } = cli::from_process();
    logging::set_format(log_format);
    // The log has the panic. By itself, it would end the process with a status of its own.
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| carry_out(invocation)));
    outcome.unwrap_or(ExitCode::FAILURE)
}

fn carry_out(invocation: Result<Invocation, CliError>) -> ExitCode {
    match invocation {
        Ok(Invocation::Serve(config)) => {
            with_log(LevelFilter::Info, Signals::listen, async |log, signals| {
                serve(&config, log, signals).await
            })
        }
        Ok(Invocation::Demo(config, options)) => {
            with_log(LevelFilter::Warn, Signals::listen_in_terminal, async |log, signals| {
                demo(*config, options, log, signals).await
            })
        }
        Ok(Invocation::WriteReports(options)) => write_reports(&options),
        Ok(Invocation::Print(text)) => print(&text),
        Ok(Invocation::CheckConfig(config, text)) => match cli::check_files(&config) {
            Ok(()) => print(&text),
            Err(error) => say(&error, error.exit_status()),
        },
        Ok(Invocation::Healthcheck(probed)) => match cli::healthcheck(probed) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => say(&error, error.exit_status()),
        },
        Ok(Invocation::NewToken(options)) => match cli::new_token(options, now()) {
            Ok(text) => print(&text),
            Err(error) => say(&error, error.exit_status()),
        },
        Ok(Invocation::CheckToken(check)) => check_token(&check),
        Ok(Invocation::Backup(take)) => back_up(&take),
        Ok(Invocation::Restore(restore)) => maintain(cli::restore(&restore, now())),
        Ok(Invocation::Check(path)) => check(&path),
        Ok(Invocation::Compact(database)) => maintain(cli::compact(&database)),
        Ok(Invocation::Repair(database)) => maintain(cli::repair(&database)),
        Ok(Invocation::Export(database, place)) => {
            let mut progress = progress("Exporting", place == Place::Standard);
            let work = async {
                let store = app::outgoing(database).await?;
                Ok::<_, AppError>(cli::export(store, &place, now(), &mut progress).await?)
            };
            match run(work) {
                // Standard output has the export.
                Ok(text) => say(text.trim_end(), 0),
                Err(status) => status,
            }
        }
        Ok(Invocation::Import(database, place)) => import(database, &place),
        Err(error) => say(&error, error.exit_status()),
    }
}

fn import(database: DatabaseUrl, place: &Place) -> ExitCode {
    let mut progress = progress("Importing", false);
    maintain(async {
        let store = app::incoming(database).await?;
        Ok::<_, AppError>(cli::import(store, place, now(), &mut progress).await?)
    })
}

/// Makes a backup. Standard output may have it, so what was made is said on standard error.
fn back_up(take: &TakeBackup) -> ExitCode {
    match actix_web::rt::System::new().block_on(cli::backup(take)) {
        Ok(text) => say(text.trim_end(), 0),
        Err(TakeError::Open(error)) => failed(error),
        Err(error) => say(format_args!("error: {error}"), error.exit_status()),
    }
}

/// Says what backups or a database hold, and fails if one is not sound: with 65 if one is damaged.
fn check(path: &Path) -> ExitCode {
    match run(cli::check(path)) {
        Ok((text, refused)) => {
            let printed = print(&text);
            let refused: Vec<_> = refused.into_iter().map(AppError::from).collect();
            let worst = refused.iter().map(AppError::exit_status).min();
            for error in &refused {
                say(format_args!("error: {error}"), error.exit_status());
            }
            worst.map_or(printed, ExitCode::from)
        }
        Err(status) => status,
    }
}

/// Says what a token may do; the exit status is 1 if it may not do what was asked.
fn check_token(check: &CheckToken) -> ExitCode {
    match cli::check_token(check, io::stdin(), now()) {
        Ok(Verdict { text, is_allowed: true }) => print(&text),
        Ok(Verdict { text, is_allowed: false }) => {
            print(&text);
            ExitCode::FAILURE
        }
        Err(error) => say(&error, error.exit_status()),
    }
}

fn now() -> Timestamp {
    SystemClock::start().read().wall
}

/// Runs a command on a database that no server has open.
fn maintain<E>(work: impl Future<Output = Result<String, E>>) -> ExitCode
where
    AppError: From<E>,
{
    run(work).map_or_else(|status| status, |text| print(&text))
}

/// Runs a command on a database, with a log of warnings; after an error, says why and returns the exit
/// status.
fn run<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, ExitCode>
where
    AppError: From<E>,
{
    let log = start_log(LevelFilter::Warn)?;
    let outcome = actix_web::rt::System::new().block_on(work);
    // The log's lines come before what is said here.
    drop(log);
    outcome.map_err(failed)
}

/// Says why a command has failed, and returns the exit status.
fn failed<E>(error: E) -> ExitCode
where
    AppError: From<E>,
{
    let error = AppError::from(error);
    say(format_args!("error: {error}"), error.exit_status())
}

/// Shows progress on standard error, if that is a terminal and does not show the output too.
fn progress(verb: &'static str, has_output: bool) -> Progress {
    let is_apart = logging::format() == LogFormat::Text
        && io::stderr().is_terminal()
        && !(has_output && io::stdout().is_terminal());
    Progress::new(verb, is_apart.then(|| Box::new(io::stderr()) as Box<dyn io::Write + Send>))
}

fn start_log(level: LevelFilter) -> Result<Log, ExitCode> {
    logging::start(level)
        .map_err(|error| say(format_args!("The log cannot be started: {error}"), 1))
}

/// Runs what serves, with a log of messages from `level` on.
fn with_log(
    level: LevelFilter,
    listen: fn() -> io::Result<Signals>,
    work: impl AsyncFnOnce(&Log, Signals) -> anyhow::Result<()>,
) -> ExitCode {
    let log = match start_log(level) {
        Ok(log) => log,
        Err(status) => return status,
    };
    let system = actix_web::rt::System::new();
    let outcome = system.block_on(async { work(&log, listen()?).await });
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

async fn serve(config: &Config, log: &Log, mut signals: Signals) -> anyhow::Result<()> {
    let app = tokio::select! {
        app = App::build(config, Arc::new(SystemClock::start())) => app?,
        // No update has been accepted yet.
        () = signals.asked_to_stop() => return Ok(()),
    };
    if let Some(url) = &config.external_url {
        log::info!("External URL: {}", url.as_str());
    }
    if let Some(address) = app.admin_address() {
        log::info!("Probes and metrics on http://{address}");
    }
    log::info!("Listening on {}://{}", app.scheme(), app.address());
    let _serving = log.serve();
    let shutdown = CancellationToken::new();
    let app = app.reloading_on(signals.reloads());
    until_signal(app.run(shutdown.clone()), &shutdown, signals).await
}

async fn demo(
    config: Config,
    options: DemoOptions,
    log: &Log,
    signals: Signals,
) -> anyhow::Result<()> {
    let announce = |address: SocketAddr| {
        // If standard output is closed, nobody wants to know.
        print(&format!(
            "http://{address}/ shows 300 servers and 25 repositories that live {} times faster \
             than the clock; Ctrl-C ends the demo and removes its database\n",
            options.speed
        ));
    };
    let _serving = log.serve();
    let (fleet, clock) = (Fleet::new(options.seed), Arc::new(SystemClock::start()));
    let demo = Demo { config, fleet, speed: options.speed, clock };
    let shutdown = CancellationToken::new();
    let running = demo.run(&options.folder, shutdown.clone(), announce);
    until_signal(running, &shutdown, signals).await
}

/// Runs what serves to its end. The first signal asks it to stop, the second one does not wait.
async fn until_signal(
    running: impl Future<Output = Result<(), AppError>>,
    shutdown: &CancellationToken,
    mut signals: Signals,
) -> anyhow::Result<()> {
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

fn write_reports(options: &DemoOptions) -> ExitCode {
    let fleet = Fleet::new(options.seed);
    let pace = Pace::since_birth(options.start, options.speed);
    let mut output = BufWriter::new(io::stdout().lock());
    match write_lines(&fleet, &pace, options.span, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => say(format_args!("error: the reports cannot be written: {error}"), 1),
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn say(message: impl Display, status: u8) -> ExitCode {
    let level = if status == 0 { Level::Info } else { Level::Error };
    logging::say(level, &message.to_string());
    ExitCode::from(status)
}
