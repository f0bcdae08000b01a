//! The order in which a check goes through a database.

use crate::store::Part;

/// Small tables, each checked as a whole. Checking `sqlite_schema` includes the free pages.
pub(super) const SMALL: [(&str, Part); 5] = [
    ("sqlite_schema", Part::Other),
    ("_sqlx_migrations", Part::Other),
    ("tombstones", Part::Other),
    ("outages", Part::Other),
    ("meta", Part::Entries),
];

/// The row after which the next piece begins.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Position {
    Small(usize),
    Entries(String, String),
    Sightings(i64),
    History(i64),
    /// The history without its indexes, one of which is known to be damaged.
    HistoryAlone(i64),
    ByTime(i64, i64),
    ByState(String, String, i64, i64, i64),
    End,
}

impl Position {
    pub(super) fn part(&self) -> Part {
        match self {
            Self::Small(number) => SMALL.get(*number).map_or(Part::Other, |(_, part)| *part),
            Self::Entries(..) | Self::Sightings(_) => Part::Entries,
            Self::History(_) | Self::HistoryAlone(_) => Part::History,
            Self::ByTime(..) | Self::ByState(..) | Self::End => Part::HistoryIndex,
        }
    }

    /// Returns the first position of the next kind.
    pub(super) fn next_kind(&self) -> Self {
        match self {
            Self::Small(number) if number + 1 < SMALL.len() => Self::Small(number + 1),
            Self::Small(_) => Self::Entries(String::new(), String::new()),
            Self::Entries(..) => Self::Sightings(i64::MIN),
            Self::Sightings(_) => Self::History(i64::MIN),
            Self::History(_) => Self::ByTime(i64::MIN, i64::MIN),
            Self::ByTime(..) => Self::ByState(String::new(), String::new(), 0, 0, 0),
            Self::HistoryAlone(_) | Self::ByState(..) | Self::End => Self::End,
        }
    }

    /// Returns the position to continue after when this kind is damaged. An index cannot be
    /// compared with a damaged table, and one damaged index is reason enough to rebuild both.
    pub(super) fn behind_damage(&self) -> Self {
        match self {
            Self::Small(_) | Self::Entries(..) | Self::Sightings(_) => self.next_kind(),
            Self::History(_)
            | Self::HistoryAlone(_)
            | Self::ByTime(..)
            | Self::ByState(..)
            | Self::End => Self::End,
        }
    }
}
