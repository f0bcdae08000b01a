//! Tokens, made by the program itself.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A token, and the lines for the tokens file that let it in.
#[derive(Clone, Debug)]
pub struct Minted {
    pub token: String,
    pub lines: String,
}

impl Minted {
    /// Makes a token by `token new` with these arguments.
    pub fn new(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gitops-status-server"));
        let output = command.env_clear().args(["token", "new"]).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*complaint), (Some(0), ""), "{arguments:?}");
        let (token, lines) = said.split_once('\n').unwrap();
        Self { token: token.to_owned(), lines: lines.to_owned() }
    }

    /// Makes a token that may report and remove everything.
    pub fn with_id(id: &str) -> Self {
        let all = "repo=*,server=*";
        Self::new(&["--id", id, "--write", all, "--delete", all, "--read"])
    }

    /// Returns the header that sends it.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Returns what the file has of its secret.
    pub fn sha256(&self) -> &str {
        self.lines.split("sha256 = \"").nth(1).unwrap().split('"').next().unwrap()
    }

    /// Writes a file of these tokens into a folder, and returns its path.
    pub fn file(folder: &Path, tokens: &[&Self]) -> String {
        let path = folder.join("tokens.toml");
        let lines: String = tokens.iter().map(|token| token.lines.as_str()).collect();
        fs::write(&path, lines).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
