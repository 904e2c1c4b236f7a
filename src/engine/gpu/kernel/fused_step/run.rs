//! Runs of equal layers, which one loop computes: the text, and the time to compile it, does not grow with their number.

use std::fmt;

use super::{FusedStep, Layer, PlacedLayer};

/// An offset that moves with the layers of a run, `l`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    base: u32,
    step: u32,
}

impl Offset {
    pub(super) const fn fixed(base: u32) -> Self {
        Self { base, step: 0 }
    }

    pub(super) const fn plus(self, more: u32) -> Self {
        Self { base: self.base + more, ..self }
    }

    /// The offset in units of four, rounded down.
    pub(super) const fn fours(self) -> Self {
        Self { base: self.base / 4, step: self.step / 4 }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { base, step: 0 } => write!(f, "{base}u"),
            Self { base, step } => write!(f, "({base}u + l * {step}u)"),
        }
    }
}

/// A layer with the offsets of its parameters and tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub layer: Layer,
    pub params: [Offset; 2],
    pub x: Offset,
    pub y: Offset,
}

/// Units of layers that one loop computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The number of the first layer.
    pub start: usize,
    /// The number of layers of a unit: a dense layer, and its activation if it has one.
    pub period: usize,
    /// The number of units.
    pub count: usize,
}

impl Run {
    /// A layer by itself.
    pub(super) const fn single(start: usize) -> Self {
        Self { start, period: 1, count: 1 }
    }

    pub(super) const fn end(self) -> usize {
        self.start + self.period * self.count
    }

    pub(super) const fn is_loop(self) -> bool {
        self.count > 1
    }
}

/// The fewest equal units that are worth a loop.
const LEAST: usize = 2;

impl FusedStep {
    /// The layers in runs, each with an equal activation before it and a dense layer after it, and single ones.
    pub(super) fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut number = 0;
        while number < self.layers.len() {
            let run = self.run_at(number).unwrap_or(Run::single(number));
            number = run.end();
            runs.push(run);
        }
        runs
    }

    /// A layer of the first unit of a run, with offsets that move with its units.
    pub(super) fn located(&self, number: usize, run: Run) -> Option<Located> {
        let own = self.layers.get(number)?;
        let next = self.layers.get(number + run.period).filter(|_| run.is_loop()).unwrap_or(own);
        let offset = |base: u32, next: u32| Offset { base, step: next.saturating_sub(base) };
        let [weight, bias] = own.params;
        Some(Located {
            layer: own.layer,
            params: [offset(weight, next.params[0]), offset(bias, next.params[1])],
            x: offset(own.x, next.x),
            y: offset(own.y, next.y),
        })
    }

    fn run_at(&self, start: usize) -> Option<Run> {
        let is_dense = |number: usize| {
            matches!(self.layers.get(number)?.layer, Layer::Dense { .. }).then_some(())
        };
        is_dense(start)?;
        let period = if is_dense(start + 1).is_some() { 1 } else { 2 };
        // The gradient with respect to the input of a unit takes the derivative of the activation before it.
        let before = start.checked_sub(1)?;
        if period == 2 && !(1..3).all(|unit| self.moves(before, before + unit * period, period)) {
            return None;
        }
        let equal = |unit: usize| {
            let mut layers = start..start + period;
            layers.all(|number| self.moves(number, number + unit * period, period))
        };
        let mut count = 1 + (1..).take_while(|unit| equal(*unit)).count();
        while count >= LEAST && is_dense(start + count * period).is_none() {
            count -= 1;
        }
        (count >= LEAST).then_some(Run { start, period, count })
    }

    /// Returns whether a layer equals the one `period` layers before it, which is as far from it as the layer after
    /// `first` is from that.
    fn moves(&self, first: usize, number: usize, period: usize) -> bool {
        let at = |number: usize| self.layers.get(number);
        let (Some(a), Some(b)) = (at(first), at(first + period)) else { return false };
        let (Some(c), Some(d)) = (at(number - period), at(number)) else { return false };
        let steps = |from: &PlacedLayer, to: &PlacedLayer| {
            let [weight, bias] = from.params;
            [
                to.params[0].checked_sub(weight),
                to.params[1].checked_sub(bias),
                to.x.checked_sub(from.x),
                to.y.checked_sub(from.y),
            ]
        };
        let step = steps(a, b);
        c.layer.is_like(&d.layer) && step.iter().all(Option::is_some) && step == steps(c, d)
    }
}
