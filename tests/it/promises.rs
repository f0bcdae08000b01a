//! docs/security.md: each chapter names the tests that hold its promises, and they exist.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::support::dashboards::repository;

/// Collects the names of all tests of a folder.
fn collect_tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let read = || fs::read_to_string(&path).unwrap();
        match path.extension().and_then(OsStr::to_str) {
            _ if path.is_dir() => collect_tests(&path, found),
            Some("rs") => found.extend(tests_in_rust(&read())),
            Some("py") => found.extend(tests_in_python(&read())),
            _ => {}
        }
    }
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Returns the functions that an attribute makes tests. An ignored one holds no promise.
fn tests_in_rust(text: &str) -> Vec<String> {
    let (mut found, mut is_test, mut is_ignored) = (Vec::new(), false, false);
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            let attribute = line.trim_start_matches("#[");
            let kinds = ["test", "tokio::test", "actix_web::test"];
            let is_kind = |kind: &str| {
                attribute.strip_prefix(kind).is_some_and(|rest| rest.starts_with([']', '(']))
            };
            is_test |= kinds.into_iter().any(is_kind);
            is_ignored |= attribute.starts_with("ignore");
        } else if let Some(rest) = line.trim_start_matches("async ").strip_prefix("fn ") {
            if is_test && !is_ignored {
                found.push(name(rest));
            }
            (is_test, is_ignored) = (false, false);
        }
    }
    found
}

/// Returns the functions that pytest takes for tests.
fn tests_in_python(text: &str) -> Vec<String> {
    let functions = text.lines().filter_map(|line| line.strip_prefix("def "));
    functions.filter(|rest| rest.starts_with("test_")).map(name).collect()
}

#[test]
fn only_tests_hold_promises() {
    let rust = "
        fn helper() {}
        #[test]
        #[should_panic]
        fn plain() {}
        #[tokio::test(start_paused = true)]
        async fn paused() {}
        #[actix_web::test]
        async fn served() {}
        #[test]
        #[ignore = \"slow\"]
        fn ignored() {}
        #[test_log]
        fn other() {}
        #[cfg(test)]
        mod tests {
            pub fn helper_of_tests() {}
        }
        fn last() {}
    ";
    assert_eq!(tests_in_rust(rust), ["plain", "paused", "served"]);
    let python = "def helper():\n    def test_inner():\ndef test_a(page):\n";
    assert_eq!(tests_in_python(python), ["test_a"]);
}

#[test]
fn every_promise_about_security_names_a_test_that_exists() {
    let document = fs::read_to_string(repository("docs/security.md")).unwrap();
    let mut known = BTreeSet::new();
    for folder in ["src", "tests/it", "tests/browser"] {
        collect_tests(&repository(folder), &mut known);
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
