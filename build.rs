//! Names the build: after its sources, for entity tags, since another build may render other bytes even
//! if its version is the same; and after the commit of these sources, for `--version`.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// The inputs of the program.
const SOURCES: [&str; 5] = ["Cargo.lock", "assets", "migrations", "src", "templates"];

/// The variable by which a packager names the commit, where the sources come without Git.
const COMMIT: &str = "GITOPS_STATUS_COMMIT";

/// The commit of a build that knows none.
const UNKNOWN: &str = "unknown";

#[expect(clippy::disallowed_methods, reason = "Cargo and packagers speak by variables")]
fn main() -> io::Result<()> {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-env-changed={COMMIT}");
    let root = Path::new(".");
    println!("cargo::rustc-env=GITOPS_STATUS_BUILD={}", name(root)?);
    let given = env::var(COMMIT).ok().filter(|given| !given.is_empty());
    // A debug build does not ask Git: each commit would build the whole crate and its tests anew.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = match given {
        Some(given) => shortened(&given).map_err(io::Error::other)?,
        None if is_release => {
            for path in moved_by_commits(root) {
                println!("cargo::rerun-if-changed={path}");
            }
            commit(root).unwrap_or_else(|| UNKNOWN.to_owned())
        }
        None => UNKNOWN.to_owned(),
    };
    println!("cargo::rustc-env={COMMIT}={commit}");
    Ok(())
}

/// Returns the name of the sources in a folder: equal for equal sources, wherever they are built.
///
/// # Errors
/// Sources that cannot be read.
pub fn name(root: &Path) -> io::Result<String> {
    let mut files = BTreeSet::new();
    for source in SOURCES {
        collect(root, Path::new(source), &mut files)?;
    }
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        fs::read(root.join(&file))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(root: &Path, path: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if !root.join(path).is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(root.join(path))? {
        collect(root, &path.join(entry?.file_name()), files)?;
    }
    Ok(())
}

/// Returns the first digits of a commit that a packager names.
///
/// # Errors
/// A text that is not 7 to 64 hexadecimal digits.
pub fn shortened(commit: &str) -> Result<String, String> {
    let is_commit =
        (7..=64).contains(&commit.len()) && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_commit {
        return Err(format!("{COMMIT} is no commit: expected 7 to 64 hexadecimal digits"));
    }
    Ok(commit.chars().take(12).collect::<String>().to_ascii_lowercase())
}

/// Returns the commit of a folder that is the root of a Git work tree, with `-modified` if the sources
/// differ from it; nothing anywhere else, such as for a tarball unpacked in another repository.
#[must_use]
pub fn commit(root: &Path) -> Option<String> {
    if !git(root, &["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    let commit = shortened(&git(root, &["rev-parse", "--verify", "HEAD"])?).ok()?;
    let status = [&["status", "--porcelain", "--"][..], &SOURCES].concat();
    let is_modified = !git(root, &status)?.is_empty();
    Some(if is_modified { format!("{commit}-modified") } else { commit })
}

/// Returns the files of Git that change when another commit is checked out or made, in a linked work
/// tree too. Where Git keeps no log of HEAD, the file is missing, and Cargo asks at each build.
#[must_use]
pub fn moved_by_commits(root: &Path) -> Vec<String> {
    let paths = ["HEAD", "logs/HEAD"];
    paths.iter().filter_map(|path| git(root, &["rev-parse", "--git-path", path])).collect()
}

/// Asks Git about a folder. The variables that Git sets for its hooks name another place.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(arguments).env("GIT_OPTIONAL_LOCKS", "0");
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        git.env_remove(variable);
    }
    let output = git.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}
