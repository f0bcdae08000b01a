//! docs/migrating.md: the steps from the original's servers to this one, run as they are written.

mod kubernetes;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::dashboards::repository;
use crate::support::{
    Client, Process, Relay, commands, document, free_address, run_tool, wait_until,
};

/// The time between two reports of new pairs. A shorter one makes more rows than the script copies meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// The servers of the original, as the benchmark has them.
#[derive(Clone, Copy, Debug)]
enum Original {
    Flask,
    Go,
}

/// A running one; dropping this ends it.
struct Old {
    client: Client,
    child: Child,
}

impl Old {
    fn start(which: Original) -> Self {
        Self::start_at(free_address(), which)
    }

    fn start_at(address: SocketAddr, which: Original) -> Self {
        let mut command = match which {
            Original::Flask => flask(address),
            Original::Go => go(address),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let client = Client::at(address);
        wait_until("the old server answers", || {
            let head = b"GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
            client.raw(head).is_some_and(|reply| reply.status == 200)
        });
        Self { client, child }
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn flask(address: SocketAddr) -> Command {
    let python = repository("target/tools/bin/python");
    let mut command = Command::new(&python);
    let has_flask = command.args(["-c", "import flask"]).status().is_ok_and(|it| it.success());
    assert!(has_flask, "Flask is missing: scripts/test installs it into target/tools");
    let mut command = Command::new(python);
    command.args(["-m", "flask", "--app"]).arg(repository("bench/servers/inmemory.py"));
    command.args(["run", "--port", &address.port().to_string()]);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn go(address: SocketAddr) -> Command {
    static BUILT: OnceLock<()> = OnceLock::new();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join("inmemory-go");
    BUILT.get_or_init(|| {
        run_tool("go", "golang-go", &["version"], "");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&program).arg(repository("bench/servers/inmemory.go"));
        build.env("GOCACHE", folder.join("go-build")).env("GOFLAGS", "").env("GO111MODULE", "off");
        let Output { status, stderr, .. } = build.output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    });
    let mut command = Command::new(program);
    command.args(["-listen", &address.to_string()]);
    command
}

/// Returns the part of the document that begins with some words and ends with others.
fn part(from: &str, to: &str) -> String {
    let text = document("docs/migrating.md");
    let (_, rest) = text.split_once(from).unwrap();
    rest.split_once(to).unwrap().0.to_owned()
}

/// Returns the commands of a part of the document.
fn commands_in(text: &str) -> Vec<String> {
    commands(text).into_iter().map(|shown| shown.command).collect()
}

/// Returns the command that copies.
fn copy() -> String {
    commands_in(&part("## Without a missed report", "Save this as")).remove(0)
}

/// A folder with the script of the document, between two servers.
struct Desk {
    folder: TempDir,
    old: SocketAddr,
    new: SocketAddr,
}

impl Desk {
    fn new(old: &Client, new: &Client) -> Self {
        run_tool("jq", "jq", &["--version"], "");
        run_tool("curl", "curl", &["--version"], "");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("copy-statuses"), part("```bash\n", "```")).unwrap();
        let desk = Self { folder, old: old.address, new: new.address };
        let made = desk.run("chmod +x copy-statuses");
        assert!(made.status.success());
        desk
    }

    /// Runs a command of the document, with the addresses of the two servers.
    fn run(&self, command: &str) -> Output {
        self.shell(command).output().unwrap()
    }

    /// Returns a shell that is to run a command of the document.
    fn shell(&self, command: &str) -> Command {
        let here = command.replace("localhost:8080", &self.old.to_string());
        let here = here.replace("localhost:8081", &self.new.to_string());
        let mut shell = Command::new("bash");
        shell.args(["-c", &here]).current_dir(&self.folder).env_remove("GITOPS_STATUS_TOKEN");
        shell.env_remove("GITOPS_STATUS_TOKEN_FILE");
        shell
    }

    /// Runs a command that has to succeed, and returns what it says.
    fn succeed(&self, command: &str) -> String {
        let Output { status, stdout, stderr } = self.run(command);
        assert!(status.success(), "{command}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }
}

/// The report of a pair with a number: its count, its file and its time have it.
fn numbered(server: &str, number: u64) -> Value {
    json!({
        "repo": "fleet", "server": server,
        "sync_status": if number.is_multiple_of(2) { "SYNCED" } else { "OUT_OF_SYNC" },
        "drift_count": number, "files": [{"name": format!("{number}.conf")}],
        "last_check": format!("2026-04-21T10:32:15.{number:03}+02:00"),
    })
}

/// The jobs: they know one address, and what each has been told by it.
struct Jobs {
    address: Client,
    told: Mutex<BTreeMap<String, u64>>,
}

impl Jobs {
    fn report(&self, server: &str, number: u64) {
        self.address.accept(numbered(server, number).to_string());
        self.told.lock().unwrap().insert(server.to_owned(), number);
    }

    fn report_all(&self, servers: std::ops::Range<u64>, number: u64) {
        servers.for_each(|server| self.report(&format!("known-{server}"), number));
    }
}

/// Asserts that a server has the last report of each job.
fn assert_has_all(server: &Client, jobs: &Jobs) {
    let told = jobs.told.lock().unwrap();
    let rows = server.list("?fields=repo,server,sync_status,drift_count,files,last_check");
    let expected: Vec<_> = told
        .iter()
        .map(|(server, number)| {
            let mut row = numbered(server, *number);
            // The same moment, in UTC.
            row["last_check"] = format!("2026-04-21T08:32:15.{number:03}Z").into();
            row
        })
        .collect();
    assert_eq!(rows, expected);
}

fn the_steps_lose_nothing(which: Original) {
    let old = Old::start(which);
    let folder = tempfile::tempdir().unwrap();
    let new = Process::start(&folder.path().join("status.db"), &[] as &[&str]);
    let address = Relay::to(old.client.address.port());
    let client = Client::at(([127, 0, 0, 1], address.port()).into());
    let jobs = Jobs { address: client, told: Mutex::default() };
    let desk = Desk::new(&old.client, &new.client);
    let commands = commands_in(&part("## Without a missed report", "Save this as"));
    let [copy, again] = &commands[..] else { panic!("{commands:?}") };
    jobs.report_all(0..40, 1);
    let (stop, stopped) = channel::<()>();
    std::thread::scope(|scope| {
        let jobs = &jobs;
        let reporter = scope.spawn(move || {
            let mut count = 0;
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                jobs.report(&format!("new-{count:05}"), 7);
                count += 1;
            }
            count
        });
        desk.succeed(copy);
        assert!(new.list("?server=known-*").len() == 40);
        jobs.report_all(0..20, 2);
        address.turn_to(new.client.address.port());
        // The old server knows less of these by now.
        jobs.report_all(10..30, 3);
        let said = desk.succeed(again);
        assert!(!said.starts_with("0 of "), "{said}");
        drop(stop);
        assert!(reporter.join().unwrap() > 3);
    });
    assert_has_all(&new, &jobs);
    assert!(desk.succeed(again).starts_with("0 of "), "there was nothing left");
    assert_has_all(&new, &jobs);
}

#[test]
fn the_steps_from_the_flask_server_lose_no_report() {
    the_steps_lose_nothing(Original::Flask);
}

#[test]
fn the_steps_from_the_go_server_lose_no_report() {
    the_steps_lose_nothing(Original::Go);
}

#[test]
fn a_row_that_cannot_be_copied_is_shown_with_the_reason_and_all_others_are_copied() {
    let old = Old::start(Original::Flask);
    let folder = tempfile::tempdir().unwrap();
    let new = Process::start(&folder.path().join("status.db"), &[] as &[&str]);
    let desk = Desk::new(&old.client, &new.client);
    let mut wrong = numbered("wrong", 1);
    wrong["last_check"] = "yesterday".into();
    let mut without_files = numbered("without-files", 2);
    without_files["files"] = Value::Null;
    for report in [numbered("a", 4), wrong, without_files, numbered("z \"quoted\" ü", 5)] {
        old.client.accept(report.to_string());
    }
    let copy = &copy();
    for to_copy in ["4 of 4", "1 of 4"] {
        let Output { status, stdout, stderr } = desk.run(copy);
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("Not copied: ") && said.contains("\"server\":\"wrong\""), "{said}");
        assert!(said.contains("last_check must be"), "{said}");
        assert_eq!(String::from_utf8(stdout).unwrap(), format!("{to_copy} were to be copied\n"));
    }
    assert_eq!(new.names(""), ["fleet/a", "fleet/without-files", "fleet/z \"quoted\" ü"]);
    assert_eq!(new.list("?server=without-files")[0]["files"], json!([]));
}

/// Of what a run has copied, each pair can report to the old server once more, whatever became of the run.
#[test]
fn a_run_of_the_copy_that_ends_in_the_middle_makes_the_next_one_miss_no_report() {
    let old = Old::start(Original::Go);
    let folder = tempfile::tempdir().unwrap();
    let new = Process::start(&folder.path().join("status.db"), &[] as &[&str]);
    let way = Relay::to(new.client.address.port());
    let desk = Desk::new(&old.client, &Client::at(([127, 0, 0, 1], way.port()).into()));
    let jobs = Jobs { address: Client::at(old.client.address), told: Mutex::default() };
    let copy = copy();
    let copied = |number: u64| {
        let rows = new.list("?fields=drift_count");
        rows.iter().filter(|row| row["drift_count"] == number).count()
    };

    way.delay(Duration::from_millis(30));
    jobs.report_all(0..30, 1);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| desk.run(&copy));
        wait_until("some rows are copied", || copied(1) > 3);
        way.cut();
        let Output { status, stderr, .. } = run.join().unwrap();
        let said = String::from_utf8_lossy(&stderr);
        assert!(status.code() == Some(1) && said.contains("curl: "), "{said}");
    });
    way.mend();
    jobs.report_all(0..30, 2);
    desk.succeed(&copy);
    assert_has_all(&new, &jobs);

    jobs.report_all(0..30, 3);
    let mut run = desk.shell(&copy).stderr(Stdio::null()).spawn().unwrap();
    wait_until("some rows are copied", || copied(3) > 3);
    run.kill().unwrap();
    run.wait().unwrap();
    way.delay(Duration::ZERO);
    jobs.report_all(0..30, 4);
    desk.succeed(&copy);
    assert_has_all(&new, &jobs);

    fs::remove_dir_all(desk.folder.path().join("copied")).unwrap();
    jobs.report_all(0..30, 5);
    assert!(desk.succeed(&copy).starts_with("30 of 30 "));
    assert_has_all(&new, &jobs);
    assert!(desk.succeed(&copy).starts_with("0 of 30 "));
}

/// `kubectl port-forward` in the background listens only after a moment.
#[test]
fn an_old_server_that_listens_a_moment_after_the_copy_begins_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let new = Process::start(&folder.path().join("status.db"), &[] as &[&str]);
    let address = free_address();
    let desk = Desk::new(&Client::at(address), &new.client);
    let run = desk.shell(&copy()).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the script runs", || desk.folder.path().join("copied/done").exists());
    let _old = Old::start_at(address, Original::Flask);
    let Output { status, stdout, .. } = run.wait_with_output().unwrap();
    assert!(status.success());
    assert_eq!(String::from_utf8(stdout).unwrap(), "0 of 0 were to be copied\n");
}

/// A reader without a token sees nothing, which must not look like a server that knows nothing.
#[test]
fn a_server_that_cannot_be_read_is_told_nothing() {
    let old = Old::start(Original::Go);
    old.client.accept(numbered("a", 1).to_string());
    let token = crate::access::kit::Token::new("jobs", crate::access::kit::ALL);
    let mount = crate::access::kit::Mount::new(&[&token]);
    let new = mount.program(&["--require-read-token"]);
    let desk = Desk::new(&old.client, &new.client);
    let copy = &copy();
    let Output { status, stderr, .. } = desk.run(copy);
    assert!(!status.success() && String::from_utf8_lossy(&stderr).contains("401"));
    fs::write(desk.folder.path().join("token"), &token.text).unwrap();
    desk.succeed(&format!("GITOPS_STATUS_TOKEN_FILE=token {copy}"));
    let bearer = format!("Bearer {}", token.text);
    let rows = new.get_with("/status.json?fields=server", &[("Authorization", &bearer)]);
    assert_eq!(rows.json(), json!([{"server": "a"}]));
}
