//! The program's start on PostgreSQL: how it logs in, and how it ends if it cannot.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{
    Authority, Cluster, PASSWORD, PostgresDatabase, Process, ROLE, free_address, report, wait_until,
};

/// The URL of a database on the shared server without a password.
fn url(database: &PostgresDatabase) -> String {
    format!("postgres://{ROLE}@127.0.0.1:{}/{}", Cluster::shared().port(), database.name())
}

fn write_secret(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Starts a program that cannot start, and returns its status and its output.
fn failed(url: &str) -> (Option<i32>, String) {
    let (status, said) = Process::run_to_end(&mut Process::command_on(url));
    (status.code(), said)
}

#[test]
fn the_password_comes_from_each_of_its_places() {
    let database = PostgresDatabase::create();
    let folder = tempfile::tempdir().unwrap();
    let [only, for_many, home] = ["password", "passfile", ".pgpass"].map(|n| folder.path().join(n));
    write_secret(&only, &format!("{PASSWORD}\n"));
    let line = format!("127.0.0.1:*:{}:{ROLE}:{PASSWORD}\n", database.name());
    write_secret(&for_many, &line);
    write_secret(&home, &line);
    for (variable, value) in [
        ("PGPASSWORD", OsStr::new(PASSWORD)),
        ("PGPASSFILE", for_many.as_os_str()),
        ("HOME", folder.path().as_os_str()),
        ("GITOPS_STATUS_DATABASE_PASSWORD_FILE", only.as_os_str()),
    ] {
        Process::run(Process::command_on(&url(&database)).env(variable, value));
    }
    let mut command = Process::command_on(&url(&database));
    Process::run(command.arg("--database-password-file").arg(&only));
    let by_parameter = format!("{}?passfile={}", url(&database), for_many.display());
    Process::run(&mut Process::command_on(&by_parameter));
    Process::run(&mut Process::command_on(&database.url()));
}

#[test]
fn a_file_of_passwords_that_others_may_read_stops_the_start() {
    let database = PostgresDatabase::create();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".pgpass");
    fs::write(&path, format!("*:*:*:*:{PASSWORD}")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let mut command = Process::command_on(&url(&database));
    let (status, said) = Process::run_to_end(command.env("HOME", folder.path()));
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains(".pgpass: others may read it; set its mode to 0600"), "{said}");
}

#[test]
fn a_login_that_fails_ends_the_start_with_74_and_shows_no_password() {
    let database = PostgresDatabase::create();
    let port = Cluster::shared().port();
    let (name, closed) = (database.name(), free_address().port());
    for (url, words) in [
        (
            format!("postgres://{ROLE}:hunter2@127.0.0.1:{port}/{name}"),
            r#"password authentication failed for user "status""#,
        ),
        (url(&database), "(no password is configured)"),
        (
            format!("postgres://{ROLE}:hunter2@127.0.0.1:{closed}/{name}"),
            "Connection refused (os error 111)",
        ),
        (database.url().replace(name, "missing"), r#"database "missing" does not exist"#),
        (
            format!("postgres://{ROLE}:hunter2@localhost:{port}/{name}?sslmode=verify-full"),
            "server does not support TLS (set ssl = on there",
        ),
    ] {
        let (status, said) = failed(&url);
        assert_eq!(status, Some(74), "{url}: {said}");
        assert!(said.contains(words), "{url}: {said}");
        assert!(said.contains("cannot be opened: "), "{url}: {said}");
        assert!(!said.contains("hunter2") && !said.contains(PASSWORD), "{said}");
    }
}

#[test]
fn a_server_that_may_lose_updates_ends_the_start_with_65_and_a_way_out() {
    let database = PostgresDatabase::create();
    let name = database.name();
    let sql = format!("alter database {name} set synchronous_commit = off");
    Cluster::shared().run("postgres", &sql);
    let (status, said) = failed(&database.url());
    assert_eq!(status, Some(65), "{said}");
    assert!(said.contains("synchronous_commit is off"), "{said}");
    assert!(said.contains("Set synchronous_commit to on"), "{said}");
}

#[test]
fn a_dead_host_in_front_of_the_primary_does_not_keep_the_program_from_starting() {
    let database = PostgresDatabase::create();
    let (closed, port) = (free_address().port(), Cluster::shared().port());
    let hosts = format!("127.0.0.1:{closed},127.0.0.1:{port}");
    let url = database.url().replace(&format!("127.0.0.1:{port}"), &hosts);
    Process::run(&mut Process::command_on(&url)).accept(report("r", "s", "SYNCED", &[]));
}

#[test]
fn the_program_speaks_tls_with_a_server_whose_certificate_names_it() {
    let authority = Authority::new("ours");
    let (certificate, key) = authority.signed("localhost");
    let cluster = Cluster::start_in_tls(&certificate, &key);
    cluster.run("postgres", &format!("create database {ROLE} owner {ROLE}"));
    let url = cluster.url(ROLE).replace("127.0.0.1", "localhost");
    let root = authority.file().display().to_string();
    let process = Process::run(&mut Process::command_on(&format!("{url}?sslrootcert={root}")));
    process.accept(report("r", "s", "SYNCED", &[]));
    let sessions = "select bool_and(ssl)::text from pg_stat_ssl join pg_stat_activity using (pid) \
                    where application_name = 'gitops-status-server'";
    assert_eq!(cluster.stored("postgres", sessions), ["true"]);
    drop(process);
    let (status, said) = failed(&format!("{url}?sslmode=verify-full"));
    assert_eq!(status, Some(74), "{said}");
    assert!(said.contains("its authority is not trusted"), "{said}");
}

#[test]
fn a_password_is_rotated_without_a_restart() {
    let cluster = Cluster::start("");
    cluster.run("postgres", &format!("create database {ROLE} owner {ROLE}"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    write_secret(&file, PASSWORD);
    let url = format!("postgres://{ROLE}@127.0.0.1:{}/{ROLE}", cluster.port());
    let mut command = Process::command_on(&url);
    let process = Process::run(command.arg("--database-password-file").arg(&file));
    process.accept(report("r", "s", "SYNCED", &[]));
    write_secret(&file, "another");
    cluster.run("postgres", &format!("alter role {ROLE} password 'another'"));
    let end = format!(
        "select pg_terminate_backend(pid)::text from pg_stat_activity where usename = '{ROLE}'"
    );
    cluster.stored("postgres", &end);
    wait_until("updates are stored again", || {
        process.post(report("r", "s", "OUT_OF_SYNC", &["a"])).status == 200
    });
    assert_eq!(process.get("/status.json").text().matches("OUT_OF_SYNC").count(), 1);
}

#[test]
fn a_certificate_of_the_program_takes_the_place_of_a_password() {
    let authority = Authority::new("ours");
    let (certificate, key) = authority.signed("localhost");
    let root = fs::read_to_string(authority.file()).unwrap();
    let access = "local all all trust\n\
                  hostssl all all 127.0.0.1/32 cert\n\
                  hostssl all all ::1/128 cert\n";
    let files = [
        ("server.crt", certificate.as_str()),
        ("server.key", &key),
        ("root.crt", &root),
        ("pg_hba.conf", access),
    ];
    let cluster = Cluster::start_with_files("ssl = on\nssl_ca_file = 'root.crt'\n", &files);
    cluster.run("postgres", &format!("create database {ROLE} owner {ROLE}"));
    let folder = tempfile::tempdir().unwrap();
    let [own, own_key] = ["own.crt", "own.key"].map(|name| folder.path().join(name));
    let (certificate, key) = authority.signed(ROLE);
    fs::write(&own, certificate).unwrap();
    fs::write(&own_key, key).unwrap();
    let url = format!(
        "postgres://{ROLE}@localhost:{}/{ROLE}?sslrootcert={}",
        cluster.port(),
        authority.file().display()
    );
    let with_own = format!("{url}&sslcert={}&sslkey={}", own.display(), own_key.display());
    Process::run(&mut Process::command_on(&with_own)).accept(report("r", "s", "SYNCED", &[]));
    let (status, said) = failed(&url);
    assert_eq!(status, Some(74), "{said}");
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn the_program_starts_by_a_socket_and_warns_that_the_server_does_not_sync() {
    let (cluster, database) = (Cluster::shared(), PostgresDatabase::create());
    let (folder, port, name) = (cluster.socket_folder().display(), cluster.port(), database.name());
    let url = format!("postgres:///{name}?host={folder}&port={port}&user={ROLE}");
    let process = Process::run(&mut Process::command_on(&url));
    process.accept(report("r", "s", "SYNCED", &[]));
    let log = process.log();
    assert!(
        log.contains(&format!("Database: {name} on {folder}/.s.PGSQL.{port}; PostgreSQL ")),
        "{log}"
    );
    assert!(log.contains("without TLS") && log.contains("WARN ] fsync is off at "), "{log}");
    let again = Process::run(&mut Process::command_on(&url));
    assert!(!again.log().contains("already exists"), "{}", again.log());
}

/// No server is at that address, which is reserved for documents.
#[test]
fn the_log_warns_of_each_mode_that_lets_others_on_the_network_in() {
    for (mode, words) in [
        ("?connect_timeout=1", None),
        ("?connect_timeout=1&sslmode=verify-full", None),
        (
            "?connect_timeout=1&sslmode=verify-ca",
            Some("the name in the certificate is not checked"),
        ),
        ("?connect_timeout=1&sslmode=require", Some("its certificate is not checked")),
        ("?connect_timeout=1&sslmode=prefer", Some("may read and change what is sent")),
        ("?connect_timeout=1&sslmode=disable", Some("may read and change what is sent")),
    ] {
        let (status, said) = failed(&format!("postgres://u:hunter2@192.0.2.1/d{mode}"));
        assert_eq!(status, Some(74), "{mode}: {said}");
        let warning = said.contains("WARN ] The connection to the database is not safe: sslmode=");
        assert_eq!(warning, words.is_some(), "{mode}: {said}");
        assert!(words.is_none_or(|words| said.contains(words)), "{mode}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn what_pgoptions_would_spoil_is_refused() {
    let database = PostgresDatabase::create();
    let mut command = Process::command_on(&database.url());
    let (status, said) = Process::run_to_end(command.env("PGOPTIONS", "-c synchronous_commit=off"));
    assert_eq!(status.code(), Some(65), "{said}");
    assert!(said.contains("synchronous_commit is off"), "{said}");
}

#[test]
fn the_password_is_not_in_the_log_at_any_level() {
    let database = PostgresDatabase::create();
    let mut command = Process::command_on(&url(&database));
    let process = Process::run(command.env("PGPASSWORD", PASSWORD).env("RUST_LOG", "trace"));
    process.accept(report("r", "s", "SYNCED", &[]));
    assert!(process.log().contains("TRACE"), "the level is in force");
    assert!(!process.log().contains(PASSWORD));
    assert!(!process.get("/metrics").text().contains(PASSWORD));
}

#[test]
fn the_role_and_the_database_of_the_documents_are_enough() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/postgres.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, sql) = page.split_once("```sql\n").unwrap();
    let (sql, _) = sql.split_once("```").unwrap();
    let cluster = Cluster::start("");
    cluster.run("postgres", &format!("drop role {ROLE}"));
    // `create database` must be alone.
    sql.lines().for_each(|line| cluster.run("postgres", line));
    let url = format!("postgres://status:...@127.0.0.1:{}/status", cluster.port());
    let mut process = Process::run(&mut Process::command_on(&url));
    process.accept(report("r", "s", "SYNCED", &[]));
    assert_eq!(process.terminate().code(), Some(0));
    Process::run(&mut Process::command_on(&url));
}
