//! The simplest definition of the filters: every way is tried.

use gitops_status_server::domain::{
    Facts, FileName, GitRevision, KeyRef, SyncStatus, list_elements, means_all,
};

/// The decoded parameters of a query string.
pub struct Sent<'a>(pub &'a [(String, String)]);

/// Something that a filter looks at.
#[derive(Debug)]
pub struct Sample {
    repo: String,
    server: String,
    sync_status: SyncStatus,
    is_drifted: bool,
    is_stale: bool,
    revision: Option<GitRevision>,
    files: Vec<FileName>,
}

impl Facts for Sample {
    fn key(&self) -> KeyRef<'_> {
        KeyRef { repo: &self.repo, server: &self.server }
    }

    fn sync_status(&self) -> SyncStatus {
        self.sync_status
    }

    fn is_drifted(&self) -> bool {
        self.is_drifted
    }

    fn is_stale(&self) -> bool {
        self.is_stale
    }

    fn revision(&self) -> Option<&GitRevision> {
        self.revision.as_ref()
    }

    fn files(&self) -> impl Iterator<Item = &FileName> {
        self.files.iter()
    }
}

impl Sent<'_> {
    fn values(&self, name: &str) -> Vec<&str> {
        let is_it = |sent: &str| sent == name || sent.strip_prefix("var-") == Some(name);
        self.0.iter().filter(|(sent, _)| is_it(sent)).map(|(_, value)| value.as_str()).collect()
    }

    /// Returns samples with names that the parameters ask for, or nearly.
    pub fn samples(&self) -> Vec<Sample> {
        let candidates = |parameter: &str| {
            let mut found = vec!["a".to_owned(), "Web-1".to_owned()];
            for value in self.values(parameter) {
                let parts = list_elements(value).into_iter().take(4).chain([value]);
                found.extend(
                    parts.flat_map(|part| [part.replace('*', ""), part.replace('*', "xa")]),
                );
            }
            found.extend(self.values("q").iter().map(|text| format!("x{text}").to_uppercase()));
            found
        };
        let [repos, servers, files, revisions] =
            ["repo", "server", "file", "revision"].map(candidates);
        let pick = |from: &[String], place: usize| from[place % from.len()].clone();
        let sample = |number: usize| Sample {
            repo: pick(&repos, number),
            server: pick(&servers, number / 2 + 1),
            sync_status: if number.is_multiple_of(2) {
                SyncStatus::Synced
            } else {
                SyncStatus::OutOfSync
            },
            is_drifted: number % 4 > 1,
            is_stale: number % 8 > 3,
            revision: GitRevision::parse(&pick(&revisions, number / 3)).ok(),
            files: (0..number % 3)
                .filter_map(|file| FileName::parse(&pick(&files, number + file)).ok())
                .collect(),
        };
        (0..16).map(sample).collect()
    }

    /// Whether a sample passes all filters. The parameters have been accepted.
    pub fn lets_pass(&self, sample: &Sample) -> bool {
        let Sample { repo, server, sync_status, is_drifted, is_stale, revision, files } = sample;
        let files: Vec<&str> = files.iter().map(FileName::as_str).collect();
        let revision: Vec<&str> = revision.iter().map(GitRevision::as_str).collect();
        let names: Vec<&str> =
            [repo.as_str(), server.as_str()].into_iter().chain(files.iter().copied()).collect();
        self.names("repo", &[repo])
            && self.names("server", &[server])
            && self.names("file", &files)
            && self.names("revision", &revision)
            && self.choice("sync_status", |word| word.eq_ignore_ascii_case(sync_status.as_str()))
            && self.choice("drifted", |word| matches!(word, "true" | "1") == *is_drifted)
            && self.choice("stale", |word| matches!(word, "true" | "1") == *is_stale)
            && self.texts(&names)
    }

    fn names(&self, parameter: &str, names: &[&str]) -> bool {
        let values: Vec<&str> =
            self.values(parameter).into_iter().filter(|it| !it.is_empty()).collect();
        if self.values("literal").iter().any(|value| matches!(*value, "true" | "1")) {
            return values.is_empty() || names.iter().any(|name| values.contains(name));
        }
        // A value is a list, and also one name with its commas.
        let lists = values.iter().filter(|value| !list_elements(value).is_empty());
        let elements: Vec<&str> =
            lists.flat_map(|value| list_elements(value).into_iter().chain([*value])).collect();
        elements.is_empty()
            || elements.iter().any(|element| means_all(element))
            || names.iter().any(|name| elements.iter().any(|element| fits(element, name)))
    }

    fn choice(&self, parameter: &str, is_it: impl Fn(&str) -> bool) -> bool {
        let mut words = self.values(parameter).into_iter().flat_map(list_elements).peekable();
        words.peek().is_none() || words.any(|word| means_all(word) || is_it(word))
    }

    fn texts(&self, names: &[&str]) -> bool {
        let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        let texts = self.values("q").into_iter().filter(|text| !text.is_empty()).map(lower);
        let texts: Vec<String> = texts.collect();
        texts.is_empty()
            || names.iter().any(|name| texts.iter().any(|text| lower(name).contains(text.as_str())))
    }
}

/// Whether a pattern, in which each `*` stands for any bytes, is a whole name.
fn fits(pattern: &str, name: &str) -> bool {
    // For each length of the name's beginning, whether the pattern so far is all of it.
    let mut fitting = vec![false; name.len() + 1];
    fitting[0] = true;
    for byte in pattern.bytes() {
        let before = fitting.clone();
        for length in 0..=name.len() {
            fitting[length] = if byte == b'*' {
                before[..=length].contains(&true)
            } else {
                length > 0 && before[length - 1] && name.as_bytes()[length - 1] == byte
            };
        }
    }
    fitting[name.len()]
}
