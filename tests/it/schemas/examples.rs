//! The examples, and databases that are made from them.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::dashboards::repository;
use crate::support::{Cluster, PostgresDatabase, run_tool};

/// Which database it is of.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// Returns the files of the migrations, in order.
    fn steps(self) -> Vec<PathBuf> {
        files(&repository("migrations").join(self.folder()))
    }

    /// Returns the numbers of the migrations, in order.
    pub fn migrations(self) -> Vec<String> {
        self.steps().iter().map(|file| number(file)).collect()
    }
}

/// Returns the files of a folder in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns the number in a file's name.
fn number(file: &Path) -> String {
    file.file_name().unwrap().to_str().unwrap()[..4].to_owned()
}

/// A database as the last version with a schema has written it, as SQL.
pub struct Example {
    pub kind: Kind,
    /// The number of its last migration.
    pub number: String,
    sql: String,
}

impl Display for Example {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "the example {} of {:?}", self.number, self.kind)
    }
}

impl Example {
    /// Returns all examples of one kind, the oldest first.
    pub fn all(kind: Kind) -> impl Iterator<Item = Self> {
        let found = files(&repository("tests/it/schemas").join(kind.folder()));
        assert!(!found.is_empty());
        found.into_iter().map(move |file| Self {
            kind,
            number: number(&file),
            sql: fs::read_to_string(file).unwrap(),
        })
    }

    /// Returns the one of a number, of a SQLite file.
    pub fn of_file(number: &str) -> Self {
        Self::all(Kind::Sqlite).find(|example| example.number == number).unwrap()
    }

    /// Whether it has the schema of this version.
    pub fn is_present(&self) -> bool {
        self.kind.migrations().last() == Some(&self.number)
    }

    /// Makes a database of it.
    pub fn load(&self) -> Database {
        let database = Database::create(self.kind);
        match &database {
            Database::File { path, .. } => self.write(path),
            Database::Server(server) => {
                let steps = self.kind.steps();
                let steps = steps.iter().filter(|step| number(step) <= self.number);
                let mut sql = "set role status;".to_owned();
                sql.extend(steps.map(|step| fs::read_to_string(step).unwrap()));
                Cluster::shared().run(server.name(), &(sql + &self.sql));
            }
        }
        database
    }

    /// Writes it to a SQLite file.
    pub fn write(&self, path: &Path) {
        run_tool("sqlite3", "sqlite3", &["-bail", path.to_str().unwrap()], &self.sql);
    }
}

/// A database of a test.
pub enum Database {
    File { path: PathBuf, _folder: TempDir },
    Server(PostgresDatabase),
}

impl Database {
    /// Makes one with nothing in it.
    pub fn create(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                Self::File { path: folder.path().join("status.db"), _folder: folder }
            }
            Kind::Postgres => Self::Server(PostgresDatabase::create()),
        }
    }

    pub fn url(&self) -> String {
        match self {
            Self::File { path, .. } => format!("sqlite://{}", path.display()),
            Self::Server(server) => server.url(),
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::File { path, .. } => path,
            Self::Server(server) => panic!("{} is no file", server.name()),
        }
    }

    /// Runs a query, and returns the first column of its rows.
    pub fn stored(&self, sql: &'static str) -> Vec<String> {
        match self {
            Self::File { path, .. } => crate::support::stored(path, sql),
            Self::Server(server) => server.stored(sql),
        }
    }

    /// Runs a query of a table that older schemas may lack.
    pub fn stored_if_there(&self, table: &str, sql: &'static str) -> Vec<String> {
        let tables = match self {
            Self::File { .. } => "select name from sqlite_schema",
            Self::Server(_) => "select tablename::text from pg_tables",
        };
        let is_there = self.stored(tables).iter().any(|it| it == table);
        if is_there { self.stored(sql) } else { Vec::new() }
    }
}

/// Writes a SQLite file as SQL.
pub fn dump(path: &Path) -> String {
    run_tool("sqlite3", "sqlite3", &["-readonly", path.to_str().unwrap(), ".dump"], "")
}

/// Writes the example of the present schema to a file that can be kept, and returns its path.
pub fn write_present(database: &Database, kind: Kind) -> PathBuf {
    let number = kind.migrations().pop().unwrap();
    let text = match database {
        Database::File { path, .. } => {
            // The mark of our files is not in the schema.
            "pragma application_id = 1735619699;\n".to_owned() + &dump(path)
        }
        Database::Server(server) => rows_of(server),
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemas").join(kind.folder());
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(number + ".sql");
    fs::write(&file, text).unwrap();
    file
}

/// Returns the rows of a PostgreSQL database, for tables that the migrations have made. Replicas and their
/// leases outlive no restart of the server.
fn rows_of(server: &PostgresDatabase) -> String {
    let options = ["--data-only", "--column-inserts", "--exclude-table-data=replicas"];
    let more = ["--exclude-table-data=leases", "--exclude-table-data=_sqlx_migrations"];
    let url = server.url();
    let dump = run_tool("pg_dump", "postgresql", &[&options[..], &more, &[&url]].concat(), "");
    let is_statement = |line: &&str| {
        let is_setting = line.starts_with("SET ") || line.contains("set_config");
        !(is_setting || line.is_empty() || line.starts_with("--") || line.starts_with('\\'))
    };
    let rows = dump.lines().filter(is_statement).map(|line| line.to_owned() + "\n");
    let steps = server.stored(
        "select format('insert into _sqlx_migrations values (%s, %L, %L, true, %L, 0);', \
         version, description, installed_on, checksum) from _sqlx_migrations order by version",
    );
    let steps = steps.into_iter().map(|line| line + "\n");
    MADE_BY_SQLX.to_owned() + &steps.collect::<String>() + &rows.collect::<String>()
}

/// The table of the migrations, which sqlx makes, and what the first migration has put into others.
const MADE_BY_SQLX: &str = "\
create table _sqlx_migrations (
    version bigint primary key,
    description text not null,
    installed_on timestamptz not null default now(),
    success boolean not null,
    checksum bytea not null,
    execution_time bigint not null
);
delete from meta;
delete from commits;
";
