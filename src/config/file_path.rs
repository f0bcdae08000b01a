//! The path of a file that a setting names.
//!
//! This module must not know what the file holds.

use std::path::{Path, PathBuf};

use toml::Value;

use super::error::is_content_of_file;
use super::value::{InvalidValue, Kind, SettingValue};

/// A name that begins like a token and is longer than this is taken for one.
const LONGEST_LIKE_A_TOKEN: usize = 43;

/// The path of a file; relative ones count from the working directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FilePath(PathBuf);

impl FilePath {
    /// Takes a path; an empty text is none.
    ///
    /// # Errors
    /// A zero byte, which no path has, a token, and what a file holds.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, InvalidValue> {
        if text.contains('\0') {
            return Err(InvalidValue::new("expected the path of a file"));
        }
        if text.starts_with("gss_") && text.len() > LONGEST_LIKE_A_TOKEN {
            return Err(InvalidValue::new("expected a path, not a token"));
        }
        if text.contains(['\n', '\r']) || is_content_of_file(text) {
            return Err(InvalidValue::new("expected the path of a file, not its content"));
        }
        Ok((!text.is_empty()).then(|| Self(text.into())))
    }

    /// Returns the path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl SettingValue for Option<FilePath> {
    const KIND: Kind = Kind::File;

    fn to_toml(&self) -> Value {
        let path = self.as_ref().map(|path| path.0.to_string_lossy().into_owned());
        path.unwrap_or_default().into()
    }
}
