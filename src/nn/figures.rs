//! The values that a step records and their layout, written and read only here.

use std::ops::Range;

use super::objective::{Objective, TargetKind};
use super::{Layer, Network};
use crate::error::{Error, Result};
pub(crate) use crate::ir::Record;
use crate::ir::{Op, Program, Slot};

/// The positions of a program's recorded values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordLayout {
    loss: Option<usize>,
    penalty: Option<usize>,
    metrics: Range<usize>,
    outside_unit: Vec<OutsideUnit>,
    invalid_indices: Vec<InvalidIndices>,
    skipped: Option<usize>,
}

/// Recorded values that report out-of-range indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InvalidIndices {
    /// The position of their count; the position of the first one follows it.
    count: usize,
    /// Their kind: targets or features.
    what: &'static str,
    /// The exclusive upper bound of a valid index.
    limit: usize,
}

/// A recorded value that holds the fraction of elements outside 0 to 1, where the loss takes probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OutsideUnit {
    figure: usize,
    /// The kind of the elements: predictions or targets.
    what: &'static str,
    /// The number of elements per row.
    cols: usize,
    loss: &'static str,
}

fn figure(record: &Record, place: usize) -> f64 {
    record.get(place).copied().map_or(0.0, f64::from)
}

impl RecordLayout {
    /// The loss; NaN if the step records none.
    pub(crate) fn loss(&self, record: &Record) -> f64 {
        self.loss.map_or(f64::NAN, |place| figure(record, place))
    }

    /// The sum of the L1 and L2 penalties; 0 if there are none.
    pub(crate) fn penalty(&self, record: &Record) -> f64 {
        self.penalty.map_or(0.0, |place| figure(record, place))
    }

    /// The metrics, in the order in which they were chosen.
    pub(crate) fn metrics(&self, record: &Record) -> impl Iterator<Item = f64> {
        self.metrics.clone().map(|place| figure(record, place))
    }

    /// Returns whether the step's update was skipped.
    pub(crate) fn skipped(&self, record: &Record) -> bool {
        self.skipped.is_some_and(|place| figure(record, place) > 0.0)
    }

    /// Returns a message with the number of elements that were not probabilities in a step over `rows` rows, if any.
    pub(crate) fn outside_unit(&self, record: &Record, rows: u32) -> Option<String> {
        self.outside_unit.iter().find_map(|&OutsideUnit { figure: place, what, cols, loss }| {
            let fraction = figure(record, place);
            let all = f64::from(rows) * cols as f64;
            let count = (fraction * all).round().max(1.0);
            (fraction > 0.0).then(|| {
                format!(
                    "{count} of {all} {what} lie outside 0 to 1, where {loss} takes probabilities"
                )
            })
        })
    }

    /// Returns a message with the number of invalid indices of a step and the position of the first, if any.
    pub(crate) fn fault(&self, record: &Record) -> Option<String> {
        let found = self
            .invalid_indices
            .iter()
            .find(|invalid_indices| figure(record, invalid_indices.count) > 0.0);
        found.map(|&InvalidIndices { count, what, limit }| {
            let (count, first) = (figure(record, count), figure(record, count + 1));
            format!("{count} {what} are no indices below {limit}; the first is at place {first}")
        })
    }
}

/// The faults in its data that a step counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checks {
    /// The loss takes probabilities, and the predictions may be something else.
    pub predictions: bool,
    /// The same for the targets.
    pub targets: bool,
    /// The targets are classes, which may be out of range.
    pub classes: bool,
    /// The number of rows of the table that the features are indices of, if they are.
    pub indices: Option<usize>,
}

impl Checks {
    /// The number of values that they record.
    fn recorded(self) -> usize {
        let fractions = usize::from(self.predictions) + usize::from(self.targets);
        let indices = usize::from(self.classes) + usize::from(self.indices.is_some());
        fractions + 2 * indices
    }
}

impl Network {
    /// The checks of a step towards an objective.
    pub(super) fn checks(&self, objective: &Objective, target: TargetKind) -> Checks {
        let Objective { loss, checked, .. } = objective;
        let last = self.layers().last();
        let fits = matches!(last, Some(Layer::Activation(f)) if f.gives_probabilities());
        let classes = target == TargetKind::Class;
        Checks {
            predictions: loss.takes_probabilities() && !fits,
            targets: loss.takes_probabilities() && !classes && *checked,
            classes: classes && *checked,
            indices: self.index_count().filter(|_| *checked),
        }
    }

    /// Fails if a step towards an objective would record too many values. Whether there are penalties and invalid
    /// indices depends on the layers and on the data, so one value and one pair are always kept for them.
    pub(crate) fn check_recorded(
        &self,
        objective: &Objective,
        target: TargetKind,
        metrics: usize,
    ) -> Result<()> {
        let faults = self.checks(objective, target).recorded().max(2);
        let skips = usize::from(objective.transforms.skip_not_finite);
        let recorded = 2 + metrics + faults + skips;
        if recorded <= Op::MAX_RECORDED {
            return Ok(());
        }
        let what = format!(
            "a step with loss, penalty, {metrics} metrics, {faults} numbers about invalid data and {skips} about skipped \
             updates"
        );
        let (needed, limit) = (recorded as u64, Op::MAX_RECORDED as u64);
        Err(Error::Limit { what, needed, limit, unit: "figures" })
    }
}

/// Collects the values that a program records.
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

    pub(crate) fn loss(&mut self, slot: Slot) {
        self.layout.loss = Some(self.add(slot));
    }

    /// Records the penalty if any parameter has one.
    pub(crate) fn penalty(&mut self, program: &mut Program, backward: bool) {
        if program.has_penalty() {
            self.layout.penalty = Some(self.add(program.penalty(backward)));
        }
    }

    pub(crate) fn metrics(&mut self, slots: Vec<Slot>) {
        let first = self.slots.len();
        self.slots.extend(slots);
        self.layout.metrics = first..self.slots.len();
    }

    /// Records the fraction of elements, in rows of `cols`, that are not probabilities.
    pub(crate) fn outside_unit(
        &mut self,
        fraction: Slot,
        what: &'static str,
        cols: usize,
        loss: &'static str,
    ) {
        let figure = self.add(fraction);
        self.layout.outside_unit.push(OutsideUnit { figure, what, cols, loss });
    }

    /// Records the number of invalid indices and the position of the first.
    pub(crate) fn invalid_indices(
        &mut self,
        [count, first]: [Slot; 2],
        what: &'static str,
        limit: usize,
    ) {
        let count = self.add(count);
        self.add(first);
        self.layout.invalid_indices.push(InvalidIndices { count, what, limit });
    }

    /// Records whether the update was skipped.
    pub(crate) fn skipped(&mut self, slot: Option<Slot>) {
        self.layout.skipped = slot.map(|slot| self.add(slot));
    }

    /// Adds the op that records the values and ends the step.
    pub(crate) fn end(self, program: &mut Program) -> Result<RecordLayout> {
        program.record(&self.slots)?;
        Ok(self.layout)
    }
}
