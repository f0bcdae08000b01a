//! The rights of callers, and the file of tokens, which is read again while the program serves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::access::{Access, Rights, Tokens, TokensFile};
use crate::config::{Config, ConfigError, FilePath};
use crate::metrics::Metrics;

/// How often the file is looked at. A kubelet replaces a mounted Secret at any time.
const LOOK: Duration = Duration::from_secs(2);

/// Keeps the tokens in force as the file has them.
pub(super) struct TokenKeeper {
    file: Option<TokensFile>,
    pub(super) access: Arc<Access>,
}

impl TokenKeeper {
    /// Reads the file of tokens, if there is one, and decides what callers without a token may do.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn begin(config: &Config) -> Result<Self, ConfigError> {
        let path = config.tokens_file.as_ref().map(FilePath::as_path);
        let mut file = path.map(|path| TokensFile::new(path.to_owned()));
        let tokens = file.as_mut().and_then(TokensFile::read).transpose()?;
        let access = Arc::new(Access::new(Rights::without_token(config), tokens));
        Ok(Self { file, access })
    }

    /// Reads the file whenever it has changed, for ever.
    pub(super) async fn run(self, metrics: Arc<Metrics>, mut reload: watch::Receiver<()>) {
        let Self { file, access } = self;
        let Some(mut file) = file else { return std::future::pending().await };
        if let Some(tokens) = access.tokens() {
            put_in_force(&metrics, &tokens);
        }
        loop {
            let signal = async {
                // Without a sender there is no signal to wait for.
                if reload.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::time::timeout(LOOK, signal).await.ok();
            // On a thread of its own: a disk may hang.
            let looked = spawn_blocking(move || {
                let read = file.read();
                (file, read)
            });
            let Ok((same, read)) = looked.await else { return };
            file = same;
            match read {
                None => {}
                Some(Ok(tokens)) => {
                    put_in_force(&metrics, &tokens);
                    access.replace(tokens);
                }
                Some(Err(error)) => note_bad_file(&access, &metrics, &error),
            }
        }
    }
}

fn put_in_force(metrics: &Metrics, tokens: &Tokens) {
    log::info!("{} tokens are in force", tokens.iter().count());
    metrics.tokens.set_tokens(tokens.iter().map(|token| (token.id.as_str(), token.expires)));
}

fn note_bad_file(access: &Access, metrics: &Metrics, error: &ConfigError) {
    log::error!("{error}; the tokens from before stay in force");
    access.note_bad_file();
    metrics.tokens.note_bad_file();
}
