//! Connectionist temporal classification: the reference, computed in log space and always in `f64`.

use super::LossKind;
use crate::spec::entries::entries;
use crate::spec::param::Param;
use crate::spec::registry::{Alias, Choice, Entry};
use crate::walk::change;

/// A class index that `f32` represents exactly.
const CLASS: [i32; 2] = [0, 16_777_216];

entries! { LossKind;
    ctc {
        aliases: [Alias::of("connectionist_temporal_classification")],
        params: [Param::integer("blank", 0, CLASS), Param::flag("zero_infinity", false)],
        formula: "-log of the summed probability of every path that gives the target, per sequence; the mean divides each by its target's length",
        source: "torch.nn.CTCLoss; Graves et al. 2006; the gradient is the derivative by the log-probabilities, 0 where the loss is infinite",
        kind: LossKind::Ctc { shader: include_str!("../../../shaders/loss/ctc.wgsl") },
    }
}

/// One sample: `time` rows of log-probabilities, `stride` elements apart.
pub(crate) struct Sequence<'a> {
    pub log_probs: &'a [f64],
    pub time: usize,
    pub stride: usize,
    pub classes: usize,
    pub target: &'a [u32],
    pub blank: usize,
}

fn log_add(terms: [f64; 3]) -> f64 {
    let top = terms.into_iter().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + terms.into_iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

impl Sequence<'_> {
    fn states(&self) -> usize {
        2 * self.target.len() + 1
    }

    /// The class of a state of the extended target, which has a blank before, between and after the target's classes.
    fn class(&self, state: usize) -> usize {
        if state.is_multiple_of(2) {
            return self.blank;
        }
        self.target.get(state / 2).map_or(usize::MAX, |class| *class as usize)
    }

    fn emission(&self, t: usize, state: usize) -> f64 {
        let class = self.class(state);
        let place = t * self.stride + class;
        let inside = class < self.classes;
        self.log_probs.get(place).filter(|_| inside).copied().unwrap_or(f64::NEG_INFINITY)
    }

    fn skips(&self, state: usize) -> bool {
        state % 2 == 1 && state + 2 < self.states() && self.class(state) != self.class(state + 2)
    }

    fn holds_nan(&self) -> bool {
        let rows = self.log_probs.chunks(self.stride.max(1)).take(self.time);
        rows.flat_map(|row| row.iter().take(self.classes)).any(|x| x.is_nan())
    }

    /// Returns the negative log-likelihood of the target; infinite if no path yields it. Given a slice, also adds
    /// `scale` times the derivative with respect to each log-probability; the derivative is 0 if the likelihood is 0.
    pub(crate) fn run(&self, gradient: Option<(f64, &mut [f64])>) -> f64 {
        if self.holds_nan() {
            let out = gradient.into_iter().flat_map(|(_, out)| out.chunks_mut(self.stride.max(1)));
            let own = out.take(self.time).flat_map(|row| row.iter_mut().take(self.classes));
            own.for_each(|out| *out = f64::NAN);
            return f64::NAN;
        }
        let count = self.states();
        let at = |row: &[f64], state: usize| row.get(state).copied().unwrap_or(f64::NEG_INFINITY);
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(self.time);
        for t in 0..self.time {
            let row = (0..count).map(|state| {
                let Some(last) = rows.last() else {
                    let start = if state < 2 { 0.0 } else { f64::NEG_INFINITY };
                    return start + self.emission(t, state);
                };
                let one = if state > 0 { at(last, state - 1) } else { f64::NEG_INFINITY };
                let two = if state > 1 && self.skips(state - 2) {
                    at(last, state - 2)
                } else {
                    f64::NEG_INFINITY
                };
                log_add([at(last, state), one, two]) + self.emission(t, state)
            });
            let row = row.collect();
            rows.push(row);
        }
        let total = match rows.last() {
            None if self.target.is_empty() => 0.0,
            None => f64::NEG_INFINITY,
            Some(last) => {
                let before = if count > 1 { at(last, count - 2) } else { f64::NEG_INFINITY };
                log_add([at(last, count - 1), before, f64::NEG_INFINITY])
            }
        };
        if let Some((scale, out)) = gradient
            && total.is_finite()
        {
            self.backward(&rows, total, scale, out);
        }
        -total
    }

    fn backward(&self, rows: &[Vec<f64>], total: f64, scale: f64, out: &mut [f64]) {
        let count = self.states();
        let at = |row: &[f64], state: usize| row.get(state).copied().unwrap_or(f64::NEG_INFINITY);
        let mut after: Option<Vec<f64>> = None;
        for (t, row) in rows.iter().enumerate().rev() {
            let onward = |state: usize| {
                let Some(after) = &after else {
                    return if state + 2 >= count { 0.0 } else { f64::NEG_INFINITY };
                };
                let step = |to: usize| at(after, to) + self.emission(t + 1, to);
                let one = if state + 1 < count { step(state + 1) } else { f64::NEG_INFINITY };
                let two = if self.skips(state) { step(state + 2) } else { f64::NEG_INFINITY };
                log_add([step(state), one, two])
            };
            let backward: Vec<f64> = (0..count).map(onward).collect();
            for state in 0..count {
                let posterior = (at(row, state) + at(&backward, state) - total).exp();
                let place = t * self.stride + self.class(state).min(self.classes);
                if self.class(state) < self.classes {
                    change(out, place, |out| *out -= scale * posterior);
                }
            }
            after = Some(backward);
        }
    }
}
