//! Files that are read again while the program serves, because they are replaced now and then.
//!
//! This module must not know what a file holds.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::error::ConfigError;
use super::text_file;

/// How often files are read to get all of them whole and as they are at one moment.
const TRIES: usize = 3;
/// How long a changed content must stay as it is: some programs empty a file before they write it.
const SETTLED: Duration = Duration::from_millis(500);

/// Files of a kind, and how they were when they were read last.
pub trait Files: Send + 'static {
    /// What they hold.
    type Content: Send + 'static;
    /// What the log calls them.
    const NAME: &'static str;
    /// What the log says stays as it was while they are bad.
    const KEPT: &'static str;

    /// Reads them; `None` if they are as they were when they were read last.
    ///
    /// # Errors
    /// Files that cannot be read, and the first mistake in them.
    fn read(&mut self) -> Option<Result<Self::Content, ConfigError>>;

    /// Forgets how they were, so that the next look reads them.
    fn forget(&mut self);
}

/// Files that are replaced together, and how they were when they were read last.
#[derive(Debug)]
pub struct WatchedFiles<const COUNT: usize> {
    /// How errors name each, and where it is.
    files: [(String, PathBuf); COUNT],
    last: Option<Result<[u128; COUNT], ConfigError>>,
    /// Whether this is not the first time that they are read.
    is_again: bool,
}

/// What the files hold.
type Contents<const COUNT: usize> = Result<[Vec<u8>; COUNT], ConfigError>;

impl<const COUNT: usize> WatchedFiles<COUNT> {
    /// Takes files that have not been read, each with the place that errors name.
    #[must_use]
    pub fn new(files: [(String, PathBuf); COUNT]) -> Self {
        Self { files, last: None, is_again: false }
    }

    /// Forgets how the files were, so that the next look reads them.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// Reads the files; `None` if they are as they were when they were read last, or are just being
    /// written.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub fn read(&mut self) -> Option<Contents<COUNT>> {
        let contents = self.contents();
        if self.last.as_ref() == Some(&fingerprints(&contents)) {
            return None;
        }
        let is_again = std::mem::replace(&mut self.is_again, true);
        let pause = if is_again { SETTLED } else { Duration::ZERO };
        let (contents, is_settled) = self.settled(contents, pause);
        // Another look comes soon, except at the start.
        if is_again && !is_settled {
            return None;
        }
        self.last = Some(fingerprints(&contents));
        Some(contents)
    }

    /// Reads the files until two looks at them agree. A kubelet replaces all files of a folder at one
    /// moment, which may be between two reads.
    fn settled(&self, mut contents: Contents<COUNT>, pause: Duration) -> (Contents<COUNT>, bool) {
        for _ in 1..TRIES {
            if contents.is_err() {
                break;
            }
            sleep(pause);
            let again = self.contents();
            let is_same = again == contents;
            contents = again;
            if is_same {
                return (contents, true);
            }
        }
        let is_error = contents.is_err();
        (contents, is_error)
    }

    /// Returns the place of each file.
    #[must_use]
    pub fn places(&self) -> [&str; COUNT] {
        self.files.each_ref().map(|(place, _)| place.as_str())
    }

    fn contents(&self) -> Contents<COUNT> {
        let mut contents = [const { Vec::new() }; COUNT];
        for (content, (place, path)) in contents.iter_mut().zip(&self.files) {
            *content = text_file::read_regular(path).map_err(|error| {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_content_that_has_changed_since_the_look_before_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "whole").unwrap();
        let files = WatchedFiles::new([("file".to_owned(), path)]);
        let (contents, is_settled) = files.settled(Ok([b"who".to_vec()]), Duration::ZERO);
        assert_eq!((contents, is_settled), (Ok([b"whole".to_vec()]), true));
        let (contents, is_settled) = files.settled(files.contents(), Duration::ZERO);
        assert_eq!((contents, is_settled), (Ok([b"whole".to_vec()]), true));
    }
}
