//! Selected entries as a JSON array or as CSV, written piece by piece.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;

use super::pieces::{PIECE, Pieces, Place};
use super::{Layout, RenderError, csv, json};
use crate::domain::{Segment, Selected, Slot, State};

/// How the rows of a list are written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// As a JSON array.
    Json,
    /// As CSV as RFC 4180 has it: under a header line, also when there are no rows.
    Csv,
}

/// The selected entries of a state, to be written piece by piece.
pub struct Rows {
    state: Arc<State>,
    layout: Layout,
    format: Format,
    /// The runs after the present one.
    runs: IntoIter<Picked>,
    /// The present run, without the rows that have been written.
    run: Picked,
    /// Where its first row goes on.
    place: Place,
    /// Ready rows that have not been written.
    ready: Bytes,
    has_begun: bool,
    needs_comma: bool,
}

/// Neighbouring entries of a segment, by its number.
#[derive(Clone, Debug, Default)]
struct Picked {
    segment: usize,
    places: Range<usize>,
}

impl Rows {
    /// Begins the rows of entries that were selected from a state.
    #[must_use]
    pub fn new(
        state: &Arc<State>,
        selected: &Selected<'_>,
        layout: Layout,
        format: Format,
    ) -> Self {
        Self {
            state: Arc::clone(state),
            layout,
            format,
            runs: picked(state, selected).into_iter(),
            run: Picked::default(),
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
    fn enter(&mut self, out: &mut Vec<u8>, run: Picked) -> Result<(), RenderError> {
        let is_plain = self.format == Format::Json && self.layout == Layout::PLAIN;
        let segment = self.state.segments().get(run.segment).filter(|_| is_plain);
        self.run = run;
        if let Some(segment) = segment
            && let Some(ready) = json::ready_rows(segment, &self.run.places)?
        {
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
        let Self { state, layout, format, run, place, .. } = self;
        let segment = state.segments().get(run.segment);
        let slot: Option<&Slot> = segment.and_then(|segment| segment.slots().get(run.places.start));
        let is_whole = match (slot, format) {
            (None, _) => true,
            (Some(slot), Format::Json) => json::write_row(out, slot, layout, place, PIECE)?,
            (Some(slot), Format::Csv) => csv::write_row(out, slot, layout.columns(), place, PIECE),
        };
        if is_whole {
            run.places.start += 1;
            *place = Place::default();
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

/// Returns the runs of a selection by the numbers of their segments.
fn picked(state: &State, selected: &Selected<'_>) -> Vec<Picked> {
    let pointer = |segment: &Segment| std::ptr::from_ref(segment);
    let numbers: HashMap<_, _> =
        state.segments().iter().enumerate().map(|(n, segment)| (pointer(segment), n)).collect();
    let runs = selected.runs.iter().filter_map(|run| {
        let segment = *numbers.get(&pointer(run.segment))?;
        Some(Picked { segment, places: run.places.clone() })
    });
    runs.collect()
}
