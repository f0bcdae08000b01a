//! The series of each entry, written directly from the snapshot: with hundreds of thousands of
//! series, an object for each would cost too much.

use bytes::Bytes;

use super::text::description;
use crate::domain::{KeyRef, Snapshot, Standing, SyncStatus, Timestamp};

/// The most drifted or stale entries that have series though they are beyond the limit: alerts have
/// to see them, and a scrape has to have an end.
const MOST_WRONG: usize = 100_000;
/// How many series an entry within the limit has.
const SERIES: usize = 6;

/// Which entries have their own series.
#[derive(Clone, Copy, Debug)]
pub struct EntrySeries {
    /// Whether entries have series at all.
    pub is_on: bool,
    /// The most entries that have all series, in the order of their names; `None` is all. Beyond
    /// it, an entry has one series that says that it is drifted, and one that it is stale.
    pub max_entries: Option<usize>,
}

/// The series of entries, as text.
#[derive(Default)]
pub(super) struct Written {
    /// The text of each metric.
    pub families: Vec<Bytes>,
    /// How many series the limit leaves out.
    pub dropped_series: usize,
    /// How many drifted or stale entries have no series that says so.
    pub dropped_wrong_entries: usize,
}

impl EntrySeries {
    /// Writes the series.
    pub(super) fn write(&self, snapshot: &Snapshot) -> Written {
        if !self.is_on {
            return Written::default();
        }
        let complete = snapshot.listed().min(self.max_entries.unwrap_or(usize::MAX));
        let standings = snapshot.segments().iter().flat_map(|segment| segment.standings());
        let listed = standings.filter(|standing| standing.is_listed());
        let listed = listed.map(|standing| (standing.entry().key(), Row::of(standing)));
        let rows = Rows::of(listed, complete, MOST_WRONG);
        Written {
            families: rows.families().into(),
            dropped_series: SERIES * (snapshot.listed() - complete) - rows.wrong_series,
            dropped_wrong_entries: rows.dropped_wrong_entries,
        }
    }
}

/// The values of all series, side by side in memory: entries are scattered, and each is needed
/// several times.
struct Rows {
    entries: Vec<Row>,
    /// The labels of all rows, concatenated.
    labels: Vec<u8>,
    /// The label of each repository with a row, and how many entries the repository has.
    repositories: Vec<(Vec<u8>, usize)>,
    /// How many series entries beyond the limit have.
    wrong_series: usize,
    dropped_wrong_entries: usize,
}

/// The values of one entry.
#[derive(Clone, Copy)]
struct Row {
    labels_length: usize,
    /// Whether the entry is within the limit and has all series.
    is_complete: bool,
    sync_status: SyncStatus,
    is_drifted: bool,
    is_stale: bool,
    drift_files: u32,
    updated_at: Timestamp,
    state_since: Timestamp,
}

impl Row {
    fn of(standing: &Standing) -> Self {
        let entry = standing.entry();
        let report = &entry.report;
        Self {
            labels_length: 0,
            is_complete: true,
            sync_status: report.sync_status,
            is_drifted: report.is_drifted(),
            is_stale: standing.is_stale(),
            drift_files: report.drift_count.get(),
            updated_at: entry.updated_at,
            state_since: entry.state_since(),
        }
    }

    /// How many series say that something is wrong.
    fn wrong_series(&self) -> usize {
        usize::from(self.is_drifted) + usize::from(self.is_stale)
    }
}

impl Rows {
    /// Reads the listed entries: all of the first ones, and of the others those that are drifted or
    /// stale, up to a number.
    fn of<'a>(
        listed: impl Iterator<Item = (KeyRef<'a>, Row)>,
        complete: usize,
        most_wrong: usize,
    ) -> Self {
        // Fits most labels.
        const LABELS: usize = 64;
        let mut rows = Self {
            entries: Vec::with_capacity(complete),
            labels: Vec::with_capacity(complete * LABELS),
            repositories: Vec::new(),
            wrong_series: 0,
            dropped_wrong_entries: 0,
        };
        let mut repository = Repository::default();
        for (place, (key, mut row)) in listed.enumerate() {
            if key.repo != repository.name {
                repository.end(&mut rows.repositories);
                repository = Repository { name: key.repo, ..Repository::default() };
            }
            repository.entries += 1;
            row.is_complete = place < complete;
            if !row.is_complete {
                if row.wrong_series() == 0 {
                    continue;
                }
                if rows.entries.len() - complete == most_wrong {
                    rows.dropped_wrong_entries += 1;
                    continue;
                }
                rows.wrong_series += row.wrong_series();
            }
            repository.has_row = true;
            rows.push(row, key);
        }
        repository.end(&mut rows.repositories);
        rows
    }

    fn push(&mut self, row: Row, key: KeyRef<'_>) {
        let start = self.labels.len();
        write_labels(key, &mut self.labels);
        self.entries.push(Row { labels_length: self.labels.len() - start, ..row });
    }

    /// Returns the text of each metric.
    fn families(&self) -> [Bytes; SERIES + 1] {
        [
            self.repositories(),
            self.family(
                "gitops_status_synced",
                "1 if the latest status is SYNCED, 0 if it is OUT_OF_SYNC, stale or not",
                |row, out| write_number((row.sync_status == SyncStatus::Synced).into(), out),
                |row| row.is_complete,
            ),
            self.family(
                "gitops_status_drifted",
                "1 if the latest report says OUT_OF_SYNC or counts files that differ, stale or not",
                |row, out| write_number(row.is_drifted.into(), out),
                |row| row.is_complete || row.is_drifted,
            ),
            self.family(
                "gitops_status_drift_files",
                "Files that differ, by the reporter's count",
                |row, out| write_number(row.drift_files.into(), out),
                |row| row.is_complete,
            ),
            self.family(
                "gitops_status_stale",
                "1 if the reporter has fallen silent",
                |row, out| write_number(row.is_stale.into(), out),
                |row| row.is_complete || row.is_stale,
            ),
            self.family(
                "gitops_status_last_report_timestamp_seconds",
                "When the latest update was received, in seconds since 1970",
                |row, out| write_seconds(row.updated_at, out),
                |row| row.is_complete,
            ),
            self.family(
                "gitops_status_since_timestamp_seconds",
                "When the drift began, or the present status if it is not drifted, in seconds since 1970",
                |row, out| write_seconds(row.state_since, out),
                |row| row.is_complete,
            ),
        ]
    }

    /// Writes a metric with the series of those entries that have one.
    fn family(
        &self,
        name: &str,
        help: &str,
        write_value: impl Fn(&Row, &mut Vec<u8>),
        has_series: impl Fn(&Row) -> bool,
    ) -> Bytes {
        // Fits the longest number and the line break.
        const VALUE: usize = 16;
        let head = description(name, help, "gauge");
        let line = name.len() + VALUE;
        let mut out =
            Vec::with_capacity(head.len() + self.labels.len() + line * self.entries.len());
        out.extend_from_slice(head.as_bytes());
        let mut rest = self.labels.as_slice();
        for row in &self.entries {
            let Some((labels, after)) = rest.split_at_checked(row.labels_length) else { break };
            rest = after;
            if !has_series(row) {
                continue;
            }
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(labels);
            write_value(row, &mut out);
            out.push(b'\n');
        }
        out.into()
    }

    fn repositories(&self) -> Bytes {
        const NAME: &str = "gitops_status_repo_entries";
        const HELP: &str = "Listed entries of a repository, also those without series";
        let mut out = description(NAME, HELP, "gauge").into_bytes();
        for (label, entries) in &self.repositories {
            out.extend_from_slice(NAME.as_bytes());
            out.extend_from_slice(label);
            write_number(*entries as u64, &mut out);
            out.push(b'\n');
        }
        out.into()
    }
}

/// The repository whose entries are being read.
#[derive(Default)]
struct Repository<'a> {
    name: &'a str,
    entries: usize,
    has_row: bool,
}

impl Repository<'_> {
    /// Notes how many entries it has, if one of them has series.
    fn end(&self, repositories: &mut Vec<(Vec<u8>, usize)>) {
        if self.has_row {
            let mut label = Vec::new();
            write_repo(self.name, &mut label);
            label.extend_from_slice(b"} ");
            repositories.push((label, self.entries));
        }
    }
}

/// Writes the labels of an entry, and the space before a value.
pub(super) fn write_labels(KeyRef { repo, server }: KeyRef<'_>, out: &mut Vec<u8>) {
    write_repo(repo, out);
    out.extend_from_slice(b",server=\"");
    write_escaped(server, out);
    out.extend_from_slice(b"\"} ");
}

/// Writes the first label, and the brace before it.
fn write_repo(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{repo=\"");
    write_escaped(name, out);
    out.push(b'"');
}

/// Returns a name as the value of a label.
pub(super) fn escaped(name: &str) -> String {
    let mut out = Vec::with_capacity(name.len());
    write_escaped(name, &mut out);
    // Only ASCII was added.
    String::from_utf8(out).unwrap_or_default()
}

fn write_escaped(name: &str, out: &mut Vec<u8>) {
    // The format also escapes line breaks, but no name has one.
    let is_special = |byte: &u8| matches!(byte, b'\\' | b'"');
    if !name.as_bytes().iter().any(is_special) {
        out.extend_from_slice(name.as_bytes());
        return;
    }
    for byte in name.as_bytes() {
        if is_special(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}

fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_seconds(moment: Timestamp, out: &mut Vec<u8>) {
    let millis = moment.millis();
    if millis < 0 {
        out.push(b'-');
    }
    write_number(millis.unsigned_abs() / 1000, out);
    out.push(b'.');
    // Adding 1000 makes the leading zeros; its own digit is skipped.
    let mut digits = itoa::Buffer::new();
    let fraction = digits.format(1000 + millis.unsigned_abs() % 1000);
    out.extend(fraction.bytes().skip(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn entries_that_are_wrong_beyond_both_limits_are_counted() {
        let listed = (0..9).map(|place| {
            let server = ["a", "b", "c", "d", "e", "f", "g", "h", "i"][place];
            let row = Row {
                labels_length: 0,
                is_complete: true,
                sync_status: SyncStatus::Synced,
                is_drifted: place % 3 == 1,
                is_stale: place == 4,
                drift_files: 0,
                updated_at: Timestamp::from_millis(0),
                state_since: Timestamp::from_millis(0),
            };
            (KeyRef { repo: "r", server }, row)
        });
        let rows = Rows::of(listed, 2, 1);
        assert_eq!((rows.entries.len(), rows.wrong_series, rows.dropped_wrong_entries), (3, 2, 1));
        let [repositories, _, drifted, ..] = rows.families();
        assert!(repositories.ends_with(b"gitops_status_repo_entries{repo=\"r\"} 9\n"));
        assert_eq!(drifted.split(|byte| *byte == b'\n').count(), 2 + 3 + 1);
    }

    #[test]
    fn a_label_says_what_the_name_is_whatever_is_in_it() {
        for (name, label) in
            [("web-1", "web-1"), (r#"a"b\c"#, r#"a\"b\\c"#), ("Größe", "Größe"), ("{a,b}", "{a,b}")]
        {
            assert_eq!(written(|out| write_escaped(name, out)), label);
        }
    }

    #[test]
    fn a_moment_is_shown_in_seconds_to_the_millisecond() {
        for (millis, shown) in
            [(0, "0.000"), (1_776_767_535_007, "1776767535.007"), (-1500, "-1.500"), (-1, "-0.001")]
        {
            assert_eq!(written(|out| write_seconds(Timestamp::from_millis(millis), out)), shown);
        }
    }
}
