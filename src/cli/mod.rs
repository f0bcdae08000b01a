//! The command line: what the program is asked to do, with the settings to do it with.
//!
//! Flags are made from the table of settings. This module reads the process's arguments and
//! environment, prints nothing, and must not know how a server is run.

mod compact;
mod healthcheck;
mod repair;

use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use thiserror::Error;

use crate::config::{
    self, CONFIG_FILE, Config, ConfigError, DatabaseUrl, Kind, Lookup, Resolved, SETTINGS, Setting,
};

pub use compact::compact;
pub use healthcheck::healthcheck;
pub use repair::repair;

const CHECK_CONFIG: &str = "check-config";
const HEALTHCHECK: &str = "healthcheck";
const COMPACT: &str = "compact";
const REPAIR: &str = "repair";

/// What the program is asked to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Invocation {
    /// Serve until a signal.
    Serve(Box<Config>),
    /// Print the settings in force, which this is.
    CheckConfig(String),
    /// Ask the server at this address whether it is healthy, by [`healthcheck()`].
    Healthcheck(SocketAddr),
    /// Make the file of this database as small as what it holds, by [`compact()`].
    Compact(DatabaseUrl),
    /// Make a sound database of this one, by [`repair()`].
    Repair(DatabaseUrl),
    /// Print this text: the help or the version.
    Print(String),
}

/// Why the program does not do what it was asked to; the text is fit for standard error.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum CliError {
    /// The arguments make no sense; clap's message, with a hint on the usage.
    #[error("{0}")]
    Usage(String),
    /// A setting is not acceptable.
    #[error("error: {0}")]
    Settings(#[from] ConfigError),
    /// The server did not say that it is healthy.
    #[error("error: {address} is not healthy: {reason}")]
    Unhealthy {
        /// The address that was asked.
        address: SocketAddr,
        /// What happened instead, in one line.
        reason: String,
    },
}

impl CliError {
    /// Returns the exit status that this error ends the program with.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Settings(_) => 2,
            Self::Unhealthy { .. } => 1,
        }
    }
}

/// Reads the process's arguments and environment.
///
/// # Errors
/// As [`parse`].
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
pub fn from_process() -> Result<Invocation, CliError> {
    parse(env::args_os(), &|name| env::var_os(name))
}

/// Reads arguments, of which the first is the program's name, and an environment.
///
/// # Errors
/// [`CliError::Usage`] and [`CliError::Settings`].
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Lookup<'_>,
) -> Result<Invocation, CliError> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return help_or_usage(&error),
    };
    // clap hands flags that stand before a command's name down to the command.
    let (command, matches) =
        matches.subcommand().map_or((None, &matches), |(name, inner)| (Some(name), inner));
    let flags = |name: &str| flag_value(matches, name);
    match command {
        None => Ok(Invocation::Serve(Box::new(Resolved::load(&flags, environment)?.config))),
        Some(CHECK_CONFIG) => {
            Ok(Invocation::CheckConfig(Resolved::load(&flags, environment)?.to_toml()))
        }
        Some(COMPACT) => {
            Ok(Invocation::Compact(Resolved::load(&flags, environment)?.config.database))
        }
        Some(REPAIR) => {
            Ok(Invocation::Repair(Resolved::load(&flags, environment)?.config.database))
        }
        Some(_) => {
            let listen = config::listen_address(&flags, environment)?;
            Ok(Invocation::Healthcheck(healthcheck::reachable(listen)))
        }
    }
}

fn flag_value(matches: &ArgMatches, name: &str) -> Option<OsString> {
    matches.get_one::<OsString>(name).cloned()
}

/// Tells clap's two kinds of "error" apart: answers that were asked for, and mistakes.
fn help_or_usage(error: &clap::Error) -> Result<Invocation, CliError> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Invocation::Print(text)),
        _ => Err(CliError::Usage(text.trim_end().to_owned())),
    }
}

fn command() -> Command {
    let check_config = Command::new(CHECK_CONFIG)
        .about("Print the settings in force as TOML, with where each came from, and exit");
    let healthcheck = Command::new(HEALTHCHECK)
        .about("Ask the server on the configured address for its health: exit 0 if well, else 1");
    let compact = Command::new(COMPACT)
        .about("Make the database's file as small as what it holds; the server must not run");
    let repair = Command::new(REPAIR).about(
        "Make a sound database of a damaged one that no server has open, and say what is lost",
    );
    let settings = SETTINGS.iter().chain([&CONFIG_FILE]).map(flag);
    Command::new(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help(
            "Without a command it serves. A flag goes before the environment, the environment \
             before the\nfile, the file before the default. Durations are 90s, 30m, 12h or 7d; 0 \
             turns a thing off.\nRUST_LOG sets what is logged (default: info).",
        )
        .disable_help_subcommand(true)
        .next_line_help(true)
        .args(settings)
        .subcommands([check_config, healthcheck, compact, repair])
}

/// Makes the flag of a setting; where its value comes from without it is for the settings.
fn flag(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.name)
        .long(setting.long())
        .value_name(setting.value_name)
        .help(help(setting))
        .help_heading(setting.heading)
        .value_parser(value_parser!(OsString))
        .action(ArgAction::Set)
        // A negative number is a bad value, not an unknown flag.
        .allow_negative_numbers(true)
        .global(true);
    match setting.kind {
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Text | Kind::Duration | Kind::Number => arg,
    }
}

fn help(setting: &Setting) -> String {
    let Setting { help, default, .. } = setting;
    let variable = setting.variable();
    let by_file = if setting.secret { " or ..._FILE" } else { "" };
    let default = if default.is_empty() { String::new() } else { format!("[default: {default}] ") };
    format!("{help}\n{default}[env: {variable}{by_file}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str], environment: &[(&str, &str)]) -> Result<Invocation, CliError> {
        let arguments = ["program"].iter().chain(words).map(OsString::from);
        parse(arguments, &|name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    fn served(words: &[&str], environment: &[(&str, &str)]) -> Config {
        match parse_words(words, environment).unwrap() {
            Invocation::Serve(config) => *config,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn the_table_makes_a_command_that_clap_accepts() {
        command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        assert_eq!(served(&[], &[]).max_connections, 4096);
        assert_eq!(served(&["--workers", "3"], &[]).workers, 3);
        assert_eq!(served(&["--workers=3"], &[("GITOPS_STATUS_WORKERS", "4")]).workers, 3);
        assert_eq!(served(&[], &[("GITOPS_STATUS_WORKERS", "4")]).workers, 4);
    }

    #[test]
    fn a_switch_needs_no_value() {
        for (words, on) in [
            (&["--allow-anonymous-writes"][..], true),
            (&["--allow-anonymous-writes=true"], true),
            (&["--allow-anonymous-writes=1"], true),
            (&["--allow-anonymous-writes=false"], false),
            (&["--allow-anonymous-writes", "--workers=1"], true),
        ] {
            let environment = [("GITOPS_STATUS_ALLOW_ANONYMOUS_WRITES", "false")];
            assert_eq!(served(words, &environment).allow_anonymous_writes, on, "{words:?}");
        }
        // The switch takes its value by `=` only, so a command's name is not taken for it.
        let words = ["--allow-anonymous-writes", "check-config"];
        assert!(matches!(parse_words(&words, &[]).unwrap(), Invocation::CheckConfig(_)));
    }

    #[test]
    fn flags_stand_before_or_after_the_command() {
        for words in [["--ttl=3d", "check-config"], ["check-config", "--ttl=3d"]] {
            let Invocation::CheckConfig(text) = parse_words(&words, &[]).unwrap() else {
                panic!("{words:?}");
            };
            assert!(text.contains("ttl = \"3d\""), "{words:?}: {text}");
            assert!(text.contains("# flag --ttl"), "{words:?}: {text}");
        }
    }

    #[test]
    fn a_health_check_asks_where_the_server_can_be_reached_from_here() {
        for (listen, asked) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:81", "127.0.0.1:81"),
            ("[::]:82", "[::1]:82"),
            ("192.0.2.1:83", "192.0.2.1:83"),
        ] {
            assert_eq!(
                parse_words(&["healthcheck", "--listen", listen], &[]).unwrap(),
                Invocation::Healthcheck(asked.parse().unwrap())
            );
        }
    }

    #[test]
    fn a_mistake_on_the_command_line_is_a_usage_error() {
        for words in [
            &["--tll=3d"][..],
            &["serve"],
            &["--ttl"],
            &["--ttl=1d", "--ttl=2d"],
            &["check-config", "extra"],
            &["-x"],
        ] {
            let error = parse_words(words, &[]).unwrap_err();
            assert!(matches!(error, CliError::Usage(_)), "{words:?}: {error}");
            assert!(error.to_string().starts_with("error: "), "{words:?}: {error}");
            assert_eq!(error.exit_status(), 2);
        }
    }

    #[test]
    fn a_negative_number_is_a_bad_value_of_its_flag() {
        let error = parse_words(&["--max-entries", "-1"], &[]).unwrap_err().to_string();
        assert!(error.starts_with("error: flag --max-entries \"-1\": expected"), "{error}");
    }

    #[test]
    fn the_help_names_every_flag_its_default_and_its_variable() {
        let Invocation::Print(help) = parse_words(&["--help"], &[]).unwrap() else {
            panic!("no help");
        };
        for setting in SETTINGS.iter().chain([&CONFIG_FILE]) {
            assert!(help.contains(&format!("--{}", setting.long())), "{}", setting.name);
            assert!(help.contains(&format!("[env: {}", setting.variable())), "{}", setting.name);
            assert!(help.contains(setting.default) && help.contains(setting.help));
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}
