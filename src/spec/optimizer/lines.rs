//! Optimizers with factored state: one value per row and per column of a matrix, and per element of a vector. A tensor
//! of more axes is viewed as a matrix of its last axis by all others.

use super::params::{
    BETA1, BETA2, COUPLED, DECOUPLED, FROM_ONE, MAXIMIZE, NOT_POSITIVE, UP_TO_ONE, decay, eps, lr,
};
use super::{MAX_STATES, OptimizerKind, Scalars, Shared, Takes, fill, optimizer, update_slices};
use crate::numeric::{Float, tree_sum};
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Choice, Entry, Values};
use crate::walk::change;

entries! { OptimizerKind;
    sm3 {
        aliases: [],
        params: [
            lr(0.1), decay(0.0), COUPLED, MAXIMIZE, BETA1, Param::new("beta2", 1.0, UP_TO_ONE), eps(1e-8),
        ],
        formula: "s = beta2 min(row, col) + w g^2, w = 1 - beta2 or, at 1, 1; each row and column takes the largest s in it; \
            m = lerp(g / sqrt(s + eps), m, beta1), 0 where s is 0; p -= lr m",
        source: "optax.sm3 (its scale_by_sm3 has beta2 and eps); Anil et al. 2019; three dispatches per segment",
        kind: optimizer!(@ Takes::Lines { norms: false, late: true }, "sm3",
            ["exp_avg", "accumulators"], |_| 2, |_| [0.0; 4],
            [rate, beta1, one_minus_beta1, beta2, square_weight, eps],
            [_, _, _, _, beta1, beta2, eps, ..], _t, lr => {
                let weight = if *beta2 == 1.0 { 1.0 } else { 1.0 - beta2 };
                [lr, *beta1, 1.0 - beta1, *beta2, weight, *eps]
            },
            |shared, params, grads, states| {
                let Some((lines, states)) = states.split_last_mut() else { return };
                let sum = |grad: F, row: F, col: F| square_weight * grad * grad + beta2 * row.min(col);
                let new = settled(shared, (params, grads), lines, sum, F::max, |_, total, _| total);
                let (rate, sides) = (shared.tensor.multiplier * rate, shared.tensor.sides);
                let update = |i: usize, _: F, grad: F, state: &mut [F; MAX_STATES]| {
                    let LineIndices { rows: row, cols: col } = LineIndices::of(i, sides);
                    let sum = sum(grad, number(lines, row), number(lines, col));
                    let scaled = if sum > F::zero() { grad / (sum + eps).sqrt() } else { F::zero() };
                    state[0] = beta1 * state[0] + one_minus_beta1 * scaled;
                    rate * state[0]
                };
                update_slices(shared, F::one(), params, grads, states, update);
                lines.copy_from_slice(&new);
            }),
    }
    adafactor {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), DECOUPLED, MAXIMIZE,
            Param::new("beta2_decay", -0.8, NOT_POSITIVE),
            Param::new("eps1", 1.1920929e-7, Range::NOT_NEGATIVE),
            Param::new("eps2", 1e-3, Range::NOT_NEGATIVE),
            Param::new("d", 1.0, FROM_ONE),
        ],
        formula: "w = t^beta2_decay; rows and columns: r = lerp(r, mean g^2, w); v = r_row r_col / max(mean of rows, eps1), \
            in a vector v = lerp(v, g^2, w); u = g / sqrt(max(v, eps1^2)); \
            p -= min(lr, 1 / sqrt(t)) max(eps2, rms(p)) u / max(1, rms(u) / d)",
        source: "torch.optim.Adafactor, its eps1 the float32 epsilon; Shazeer and Stern 2018; five dispatches per segment",
        kind: optimizer!(@ Takes::Lines { norms: true, late: false }, "adafactor",
            ["variances"], |_| 1, |_| [0.0; 4],
            [rate, most, weight, eps1, least, eps2, d],
            [_, _, _, _, beta2_decay, eps1, eps2, d, ..], t, lr => {
                // `f32` cannot represent the square of a very small eps1.
                let least = (eps1 * eps1).max(f32::MIN_POSITIVE.into());
                [lr, 1.0 / t.sqrt(), t.powf(*beta2_decay), *eps1, least, *eps2, *d]
            },
            |shared, params, grads, states| {
                let Some((lines, states)) = states.split_last_mut() else { return };
                let new = settled(shared, (params, grads), lines, |grad: F, _, _| grad * grad, |a, b| a + b,
                    |old, total, len| old + weight * (total / len - old));
                lines.copy_from_slice(&new);
                let [rows, cols] = shared.tensor.sides;
                let mean = number(lines, rows + cols).at_least(eps1);
                let scaled = |i: usize, grad: F| {
                    let LineIndices { rows: row, cols: col } = LineIndices::of(i, [rows, cols]);
                    let row = number(lines, row);
                    let square = if cols > 0 { row / mean * number(lines, col) } else { row };
                    grad / square.at_least(least).sqrt()
                };
                let root = F::of(params.len() as f64).sqrt();
                let of_params = squares(params.len(), |i| number(params, i)).sqrt();
                let direction = |i| {
                    let grad = shared.sign * number(grads, i) + shared.coupled * number(params, i);
                    scaled(i, grad)
                };
                let clip = (squares(params.len(), direction).sqrt() / (root * d)).max(F::one());
                let rate = (shared.tensor.multiplier * rate).min(most) * eps2.max(of_params / root) / clip;
                let update = |i: usize, _: F, grad: F, _: &mut [F; MAX_STATES]| rate * scaled(i, grad);
                update_slices(shared, F::one(), params, grads, states, update);
            }),
    }
    sparse_adam {
        aliases: [],
        params: [lr(1e-3), decay(0.0), MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "as adam, eps beside sqrt(v) alone, in rows whose gradient is not all 0 (in a vector, elements); the others, \
            their m and v rest",
        source: "torch.optim.SparseAdam, a row being present in its sparse gradient if any element of it is not 0; weight_decay \
            shrinks present rows by lr weight_decay; three dispatches per segment",
        kind: optimizer!(@ Takes::Lines { norms: false, late: false }, "sparse_adam",
            ["exp_avg", "exp_avg_sq", "present"], |_| 3, |_| [0.0; 4],
            [step_size, one_minus_beta1, beta2, one_minus_beta2, eps, decay],
            [_, decay, _, beta1, beta2, eps, ..], t, lr => [
                lr * (1.0 - beta2.powf(t)).sqrt() / (1.0 - beta1.powf(t)), 1.0 - beta1, *beta2, 1.0 - beta2, *eps, lr * decay,
            ],
            |shared, params, grads, states| {
                let Some((lines, states)) = states.split_last_mut() else { return };
                let present = |grad: F, _, _| if grad == F::zero() { F::zero() } else { F::one() };
                let new = settled(shared, (params, grads), lines, present, F::max, |_, total, _| total);
                lines.copy_from_slice(&new);
                let tensor = shared.tensor;
                let update = |i: usize, param: F, grad: F, state: &mut [F; MAX_STATES]| {
                    if number(lines, LineIndices::of(i, tensor.sides).rows) == F::zero() {
                        return F::zero();
                    }
                    state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                    state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
                    let step = step_size * state[0] / (state[1].sqrt() + eps);
                    tensor.multiplier * (step + decay * tensor.decays * param)
                };
                update_slices(shared, F::one(), params, grads, states, update);
            }),
    }
}

/// The indices of the values of an element's row and column; a vector's elements are rows, and it has no columns.
#[derive(Clone, Copy)]
struct LineIndices {
    rows: usize,
    cols: usize,
}

impl LineIndices {
    fn of(element: usize, [rows, cols]: [usize; 2]) -> Self {
        match cols {
            0 => Self { rows: element, cols: element },
            _ => Self { rows: element / cols, cols: rows + element % cols },
        }
    }
}

fn number<F: Float>(lines: &[F], place: usize) -> F {
    lines.get(place).copied().unwrap_or(F::zero())
}

/// The row and column values after a step, followed by the mean of a matrix's row values. `term` takes the gradient and
/// the old row and column values; `settle` takes a row's or column's old value, its terms combined by `join`, and their
/// count.
fn settled<F: Float>(
    shared: &Shared<F>,
    (params, grads): (&[F], &[F]),
    old: &[F],
    term: impl Fn(F, F, F) -> F,
    join: impl Fn(F, F) -> F,
    settle: impl Fn(F, F, F) -> F,
) -> Vec<F> {
    let [rows, cols] = shared.tensor.sides;
    let mut joined = vec![F::zero(); old.len()];
    for (i, (&param, &grad)) in params.iter().zip(grads).enumerate() {
        let LineIndices { rows: row, cols: col } = LineIndices::of(i, shared.tensor.sides);
        let grad = shared.sign * grad + shared.coupled * param;
        let term = term(grad, number(old, row), number(old, col));
        for line in [Some(row), (cols > 0).then_some(col)].into_iter().flatten() {
            change(&mut joined, line, |place| *place = join(*place, term));
        }
    }
    let len = |line: usize| if line < rows { cols.max(1) } else { rows };
    let new = joined.iter().zip(old).enumerate().take(rows + cols);
    let mut new: Vec<F> =
        new.map(|(line, (&total, &old))| settle(old, total, F::of(len(line) as f64))).collect();
    // A tensor without elements has no values.
    if old.len() > rows + cols {
        new.push(tree_sum(rows, &|row| number(&new, row)) / F::of(rows as f64));
    }
    new
}

/// The sum of `of(i)` squared over all elements.
fn squares<F: Float>(len: usize, of: impl Fn(usize) -> F) -> F {
    tree_sum(len, &|i| of(i) * of(i))
}
