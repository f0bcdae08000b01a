//! A run that uses secrets everywhere, also in wrong places, leaves none of them behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Client, Minted, Pair, Process, report, wait_until};

/// Everything that must be found nowhere.
fn secrets(tokens: &[&Minted]) -> Vec<String> {
    let of_token = |minted: &&Minted| {
        let (_, secret) = minted.token["gss_".len()..].split_once('_').unwrap();
        // A part of it is a leak too.
        let parts = [&secret[..16], &secret[27..]].map(str::to_owned);
        parts.into_iter().chain([minted.sha256().to_owned(), basic(&minted.token)])
    };
    tokens.iter().flat_map(of_token).collect()
}

fn basic(token: &str) -> String {
    STANDARD.encode(format!("user:{token}"))
}

/// Fails if a text holds a secret.
fn assert_clean(what: &str, text: &[u8], secrets: &[String]) {
    for secret in secrets {
        let is_there = text.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_there, "{what} holds a secret: {}", String::from_utf8_lossy(text));
    }
}

/// The requests of a kind that a token may be in, with their answers' head and body as text.
struct Run<'a> {
    client: Client,
    secrets: &'a [String],
    statuses: Vec<u16>,
}

impl Run<'_> {
    /// Sends a request whose answer must be clean.
    fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) {
        let headers: Vec<_> = [("Content-Type", "application/json")]
            .into_iter()
            .filter(|_| headers.iter().all(|(name, _)| *name != "Content-Type"))
            .chain(headers.iter().copied())
            .collect();
        let reply = self.client.send(method, target, &headers, body.as_bytes());
        let what = format!("the answer {} to {method} {}", reply.status, target.len());
        assert_clean(&what, format!("{:?}", reply.headers).as_bytes(), self.secrets);
        assert_clean(&what, &reply.body, self.secrets);
        self.statuses.push(reply.status);
    }

    /// Uses a token in the three places for one, on routes that need each right.
    fn use_rightly(&mut self, token: &str) {
        let places = [
            ("Authorization", format!("Bearer {token}")),
            ("Authorization", format!("Basic {}", basic(token))),
            ("X-Api-Key", token.to_owned()),
        ];
        for (name, value) in &places {
            let sent = [(*name, value.as_str())];
            self.send("POST", "/api/status", &sent, &report("rsyslog", "web-1", "SYNCED", &[]));
            self.send("POST", "/api/status", &sent, &report("nginx", "web-1", "SYNCED", &[]));
            self.send("POST", "/api/status", &sent, "{");
            self.send("DELETE", "/api/status?repo=nginx&server=web-2", &sent, "");
            for path in [
                "/status.json",
                "/status.csv",
                "/",
                "/entry?repo=rsyslog&server=web-1",
                "/api/history",
                "/api/summary",
                "/metrics",
                "/health",
                "/badge.svg",
                "/nowhere",
                "/status.json?limit=no",
            ] {
                self.send("GET", path, &sent, "");
            }
        }
    }

    /// Puts a token where none belongs.
    fn use_wrongly(&mut self, token: &str, valid: &[(&str, &str)]) {
        let page = "entry?repo=rsyslog&server=web-1&";
        for (path, end) in
            [("?", ""), ("?token=", ""), ("?limit=", ""), (page, "=1"), ("file?", "=1")]
        {
            for accept in ["*/*", "text/html"] {
                let sent = [valid, &[("Accept", accept)]].concat();
                self.send("GET", &format!("/{path}{token}{end}"), &sent, "");
                for to in ["./%3Ftoken%3D", "entry%3F"] {
                    self.send("GET", &format!("/login?to={to}{token}"), &sent, "");
                }
            }
        }
        for path in ["", "api/status/", "assets/", "status.json/", "entry/"] {
            self.send("GET", &format!("/{path}{token}"), valid, "");
        }
        for query in [
            "token=",
            "access_token=",
            "repo=",
            "sort=",
            "limit=",
            "fields=",
            "from=",
            "cursor=",
            "status=",
            "",
        ] {
            for path in [
                "/status.json",
                "/api/history",
                "/api/timeline",
                "/api/summary",
                "/api/events",
                "/badge.svg",
            ] {
                // A list of what nothing matches, or an error.
                self.send_unless_streamed(&format!("{path}?{query}{token}"), valid);
            }
            self.send("DELETE", &format!("/api/status?repo=a&server=b&{query}{token}"), valid, "");
        }
        self.send("DELETE", &format!("/api/status?repo={token}&server=b"), valid, "");
        let body = report("REPO", "SERVER", "SYNCED", &["FILE"]);
        for (part, wrong) in [
            ("REPO", format!("{token} ")),
            ("SERVER", format!(" {token}")),
            ("SYNCED", token.to_owned()),
            ("FILE", format!("{token}\\u0007")),
            ("\"name\"", format!("\"{token}\"")),
            ("2026-04-21T10:32:15Z", token.to_owned()),
            ("\"drift_count\":1", format!("\"drift_count\":\"{token}\"")),
            ("\"drift_count\":1", format!("\"{token}\":,\"drift_count\":1")),
            ("REPO\"", format!("{token}\",")),
            ("REPO\"", token.to_owned()),
        ] {
            assert!(body.contains(part), "{part} {body}");
            self.send("POST", "/api/status", valid, &body.replace(part, &wrong));
        }
        self.send("POST", "/api/status", valid, token);
        self.send("POST", "/api/status", valid, &format!("token={token}"));
        for name in [
            "Content-Type",
            "Content-Encoding",
            "Accept",
            "If-None-Match",
            "User-Agent",
            "Referer",
            "Cookie",
            "Last-Event-ID",
            "Origin",
            "X-Request-Id",
            "X-Forwarded-For",
        ] {
            let sent = [valid, &[(name, token)][..]].concat();
            self.send("POST", "/api/status", &sent, "{");
            self.send("GET", "/status.json", &sent, "");
        }
        self.send(token, "/api/status", valid, "");
    }

    /// A stream of changes has no end, so only its errors are asked for.
    fn send_unless_streamed(&mut self, target: &str, headers: &[(&str, &str)]) {
        if !target.starts_with("/api/events?repo=") {
            self.send("GET", target, headers, "");
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_run_full_of_secrets_leaves_none_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let ci = Minted::new(&["--id=ci", "--write=repo=rsyslog,server=*", "--delete=repo=*,server=*"]);
    let grafana = Minted::new(&["--id=grafana", "--read", "--note=GitLab"]);
    let (old, unknown) = (Minted::with_id("old"), Minted::with_id("unknown"));
    // Another secret of a known id.
    let wrong = Minted::with_id("ci");
    let expired = Minted { lines: old.lines.clone() + "expires = 2020-01-01\n", ..old.clone() };
    let file = Minted::file(folder.path(), &[&ci, &grafana, &expired]);
    let database = path("status.db");
    let settings = format!(
        "tokens_file = \"{file}\"\nrequire_read_token = true\nadmin_listen = \"127.0.0.1:0\"\n"
    );
    fs::write(path("settings.toml"), settings).unwrap();
    let mut command = Process::command(&database);
    command.arg("--config").arg(path("settings.toml")).env("RUST_LOG", "trace");
    let server = Process::run(&mut command);

    let tokens = [&ci, &grafana, &old, &unknown, &wrong];
    let secrets = secrets(&tokens);
    let mut run = Run { client: server.client, secrets: &secrets, statuses: Vec::new() };
    let (may_write, may_read) = (ci.bearer(), grafana.bearer());
    for Minted { token, .. } in tokens {
        run.use_rightly(token);
        // Malformed: too short, too long, without its id.
        for token in [&token[..token.len() - 1], &format!("{token}x"), &token.replace("_ci_", "_")]
        {
            run.use_rightly(token);
        }
        run.use_wrongly(token, &[]);
        run.use_wrongly(token, &[("Authorization", &may_write)]);
        run.use_wrongly(token, &[("Authorization", &may_read)]);
    }
    for status in [200, 400, 401, 403, 404, 405, 415] {
        assert!(run.statuses.contains(&status), "no request was answered {status}");
    }

    // Each wrong place of the tokens file.
    let right = fs::read_to_string(&file).unwrap();
    for (number, bad) in [
        right.replace(ci.sha256(), &ci.token),
        right.replace(ci.sha256(), &ci.token[7..]),
        right.replace("\"ci\"", &format!("\"{}\"", ci.token)),
        right.replace("\"ci\"", &format!("\"{}\"", ci.sha256())),
        right.replace("\"GitLab\"", &format!("[\"{}\"]", ci.token)),
        right.replace("read =", &format!("{} =", &ci.token[7..])),
        right.replace("read = true", &format!("read = {}", ci.token)),
        right.replace("\"rsyslog\"", &format!("\"{} \"", &ci.token[7..])),
    ]
    .into_iter()
    .enumerate()
    {
        assert_ne!(bad, right);
        fs::write(path("new"), bad).unwrap();
        fs::rename(path("new"), &file).unwrap();
        server.signal("HUP");
        let refused = || server.log().matches("the tokens from before stay in force").count();
        wait_until("the bad file is refused", || refused() > number);
    }

    let log = server.log();
    for part in ["with the token ci", "with the token old", "DEBUG] GET /api/history from"] {
        assert!(log.contains(part), "the log has no {part}: {log}");
    }
    assert_clean("the log", log.as_bytes(), &secrets);
    let metrics = server.get_with("/metrics", &[("Authorization", &may_read)]);
    assert!(metrics.text().contains("id=\"ci\""), "{}", metrics.text());
    assert_clean("/metrics", &metrics.body, &secrets);
    assert_clean("/health", &server.get("/health").body, &secrets);
    let (_, admin) = log.split_once("Probes and metrics on http://").unwrap();
    let admin = Client::at(admin.lines().next().unwrap().parse().unwrap());
    let sent = [("Authorization", may_read.as_str())];
    let metrics = admin.get_with(&format!("/metrics?token={}", ci.token), &sent);
    assert!(metrics.text().contains("id=\"ci\""), "{}", metrics.text());
    for reply in [metrics, admin.get("/metrics"), admin.get(&format!("/{}", ci.token))] {
        assert_clean("the port of admin_listen", &reply.body, &secrets);
    }
    for file in ["cmdline", "environ"] {
        let content = read(Path::new(&format!("/proc/{}/{file}", server.id())));
        assert!(!content.is_empty());
        assert_clean(file, &content, &secrets);
    }
    for name in ["status.db", "status.db-wal", "status.db-shm"] {
        assert_clean(name, &read(&path(name)), &secrets);
    }
    drop(server);
    for name in ["status.db", "status.db-wal"] {
        assert_clean(name, &read(&path(name)), &secrets);
    }
}

#[test]
fn a_private_key_in_the_place_of_any_setting_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = fs::read_to_string(Pair::signed_by_itself("127.0.0.1").key_file()).unwrap();
    let body = key.lines().nth(1).unwrap();
    let secrets = [body[..16].to_owned(), body[40..].to_owned()];
    let run = |check: bool, arguments: &[&str], environment: &[(&str, &str)]| {
        // Without flags that would override the environment.
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
        command.env_clear().current_dir(folder.path()).stdin(Stdio::null());
        command.args(check.then_some("check-config")).args(arguments);
        let ended = command.envs(environment.iter().copied()).output().unwrap();
        (ended.status, String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap())
    };
    let (_, known) = run(true, &[], &[]);
    let settings: Vec<&str> =
        known.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    assert!(settings.contains(&"tls_key") && settings.contains(&"listen"), "{known}");
    // Also as the shell joins its lines, and as one line without its frame's beginning.
    for key in [key.trim_end(), &key.replace('\n', " "), key.split_once('\n').unwrap().1] {
        for setting in settings.iter().chain(&["config"]) {
            let (flag, variable) = (
                format!("--{}={key}", setting.replace('_', "-")),
                format!("GITOPS_STATUS_{}", setting.to_uppercase()),
            );
            fs::write(path("a.toml"), format!("{setting} = \"\"\"{key}\"\"\"\n")).unwrap();
            let file = path("a.toml").display().to_string();
            for check in [true, false] {
                for (arguments, environment) in [
                    (&[flag.as_str()][..], &[][..]),
                    (&[], &[(variable.as_str(), key)]),
                    (&["--config", &file], &[]),
                ] {
                    let (status, output) = run(check, arguments, environment);
                    assert_eq!(status.code(), Some(2), "{setting}: {output}");
                    assert_clean(setting, output.as_bytes(), &secrets);
                    let is_of_tls = setting.starts_with("tls_") && arguments != ["--config", &file];
                    let said = "expected the path of a file, not its content";
                    assert!(!is_of_tls || output.contains(said), "{setting}: {output}");
                }
            }
        }
    }
    for arguments in [&[key.as_str()][..], &["--tls-key", &key], &["nonsense", &key]] {
        let (status, output) = run(false, arguments, &[]);
        assert_eq!(status.code(), Some(2), "{output}");
        assert_clean("the usage", output.as_bytes(), &secrets);
    }
}
