//! What must hold once everything is at rest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ledger::{Deed, Op};
use super::reporters::{MOST_ENTRIES, Shown};

/// How something was broken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// What was acknowledged is not in the history of its pair, in the order of its reporter, or not
    /// in its entry.
    Lost,
    /// A change is told more often than it was sent.
    Doubled,
    /// A change was made from a state that its pair did not have then.
    FromOldState,
    /// Nobody has sent it.
    Invented,
    /// A time of a pair is before one that was told earlier.
    TimeWentBack,
    /// A process has shown an earlier state after a later one.
    WentBack,
    /// An entry is not what the last change of its pair has left.
    Torn,
    /// Revisions have a gap.
    Gap,
    /// There were more entries than may be.
    TooMany,
    /// Replicas differ from each other or from the database.
    Differs,
    /// An update was not visible where it was acknowledged.
    NotShown,
    /// A removal found no entry that was acknowledged.
    Refused,
    /// An answer that nobody should get.
    Fault,
    /// For long, a part had too few updates or faults, or a reporter no answer to its last request.
    Stuck,
}

/// Something that is broken.
#[derive(Clone, Debug)]
pub struct Break {
    pub kind: Kind,
    pub what: String,
}

/// An entry: the number of its report, and its value, which is its count and names its file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    pub server: String,
    pub value: u32,
    pub number: u32,
    file: String,
}

impl Row {
    fn of(server: &str, value: &Value, last_check: &str, files: &Value) -> Self {
        let name = files[0].get("name").unwrap_or(&files[0]);
        let number = last_check.split_once('.').unwrap().1.trim_end_matches('Z');
        Self {
            server: server.to_owned(),
            value: number_in(value),
            number: number.parse().unwrap(),
            file: name.as_str().unwrap().to_owned(),
        }
    }

    /// Reads a row of a list, with its name.
    pub fn named(row: &Value) -> (String, Self) {
        let text = |name: &str| row[name].as_str().unwrap();
        let read = Self::of(text("server"), &row["drift_count"], text("last_check"), &row["files"]);
        (read.server.clone(), read)
    }

    /// Reads a list.
    pub fn all_in(list: &[u8]) -> Vec<Self> {
        let rows: Vec<Value> = serde_json::from_slice(list).unwrap();
        rows.iter().map(|row| Self::named(row).1).collect()
    }
}

fn number_in(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

/// A change of a pair: its value, or its removal.
type Change = Option<u32>;

/// What the database has.
pub struct Stored {
    /// The changes of each pair in their order.
    chains: BTreeMap<String, Vec<Change>>,
    pub rows: BTreeMap<String, Row>,
    pub breaks: Vec<Break>,
}

impl Stored {
    /// The queries whose rows [`Self::read`] takes.
    pub const TRANSITIONS: &str = "select json_build_array(server, event, drift_count, at, \
         files_removed::json ->> 0)::text from transitions order by id";
    pub const ENTRIES: &str = "select json_build_array(server, drift_count, last_check, \
         files::json)::text from entries";
    pub const GAPS: &str =
        "select (max(revision) - min(revision) + 1 - count(*))::text from commits";

    pub fn read(transitions: &[String], entries: &[String], gaps: &str) -> Self {
        let mut stored =
            Self { chains: BTreeMap::new(), rows: BTreeMap::new(), breaks: Vec::new() };
        let parse = |text: &String| -> Value { serde_json::from_str(text).unwrap() };
        let mut walk = Walk::default();
        for transition in transitions.iter().map(parse) {
            walk.step(&mut stored, &transition);
        }
        for row in entries.iter().map(parse) {
            let row = Row::of(row[0].as_str().unwrap(), &row[1], row[2].as_str().unwrap(), &row[3]);
            stored.rows.insert(row.server.clone(), row);
        }
        for (server, chain) in &stored.chains {
            let (last, row) = (chain.last().copied().flatten(), stored.rows.get(server));
            let is_whole = row.is_none_or(|row| row.file == format!("f{}", row.value));
            if !is_whole || row.map(|row| row.value) != last {
                let what = format!("{server} is {row:?}, and its last change is {last:?}");
                stored.breaks.push(Break { kind: Kind::Torn, what });
            }
        }
        if gaps != "0" {
            stored.breaks.push(Break { kind: Kind::Gap, what: format!("{gaps} are missing") });
        }
        stored
    }

    /// Returns the places of a change in the history of its pair.
    fn places(&self, server: &str, change: Change) -> impl Iterator<Item = usize> {
        let chain = self.chains.get(server).map_or(&[][..], Vec::as_slice);
        chain.iter().enumerate().filter(move |(_, it)| **it == change).map(|(place, _)| place)
    }

    /// Holds what was sent and answered against what is stored.
    pub fn check_ops(&mut self, ops: &[Op]) {
        let mut breaks = self.uncalled_for(ops);
        for (server, ops) in by_server(ops) {
            for reporter in reporters_of(&ops) {
                let of_one = ops.iter().filter(|(_, op)| op.reporter == reporter);
                breaks.extend(self.lost_of(server, of_one.map(|(_, op)| *op)));
            }
            let row = self.rows.get(server).map(|row| row.number);
            if !may_end_with(&ops, row) {
                let what = format!("{server} ends with {row:?}, which is not its last report");
                breaks.push(Break { kind: Kind::Lost, what });
            }
        }
        self.breaks.append(&mut breaks);
    }

    /// Returns changes that nobody has sent, or not so often.
    fn uncalled_for(&self, ops: &[Op]) -> Vec<Break> {
        let mut sent: BTreeMap<(&str, Change), usize> = BTreeMap::new();
        for op in ops {
            *sent.entry((&op.server, change_of(op))).or_default() += op.attempts;
        }
        let mut told: BTreeMap<(&str, Change), usize> = BTreeMap::new();
        for (server, chain) in &self.chains {
            for change in chain {
                *told.entry((server, *change)).or_default() += 1;
            }
        }
        let wrong = told.into_iter().filter_map(|(change, told)| {
            let sent = sent.get(&change).copied().unwrap_or(0);
            let kind = if sent == 0 { Kind::Invented } else { Kind::Doubled };
            let what = format!("{change:?} was sent {sent} times, and is told {told} times");
            (told > sent).then_some(Break { kind, what })
        });
        wrong.collect()
    }

    /// Returns what of a reporter's acknowledged updates of a pair is not there in its order.
    fn lost_of<'a>(&self, server: &str, ops: impl Iterator<Item = &'a Op>) -> Vec<Break> {
        let (mut after, mut latest, mut breaks) = (None, None, Vec::new());
        for op in ops.filter(|op| op.is_acknowledged()) {
            let change = change_of(op);
            if latest.replace(change) == Some(change) {
                // A repeated report changes times alone.
                continue;
            }
            let mut places = self.places(server, change);
            let found = places.find(|place| after.is_none_or(|after| *place > after));
            if found.is_none() {
                let what = format!("{change:?} of {server} after {after:?}: {op:?}");
                breaks.push(Break { kind: Kind::Lost, what });
            }
            after = found.or(after);
        }
        breaks
    }

    /// Holds what processes have shown against what is stored. Returns how often one has shown what
    /// was not acknowledged, and was then lost with a primary.
    pub fn check_shown(&mut self, shown: &[Shown], ops: &[Op], was_primary_lost: bool) -> usize {
        let mut sent: BTreeMap<(&str, Change), Vec<&Op>> = BTreeMap::new();
        for op in ops {
            sent.entry((&*op.server, change_of(op))).or_default().push(op);
        }
        let (mut taken_back, mut breaks) = (0, Vec::new());
        let mut reached: BTreeMap<(usize, &str), Reached> = BTreeMap::new();
        for Shown { at, process, server, value } in shown {
            let ops = sent.get(&(server.as_str(), *value)).map_or(&[][..], Vec::as_slice);
            if value.is_some() && ops.is_empty() {
                let what = format!("{server} was shown with {value:?}");
                breaks.push(Break { kind: Kind::Invented, what });
                continue;
            }
            if value.is_some() && self.places(server, *value).next().is_none() {
                // What was acknowledged counts as lost.
                taken_back += usize::from(!ops.iter().any(|op| op.is_acknowledged()));
                continue;
            }
            let reached = reached.entry((*process, server)).or_default();
            // A place is one more than in the chain: nothing was there before its first change.
            let places = || {
                let places = self.places(server, *value).map(|place| place + 1);
                value.is_none().then_some(0).into_iter().chain(places)
            };
            if let Some(place) = places().find(|place| *place >= reached.shown) {
                reached.shown = place;
            } else if let Some(place) = places().find(|place| *place >= reached.acknowledged)
                && was_primary_lost
            {
                taken_back += 1;
                reached.shown = place;
            } else {
                let what = format!("process {process}: {server} is {value:?} after {reached:?}");
                breaks.push(Break { kind: Kind::WentBack, what });
            }
            if value.is_some() && ops.iter().any(|op| op.was_acknowledged_before(*at)) {
                reached.acknowledged = reached.shown;
            }
        }
        self.breaks.append(&mut breaks);
        taken_back
    }
}

/// How far a process has got in the history of a pair, by what it has shown.
#[derive(Debug, Default)]
struct Reached {
    shown: usize,
    /// The same of what was acknowledged by then.
    acknowledged: usize,
}

/// The state on the way through the history.
#[derive(Default)]
struct Walk {
    present: BTreeMap<String, u32>,
    times: BTreeMap<String, i64>,
}

impl Walk {
    fn step(&mut self, stored: &mut Stored, transition: &Value) {
        let (server, event) = (transition[0].as_str().unwrap(), transition[1].as_str().unwrap());
        let (value, at) = (number_in(&transition[2]), transition[3].as_i64().unwrap());
        let removed_file = transition[4].as_str().map(|name| name[1..].parse().unwrap());
        let (before, change) = match event {
            "deleted" => (Some(value), None),
            "first" => (None, Some(value)),
            _ => (removed_file, Some(value)),
        };
        let mut note = |kind, what| stored.breaks.push(Break { kind, what });
        let present = self.present.get(server).copied();
        if present != before {
            let what = format!("{transition} follows {present:?}");
            note(Kind::FromOldState, what);
        }
        // A removed pair has no last time (docs/decisions/0024-replicas.md).
        if self.times.insert(server.to_owned(), at).is_some_and(|last| last > at)
            && event != "first"
        {
            note(Kind::TimeWentBack, format!("{transition}"));
        }
        match change {
            Some(value) => drop(self.present.insert(server.to_owned(), value)),
            None => drop(self.present.remove(server)),
        }
        if self.present.len() > MOST_ENTRIES {
            note(Kind::TooMany, format!("{} after {transition}", self.present.len()));
        }
        stored.chains.entry(server.to_owned()).or_default().push(change);
    }
}

fn change_of(op: &Op) -> Change {
    match op.deed {
        Deed::Report(value) => Some(value),
        Deed::Remove => None,
    }
}

fn by_server(ops: &[Op]) -> BTreeMap<&str, Vec<(u32, &Op)>> {
    let mut by_server: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (number, op) in (0..).zip(ops) {
        by_server.entry(&op.server).or_default().push((number, op));
    }
    by_server
}

fn reporters_of(ops: &[(u32, &Op)]) -> BTreeSet<usize> {
    ops.iter().map(|(_, op)| op.reporter).collect()
}

/// Whether the entry of a pair may have a report with this number at last, or not be there.
fn may_end_with(ops: &[(u32, &Op)], last: Option<u32>) -> bool {
    let is_allowed = |(number, op): &&(u32, &Op)| match op.deed {
        Deed::Report(_) => last == Some(*number),
        Deed::Remove => last.is_none(),
    };
    // The last that each reporter knows of, and all that may have been applied after it.
    let last_ones = reporters_of(ops).into_iter().flat_map(|reporter| {
        let of_one = ops.iter().filter(move |(_, op)| op.reporter == reporter);
        let of_one: Vec<_> = of_one.collect();
        let known = of_one.iter().rposition(|(_, op)| op.is_acknowledged());
        let (before, after) = of_one.split_at(known.unwrap_or(0));
        let late = before.iter().filter(|(_, op)| op.may_come_late).copied();
        let (place, unsure) = (known.map(|_| 0), after.iter().enumerate());
        let unsure = unsure.filter(|(at, (_, op))| Some(*at) == place || op.is_unsure);
        late.chain(unsure.map(|(_, op)| *op)).collect::<Vec<_>>()
    });
    let last_ones: Vec<_> = last_ones.collect();
    let was_never_stored = !ops.iter().any(|(_, op)| op.is_acknowledged());
    last_ones.iter().any(is_allowed) || (was_never_stored && last.is_none())
}
