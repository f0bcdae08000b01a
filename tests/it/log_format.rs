//! `log_format = "json"`: everything on standard error is a JSON object a line.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use gitops_status_server::domain::ReportedTime;
use serde_json::{Value, json};

use crate::config::run::Run;
use crate::log::{dropped, send_more_than_the_log_takes};
use crate::support::{Process, report, wait_until};

const JSON: &str = "--log-format=json";

/// Returns the lines of a log, each of which must be an object with the four keys and nothing that another
/// reader would take for the end of a line.
fn lines(log: &str) -> Vec<Value> {
    let is_hidden = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let parse = |line: &str| {
        assert!(!line.contains(is_hidden), "{line:?}");
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 4, "{line}");
        for key in ["time", "level", "message", "target"] {
            assert!(value[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {line}");
        }
        let time = value["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && ReportedTime::parse(time).is_ok(), "{line}");
        value
    };
    assert!(log.ends_with('\n'), "{log}");
    log.strip_suffix('\n').unwrap().split('\n').map(parse).collect()
}

/// Whether a log has a message at a level.
fn has(log: &[Value], level: &str, message: &str) -> bool {
    log.iter().any(|line| line["level"] == level && line["message"] == message)
}

/// Asserts that a run ends with a status, and returns the only line that it has said, which is an error.
#[track_caller]
fn only_error(run: Run, status: i32) -> String {
    let outcome = run.finish();
    assert_eq!((outcome.status, outcome.out.as_str()), (Some(status), ""), "{}", outcome.err);
    let said = lines(&outcome.err);
    assert_eq!((said.len(), &said[0]["level"]), (1, &json!("error")), "{said:?}");
    said[0]["message"].as_str().unwrap().to_owned()
}

/// Returns a line of a log in JSON of each level.
pub fn a_line_of_each_level() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("status.db");
    let mut command = Process::command(&database);
    let server = Process::run(command.arg(JSON).env("RUST_LOG", "trace"));
    server.accept(report("repo", "server", "SYNCED", &[]));
    // The database is in use.
    let mut second = Process::command(&database);
    let (_, complaints) = Process::run_to_end(second.arg(JSON).env("RUST_LOG", "wrong=very"));
    let mut found = Vec::new();
    wait_until("there is a line of each level", || {
        let log = server.log();
        let whole = log.rfind('\n').map_or(0, |end| end + 1);
        let all = [lines(&log[..whole]), lines(&complaints)].concat();
        let of_level = |level| all.iter().find(|line| line["level"] == level).cloned();
        found = ["error", "warn", "info", "debug", "trace"]
            .map(of_level)
            .into_iter()
            .flatten()
            .collect();
        found.len() == 5
    });
    found
}

#[test]
fn every_line_of_a_log_in_json_is_an_object_from_the_start_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Process::command(&folder.path().join("status.db"));
    command.arg(JSON).args(["--external-url", "https://example.org/gitops"]);
    command.envs([("RUST_LOG", "debug,wrong=very"), ("RUST_LOG_STYLE", "always")]);
    let mut server = Process::run(&mut command);
    server.accept(report("rsyslog", "rsyslog-lab", "OUT_OF_SYNC", &["a", "b"]));
    assert_eq!(server.terminate().code(), Some(0));
    wait_until("the last line is read", || server.log().contains("Stopped"));
    let log = lines(&server.log());
    assert!(has(
        &log,
        "info",
        "Status update: rsyslog:rsyslog-lab -> OUT_OF_SYNC (drift_count: 2)"
    ));
    assert!(has(&log, "info", "External URL: https://example.org/gitops"));
    let (first, last) = (&log[0], &log[log.len() - 1]);
    assert_eq!(first["level"], "warn");
    assert!(first["message"].as_str().unwrap().starts_with("RUST_LOG is invalid and ignored: "));
    assert_eq!(
        (&last["message"], &last["target"]),
        (&json!("Stopped"), &json!("gitops_status_server"))
    );
}

#[test]
fn a_log_in_json_has_requests_under_their_target() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Process::command(&folder.path().join("status.db"));
    let server = Process::run(command.arg(JSON).env("RUST_LOG", "requests=debug"));
    server.get("/livez");
    wait_until("the request is logged", || server.log().contains("/livez"));
    let log = lines(&server.log());
    let request = log.iter().find(|line| line["target"] == "requests").unwrap();
    assert_eq!(request["level"], "debug");
    assert!(request["message"].as_str().unwrap().starts_with("GET /livez from 127.0.0.1: 200, "));
}

#[test]
fn a_log_in_json_says_of_hostile_names_what_the_text_says() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, json) = (folder.path().join("plain.db"), folder.path().join("json.db"));
    let servers = [Process::start(&plain, &["--log-format=text"]), Process::start(&json, &[JSON])];
    let bodies = [
        report("a\u{2028}b\\", "\u{202e}c\u{200b}\"", "SYNCED", &[]),
        report("\u{1b}[31mred\n", "x", "SYNCED", &[]),
        report("r\r\n\u{85}", "\0", "SYNCED", &[]),
        "{\"repo\":\"\u{7f}\u{9b}".to_owned(),
    ];
    let mut bodies: Vec<Vec<u8>> = bodies.into_iter().map(String::into_bytes).collect();
    bodies.push(b"{\"repo\":\"\xff\n{\"level\":\"error\"}".to_vec());
    for server in &servers {
        for body in &bodies {
            server.send("POST", "/api/status", &[("Content-Type", "application/json")], body);
        }
        server.accept(report("the", "last", "SYNCED", &[]));
        let of_updates = || server.log().matches("SYNCED (drift").count() == 2;
        let of_refusals = || server.log().matches("was refused").count() == bodies.len() - 1;
        wait_until("all is logged", || of_updates() && of_refusals());
    }
    let [text, json] = servers.map(|server| server.log());
    let said: Vec<&str> = text.lines().map(|line| line.split_once("] ").unwrap().1).collect();
    let messages = lines(&json);
    let messages: Vec<&str> = messages.iter().map(|it| it["message"].as_str().unwrap()).collect();
    // Before, addresses and the ids of databases differ. An update is logged after its answer.
    let of_requests = |lines: &[&str]| -> BTreeSet<String> {
        let begin = lines.iter().position(|line| line.starts_with("Listening")).unwrap() + 1;
        lines[begin..].iter().map(|line| (*line).to_owned()).collect()
    };
    assert_eq!(of_requests(&said), of_requests(&messages));
    assert_eq!(of_requests(&messages).len(), bodies.len() + 1);
}

#[test]
fn a_mistake_on_the_command_line_is_one_object() {
    for words in [
        &["--nonsense", JSON][..],
        &["--log-format", "json", "serve"],
        &[JSON, "--ttl=nonsense"],
        &[JSON, "--config=missing.toml"],
        &["healthcheck", JSON, "--listen=nowhere"],
        &["token", "new", JSON],
        &["demo", JSON, "--ttl=nonsense"],
    ] {
        let message = only_error(Run::new(words), 2);
        assert!(!message.starts_with("error"), "{message}");
    }
    let message = only_error(Run::new(&["--nonsense", JSON]), 2);
    assert!(message.contains("'--nonsense'") && message.contains("\n\nUsage: "), "{message}");
    let not_utf_8 = OsStr::from_bytes(b"sqlite:\xff.db");
    let message = only_error(Run::new(&[JSON, "--database-url"]).word(not_utf_8), 2);
    assert_eq!(message, "flag --database-url: is not valid UTF-8");
}

#[test]
fn a_wrong_setting_is_said_in_json_wherever_the_form_comes_from() {
    let by_variable = || Run::new(&[]).env("GITOPS_STATUS_LOG_FORMAT", "json");
    let message = only_error(by_variable().env("GITOPS_STATUS_TTL", "1 day"), 2);
    assert!(message.starts_with("environment GITOPS_STATUS_TTL \"1 day\": expected"), "{message}");
    only_error(by_variable().file("a.toml", "ttl = \n").word("--config=a.toml"), 2);
    let content = "ttl = \"1 day\"\nlog_format = \"json\"\n";
    let by_file = || Run::new(&["--config=a.toml"]).file("a.toml", content);
    let message = only_error(by_file(), 2);
    assert!(message.starts_with("a.toml line 1 key ttl"), "{message}");
    by_file().word("--log-format=text").refused(&["a.toml line 1 key ttl"]);
}

#[test]
fn a_start_that_fails_and_a_command_say_so_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text\u{2028}.db");
    fs::write(&text, b"this is no database").unwrap();
    let (status, log) = Process::run_to_end(Process::command(&text).arg(JSON));
    assert_eq!(status.code(), Some(65), "{log}");
    let last = lines(&log).pop().unwrap();
    assert_eq!(last["level"], "error");
    assert!(last["message"].as_str().unwrap().contains("not a SQLite database"), "{last}");

    let database = folder.path().join("status.db");
    let server = Process::start(&database, &[JSON]);
    let copy = folder.path().join("copy.db");
    let run = |word: &str| {
        let mut command = Process::command(&database);
        command.args([JSON, word]).arg(&copy).args(["--listen", &server.address.to_string()]);
        let (status, said) = Process::run_to_end(&mut command);
        (status.code(), lines(&said).pop().unwrap())
    };
    let (status, said) = run("backup");
    assert_eq!((status, &said["level"]), (Some(0), &json!("info")));
    assert!(said["message"].as_str().unwrap().ends_with("bytes, whole and checked"), "{said}");
    let (status, said) = run("restore");
    assert_eq!((status, &said["level"]), (Some(75), &json!("error")));
}

/// A runtime that gets no file descriptors panics.
#[test]
fn a_panic_is_one_line_of_the_log_and_ends_the_program_with_status_1() {
    let run = |words: &[&str]| {
        let mut command = Command::new("sh");
        command.env_clear().args(["-c", "ulimit -n 4; exec \"$0\" \"$@\""]);
        command.arg(env!("CARGO_BIN_EXE_gitops-status-server")).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let (status, log) = Process::run_to_end(&mut command);
        assert_eq!(status.code(), Some(1), "{log}");
        log
    };
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("status.db").display());
    let words = ["--listen=127.0.0.1:0", "--database-url", &database];
    let log = run(&words);
    assert!(log.contains("ERROR] Panic at "), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    let log = lines(&run(&[&words[..], &[JSON]].concat()));
    assert_eq!((log.len(), &log[0]["level"]), (1, &json!("error")), "{log:?}");
    assert!(log[0]["message"].as_str().unwrap().starts_with("Panic at "), "{log:?}");
}

#[test]
fn a_log_in_json_that_nobody_reads_says_how_many_lines_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Process::command(&folder.path().join("status.db"));
    let (server, log) = Process::run_unread(command.arg(JSON));
    send_more_than_the_log_takes(&server);
    let gap = format!("{} lines of the log are missing here", dropped(&server));
    let read = log.lines().map(|line| lines(&(line.unwrap() + "\n")).remove(0));
    let line = read.into_iter().find(|line| line["message"] == gap).unwrap();
    assert_eq!((&line["level"], &line["target"]), (&json!("warn"), &json!("gitops_status_server")));
}
