//! The house rules that a machine can check.

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines that a source file may have.
const MOST_LINES: usize = 400;

/// Which modules each module may use: the arrows of the architecture.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("mutex", &[]),
    ("clock", &["domain", "mutex"]),
    ("store", &["domain", "mutex"]),
    ("render", &["domain"]),
    ("page", &["domain"]),
    ("metrics", &["access", "domain", "mutex", "store"]),
    ("demo", &["clock", "domain", "store"]),
    ("access", &["config", "domain", "mutex"]),
    ("board", &["clock", "domain", "metrics", "mutex", "store"]),
    ("http", &["access", "board", "clock", "domain", "metrics", "mutex", "page", "render", "tls"]),
    ("tls", &["config", "domain", "mutex"]),
    ("config", &["domain"]),
    ("cli", &["access", "config", "demo", "domain", "store", "tls", "transfer"]),
    ("transfer", &["domain", "store"]),
    ("logging", &["config", "mutex"]),
    ("shutdown", &[]),
    (
        "app",
        &[
            "access", "board", "clock", "config", "demo", "domain", "http", "logging", "metrics",
            "store", "tls", "transfer",
        ],
    ),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    rust_files(&root().join("src"), &mut found);
    assert!(found.len() > 30, "the sources were not found");
    found
}

#[test]
fn a_module_uses_only_modules_further_in() {
    for (path, text) in sources() {
        let first = path.components().nth(1).unwrap().as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs");
        if module == "lib" || module == "main" {
            continue;
        }
        let (_, may_use) = MAY_USE
            .iter()
            .find(|(known, _)| *known == module)
            .unwrap_or_else(|| panic!("{module} is not in the table of this test"));
        for used in text.split("crate::").skip(1) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(
                used == module || may_use.contains(&used),
                "{} uses {used}, which {module} must not know",
                path.display(),
            );
        }
    }
}

#[test]
fn every_file_opens_with_a_doc_comment_and_has_at_most_400_lines() {
    let mut files = sources();
    rust_files(&root().join("tests"), &mut files);
    rust_files(&root().join("fuzz"), &mut files);
    for (path, text) in files {
        assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn assets_templates_and_tests_of_pages_and_dashboards_have_at_most_400_lines() {
    for folder in ["assets", "templates", "tests/browser", "tests/grafana"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            // A lock file is not written by hand.
            if path.ends_with("package-lock.json") {
                continue;
            }
            let lines = text.lines().count();
            assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
        }
    }
}

/// `scripts/fuzz` finds the targets by these folders.
#[test]
fn every_fuzz_target_has_a_folder_of_examples() {
    let main = fs::read_to_string(root().join("fuzz/main.rs")).unwrap();
    let (_, table) = main.split_once("TARGETS: ").unwrap();
    let mut targets: Vec<&str> = table.split_once("];\n").unwrap().0.split('"').collect();
    targets = targets.into_iter().skip(1).step_by(2).collect();
    let folders = fs::read_dir(root().join("fuzz/seeds")).unwrap();
    let mut folders: Vec<_> = folders.map(|it| it.unwrap().file_name()).collect();
    folders.sort();
    assert_eq!(targets, folders);
}

#[test]
fn imports_have_no_wildcards() {
    for (path, text) in sources() {
        if path.ends_with("tests.rs") {
            continue;
        }
        let production = text.split("#[cfg(test)]").next().unwrap();
        assert!(!production.contains("::*;"), "{} imports everything", path.display());
    }
}

/// Words of CONTRIBUTING.md that plain English does without.
const UNWANTED_WORDS: &[&str] = &["whoever", "he", "his", "him", "likewise", "anyhow"];

fn text_files(path: &Path, found: &mut Vec<(PathBuf, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            text_files(&entry.unwrap().path(), found);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
    }
}

#[test]
fn code_and_documents_are_in_plain_english() {
    let mut files = Vec::new();
    for place in [
        "src",
        "docs",
        "deploy",
        "templates",
        "assets",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ] {
        text_files(&root().join(place), &mut files);
    }
    for (path, text) in files {
        // `anyhow::Result` is one word here, and no English.
        for word in text.split_whitespace() {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            assert!(!UNWANTED_WORDS.contains(&word.as_str()), "{} says {word}", path.display());
        }
    }
}

#[test]
fn mod_rs_only_declares_and_re_exports() {
    for (path, text) in sources() {
        if !path.ends_with("mod.rs") {
            continue;
        }
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let code: Vec<_> =
            text.lines().filter(is_code).filter(|line| !line.starts_with('#')).collect();
        for item in code.join(" ").split_terminator(';') {
            let is_visibility = |word: &&str| word.starts_with("pub") || word.ends_with(')');
            let words: Vec<_> = item.split_whitespace().skip_while(is_visibility).collect();
            let is_allowed = matches!(words.as_slice(), ["mod", _] | ["use", ..]);
            assert!(is_allowed, "{} has more than declarations: {item}", path.display());
        }
    }
}
