//! The rules of the program: reports, the entries they make, and how entries change with time.
//!
//! Everything here is pure: no I/O, async, clock, JSON, SQL or HTTP. Equal input gives equal output,
//! so every rule can be tested without a server.

mod capacity;
mod clock_trust;
mod column;
mod condition;
mod deadlines;
mod derived;
mod difference;
mod effort;
mod entry;
mod file_spread;
mod filter;
mod history;
mod invalid;
mod name;
mod pattern;
mod plan;
mod positions;
mod report;
mod request;
mod retention;
mod row_size;
mod segment;
mod selection;
mod settlement;
mod snapshot;
mod standing;
mod tally;
mod texts;
mod time_step;
mod timeline;
mod timestamp;
mod transition;

pub use capacity::{Capacity, Full, Omitted};
pub use clock_trust::{Now, SETTLING_TIME};
pub use column::Column;
pub use condition::Condition;
pub use deadlines::{Deadlines, Lifetime, Policy, Shortened};
pub use derived::Derived;
pub use difference::Difference;
pub use effort::{Effort, GivenUp};
pub use entry::{Entry, Key, KeyRef, Recorded};
pub use file_spread::FileSpread;
pub use filter::{Facts, Filter};
pub use history::{Cursor, HistoryItem, HistoryPage, HistoryQuery, PageBuilder, TimeRange};
pub use invalid::InvalidField;
pub use name::{Actor, FileName, GitRevision, MAX_FILE_NAME, RepoName, RunUrl, ServerName};
pub use pattern::{Names, list_elements, means_all};
pub use plan::{ByKey, Change, Plan, RowChange};
pub use report::{DriftCount, FileNames, MAX_FILES, Report, ReporterSchedule, SyncStatus};
pub use request::{Action, Done, Refused, Request};
pub use retention::{Prunable, PruneRule, Retention, TransitionId};
pub use segment::Segment;
pub use selection::{Order, Run, Selected, Selection, Sort};
pub use settlement::MOST_EXPIRED_DRIFTED;
pub use snapshot::{Changes, Place, Revision, Snapshot};
pub use standing::{REMEMBERED_FOR, Shown, Silence, Standing};
pub use tally::Tally;
pub use texts::Texts;
pub use time_step::TimeStep;
pub use timeline::{EntryPast, LastSeen, Phase, Phases, Timeline, TimelineQuery};
pub use timestamp::{ReportedTime, Rfc3339, Timestamp};
pub use transition::{Event, FileDelta, MAX_DELTA_NAMES, Transition};
