//! A look at both ends of the history, by its table and by each of its indexes.
//!
//! Each commit reads the roots of these trees, and most add to their ends: a store whose ends cannot
//! be read could store nothing.

use sqlx::sqlite::SqliteConnection;

/// A seek to the first row in an order. The column is in no index, so that the row is read too: if
/// an index knows a row that the table does not have, that is an error of SQLite's.
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
