//! Names the build after its sources, for entity tags: another build may render other bytes, even if
//! its version is the same.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The inputs of the program.
const SOURCES: [&str; 5] = ["Cargo.lock", "assets", "migrations", "src", "templates"];

fn main() -> io::Result<()> {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rustc-env=GITOPS_STATUS_BUILD={}", name(Path::new("."))?);
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
