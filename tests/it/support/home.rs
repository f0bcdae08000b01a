//! Where the database of a test is: in a file, or on the PostgreSQL server of the tests.
//!
//! `TEST_DATABASE=postgres cargo test` runs every test on PostgreSQL that starts the application. Tests
//! of SQLite's files fail there; `scripts/test` names their modules.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use gitops_status_server::config::{DatabaseUrl, Resolved};
use tempfile::TempDir;

use super::{Cluster, PostgresDatabase, stored};

/// The home of a database; it is removed with this.
pub enum Home {
    Folder(TempDir),
    Server(PostgresDatabase),
}

impl Home {
    pub fn new() -> Self {
        if is_on_postgres() {
            Self::Server(database_for_tests())
        } else {
            Self::Folder(tempfile::tempdir().unwrap())
        }
    }

    /// Returns the database's URL as the settings have it.
    pub fn url(&self) -> DatabaseUrl {
        match self {
            Self::Folder(_) => DatabaseUrl::Sqlite(self.file()),
            Self::Server(database) => database_url(&database.url()),
        }
    }

    /// Returns the path of the file.
    pub fn file(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.path().join("test.db"),
            Self::Server(database) => {
                panic!("{} is no file: this test is of SQLite", database.name())
            }
        }
    }

    /// Runs a query, and returns the first column of its rows as text.
    pub fn stored(&self, sql: &'static str) -> Vec<String> {
        match self {
            Self::Folder(_) => stored(&self.file(), sql),
            Self::Server(database) => database.stored(sql),
        }
    }

    /// Makes the database unreachable.
    pub fn take_away(&self) -> Away {
        match self {
            Self::Folder(_) => Away::of_file(self.file()),
            Self::Server(database) => Away::of_database(database.name()),
        }
    }
}

/// Returns a database's URL as the settings have it.
pub fn database_url(url: &str) -> DatabaseUrl {
    let flags = |name: &str| (name == "database_url").then(|| url.to_owned().into());
    Resolved::load(&flags, &|_| None).unwrap().config.database_url
}

/// A database that is unreachable.
pub enum Away {
    File { file: PathBuf, away: PathBuf },
    Database(String),
}

impl Away {
    fn of_file(file: PathBuf) -> Self {
        let away = file.with_extension("away");
        fs::rename(&file, &away).unwrap();
        Self::File { file, away }
    }

    fn of_database(name: &str) -> Self {
        let sql = format!(
            "alter database {name} with allow_connections false; \
             select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        );
        Cluster::shared().run("postgres", &sql);
        Self::Database(name.to_owned())
    }

    pub fn give_back(self) {
        match self {
            Self::File { file, away } => fs::rename(away, file).unwrap(),
            Self::Database(name) => {
                let sql = format!("alter database {name} with allow_connections true");
                Cluster::shared().run("postgres", &sql);
            }
        }
    }
}

/// The databases of separate processes, by the paths that they would have.
static MADE: Mutex<BTreeMap<PathBuf, PostgresDatabase>> = Mutex::new(BTreeMap::new());

/// Makes the database of a separate process unreachable.
pub fn take_away(path: &Path) -> Away {
    match MADE.lock().unwrap().get(path) {
        Some(database) => Away::of_database(database.name()),
        None => Away::of_file(path.to_owned()),
    }
}

/// Returns the URL of the database that a test of a separate process has under this path.
pub fn url_of(path: &Path) -> String {
    if is_on_postgres() {
        let mut made = MADE.lock().unwrap();
        made.entry(path.to_owned()).or_insert_with(database_for_tests).url()
    } else {
        format!("sqlite://{}", path.display())
    }
}

/// Whether tests run on the PostgreSQL server of the tests.
pub fn is_on_postgres() -> bool {
    match env::var("TEST_DATABASE").as_deref() {
        Err(_) | Ok("sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("TEST_DATABASE={other}: expected sqlite or postgres"),
    }
}

/// Makes a database in which SQL for SQLite may ask for the length of an array as there.
fn database_for_tests() -> PostgresDatabase {
    let database = PostgresDatabase::create();
    let sql = "create function json_array_length(text) returns integer language sql \
               as 'select json_array_length($1::json)'";
    Cluster::shared().run(database.name(), sql);
    database
}
