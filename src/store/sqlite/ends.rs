//! Reads both ends of the history, through its table and through each of its indexes.
//!
//! Each commit reads the roots of these trees, and most commits add to their ends. If the ends
//! cannot be read, nothing can be stored.

use sqlx::sqlite::SqliteConnection;

/// A seek to the first row in an order. `drift_count` is in no index, so the table's row is read
/// too: SQLite reports an error if an index has a row that the table lacks.
macro_rules! first_by {
    ($access:literal, $order:literal) => {
        concat!("select drift_count from transitions ", $access, " order by ", $order, " limit 1")
    };
}

const ENDS: [&str; 6] = [
    first_by!("not indexed", "id"),
    first_by!("not indexed", "id desc"),
    first_by!("indexed by transitions_by_time", "at, id"),
    first_by!("indexed by transitions_by_time", "at desc, id desc"),
    first_by!("indexed by transitions_by_state", "repo, server, state, at, id"),
    first_by!(
        "indexed by transitions_by_state",
        "repo desc, server desc, state desc, at desc, id desc"
    ),
];

/// Reads the oldest and the newest transition in each order.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for end in ENDS {
        sqlx::query(end).fetch_optional(&mut *connection).await?;
    }
    Ok(())
}
