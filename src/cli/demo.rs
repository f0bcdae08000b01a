//! The options of `demo`.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::command::{DEMO, default, flag};
use super::error::CliError;
use super::invocation::Invocation;
use crate::config::{CONFIG_FILE, LogFormat, Lookup, Resolved, SETTINGS, Setting, parse_duration};
use crate::demo::HIGHEST_SPEED;
use crate::domain::{InvalidField, ReportedTime, Timestamp};

/// Settings that have another default here than when the program serves.
const DEFAULTS: [(&str, &str); 2] = [
    ("listen", "127.0.0.1:0"),
    // The folder for temporary files may be in memory.
    ("history_max_bytes", "67108864"),
];
/// Settings that a demo does not take, their flags, and what it has instead.
const REFUSED: [(&str, &str, &str); 4] = [
    ("database_url", "--database-url", "has a database of its own"),
    ("config", "--config", "has a database of its own"),
    ("tls_cert", "--tls-cert", "speaks plain HTTP"),
    ("tls_key", "--tls-key", "speaks plain HTTP"),
];
/// A speed at which two minutes show a bad deploy from its beginning to its end.
const SPEED: u32 = 60;
/// A time that is the same in each run.
const START: &str = "2026-01-01T00:00:00Z";

/// The options of `demo`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DemoOptions {
    /// Decides what the fleet is and what happens in it.
    pub seed: u64,
    /// How many times faster than the clock it lives.
    pub speed: u32,
    /// Where the folder of its database is made.
    pub folder: PathBuf,
    /// When its life begins, if its reports are written out.
    pub start: Timestamp,
    /// How much of its life is written out.
    pub span: Duration,
}

/// Describes the command.
pub(super) fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).help_heading("Fleet")
    };
    let print = Arg::new("print").long("print").action(ArgAction::SetTrue);
    Command::new(DEMO)
        .about("Serve a simulated fleet of 300 servers from a temporary database")
        .after_help(
            "It listens on a free port of the loopback address unless --listen says otherwise, and \
             ignores the\nenvironment, so that it meets no other server and no other database.",
        )
        .args([
            option("seed", "N", "The same seed makes the same fleet with the same events")
                .value_parser(value_parser!(u64))
                .default_value("1"),
            option(
                "speed",
                "N",
                "How many times faster than the clock the fleet lives: 1 to 600\n[default: 60; with \
                 --print: 1]",
            )
            .value_parser(value_parser!(u32).range(1..=i64::from(HIGHEST_SPEED))),
            print.help_heading("Fleet").help(
                "Serve nothing: write the fleet's reports to standard output, a line of JSON each",
            ),
            option("span", "DURATION", "How much of the fleet's life to write")
                .requires("print")
                .value_parser(parse_duration)
                .default_value("24h"),
            option("start", "TIME", "When the life begins that is written")
                .requires("print")
                .value_parser(parse_time)
                .default_value(START),
        ])
        .args(SETTINGS.iter().copied().chain([&CONFIG_FILE]).map(setting_flag))
}

/// Makes the flag of a setting, whose help says what holds for a demo.
fn setting_flag(setting: &'static Setting) -> Arg {
    let of_demo = DEFAULTS.iter().find(|(name, _)| *name == setting.name);
    let value = match (setting.name, of_demo) {
        ("listen", _) => "a free port of 127.0.0.1",
        (_, Some((_, value))) => value,
        (_, None) => setting.default,
    };
    let help = format!("{}\n{}", setting.help, default(value));
    let is_refused = REFUSED.iter().any(|(name, ..)| *name == setting.name);
    flag(setting).help(help.trim_end().to_owned()).hide(is_refused)
}

fn parse_time(text: &str) -> Result<Timestamp, InvalidField> {
    ReportedTime::parse(text).map(ReportedTime::to_the_millisecond)
}

/// Reads the options, and the settings that flags give.
///
/// # Errors
/// [`CliError::Usage`] and [`CliError::Settings`].
pub(super) fn read(
    matches: &ArgMatches,
    flags: &Lookup<'_>,
    environment: &Lookup<'_>,
    log_format: &Cell<LogFormat>,
) -> Result<Invocation, CliError> {
    for (setting, flag, instead) in REFUSED {
        if flags(setting).is_some() {
            let reason = format!("{flag} cannot be used with demo, which {instead}");
            let error = command().error(ErrorKind::ArgumentConflict, reason);
            return Err(CliError::Usage(error.render().to_string().trim_end().to_owned()));
        }
    }
    let is_printed = matches.get_flag("print");
    let speed = matches.get_one("speed").copied();
    let options = DemoOptions {
        seed: matches.get_one("seed").copied().unwrap_or_default(),
        speed: speed.unwrap_or(if is_printed { 1 } else { SPEED }),
        folder: environment("TMPDIR").unwrap_or_else(|| "/tmp".into()).into(),
        start: matches.get_one("start").copied().unwrap_or_default(),
        span: matches.get_one("span").copied().unwrap_or_default(),
    };
    if is_printed {
        return Ok(Invocation::WriteReports(options));
    }
    let or_default = |name: &str| {
        let default = DEFAULTS.iter().find(|(setting, _)| *setting == name);
        flags(name).or_else(|| default.map(|(_, value)| OsString::from(value)))
    };
    let resolved = Resolved::load_after_log_format(&or_default, &|_| None, log_format)?;
    let config = resolved.config;
    Ok(Invocation::Demo(Box::new(config), options))
}
