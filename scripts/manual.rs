//! Writes the manual pages and the completions of shells into a folder, from the description of the
//! command line: `cargo run --example manual -- FOLDER 2026-01-31`, with the day that the pages bear.
//! They are files of a release, and so cost the program nothing.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::{Generator as _, Shell};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use gitops_status_server::cli;

/// The exit statuses, with what each means; `docs/operations.md` says more.
pub const EXIT_STATUSES: [(&str, &str); 6] = [
    ("0", "Stopped in order by a signal, or the command has done its work."),
    (
        "1",
        "An address is in use, a part of the program has died, or requests were not answered in time.",
    ),
    ("2", "Bad settings, or a bad tokens file, certificate or key at the start."),
    ("65", "The database is damaged, not one of this program, or of a newer version."),
    ("74", "The database cannot be opened, written or reached."),
    ("75", "The database is in use by another process."),
];

fn main() -> io::Result<()> {
    match env::args_os().skip(1).collect::<Vec<OsString>>().as_slice() {
        [folder, day] => write(folder.as_ref(), &day.to_string_lossy()),
        _ => Err(io::Error::other("expected two arguments: the folder to write into, and a day")),
    }
}

/// Writes `man1`, `bash`, `zsh` and `fish` into a folder. The pages bear a day, such as `2026-01-31`.
///
/// # Errors
/// Files that cannot be written.
pub fn write(folder: &Path, day: &str) -> io::Result<()> {
    let described = || cli::command().long_version(None::<&'static str>);
    let name = described().get_name().to_owned();
    for (shell, place) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        fs::create_dir_all(folder.join(place))?;
        let file = folder.join(place).join(shell.file_name(&name));
        fs::write(file, completion(shell, described(), &name))?;
    }
    let mut command = described();
    fs::create_dir_all(folder.join("man1"))?;
    command.build();
    write_page(&command, None, &folder.join("man1"), day)
}

/// The completion of a shell. In bash, `clap_complete` 4.6 finds no subcommand of a program whose name has a
/// hyphen: there the program gets a name without one, but for the lines that say what is completed.
fn completion(shell: Shell, mut command: Command, name: &str) -> String {
    let without_hyphens = name.replace('-', "_");
    let used = if shell == Shell::Bash { &without_hyphens } else { name };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, used, &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    if shell != Shell::Bash {
        return text;
    }
    text.replace(&format!(" {without_hyphens}\n"), &format!(" {name}\n"))
}

/// Writes the page of a command, and those of its subcommands.
fn write_page(command: &Command, parent: Option<&str>, folder: &Path, day: &str) -> io::Result<()> {
    let title = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let subcommands: Vec<&Command> =
        command.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    for subcommand in &subcommands {
        write_page(subcommand, Some(&title), folder, day)?;
    }
    // By itself, the synopsis would have every setting.
    let usage = command.clone().render_usage().to_string().replacen("Usage: ", "", 1);
    let page = Man::new(command.clone().override_usage(usage)).manual("User Commands");
    let page = page.date(day).source(concat!("gitops-status-server ", env!("CARGO_PKG_VERSION")));
    let file = &mut File::create(folder.join(format!("{title}.1")))?;
    page.render_title(file)?;
    page.render_name_section(file)?;
    page.render_synopsis_section(file)?;
    page.render_description_section(file)?;
    page.render_options_section(file)?;
    if !subcommands.is_empty() {
        page.render_subcommands_section(file)?;
    }
    notes(command).to_writer(file)?;
    if parent.is_none() {
        exit_statuses().to_writer(file)?;
    }
    let related = parent.into_iter().map(str::to_owned);
    let children = subcommands.iter().map(|command| format!("{title}-{}", command.get_name()));
    see_also(related.chain(children)).to_writer(file)?;
    file.flush()
}

/// The text that ends the help. Its indented lines, which are commands, keep their places.
fn notes(command: &Command) -> Roff {
    let mut roff = Roff::new();
    if let Some(text) = command.get_after_help() {
        roff.control("SH", ["NOTES"]);
        for line in text.to_string().lines() {
            match (line.is_empty(), line.starts_with(' ')) {
                (true, _) => roff.control("PP", []),
                (false, true) => roff.control("EX", []).text([roman(line)]).control("EE", []),
                (false, false) => roff.text([roman(line)]),
            };
        }
    }
    roff
}

fn exit_statuses() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in EXIT_STATUSES {
        roff.control("TP", []).text([bold(status)]).text([roman(meaning)]);
    }
    roff
}

fn see_also(pages: impl Iterator<Item = String>) -> Roff {
    let mut roff = Roff::new();
    let pages: Vec<String> = pages.map(|page| format!("{page}(1)")).collect();
    if !pages.is_empty() {
        roff.control("SH", ["SEE ALSO"]).control("nh", []).control("ad", ["l"]);
        roff.text([roman(pages.join(", "))]);
    }
    roff
}
