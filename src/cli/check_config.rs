//! `check-config`: whether the server could start with the files that its settings name.

use super::error::CliError;
use crate::access::TokensFile;
use crate::config::{Config, DatabaseUrl, FilePath, Files};
use crate::tls::CertificateFiles;

/// Reads the tokens file, the certificate and its key, and the files of the login at PostgreSQL, as a
/// start does.
///
/// # Errors
/// The first file that keeps the server from starting.
pub fn check_files(config: &Config) -> Result<(), CliError> {
    let path = |file: &FilePath| file.as_path().to_owned();
    if let Some(tokens) = &config.tokens_file {
        check(TokensFile::new(path(tokens)))?;
    }
    if let (Some(certificate), Some(key)) = (&config.tls_cert, &config.tls_key) {
        check(CertificateFiles::new(path(certificate), path(key)))?;
    }
    match &config.database_url {
        DatabaseUrl::Postgres(database) => Ok(database.check_files()?),
        DatabaseUrl::Sqlite(_) => Ok(()),
    }
}

fn check(mut files: impl Files) -> Result<(), CliError> {
    match files.read() {
        Some(Err(error)) => Err(error.into()),
        Some(Ok(_)) | None => Ok(()),
    }
}
