//! docs/security.md: each chapter names the tests that hold its promises, and they exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::dashboards::repository;

/// Collects the names of all functions of a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs" || end == "py") {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().map(str::trim_start);
            let bare =
                lines.map(|line| line.trim_start_matches("pub ").trim_start_matches("async "));
            let names = bare
                .filter_map(|line| line.strip_prefix("fn ").or_else(|| line.strip_prefix("def ")));
            found.extend(names.map(|rest| {
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
            }));
        }
    }
}

#[test]
fn every_promise_about_security_names_a_test_that_exists() {
    let document = fs::read_to_string(repository("docs/security.md")).unwrap();
    let mut known = BTreeSet::new();
    for folder in ["src", "tests/it", "tests/browser"] {
        functions(&repository(folder), &mut known);
    }
    let mut named = 0;
    for line in document.lines().filter_map(|line| line.strip_prefix("*Held by* ")) {
        for name in line.split('`').skip(1).step_by(2) {
            assert!(known.contains(name), "no test is called {name}");
            named += 1;
        }
    }
    assert!(named > 10, "only {named} tests are named");
}

#[test]
fn every_chapter_with_promises_names_its_tests() {
    let document = fs::read_to_string(repository("docs/security.md")).unwrap();
    for chapter in document.split("\n## ").skip(1) {
        let title = chapter.lines().next().unwrap();
        let is_held = chapter.contains("*Held by* ");
        assert!(is_held, "{title} names no test");
    }
}
