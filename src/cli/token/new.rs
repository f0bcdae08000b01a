//! `token new`: makes a token, and the lines of the file of tokens that let it in.

use std::fmt::Write as _;
use std::time::Duration;

use toml::Value;

use crate::access::{Minted, Rights, Scope, TokenId, mint};
use crate::cli::error::CliError;
use crate::config::ConfigError;
use crate::domain::{ReportedTime, Timestamp};

/// What the new token is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewToken {
    pub(super) id: Option<TokenId>,
    pub(super) note: Option<String>,
    pub(super) expires: Option<Expiry>,
    pub(super) rights: Rights,
}

/// When a token ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expiry {
    At(Timestamp),
    After(Duration),
}

/// Makes a token, and returns it in the first line of a text whose other lines are for the file.
///
/// # Errors
/// A time to expire that is over, and a system without random numbers.
pub fn new_token(options: NewToken, now: Timestamp) -> Result<String, CliError> {
    let NewToken { id, note, expires, rights } = options;
    let expires = expires.map(|expires| match expires {
        Expiry::At(moment) => moment,
        Expiry::After(span) => now.plus(span),
    });
    if expires.is_some_and(|expires| expires <= now) {
        return Err(ConfigError::new("flag --expires", "this time is over already").into());
    }
    let Minted { text: token, id, digest } = mint(id).map_err(CliError::NoRandomness)?;
    let today = ReportedTime::to_the_second(now).rfc3339();
    let mut text = format!(
        "{token}\n\n# Made at {today} by `gitops-status-server token new`.\n[[token]]\nid = \"{id}\"\n\
         sha256 = \"{digest}\"\n"
    );
    // Writing to a string cannot fail.
    let mut add = |key: &str, value: &str| writeln!(text, "{key} = {value}").unwrap_or_default();
    if let Some(note) = note {
        add("note", &Value::from(note).to_string());
    }
    if let Some(expires) = expires {
        add("expires", &ReportedTime::to_the_second(expires).rfc3339().to_string());
    }
    for (key, scopes) in [("write", &rights.write), ("delete", &rights.delete)] {
        let written: Vec<String> = scopes.iter().map(Scope::to_string).collect();
        match written.as_slice() {
            [] => {}
            [one] => add(key, one),
            several => add(key, &format!("[{}]", several.join(", "))),
        }
    }
    for (key, is_granted) in [("read", rights.read), ("backup", rights.backup)] {
        if is_granted {
            add(key, "true");
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::access::{Access, Right, Tokens};
    use crate::domain::KeyRef;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_999);

    fn made(options: NewToken) -> (String, Tokens) {
        let text = new_token(options, NOW).unwrap();
        let (token, lines) = text.split_once('\n').unwrap();
        (token.to_owned(), Tokens::parse(Path::new("tokens.toml"), lines).unwrap())
    }

    #[test]
    fn the_file_gives_a_new_token_the_rights_that_were_asked_for() {
        let scope = |text| Scope::parse(text).unwrap();
        let (a, b) = (scope("repo=a,server=*"), scope("repo=b'\"c,server=web-*,db-1"));
        for write in [vec![], vec![a.clone()], vec![a.clone(), b.clone()]] {
            for (read, backup) in [(false, false), (false, true), (true, false)] {
                let rights = Rights { write: write.clone(), delete: vec![b.clone()], read, backup };
                let options = NewToken {
                    id: TokenId::parse("ci-2"),
                    note: Some("a \"note\" \\ # of ä".to_owned()),
                    expires: Some(Expiry::After(Duration::from_secs(90))),
                    rights: rights.clone(),
                };
                let (text, tokens) = made(options);
                let [token] = tokens.iter().collect::<Vec<_>>()[..] else { panic!("{tokens:?}") };
                assert_eq!(token.rights, rights);
                assert_eq!(token.note.as_deref(), Some("a \"note\" \\ # of ä"));
                assert_eq!(token.expires, Some(Timestamp::from_millis(1_000_000_090_000)));
                let access = Access::new(Rights::default(), Some(tokens.clone()));
                let holder = access.holder([text.as_str()], NOW).unwrap();
                assert_eq!(holder.id().unwrap().as_str(), "ci-2");
                assert!(holder.covers(Right::Delete, KeyRef { repo: "b'\"c", server: "db-1" }));
            }
        }
    }

    proptest! {
        #[test]
        fn every_pattern_of_the_command_line_is_the_same_in_the_file(
            repo in "[-a-z*ü,'\"\\\\#={}\\[\\] ]{1,12}", server in "[a-z*,]{1,5}",
        ) {
            let scope = Scope::parse(&format!("repo={repo},server={server}"));
            prop_assume!(scope.is_ok());
            let rights = Rights { write: vec![scope.unwrap()], ..Rights::default() };
            let (id, note, expires) = (None, None, None);
            let (_, tokens) = made(NewToken { id, note, expires, rights: rights.clone() });
            prop_assert_eq!(&tokens.iter().next().unwrap().rights, &rights);
        }
    }
}
