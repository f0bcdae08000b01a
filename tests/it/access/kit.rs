//! Tokens for tests, the files that hold them, and applications that read such a file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops_status_server::access::{TokenId, mint};
use tempfile::TempDir;

use crate::support::{Process, TestApp, report};

/// Everything that a token may be allowed.
pub const ALL: &str = "write = { repo = \"*\", server = \"*\" }\n\
                       delete = { repo = \"*\", server = \"*\" }\nread = true\nbackup = true\n";

/// A token, and its table in the file.
#[derive(Clone, Debug)]
pub struct Token {
    pub text: String,
    pub table: String,
}

impl Token {
    /// Makes a token with these lines in its table.
    pub fn new(id: &str, lines: &str) -> Self {
        let minted = mint(TokenId::parse(id)).unwrap();
        let table = format!("[[token]]\nid = \"{id}\"\nsha256 = \"{}\"\n{lines}\n", minted.digest);
        Self { text: minted.text, table }
    }

    /// Returns the header that most clients send.
    pub fn bearer(&self) -> [(&'static str, String); 1] {
        [("Authorization", format!("Bearer {}", self.text))]
    }
}

/// Returns the password of HTTP Basic as a header's value.
pub fn basic(user: &[u8], password: &str) -> String {
    let pair = [user, b":", password.as_bytes()].concat();
    format!("Basic {}", STANDARD.encode(pair))
}

/// A folder with a file of tokens, as a kubelet mounts a Secret: the file is a link through `..data`,
/// which is replaced as a whole.
pub struct Mount {
    folder: TempDir,
    versions: std::cell::Cell<u32>,
}

impl Mount {
    pub fn new(tokens: &[&Token]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink("..data/tokens.toml", folder.path().join("tokens.toml")).unwrap();
        let mount = Self { folder, versions: std::cell::Cell::new(0) };
        mount.swap(tokens);
        mount
    }

    /// Replaces the file by one with these tokens.
    pub fn swap(&self, tokens: &[&Token]) {
        let tables: Vec<&str> = tokens.iter().map(|token| token.table.as_str()).collect();
        self.swap_for(&tables.concat());
    }

    /// Replaces the file by one with this content, as a kubelet does.
    pub fn swap_for(&self, content: &str) {
        let number = self.versions.get() + 1;
        self.versions.set(number);
        let (version, link) =
            (format!("..version-{number}"), self.folder.path().join("..data_tmp"));
        fs::create_dir(self.folder.path().join(&version)).unwrap();
        fs::write(self.folder.path().join(&version).join("tokens.toml"), content).unwrap();
        symlink(&version, &link).unwrap();
        fs::rename(link, self.folder.path().join("..data")).unwrap();
    }

    /// Removes the file, as when a Secret is deleted.
    pub fn remove(&self) {
        fs::remove_file(self.folder.path().join("..data")).unwrap();
    }

    /// Returns the path for the setting.
    pub fn path(&self) -> String {
        self.folder.path().join("tokens.toml").to_str().unwrap().to_owned()
    }

    /// Returns a path beside the file.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts an application in this process that reads the file.
    pub fn app(&self, more: &[(&str, &str)]) -> TestApp {
        let path = self.path();
        TestApp::with_settings(&[&[("tokens_file", path.as_str())], more].concat())
    }

    /// Starts the program with this file.
    pub fn program(&self, arguments: &[&str]) -> Process {
        let path = self.path();
        let arguments = [&["--tokens-file", path.as_str()], arguments].concat();
        Process::start(&self.beside("status.db"), &arguments)
    }
}

/// Returns headers of requests in the form that clients of tests take.
pub fn headers<'a>(headers: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Returns a valid report of a pair.
pub fn update(repo: &str, server: &str) -> String {
    report(repo, server, "SYNCED", &[])
}
