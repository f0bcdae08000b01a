//! The tokens file as people meet it: its mistakes, and a start with a bad one.

use crate::config::run::Run;
use crate::support::{Minted, Process};

/// A text that stands where somebody may have pasted a secret.
const SECRET: &str = "hunter2hunter2hunter2hunter2hunter2hunter2x";
const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Mistakes: what stands in the file behind a first token, the place and what is accepted.
fn mistakes() -> Vec<(String, &'static str, &'static str)> {
    let with = |line: &str| format!("[[token]]\nid = \"ci\"\nsha256 = \"{SHA256}\"\n{line}\n");
    let names = "repo = \"a\", server = \"b\"";
    vec![
        (
            format!("[[token]]\nid = \"{SECRET}\"\nsha256 = \"{SHA256}\""),
            "line 6 token 2: ",
            "id must be 1 to 40 characters of a-z",
        ),
        (format!("[[token]]\nsha256 = \"{SHA256}\""), "line 5 token 2: ", "id is missing"),
        ("[[token]]\nid = 7".to_owned(), "line 6 token 2: ", "id: expected a string, not a number"),
        ("[[token]]\nid = \"ci\"".to_owned(), "line 5 token 2 (ci): ", "sha256 is missing"),
        (
            format!("[[token]]\nid = \"ci\"\nsha256 = \"{SECRET}\""),
            "line 7 token 2 (ci): ",
            "sha256 must be the 64 hexadecimal digits that `token new` prints",
        ),
        (
            with(&format!("{SECRET} = true")),
            "line 8 token 2 (ci): ",
            "a key is not known; known keys: id, sha256, note, expires, write, delete, read",
        ),
        (
            with("wirte = true"),
            "line 8 token 2 (ci): ",
            "unknown key \"wirte\" (did you mean write?); known keys: id,",
        ),
        (with("note = 1"), "line 8 token 2 (ci): ", "note: expected a string, not a number"),
        (
            with("expires = \"90d\""),
            "line 8 token 2 (ci): ",
            "expires must be a time with a zone, such as 2027-04-21T10:32:15Z, or a date",
        ),
        (
            with("expires = 2027-01-01T00:00:00"),
            "line 8 token 2 (ci): ",
            "expires must be a time with a zone",
        ),
        (with("expires = 90"), "line 8 token 2 (ci): ", "expires: expected a time, not a number"),
        (
            with("read = \"yes\""),
            "line 8 token 2 (ci): ",
            "read: expected true or false without quotes, not a string",
        ),
        (
            with("write = true"),
            "line 8 token 2 (ci): ",
            "write: expected { repo = \"...\", server = \"...\" }, not a boolean",
        ),
        (
            with(&format!("write = \"{SECRET}\"")),
            "line 8 token 2 (ci): ",
            "write: expected { repo = \"...\", server = \"...\" }, not a string",
        ),
        (
            with("write = { repo = \"a\" }"),
            "line 8 token 2 (ci): ",
            "write: server is missing; \"*\" is every name",
        ),
        (with("delete = [{ server = \"a\" }]"), "line 8 token 2 (ci): ", "delete: repo is missing"),
        (
            with("write = { repo = \"\", server = \"*\" }"),
            "line 8 token 2 (ci): ",
            "write: repo is empty; \"*\" matches every name",
        ),
        (
            with("write = { repo = 1, server = \"*\" }"),
            "line 8 token 2 (ci): ",
            "write: repo: expected a string in quotes or an array of them, not a number",
        ),
        (
            with(&format!("write = {{ repo = \"{SECRET} \", server = \"*\" }}")),
            "line 8 token 2 (ci): ",
            "write: repo: no name has control characters, or white space at either end",
        ),
        (
            with(&format!("write = {{ {names}, file = \"c\" }}")),
            "line 8 token 2 (ci): ",
            "write: unknown key \"file\"; known keys: repo, server",
        ),
        (
            format!("{}{}", with(""), with("").replace(SHA256, &"0".repeat(64))),
            "line 9 token 3 (ci): ",
            "another token has the same id",
        ),
        (
            format!("{}{}", with(""), with("").replace("ci", "cd")),
            "line 9 token 3 (cd): ",
            "another token has the same sha256",
        ),
        (
            format!("# gss_ci_{SECRET}"),
            "line 5: ",
            "this is a token, and the file has only the sha256 of it",
        ),
        (
            with(&format!("note = \"it is gss_ci_{SECRET}\"")),
            "line 8: ",
            "take it out, and replace that token",
        ),
        (format!("[[token]]\nid = {SECRET}"), "line 6: ", "not TOML: "),
        ("[token]\nid = \"ci\"".to_owned(), "line 5: ", "not TOML: "),
        (
            "[[tokens]]\nid = \"ci\"".to_owned(),
            "line 5: ",
            "unknown key \"tokens\" (did you mean token?); known keys: token",
        ),
    ]
}

/// Returns a file whose first token, of four lines, is right.
fn behind_a_right_one(mistake: &str) -> String {
    format!("[[token]]\nid = \"right\"\nsha256 = \"{}\"\n\n{mistake}\n", "a".repeat(64))
}

#[test]
fn every_mistake_in_the_tokens_file_is_one_line_that_says_where_and_what_is_accepted() {
    for (mistake, place, accepted) in mistakes() {
        let run = Run::new(&["token", "check", "--tokens-file", "t.toml"]);
        let outcome = run.file("t.toml", &behind_a_right_one(&mistake)).finish();
        assert_eq!((outcome.status, outcome.out.as_str()), (Some(2), ""), "{mistake}");
        assert_eq!(outcome.created, [""; 0]);
        let line = outcome.err.strip_suffix('\n').unwrap();
        assert!(line.starts_with(&format!("error: t.toml {place}")), "{mistake}\n{line}");
        assert!(line.contains(accepted) && !line.contains('\n'), "{mistake}\n{line}");
        assert!(!line.contains("hunter2") && !line.contains(SHA256), "{line}");
    }
}

#[test]
fn tokens_that_are_no_tables_are_named_by_the_line_where_they_are() {
    for content in ["token = 1", "token = [1]", "token = { id = \"a\" }"] {
        let run = Run::new(&["token", "check", "--tokens-file", "t.toml"]);
        run.file("t.toml", &format!("\n{content}\n")).refused(&["t.toml line 2", "[[token]]"]);
    }
}

#[test]
fn a_tokens_file_that_cannot_be_read_is_named_with_the_reason() {
    for (path, reason) in [
        ("missing.toml", "No such file"),
        ("/", "directory"),
        ("/dev/null", "neither a regular file nor a pipe"),
        (&format!("gss_ci_{SECRET}"), "a path, not a token"),
    ] {
        let outcome = Run::new(&["token", "check", "--tokens-file", path]).finish();
        assert_eq!(outcome.status, Some(2), "{path}: {}", outcome.err);
        assert!(outcome.err.contains("tokens") && outcome.err.contains(reason), "{}", outcome.err);
        assert!(!outcome.err.contains("hunter2"), "{}", outcome.err);
    }
    let large = Run::new(&["token", "check", "--tokens-file", "large"]);
    let large = large.file("large", &"#".repeat(1024 * 1024 + 1));
    large.refused(&["tokens_file \"large\": cannot read: it has more than 1048576 bytes"]);
    let unset = Run::new(&["token", "check"]);
    unset.refused(&[
        "error: tokens_file: is not set",
        "--tokens-file",
        "GITOPS_STATUS_TOKENS_FILE",
    ]);
}

#[test]
fn an_empty_tokens_file_lets_nobody_write_and_everybody_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = Minted::file(folder.path(), &[]);
    let server = Process::start(&folder.path().join("status.db"), &["--tokens-file", &path]);
    assert_eq!(server.get("/status.json").text(), "[]");
    let message = server.post("{}").error(401);
    assert_eq!(message, "This needs a token: send it in the header 'Authorization: Bearer TOKEN'");
    let (text, _) = Run::new(&["check-config", "--tokens-file", &path]).checked();
    assert!(text.contains(&format!("tokens_file = \"{path}\"")), "{text}");
    let listed = Run::new(&["token", "check", "--tokens-file", &path]).finish();
    let said = format!("{path} is valid: no tokens, so every request that needs one is refused\n");
    assert_eq!((listed.status, listed.out), (Some(0), said));
}

#[test]
fn a_bad_tokens_file_at_the_start_stops_it_before_anything_is_opened() {
    for (content, place) in [
        (Some("[[token]]\nid = \"a\"\nsha256 = \"no\"\n"), "tokens.toml line 3 token 1 (a): "),
        (Some("[[token]"), "tokens.toml line 1: not TOML: "),
        (None, "tokens.toml\": cannot read: No such file"),
    ] {
        let serve = ["--listen", "127.0.0.1:0", "--tokens-file", "tokens.toml"];
        let check = ["check-config", "--tokens-file", "tokens.toml"];
        for words in [&serve[..], &check] {
            let run = Run::new(words);
            let run = match content {
                Some(content) => run.file("tokens.toml", content),
                None => run,
            };
            let outcome = run.finish();
            assert_eq!(outcome.status, Some(2), "{words:?}: {}", outcome.err);
            assert_eq!(outcome.err.lines().count(), 1, "{words:?}: {}", outcome.err);
            assert!(outcome.err.contains(place), "{words:?}: {}", outcome.err);
            assert_eq!(outcome.out, "", "{words:?}");
            assert_eq!(outcome.created, [""; 0], "nothing is opened");
        }
    }
}
