//! What to offer if nothing matches: the entries that contain the names asked for, in any case.
//!
//! A name filter passes whole names only, and the page filters while its reader types one.

use std::collections::BTreeSet;

use super::overview::OverviewQuery;
use super::parameters::Parameters;
use crate::domain::{
    Effort, FileName, Filter, GitRevision, GivenUp, Names, Selection, Snapshot, Standing, Texts,
    list_elements,
};

/// The most spellings of a name that an offer asks for.
const MAX_SPELLINGS: usize = 8;

/// A filter on a name.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Field {
    Repo,
    Server,
    File,
    Revision,
}

/// Entries to show in place of none.
pub(super) struct Offer<'a> {
    /// Which names no entry has.
    pub(super) missing: Missing<'a>,
    /// How many entries have names that contain these.
    pub(super) count: usize,
    /// What their names contain, where it is spelled in another way than the name asked for; else
    /// nothing.
    pub(super) spelled: Vec<String>,
    pub(super) link: String,
}

/// The names that no entry has.
pub(super) enum Missing<'a> {
    /// Names of one filter, which this word names.
    Names(&'static str, Vec<&'a str>),
    /// Names of several filters.
    Combination,
}

impl Field {
    const ALL: [Self; 4] = [Self::Repo, Self::Server, Self::File, Self::Revision];

    /// Returns the name of the filter.
    fn name(self) -> &'static str {
        match self {
            Self::Repo => "repo",
            Self::Server => "server",
            Self::File => "file",
            Self::Revision => "revision",
        }
    }

    /// Returns the word for such a name.
    fn noun(self) -> &'static str {
        match self {
            Self::Repo | Self::Server | Self::File => self.name(),
            Self::Revision => "commit",
        }
    }

    fn of(self, filter: &mut Filter) -> &mut Names {
        match self {
            Self::Repo => &mut filter.repo,
            Self::Server => &mut filter.server,
            Self::File => &mut filter.file,
            Self::Revision => &mut filter.revision,
        }
    }

    /// Returns the names of an entry that the filter looks at.
    fn names_of(self, standing: &Standing) -> Vec<&str> {
        let report = &standing.entry().report;
        match self {
            Self::Repo => vec![report.repo.as_str()],
            Self::Server => vec![report.server.as_str()],
            Self::File => report.files.iter().map(FileName::as_str).collect(),
            Self::Revision => report.revision.iter().map(GitRevision::as_str).collect(),
        }
    }
}

/// A filter on a name, with the whole names asked for.
struct Asked<'a> {
    field: Field,
    names: Vec<&'a str>,
    /// The same as texts to search for.
    texts: Texts,
}

impl<'a> Asked<'a> {
    /// Returns the names that a query asks for; `None` if it asks for none, only for patterns, or for
    /// names just as they are.
    fn new(field: Field, query: &'a OverviewQuery) -> Option<Self> {
        let is_asked = !field.of(&mut query.selection.filter.clone()).is_any();
        if !is_asked || query.parameters.is_literal() {
            return None;
        }
        let elements = query.parameters.values(field.name()).flat_map(list_elements);
        let names: Vec<&str> =
            elements.filter(|name| !name.contains('*') && !name.trim().is_empty()).collect();
        let texts = Texts::parse(names.iter().map(|name| name.trim()))?;
        (!texts.is_empty()).then_some(Self { field, names, texts })
    }

    /// Returns the parts of an entry's names that are one of the texts, as they are spelled there.
    fn parts_in<'s>(
        &self,
        standing: &'s Standing,
        effort: &mut Effort<'_>,
    ) -> Result<Vec<&'s str>, GivenUp> {
        let mut parts = Vec::new();
        for name in self.field.names_of(standing) {
            effort.spend(name.len())?;
            parts.extend(self.texts.part_of(name));
        }
        Ok(parts)
    }
}

/// Returns what to offer in place of an empty selection: for each filter on a name, the entries that
/// it would pass if parts of names were enough. If no filter is to blame alone, all are relaxed.
pub(super) fn offers<'a>(
    snapshot: &Snapshot,
    query: &'a OverviewQuery,
    effort: &mut Effort<'_>,
) -> Result<Vec<Offer<'a>>, GivenUp> {
    let asked: Vec<Asked<'_>> =
        Field::ALL.into_iter().filter_map(|field| Asked::new(field, query)).collect();
    let mut offers = Vec::new();
    for one in &asked {
        offers.extend(offer(std::slice::from_ref(one), snapshot, query, effort)?);
    }
    if offers.is_empty() && asked.len() > 1 {
        offers.extend(offer(&asked, snapshot, query, effort)?);
    }
    Ok(offers)
}

fn offer<'a>(
    asked: &[Asked<'a>],
    snapshot: &Snapshot,
    query: &OverviewQuery,
    effort: &mut Effort<'_>,
) -> Result<Option<Offer<'a>>, GivenUp> {
    let mut filter = query.selection.filter.clone();
    for one in asked {
        *one.field.of(&mut filter) = Names::Any;
    }
    let spellings = spellings(asked, &filter, snapshot, effort)?;
    let mut page = query.parameters.without(&["offset"]);
    for (one, spelled) in asked.iter().zip(&spellings) {
        let patterns: Vec<String> = spelled.iter().map(|part| format!("*{part}*")).collect();
        *one.field.of(&mut filter) = Names::parse(patterns.iter().map(String::as_str));
        page = page.with(&[(one.field.name(), Some(&patterns.join(",")))]);
    }
    let count = if spellings.iter().any(BTreeSet::is_empty) {
        0
    } else {
        Selection { filter, ..Selection::default() }.select(snapshot, effort)?.total
    };
    Ok((count > 0).then(|| Offer::new(asked, &spellings, count, &page)))
}

/// Returns, for each filter, how names of the entries spell the texts that are parts of them.
fn spellings<'s>(
    asked: &[Asked<'_>],
    others: &Filter,
    snapshot: &'s Snapshot,
    effort: &mut Effort<'_>,
) -> Result<Vec<BTreeSet<&'s str>>, GivenUp> {
    let mut spellings = vec![BTreeSet::new(); asked.len()];
    let candidates = Selection { filter: others.clone(), ..Selection::default() };
    for standing in candidates.select(snapshot, effort)?.standings() {
        let parts: Vec<Vec<&str>> =
            asked.iter().map(|one| one.parts_in(standing, effort)).collect::<Result<_, _>>()?;
        if parts.iter().any(Vec::is_empty) {
            continue;
        }
        for (known, parts) in spellings.iter_mut().zip(parts) {
            let room = MAX_SPELLINGS.saturating_sub(known.len());
            let new: BTreeSet<&str> =
                parts.into_iter().filter(|part| !known.contains(part)).take(room).collect();
            known.extend(new);
        }
    }
    Ok(spellings)
}

impl<'a> Offer<'a> {
    fn new(
        asked: &[Asked<'a>],
        spellings: &[BTreeSet<&str>],
        count: usize,
        page: &Parameters,
    ) -> Self {
        let missing = match asked {
            [one] => Missing::Names(one.field.noun(), one.names.clone()),
            _ => Missing::Combination,
        };
        let spelled: Vec<&str> = spellings.iter().flatten().copied().collect();
        let is_as_asked =
            asked.iter().flat_map(|one| &one.names).all(|name| spelled.contains(name));
        Self {
            missing,
            count,
            spelled: if is_as_asked {
                Vec::new()
            } else {
                spelled.into_iter().map(str::to_owned).collect()
            },
            link: page.link("./"),
        }
    }
}
