//! The names of a build: that of its sources, which distinguishes entity tags, and that of its commit.

#[path = "../../build.rs"]
#[expect(dead_code, clippy::print_stdout, reason = "its main speaks to Cargo")]
mod build;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Returns the build name of sources that include a file with this name and content.
fn name_of(file: &str, content: &str) -> String {
    let folder = sources();
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    build::name(folder.path()).unwrap()
}

#[test]
fn two_builds_of_one_version_have_the_same_name_only_if_their_sources_are_the_same() {
    let name = name_of("src/a/b.rs", "x");
    assert_eq!(name, name_of("src/a/b.rs", "x"));
    for (file, content) in
        [("src/a/b.rs", "y"), ("src/a.rs", "x"), ("src/a/b.rs", ""), ("templates/b.html", "x")]
    {
        assert_ne!(name, name_of(file, content), "{file} {content}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(env!("GITOPS_STATUS_BUILD"), build::name(root).unwrap());
}

/// A folder with a file of each kind of source.
fn sources() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for source in ["assets/page.js", "migrations/1.sql", "src/main.rs", "templates/a.html"] {
        let path = folder.path().join(source);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::write(folder.path().join("Cargo.lock"), "").unwrap();
    folder
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
    git.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env_remove("GIT_DIR");
    let output = git.output().expect("git is missing: install the Debian package git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Makes a repository of a folder and commits everything in it.
fn commit_all(folder: &Path) -> String {
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--message=a"]);
    git(folder, &["rev-parse", "--short=12", "HEAD"])
}

#[test]
fn a_build_has_the_commit_of_its_sources_and_says_if_they_were_modified() {
    let folder = sources();
    let folder = folder.path();
    let commit = commit_all(folder);
    assert_eq!(build::commit(folder), Some(commit.clone()));
    fs::write(folder.join("notes.txt"), "no source").unwrap();
    assert_eq!(build::commit(folder), Some(commit.clone()));
    fs::write(folder.join("src/new.rs"), "x").unwrap();
    assert_eq!(build::commit(folder), Some(format!("{commit}-modified")));
    fs::remove_file(folder.join("src/new.rs")).unwrap();
    fs::write(folder.join("src/main.rs"), "x").unwrap();
    assert_eq!(build::commit(folder), Some(format!("{commit}-modified")));
}

#[test]
fn a_tarball_has_no_commit_also_if_it_is_unpacked_in_another_repository() {
    let folder = sources();
    assert_eq!(build::commit(folder.path()), None);
    let inner = folder.path().join("vendor/inner");
    fs::create_dir_all(inner.join("src")).unwrap();
    fs::write(inner.join("src/main.rs"), "").unwrap();
    commit_all(folder.path());
    assert_eq!(build::commit(&inner), None);
}

/// Cargo asks for the commit again only if one of the files has changed that the build has named.
#[test]
fn a_commit_a_branch_and_a_linked_work_tree_each_change_a_file_that_the_build_watches() {
    let folder = sources();
    let main = folder.path();
    commit_all(main);
    let linked = tempfile::tempdir().unwrap();
    let linked = linked.path().join("tree");
    git(main, &["worktree", "add", "--quiet", linked.to_str().unwrap()]);
    for tree in [main, &linked] {
        for change in [
            &["commit", "--quiet", "--allow-empty", "--message=b"][..],
            &["commit", "--quiet", "--amend", "--allow-empty", "--message=c"],
            &["reset", "--quiet", "--hard", "HEAD~1"],
            &["checkout", "--quiet", "--detach"],
            &["pack-refs", "--all"],
            &["commit", "--quiet", "--allow-empty", "--message=d"],
        ] {
            let watched = || {
                let paths = build::moved_by_commits(tree);
                let read = |path: &String| fs::read(tree.join(path)).unwrap();
                assert!(!paths.is_empty());
                paths.iter().map(read).collect::<Vec<_>>()
            };
            let head = || git(tree, &["rev-parse", "HEAD"]);
            let before = (head(), watched());
            git(tree, change);
            assert!(head() == before.0 || watched() != before.1, "{change:?} went unnoticed");
            assert_eq!(build::commit(tree).unwrap(), head()[..12]);
        }
    }
    let elsewhere: PathBuf = tempfile::tempdir().unwrap().path().into();
    assert!(build::moved_by_commits(&elsewhere).is_empty());
}

#[test]
fn a_packager_names_the_commit_and_a_wrong_one_fails_the_build() {
    let whole = "859140E4F1C2a27a4b5d6c7e8f90123456789abc";
    assert_eq!(build::shortened(whole).unwrap(), "859140e4f1c2");
    assert_eq!(build::shortened("859140e").unwrap(), "859140e");
    for wrong in ["main", "v0.1.0", "859140", "", &"a".repeat(65)] {
        let error = build::shortened(wrong).unwrap_err();
        assert!(error.contains("expected 7 to 64 hexadecimal digits"), "{error}");
    }
    let names = |commit: &str| commit == "unknown" || build::shortened(commit).is_ok();
    assert!(names(env!("GITOPS_STATUS_COMMIT").trim_end_matches("-modified")));
}
