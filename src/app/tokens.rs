//! The rights of callers, and the file of tokens, which is read again while the program serves.

use std::sync::Arc;

use tokio::sync::watch;

use super::error::AppError;
use super::reload::{Recipient, first_look, keep};
use crate::access::{Access, Rights, Tokens, TokensFile};
use crate::config::{Config, FilePath};

/// Keeps the tokens in force as the file has them.
pub(super) struct TokenKeeper {
    file: Option<TokensFile>,
    access: Arc<Access>,
}

impl TokenKeeper {
    /// Reads the file of tokens, if there is one, and decides what callers without a token may do.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) async fn begin(config: &Config) -> Result<Self, AppError> {
        let anonymous = Rights::without_token(config);
        let Some(path) = config.tokens_file.as_ref().map(FilePath::as_path) else {
            return Ok(Self { file: None, access: Arc::new(Access::new(anonymous, None)) });
        };
        let (file, tokens) = first_look(TokensFile::new(path.to_owned())).await?;
        let tokens = tokens.unwrap_or_default();
        tell(tokens.iter().count());
        let access = Access::new(anonymous, Some(tokens));
        Ok(Self { file: Some(file), access: Arc::new(access) })
    }

    /// Whether there is a file of tokens.
    pub(super) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Returns who may do what.
    pub(super) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    /// Reads the file whenever it has changed, for ever.
    pub(super) async fn run(self, reload: watch::Receiver<()>) {
        match self.file {
            Some(file) => keep(file, self.access, reload).await,
            None => std::future::pending().await,
        }
    }
}

impl Recipient<Tokens> for Arc<Access> {
    fn replace(&self, tokens: Tokens) {
        let count = tokens.iter().count();
        Access::replace(self, tokens);
        tell(count);
    }

    fn note_bad_files(&self) {
        self.note_bad_file();
    }
}

fn tell(count: usize) {
    match count {
        1 => log::info!("1 token is in force"),
        count => log::info!("{count} tokens are in force"),
    }
}
