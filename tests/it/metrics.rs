//! The metrics for Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::access::kit::{Mount, Token};
use crate::support::{
    Pair, PostgresDatabase, TestApp, database_url, is_on_postgres, report, wait_until,
};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
const EXTERNAL_URL: &str = "gitops_status_external_url_info{url=\"https://x.example/a\"}";

/// The parsed text of `/metrics`: the value of each series, by its name and labels as written.
struct Scrape {
    values: BTreeMap<String, f64>,
    /// The type of every family, by its name.
    types: BTreeMap<String, String>,
}

impl Scrape {
    fn of(app: &TestApp) -> Self {
        let reply = app.get("/metrics");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let media_type = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!(reply.header("content-type"), Some(media_type));
        Self::read(&reply.text())
    }

    /// Parses the text, and asserts that each family is in one piece under its description.
    fn read(text: &str) -> Self {
        let (mut values, mut types) = (BTreeMap::new(), BTreeMap::new());
        let (mut described, mut family) = ("", "");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                described = rest.split_once(' ').unwrap().0;
                assert!(rest.ends_with('.') && !rest.ends_with(".."), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, described);
                let is_new = types.insert(name.to_owned(), kind.to_owned()).is_none();
                assert!(is_new, "{name} comes twice");
                family = name;
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert!(!line.starts_with('#') && series.starts_with(family), "{line}");
                let is_new = values.insert(series.to_owned(), value.parse().unwrap()).is_none();
                assert!(is_new, "{series} comes twice");
            }
        }
        Self { values, types }
    }

    fn value(&self, series: &str) -> f64 {
        *self.values.get(series).unwrap_or_else(|| panic!("there is no {series}"))
    }

    /// Returns the names of the labels of every family.
    fn labels(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for series in self.values.keys() {
            let (name, rest) = series.split_once('{').unwrap_or((series, ""));
            let family = self.types.keys().find(|family| {
                let suffix = name.strip_prefix(family.as_str());
                suffix.is_some_and(|suffix| ["", "_sum", "_count", "_bucket"].contains(&suffix))
            });
            let names = rest.split(',').filter_map(|pair| Some(pair.split_once("=\"")?.0));
            let names = names.filter(|name| *name != "le");
            labels.entry(family.unwrap()).or_default().extend(names);
        }
        labels
    }
}

/// Returns the metrics that are missing on PostgreSQL, as the document has them.
pub(crate) fn missing_on_postgres() -> BTreeSet<String> {
    let text = fs::read_to_string(DOCUMENT).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("With PostgreSQL, `"));
    let (names, _) = line.unwrap().split_once("` are missing: ").unwrap();
    names.split('`').step_by(2).map(str::to_owned).collect()
}

/// Starts the application on a PostgreSQL database, whatever the others run on.
fn on_a_server() -> (PostgresDatabase, TestApp) {
    let database = PostgresDatabase::create();
    let app = TestApp::with(|config| config.database_url = database_url(&database.url()));
    (database, app)
}

#[test]
fn counts_of_entries_exist_even_without_entries() {
    let app = TestApp::spawn();
    let scrape = Scrape::of(&app);
    for series in [
        "gitops_status_entries{state=\"synced\"}",
        "gitops_status_entries{state=\"out_of_sync\"}",
        "gitops_status_drifted_entries",
        "gitops_status_stale_entries",
        "gitops_status_expired_total",
        "gitops_status_series_dropped",
        "gitops_status_wrong_entries_dropped",
        "gitops_status_queue_depth",
        "gitops_status_commits_total{outcome=\"failed\"}",
    ] {
        assert!(scrape.value(series).abs() < f64::EPSILON, "{series}");
    }
    let missing = if is_on_postgres() { missing_on_postgres() } else { BTreeSet::new() };
    for series in [
        "gitops_status_writable",
        "gitops_status_database_bytes",
        "gitops_status_disk_free_bytes",
        "gitops_status_disk_size_bytes",
        "gitops_status_queue_capacity",
        "gitops_status_queue_capacity_bytes",
        "process_start_time_seconds",
    ] {
        if missing.contains(series) {
            assert_eq!(scrape.values.get(series), None, "{series}");
        } else {
            assert!(scrape.value(series) >= 1.0, "{series}");
        }
    }
}

#[test]
fn an_entry_has_its_series_for_as_long_as_it_is_listed() {
    let app = TestApp::spawn();
    app.accept(report("rsyslog", "web-1", "OUT_OF_SYNC", &["a", "b"]));
    app.advance(Duration::from_millis(1500));
    app.accept(report("rsyslog", "web-1", "OUT_OF_SYNC", &["a", "b", "c"]));
    app.accept(report(r#"a"b"#, r"c\d", "SYNCED", &[]));
    let of = |name: &str, labels: &str| format!("gitops_status_{name}{{{labels}}}");
    let web = |name: &str| of(name, r#"repo="rsyslog",server="web-1""#);
    let odd = |name: &str| of(name, r#"repo="a\"b",server="c\\d""#);
    let scrape = Scrape::of(&app);
    let began = 1_776_767_535.0;
    for (series, value) in [
        (web("synced"), 0.0),
        (web("drifted"), 1.0),
        (web("drift_files"), 3.0),
        (web("stale"), 0.0),
        (web("last_report_timestamp_seconds"), began + 1.5),
        (web("since_timestamp_seconds"), began),
        (odd("synced"), 1.0),
        (odd("drifted"), 0.0),
        (odd("drift_files"), 0.0),
        (of("repo_entries", r#"repo="rsyslog""#), 1.0),
        (odd("since_timestamp_seconds"), began + 1.5),
        (of("entries", r#"state="synced""#), 1.0),
        (of("entries", r#"state="out_of_sync""#), 1.0),
    ] {
        assert!((scrape.value(&series) - value).abs() < 0.0001, "{series}");
    }
    app.advance(Duration::from_hours(2));
    let stale = |series: &str| Scrape::of(&app).value(series);
    wait_until("both are stale", || stale("gitops_status_stale_entries") > 1.0);
    assert!(stale(&web("stale")) > 0.0 && stale(&web("synced")) < 1.0);

    assert_eq!(app.send("DELETE", "/api/status?repo=a%22b&server=c%5Cd", &[], b"").status, 200);
    assert!(!Scrape::of(&app).values.contains_key(&odd("synced")));
    assert!(!Scrape::of(&app).values.contains_key(&of("repo_entries", r#"repo="a\"b""#)));
    app.advance(Duration::from_hours(14 * 24));
    wait_until("the other one has expired", || {
        Scrape::of(&app).value("gitops_status_expired_total") > 0.0
    });
    let scrape = Scrape::of(&app);
    let left: Vec<&String> =
        scrape.values.keys().filter(|series| series.contains("repo=")).collect();
    assert_eq!(left, [&web("expired_drifted")]);
    let expired = scrape.value("gitops_status_expired_total");
    assert!(expired < 2.0, "what was deleted has not expired");
}

#[test]
fn beyond_the_limit_only_what_is_drifted_or_stale_has_series() {
    let app = TestApp::with(|config| config.metrics_max_entries = Some(2));
    for server in ["a", "b", "c", "d", "e"] {
        app.accept(report("repo", server, "SYNCED", &[]));
    }
    let servers = |scrape: &Scrape| -> Vec<String> {
        let start = "gitops_status_stale{repo=\"repo\",server=\"";
        let series = scrape.values.keys().filter_map(|series| series.strip_prefix(start));
        series.map(|rest| rest[..1].to_owned()).collect()
    };
    let scrape = Scrape::of(&app);
    assert_eq!(servers(&scrape), ["a", "b"]);
    let dropped = scrape.value("gitops_status_series_dropped");
    assert!((dropped - 18.0).abs() < f64::EPSILON, "three entries of six series each");
    let entries = scrape.value("gitops_status_repo_entries{repo=\"repo\"}");
    assert!((entries - 5.0).abs() < f64::EPSILON, "all entries count");
    let last = |name: &str| format!("gitops_status_{name}{{repo=\"repo\",server=\"e\"}}");
    assert!(!scrape.values.contains_key(&last("drifted")));
    app.accept(report("repo", "e", "OUT_OF_SYNC", &[]));
    app.accept(report("zoo", "e", "SYNCED", &[]));
    let scrape = Scrape::of(&app);
    assert!(scrape.value(&last("drifted")) > 0.0);
    let shows = |name: &str| scrape.values.contains_key(&last(name));
    assert!(!shows("stale") && !shows("synced") && !shows("since_timestamp_seconds"));
    assert!(!scrape.values.contains_key("gitops_status_repo_entries{repo=\"zoo\"}"));
    let dropped = scrape.value("gitops_status_series_dropped");
    assert!((dropped - 23.0).abs() < f64::EPSILON, "four entries, and one series of them is here");
    app.advance(Duration::from_hours(2));
    wait_until("all are stale, and each has a series that says so", || {
        servers(&Scrape::of(&app)).len() == 5
    });
    let scrape = Scrape::of(&app);
    assert!(scrape.value("gitops_status_stale{repo=\"zoo\",server=\"e\"}") > 0.0);
    assert!(scrape.value("gitops_status_wrong_entries_dropped") < 1.0);
    assert!(scrape.value("gitops_status_entries{state=\"synced\"}") > 4.0);

    let app = app.restart_with(|config| config.metrics_per_entry = false);
    let scrape = Scrape::of(&app);
    assert_eq!(servers(&scrape), [""; 0]);
    assert!(!scrape.values.keys().any(|series| series.contains("repo=")));
    assert!(scrape.value("gitops_status_series_dropped") < 1.0, "none is wanted");
    let app = app.restart_with(|config| {
        config.metrics_per_entry = true;
        config.metrics_max_entries = None;
    });
    assert_eq!(servers(&Scrape::of(&app)).len(), 5);
}

#[test]
fn requests_are_counted_under_labels_that_clients_cannot_invent() {
    let app = TestApp::spawn();
    app.accept(report("repo", "a", "SYNCED", &[]));
    app.post("{").error(400);
    app.get("/status.json?repo=a");
    app.get("/status.json?repo=b");
    app.get("/status.json?nothing").error(400);
    app.send("HEAD", "/api/summary", &[], b"");
    app.get("/no/such/path").error(404);
    app.send("PROPFIND", "/other", &[], b"").error(404);
    app.send("PROPFIND", "/status.csv", &[], b"").error(405);
    let scrape = Scrape::of(&app);
    let name = "gitops_status_http_requests_total";
    let counted: BTreeMap<&str, f64> = scrape
        .values
        .iter()
        .filter_map(|(series, value)| Some((series.strip_prefix(name)?, *value)))
        .collect();
    let expected = [
        (r#"{route="/api/status",method="POST",code="200"}"#, 1.0),
        (r#"{route="/api/status",method="POST",code="400"}"#, 1.0),
        (r#"{route="/api/summary",method="HEAD",code="200"}"#, 1.0),
        (r#"{route="/status.csv",method="other",code="405"}"#, 1.0),
        (r#"{route="/status.json",method="GET",code="200"}"#, 2.0),
        (r#"{route="/status.json",method="GET",code="400"}"#, 1.0),
        (r#"{route="none",method="GET",code="404"}"#, 1.0),
        (r#"{route="none",method="other",code="404"}"#, 1.0),
    ];
    assert_eq!(counted, BTreeMap::from(expected));
    let duration = "gitops_status_http_request_duration_seconds";
    let labels = r#"{route="/status.json",method="GET"}"#;
    assert!((scrape.value(&format!("{duration}_count{labels}")) - 3.0).abs() < f64::EPSILON);
}

#[test]
fn updates_are_counted_by_what_became_of_them() {
    let app = TestApp::with(|config| config.max_entries = Some(1));
    let counted = || {
        let scrape = Scrape::of(&app);
        let of = |outcome| format!("gitops_status_updates_total{{outcome=\"{outcome}\"}}");
        ["stored", "busy", "full", "not_stored"]
            .map(|outcome| scrape.value(&of(outcome)).to_string())
    };
    assert_eq!(counted(), ["0"; 4]);
    app.accept(report("repo", "a", "SYNCED", &[]));
    app.accept(report("repo", "a", "SYNCED", &[]));
    app.post("{").error(400);
    app.send("DELETE", "/api/status?repo=repo&server=b", &[], b"").error(404);
    app.post(report("repo", "b", "SYNCED", &[])).error(507);
    let _away = app.take_database_away();
    app.post(report("repo", "a", "SYNCED", &[])).error(503);
    assert_eq!(counted(), ["2", "0", "1", "1"]);
}

#[test]
fn commits_are_counted_and_a_missing_database_shows() {
    let app = TestApp::spawn();
    app.accept(report("repo", "a", "SYNCED", &[]));
    app.accept(report("repo", "b", "SYNCED", &[]));
    let scrape = Scrape::of(&app);
    assert!(scrape.value("gitops_status_commits_total{outcome=\"stored\"}") > 1.0);
    assert!(scrape.value("gitops_status_commit_entries_sum") > 1.0);
    assert!(scrape.value("gitops_status_commit_duration_seconds_count") > 1.0);
    assert!(scrape.value("gitops_status_snapshot_bytes") > 100.0);

    let _away = app.take_database_away();
    app.post(report("repo", "c", "SYNCED", &[])).error(503);
    let scrape = Scrape::of(&app);
    assert!(scrape.value("gitops_status_writable") < 1.0);
    wait_until("the size is not shown any more", || {
        !Scrape::of(&app).values.contains_key("gitops_status_database_bytes")
    });
}

#[test]
fn metrics_are_compressed_if_asked_and_ignore_parameters() {
    let app = TestApp::spawn();
    app.accept(report("repo", "a", "SYNCED", &[]));
    let packed = app.get_with("/metrics?format=x&name[]=y", &[("Accept-Encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("cache-control"), Some("no-store"));
    Scrape::read(&String::from_utf8(packed.inflated()).unwrap()).value("gitops_status_writable");
    assert_eq!(app.send("HEAD", "/metrics", &[], b"").status, 200);
    app.post("{").error(400);
    app.send("POST", "/metrics", &[], b"").error(405);
}

#[test]
fn the_document_lists_every_metric_and_no_other() {
    let token = Token::new("ci", "expires = 2036-04-21");
    let mount = Mount::new(&[&token]);
    let pair = Pair::signed_by_itself("127.0.0.1");
    let file = |path: PathBuf| path.display().to_string();
    let app = mount.app(&[
        ("external_url", "https://x.example/a/"),
        ("allow_anonymous_writes", "true"),
        ("tls_cert", &file(pair.certificate_file())),
        ("tls_key", &file(pair.key_file())),
        ("backup_dir", &file(pair.key_file().with_file_name("backups"))),
    ]);
    app.accept(report("repo", "expires", "OUT_OF_SYNC", &[]));
    app.advance(Duration::from_hours(14 * 24));
    wait_until("one has expired", || Scrape::of(&app).value("gitops_status_expired_total") > 0.0);
    app.accept(report("repo", "a", "SYNCED", &[]));
    let scrape = Scrape::of(&app);
    assert!(scrape.values.contains_key(EXTERNAL_URL));
    let without = Scrape::of(&TestApp::spawn());
    assert!(!without.types.contains_key("gitops_status_external_url_info"), "it is not set");
    let (_database, on_a_server) = on_a_server();
    let scrapes = [scrape, Scrape::of(&on_a_server)];
    let said = scrapes.iter().flat_map(|scrape| {
        let labels = scrape.labels();
        let family = |(name, kind): (&String, &String)| {
            (name.clone(), kind.clone(), labels.get(name.as_str()).cloned().unwrap_or_default())
        };
        scrape.types.iter().map(family).collect::<Vec<_>>()
    });
    // A family without series in one of them has its labels in the other.
    let mut said: Vec<_> = said.collect();
    said.sort();
    said.reverse();
    said.dedup_by_key(|(name, ..)| name.clone());
    let text = fs::read_to_string(DOCUMENT).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let documented = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, unit, meaning] = cells[..] else { panic!("{row}") };
        assert!(!unit.is_empty() && !meaning.is_empty(), "{row}");
        let labels = labels.split(", ").filter(|label| !label.is_empty());
        let labels: BTreeSet<&str> = labels.map(|label| label.trim_matches('`')).collect();
        (name.trim_matches('`').to_owned(), kind.to_owned(), labels)
    });
    assert_eq!(documented.collect::<BTreeSet<_>>(), said.into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn the_document_lists_the_metrics_that_only_one_database_has() {
    let (_database, on_a_server) = on_a_server();
    let [in_a_file, on_a_server] = [&TestApp::spawn(), &on_a_server]
        .map(|app| Scrape::of(app).types.into_keys().collect::<BTreeSet<String>>());
    assert_eq!(&in_a_file - &on_a_server, missing_on_postgres());
    let text = fs::read_to_string(DOCUMENT).unwrap();
    let (_, replicas) = text.split_once("## Replicas").unwrap();
    let rows = replicas.split("\n## ").next().unwrap().lines();
    let rows = rows.filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<String> = rows.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(&on_a_server - &in_a_file, documented);
}
