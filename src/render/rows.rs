//! Selected entries as a JSON array or as CSV, rendered in pieces.

use std::ops::Range;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;

use super::cell::RowPosition;
use super::pieces::{PIECE, Pieces};
use super::{Layout, RenderError, csv, json, ready};
use crate::domain::{Segment, Selected};

/// The format of a list.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// A JSON array.
    Json,
    /// CSV (RFC 4180) with a header line, even if there are no rows.
    Csv,
}

/// The rows of selected entries. Releases each segment once its rows have been written.
pub struct Rows {
    layout: Layout,
    format: Format,
    /// The runs after the current one.
    runs: IntoIter<OwnRun>,
    /// The current run, without the rows that have been written.
    run: OwnRun,
    /// Where its first row continues.
    position: RowPosition,
    /// Ready rows that have not been written yet.
    ready: Bytes,
    has_begun: bool,
    needs_comma: bool,
}

/// A [`Run`](crate::domain::Run) that may outlive its snapshot.
#[derive(Default)]
struct OwnRun {
    segment: Arc<Segment>,
    places: Range<usize>,
}

impl Rows {
    /// Prepares the rows of selected entries.
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
            position: RowPosition::default(),
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

    /// Starts the next run. Takes its rows as they are if they are ready or worth making ready.
    fn enter(&mut self, out: &mut Vec<u8>, run: OwnRun) -> Result<(), RenderError> {
        let is_plain = self.format == Format::Json && self.layout == Layout::PLAIN;
        self.run = run;
        let OwnRun { segment, places } = &self.run;
        let ready = if is_plain { ready::run_of_rows(segment, places)? } else { None };
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

    /// Writes the first row of the run, or continues it.
    fn write_row(&mut self, out: &mut Vec<u8>) -> Result<(), RenderError> {
        if self.position.is_start() {
            self.start_row(out);
        }
        let Self { layout, format, run, position, .. } = self;
        let is_whole = match (run.segment.standings().get(run.places.start), format) {
            (None, _) => true,
            (Some(standing), Format::Json) => {
                json::write_row(out, standing, layout, position, PIECE)?
            }
            (Some(standing), Format::Csv) => {
                csv::write_row(out, standing, layout.columns(), position, PIECE)
            }
        };
        if is_whole {
            run.places.start += 1;
            *position = RowPosition::default();
        }
        Ok(())
    }
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
