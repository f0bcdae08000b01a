//! The page of one file name: where it has drifted.

use std::collections::BTreeSet;

use askama::Template;

use super::frame::Frame;
use super::row::Row;
use super::{PageContext, PageError, Parameters};
use crate::domain::{Effort, FileName, Names, Order, Selection, Snapshot};

/// How many entries the page shows.
const ENTRIES_SHOWN: usize = 500;

/// What the page of a file is asked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FilePage {
    /// The file's name.
    pub name: FileName,
}

impl FilePage {
    /// Returns the page.
    ///
    /// # Errors
    /// See [`PageError`].
    pub fn render(
        &self,
        snapshot: &Snapshot,
        context: &PageContext,
        effort: &mut Effort<'_>,
    ) -> Result<String, PageError> {
        let name = self.name.as_str();
        let mut selection = Selection::default();
        selection.filter.file = Names::literal(name);
        selection.filter.drifted = Some(true);
        selection.order = Order::WorstFirst;
        let selected = selection.select(snapshot, effort)?;
        let (mut repos, mut servers) = (BTreeSet::new(), BTreeSet::new());
        for standing in selected.standings() {
            repos.insert(standing.entry().report.repo.as_str());
            servers.insert(standing.entry().report.server.as_str());
        }
        let filters = Parameters::new([("file", name), ("drifted", "true")]);
        let template = FileTemplate {
            frame: Frame::live(format!("{name} · GitOps status"), context, &filters),
            name,
            repos: repos.len(),
            servers: servers.len(),
            total: selected.total,
            rows: selected
                .standings()
                .take(ENTRIES_SHOWN)
                .map(|standing| Row::new(standing, context.now))
                .collect(),
            links: Parameters::naming("file", name).map(|by_name| Links {
                list: filters.link("./"),
                json: filters.link("status.json"),
                history: by_name.link("api/history"),
            }),
        };
        Ok(template.render()?)
    }
}

#[derive(Template)]
#[template(path = "file.html")]
struct FileTemplate<'a> {
    frame: Frame,
    name: &'a str,
    repos: usize,
    servers: usize,
    total: usize,
    rows: Vec<Row<'a>>,
    links: Option<Links>,
}

/// The same elsewhere, if a filter can name the file and no other.
struct Links {
    list: String,
    json: String,
    history: String,
}
