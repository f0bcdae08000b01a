//! `export` and `import`: everything of a database as lines of JSON, and back.

pub mod everything;
mod postgres;
mod refused;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::{NamedTempFile, TempDir};

use crate::support::{
    Cluster, OLDER, PostgresDatabase, Process, TestApp, database_url, report, run_sql, run_tool,
    stored, wait_until,
};
use everything::with_everything;

const NO_ARGUMENTS: &[&str] = &[];

/// A file or a URL that names a database.
trait Database {
    fn url(&self) -> String;

    /// Makes an imported database expire as if it had never been elsewhere.
    fn forget_import(&self);
}

const FORGET_IMPORT: &str = "update meta set restored_at = null";

impl Database for Path {
    fn url(&self) -> String {
        format!("sqlite://{}", self.display())
    }

    fn forget_import(&self) {
        run_sql(self, FORGET_IMPORT);
    }
}

impl Database for PathBuf {
    fn url(&self) -> String {
        self.as_path().url()
    }

    fn forget_import(&self) {
        self.as_path().forget_import();
    }
}

impl Database for PostgresDatabase {
    fn url(&self) -> String {
        self.url()
    }

    fn forget_import(&self) {
        Cluster::shared().run(self.name(), FORGET_IMPORT);
    }
}

fn command(words: &[&str], database: &(impl Database + ?Sized)) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().args(words);
    command.arg("--database-url").arg(database.url());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command; returns its status, its standard output and its standard error.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}

/// Exports a database to standard output.
fn export(database: &(impl Database + ?Sized)) -> String {
    let (status, text, said) = run(&mut command(&["export"], database));
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with("Exported store ") && said.lines().count() == 1, "{said}");
    text
}

fn import(file: &Path, database: &(impl Database + ?Sized)) -> (Option<i32>, String, String) {
    run(&mut command(&["import", file.to_str().unwrap()], database))
}

/// Imports a text, which has to succeed.
fn import_text(text: &str, database: &(impl Database + ?Sized)) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let (status, said, error) = import(file.path(), database);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{said}");
    assert!(said.starts_with("Imported store ") && said.lines().count() == 1, "{said}");
}

/// What is in an export besides where and when it was made.
fn records(export: &str) -> Vec<&str> {
    let lines: Vec<_> = export.lines().collect();
    lines[1..lines.len() - 1].to_vec()
}

/// Makes a database with some entries, transitions and sightings, cleanly closed.
fn filled() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.db");
    let mut server = Process::start(&path, NO_ARGUMENTS);
    for number in 0..50 {
        let server_name = format!("server-{number:02}");
        server.accept(report("repo", &server_name, "OUT_OF_SYNC", &["a.conf"]));
        server.accept(report("repo", &server_name, "OUT_OF_SYNC", &["a.conf", "b.conf"]));
    }
    assert_eq!(server.terminate().code(), Some(0));
    (folder, path)
}

/// Everything that a client can ask of entries and their past.
const ASKED: [&str; 9] = [
    "/status.json",
    "/status.json?flat=true&sort=-updated_at",
    "/status.csv",
    "/api/history?limit=1000",
    "/api/history?limit=2",
    "/api/history?limit=1000&flat=true",
    "/api/timeline?from=now-30d",
    "/api/summary",
    "/api/files",
];

/// Asserts that two servers come to the same answers.
fn assert_alike(old: &TestApp, new: &TestApp) {
    for path in ASKED {
        assert_eq!(old.get(path).status, 200, "{path}");
        wait_until(&format!("{path} is the same bytes"), || {
            let (old, new) = (old.get(path), new.get(path));
            old.text() == new.text() && old.header("ETag") == new.header("ETag")
        });
    }
    let expired = |app: &TestApp| {
        let metrics = app.get("/metrics").text();
        let lines = metrics.lines().filter(|line| line.contains("_expired_drifted{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    wait_until("the same entries have expired", || expired(old) == expired(new));
}

/// Starts the application on a database, at the same time by its clock in each call. Only when entries
/// expire depends on the import.
fn served(database: &(impl Database + ?Sized), later: Duration) -> TestApp {
    database.forget_import();
    let app = TestApp::with(|config| config.database_url = database_url(&database.url()));
    let app = app.restart_after(later);
    app.advance(Duration::from_hours(1));
    app
}

const DAYS: Duration = Duration::from_hours(24 * 3);

#[test]
fn an_imported_database_gives_the_same_answers_as_the_exported_one() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new] = ["old.db", "new.db"].map(|name| folder.path().join(name));
    let exported = with_everything(&old);
    import_text(&exported, &new);
    assert_eq!(records(&export(&new)), records(&exported));
    assert_alike(&served(&old, DAYS), &served(&new, DAYS));
    let store_id = |path: &Path| stored(path, "select store_id from meta");
    assert_ne!(store_id(&old), store_id(&new));
}

#[test]
fn a_busy_server_is_exported_as_it_is_at_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Process::demo(folder.path(), &["--speed=600"]);
    let made = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let database = made.join("demo.db");
    let first = export(&database);
    let mut second = String::new();
    wait_until("the fleet has reported more", || {
        second = export(&database);
        records(&second) != records(&first)
    });
    import_text(&second, &folder.path().join("meanwhile.db"));
    assert_eq!(demo.log(), "", "the server minds no export");
    demo.kill();

    // What came last is in the log of the database.
    let exported = export(&database);
    let new = folder.path().join("new.db");
    import_text(&exported, &new);
    assert!(exported.lines().count() > 5000);
    assert_eq!(records(&export(&new)), records(&exported));
    let since_start = std::time::UNIX_EPOCH.elapsed().unwrap() - Duration::from_secs(1_776_767_535);
    assert_alike(&served(&database, since_start), &served(&new, since_start));
}

#[test]
fn an_export_goes_through_a_pipe_into_an_import() {
    let (folder, path) = filled();
    let new = folder.path().join("new.db");
    let mut exporting = command(&["export"], &path).spawn().unwrap();
    let mut importing = command(&["import", "-"], &new);
    let (status, _, error) = run(importing.stdin(exporting.stdout.take().unwrap()));
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert!(exporting.wait().unwrap().success());
    assert_eq!(records(&export(&new)), records(&export(&path)));
}

#[test]
fn an_export_is_written_to_a_pipe_with_a_name_and_to_a_device() {
    let (folder, path) = filled();
    let (pipe, new) = (folder.path().join("pipe"), folder.path().join("new.db"));
    let pipe = pipe.to_str().unwrap();
    run_tool("mkfifo", "coreutils", &[pipe], "");
    let exporting = command(&["export", pipe], &path).spawn().unwrap();
    let (status, _, error) = run(&mut command(&["import", pipe], &new));
    assert_eq!((status, error.as_str()), (Some(0), ""));
    let exported = exporting.wait_with_output().unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    assert_eq!(records(&export(&new)), records(&export(&path)));
    let (status, _, said) = run(&mut command(&["export", "/dev/null"], &path));
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn an_import_fills_the_empty_database_of_a_server_that_was_started_once() {
    let (folder, path) = filled();
    let exported = export(&path);
    let new = folder.path().join("new.db");
    assert_eq!(Process::start(&new, NO_ARGUMENTS).terminate().code(), Some(0));
    fs::set_permissions(&new, Permissions::from_mode(0o640)).unwrap();
    let before = stored(&new, "select store_id from meta");
    import_text(&exported, &new);
    assert_ne!(stored(&new, "select store_id from meta"), before);
    assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o640);
    let server = Process::start(&new, NO_ARGUMENTS);
    assert_eq!(server.list("").len(), 50);
    server.accept(report("repo", "later", "SYNCED", &[]));
    let history = server.get("/api/history?limit=1000").json();
    assert_eq!(history["items"].as_array().unwrap().len(), 101, "the next id is free");
}

#[test]
fn an_edited_export_is_imported_once_its_digest_is_taken_out() {
    let (folder, path) = filled();
    let edited = export(&path).replace("\"repo\":\"repo\"", "\"repo\":\"renamed\"");
    let file = folder.path().join("edited.jsonl");
    let new = folder.path().join("new.db");
    fs::write(&file, &edited).unwrap();
    let (status, _, error) = import(&file, &new);
    assert_eq!(status, Some(65), "{error}");
    assert!(error.contains("not what was exported (sha256)"), "{error}");
    let (kept, digest) = edited.split_once(",\"sha256\"").unwrap();
    assert_eq!(digest.lines().count(), 1);
    import_text(&format!("{kept}}}}}"), &new);
    assert!(export(&new).contains("\"repo\":\"renamed\""));
}

#[test]
fn an_export_to_a_file_replaces_it_only_by_a_whole_one() {
    let (folder, path) = filled();
    let file = folder.path().join("backup.jsonl");
    let to_file =
        |database: &Path| run(&mut command(&["export", file.to_str().unwrap()], database));
    fs::write(&file, "the one before").unwrap();
    let missing = folder.path().join("missing.db");
    let (status, _, error) = to_file(&missing);
    assert_eq!(status, Some(74), "{error}");
    assert!(error.contains("there is no such file"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "the one before");
    let (status, output, said) = to_file(&path);
    assert_eq!((status, output.as_str()), (Some(0), ""), "{said}");
    assert_eq!(records(&fs::read_to_string(&file).unwrap()), records(&export(&path)));

    // The root of the entries.
    let root = "select rootpage || '' from sqlite_schema where name = 'entries'";
    let page: usize = stored(&path, root)[0].parse().unwrap();
    let mut content = fs::read(&path).unwrap();
    content[(page - 1) * 4096..page * 4096].fill(0);
    fs::write(&path, content).unwrap();
    let before = fs::read(&file).unwrap();
    let (status, _, error) = to_file(&path);
    assert_eq!(status, Some(65), "{error}");
    assert!(error.contains("its entries are damaged"), "{error}");
    assert!(fs::read(&file).unwrap() == before);
    assert!(!folder.path().join("backup.jsonl.unfinished").exists());
}

#[test]
fn an_export_to_a_symbolic_link_replaces_the_file_that_it_leads_to() {
    let (folder, path) = filled();
    let place = |name: &str| folder.path().join(name);
    fs::create_dir(place("exports")).unwrap();
    fs::write(place("exports/today.jsonl"), "the one before").unwrap();
    let to = |link: &str| run(&mut command(&["export", place(link).to_str().unwrap()], &path));
    symlink("exports/today.jsonl", place("latest.jsonl")).unwrap();
    let (status, _, said) = to("latest.jsonl");
    assert_eq!(status, Some(0), "{said}");
    assert!(place("latest.jsonl").is_symlink());
    let exported = fs::read_to_string(place("exports/today.jsonl")).unwrap();
    assert_eq!(records(&exported), records(&export(&path)));
    assert_eq!(fs::read_dir(place("exports")).unwrap().count(), 1);
    symlink("exports/missing.jsonl", place("broken.jsonl")).unwrap();
    let (status, _, said) = to("broken.jsonl");
    assert_eq!(status, Some(74), "{said}");
    assert!(said.contains("broken.jsonl: No such file"), "{said}");
}

#[test]
fn progress_is_shown_on_a_terminal_and_nowhere_else() {
    let (folder, path) = filled();
    let exported = export(&path);
    import_text(&exported, &folder.path().join("quiet.db"));
    let file = folder.path().join("whole.jsonl");
    fs::write(&file, &exported).unwrap();
    let program = env!("CARGO_BIN_EXE_gitops-status-server");
    let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    for (words, verb) in [
        (format!("import {} --database-url {}", file.display(), url("new.db")), "Importing"),
        (format!("export {} --database-url {}", file.display(), url("status.db")), "Exporting"),
    ] {
        let shown = run_tool(
            "script",
            "bsdutils",
            &["--quiet", "--return", "--command", &format!("{program} {words}"), "/dev/null"],
            "",
        );
        assert!(shown.contains(&format!("\r{verb} 100% (150 of 150)\r\u{1b}[K")), "{shown:?}");
        assert!(shown.contains("entries: 50, transitions: 100, outages: 0"), "{shown:?}");
    }
}
