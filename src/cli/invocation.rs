//! From arguments and environment to what the program is asked to do.

use std::cell::Cell;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;

use super::backup::{self, BACKUP, CHECK, RESTORE, RestoreBackup, TakeBackup};
use super::command::{CHECK_CONFIG, COMPACT, DEMO, REPAIR, command};
use super::demo::{self, DemoOptions};
use super::error::CliError;
use super::healthcheck::reachable;
use super::place::Place;
use super::token::{self, CheckToken, NewToken, TOKEN};
use super::transfer::{EXPORT, IMPORT};
use crate::access::redacted;
use crate::config::{self, Config, DatabaseUrl, LogFormat, Lookup, Probed, Resolved};

/// What the program is asked to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Invocation {
    /// Serve until a signal.
    Serve(Box<Config>),
    /// Print this text, the settings in force, if the files that they name are sound, by
    /// [`check_files`](super::check_files()).
    CheckConfig(Box<Config>, String),
    /// Ask the server at this address whether it is healthy, by
    /// [`healthcheck`](super::healthcheck()).
    Healthcheck(Probed),
    /// Write a whole copy of a database; see [`backup`](super::backup()).
    Backup(Box<TakeBackup>),
    /// Put a backup where a database is to be; see [`restore`](super::restore()).
    Restore(RestoreBackup),
    /// Look through this database or backup; see [`check`](super::check()).
    Check(PathBuf),
    /// Shrink this SQLite file; see [`compact`](super::compact()).
    Compact(PathBuf),
    /// Repair this SQLite file; see [`repair`](super::repair()).
    Repair(PathBuf),
    /// Write everything that this database holds; see [`export`](super::export()).
    Export(DatabaseUrl, Place),
    /// Fill this database with an export; see [`import`](super::import()).
    Import(DatabaseUrl, Place),
    /// Make a token, by [`new_token`](super::new_token()).
    NewToken(NewToken),
    /// Say what a token may do, by [`check_token`](super::check_token()).
    CheckToken(CheckToken),
    /// Serve a simulated fleet from a temporary database.
    Demo(Box<Config>, DemoOptions),
    /// Write the reports of that fleet to standard output, as lines of JSON.
    WriteReports(DemoOptions),
    /// Print this text: the help or the version.
    Print(String),
}

/// What the program is asked to do, and in which form it is to say on standard error what comes of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The form of the lines there.
    pub log_format: LogFormat,
    /// What to do; [`CliError::Usage`] and [`CliError::Settings`] where that makes no sense.
    pub invocation: Result<Invocation, CliError>,
}

/// Reads the process's arguments and environment.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
#[must_use]
pub fn from_process() -> Asked {
    parse(env::args_os(), &|name| env::var_os(name))
}

/// Reads arguments, of which the first is the program's name, and an environment.
#[must_use]
pub fn parse(arguments: impl IntoIterator<Item = OsString>, environment: &Lookup<'_>) -> Asked {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let flags = |setting: &str| value_among(&arguments, setting);
    let log_format = Cell::new(config::log_format(&flags, environment));
    let invocation = invocation(&arguments, environment, &log_format);
    Asked { log_format: log_format.get(), invocation }
}

/// Finds the value of a setting's flag among arguments that may make no sense otherwise.
fn value_among(arguments: &[OsString], setting: &str) -> Option<OsString> {
    let flag = format!("--{}", setting.replace('_', "-"));
    let mut arguments = arguments.iter().take_while(|argument| *argument != "--");
    while let Some(argument) = arguments.next() {
        if *argument == *flag {
            return arguments.next().cloned();
        }
        let value = argument.to_str().and_then(|argument| argument.strip_prefix(&flag));
        if let Some(value) = value.and_then(|value| value.strip_prefix('=')) {
            return Some(value.into());
        }
    }
    None
}

fn invocation(
    arguments: &[OsString],
    environment: &Lookup<'_>,
    log_format: &Cell<LogFormat>,
) -> Result<Invocation, CliError> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return help_or_usage(&error),
    };
    // clap passes flags that stand before a command's name on to the command.
    let (command, matches) =
        matches.subcommand().map_or((None, &matches), |(name, inner)| (Some(name), inner));
    let flags = |name: &str| matches.get_one::<OsString>(name).cloned();
    let resolved = || Resolved::load_after_log_format(&flags, environment, log_format);
    Ok(match command {
        None => Invocation::Serve(Box::new(resolved()?.config)),
        Some(CHECK_CONFIG) => {
            let resolved = resolved()?;
            let text = resolved.to_toml();
            Invocation::CheckConfig(Box::new(resolved.config), text)
        }
        Some(name @ (BACKUP | RESTORE | CHECK)) => {
            backup::read(name, matches, environment, resolved)?
        }
        Some(COMPACT) => Invocation::Compact(sqlite_file(
            resolved()?.config.database_url,
            "compact: is for a SQLite file; PostgreSQL uses free space again by autovacuum, and `vacuum \
             full` makes its tables smaller",
        )?),
        Some(REPAIR) => Invocation::Repair(sqlite_file(
            resolved()?.config.database_url,
            "repair: is for a SQLite file; restore a damaged PostgreSQL database from its backup",
        )?),
        Some(EXPORT) => Invocation::Export(resolved()?.config.database_url, Place::named(matches)),
        Some(IMPORT) => {
            let resolved = resolved()?;
            resolved.check_database_is_named()?;
            Invocation::Import(resolved.config.database_url, Place::named(matches))
        }
        Some(TOKEN) => token::read(matches, environment, log_format)?,
        Some(DEMO) => demo::read(matches, &flags, environment, log_format)?,
        // `healthcheck`, the last of the commands.
        Some(_) => {
            let Probed { address, in_tls } = config::probed(&flags, environment, log_format)?;
            Invocation::Healthcheck(Probed { address: reachable(address), in_tls })
        }
    })
}

/// Returns the file of a database, or says what to do with one that is none.
pub(super) fn sqlite_file(
    database: DatabaseUrl,
    instead: &'static str,
) -> Result<PathBuf, CliError> {
    match database {
        DatabaseUrl::Sqlite(path) => Ok(path),
        DatabaseUrl::Postgres(_) => Err(CliError::Usage(format!("error: {instead}"))),
    }
}

/// Tells clap's two kinds of "error" apart: texts that were asked for, and mistakes.
fn help_or_usage(error: &clap::Error) -> Result<Invocation, CliError> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Invocation::Print(text)),
        // Somebody may have written a key or a token there.
        _ if text.contains("-----BEGIN") => Err(CliError::Usage(
            "error: an argument is the content of a file (-----BEGIN); expected the file's path"
                .to_owned(),
        )),
        _ => Err(CliError::Usage(redacted(text.trim_end()).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CONFIG_FILE, SETTINGS};

    fn ask(words: &[&str], environment: &[(&str, &str)]) -> Asked {
        let arguments = ["program"].iter().chain(words).map(OsString::from);
        parse(arguments, &|name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    fn parse_words(words: &[&str], environment: &[(&str, &str)]) -> Result<Invocation, CliError> {
        ask(words, environment).invocation
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
        assert!(matches!(parse_words(&words, &[]).unwrap(), Invocation::CheckConfig(..)));
    }

    #[test]
    fn flags_stand_before_or_after_the_command() {
        for words in [["--ttl=3d", "check-config"], ["check-config", "--ttl=3d"]] {
            let Invocation::CheckConfig(_, text) = parse_words(&words, &[]).unwrap() else {
                panic!("{words:?}");
            };
            assert!(text.contains("ttl = \"3d\""), "{words:?}: {text}");
            assert!(text.contains("# flag --ttl"), "{words:?}: {text}");
        }
    }

    fn probing(address: &str, in_tls: bool) -> Invocation {
        Invocation::Healthcheck(Probed { address: address.parse().unwrap(), in_tls })
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
                probing(asked, false)
            );
            let with_tls = ["healthcheck", "--listen", listen, "--tls-cert", "tls.crt"];
            assert_eq!(parse_words(&with_tls, &[]).unwrap(), probing(asked, true));
        }
    }

    #[test]
    fn a_health_check_asks_the_port_of_probes_if_there_is_one() {
        let environment = [("GITOPS_STATUS_ADMIN_LISTEN", "0.0.0.0:9090")];
        let asked = |words: &[&str]| parse_words(words, &environment).unwrap();
        let at = |address: &str| probing(address, false);
        assert_eq!(asked(&["healthcheck", "--listen", "192.0.2.1:83"]), at("127.0.0.1:9090"));
        assert_eq!(asked(&["healthcheck", "--admin-listen", "[::1]:84"]), at("[::1]:84"));
        assert_eq!(asked(&["healthcheck", "--admin-listen="]), at("127.0.0.1:8080"));
        assert_eq!(asked(&["healthcheck", "--tls-cert", "tls.crt"]), at("127.0.0.1:9090"));
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
    fn the_form_of_the_log_is_known_whatever_else_is_wrong() {
        let by_variable = [("GITOPS_STATUS_LOG_FORMAT", "json")];
        for (words, environment, form) in [
            (&["--nonsense"][..], &[][..], LogFormat::Text),
            (&["--nonsense", "--log-format=json"], &[], LogFormat::Json),
            (&["--log-format", "json", "serve"], &[], LogFormat::Json),
            (&["--nonsense"], &by_variable, LogFormat::Json),
            (&["--log-format=text", "--ttl"], &by_variable, LogFormat::Text),
            (&["check", "--", "--log-format=json"], &[], LogFormat::Text),
            (&["token", "new"], &by_variable, LogFormat::Json),
            (&["healthcheck", "--listen=x"], &by_variable, LogFormat::Json),
            // It ignores the environment.
            (&["demo"], &by_variable, LogFormat::Text),
            (&["demo", "--log-format=json"], &[], LogFormat::Json),
        ] {
            assert_eq!(ask(words, environment).log_format, form, "{words:?}");
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
        for setting in SETTINGS.iter().copied().chain([&CONFIG_FILE]) {
            assert!(help.contains(&format!("--{}", setting.long())), "{}", setting.name);
            assert!(help.contains(&format!("[env: {}", setting.variable())), "{}", setting.name);
            assert!(help.contains(setting.default) && help.contains(setting.help));
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}
