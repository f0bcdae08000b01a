//! The commands that the documents show.

use std::fs;

use super::dashboards::repository;

/// A command of a document, and the output that the document shows for it.
#[derive(Debug)]
pub struct Shown {
    pub command: String,
    pub output: String,
}

/// Returns the text of a document.
pub fn document(name: &str) -> String {
    fs::read_to_string(repository(name)).unwrap()
}

/// Returns the console blocks of a document, those in lists included, that have this word behind
/// `console`, or no word.
pub fn console_blocks(text: &str, word: &str) -> Vec<Vec<Shown>> {
    let fence = format!("```console {word}");
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.by_ref().find(|line| line.trim() == fence.trim_end()) {
        let indentation = &line[..line.len() - line.trim_start().len()];
        let lines = lines.by_ref().map(|line| line.strip_prefix(indentation).unwrap_or(line));
        blocks.push(shown(lines.take_while(|line| *line != "```")));
    }
    blocks
}

/// Returns the commands of all console blocks of a document without a word.
pub fn commands(text: &str) -> Vec<Shown> {
    console_blocks(text, "").into_iter().flatten().collect()
}

fn shown<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let first = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "));
        let first = first.filter(|_| !goes_on);
        if first.is_some() {
            shown.push(Shown { command: String::new(), output: String::new() });
        }
        let Shown { command, output } =
            shown.last_mut().expect("a console block begins with a command");
        if first.is_some() || goes_on {
            let line = first.unwrap_or(line).trim_start();
            goes_on = line.ends_with('\\');
            command.push_str(line.trim_end_matches('\\'));
        } else {
            output.push_str(line);
            output.push('\n');
        }
    }
    shown
}

#[test]
fn commands_are_found_with_their_output_in_lists_and_over_several_lines() {
    let text = "```console\n$ a \\\n    b\nsays\n  more\n```\n\n1. x\n\n   ```console\n   $ c\n   ```\n\
                ```console drill\n$ d\n```\n```sh\n$ e\n```\n";
    let found = |blocks: Vec<Vec<Shown>>| -> Vec<(String, String)> {
        blocks.into_iter().flatten().map(|it| (it.command, it.output)).collect()
    };
    let pair = |command: &str, output: &str| (command.to_owned(), output.to_owned());
    assert_eq!(found(console_blocks(text, "")), [pair("a b", "says\n  more\n"), pair("c", "")]);
    assert_eq!(found(console_blocks(text, "drill")), [pair("d", "")]);
}
