//! The command line as clap sees it: one flag for each setting, and the commands.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, value_parser};

use super::{backup, demo, token, transfer};
use crate::config::{CONFIG_FILE, Kind, SETTINGS, Setting};

pub(super) const CHECK_CONFIG: &str = "check-config";
const HEALTHCHECK: &str = "healthcheck";
pub(super) const COMPACT: &str = "compact";
pub(super) const REPAIR: &str = "repair";
pub(super) const DEMO: &str = "demo";

/// The version with the commit of the sources, for a report of a fault.
const LONG_VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("GITOPS_STATUS_COMMIT"), ")");

/// Describes the command line, also for completions of shells and for manual pages.
#[must_use]
pub fn command() -> Command {
    let check_config = Command::new(CHECK_CONFIG).about(
        "Check the settings and the files they name, and print them as TOML, each with its origin",
    );
    let healthcheck = Command::new(HEALTHCHECK)
        .about("Ask the server on the configured address for its health: exit 0 if well, else 1");
    let compact = Command::new(COMPACT)
        .about("Shrink the database file to the size of its content; stop the server first");
    let repair = Command::new(REPAIR)
        .about("Repair a damaged database and report what is lost; stop the server first");
    let settings = SETTINGS.iter().copied().chain([&CONFIG_FILE]).map(flag);
    Command::new(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .long_version(LONG_VERSION)
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help(
            "Without a command it serves. A flag overrides the environment, the environment the \
             file,\nthe file the default. Durations are 90s, 30m, 12h or 7d; 0 turns a thing \
             off.\nRUST_LOG sets what is logged (default: info).",
        )
        .disable_help_subcommand(true)
        .next_line_help(true)
        .args(settings)
        .subcommands([
            check_config,
            healthcheck,
            backup::backup_command(),
            backup::restore_command(),
            backup::check_command(),
            compact,
            repair,
            transfer::export_command(),
            transfer::import_command(),
            token::command(),
            demo::command(),
        ])
}

/// Makes the flag of a setting. Its default and its variable are applied by `config`, not by clap.
pub(super) fn flag(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.name)
        .long(setting.long())
        .value_name(setting.placeholder())
        .help(help(setting))
        .help_heading(setting.heading)
        .value_parser(value_parser!(OsString))
        .action(ArgAction::Set)
        // A negative number is a bad value, not an unknown flag.
        .allow_negative_numbers(true)
        .global(true);
    if setting.kind == Kind::Switch {
        return arg.num_args(0..=1).require_equals(true).default_missing_value("true");
    }
    arg
}

/// Says what a setting is if it is not given; nothing if it has no default.
pub(super) fn default(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("[default: {value}] ") }
}

fn help(setting: &Setting) -> String {
    let variable = setting.variable();
    let by_file = if setting.is_secret() { " or ..._FILE" } else { "" };
    let default = default(setting.default);
    format!("{}\n{default}[env: {variable}{by_file}]", setting.help)
}
