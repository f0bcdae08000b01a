//! The credential of a request: the headers that may hold one, and the text of a token.

use std::path::Path;
use std::sync::LazyLock;

use gitops_status_server::access::{
    Access, Credential, Rights, TokenId, Tokens, is_credential, redacted,
};
use gitops_status_server::domain::Timestamp;
use gitops_status_server::http::fuzzing;

const SECRET: &str = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";
const FILE: &str = "[[token]]
id = \"ci\"
sha256 = \"505c8af3a9a07baaf2a1bca2428ff784472598f91cf35ca95c3ec9034ce161f7\"
write = { repo = \"*\", server = \"*\" }
";

static ACCESS: LazyLock<Access> = LazyLock::new(|| {
    let tokens = Tokens::parse(Path::new("tokens.toml"), FILE).expect("the file is sound");
    Access::new(Rights::default(), Some(tokens))
});

/// Only the text of a token lets its holder in, and no secret is ever shown.
pub fn credential(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        parsed(text);
        parsed(&text.replace('$', SECRET));
    }
    // Each line is a header.
    let sent = String::from_utf8_lossy(input).replace('$', SECRET);
    let hidden = redacted(&sent);
    assert_eq!(redacted(&hidden), hidden);
    assert!(sent.contains("gss_") || hidden == sent, "{hidden}");
    for part in hidden.split("gss_").skip(1) {
        assert!(
            part.starts_with("...") || !part.starts_with(|c: char| c.is_ascii_alphanumeric()),
            "{hidden}"
        );
    }
    let lines = sent.lines().filter_map(|line| line.split_once(": "));
    let headers = lines.map(|(name, value)| (name, value.as_bytes()));
    let credentials = fuzzing::credentials(headers);
    let sent = credentials.iter().map(String::as_str);
    let holder = ACCESS.holder(sent, Timestamp::from_millis(0));
    let shown = format!("{holder:?}");
    assert!(!shown.contains(SECRET) && !shown.contains(&SECRET[..8]), "{shown}");
    // The first one that claims to be ours counts; the others are those of proxies.
    let ours = credentials.iter().find(|text| text.starts_with("gss_"));
    match (holder, ours) {
        (Ok(holder), None) => assert_eq!(holder.id(), None),
        (Ok(holder), Some(text)) => {
            assert_eq!(text, &format!("gss_ci_{SECRET}"));
            assert_eq!(holder.id().map(TokenId::as_str), Some("ci"));
        }
        (Err(reason), Some(text)) => {
            assert_ne!(text, &format!("gss_ci_{SECRET}"), "{reason}");
            assert!(reason.id().is_none_or(|id| id.as_str() == "ci"), "{reason:?}");
        }
        (Err(reason), None) => panic!("{reason}"),
    }
}

/// Compares with the simplest definition of a token's form.
fn parsed(text: &str) {
    let parts: Vec<&str> = text.splitn(3, '_').collect();
    let is_of = |part: &str, others: &str| {
        part.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    let expected = match parts[..] {
        ["gss", id, secret] => {
            let is_id = !id.is_empty() && id.len() <= 40 && is_of(id, "-.");
            (is_id && secret.len() == SECRET.len() && is_of(secret, "-_")).then_some((id, secret))
        }
        _ => None,
    };
    let credential = Credential::parse(text);
    assert_eq!(credential.as_ref().map(|it| it.id.as_str()), expected.map(|(id, _)| id), "{text}");
    if let (Some(credential), Some((id, secret))) = (credential, expected) {
        assert!(is_credential(text));
        let shown = format!("{credential:?}");
        assert!(id.contains(secret) || !shown.contains(secret), "{shown}");
    }
}
