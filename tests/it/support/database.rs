//! Access to a database from outside the program.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

/// Turns a database into one from before migration 0004.
pub const OLDER: &str = "\
    alter table meta drop column restored_at; \
    drop table outages; \
    alter table entries drop column expired_at; \
    alter table entries drop column drifted_since; \
    delete from _sqlx_migrations where version >= 4";

/// Runs a query on the database and returns the first column of its rows.
pub fn stored(database: &Path, sql: &'static str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(database).read_only(true);
        let mut connection = options.connect().await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(0)).collect()
    })
}

/// Runs SQL on a database as another program.
pub fn run_sql(path: &Path, sql: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}
