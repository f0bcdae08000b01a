//! A door to the parser of settings for the fuzz targets in `fuzz`.

use std::path::Path;

use super::error::ConfigError;
use super::file::ConfigFile;
use super::resolved::Resolved;
use super::settings::SETTINGS;
use super::sources::Sources;

/// Reads settings from the content of a file alone.
///
/// # Errors
/// The first mistake in it.
pub fn resolve(content: &str) -> Result<Resolved, ConfigError> {
    Resolved::of(Sources::of_file(ConfigFile::parse(Path::new("a.toml"), content, SETTINGS)?))
}
