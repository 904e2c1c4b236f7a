//! L-BFGS (Liu and Nocedal 1989) on the whole network; each step equals one of `torch.optim.LBFGS` with `max_iter=1`
//! and no line search.
//!
//! The two-loop recursion runs on the coefficients of the direction over the history and the gradient, using their dot
//! products only (Chen, Wang and Zhou 2014, "Large-scale L-BFGS using MapReduce"). The products within the history are
//! kept, so a step reads the history twice, whatever its length, in four dispatches. A history of m pairs has m + 1
//! slots. The extra slot holds the newest pair, which joins the history only once its curvature is known to be
//! positive.

use super::params::{MAXIMIZE, decay, lr};
use super::{MAX_SCALARS, OptimizerKind, Takes, fill};
use crate::numeric::{Float, tree_sum};
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Choice, Entry};
use crate::walk::put;

/// The indices of the values of `numbers` that precede the products; the shader has the same.
const ITERATIONS: usize = 0;
const COUNT: usize = 1;
const HEAD: usize = 2;
const LENGTH: usize = 3;
const SCALE: usize = 4;
const FIRST: usize = 8;

entries! { OptimizerKind;
    lbfgs {
        aliases: [],
        params: [
            lr(1.0), decay(0.0), MAXIMIZE,
            Param::integer("history_size", 100, [1, 200]),
            Param::new("tolerance_grad", 1e-7, Range::NOT_NEGATIVE),
            Param::new("tolerance_change", 1e-9, Range::NOT_NEGATIVE),
        ],
        formula: "p += lr d, at first min(1, 1 / sum |g|) lr d; d = -H g, H the inverse Hessian of the last pairs of steps s and \
            gradient changes y with s . y > 1e-10, around s . y / y . y",
        source: "torch.optim.LBFGS with max_iter=1 and no line search; Liu and Nocedal 1989; four dispatches; a network of one \
            arena segment, rates of tensors 0 or 1",
        kind: OptimizerKind {
            shader: include_str!("../../../shaders/optimizer/lbfgs.wgsl"),
            takes: Takes::History,
            carried: None,
            states: &["prev_flat_grad", "old_stps", "old_dirs"],
            state_count: |_| 3,
            state_init: |_| [0.0; 4],
            scalars: &["rate", "decay", "tolerance_grad", "tolerance_change"],
            schedule: |[_, decay, _, _, tolerance_grad, tolerance_change, ..], _, lr| {
                fill([lr, *decay, *tolerance_grad, *tolerance_change])
            },
            late: false,
            // The update is not a function of one tensor alone; see `step`.
            passes: Both { f32: &|_, _, _, _, _| {}, f64: &|_, _, _, _, _| {} },
        },
    }
}

/// The number of carried values for a history of `slots` slots.
pub(crate) const fn len(slots: usize) -> usize {
    FIRST + 2 * slots * slots + 2 * slots + 1
}

/// The slices of one tensor in a step. The history is stored slot by slot.
#[derive(Debug)]
pub(crate) struct TensorHistory<'a, F> {
    /// The gradient with sign and weight decay applied; 0 for a frozen tensor.
    pub grad: Vec<F>,
    pub param: &'a mut [F],
    pub prev: &'a mut [F],
    pub steps: &'a mut [F],
    pub changes: &'a mut [F],
}

/// One slot of one tensor's history.
fn slot<F: Copy>(history: &[F], len: usize, slot: usize) -> &[F] {
    history.get(slot * len..(slot + 1) * len).unwrap_or_default()
}

fn store<F: Copy>(history: &mut [F], slot: usize, values: &[F]) {
    let own = history.iter_mut().skip(slot * values.len());
    own.zip(values).for_each(|(place, value)| *place = *value);
}

fn dot<F: Float>(a: &[F], b: &[F]) -> F {
    let at = |slice: &[F], i: usize| slice.get(i).copied().unwrap_or(F::zero());
    tree_sum(a.len(), &|i| at(a, i) * at(b, i))
}

/// The carried values, accessed by meaning.
struct Numbers<'a, F> {
    all: &'a mut [F],
    slots: usize,
}

impl<F: Float> Numbers<'_, F> {
    fn get(&self, place: usize) -> F {
        self.all.get(place).copied().unwrap_or(F::zero())
    }

    fn set(&mut self, place: usize, value: F) {
        put(self.all, place, value);
    }

    fn whole(&self, place: usize) -> usize {
        self.get(place).as_f64() as usize
    }

    fn sy(&self, i: usize, j: usize) -> usize {
        FIRST + i * self.slots + j
    }

    fn yy(&self, i: usize, j: usize) -> usize {
        FIRST + (self.slots + i) * self.slots + j
    }
}

/// Runs one step over all tensors.
pub(crate) fn step<F: Float>(
    scalars: &[F; MAX_SCALARS],
    parts: &mut [TensorHistory<'_, F>],
    numbers: &mut [F],
    slots: usize,
) {
    let [rate, _, tolerance_grad, tolerance_change, ..] = *scalars;
    let magnitudes = || parts.iter().flat_map(|part| &part.grad).map(|g| g.abs());
    let sum = magnitudes().fold(F::zero(), |sum, g| sum + g);
    if magnitudes().fold(F::zero(), F::max) <= tolerance_grad && !sum.is_nan() {
        return;
    }
    let mut numbers = Numbers { all: numbers, slots };
    let first = numbers.get(ITERATIONS) == F::zero();
    let head = numbers.whole(HEAD);
    for part in &mut *parts {
        let new: Vec<F> = part.grad.iter().zip(&*part.prev).map(|(&g, &old)| g - old).collect();
        store(part.changes, head, &new);
        part.prev.copy_from_slice(&part.grad);
    }
    if first {
        numbers.set(SCALE, F::one());
    } else {
        accept(&mut numbers, parts, head);
    }
    let (direction, along) = direction(&numbers, parts);
    let start = if first { (F::one() / sum).min(F::one()) } else { F::one() };
    numbers.set(LENGTH, rate * start);
    numbers.set(ITERATIONS, F::one());
    let stays = along > -tolerance_change;
    for (part, direction) in parts.iter_mut().zip(direction) {
        let step: Vec<F> = direction.into_iter().map(|d| numbers.get(LENGTH) * d).collect();
        store(part.steps, numbers.whole(HEAD), &step);
        if !stays {
            part.param.iter_mut().zip(step).for_each(|(p, step)| *p = *p + step);
        }
    }
}

/// One side of the history: steps or gradient changes.
type Side<F> = for<'a> fn(&'a TensorHistory<'_, F>) -> &'a [F];

/// Adds the newest pair to the history if its curvature is positive.
fn accept<F: Float>(numbers: &mut Numbers<'_, F>, parts: &[TensorHistory<'_, F>], head: usize) {
    let product = |a: Side<F>, i: usize, b: Side<F>, j: usize| {
        let of = |part: &TensorHistory<'_, F>| {
            let len = part.grad.len();
            dot(slot(a(part), len, i), slot(b(part), len, j))
        };
        parts.iter().map(of).fold(F::zero(), |sum, term| sum + term)
    };
    let (s, y): (Side<F>, Side<F>) = (|part| part.steps, |part| part.changes);
    let curvature = product(s, head, y, head);
    if curvature <= F::of(1e-10) || curvature.is_nan() {
        return;
    }
    let slots = numbers.slots;
    for i in 0..slots {
        numbers.set(numbers.sy(i, head), product(s, i, y, head));
        numbers.set(numbers.sy(head, i), product(s, head, y, i));
        let square = product(y, i, y, head);
        numbers.set(numbers.yy(i, head), square);
        numbers.set(numbers.yy(head, i), square);
    }
    numbers.set(SCALE, curvature / numbers.get(numbers.yy(head, head)));
    numbers.set(HEAD, F::of(((head + 1) % slots) as f64));
    let most = F::of((slots - 1) as f64);
    numbers.set(COUNT, (numbers.get(COUNT) + F::one()).min(most));
}

/// The direction of each tensor, and the total dot product of direction and gradient.
fn direction<F: Float>(
    numbers: &Numbers<'_, F>,
    parts: &[TensorHistory<'_, F>],
) -> (Vec<Vec<F>>, F) {
    let slots = numbers.slots;
    let with_grad = |of: Side<F>, i: usize| {
        let terms = parts.iter().map(|part| dot(slot(of(part), part.grad.len(), i), &part.grad));
        terms.fold(F::zero(), |sum, term| sum + term)
    };
    let newest_first: Vec<usize> = (1..=numbers.whole(COUNT))
        .map(|back| (numbers.whole(HEAD) + slots - back) % slots)
        .collect();
    let of_s: Vec<F> = newest_first.iter().map(|&i| with_grad(|part| part.steps, i)).collect();
    let of_y: Vec<F> = newest_first.iter().map(|&i| with_grad(|part| part.changes, i)).collect();
    let scale = numbers.get(SCALE);
    let (mut on_s, mut on_y) = (vec![F::zero(); of_s.len()], Vec::with_capacity(of_s.len()));
    for (&i, &of_s) in newest_first.iter().zip(&of_s) {
        let newer = newest_first.iter().zip(&on_y);
        let sum = newer
            .fold(-of_s, |sum, (&j, &on_y): (_, &F)| sum + on_y * numbers.get(numbers.sy(i, j)));
        on_y.push(-sum / numbers.get(numbers.sy(i, i)));
    }
    for k in (0..newest_first.len()).rev() {
        let (Some(&i), Some(&of_y), Some(&a)) = (newest_first.get(k), of_y.get(k), on_y.get(k))
        else {
            continue;
        };
        let pairs = newest_first.iter().zip(&on_s).zip(&on_y);
        let sum = pairs.fold(-scale * of_y, |sum, ((&j, &on_s), &on_y)| {
            sum + scale * on_y * numbers.get(numbers.yy(i, j))
                + on_s * numbers.get(numbers.sy(j, i))
        });
        let value = -a - sum / numbers.get(numbers.sy(i, i));
        put(&mut on_s, k, value);
    }
    let directions: Vec<Vec<F>> = parts
        .iter()
        .map(|part| {
            let mut direction: Vec<F> = part.grad.iter().map(|&g| -scale * g).collect();
            let len = part.grad.len();
            for ((&i, &on_s), &on_y) in newest_first.iter().zip(&on_s).zip(&on_y) {
                let pairs = slot(part.steps, len, i).iter().zip(slot(part.changes, len, i));
                for (d, (&s, &y)) in direction.iter_mut().zip(pairs) {
                    *d = *d + on_s * s + scale * on_y * y;
                }
            }
            direction
        })
        .collect();
    let terms = parts.iter().zip(&directions).map(|(part, d)| dot(d, &part.grad));
    let along = terms.fold(F::zero(), |sum, term| sum + term);
    (directions, along)
}
