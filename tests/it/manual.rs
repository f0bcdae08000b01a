//! The manual pages and the completions of shells that a release brings.

#[path = "../../scripts/manual.rs"]
#[expect(dead_code, reason = "its main is the example's")]
mod example;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use gitops_status_server::config::SETTINGS;
use tempfile::TempDir;

use crate::support::{document, run_tool};

fn written() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    example::write(folder.path(), "2026-01-31").unwrap();
    folder
}

/// Returns a page as a terminal of this width shows it, after a check that nothing in it is wrong.
fn rendered(page: &Path, width: usize) -> String {
    let mut man = Command::new("man");
    man.args(["--warnings", "--encoding=UTF-8", "--local-file"]).arg(page);
    man.envs([("MANWIDTH", width.to_string().as_str()), ("MANROFFSEQ", ""), ("LC_ALL", "C.UTF-8")]);
    man.env_remove("MAN_KEEP_FORMATTING");
    let output = man.output().expect("man is missing: install the Debian package man-db");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{}: {complaint}", page.display());
    String::from_utf8(output.stdout).unwrap()
}

fn main_page(folder: &TempDir, width: usize) -> String {
    rendered(&folder.path().join("man1/gitops-status-server.1"), width)
}

#[test]
fn each_command_has_a_page_that_renders_without_a_warning() {
    let folder = written();
    let pages = fs::read_dir(folder.path().join("man1")).unwrap();
    let pages: BTreeSet<String> =
        pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    let main = main_page(&folder, 1000);
    assert!(main.contains("2026-01-31"), "{main}");
    for page in &pages {
        let text = rendered(&folder.path().join("man1").join(page), 80);
        let name = page.strip_suffix(".1").unwrap();
        assert!(text.contains("SYNOPSIS"), "{text}");
        let words = name.strip_prefix("gitops-status-server").unwrap().trim_start_matches('-');
        assert!(!words.contains("token") || pages.contains("gitops-status-server-token.1"));
        if words != "token-new" && words != "token-check" && !words.is_empty() {
            assert!(main.contains(&format!("{name}(1)")), "the main page does not name {name}");
        }
    }
    for command in ["check-config", "healthcheck", "token-new", "token-check", "export", "demo"] {
        assert!(pages.contains(&format!("gitops-status-server-{command}.1")), "{pages:?}");
    }
}

#[test]
fn the_page_of_the_program_has_every_setting_with_its_variable_and_default() {
    let page = main_page(&written(), 1000);
    for setting in SETTINGS {
        let paragraph = page.split("\n\n").find(|it| {
            let flag = format!("--{}", setting.long());
            let is_its = |line: &str| line.trim().split([' ', '[']).next() == Some(&flag);
            it.lines().any(is_its) && it.contains(&format!("[env: {}", setting.variable()))
        });
        let paragraph = paragraph.unwrap_or_else(|| panic!("--{} is missing", setting.long()));
        let default = format!("[default: {}]", setting.default);
        assert!(setting.default.is_empty() || paragraph.contains(&default), "{paragraph}");
    }
}

#[test]
fn the_page_of_the_program_has_the_exit_statuses_of_the_documents() {
    let document = document("docs/operations.md");
    let (_, table) = document.split_once("\n| status | it means | do | do not |\n").unwrap();
    let (_, table) = table.split_once('\n').unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let documented: Vec<&str> = rows.map(|row| row.split('|').nth(1).unwrap().trim()).collect();
    let known: Vec<&str> = example::EXIT_STATUSES.iter().map(|(status, _)| *status).collect();
    assert_eq!(known, documented);
    let page = main_page(&written(), 80);
    for (status, _) in example::EXIT_STATUSES {
        let is_there =
            page.lines().any(|line| line.trim_start().starts_with(&format!("{status} ")));
        assert!(is_there, "{status} is missing: {page}");
    }
}

#[test]
fn bash_completes_flags_commands_and_their_values() {
    let folder = written();
    // As bash itself calls it: the program, the word, the word before.
    let script = r#"
        source "$1"
        shift
        read -r _ function _ < <(complete -p gitops-status-server | sed 's/.*\(-F\)/\1/')
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        echo "${COMPREPLY[*]}"
    "#;
    let file = folder.path().join("bash/gitops-status-server.bash");
    for (words, offer) in [
        (&["--liste"][..], "--listen"),
        (&["tok"], "token"),
        (&["token", "ch"], "check"),
        (&["token", "check", "--token-f"], "--token-file"),
        (&["token", "check", "--right", "d"], "delete"),
    ] {
        let arguments = ["--noprofile", "--norc", "-c", script, "bash", file.to_str().unwrap()];
        let arguments = [&arguments[..], &["gitops-status-server"], words].concat();
        assert_eq!(run_tool("bash", "bash", &arguments, "").trim(), offer, "{words:?}");
    }
}

#[test]
fn fish_completes_flags_commands_and_their_values() {
    let folder = written();
    let file = folder.path().join("fish/gitops-status-server.fish");
    for (line, offer) in
        [("--liste", "--listen"), ("tok", "token"), ("token check --right d", "delete")]
    {
        let script = format!(
            "source {}; complete --do-complete 'gitops-status-server {line}'",
            file.display()
        );
        let offered = run_tool("fish", "fish", &["--no-config", "--command", &script], "");
        assert_eq!(offered.split_whitespace().next(), Some(offer), "{line}: {offered}");
    }
}

#[test]
fn zsh_finds_the_completion_and_can_load_it() {
    let folder = written();
    let script = "fpath=($1 $fpath); autoload -Uz compinit; compinit -u -D; \
                  autoload +X $_comps[gitops-status-server] && echo $_comps[gitops-status-server]";
    let place = folder.path().join("zsh");
    let arguments = ["-f", "-e", "-c", script, "zsh", place.to_str().unwrap()];
    assert_eq!(run_tool("zsh", "zsh", &arguments, "").trim(), "_gitops-status-server");
}
