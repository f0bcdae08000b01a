//! The file of tokens is read again while the program serves.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::kit::{ALL, Mount, Token, headers, update};
use crate::support::{Client, Process, wait_until};

/// Reports something with a token, and returns the status of the answer.
fn report(client: &Client, token: &Token) -> u16 {
    let mut sent = vec![("Content-Type", "application/json")];
    let bearer = token.bearer();
    sent.extend(headers(&bearer));
    client.send("POST", "/api/status", &sent, update("rsyslog", "lab").as_bytes()).status
}

fn health(client: &Client) -> String {
    client.get("/health").text()
}

fn file_valid(client: &Client) -> bool {
    let metrics = client.get("/metrics").text();
    let value = metrics.lines().find_map(|it| it.strip_prefix("gitops_status_tokens_file_valid "));
    value.unwrap() == "1"
}

#[test]
fn a_swap_of_the_link_by_a_kubelet_is_noticed() {
    let (old, new) = (Token::new("ci-1", ALL), Token::new("ci-2", ALL));
    let mount = Mount::new(&[&old]);
    let server = mount.program(&[]);
    assert_eq!([report(&server, &old), report(&server, &new)], [200, 401]);
    mount.swap(&[&old, &new]);
    wait_until("the new one is valid", || report(&server, &new) == 200);
    assert_eq!(report(&server, &old), 200, "so is the old one");
    mount.swap(&[&new]);
    wait_until("the old one is not valid any more", || report(&server, &old) == 401);
    assert_eq!(report(&server, &new), 200);
    assert!(server.log().contains("1 token is in force"), "{}", server.log());
    assert!(server.log().contains("2 tokens are in force"), "{}", server.log());
}

#[test]
fn a_file_that_is_replaced_or_written_in_place_is_noticed_after_sighup() {
    let (old, new) = (Token::new("ci-1", ALL), Token::new("ci-2", ALL));
    let mount = Mount::new(&[]);
    let path = mount.beside("plain.toml");
    fs::write(&path, &old.table).unwrap();
    let arguments = ["--tokens-file", path.to_str().unwrap()];
    let server = Process::start(&mount.beside("status.db"), &arguments);
    assert_eq!(report(&server, &old), 200);
    fs::write(&path, &new.table).unwrap();
    server.signal("HUP");
    wait_until("the new one is valid", || report(&server, &new) == 200);
    wait_until("the log has the signal", || server.log().contains("SIGHUP"));
    fs::write(mount.beside("next"), &old.table).unwrap();
    fs::rename(mount.beside("next"), &path).unwrap();
    server.signal("HUP");
    wait_until("the old one is valid again", || report(&server, &old) == 200);
}

#[test]
fn a_bad_file_keeps_the_tokens_and_says_so_once_until_it_is_good_again() {
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[&token]);
    let server = mount.program(&[]);
    assert!(file_valid(&server) && health(&server).contains("\"healthy\""));
    // A token where its digest belongs must not be shown.
    let wrong = format!("[[token]]\nid = \"ci\"\nsha256 = \"{}\"\n", token.text);
    for (what, swap) in [
        ("a wrong value", &(|| mount.swap_for(&wrong)) as &dyn Fn()),
        ("no TOML", &|| mount.swap_for("[[token")),
        ("an unknown key", &|| mount.swap_for("tokens = []")),
        ("no file", &|| mount.remove()),
    ] {
        let before = server.log().len();
        swap();
        wait_until(what, || !file_valid(&server));
        let said = health(&server);
        assert!(said.contains("the file of tokens is not valid"), "{what}: {said}");
        assert_eq!(report(&server, &token), 200, "{what}");
        let told = || server.log()[before..].matches("stay in force").count();
        wait_until("it is noted", || told() == 1);
        // Those who ask for it are told again.
        server.signal("HUP");
        wait_until("it is told again", || told() == 2);
        mount.swap(&[&token]);
        wait_until("it is good again", || file_valid(&server));
        assert!(health(&server).contains("\"healthy\""));
        assert_eq!(told(), 2, "{what}: {}", server.log());
    }
    let log = server.log();
    assert!(!log.contains(&token.text) && !log.contains(&token.text[8..]), "{log}");
}

#[test]
fn a_file_that_was_emptied_lets_the_fleet_in_until_it_says_that_there_are_no_tokens() {
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[]);
    let path = mount.beside("plain.toml");
    fs::write(&path, &token.table).unwrap();
    let arguments = ["--tokens-file", path.to_str().unwrap()];
    let server = Process::start(&mount.beside("status.db"), &arguments);
    for content in ["", "# [[token]]\n"] {
        fs::write(&path, content).unwrap();
        wait_until("it is noted", || !file_valid(&server));
        assert_eq!(report(&server, &token), 200, "{content}");
        fs::write(&path, &token.table).unwrap();
        wait_until("it is good again", || file_valid(&server));
    }
    let said = "plain.toml\": it had tokens and has none now: if that is meant, write token = []; \
                the tokens from before stay in force";
    wait_until("the log says so each time", || server.log().matches(said).count() == 2);
    fs::write(&path, "token = []").unwrap();
    wait_until("nobody has a token", || report(&server, &token) == 401);
    assert!(file_valid(&server));
}

#[test]
fn sighup_says_what_came_of_it_also_if_nothing_has_changed_or_can() {
    let mount = Mount::new(&[&Token::new("ci", ALL)]);
    let server = mount.program(&[]);
    for count in 2..4 {
        server.signal("HUP");
        let told = || server.log().matches("1 token is in force").count();
        wait_until("it is told", || told() == count);
    }
    let without = Process::start(&mount.beside("other.db"), &[""; 0]);
    without.signal("HUP");
    let said = "There is nothing to reload: neither tokens_file nor tls_cert is set";
    wait_until(said, || without.log().contains(said));
}

#[test]
fn a_program_does_not_start_with_a_bad_file_and_says_where_it_is_wrong() {
    let mount = Mount::new(&[]);
    mount.swap_for("[[token]]\nid = \"ci\"\n");
    let mut command = Process::command(&mount.beside("status.db"));
    let (status, output) = Process::run_to_end(command.args(["--tokens-file", &mount.path()]));
    assert_eq!(status.code(), Some(2), "{output}");
    assert!(output.contains("tokens.toml") && output.contains("sha256 is missing"), "{output}");
    let mut command = Process::command(&mount.beside("status.db"));
    let (status, output) = Process::run_to_end(command.args(["--tokens-file", "/nowhere"]));
    assert_eq!(status.code(), Some(2), "{output}");
    assert!(output.contains("/nowhere") && output.contains("cannot read"), "{output}");
}

#[test]
fn a_pipe_in_the_place_of_the_file_is_refused_and_does_not_stop_the_server() {
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[&token]);
    let server = mount.program(&[]);
    let folder = mount.beside("..pipe");
    fs::create_dir(&folder).unwrap();
    let made = Command::new("mkfifo").arg(folder.join("tokens.toml")).status();
    assert!(made.unwrap().success());
    let link = mount.beside("..link");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    // At once, as a kubelet does: a look would find no file in between.
    fs::rename(&link, mount.beside("..data")).unwrap();
    server.signal("HUP");
    wait_until("it is noted", || server.log().contains("it is a pipe; expected a file that"));
    // One fault is one line, even if the writer of the pipe says nothing.
    let pipe = fs::File::options().read(true).write(true).open(folder.join("tokens.toml")).unwrap();
    assert_eq!(report(&server, &token), 200);
    drop(pipe);
    mount.swap(&[&token]);
    wait_until("it is good again", || file_valid(&server));
    assert_eq!(server.log().matches("ERROR").count(), 1, "{}", server.log());
}

#[test]
fn an_update_whose_body_arrives_after_its_token_was_removed_is_refused() {
    let token = Token::new("ci", ALL);
    let mount = Mount::new(&[&token]);
    let server = mount.program(&["--request-timeout", "1m"]);
    let body = update("late", "lab");
    let mut stream = server.client.connect();
    let head = format!(
        "POST /api/status HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nExpect: \
         100-continue\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        token.text,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    mount.swap_for("token = []");
    wait_until("the token is not valid any more", || report(&server, &token) == 401);
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    assert!(!server.get("/status.json").text().contains("late"));
}

/// Reports without a pause until told to stop, with the first token until the second one is handed out;
/// counts the answers, and those that are no 200.
struct Reporters {
    is_over: AtomicBool,
    answers: AtomicUsize,
    refused: AtomicUsize,
    has_second: AtomicBool,
    /// How many answers each has got with the second token.
    with_second: [AtomicUsize; 4],
}

impl Reporters {
    fn report(&self, client: &Client, first: &Token, second: &Token, number: usize) {
        let (mut rounds_with_first, is_late) = (0, number.is_multiple_of(2));
        while !self.is_over.load(Ordering::SeqCst) {
            let mut token = first;
            if self.has_second.load(Ordering::SeqCst) {
                // Jobs take up another token at their next run, not all at once.
                rounds_with_first += 1;
                if !is_late || rounds_with_first > 20 {
                    token = second;
                }
            }
            let is_refused = report(client, token) != 200;
            self.answers.fetch_add(1, Ordering::SeqCst);
            self.refused.fetch_add(usize::from(is_refused), Ordering::SeqCst);
            let is_second = usize::from(std::ptr::eq(token, second));
            self.with_second[number].fetch_add(is_second, Ordering::SeqCst);
        }
    }
}

/// Tells the reporters to end, also if the test fails.
struct Over<'a>(&'a Reporters);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

#[test]
fn no_update_is_refused_while_reporters_move_to_another_token() {
    let (old, new) = (Token::new("ci-1", ALL), Token::new("ci-2", ALL));
    let mount = Mount::new(&[&old]);
    let server = mount.program(&[]);
    let client = server.client;
    let uses = |id: &str, outcome: &str| -> u64 {
        let metrics = client.get("/metrics").text();
        let series =
            format!("gitops_status_token_requests_total{{id=\"{id}\",outcome=\"{outcome}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
        value.map_or(0, |value| value.parse().unwrap())
    };
    let reporters = Reporters {
        is_over: AtomicBool::new(false),
        answers: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
        has_second: AtomicBool::new(false),
        with_second: [const { AtomicUsize::new(0) }; 4],
    };
    thread::scope(|scope| {
        let _over = Over(&reporters);
        for number in 0..4 {
            let (reporters, old, new) = (&reporters, &old, &new);
            scope.spawn(move || reporters.report(&client, old, new, number));
        }
        wait_until("reports with the old one come", || uses("ci-1", "allowed") > 20);
        mount.swap(&[&old, &new]);
        wait_until("the new one is valid", || report(&client, &new) == 200);
        reporters.has_second.store(true, Ordering::SeqCst);
        // As an operator does: wait until nobody uses the old one.
        let mut last = (0, 0);
        wait_until("the old one is not used any more", || {
            let now = (uses("ci-1", "allowed"), uses("ci-2", "allowed"));
            let is_moved = now.0 == last.0 && now.1 > last.1 + 20;
            if now.0 != last.0 || is_moved {
                last = now;
            }
            is_moved
        });
        // One of them may have had no turn meanwhile.
        wait_until("each uses the new one", || {
            reporters.with_second.iter().all(|answers| answers.load(Ordering::SeqCst) > 0)
        });
        mount.swap(&[&new]);
        wait_until("the old one is gone", || report(&client, &old) == 401);
        let answers = reporters.answers.load(Ordering::SeqCst);
        wait_until("reports go on", || reporters.answers.load(Ordering::SeqCst) > answers + 50);
    });
    assert!(reporters.answers.load(Ordering::SeqCst) > 100);
    assert_eq!(reporters.refused.load(Ordering::SeqCst), 0);
}
