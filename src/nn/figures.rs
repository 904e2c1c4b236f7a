//! What a step records, and where each figure stands: written and read here only.

use std::ops::Range;

use crate::error::Result;
use crate::program::{Op, Program, Slot};

/// The figures of one step.
pub type Record = [f32; Op::MAX_RECORDED];

/// Where the figures of a program's steps stand in a [`Record`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordLayout {
    loss: Option<usize>,
    penalty: Option<usize>,
    metrics: Range<usize>,
    improbable: Vec<Improbable>,
    faults: Vec<InvalidIndices>,
    skipped: Option<usize>,
}

/// Figures that tell of indices beyond what they are indices of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InvalidIndices {
    /// The figure that counts them, before the one that names the first one's place.
    count: usize,
    /// What they are: targets or features.
    what: &'static str,
    /// They must be below this.
    limit: usize,
}

/// A figure that tells which share of numbers are no probabilities, where the loss takes such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Improbable {
    figure: usize,
    /// What they are: predictions or targets.
    what: &'static str,
    /// How many of them a row has.
    cols: usize,
    loss: &'static str,
}

fn figure(record: &Record, place: usize) -> f64 {
    record.get(place).copied().map_or(0.0, f64::from)
}

impl RecordLayout {
    /// How many figures a step has at most: loss, penalty, two about its targets, and what else there is.
    pub(crate) fn most(metrics: usize, skips: bool, may_be_improbable: bool) -> usize {
        4 + metrics + usize::from(skips) + usize::from(may_be_improbable)
    }

    /// The loss; NaN where there is none.
    pub fn loss(&self, record: &Record) -> f64 {
        self.loss.map_or(f64::NAN, |place| figure(record, place))
    }

    /// The L1 and L2 penalties; 0 without any.
    pub fn penalty(&self, record: &Record) -> f64 {
        self.penalty.map_or(0.0, |place| figure(record, place))
    }

    /// The metrics, in the order in which they were chosen.
    pub fn metrics(&self, record: &Record) -> impl Iterator<Item = f64> {
        self.metrics.clone().map(|place| figure(record, place))
    }

    /// Whether the step's update was skipped.
    pub fn skipped(&self, record: &Record) -> bool {
        self.skipped.is_some_and(|place| figure(record, place) > 0.0)
    }

    /// Says how many numbers of a step over so many rows were no probabilities, if any.
    pub fn improbable(&self, record: &Record, rows: u32) -> Option<String> {
        self.improbable.iter().find_map(|&Improbable { figure: place, what, cols, loss }| {
            let share = figure(record, place);
            let all = f64::from(rows) * cols as f64;
            let count = (share * all).round().max(1.0);
            (share > 0.0).then(|| {
                format!(
                    "{count} of {all} {what} lie outside 0 to 1, where {loss} takes probabilities"
                )
            })
        })
    }

    /// Says how many indices of a step were none, and where the first of them stands, if any.
    pub fn fault(&self, record: &Record) -> Option<String> {
        let found = self.faults.iter().find(|faults| figure(record, faults.count) > 0.0);
        found.map(|&InvalidIndices { count, what, limit }| {
            let (count, first) = (figure(record, count), figure(record, count + 1));
            format!("{count} {what} are no indices below {limit}; the first is at place {first}")
        })
    }
}

/// Collects the figures of a program.
#[derive(Default)]
pub(super) struct Recorder {
    slots: Vec<Slot>,
    layout: RecordLayout,
}

impl Recorder {
    fn add(&mut self, slot: Slot) -> usize {
        self.slots.push(slot);
        self.slots.len() - 1
    }

    pub fn loss(&mut self, slot: Slot) {
        self.layout.loss = Some(self.add(slot));
    }

    /// The penalties, if any parameter has one.
    pub fn penalty(&mut self, program: &mut Program, backward: bool) {
        if program.has_penalty() {
            self.layout.penalty = Some(self.add(program.penalty(backward)));
        }
    }

    pub fn metrics(&mut self, slots: Vec<Slot>) {
        let first = self.slots.len();
        self.slots.extend(slots);
        self.layout.metrics = first..self.slots.len();
    }

    /// The share of rows of `cols` numbers that are no probabilities.
    pub fn improbable(&mut self, share: Slot, what: &'static str, cols: usize, loss: &'static str) {
        let figure = self.add(share);
        self.layout.improbable.push(Improbable { figure, what, cols, loss });
    }

    /// How many indices are none, and the place of the first.
    pub fn faults(&mut self, [count, first]: [Slot; 2], what: &'static str, limit: usize) {
        let count = self.add(count);
        self.add(first);
        self.layout.faults.push(InvalidIndices { count, what, limit });
    }

    /// Whether the update was skipped.
    pub fn skipped(&mut self, slot: Option<Slot>) {
        self.layout.skipped = slot.map(|slot| self.add(slot));
    }

    /// Ends the step.
    pub fn end(self, program: &mut Program) -> Result<RecordLayout> {
        program.record(&self.slots)?;
        Ok(self.layout)
    }
}
