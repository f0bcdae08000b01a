//! `token new` and `token check` from outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::config::run::Run;
use crate::support::{Minted, commands, document, run_tool, wait_until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gitops-status-server");

fn new(words: &[&str]) -> Run {
    Run::new(&[&["token", "new"], words].concat())
}

/// Runs `token check` in a folder with a file of tokens, and with a token on standard input.
fn check_in(folder: &Path, token: &str, words: &[&str]) -> (Option<i32>, String) {
    fs::write(folder.join("input"), token).unwrap();
    let output = Command::new(PROGRAM)
        .env_clear()
        .current_dir(folder)
        .args(["token", "check", "--tokens-file", "tokens.toml"])
        .args(words)
        .stdin(fs::File::open(folder.join("input")).unwrap())
        .stderr(Stdio::piped())
        .output();
    let Output { status, stdout, stderr } = output.unwrap();
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn token_new_prints_the_token_in_the_first_line_and_then_the_lines_for_the_file() {
    let outcome = new(&[
        "--write=repo=rsyslog,server=*",
        "--write=repo=nginx,server=web-*,db-1",
        "--delete=server=lab-*, repo=rsyslog",
        "--read",
        "--id=rsyslog-ci",
        "--note=GitLab, ops/rsyslog",
        "--expires=2147-04-01",
    ])
    .finish();
    assert_eq!((outcome.status, outcome.err.as_str()), (Some(0), ""));
    assert_eq!(outcome.created, [""; 0], "nothing is stored");
    let lines: Vec<_> = outcome.out.lines().collect();
    let secret = lines[0].strip_prefix("gss_rsyslog-ci_").unwrap();
    assert_eq!(secret.len(), 43);
    let sum = run_tool("sha256sum", "coreutils", &[], lines[0]);
    let sha256 = format!("sha256 = \"{}\"", sum.split(' ').next().unwrap());
    assert_eq!(lines[1], "");
    assert!(lines[2].starts_with("# Made at 2") && lines[2].contains("token new"), "{}", lines[2]);
    let expected = [
        "[[token]]",
        "id = \"rsyslog-ci\"",
        &sha256,
        "note = \"GitLab, ops/rsyslog\"",
        "expires = 2147-04-01T00:00:00Z",
        "write = [{ repo = \"rsyslog\", server = \"*\" }, { repo = \"nginx\", server = \"web-*,db-1\" }]",
        "delete = { repo = \"rsyslog\", server = \"lab-*\" }",
        "read = true",
    ];
    assert_eq!(lines[3..], expected);
    assert_eq!(outcome.out.matches(secret).count(), 1, "the secret is shown once");
}

#[test]
fn a_token_without_an_id_gets_one_and_a_span_is_added_to_now() {
    let [one, two] = [(); 2].map(|()| Minted::new(&["--read", "--expires", "90d"]));
    let id = |minted: &Minted| minted.token.split('_').nth(1).unwrap().to_owned();
    assert_ne!(id(&one), id(&two));
    assert!(id(&one).len() == 8 && id(&one).bytes().all(|byte| byte.is_ascii_lowercase()));
    let value = |key: &str| one.lines.split(&format!("{key} = ")).nth(1).unwrap();
    assert!(value("expires").starts_with("20"), "{}", one.lines);
    assert!(!one.lines.contains("write") && !one.lines.contains("delete"));
}

#[test]
fn a_script_can_take_the_token_and_the_lines_apart_as_the_help_says() {
    let help = Run::new(&["token", "new", "--help"]).finish();
    let commands: Vec<_> = help.out.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let is_shown = |line: &&&str| {
        ["gitops-status-server", "head", "tail"].iter().any(|it| line.starts_with(it))
    };
    let commands: Vec<_> = commands.iter().filter(is_shown).copied().collect();
    assert_eq!(commands.len(), 4, "{}", help.out);
    assert!(!help.out.contains("--stale-after"), "{}", help.out);
    let folder = tempfile::tempdir().unwrap();
    let bin = Path::new(PROGRAM).parent().unwrap().display();
    let script =
        format!("cd {} && PATH={bin}:$PATH && {}", folder.path().display(), commands.join(" && "));
    let said = run_tool("bash", "bash", &["-c", &script], "");
    let token = fs::read_to_string(folder.path().join("rsyslog.token")).unwrap();
    for token in [token, said] {
        assert_eq!(token.lines().count(), 1, "{token}");
        let (mut status, mut answer) = (None, String::new());
        // The shell does not wait for the end of `tail`.
        wait_until("the tokens file has the token", || {
            (status, answer) = check_in(folder.path(), &token, &["--token-stdin"]);
            status == Some(0)
        });
    }
}

#[test]
fn the_example_of_the_document_is_what_token_check_says() {
    let document = document("docs/security.md");
    // Its time must not pass.
    let document = document.replace("2027-04-01", "2147-04-01");
    let block = |name: &str| {
        let block = document.split(&format!("```{name}\n")).nth(1).unwrap();
        block.split("```").next().unwrap().to_owned()
    };
    let (file, example) = (block("toml"), commands(&document).remove(0));
    let ci = Minted::new(&["--id=rsyslog-ci", "--read"]);
    let sample = file.split("sha256 = \"").nth(1).unwrap().split('"').next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tokens.toml"), file.replace(sample, ci.sha256())).unwrap();
    fs::write(folder.path().join("rsyslog.token"), &ci.token).unwrap();
    let command = example.command.strip_prefix("gitops-status-server ").unwrap();
    let words: Vec<_> = command.split(' ').collect();
    let output = Command::new(PROGRAM).env_clear().current_dir(&folder).args(words).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), example.output);
}

#[test]
fn token_new_refuses_what_makes_no_sense_and_repeats_no_value() {
    let all = "--write=repo=*,server=*";
    for (words, accepted) in [
        (&[all, "--id=hunter2_"][..], "flag --id: expected 1 to 40 characters of a-z"),
        (&[all, "--id="], "flag --id: expected"),
        (&["--write=repo=hunter2"], "flag --write: server is missing; \"*\" is every name"),
        (&["--delete=hunter2"], "flag --delete: expected repo=PATTERN,server=PATTERN"),
        (&[all, "--note=hunter2\n"], "flag --note: expected a line of text, and no token"),
        (&[all, "--note=gss_a_hunter2"], "flag --note: expected a line of text, and no token"),
        (&[all, "--expires=hunter2"], "flag --expires: expected a date, a time with a zone"),
        (&[all, "--expires=2020-01-01"], "flag --expires: this time is over already"),
        (&[all, "--expires=0"], "flag --expires: "),
    ] {
        let outcome = new(words).finish();
        assert_eq!((outcome.status, outcome.out.as_str()), (Some(2), ""), "{words:?}");
        assert!(outcome.err.starts_with(&format!("error: {accepted}")), "{}", outcome.err);
        assert_eq!(outcome.err.lines().count(), 1, "{}", outcome.err);
        assert!(!outcome.err.contains("hunter2"), "{}", outcome.err);
    }
    let outcome = new(&[]).finish();
    assert_eq!(outcome.status, Some(2));
    for flag in ["--write", "--delete", "--read"] {
        assert!(outcome.err.contains(flag), "{}", outcome.err);
    }
}

#[test]
fn token_check_lists_the_tokens_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let ci = Minted::new(&[
        "--id=ci",
        "--write=repo=rsyslog,server=*",
        "--note=GitLab",
        "--expires=2147-04-01",
    ]);
    let (old, grafana) =
        (Minted::new(&["--id=old", "--read"]), Minted::new(&["--id=grafana", "--read"]));
    let old = Minted { lines: old.lines + "expires = 2020-01-01\n", ..old };
    Minted::file(folder.path(), &[&ci, &old, &grafana]);
    let (status, said) = check_in(folder.path(), "", &[]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(
        said,
        "tokens.toml is valid: 3 tokens\n\
         \nci: valid until 2147-04-01T00:00:00Z\n  write   { repo = \"rsyslog\", server = \"*\" }\n  \
         delete  nothing\n  read    only where everybody may\n  backup  no\n  note    \"GitLab\"\n\
         \ngrafana: valid\n  write   nothing\n  delete  nothing\n  read    yes\n  backup  no\n\
         \nold: expired on 2020-01-01T00:00:00Z\n  write   nothing\n  delete  nothing\n  read    yes\n  backup  no\n"
    );
}

#[test]
fn token_check_says_what_a_token_may_do_and_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let ci =
        Minted::new(&["--id=ci", "--write=repo=rsyslog,server=*", "--write=repo=a,b,server=web-*"]);
    let other = Minted::new(&["--id=ci", "--write=repo=*,server=*"]);
    let old = Minted::new(&["--id=old", "--read"]);
    let lines = old.lines.clone() + "expires = 2020-01-01\n";
    Minted::file(folder.path(), &[&ci, &Minted { lines, ..old.clone() }]);
    let unknown = Minted::new(&["--id=cd", "--read"]);
    let asked = ["--token-stdin", "--repo=nginx", "--server=web-1"];
    let (no, yes) = (Some(1), Some(0));
    for (token, words, status, answer) in [
        (
            ci.token.as_str(),
            &asked[..1],
            yes,
            "ci: valid\n  write   { repo = \"rsyslog\", server = \"*\" }, { repo = \"a,b\", server = \"web-*\" }\n  delete  nothing\n  read    yes, since everybody may\n  backup  no\n",
        ),
        (
            &ci.token,
            &["--token-stdin", "--repo=rsyslog", "--server=x"],
            yes,
            "  write   yes\n  delete  no: it has no such right\n",
        ),
        (
            &ci.token,
            &["--token-stdin", "--repo=rsyslog", "--server=x", "--right=delete"],
            no,
            "  write   yes\n  delete  no: it has no such right\n",
        ),
        (
            &ci.token,
            &["--token-stdin", "--repo=rsyslog", "--server=x", "--right=read"],
            yes,
            "  read    yes, since everybody may\n  backup  no\n",
        ),
        (
            &ci.token,
            &[
                "--token-stdin",
                "--repo=rsyslog",
                "--server=x",
                "--right=read",
                "--require-read-token",
            ],
            no,
            "  read    no: it has no right to read, and require_read_token is set\n  backup  no\n",
        ),
        (
            &ci.token,
            &["--token-stdin", "--right=read"],
            yes,
            "  read    yes, since everybody may\n  backup  no\n",
        ),
        (&ci.token, &["--token-stdin", "--right=backup"], no, "  backup  no\n"),
        (
            &ci.token,
            &["--token-stdin", "--right=read", "--require-read-token"],
            no,
            "  read    no: it has no right to read, and require_read_token is set\n  backup  no\n",
        ),
        (
            &ci.token,
            &asked,
            no,
            "asked about repo \"nginx\" on server \"web-1\"\n  write   no: only for { repo = \"rsyslog\", server = \"*\" }, { repo = \"a,b\", server = \"web-*\" }\n",
        ),
        (&format!(" {}\r\n", ci.token), &asked[..1], yes, "ci: valid\n"),
        (
            &other.token,
            &asked,
            no,
            "Its secret is not that of ci: it may be an older token of that id; the tokens are those of tokens.toml.\n",
        ),
        (
            &unknown.token,
            &asked,
            no,
            "No token has its id, cd; the tokens are those of tokens.toml.\n",
        ),
        (&old.token, &asked, no, "old has expired on 2020-01-01T00:00:00Z; "),
        (
            &ci.token[..40],
            &asked,
            no,
            "It is no whole token: that is gss_, an id, _ and 43 characters; ",
        ),
        ("hunter2", &asked, no, "It does not begin with gss_, so the server counts it as absent; "),
        ("", &asked, Some(2), "error: flag --token-stdin: is empty\n"),
        (
            "\u{0}",
            &["--token-file=missing"],
            Some(2),
            "error: flag --token-file \"missing\": cannot read: No such file",
        ),
        (&ci.token, &["--token-file=input"], yes, "ci: valid\n"),
    ] {
        let (ended, said) = check_in(folder.path(), token, words);
        assert_eq!(ended, status, "{words:?}: {said}");
        assert!(said.contains(answer), "{words:?}: {said}");
        for secret in [&ci, &other, &old, &unknown].map(|minted| &minted.token[8..40]) {
            assert!(!said.contains(secret), "{words:?}: {said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn names_that_no_entry_can_have_and_half_a_question_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ci = Minted::with_id("ci");
    Minted::file(folder.path(), &[&ci]);
    for (words, reason) in [
        (&["--token-stdin", "--repo=a ", "--server=b"][..], "flag --repo: repo must be"),
        (&["--token-stdin", "--repo=a"], "--server"),
        (&["--repo=a", "--server=b"], "--token-stdin"),
        (&["--token-stdin", "--token-file=x"], "cannot be used with"),
        (&["--token-stdin", "--right=write"], "--repo"),
        (&["--token-stdin", "--right=delete"], "--repo"),
        (&["--token-stdin", "--right=read", "--repo=a"], "--server"),
        (&["--right=read"], "--token-stdin"),
    ] {
        let (status, said) = check_in(folder.path(), &ci.token, words);
        assert_eq!(status, Some(2), "{words:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(reason), "{words:?}: {said}");
    }
}

#[test]
fn no_command_shows_a_token_that_was_given_in_a_wrong_place() {
    let folder = tempfile::tempdir().unwrap();
    let ci = Minted::with_id("ci");
    let path = Minted::file(folder.path(), &[&ci]);
    let (token, file) = (ci.token.as_str(), format!("--tokens-file={path}"));
    let glued = |flag: &str| format!("{flag}={token}");
    for words in [
        vec!["token", "check", token],
        vec!["token", "check", &file, token],
        vec!["token", "check", &file, "--token-stdin", token],
        vec!["token", token],
        vec!["token", "new", token],
        vec![token],
        vec!["check-config", token],
    ] {
        let outcome = Run::new(&words).finish();
        assert_eq!(outcome.status, Some(2), "{}", outcome.err);
        assert!(!(outcome.out + &outcome.err).contains(&token[8..]), "{}", outcome.err);
    }
    for flag in [
        "--token-stdin",
        "--token",
        "--right",
        "--token-file",
        "--repo",
        "--tokens-file",
        "--ttl",
        "--config",
        "--listen",
        "--workers",
        "--external-url",
        "--allow-anonymous-writes",
    ] {
        let outcome = Run::new(&["token", "check", &glued(flag)]).finish();
        assert_eq!(outcome.status, Some(2), "{}", outcome.err);
        assert!(!(outcome.out + &outcome.err).contains(&token[8..]), "{}", outcome.err);
    }
    for flag in ["--id", "--note", "--write", "--delete", "--expires", "--read"] {
        let outcome = Run::new(&["token", "new", "--read", &glued(flag)]).finish();
        assert_eq!(outcome.status, Some(2), "{}", outcome.err);
        assert!(!(outcome.out + &outcome.err).contains(&token[8..]), "{}", outcome.err);
    }
    for content in [
        format!("tokens_file = \"{token}\""),
        format!("{token} = 1"),
        token.to_owned(),
        format!("ttl = \"{token}\""),
        format!("[[schedule]]\nrepo = \"{token} \"\nttl = \"9d\""),
    ] {
        let outcome = Run::new(&["--config=a.toml"]).file("a.toml", &content).finish();
        assert_eq!(outcome.status, Some(2), "{}", outcome.err);
        assert!(!outcome.err.contains(&token[8..]), "{}", outcome.err);
    }
    let outcome = Run::new(&[]).env("GITOPS_STATUS_TOKENS_FILE", token).finish();
    assert_eq!(outcome.status, Some(2), "{}", outcome.err);
    assert!(!outcome.err.contains(&token[8..]), "{}", outcome.err);
}

#[test]
fn a_server_is_secured_by_the_commands_at_the_beginning_of_the_document() {
    let document = document("docs/security.md");
    let (_, rest) = document.split_once("## In short\n").unwrap();
    let chapter = rest.split("\n## ").next().unwrap();
    let spans: Vec<_> = chapter.split('`').skip(1).step_by(2).collect();
    let is_command = |span: &&&str| {
        ["gitops-status-server ", "tail ", "head ", "rm "].iter().any(|it| span.starts_with(it))
    };
    let commands: Vec<_> = spans.iter().filter(is_command).copied().collect();
    assert_eq!(commands.len(), 4, "{chapter}");
    let setting = spans.iter().find(|span| span.starts_with("tokens_file = ")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("settings.toml"), setting).unwrap();
    let bin = Path::new(PROGRAM).parent().unwrap().display();
    let check = "gitops-status-server check-config --config settings.toml --listen 0.0.0.0:8080";
    let (place, commands) = (folder.path().display(), commands.join(" && "));
    let script = format!("cd {place} && PATH={bin}:$PATH && {commands} && {check}");
    run_tool("sh", "dash", &["-c", &script], "");
    let token = fs::read_to_string(folder.path().join("rsyslog.token")).unwrap();
    let asked = ["--token-stdin", "--repo=rsyslog", "--server=web-1"];
    let (status, said) = check_in(folder.path(), &token, &asked);
    assert_eq!(status, Some(0), "{said}");
    assert!(!folder.path().join("new").exists());
}
