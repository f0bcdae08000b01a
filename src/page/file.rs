//! The page of one file name: the drifted entries that list it.

use std::collections::BTreeSet;

use askama::Template;

use super::context::{PageContext, PageError};
use super::frame::Frame;
use super::parameters::Parameters;
use super::row::Row;
use crate::domain::{Effort, FileName, Names, Order, Selection, Snapshot};

/// The most entries that the page shows.
const ENTRIES_SHOWN: usize = 500;

/// A request for the page of a file.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FilePage {
    /// The file's name.
    pub name: FileName,
}

impl FilePage {
    /// Renders the page.
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
        let filters = Parameters::naming([("file", name), ("drifted", "true")]);
        let template = FileTemplate {
            frame: Frame::live(format!("{name} · GitOps status"), context, &filters),
            name,
            repos: repos.len(),
            servers: servers.len(),
            total: selected.total,
            rows: selected
                .standings()
                .take(ENTRIES_SHOWN)
                .map(|standing| Row::new(standing, context))
                .collect(),
            list: filters.link("./"),
            json: filters.link("status.json"),
            history: Parameters::naming([("file", name)]).link("api/history"),
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
    list: String,
    json: String,
    history: String,
}
