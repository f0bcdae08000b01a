//! The steps of each database's schema: the files in `migrations`, as sqlx runs them.
//!
//! They are listed here rather than found by sqlx's macro, whose crates would compile sqlx, Tokio and
//! SQLite a second time.

use std::borrow::Cow;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// A file: its number, what it does, and its statements.
type Step = (i64, &'static str, &'static str);

const SQLITE: [Step; 7] = [
    (1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql")),
    (2, "sightings", include_str!("../../migrations/sqlite/0002_sightings.sql")),
    (3, "history", include_str!("../../migrations/sqlite/0003_history.sql")),
    (4, "drifted since", include_str!("../../migrations/sqlite/0004_drifted_since.sql")),
    (5, "expired drifted", include_str!("../../migrations/sqlite/0005_expired_drifted.sql")),
    (6, "outages", include_str!("../../migrations/sqlite/0006_outages.sql")),
    (7, "restored at", include_str!("../../migrations/sqlite/0007_restored_at.sql")),
];

const POSTGRES: [Step; 2] = [
    (1, "initial", include_str!("../../migrations/postgres/0001_initial.sql")),
    (2, "restored at", include_str!("../../migrations/postgres/0002_restored_at.sql")),
];

/// Returns the migrations of a SQLite file, none of which begins a transaction: the caller has one around all.
///
/// A transaction within another keeps what it changes in memory, for the case that it alone is undone.
pub(super) fn sqlite() -> Migrator {
    migrator(&SQLITE, |_| true)
}

/// Returns the migrations of a PostgreSQL database.
pub(super) fn postgres() -> Migrator {
    migrator(&POSTGRES, |statements| statements.starts_with("-- no-transaction"))
}

fn migrator(steps: &[Step], begins_none: fn(&str) -> bool) -> Migrator {
    let migration = |&(version, description, statements): &Step| {
        Migration::new(
            version,
            Cow::Borrowed(description),
            MigrationType::Simple,
            SqlStr::from_static(statements),
            begins_none(statements),
        )
    };
    Migrator::with_migrations(steps.iter().map(migration).collect())
}

#[cfg(test)]
mod tests {
    use super::{POSTGRES, SQLITE, Step};

    #[test]
    fn every_file_of_migrations_is_a_step_of_its_number_and_name() {
        for (folder, steps) in [("sqlite", &SQLITE[..]), ("postgres", &POSTGRES[..])] {
            let folder = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            let mut files: Vec<_> = files
                .map(|file| {
                    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
                    (name, std::fs::read_to_string(file).unwrap())
                })
                .collect();
            files.sort();
            let of_step = |&(version, description, statements): &Step| {
                let name = format!("{version:04}_{}", description.replace(' ', "_"));
                (name, statements.to_owned())
            };
            assert_eq!(files, steps.iter().map(of_step).collect::<Vec<_>>());
        }
    }
}
