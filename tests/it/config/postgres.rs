//! The settings of a PostgreSQL database, from outside.

use super::run::Run;
use super::{check_config, origin};

/// The shown URL of a given one.
fn shown(url: &str) -> String {
    shown_with(url, &[])
}

/// The shown URL of a given one in an environment.
fn shown_with(url: &str, environment: &[(&str, &str)]) -> String {
    let run = check_config().word("--database-url").word(url);
    // Its files must be there.
    let run = run.file("ca.pem", "-----BEGIN CERTIFICATE-----").file("a", "").file("b", "");
    let run = environment.iter().fold(run, |run, (name, value)| run.env(name, value));
    run.checked().1["database_url"].as_str().unwrap().to_owned()
}

#[test]
fn a_url_of_postgresql_is_shown_without_its_password_and_can_be_read_again() {
    for (url, expected) in [
        ("postgres://u@h/d", "postgres://u@h/d"),
        ("postgresql://u@h", "postgres://u@h"),
        ("POSTGRES://u:secret@h:5433/d", "postgres://u:***@h:5433/d"),
        ("postgres://u@h1,h2:5433,[::1]:5434/d", "postgres://u@h1,h2:5433,[::1]:5434/d"),
        ("postgres://u:s%40%3Acret@h/d", "postgres://u:***@h/d"),
        ("postgres://u%40x@h/a%20b", "postgres://u%40x@h/a%20b"),
        ("postgres://u@%2Frun%2Fpg:5433/d", "postgres://u@%2Frun%2Fpg:5433/d"),
        ("postgres:///d?host=/run/pg&user=u", "postgres://u@%2Frun%2Fpg/d"),
        ("postgres:///?dbname=d&host=h1,h2&port=1,2&user=u", "postgres://u@h1:1,h2:2/d"),
        ("postgres://u@h1,h2/d?port=5433", "postgres://u@h1:5433,h2:5433/d"),
        ("postgres://h/d?user=u&password=secret", "postgres://u:***@h/d"),
        (
            "postgres://u@h/d?sslmode=verify-full&sslrootcert=./ca.pem&connect_timeout=5",
            "postgres://u@h/d?sslmode=verify-full&sslrootcert=./ca.pem&connect_timeout=5",
        ),
        ("postgres://u@h/d?target_session_attrs=read-write", "postgres://u@h/d"),
        ("postgres://u@h/d?sslmode=&port=", "postgres://u@h/d"),
        (
            "postgres://u@h/d?sslcert=a&sslkey=b&application_name=d%26e",
            "postgres://u@h/d?sslcert=a&sslkey=b&application_name=d%26e",
        ),
    ] {
        assert_eq!(shown(url), expected, "{url}");
        assert_eq!(shown(expected), expected);
    }
}

#[test]
fn a_wrong_url_of_postgresql_stops_the_start_and_says_what_is_accepted() {
    for (url, words) in [
        ("postgres:u@h/d", "expected two slashes"),
        ("postgres://u@h/d?sslmod=require", "unknown parameter sslmod (did you mean sslmode?)"),
        (
            "postgres://u@h/d?keepalives=1",
            "a parameter is not known; known ones: application_name,",
        ),
        ("postgres://u@h/d?sslmode", "a parameter has no ="),
        ("postgres://u@h/d?sslmode=allow", "expected verify-full, verify-ca, require, prefer"),
        ("postgres://u@h/d?user=v", "user: given twice"),
        ("postgres://u@h/d?host=i", "host: given twice"),
        ("postgres://u@h/d?dbname=e", "dbname: given twice"),
        ("postgres://u@h/d?connect_timeout=0", "a whole number from 1 to 60 (seconds)"),
        ("postgres://u@h/d?target_session_attrs=any", "expected primary or read-write"),
        ("postgres://u@h:0/d", "port: expected a number from 1 to 65535"),
        ("postgres://u@h:65536/d", "port: expected a number from 1 to 65535"),
        ("postgres://u@h1,h2/d?port=1,2,3", "one for all hosts, or one for each"),
        ("postgres://u@h1,,h2/d", "host: expected a name"),
        ("postgres://u@[::1/d", "a [ has no ]"),
        ("postgres://u:p/w@h/d", "written %2F"),
        ("postgres://u:p%w@h/d", "password: a % begins no escape"),
        ("postgres://u@h/a%00", "dbname: control characters"),
        ("postgres://u@h/a%ff", "dbname: not valid UTF-8"),
        ("postgres://u@/d", "names no host; write one, or set PGHOST"),
        ("postgres://h/d", "names no user; write one, or set PGUSER"),
        (
            "postgres://u@h/d?sslmode=require&sslrootcert=x",
            "sslrootcert has no effect with sslmode=require",
        ),
        ("postgres://u@h/d?sslcert=x", "sslcert and sslkey need each other"),
    ] {
        Run::new(&["--database-url", url]).refused(&["flag --database-url: ", words]);
    }
}

#[test]
fn what_a_url_leaves_out_comes_from_the_variables_of_libpq() {
    let environment = [
        ("PGHOST", "h1,h2"),
        ("PGPORT", "5433"),
        ("PGUSER", "u"),
        ("PGPASSWORD", "secret"),
        ("PGDATABASE", "d"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "ca.pem"),
        ("PGAPPNAME", "status"),
        ("PGCONNECT_TIMEOUT", "4"),
    ];
    assert_eq!(
        shown_with("postgres://", &environment),
        "postgres://u@h1:5433,h2:5433/d?sslmode=verify-full&sslrootcert=ca.pem\
         &application_name=status&connect_timeout=4"
    );
    // The URL comes first, and an empty variable is none.
    assert_eq!(
        shown_with("postgres://v@h:1/e", &[("PGUSER", "u"), ("PGPORT", "2")]),
        "postgres://v@h:1/e"
    );
    assert_eq!(shown_with("postgres://v@h/e", &[("PGPORT", "")]), "postgres://v@h/e");

    let (text, _) = check_config()
        .word("--database-url=postgres://h/d")
        .env("PGUSER", "u")
        .env("PGPASSWORD", "secret")
        .checked();
    assert_eq!(origin(&text, "database_url"), "flag --database-url, PGUSER, PGPASSWORD");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_variable_of_libpq_that_is_wrong_or_not_known_stops_the_start() {
    for (name, value, words) in [
        ("PGPORT", "x", "port: expected a number"),
        ("PGSSLMODE", "on", "expected verify-full"),
        ("PGCONNECT_TIMEOUT", "61", "from 1 to 60"),
        ("PGTARGETSESSIONATTRS", "standby", "expected primary or read-write"),
        ("PGHOSTADDR", "127.0.0.1", "is not supported"),
        ("PGSERVICE", "x", "is not supported"),
        ("PGSSLCRL", "x", "is not supported"),
    ] {
        let run = || Run::new(&["--database-url=postgres://u@h/d"]).env(name, value);
        run().refused(&[&format!("environment {name}: "), words]);
        // SQLite knows none of them.
        check_config().env(name, value).checked();
    }
}

#[test]
fn there_is_one_password() {
    let flags = ["--database-url=postgres://u:secret@h/d", "--database-password-file=password"];
    Run::new(&flags).refused(&[
        "flag --database-url: has a password, and so has flag --database-password-file; keep one",
    ]);
    Run::new(&["--database-password-file=password"])
        .refused(&["flag --database-password-file: is for a database_url of postgres://"]);
}

#[test]
fn a_file_of_a_login_that_cannot_be_used_stops_the_start() {
    let url = "--database-url=postgres://u@127.0.0.1:1/d";
    let with_file = |content: &str| {
        Run::new(&[url, "--database-password-file=password"]).file("password", content)
    };
    let outcome = Run::new(&[url, "--database-password-file=missing"]).finish();
    assert_eq!(outcome.status, Some(2));
    let place = "database_password_file missing: cannot read: No such file or directory";
    assert!(outcome.err.contains(place), "{}", outcome.err);
    for (content, words) in [
        ("", "is empty; expected a password"),
        ("\n", "is empty; expected a password"),
        ("secret\nsecret\n", "has more than one line"),
    ] {
        let outcome = with_file(content).finish();
        assert_eq!(outcome.status, Some(2), "{content:?}");
        assert!(outcome.err.contains(words), "{content:?}: {}", outcome.err);
        assert!(!outcome.err.contains("secret"), "{}", outcome.err);
    }
    let url = "--database-url=postgres://u@127.0.0.1:1/d?sslrootcert=ca.pem";
    let outcome = Run::new(&[url]).file("ca.pem", "nothing").finish();
    assert_eq!(outcome.status, Some(2));
    let words = "sslrootcert ca.pem: has no certificate; expected a PEM file";
    assert!(outcome.err.contains(words), "{}", outcome.err);
}

#[test]
fn commands_for_a_file_say_what_to_do_with_postgresql() {
    for (command, words) in [
        (
            "compact",
            "compact: is for a SQLite file; PostgreSQL uses free space again by autovacuum",
        ),
        (
            "repair",
            "repair: is for a SQLite file; restore a damaged PostgreSQL database from its backup",
        ),
    ] {
        Run::new(&[command, "--database-url=postgres://u@h/d"]).refused(&[words]);
    }
}
