//! Selected entries as a JSON array or as CSV, written piece by piece.

use std::ops::Range;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;

use super::pieces::{PIECE, Pieces, Place};
use super::{Layout, RenderError, csv, json};
use crate::domain::{Run, Segment, Selected};

/// How the rows of a list are written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// As a JSON array.
    Json,
    /// As CSV as RFC 4180 has it: under a header line, also when there are no rows.
    Csv,
}

/// Selected entries, to be written piece by piece. What has been written is let go of.
pub struct Rows {
    layout: Layout,
    format: Format,
    /// The runs after the present one.
    runs: IntoIter<OwnRun>,
    /// The present run, without the rows that have been written.
    run: OwnRun,
    /// Where its first row goes on.
    place: Place,
    /// Ready rows that have not been written.
    ready: Bytes,
    has_begun: bool,
    needs_comma: bool,
}

/// A [`Run`](crate::domain::Run) that may outlive its state.
#[derive(Default)]
struct OwnRun {
    segment: Arc<Segment>,
    places: Range<usize>,
}

impl Rows {
    /// Begins the rows of selected entries.
    #[must_use]
    pub fn new(selected: &Selected<'_>, layout: Layout, format: Format) -> Self {
        let runs = selected
            .runs
            .iter()
            .map(|run| OwnRun { segment: Arc::clone(run.segment), places: run.places.clone() });
        Self {
            layout,
            format,
            runs: runs.collect::<Vec<_>>().into_iter(),
            run: OwnRun::default(),
            place: Place::default(),
            ready: Bytes::new(),
            has_begun: false,
            needs_comma: false,
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        match self.format {
            Format::Json => out.push(b'['),
            Format::Csv => csv::write_header(out, self.layout.columns()),
        }
        self.has_begun = true;
    }

    /// Goes on to a run; takes its rows as they are if they are ready, or worth to be made so.
    fn enter(&mut self, out: &mut Vec<u8>, run: OwnRun) -> Result<(), RenderError> {
        let is_plain = self.format == Format::Json && self.layout == Layout::PLAIN;
        self.run = run;
        let OwnRun { segment, places } = &self.run;
        let ready = if is_plain { json::ready_rows(segment, places)? } else { None };
        if let Some(ready) = ready {
            self.run.places = 0..0;
            self.ready = ready;
            self.start_row(out);
        }
        Ok(())
    }

    fn start_row(&mut self, out: &mut Vec<u8>) {
        if self.format == Format::Json && self.needs_comma {
            out.push(b',');
        }
        self.needs_comma = true;
    }

    /// Writes the first row of the run, or what comes next of it.
    fn write_row(&mut self, out: &mut Vec<u8>) -> Result<(), RenderError> {
        if self.place.is_start() {
            self.start_row(out);
        }
        let Self { layout, format, run, place, .. } = self;
        let is_whole = match (run.segment.standings().get(run.places.start), format) {
            (None, _) => true,
            (Some(standing), Format::Json) => json::write_row(out, standing, layout, place, PIECE)?,
            (Some(standing), Format::Csv) => {
                csv::write_row(out, standing, layout.columns(), place, PIECE)
            }
        };
        if is_whole {
            run.places.start += 1;
            *place = Place::default();
        }
        Ok(())
    }
}

/// Returns the selected entries as a plain JSON array in parts that segments have ready, if all are
/// ready or worth to be made so.
///
/// # Errors
/// See [`RenderError`].
pub fn ready(selected: &Selected<'_>) -> Result<Option<Vec<Bytes>>, RenderError> {
    // Of more and smaller parts it is the parts that cost, not their bytes.
    const MOST_RUNS: usize = 256;
    if selected.runs.len() > MOST_RUNS {
        return Ok(None);
    }
    let mut parts = vec![Bytes::from_static(b"[")];
    for Run { segment, places } in &selected.runs {
        let Some(rows) = json::ready_rows(segment, places)? else { return Ok(None) };
        if parts.len() > 1 {
            parts.push(Bytes::from_static(b","));
        }
        parts.push(rows);
    }
    parts.push(Bytes::from_static(b"]"));
    Ok(Some(parts))
}

impl Pieces for Rows {
    fn write(&mut self, out: &mut Vec<u8>) -> Result<bool, RenderError> {
        if !self.has_begun {
            self.begin(out);
        }
        while out.len() < PIECE {
            if !self.ready.is_empty() {
                let next = self.ready.len().min(PIECE - out.len());
                out.extend_from_slice(&self.ready.split_to(next));
            } else if !self.run.places.is_empty() {
                self.write_row(out)?;
            } else if let Some(run) = self.runs.next() {
                self.enter(out, run)?;
            } else {
                if self.format == Format::Json {
                    out.push(b']');
                }
                return Ok(false);
            }
        }
        Ok(true)
    }
}
