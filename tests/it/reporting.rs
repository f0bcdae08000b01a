//! The reporter in docs/reporting.md, run by the real bash, jq and curl.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Minted, Process, TestApp, free_address, run_tool, wait_until};

/// A folder with the script, which is the first block of bash in the document.
pub(crate) fn script() -> TempDir {
    run_tool("jq", "jq", &["--version"], "");
    run_tool("curl", "curl", &["--version"], "");
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reporting.md");
    let text = fs::read_to_string(document).unwrap();
    let block = text.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("report"), block).unwrap();
    folder
}

/// Returns the command that reports what a check in shell finds.
pub(crate) fn reporter(folder: &TempDir, server: SocketAddr, name: &str, check: &str) -> Command {
    let mut command = Command::new("bash");
    command.current_dir(folder).args(["report", "rsyslog", name, "sh", "-c", check]);
    command.env("GITOPS_STATUS_URL", format!("http://{server}"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{stdout}{stderr}")
}

#[test]
fn the_script_reports_what_the_check_prints_and_nothing_when_it_fails() {
    let (app, folder) = (TestApp::spawn(), script());
    let run = |name: &str, check: &str| {
        let mut command = reporter(&folder, app.client.address, name, check);
        command.env("REVISION", "4f2a91c").env("RUN_URL", "https://ci.example/7").output().unwrap()
    };
    let drifted = run("web-1", r#"printf '%s\n' 'a b.conf' 'sü"ß.conf'"#);
    assert!(drifted.status.success(), "{}", said(&drifted));
    assert_eq!(said(&drifted), r#"{"status":"ok","message":"Status updated successfully"}"#);
    let synced = run("web-2", "true");
    assert!(synced.status.success(), "{}", said(&synced));
    for check in ["false", "echo a.conf; exit 12", "exec nothing-of-this-name"] {
        assert!(!run("web-3", check).status.success(), "{check}");
    }
    let rows = app.list("?fields=server,sync_status,drift_count,files,revision,url");
    let (revision, url) = ("4f2a91c", "https://ci.example/7");
    let files = json!([{"name": "a b.conf"}, {"name": "sü\"ß.conf"}]);
    assert_eq!(
        rows,
        [
            json!({"server": "web-1", "sync_status": "OUT_OF_SYNC", "drift_count": 2,
                   "files": files, "revision": revision, "url": url}),
            json!({"server": "web-2", "sync_status": "SYNCED", "drift_count": 0,
                   "files": [], "revision": revision, "url": url}),
        ]
    );
}

#[test]
fn the_script_fails_when_its_report_is_refused_and_shows_the_message() {
    let (app, folder) = (TestApp::spawn(), script());
    let output = reporter(&folder, app.client.address, " web-1", "true").output().unwrap();
    assert_eq!(output.status.code(), Some(22), "{}", said(&output));
    assert!(said(&output).contains("server must be a string of 1 to 255"), "{}", said(&output));
    assert_eq!(app.get("/status.json").text(), "[]");
}

/// Stands in for curl, and notes its arguments and what others see of them.
const CURL: &str = "#!/bin/sh
printf '%s\\n' \"$@\" >> arguments
tr '\\0' '\\n' < /proc/$$/cmdline >> arguments
exec /usr/bin/curl \"$@\"
";

#[test]
fn the_script_sends_its_token_from_a_file_or_a_variable_and_never_as_an_argument() {
    let folder = script();
    let ci = Minted::new(&["--id=ci", "--write=repo=rsyslog,server=web-*"]);
    let file = Minted::file(folder.path(), &[&ci]);
    let app = TestApp::with_settings(&[("tokens_file", &file)]);
    let (token, curl) = (folder.path().join("token"), folder.path().join("curl"));
    fs::write(&token, format!("{}\n", ci.token)).unwrap();
    fs::write(&curl, CURL).unwrap();
    fs::set_permissions(&curl, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let run = |name: &str, variable: &str, value: &str| {
        let mut command = reporter(&folder, app.client.address, name, "echo a.conf");
        command.env("PATH", &path).env(variable, value).output().unwrap()
    };
    let by_file = run("web-1", "GITOPS_STATUS_TOKEN_FILE", token.to_str().unwrap());
    let by_variable = run("web-2", "GITOPS_STATUS_TOKEN", &ci.token);
    for output in [by_file, by_variable] {
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(app.names(""), ["rsyslog/web-1", "rsyslog/web-2"]);
    for (name, variable, value, reason) in [
        ("db-1", "GITOPS_STATUS_TOKEN", ci.token.as_str(), "The token ci may not report"),
        ("web-3", "GITOPS_STATUS_TOKEN", "", "This needs a token"),
        ("web-3", "GITOPS_STATUS_TOKEN_FILE", "missing", "missing: No such file"),
    ] {
        let output = run(name, variable, value);
        assert!(!output.status.success() && said(&output).contains(reason), "{}", said(&output));
        assert!(!said(&output).contains(&ci.token[8..]), "{}", said(&output));
    }
    assert_eq!(app.names("").len(), 2);
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert!(arguments.contains("--data-binary") && arguments.contains("/dev/fd/"), "{arguments}");
    assert!(!arguments.contains("gss_"), "{arguments}");
}

#[test]
fn the_script_reports_more_files_than_a_report_may_name() {
    let (app, folder) = (TestApp::spawn(), script());
    let output = reporter(&folder, app.client.address, "web-1", "seq 10007").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let row = &app.list("?flat=true&fields=drift_count,file_count")[0];
    assert_eq!(*row, json!({"drift_count": 10007, "file_count": 10000}));
}

#[test]
fn the_script_tries_again_until_the_server_is_up() {
    let folder = script();
    let address = free_address();
    let errors = folder.path().join("errors");
    let mut script = reporter(&folder, address, "web-1", "echo a.conf");
    let script = script.stderr(fs::File::create(&errors).unwrap()).spawn().unwrap();
    wait_until("the first attempt fails", || {
        fs::read_to_string(&errors).unwrap().contains("curl: (7)")
    });
    let server = serve_at(address, &folder);
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let row: Value = server.list("?fields=server,drift_count").remove(0);
    assert_eq!(row, json!({"server": "web-1", "drift_count": 1}));
}

/// Starts the program with its database in a folder.
fn serve_at(address: SocketAddr, folder: &TempDir) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
    command.env_clear().current_dir(folder).args(["--listen", &address.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Process::run(&mut command)
}

/// As of a server that was killed, or that stopped before it had accepted the connection.
#[test]
fn the_script_reports_again_after_a_connection_that_broke() {
    let folder = script();
    let listener = TcpListener::bind(free_address()).unwrap();
    let address = listener.local_addr().unwrap();
    let script = reporter(&folder, address, "web-1", "echo a.conf").spawn().unwrap();
    let (connection, _) = listener.accept().unwrap();
    // First, so that the next attempt is refused.
    drop(listener);
    drop(connection);
    let server = serve_at(address, &folder);
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(server.names(""), ["rsyslog/web-1"]);
}

#[test]
fn clients_that_offer_http_2_are_answered_and_those_that_insist_are_not() {
    let app = TestApp::spawn();
    let url = format!("http://{}/livez", app.client.address);
    let get = |version: &str| {
        let curl = ["-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_version}", version, &url];
        Command::new("curl").args(curl).output().unwrap()
    };
    assert_eq!(said(&get("--http2")), "1.1");
    assert!(!get("--http2-prior-knowledge").status.success());
}
