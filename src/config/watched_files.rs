//! Files that are read again while the program serves, because they are replaced now and then.
//!
//! This module must not know what a file holds.

use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_128;

use super::error::ConfigError;
use super::text_file;

/// How often files that are replaced together are read to get all of them as they are at one moment.
const TRIES: usize = 3;

/// Files that are replaced together, and how they were when they were read last.
#[derive(Debug)]
pub struct WatchedFiles<const COUNT: usize> {
    /// How errors name each, and where it is.
    files: [(String, PathBuf); COUNT],
    last: Option<Result<[u128; COUNT], ConfigError>>,
}

/// What the files hold.
type Contents<const COUNT: usize> = Result<[Vec<u8>; COUNT], ConfigError>;

impl<const COUNT: usize> WatchedFiles<COUNT> {
    /// Takes files that have not been read, each with the place that errors name.
    #[must_use]
    pub fn new(files: [(String, PathBuf); COUNT]) -> Self {
        Self { files, last: None }
    }

    /// Forgets how the files were, so that the next look reads them.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// Reads the files; `None` if they are as they were when they were read last.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub fn read(&mut self) -> Option<Contents<COUNT>> {
        let mut contents = self.contents();
        if self.last.as_ref() == Some(&fingerprints(&contents)) {
            return None;
        }
        // A kubelet replaces all files of a folder at one moment, which may be between two reads.
        if COUNT > 1 {
            for _ in 1..TRIES {
                let again = self.contents();
                let is_same = again == contents;
                contents = again;
                if is_same {
                    break;
                }
            }
        }
        self.last = Some(fingerprints(&contents));
        Some(contents)
    }

    /// Returns the place of each file.
    #[must_use]
    pub fn places(&self) -> [&str; COUNT] {
        self.files.each_ref().map(|(place, _)| place.as_str())
    }

    fn contents(&self) -> Contents<COUNT> {
        let mut contents = [const { Vec::new() }; COUNT];
        for (content, (place, path)) in contents.iter_mut().zip(&self.files) {
            *content = text_file::read_bytes(path).map_err(|error| {
                ConfigError::new(place.as_str(), format!("cannot read: {error}"))
            })?;
        }
        Ok(contents)
    }
}

fn fingerprints<const COUNT: usize>(
    contents: &Contents<COUNT>,
) -> Result<[u128; COUNT], ConfigError> {
    let contents = contents.as_ref().map_err(ConfigError::clone)?;
    Ok(contents.each_ref().map(|content| xxh3_128(content)))
}
