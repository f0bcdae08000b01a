//! The documents agree with the program.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::{Shown, TestApp, commands, document};

/// Runs a document's command against a server.
fn shell(command: &str, app: &TestApp) -> Output {
    let here = command.replace("localhost:8080", &app.client.address.to_string());
    Command::new("sh").arg("-c").arg(here).output().unwrap()
}

#[test]
fn the_readmes_curl_lines_print_what_the_readme_shows() {
    let app = TestApp::spawn();
    let readme = document("README.md");
    let is_curl = |shown: &Shown| shown.command.starts_with("curl");
    let lines: Vec<_> = commands(&readme).into_iter().filter(is_curl).collect();
    assert_eq!(lines.len(), 2);
    for Shown { command, output } in lines {
        let ran = shell(&command, &app);
        assert_eq!(String::from_utf8(ran.stdout).unwrap() + "\n", output, "{command}");
    }
}

/// A report that is refused must not look like one that was stored.
#[test]
fn the_readmes_report_fails_when_it_is_refused() {
    let app = TestApp::spawn();
    let shown = commands(&document("README.md")).into_iter();
    let command = shown.map(|it| it.command).find(|it| it.contains("/api/status")).unwrap();
    let ran = shell(&command.replace("OUT_OF_SYNC", "UNKNOWN"), &app);
    assert!(!ran.status.success());
    assert!(String::from_utf8(ran.stdout).unwrap().contains("sync_status must be"));
}

#[test]
fn the_readme_is_short() {
    assert!(document("README.md").lines().count() <= 90);
}

#[test]
fn the_settings_are_listed_at_their_defaults() {
    let (readme, list) = (document("README.md"), document("docs/settings.md"));
    let shown = |default: &'static str| if default.is_empty() { "\"\"" } else { default };
    let row = |flag: &str, default| format!("| `--{flag}` | `{}` |", shown(default));
    for setting in gitops_status_server::config::SETTINGS {
        let row = row(&setting.long(), setting.default);
        assert!(list.contains(&row), "docs/settings.md lacks {row}");
    }
    for line in readme.lines().filter(|line| line.starts_with("| `--")) {
        let flag_and_default = line.rsplit_once(" | ").unwrap().0;
        assert!(list.contains(flag_and_default), "docs/settings.md has not the README's {line}");
    }
}

/// Returns the targets of a document's links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// Returns the anchors that a document's headings make.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        heading.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.clone(), root.join("docs"), root.join("docs/decisions")];
    pages.extend([root.join("deploy"), root.join("migrations")]);
    let files = pages.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|file| file.unwrap().path());
    let mut seen = 0;
    for page in files.filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            assert!(target.exists(), "{} links to {link}", page.display());
            if !anchor.is_empty() {
                let known = anchors(&fs::read_to_string(&target).unwrap());
                assert!(known.iter().any(|a| a == anchor), "{} links to {link}", page.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} links were found");
}

#[test]
fn the_index_of_the_documents_lists_each_of_them() {
    let index = document("docs/README.md");
    let listed: Vec<_> = links(&index).map(|link| link.split('#').next().unwrap()).collect();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || listed.contains(&name), "docs/README.md lacks {name}");
    }
}

#[test]
fn the_description_of_the_api_names_every_parameter_and_column() {
    let text = document("docs/api.md");
    let app = TestApp::spawn();
    for path in ["/status.json", "/api/history", "/api/timeline"] {
        let message = app.get(&format!("{path}?nothing=1")).error(400);
        let (_, known) = message.split_once("known are ").unwrap();
        for parameter in known.split(", ").flat_map(|part| part.split(" and ")) {
            assert!(text.contains(&format!("`{parameter}`")), "docs/api.md lacks {parameter}");
        }
    }
    let header = app.get("/status.csv").text();
    for column in header.trim_end().split(',') {
        assert!(text.contains(&format!("`{column}`")), "docs/api.md lacks {column}");
    }
}

#[test]
fn every_file_that_the_architecture_names_exists() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = document("ARCHITECTURE.md");
    for name in text.split('`').skip(1).step_by(2) {
        let is_file = [".rs", ".html", ".js", ".md", ".json"].iter().any(|end| name.ends_with(end));
        let exists = root.join(name).exists() || root.join("src").join(name).exists();
        assert!(exists || !is_file || !name.contains('/'), "ARCHITECTURE.md names {name}");
    }
}
