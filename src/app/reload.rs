//! Files that are read again while the program serves: the tokens, and the certificate with its key.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::certificate::CertificateKeeper;
use super::error::AppError;
use super::tokens::TokenKeeper;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Files};
use crate::metrics::Metrics;
use crate::tls::Tls;

/// How often files are looked at. A kubelet replaces a mounted Secret at any time.
const LOOK: Duration = Duration::from_secs(2);

/// How long a look may take before the files count as bad: a disk may hang.
const PATIENCE: Duration = Duration::from_secs(8);

/// Where what files hold is put in force.
pub(super) trait Recipient<Content> {
    fn replace(&self, content: Content);

    fn note_bad_files(&self);
}

/// What keeps in force what files hold.
pub(super) struct Keepers {
    pub(super) tokens: TokenKeeper,
    pub(super) certificate: Option<CertificateKeeper>,
}

impl Keepers {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub(super) async fn begin(
        config: &Config,
        metrics: &Metrics,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, AppError> {
        let tokens = TokenKeeper::begin(config).await?;
        let certificate = CertificateKeeper::begin(config, &metrics.tls, clock).await?;
        Ok(Self { tokens, certificate })
    }

    /// Returns the certificate in force, if there is one.
    pub(super) fn tls(&self) -> Option<Tls> {
        self.certificate.as_ref().map(CertificateKeeper::tls)
    }

    /// Reads the files whenever they have changed, for ever.
    pub(super) async fn run(self, mut reload: watch::Receiver<()>) {
        let Self { tokens, certificate } = self;
        if !tokens.has_file() && certificate.is_none() {
            while reload.changed().await.is_ok() {
                log::info!("There is nothing to reload: neither tokens_file nor tls_cert is set");
            }
        }
        let reload_certificate = reload.clone();
        let certificate = async move {
            match certificate {
                Some(certificate) => certificate.run(reload_certificate).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokens.run(reload) => {}
            () = certificate => {}
        }
    }
}

/// What a look at files has found; `None` if they are as they were.
type Looked<F> = (F, Option<Result<<F as Files>::Content, ConfigError>>);

/// Reads files for the first time.
///
/// # Errors
/// Files that cannot be used.
pub(super) async fn first_look<F: Files>(files: F) -> Result<(F, Option<F::Content>), AppError> {
    let looked = look_at(files).await;
    let (files, read) = looked.map_err(|_| AppError::TaskDied("reading of files"))?;
    Ok((files, read.transpose()?))
}

/// Reads files every few seconds and puts in force what has changed. If `reload` asks for it, they are
/// read as if they had changed, so that the log has the result.
pub(super) async fn keep<F: Files>(
    mut files: F,
    recipient: impl Recipient<F::Content>,
    mut reload: watch::Receiver<()>,
) {
    loop {
        // Without a sender there is no signal to wait for.
        let signal = async {
            if reload.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        if timeout(LOOK, signal).await.is_ok() {
            files.forget();
        }
        let mut looking = look_at(files);
        let in_time = timeout(PATIENCE, &mut looking).await;
        let has_hung = in_time.is_err();
        let looked = if let Ok(looked) = in_time {
            looked
        } else {
            recipient.note_bad_files();
            log::error!("{} cannot be read in time; {}", F::NAME, F::KEPT);
            looking.await
        };
        let Ok((mut same, read)) = looked else { return };
        match read {
            // The next look says that they are good again, or why not.
            None if has_hung => same.forget(),
            None => {}
            Some(Ok(content)) => recipient.replace(content),
            Some(Err(error)) => {
                recipient.note_bad_files();
                log::error!("{error}; {}", F::KEPT);
            }
        }
        files = same;
    }
}

/// Looks at files on a thread of its own: a disk may hang.
fn look_at<F: Files>(mut files: F) -> JoinHandle<Looked<F>> {
    spawn_blocking(move || {
        let read = files.read();
        (files, read)
    })
}
