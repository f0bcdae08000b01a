//! The build name, which distinguishes builds of different sources.

#[path = "../../build.rs"]
#[expect(dead_code, clippy::print_stdout, reason = "its main speaks to Cargo")]
mod build;

use std::fs;
use std::path::Path;

/// Returns the build name of sources that include a file with this name and content.
fn name_of(file: &str, content: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for source in ["assets/page.js", "migrations/1.sql", "src/main.rs", "templates/a.html", file] {
        let path = folder.path().join(source);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, if source == file { content } else { "" }).unwrap();
    }
    fs::write(folder.path().join("Cargo.lock"), "").unwrap();
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
