//! How the program logs in at PostgreSQL, and what it refuses there.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use gitops_status_server::store::postgres::{
    ConnectError, Host, Login, LoginFiles, Session, SessionLimits, Target, Tls,
};
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio::runtime::{Builder, Runtime};

use crate::support::{
    Authority, Cluster, PASSWORD, PATIENCE, Pair, PostgresDatabase, REPLICATED, ROLE, eventually,
    free_address,
};

const LIMITS: SessionLimits = SessionLimits {
    statement: Duration::from_secs(7),
    lock: Duration::from_millis(6500),
    idle_in_transaction: Duration::from_secs(8),
};

fn login(hosts: Vec<Host>, database: &str) -> Login {
    Login {
        hosts,
        tls: Tls::IfOffered,
        user: ROLE.to_owned(),
        database: database.to_owned(),
        application_name: "gitops-status-server".to_owned(),
        connect_timeout: Duration::from_secs(10),
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn files(password: Option<&str>) -> impl Fn(&Host) -> Result<LoginFiles, String> + use<> {
    let password = password.map(str::to_owned);
    move |_| Ok(LoginFiles { password: password.clone(), ..LoginFiles::default() })
}

fn connect(login: Login) -> Result<Session, ConnectError> {
    runtime().block_on(Target::new(login, files(Some(PASSWORD))).connect(&LIMITS))
}

fn tcp(cluster: &Cluster) -> Host {
    Host::Tcp("127.0.0.1".to_owned(), cluster.port())
}

/// A port that accepts connections and says nothing.
fn black_hole() -> (TcpListener, Host) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Host::Tcp("127.0.0.1".to_owned(), port))
}

#[test]
fn a_session_has_its_limits_also_by_a_socket() {
    let (cluster, database) = (Cluster::shared(), PostgresDatabase::create());
    let socket = Host::Socket(cluster.socket_folder().to_owned(), cluster.port());
    for host in [tcp(cluster), socket] {
        runtime().block_on(async {
            let target = Target::new(login(vec![host], database.name()), files(Some(PASSWORD)));
            let mut session = target.connect(&LIMITS).await.unwrap();
            for (setting, value) in [
                ("statement_timeout", "7s"),
                ("lock_timeout", "6500ms"),
                ("idle_in_transaction_session_timeout", "8s"),
                ("application_name", "gitops-status-server"),
            ] {
                let sql = AssertSqlSafe(format!("show {setting}"));
                let row = sqlx::query(sql).fetch_one(&mut session.connection).await.unwrap();
                assert_eq!(row.get::<String, _>(0), value, "{setting}");
            }
            assert!(!session.server.is_encrypted);
            assert!(!session.server.syncs, "the tests run without syncs");
            session.connection.close().await.unwrap();
        });
    }
}

#[test]
fn hosts_that_are_gone_or_silent_are_passed_by_and_the_primary_is_remembered() {
    let (cluster, database) = (Cluster::shared(), PostgresDatabase::create());
    let closed = free_address().port();
    let closed = Host::Tcp("127.0.0.1".to_owned(), closed);
    let (listener, silent) = black_hole();
    let mut login = login(vec![closed, silent, tcp(cluster)], database.name());
    login.connect_timeout = Duration::from_secs(5);
    let target = Target::new(login, files(Some(PASSWORD)));
    runtime().block_on(async {
        for _ in 0..2 {
            let session = target.connect(&LIMITS).await.unwrap();
            assert_eq!(session.host, tcp(cluster));
            session.connection.close().await.unwrap();
        }
    });
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.incoming().map_while(Result::ok).count(), 1, "it was asked once");
}

#[test]
fn each_host_that_does_not_take_the_program_is_named_with_the_reason() {
    let (_listener, silent) = black_hole();
    let closed = free_address().port();
    let closed = Host::Tcp("127.0.0.1".to_owned(), closed);
    let mut login = login(vec![closed.clone(), silent.clone()], "x");
    login.connect_timeout = Duration::from_millis(50);
    let expected =
        format!("{closed}: Connection refused (os error 111); {silent}: no answer within 50ms");
    // A busy machine may need longer than that to learn that a port is closed.
    let named = || {
        let said = connect(login.clone()).unwrap_err().to_string();
        if said == expected { Ok(()) } else { Err(said) }
    };
    assert_eq!(eventually(PATIENCE, named), Ok(()));
}

#[test]
fn a_wrong_password_is_named_but_not_shown() {
    let database = PostgresDatabase::create();
    let login = login(vec![tcp(Cluster::shared())], database.name());
    let target = Target::new(login.clone(), files(Some("wrong secret")));
    let error = runtime().block_on(target.connect(&LIMITS)).unwrap_err();
    let said = format!("{error} {error:?} {target:?}");
    assert!(said.contains(r#"password authentication failed for user "status""#), "{said}");
    assert!(!said.contains("secret"), "{said}");
    let none = Target::new(login, files(None));
    let error = runtime().block_on(none.connect(&LIMITS)).unwrap_err().to_string();
    assert!(error.ends_with("(no password is configured)"), "{error}");
}

#[test]
fn a_standby_and_a_server_without_writes_are_passed_by() {
    let primary = Cluster::start(REPLICATED);
    primary.run("postgres", &format!("create database {ROLE} owner {ROLE}"));
    let standby = primary.standby();
    let session = connect(login(vec![tcp(&standby), tcp(&primary)], ROLE)).unwrap();
    assert_eq!(session.host, tcp(&primary));
    let error = connect(login(vec![tcp(&standby)], ROLE)).unwrap_err().to_string();
    assert!(error.contains("it is a standby, or takes no writes"), "{error}");
    primary.run("postgres", &format!("alter role {ROLE} set default_transaction_read_only = on"));
    let error = connect(login(vec![tcp(&primary)], ROLE)).unwrap_err().to_string();
    assert!(error.contains("it is a standby, or takes no writes"), "{error}");
}

#[test]
fn a_server_that_may_lose_what_it_confirms_is_refused() {
    let database = PostgresDatabase::create();
    let connect = || connect(login(vec![tcp(Cluster::shared())], database.name()));
    let set = |value: &str| {
        let name = database.name();
        let sql = format!("alter database {name} set synchronous_commit = {value}");
        Cluster::shared().run("postgres", &sql);
    };
    for value in ["off", "local", "remote_write"] {
        set(value);
        let error = connect().unwrap_err().to_string();
        let reason =
            format!("synchronous_commit is {value}, so that a confirmed update could be lost");
        assert!(error.contains(&reason), "{error}");
        assert!(error.contains("Set synchronous_commit to on"), "{error}");
    }
    for value in ["on", "remote_apply"] {
        set(value);
        connect().unwrap();
    }
}

#[test]
fn a_database_that_has_no_place_for_every_character_is_refused() {
    let cluster = Cluster::shared();
    let sql = format!(
        "create database ascii owner {ROLE} encoding 'SQL_ASCII' template template0 \
         locale 'C' locale_provider libc"
    );
    cluster.run("postgres", &sql);
    let error = connect(login(vec![tcp(cluster)], "ascii")).unwrap_err().to_string();
    assert!(error.contains("the encoding of the database is SQL_ASCII"), "{error}");
    assert!(error.contains("Create the database with encoding UTF8"), "{error}");
}

#[test]
fn a_certificate_is_checked_as_far_as_the_mode_says() {
    let (authority, foreign) = (Authority::new("ours"), Authority::new("foreign"));
    let (certificate, key) = authority.signed("localhost");
    let cluster = Cluster::start_in_tls(&certificate, &key);
    let named = |name: &str| Host::Tcp(name.to_owned(), cluster.port());
    let try_with = |name: &str, tls: Tls, roots: &Authority| {
        let roots = fs::read(roots.file()).unwrap();
        let files = move |_: &Host| {
            let password = Some(PASSWORD.to_owned());
            let root_certificates = Some(roots.clone());
            Ok(LoginFiles { password, root_certificates, ..LoginFiles::default() })
        };
        let target = Target::new(Login { tls, ..login(vec![named(name)], "postgres") }, files);
        runtime().block_on(target.connect(&LIMITS))
    };
    for (name, tls, roots, reason) in [
        ("localhost", Tls::TrustedHost, &authority, None),
        (
            "localhost",
            Tls::TrustedHost,
            &foreign,
            Some("sslrootcert names a PEM file of authorities"),
        ),
        ("127.0.0.1", Tls::TrustedHost, &authority, Some("certificate not valid for name")),
        ("127.0.0.1", Tls::TrustedAuthority, &authority, None),
        ("127.0.0.1", Tls::TrustedAuthority, &foreign, Some("UnknownIssuer")),
        ("127.0.0.1", Tls::AnyCertificate, &foreign, None),
        ("127.0.0.1", Tls::IfOffered, &foreign, None),
    ] {
        match (try_with(name, tls, roots), reason) {
            (Ok(session), None) => assert!(session.server.is_encrypted),
            (Err(error), Some(reason)) => {
                assert!(error.to_string().contains(reason), "{name} {tls:?}: {error}");
            }
            (outcome, _) => panic!("{name} {tls:?}: {outcome:?}"),
        }
    }
    assert!(!try_with("127.0.0.1", Tls::Off, &foreign).unwrap().server.is_encrypted);
}

#[test]
fn a_certificate_that_signed_itself_or_none_is_refused_with_a_way_out() {
    let pair = Pair::signed_by_itself("localhost");
    let [certificate, key] = [pair.certificate_file(), pair.key_file()];
    let [certificate, key] = [certificate, key].map(|file| fs::read_to_string(file).unwrap());
    let cluster = Cluster::start_in_tls(&certificate, &key);
    for (port, reason) in [
        (cluster.port(), "its authority is not trusted"),
        (Cluster::shared().port(), "server does not support TLS (set ssl = on there"),
    ] {
        let hosts = vec![Host::Tcp("localhost".to_owned(), port)];
        let login = Login { tls: Tls::TrustedHost, ..login(hosts, "postgres") };
        let error = connect(login).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
