//! The rights of callers, and the file of tokens, which is read again while the program serves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::error::AppError;
use crate::access::{Access, Rights, Tokens, TokensFile};
use crate::config::{Config, ConfigError, FilePath};

/// How often the file is looked at. A kubelet replaces a mounted Secret at any time.
const LOOK: Duration = Duration::from_secs(2);

/// How long a look may take before the file counts as bad. A pipe whose writer is silent takes 5 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// What a look at the file has found; `None` if it is as it was.
type Looked = (TokensFile, Option<Result<Tokens, ConfigError>>);

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
        let looked = look_at(TokensFile::new(path.to_owned())).await;
        let (file, read) = looked.map_err(|_| AppError::TaskDied("reading of the tokens"))?;
        let tokens = read.transpose()?.unwrap_or_default();
        tell(&tokens);
        let access = Access::new(anonymous, Some(tokens));
        Ok(Self { file: Some(file), access: Arc::new(access) })
    }

    /// Returns who may do what.
    pub(super) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    /// Reads the file whenever it has changed, for ever.
    pub(super) async fn run(self, mut reload: watch::Receiver<()>) {
        let Self { file, access } = self;
        let Some(mut file) = file else { return std::future::pending().await };
        loop {
            // Without a sender there is no signal to wait for.
            let signal = async {
                if reload.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            timeout(LOOK, signal).await.ok();
            let mut looking = look_at(file);
            let in_time = timeout(PATIENCE, &mut looking).await;
            let has_hung = in_time.is_err();
            let looked = if let Ok(looked) = in_time {
                looked
            } else {
                log::error!("The file of tokens cannot be read in time; {KEPT}");
                access.note_bad_file();
                looking.await
            };
            let Ok((mut same, read)) = looked else { return };
            match read {
                // The next look says that it is good again, or why not.
                None if has_hung => same.forget(),
                None => {}
                Some(Ok(tokens)) => {
                    tell(&tokens);
                    access.replace(tokens);
                }
                Some(Err(error)) => {
                    log::error!("{error}; {KEPT}");
                    access.note_bad_file();
                }
            }
            file = same;
        }
    }
}

const KEPT: &str = "the tokens from before stay in force";

/// Looks at the file on a thread of its own: a disk may hang.
fn look_at(mut file: TokensFile) -> JoinHandle<Looked> {
    spawn_blocking(move || {
        let read = file.read();
        (file, read)
    })
}

fn tell(tokens: &Tokens) {
    match tokens.iter().count() {
        1 => log::info!("1 token is in force"),
        count => log::info!("{count} tokens are in force"),
    }
}
