//! The five series of each entry, written directly from the snapshot: with hundreds of thousands of
//! series, an object for each would cost too much.

use bytes::Bytes;

use super::text::description;
use crate::domain::{KeyRef, Snapshot, Standing, SyncStatus, Timestamp};

/// Which entries have their own series.
#[derive(Clone, Copy, Debug)]
pub struct EntrySeries {
    /// Whether entries have series at all.
    pub is_on: bool,
    /// The most entries that have series, in the order of their names; `None` is all.
    pub max_entries: Option<usize>,
}

impl EntrySeries {
    /// Returns the text of each metric, and the number of series beyond the limit.
    pub(super) fn text(&self, snapshot: &Snapshot) -> (Vec<Bytes>, usize) {
        if !self.is_on {
            return (Vec::new(), 0);
        }
        let shown = snapshot.listed().min(self.max_entries.unwrap_or(usize::MAX));
        let standings = snapshot.segments().iter().flat_map(|segment| segment.standings());
        let rows = Rows::of(standings.filter(|standing| standing.is_listed()).take(shown), shown);
        let families = rows.families();
        let dropped = families.len() * (snapshot.listed() - shown);
        (families.into(), dropped)
    }
}

/// The values of all series, side by side in memory: entries are scattered, and each is needed five
/// times.
struct Rows {
    rows: Vec<Row>,
    /// The labels of all entries, concatenated.
    labels: Vec<u8>,
}

/// The values of one entry.
struct Row {
    labels_length: usize,
    is_synced: bool,
    is_stale: bool,
    drift_files: u32,
    updated_at: Timestamp,
    state_since: Timestamp,
}

impl Rows {
    fn of<'a>(standings: impl Iterator<Item = &'a Standing>, count: usize) -> Self {
        // Fits most labels.
        const LABELS: usize = 64;
        let mut rows = Vec::with_capacity(count);
        let mut labels = Vec::with_capacity(count * LABELS);
        for standing in standings {
            let start = labels.len();
            let entry = standing.entry();
            let report = &entry.report;
            write_labels(entry.key(), &mut labels);
            rows.push(Row {
                labels_length: labels.len() - start,
                is_synced: report.sync_status == SyncStatus::Synced,
                is_stale: standing.is_stale(),
                drift_files: report.drift_count.get(),
                updated_at: entry.updated_at,
                state_since: entry.state_since(),
            });
        }
        Self { rows, labels }
    }

    /// Returns the text of each metric.
    fn families(&self) -> [Bytes; 5] {
        [
            self.family(
                "gitops_status_synced",
                "1 if the latest status is SYNCED, 0 if it is OUT_OF_SYNC, stale or not",
                |row, out| write_number(row.is_synced.into(), out),
            ),
            self.family(
                "gitops_status_drift_files",
                "Files that differ, by the reporter's count",
                |row, out| write_number(row.drift_files.into(), out),
            ),
            self.family(
                "gitops_status_stale",
                "1 if the reporter has fallen silent",
                |row, out| write_number(row.is_stale.into(), out),
            ),
            self.family(
                "gitops_status_last_report_timestamp_seconds",
                "When the latest update was received, in seconds since 1970",
                |row, out| write_seconds(row.updated_at, out),
            ),
            self.family(
                "gitops_status_since_timestamp_seconds",
                "When the drift began, or the present status if it is not drifted, in seconds since 1970",
                |row, out| write_seconds(row.state_since, out),
            ),
        ]
    }

    fn family(&self, name: &str, help: &str, write_value: impl Fn(&Row, &mut Vec<u8>)) -> Bytes {
        // Fits the longest number and the line break.
        const VALUE: usize = 16;
        let head = description(name, help, "gauge");
        let line = name.len() + VALUE;
        let mut out = Vec::with_capacity(head.len() + self.labels.len() + line * self.rows.len());
        out.extend_from_slice(head.as_bytes());
        let mut rest = self.labels.as_slice();
        for row in &self.rows {
            let Some((labels, after)) = rest.split_at_checked(row.labels_length) else { break };
            rest = after;
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(labels);
            write_value(row, &mut out);
            out.push(b'\n');
        }
        out.into()
    }
}

/// Writes the labels of an entry, and the space before a value.
pub(super) fn write_labels(KeyRef { repo, server }: KeyRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{repo=\"");
    write_escaped(repo, out);
    out.extend_from_slice(b"\",server=\"");
    write_escaped(server, out);
    out.extend_from_slice(b"\"} ");
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
