//! Who may do what: tokens and their rights, from outside.

use std::fs;

use sha2::{Digest, Sha256};

use crate::support::{TestApp, report};

/// A token that may report rsyslog on any server, and the SHA-256 of its text.
const WRITER: &str = "gss_rsyslog-ci_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn a_token_may_write_what_its_patterns_cover_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let digest = Sha256::digest(WRITER);
    let token = format!(
        "[[token]]\nid = 'rsyslog-ci'\nsha256 = '{digest:x}'\n\
         write = {{ repo = 'rsyslog', server = '*' }}\n"
    );
    fs::write(&file, token).unwrap();
    let app = TestApp::with_settings(&[("tokens_file", file.to_str().unwrap())]);
    let post = |repo, token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        app.send("POST", "/api/status", &headers, report(repo, "web-1", "SYNCED", &[]).as_bytes())
    };
    assert_eq!(post("rsyslog", Some(WRITER)).status, 200);
    assert_eq!(post("nginx", Some(WRITER)).status, 403);
    let reply = post("rsyslog", None);
    assert_eq!(reply.status, 401);
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"gitops-status-server\""));
    assert_eq!(post("rsyslog", Some(&WRITER.replace("ci_A", "ci_B"))).status, 401);
    assert_eq!(app.names(""), ["rsyslog/web-1"], "reads are open");
    let history = app.get("/api/history").json();
    assert_eq!(history["items"][0]["by"], "rsyslog-ci");
}
