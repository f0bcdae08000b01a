//! The settings as a whole; each part's own rules are tested next to it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use toml::Value;

use super::settings::MOST_WORKERS;
use super::{DatabaseUrl, LogFormat, Probed, Resolved, SETTINGS, log_format, probed};

/// Loads from flags and environment variables, each written as `name=value`.
fn load(flags: &[&str], environment: &[&str]) -> Result<Resolved, String> {
    let (flags, environment) = (map(flags), map(environment));
    Resolved::load(&|name| flags.get(name).cloned(), &|name| environment.get(name).cloned())
        .map_err(|error| error.to_string())
}

fn map(pairs: &[&str]) -> BTreeMap<String, OsString> {
    pairs
        .iter()
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.into())
        })
        .collect()
}

#[test]
fn without_any_source_the_defaults_are_in_force() {
    let resolved = load(&[], &[]).unwrap();
    let config = &resolved.config;
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database_url, DatabaseUrl::Sqlite("gitops-status.db".into()));
    assert_eq!(config.stale_after, Some(Duration::from_hours(2)));
    assert_eq!(config.ttl, Some(Duration::from_hours(14 * 24)));
    assert!(!config.allow_anonymous_writes);
    assert!(config.external_url.is_none() && config.revision_url.is_none());
    assert_eq!(config.history_retention, Some(Duration::from_hours(90 * 24)));
    assert_eq!(config.history_rows_per_entry, Some(1000));
    assert_eq!(config.history_max_bytes, Some(1_073_741_824));
    assert_eq!(config.max_entries, Some(1_000_000));
    assert_eq!(config.max_stored_bytes, Some(1 << 30));
    assert_eq!(config.max_body_bytes, 1_048_576);
    assert_eq!(config.request_timeout, Duration::from_secs(10));
    assert_eq!(config.idle_timeout, Duration::from_secs(75));
    assert_eq!(config.max_connections, 4096);
    assert_eq!(config.max_connections_per_address, None);
    assert!((1..=MOST_WORKERS).contains(&config.workers));
    assert!(config.metrics_per_entry);
    assert_eq!(config.metrics_max_entries, Some(50_000));
    assert_eq!(config.log_format, LogFormat::Text);
    assert_eq!(config.shutdown_delay, Duration::ZERO);
    assert_eq!(config.shutdown_grace, Duration::from_secs(10));
}

#[test]
fn every_default_is_shown_as_the_table_has_it() {
    for effective in load(&[], &[]).unwrap().settings {
        let shown = match effective.value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        assert_eq!(shown, effective.setting.default, "{}", effective.setting.name);
        assert_eq!(effective.origin, "default");
    }
}

#[test]
fn a_value_reaches_the_setting_it_was_given_for() {
    let given = [
        ("listen", "127.0.0.9:9"),
        ("allow_anonymous_writes", "true"),
        ("external_url", "https://example.org/gitops"),
        ("revision_url", "https://git.example/{repo}/commit/{revision}"),
        ("database_url", "sqlite:///x/y.db"),
        ("stale_after", "11s"),
        ("ttl", "12s"),
        ("history_retention", "21s"),
        ("history_rows_per_entry", "22"),
        ("history_max_bytes", "2300000"),
        ("max_entries", "13"),
        ("max_stored_bytes", "130000"),
        ("max_body_bytes", "1400"),
        ("request_timeout", "15s"),
        ("idle_timeout", "16s"),
        ("max_connections", "17"),
        ("max_connections_per_address", "25"),
        ("workers", "18"),
        ("metrics_per_entry", "false"),
        ("metrics_max_entries", "21"),
        ("log_format", "json"),
        ("shutdown_delay", "19s"),
        ("shutdown_grace", "20s"),
    ];
    let flags: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let resolved = load(&flags.iter().map(String::as_str).collect::<Vec<_>>(), &[]).unwrap();
    let text = resolved.to_toml();
    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table.len(), SETTINGS.len());
    for (name, value) in given {
        let shown = table[name].as_str().map_or_else(|| table[name].to_string(), str::to_owned);
        assert_eq!(shown, value, "{name}");
    }
    let config = resolved.config;
    assert_eq!(config.history_retention, Some(Duration::from_secs(21)));
    assert_eq!(config.history_rows_per_entry, Some(22));
    assert_eq!(config.history_max_bytes, Some(2_300_000));
    assert_eq!(config.request_timeout.as_secs(), 15);
    assert_eq!(config.idle_timeout.as_secs(), 16);
    assert_eq!(config.shutdown_delay.as_secs(), 19);
    assert_eq!(config.shutdown_grace.as_secs(), 20);
    assert_eq!((config.max_entries, config.max_body_bytes), (Some(13), 1400));
    assert_eq!(config.max_stored_bytes, Some(130_000));
    assert_eq!((config.max_connections, config.workers), (17, 18));
    assert_eq!(config.max_connections_per_address, Some(25));
    assert_eq!((config.metrics_per_entry, config.metrics_max_entries), (false, Some(21)));
}

#[test]
fn zero_turns_off_what_can_be_off() {
    let off =
        ["stale_after=0", "ttl=0", "max_entries=0", "max_stored_bytes=0", "metrics_max_entries=0"];
    let config = load(&off, &[]).unwrap().config;
    assert_eq!((config.stale_after, config.ttl, config.max_entries), (None, None, None));
    assert_eq!((config.max_stored_bytes, config.metrics_max_entries), (None, None));
}

#[test]
fn a_bad_value_is_refused_with_its_place() {
    for (flag, message) in [
        ("listen=nowhere", "flag --listen \"nowhere\": expected IP:PORT"),
        ("allow_anonymous_writes=yes", "flag --allow-anonymous-writes \"yes\": expected true, 1,"),
        ("database_url=mysql://u:pw@h/d", "flag --database-url: the scheme mysql is not supported"),
        ("stale_after=2 hours", "flag --stale-after \"2 hours\": expected a whole number with a"),
        ("ttl=-1d", "flag --ttl \"-1d\": expected a whole number with a unit"),
        ("max_entries=1000000001", "\"1000000001\": expected a whole number from 0 to 1000000000"),
        ("history_rows_per_entry=x", "expected a whole number from 0 to 1000000000"),
        ("history_max_bytes=1024", "\"1024\": expected a whole number from 1048576 to"),
        ("max_body_bytes=1023", "\"1023\": expected a whole number from 1024 to 67108864"),
        ("max_body_bytes=67108865", "expected a whole number from 1024 to 67108864"),
        ("request_timeout=0", "flag --request-timeout \"0\": expected more than 0"),
        ("idle_timeout=0s", "flag --idle-timeout \"0s\": expected more than 0"),
        ("max_connections=15", "\"15\": expected a whole number from 16 to"),
        ("workers=257", "\"257\": expected a whole number from 0 to 256"),
        ("log_format=JSON", "flag --log-format \"JSON\": expected text or json"),
        ("shutdown_delay=3651d", "\"3651d\": expected at most 3650d"),
        ("shutdown_grace=0", "flag --shutdown-grace \"0\": expected more than 0"),
        ("config=", "flag --config: is empty"),
        ("ttl=", "flag --ttl: is empty; leave it out to get the default 14d"),
    ] {
        let error = load(&[flag], &[]).unwrap_err();
        assert!(error.contains(message), "{flag}: {error}");
        assert!(!error.contains("pw"), "{error}");
    }
}

#[test]
fn an_entry_cannot_expire_before_it_is_stale() {
    let error = load(&["ttl=1h"], &[]).unwrap_err();
    assert_eq!(
        error,
        "flag --ttl \"1h\": ttl must be above stale_after, which is 2h (default); \
         0 turns either off"
    );
    let error = load(&[], &["GITOPS_STATUS_STALE_AFTER=14d"]).unwrap_err();
    assert!(error.starts_with("default of ttl \"14d\": ttl must be above stale_after"), "{error}");
    assert!(error.contains("(environment GITOPS_STATUS_STALE_AFTER)"), "{error}");
    for fine in
        [["ttl=7201s", "stale_after=2h"], ["ttl=1s", "stale_after=0"], ["ttl=0", "stale_after=9d"]]
    {
        assert!(load(&fine, &[]).is_ok(), "{fine:?}");
    }
}

#[test]
fn entries_that_are_never_stale_do_not_expire_unless_told_to() {
    let resolved = load(&["stale_after=0"], &[]).unwrap();
    assert_eq!((resolved.config.stale_after, resolved.config.ttl), (None, None));
    let text = resolved.to_toml();
    assert!(text.contains("# off by default, because stale_after is 0"), "{text}");
    let table: toml::Table = text.parse().unwrap();
    assert_eq!((&table["stale_after"], &table["ttl"]), (&"0".into(), &"0".into()));
    let told = load(&["stale_after=0", "ttl=2d"], &[]).unwrap().config;
    assert_eq!(told.ttl, Some(Duration::from_hours(48)));
}

#[test]
fn an_open_port_needs_the_word_that_anyone_may_write() {
    for address in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"] {
        let listen = format!("listen={address}");
        let error = load(&[&listen], &[]).unwrap_err();
        assert!(error.contains("--allow-anonymous-writes"), "{error}");
        assert!(load(&[&listen, "allow_anonymous_writes=true"], &[]).is_ok());
    }
    for address in
        ["127.0.0.1:0", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "localhost:1"]
    {
        assert!(load(&[&format!("listen={address}")], &[]).is_ok(), "{address}");
    }
}

#[test]
fn a_value_overridden_by_a_flag_is_not_looked_at() {
    let resolved = load(&["ttl=3d"], &["GITOPS_STATUS_TTL=nonsense"]).unwrap();
    assert_eq!(resolved.config.ttl, Some(Duration::from_hours(72)));
}

#[test]
fn the_probed_address_is_found_without_the_other_settings() {
    let flags = map(&["listen=0.0.0.0:9", "ttl=nonsense"]);
    let found = probed(&|name| flags.get(name).cloned(), &|_| None, &Cell::default()).unwrap();
    assert_eq!(found, Probed { address: "0.0.0.0:9".parse().unwrap(), in_tls: false });
}

#[test]
fn the_form_of_the_log_is_known_also_where_another_setting_is_wrong() {
    for (flags, environment, form) in [
        (&["log_format=json", "ttl=nonsense"][..], &[][..], LogFormat::Json),
        (&["ttl=nonsense"], &["GITOPS_STATUS_LOG_FORMAT=json"], LogFormat::Json),
        (&["log_format=text"], &["GITOPS_STATUS_LOG_FORMAT=json"], LogFormat::Text),
        (&["log_format=JSON"], &[], LogFormat::Text),
    ] {
        let (flags, environment) = (map(flags), map(environment));
        let (flags, environment) =
            (|name: &str| flags.get(name).cloned(), |name: &str| environment.get(name).cloned());
        assert_eq!(log_format(&flags, &environment), form);
        let noted = Cell::default();
        Resolved::load_after_log_format(&flags, &environment, &noted).ok();
        assert_eq!(noted.get(), form);
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = || OsString::from_vec(vec![b'1', 0xff]);
    let error = Resolved::load(&|name| (name == "ttl").then(bytes), &|_| None).unwrap_err();
    assert_eq!(error.to_string(), "flag --ttl: is not valid UTF-8");
    let named = |name: &str| (name == "GITOPS_STATUS_LISTEN").then(bytes);
    let error = Resolved::load(&|_| None, &named).unwrap_err();
    assert_eq!(error.to_string(), "environment GITOPS_STATUS_LISTEN: is not valid UTF-8");
}

#[test]
fn no_password_is_in_the_debug_output_of_the_settings() {
    for (flags, environment) in [
        (&["database_url=postgres://u:hunter2@h/d"][..], &[][..]),
        (&["database_url=postgres://u@h/d?password=hunter2"], &[]),
        (&["database_url=postgres://u@h/d"], &["PGPASSWORD=hunter2"]),
    ] {
        let resolved = load(flags, environment).unwrap();
        let shown = format!("{resolved:?} {}", resolved.to_toml());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
