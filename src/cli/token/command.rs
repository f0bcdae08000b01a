//! The options of `token new` and `token check`.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};

use super::check::{CheckToken, Question, Source};
use super::new::{Expiry, NewToken};
use crate::access::{Right, Rights, Scope, TokenId, moment};
use crate::cli::command::flag;
use crate::cli::error::CliError;
use crate::cli::invocation::Invocation;
use crate::config::{
    CONFIG_FILE, ConfigError, LogFormat, Lookup, Resolved, SETTINGS, Setting, parse_duration,
};
use crate::domain::{Key, RepoName, ServerName};

pub(in crate::cli) const TOKEN: &str = "token";
const NEW: &str = "new";
const CHECK: &str = "check";

/// The settings that decide what a token may do.
const OF_CHECK: [&str; 4] =
    ["config", "tokens_file", "allow_anonymous_writes", "require_read_token"];

/// Describes the command.
pub(in crate::cli) fn command() -> Command {
    Command::new(TOKEN)
        .about("Make tokens, and say what one may do")
        .subcommand_required(true)
        .subcommands([new(), check()])
        .args(settings(&[]))
}

fn new() -> Command {
    let scopes = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("repo=PATTERN,server=PATTERN")
            .action(ArgAction::Append)
            .help(help)
    };
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new(NEW)
        .about("Make a token, and the lines for the tokens file")
        .after_help(
            "The first line of standard output is the token, which is shown only here. After it come \
             the lines for\nthe tokens file, which have only its SHA-256. To take them apart, in a folder \
             that nobody\nelse reads:\n\n  \
             gitops-status-server token new --write 'repo=rsyslog,server=*' > new\n  \
             head -n 1 new > rsyslog.token\n  \
             tail -n +2 new >> tokens.toml\n\n\
             In bash, a pipe that hands only the token on:\n\n  \
             gitops-status-server token new --read | tee >(tail -n +2 >> tokens.toml) | head -n 1\n\n\
             A PATTERN is a name in which * stands for any characters, or a list of them: a,web-*.",
        )
        .args([
            scopes("write", "It may report the status of these; repeatable"),
            scopes("delete", "It may remove these entries; repeatable"),
            Arg::new("read")
                .long("read")
                .action(ArgAction::SetTrue)
                .help("It may read, where require_read_token is set"),
            Arg::new("backup")
                .long("backup")
                .action(ArgAction::SetTrue)
                .help("It may take backups, which hold everything"),
            option("id", "ID", "Its name in log, history and metrics [default: 8 random letters]"),
            option("note", "TEXT", "A note for people, such as where it is used"),
            option("expires", "TIME", "When it ends: 2027-01-01, 2027-01-01T08:00:00Z or 90d"),
        ])
        .group(ArgGroup::new("rights").args(["write", "delete", "read", "backup"]).required(true).multiple(true))
        .args(settings(&[]))
}

fn check() -> Command {
    let names = |name: &'static str, value: &'static str, other: &'static str| {
        Arg::new(name).long(name).value_name(value).requires(other).requires("token")
    };
    Command::new(CHECK)
        .about("Check the tokens file, and say what a token may do")
        .after_help(
            "Without a token it lists the tokens of the file. Exit status: 0 if the file and the token \
             are valid and\nthe token may do what is asked; 1 if it may not; 2 for a bad file or \
             settings.",
        )
        .args([
            Arg::new("token-stdin")
                .long("token-stdin")
                .action(ArgAction::SetTrue)
                .help("Read the token from standard input"),
            Arg::new("token-file")
                .long("token-file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Read the token from this file"),
            names("repo", "REPO", "server").help("Ask whether it may for this repository ..."),
            names("server", "SERVER", "repo").help("... on this server"),
            Arg::new("right")
                .long("right")
                .value_name("RIGHT")
                .value_parser(PossibleValuesParser::new(["write", "delete", "read", "backup"]))
                .default_value("write")
                .requires("token")
                .requires_ifs([("write", "repo"), ("delete", "repo")])
                .help("The right that decides the exit status; read and backup need no --repo and --server"),
            // To answer it with a reason that does not repeat it.
            Arg::new("argument").hide(true).num_args(0..).value_parser(value_parser!(OsString)),
        ])
        .group(ArgGroup::new("token").args(["token-stdin", "token-file"]))
        .args(settings(&OF_CHECK))
}

/// Makes the flags of all settings, of which the help shows some.
fn settings(shown: &'static [&'static str]) -> impl Iterator<Item = Arg> {
    let all = SETTINGS.iter().copied().chain([&CONFIG_FILE]);
    all.map(|setting: &'static Setting| flag(setting).hide(!shown.contains(&setting.name)))
}

/// Reads the options of either command.
///
/// # Errors
/// [`CliError::Usage`] and [`CliError::Settings`].
pub(in crate::cli) fn read(
    matches: &ArgMatches,
    environment: &Lookup<'_>,
    log_format: &Cell<LogFormat>,
) -> Result<Invocation, CliError> {
    match matches.subcommand() {
        Some((NEW, matches)) => Ok(Invocation::NewToken(read_new(matches)?)),
        // `check`, the other command.
        Some((_, matches)) => {
            read_check(matches, environment, log_format).map(Invocation::CheckToken)
        }
        None => Ok(Invocation::Print(String::new())),
    }
}

fn refused(flag: &str, reason: impl Into<String>) -> CliError {
    // The value is not repeated: it may be a token.
    CliError::from(ConfigError::new(format!("flag --{flag}"), reason))
}

fn read_new(matches: &ArgMatches) -> Result<NewToken, CliError> {
    let text = |name: &str| matches.get_one::<String>(name);
    let scopes = |name: &str| {
        let texts = matches.get_many::<String>(name).unwrap_or_default();
        let scopes = texts.map(|text| Scope::parse(text).map_err(|reason| refused(name, reason)));
        scopes.collect::<Result<_, _>>()
    };
    let id = text("id").map(|text| {
        let wrong = || refused("id", format!("expected {}", TokenId::ACCEPTED));
        TokenId::parse(text).ok_or_else(wrong)
    });
    let note = text("note").map(|note| {
        let is_note = !note.contains(char::is_control) && !note.contains("gss_");
        let wrong = || refused("note", "expected a line of text, and no token");
        is_note.then(|| note.clone()).ok_or_else(wrong)
    });
    let expires = text("expires").map(|text| {
        let at = moment(text).map(Expiry::At);
        let expiry = at.or_else(|| parse_duration(text).ok().map(Expiry::After));
        expiry.ok_or_else(|| {
            refused("expires", "expected a date, a time with a zone such as 2027-01-01T08:00:00Z, or a duration such as 90d")
        })
    });
    Ok(NewToken {
        id: id.transpose()?,
        note: note.transpose()?,
        expires: expires.transpose()?,
        rights: Rights {
            write: scopes("write")?,
            delete: scopes("delete")?,
            read: matches.get_flag("read"),
            backup: matches.get_flag("backup"),
        },
    })
}

fn read_check(
    matches: &ArgMatches,
    environment: &Lookup<'_>,
    log_format: &Cell<LogFormat>,
) -> Result<CheckToken, CliError> {
    if matches.contains_id("argument") {
        let place = "token check".to_owned();
        let reason = "an argument was given: every user of a machine sees arguments, so give the \
                      token by --token-stdin or --token-file";
        return Err(ConfigError::new(place, reason).into());
    }
    let flags = |name: &str| matches.get_one::<OsString>(name).cloned();
    let resolved = Resolved::load_after_log_format(&flags, environment, log_format)?;
    let config = Box::new(resolved.config);
    let file = matches.get_one::<PathBuf>("token-file").cloned();
    let source = match (matches.get_flag("token-stdin"), file) {
        (true, _) => Some(Source::Input),
        (false, file) => file.map(Source::File),
    };
    let text = |name: &str| matches.get_one::<String>(name);
    let right = match text("right").map(String::as_str) {
        Some("delete") => Right::Delete,
        Some("read") => Right::Read,
        Some("backup") => Right::Backup,
        _ => Right::Write,
    };
    let question = match (text("repo"), text("server")) {
        (Some(repo), Some(server)) => {
            let repo = RepoName::parse(repo).map_err(|error| refused("repo", error.to_string()))?;
            let server = ServerName::parse(server);
            let server = server.map_err(|error| refused("server", error.to_string()))?;
            Some(Question { key: Some(Key { repo, server }), right })
        }
        // Only these rights need no names.
        _ if matches!(right, Right::Read | Right::Backup) => Some(Question { key: None, right }),
        _ => None,
    };
    Ok(CheckToken { config, source, question })
}
