//! Makes a copy of a database beside the server that has it open.
//!
//! See `docs/decisions/0029-backups.md`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::Executor;
use sqlx::sqlite::SqliteConnection;
use tokio_util::sync::CancellationToken;

use super::draft::{Draft, unnamed};
use super::folder;
use super::pages::Pages;
use crate::domain::Timestamp;
use crate::store::sqlite::aside::{self, aside, blocking};
use crate::store::sqlite::connection::connect_to_look_through;
use crate::store::sqlite::file::DatabaseFile;
use crate::store::sqlite::sql;
use crate::store::sqlite::store::SqliteStore;
use crate::store::{BackupError, BackupPlace, Copied, KeptBackup, StoreError};

/// How often the log may start over while the pages are copied again that have changed. Updates would
/// have to be faster than the disk for that to be too few.
const MOST_ROUNDS: u32 = 1000;

impl SqliteStore {
    pub(in crate::store::sqlite) async fn copy_to(
        &self,
        place: BackupPlace,
        stop: &CancellationToken,
    ) -> Result<Copied, BackupError> {
        let _turn = self.copying.lock().await;
        self.file.ask(DatabaseFile::check).await?;
        match place {
            BackupPlace::Unnamed => {
                let path = unnamed(self.file.path());
                let (draft, bytes, sha256) = self.draft(path, stop).await?;
                let file = blocking(move || draft.unname()).await??;
                Ok(Copied { file, bytes, sha256, at: None })
            }
            BackupPlace::File(target) => {
                let (draft, bytes, sha256) = self.draft(folder::draft_of(&target), stop).await?;
                let file = blocking(move || draft.put(&target).and_then(|()| File::open(&target)));
                Ok(Copied { file: file.await??, bytes, sha256, at: None })
            }
            BackupPlace::Folder { folder, at, keep } => {
                self.copy_to_folder(&folder, at, keep, stop).await
            }
        }
    }

    async fn copy_to_folder(
        &self,
        folder: &Path,
        at: Timestamp,
        keep: usize,
        stop: &CancellationToken,
    ) -> Result<Copied, BackupError> {
        let (looked_at, store_id) = (folder.to_owned(), self.store_id.clone());
        let newest = blocking(move || {
            folder::create_folder(&looked_at)?;
            folder::remove_drafts(&looked_at)?;
            // A setting that was lowered makes room. A copy that cannot be removed is told once there is
            // the new one.
            folder::prune(&looked_at, keep, &store_id).ok();
            folder::newest(&looked_at)
        });
        let newest = newest.await??.map(|newest| newest.at);
        let (name, at) = folder::name(&self.store_id, at, newest);
        let (draft, bytes, sha256) =
            self.draft(folder::draft_of(&folder.join(&name)), stop).await?;
        let (folder, store_id) = (folder.to_owned(), self.store_id.clone());
        let file = blocking(move || {
            let path = folder.join(name);
            draft.put(&path)?;
            if let Err(error) = folder::prune(&folder, keep, &store_id) {
                log::warn!("An old backup in {} cannot be removed: {error}", folder.display());
            }
            File::open(path)
        });
        Ok(Copied { file: file.await??, bytes, sha256, at: Some(at) })
    }

    /// Returns the newest of the copies in a folder.
    pub(in crate::store::sqlite) async fn newest_in(
        &self,
        folder: &Path,
    ) -> Result<Option<KeptBackup>, StoreError> {
        let folder = folder.to_owned();
        Ok(blocking(move || folder::newest(&folder)).await??)
    }

    /// Makes a whole copy that is to get its name yet, and returns its size and SHA-256.
    async fn draft(
        &self,
        path: PathBuf,
        stop: &CancellationToken,
    ) -> Result<(Draft, u64, [u8; 32]), BackupError> {
        let (draft, target) = blocking(move || Draft::create(path)).await??;
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        let made = async {
            self.copy_pages(&draft, target, stop).await?;
            let revision = draft.settle(stop).await?;
            if revision < confirmed {
                let lack = format!("it is at revision {revision}, and lacks {confirmed}");
                return Err(BackupError::Damaged(lack));
            }
            draft.digest(stop).await
        };
        match made.await {
            Ok((bytes, sha256)) => Ok((draft, bytes, sha256)),
            Err(error) => {
                blocking(move || drop(draft)).await?;
                Err(error)
            }
        }
    }

    async fn copy_pages(
        &self,
        draft: &Draft,
        target: File,
        stop: &CancellationToken,
    ) -> Result<(), BackupError> {
        let opened = Arc::clone(&self.file);
        let mut pin = Pin(aside(async move { connect_to_look_through(&opened).await }).await?);
        let source = self.file.ask(DatabaseFile::source).await?;
        let page_size: i64 = sqlx::query_scalar("pragma page_size")
            .fetch_one(&mut pin.0)
            .await
            .map_err(StoreError::from)?;
        let path = draft.path.clone();
        let pages = Pages::begin(self.file.path(), source, page_size.unsigned_abs(), target, path);
        let copied = self.copy_behind(pages, &mut pin, stop).await;
        // It has only read, so an error loses nothing.
        aside::close(pin.0).await.ok();
        copied
    }

    /// Copies everything while the pin holds the log.
    async fn copy_behind(
        &self,
        pages: Pages,
        pin: &mut Pin,
        stop: &CancellationToken,
    ) -> Result<(), BackupError> {
        pin.enter().await?;
        let (pages, ()) = step(pages, |pages| pages.check_room()).await?;
        let mut pages = self.start_log_over(pages, pin).await?;
        pages.forget_changes();
        let pages = self.copy_rest(pages, pin, stop).await?;
        blocking(move || pages.copy_log()).await??;
        Ok(pin.leave().await?)
    }

    /// Copies the file from where it was left off, and then what has changed behind that.
    async fn copy_rest(
        &self,
        mut pages: Pages,
        pin: &mut Pin,
        stop: &CancellationToken,
    ) -> Result<Pages, BackupError> {
        let mut is_at_end = false;
        let mut rounds = 0;
        loop {
            if stop.is_cancelled() {
                return Err(BackupError::GivenUp);
            }
            let copied = step(pages, move |pages| {
                let has_more =
                    if is_at_end { pages.copy_changed()? } else { pages.copy_piece()? };
                Ok((has_more, pages.has_large_log()?))
            });
            let (copied, (has_more, has_large_log)) = copied.await?;
            pages = copied;
            let starts_over = has_large_log && rounds < MOST_ROUNDS;
            if starts_over {
                rounds += u32::from(is_at_end);
                pages = self.start_log_over(pages, pin).await?;
            }
            if is_at_end && !has_more && !starts_over {
                return Ok(pages);
            }
            is_at_end |= !has_more;
        }
    }

    /// Lets the log start over, if nobody else reads from it. No commit can be made meanwhile, so every
    /// page that was in the log is noted.
    async fn start_log_over(&self, pages: Pages, pin: &mut Pin) -> Result<Pages, BackupError> {
        let mut writing = self.writing.lock().await;
        let mut connection = self.take(&mut writing).await?;
        let outcome = async {
            let (pages, ()) = step(pages, |pages| Ok(pages.note_log()?)).await?;
            pin.leave().await?;
            restart(&mut connection).await.map_err(StoreError::from)?;
            pin.enter().await?;
            Ok::<_, BackupError>(pages)
        };
        match outcome.await {
            Ok(pages) => Ok(self.give_back(&mut writing, connection, Ok(pages)).await?),
            Err(error) => {
                // What has failed may be the copy alone, but that is not known here.
                self.discard(&mut writing, connection, false).await;
                Err(error)
            }
        }
    }
}

/// A connection whose read transaction keeps the log from starting over.
struct Pin(SqliteConnection);

impl Pin {
    async fn enter(&mut self) -> Result<(), StoreError> {
        self.0.execute("begin").await?;
        // The transaction begins with the first read.
        sqlx::query(sql::REVISION).fetch_one(&mut self.0).await?;
        Ok(())
    }

    async fn leave(&mut self) -> Result<(), StoreError> {
        self.0.execute("rollback").await?;
        Ok(())
    }
}

/// Copies all of the log into the database, so that the next commit begins it anew. Waits for nobody.
async fn restart(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    connection.execute(sql::DO_NOT_WAIT).await?;
    connection.execute(sql::RESTART_LOG).await?;
    connection.execute(sql::WAIT).await?;
    Ok(())
}

/// Does some of the copying on a thread that may wait for a disk.
async fn step<T: Send + 'static>(
    mut pages: Pages,
    work: impl FnOnce(&mut Pages) -> Result<T, BackupError> + Send + 'static,
) -> Result<(Pages, T), BackupError> {
    blocking(move || {
        let done = work(&mut pages)?;
        Ok((pages, done))
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store as _;
    use crate::store::sqlite::connection::open_connection;

    const FILL: &str = "insert into transitions (at, revision, repo, server, event, sync_status, \
         drift_count, files_added, files_added_count, files_removed, files_removed_count) \
         with recursive number (n) as (select 1 union all select n + 1 from number where n < 16000) \
         select n, 0, 'a', 'b', 'changed', 'SYNCED', 1, hex(randomblob(200)), 1, '[]', 0 from number";
    const CHANGE: &str = "update transitions set drift_count = drift_count + 1, at = at + 1";
    const GROW: &str = "insert into transitions (at, revision, repo, server, event, sync_status, \
         drift_count, files_added, files_added_count, files_removed, files_removed_count) \
         select at, 0, 'c', 'd', 'changed', 'SYNCED', drift_count, '[]', 0, '[]', 0 from transitions";
    const SUM: &str = "select sum(drift_count + at * 3) || ' ' || count(*) from transitions";

    /// Pages that were copied before they changed, before the log started over, and after it did.
    #[actix_web::test]
    async fn a_copy_has_what_changed_behind_it_while_the_log_started_over_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        let mut writer = open_connection(&store.file).await.unwrap();
        writer.execute(FILL).await.unwrap();
        let stop = CancellationToken::new();
        let (draft, target) = Draft::create(folder.path().join("copy.db")).unwrap();
        let mut pin = Pin(connect_to_look_through(&store.file).await.unwrap());
        pin.enter().await.unwrap();
        let source = store.file.source().unwrap();
        let path = draft.path.clone();
        let pages = Pages::begin(store.file.path(), source, 4096, target, path);
        let mut pages = store.start_log_over(pages, &mut pin).await.unwrap();
        pages.forget_changes();
        for _ in 0..2 {
            assert!(pages.copy_piece().unwrap(), "there is more");
            writer.execute(CHANGE).await.unwrap();
            assert!(pages.has_large_log().unwrap());
            pages = store.start_log_over(pages, &mut pin).await.unwrap();
            assert!(!pages.has_large_log().unwrap(), "it has started over");
        }
        writer.execute(GROW).await.unwrap();
        let mut pages = store.copy_rest(pages, &mut pin, &stop).await.unwrap();
        writer.execute(CHANGE).await.unwrap();
        assert!(!pages.copy_changed().unwrap());
        let wanted: String = sqlx::query_scalar(SUM).fetch_one(&mut writer).await.unwrap();
        pages.copy_log().unwrap();
        draft.settle(&stop).await.unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&draft.path);
        let mut copy = sqlx::ConnectOptions::connect(&options).await.unwrap();
        let found: String = sqlx::query_scalar(SUM).fetch_one(&mut copy).await.unwrap();
        assert_eq!(found, wanted);
        let verdict = sqlx::query_scalar::<_, String>("pragma integrity_check");
        assert_eq!(verdict.fetch_one(&mut copy).await.unwrap(), "ok");
        aside::close(writer).await.unwrap();
        aside::close(pin.0).await.unwrap();
        store.close().await;
    }
}
