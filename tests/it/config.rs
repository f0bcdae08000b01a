//! The settings and the command line from outside: output and exit status of the program.

mod addresses;
mod files;
mod postgres;
pub mod run;
mod schedules;

use std::fs;
use std::path::Path;

use run::Run;

const NAMES: [&str; 33] = [
    "listen",
    "admin_listen",
    "allow_anonymous_writes",
    "tokens_file",
    "require_read_token",
    "allowed_hosts",
    "tls_cert",
    "tls_key",
    "external_url",
    "revision_url",
    "database_url",
    "database_password_file",
    "backup_dir",
    "backup_every",
    "backup_keep",
    "stale_after",
    "ttl",
    "history_retention",
    "history_rows_per_entry",
    "history_max_bytes",
    "max_entries",
    "max_stored_bytes",
    "max_body_bytes",
    "request_timeout",
    "idle_timeout",
    "max_connections",
    "max_connections_per_address",
    "workers",
    "metrics_per_entry",
    "metrics_max_entries",
    "log_format",
    "shutdown_delay",
    "shutdown_grace",
];

fn check_config() -> Run {
    Run::new(&["check-config"])
}

/// Returns the comment after a setting in the output of `check-config`.
fn origin<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
    line.split_once("  # ").unwrap().1
}

#[test]
fn a_flag_overrides_the_environment_and_that_overrides_the_file() {
    let toml = "ttl = \"3d\"\n";
    let run = || check_config().file("a.toml", toml).env("GITOPS_STATUS_CONFIG", "a.toml");

    let (text, table) = check_config().checked();
    assert_eq!((table["ttl"].as_str(), origin(&text, "ttl")), (Some("14d"), "default"));

    let (text, table) = run().checked();
    assert_eq!(
        (table["ttl"].as_str(), origin(&text, "ttl")),
        (Some("3d"), "a.toml line 1 key ttl")
    );

    let (text, table) = run().env("GITOPS_STATUS_TTL", "4d").checked();
    assert_eq!(table["ttl"].as_str(), Some("4d"));
    assert_eq!(origin(&text, "ttl"), "environment GITOPS_STATUS_TTL");

    let (text, table) = Run::new(&["--ttl", "5d", "check-config"])
        .file("a.toml", toml)
        .env("GITOPS_STATUS_CONFIG", "a.toml")
        .env("GITOPS_STATUS_TTL", "4d")
        .checked();
    assert_eq!((table["ttl"].as_str(), origin(&text, "ttl")), (Some("5d"), "flag --ttl"));
}

#[test]
fn the_config_flag_overrides_its_variable() {
    let (_, table) = Run::new(&["check-config", "--config=a.toml"])
        .file("a.toml", "workers = 3")
        .env("GITOPS_STATUS_CONFIG", "missing.toml")
        .checked();
    assert_eq!(table["workers"].as_integer(), Some(3));
}

#[test]
fn the_output_of_check_config_is_a_settings_file_with_the_same_effect() {
    let (text, table) = check_config()
        .env("GITOPS_STATUS_STALE_AFTER", "120m")
        .env("GITOPS_STATUS_TTL", "0")
        .env("GITOPS_STATUS_LISTEN", "0.0.0.0:80")
        .env("GITOPS_STATUS_ALLOW_ANONYMOUS_WRITES", "1")
        .env("GITOPS_STATUS_DATABASE_URL", "sqlite:///a%20b%3F%22.db")
        .env("GITOPS_STATUS_MAX_ENTRIES", "0")
        .checked();
    assert_eq!(table["stale_after"].as_str(), Some("2h"));
    let (_, again) = Run::new(&["check-config", "--config=b.toml"]).file("b.toml", &text).checked();
    assert_eq!(table, again);
}

#[test]
fn the_example_file_names_every_setting_once_at_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let example = fs::read_to_string(path).unwrap();
    assert!(example.lines().all(|line| line.is_empty() || line.starts_with('#')));
    // Prose has a space after the `#`, a setting has none.
    let settings: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .collect();
    let names: Vec<&str> = settings.iter().map(|line| line.split_once(" = ").unwrap().0).collect();
    assert_eq!(names, NAMES);

    let (_, defaults) = check_config().checked();
    let (text, table) = Run::new(&["check-config", "--config=example.toml"])
        .file("example.toml", &settings.join("\n"))
        .checked();
    assert_eq!(table, defaults);
    assert_eq!(table.len(), NAMES.len());
    for name in NAMES {
        assert!(origin(&text, name).starts_with("example.toml line "), "{name}");
    }
}

#[test]
fn a_bad_value_stops_the_start_wherever_it_comes_from() {
    for (name, value, accepted) in [
        ("listen", "localhost", "IP:PORT"),
        ("listen", "example.org:80", "localhost:PORT"),
        ("database_url", "sqlite::memory:", "must be on disk"),
        ("database_url", "sqlite://x.db?mode=rwc", "query parameters"),
        ("database_url", "mysql://u:pw@h/d", "expected sqlite://"),
        ("database_url", "x.db", "expected sqlite://"),
        ("external_url", "status.example.org", "expected an http or https URL"),
        ("external_url", "https://u:pw@status.example.org", "https://example.org/gitops-status"),
        ("revision_url", "https://git.example/{repo}", "{revision}"),
        ("revision_url", "https://{repo}.example/{revision}", "behind the host"),
        ("stale_after", "2 hours", "90s, 30m, 12h or 7d"),
        ("ttl", "1h30m", "90s, 30m, 12h or 7d"),
        ("ttl", "3651d", "3650d"),
        ("ttl", "2h", "above stale_after, which is 2h (default)"),
        ("request_timeout", "0", "more than 0"),
        ("idle_timeout", "0", "more than 0"),
        ("shutdown_grace", "0", "more than 0"),
        ("shutdown_delay", "5", "90s"),
        ("log_format", "xml", "expected text or json"),
    ] {
        let flag = format!("--{}", name.replace('_', "-"));
        let variable = format!("GITOPS_STATUS_{}", name.to_uppercase());
        Run::new(&[&flag, value]).refused(&[&format!("flag {flag}"), accepted]);
        Run::new(&[]).env(&variable, value).refused(&[&variable, accepted]);
        Run::new(&["--config=a.toml"])
            .file("a.toml", &format!("\n{name} = \"{value}\""))
            .refused(&[&format!("a.toml line 2 key {name}"), accepted]);
    }
}

#[test]
fn a_number_out_of_range_stops_the_start() {
    for (name, value, accepted) in [
        ("max_entries", "-1", "from 0 to"),
        ("max_body_bytes", "1023", "from 1024 to 67108864"),
        ("max_body_bytes", "67108865", "from 1024 to 67108864"),
        ("max_connections", "15", "from 16 to"),
        ("workers", "257", "from 0 to 256"),
    ] {
        let flag = format!("--{}", name.replace('_', "-"));
        let variable = format!("GITOPS_STATUS_{}", name.to_uppercase());
        Run::new(&[&flag, value]).refused(&[&format!("flag {flag}"), value, accepted]);
        Run::new(&[]).env(&variable, value).refused(&[&variable, value, accepted]);
        Run::new(&["--config=a.toml"]).file("a.toml", &format!("{name} = {value}")).refused(&[
            &format!("a.toml line 1 key {name}"),
            value,
            accepted,
        ]);
    }
}

#[test]
fn a_value_of_a_wrong_toml_type_stops_the_start() {
    for (content, accepted) in [
        ("listen = 8080", "expected a string in quotes, not a number"),
        ("ttl = 3600", "90s, 30m, 12h or 7d"),
        ("ttl = 1.5", "expected a duration in quotes"),
        ("ttl = [\"1h\"]", "not an array"),
        ("[ttl]\nhours = 1", "not a table"),
        ("workers = \"4\"", "expected a whole number without quotes"),
        ("allow_anonymous_writes = \"true\"", "expected true or false without quotes"),
    ] {
        Run::new(&["--config=a.toml"])
            .file("a.toml", content)
            .refused(&["a.toml line 1 key ", accepted]);
    }
}

#[test]
fn a_file_that_is_not_toml_stops_the_start_with_its_line() {
    for (content, place) in [
        ("\n\nttl = 14d", "a.toml line 3"),
        ("ttl = \"1d\"\nttl = \"2d\"", "a.toml line 2"),
        ("[ttl", "a.toml line 1"),
    ] {
        Run::new(&["--config=a.toml"]).file("a.toml", content).refused(&[place, "not TOML"]);
    }
}

#[test]
fn an_unknown_key_stops_the_start() {
    Run::new(&["--config=a.toml"]).file("a.toml", "# a comment\nstale_afer = \"1h\"").refused(&[
        "a.toml line 2",
        "unknown key \"stale_afer\"",
        "did you mean stale_after?",
        &NAMES.join(", "),
    ]);
    Run::new(&["--config=a.toml"]).file("a.toml", "[http]\nport = 1").refused(&[
        "a.toml line 1",
        "unknown key \"http\"",
        &NAMES.join(", "),
    ]);
}

#[test]
fn a_missing_file_stops_the_start() {
    Run::new(&["--config", "missing.toml"]).refused(&["flag --config", "missing.toml"]);
    Run::new(&[])
        .env("GITOPS_STATUS_CONFIG", "missing.toml")
        .refused(&["environment GITOPS_STATUS_CONFIG", "missing.toml"]);
    Run::new(&[]).env("GITOPS_STATUS_CONFIG", "").refused(&["GITOPS_STATUS_CONFIG", "empty"]);
}

#[test]
fn an_empty_value_is_not_the_default() {
    Run::new(&[]).env("GITOPS_STATUS_TTL", "").refused(&["GITOPS_STATUS_TTL", "is empty", "14d"]);
    Run::new(&["--ttl", ""]).refused(&["flag --ttl", "is empty"]);
    Run::new(&["--config=a.toml"])
        .file("a.toml", "ttl = \"\"")
        .refused(&["a.toml line 1 key ttl", "is empty"]);
}

#[test]
fn an_empty_url_is_none_and_a_slash_at_its_end_makes_no_difference() {
    let (_, table) = check_config()
        .env("GITOPS_STATUS_EXTERNAL_URL", "https://example.org/gitops/")
        .env("GITOPS_STATUS_REVISION_URL", "")
        .checked();
    assert_eq!(table["external_url"].as_str(), Some("https://example.org/gitops"));
    assert_eq!(table["revision_url"].as_str(), Some(""));
}

#[test]
fn an_unknown_variable_is_ignored() {
    let (_, defaults) = check_config().checked();
    let (_, table) = check_config()
        .env("GITOPS_STATUS_SERVER_PORT", "tcp://10.0.0.1:8080")
        .env("GITOPS_STATUS_SERVER_SERVICE_HOST", "10.0.0.1")
        .env("GITOPS_STATUS_PORT", "nonsense")
        .env("GITOPS_STATUS_TTL_FILE", "missing")
        .env("DATABASE_URL", "nonsense")
        .checked();
    assert_eq!(table, defaults);
}

#[test]
fn a_secret_comes_from_a_file_without_its_last_newline() {
    for content in ["sqlite:///x.db", "sqlite:///x.db\n", "sqlite:///x.db\r\n"] {
        let (text, table) = check_config()
            .file("url", content)
            .env("GITOPS_STATUS_DATABASE_URL_FILE", "url")
            .checked();
        assert_eq!(table["database_url"].as_str(), Some("sqlite:///x.db"), "{content:?}");
        assert_eq!(
            origin(&text, "database_url"),
            "environment GITOPS_STATUS_DATABASE_URL_FILE, file url"
        );
    }
}

#[test]
fn a_secret_file_without_a_value_stops_the_start() {
    let variable = "GITOPS_STATUS_DATABASE_URL_FILE";
    Run::new(&[]).env(variable, "missing").refused(&[variable, "missing", "cannot read"]);
    Run::new(&[]).env(variable, "").refused(&[variable, "cannot read"]);
    Run::new(&[]).env(variable, "url").file("url", "\n").refused(&[variable, "is empty"]);
    Run::new(&[]).env(variable, "url").file("url", "sqlite:x\n\n").refused(&[variable, "control"]);
    Run::new(&[])
        .env(variable, "url")
        .env("GITOPS_STATUS_DATABASE_URL", "sqlite:x.db")
        .file("url", "sqlite:x.db")
        .refused(&["environment GITOPS_STATUS_DATABASE_URL:", variable, "keep one"]);
}

#[test]
fn a_refused_secret_is_not_shown() {
    for url in [
        "sqlite://u:hunter2@h/x.db",
        "mysql://u:hunter2@h/d",
        "postgres://u:hunter2@h/d?sslmod=require",
        "postgres://u:hun?hunter2=ter@h/d",
        "postgres://u:hun/hunter2@h/d",
        "postgres://u:5/hunter2@h/d",
        "postgres://u:hunter2:x/d",
        "postgres://u:hunter2/d",
        "postgres://h/d?password=hunter2&sslmode=hunter2",
        "postgres://h/d?hunter2=x",
        "postgres://h:hunter2/d",
        "postgres://u:%zz-hunter2@h/d",
        "postgres:u:hunter2@h/d",
        "hunter2",
        "hunter2:x",
    ] {
        let outcome = Run::new(&["--database-url", url]).finish();
        assert_eq!(outcome.status, Some(2), "{url}");
        assert!(!outcome.err.contains("hunter2"), "{}", outcome.err);
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_stops_the_start() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = OsStr::from_bytes(b"sqlite:\xff.db");
    Run::new(&[])
        .env("GITOPS_STATUS_DATABASE_URL", bytes)
        .refused(&["environment GITOPS_STATUS_DATABASE_URL", "UTF-8"]);
    Run::new(&["--database-url"]).word(bytes).refused(&["flag --database-url", "UTF-8"]);
}

#[test]
fn an_address_other_than_loopback_needs_allow_anonymous_writes() {
    for address in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
        Run::new(&["--listen", address]).refused(&[
            "flag --listen",
            address,
            "127.0.0.1:8080",
            "--allow-anonymous-writes",
            "every client that reaches the port to write",
        ]);
        let (_, table) =
            Run::new(&["check-config", "--allow-anonymous-writes", "--listen", address]).checked();
        assert_eq!(table["listen"].as_str(), Some(address));
    }
}

#[test]
fn an_unknown_flag_or_command_stops_the_start() {
    for words in [&["--tll=1d"][..], &["serve"], &["check-config", "x"], &["--ttl"]] {
        let outcome = Run::new(words).finish();
        assert_eq!(outcome.status, Some(2), "{words:?}");
        assert_eq!(outcome.out, "");
        assert!(outcome.err.starts_with("error: "), "{}", outcome.err);
        assert_eq!(outcome.created, [""; 0]);
    }
}

#[test]
fn help_and_version_are_answers_and_not_errors() {
    for words in [&["--help"][..], &["-h"], &["check-config", "--help"], &["healthcheck", "-h"]] {
        let outcome = Run::new(words).env("GITOPS_STATUS_TTL", "nonsense").finish();
        assert_eq!((outcome.status, outcome.err.as_str()), (Some(0), ""), "{words:?}");
        for name in NAMES {
            assert!(outcome.out.contains(&format!("--{}", name.replace('_', "-"))), "{name}");
            assert!(outcome.out.contains(&format!("GITOPS_STATUS_{}", name.to_uppercase())));
        }
    }
    let version = concat!("gitops-status-server ", env!("CARGO_PKG_VERSION"));
    let commit = env!("GITOPS_STATUS_COMMIT");
    for (flag, line) in
        [("-V", format!("{version}\n")), ("--version", format!("{version} (commit {commit})\n"))]
    {
        let outcome = Run::new(&[flag]).env("GITOPS_STATUS_TTL", "nonsense").finish();
        assert_eq!((outcome.status, outcome.out), (Some(0), line));
    }
}
