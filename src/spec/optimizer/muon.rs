//! Muon (Jordan 2024): momentum orthogonalized by Newton-Schulz iterations, for matrices only; vectors use adamw, as in
//! optax. An update of a network takes two dispatches per arena segment, one before the iterations and one after, and
//! for each matrix three initial dispatches and six per iteration of `ns_steps`.

use super::params::{BETA1, BETA2, MAXIMIZE, decay, eps, lr};
use super::{MAX_STATES, OptimizerKind, Scalars, Shared, Takes, fill, optimizer, update_slices};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Choice, Entry, Values};

entries! { OptimizerKind;
    muon {
        aliases: [],
        params: [
            lr(1e-3), decay(0.1), MAXIMIZE,
            Param::new("momentum", 0.95, Range::UNIT),
            Param::flag("nesterov", true),
            Param::choice("adjust_lr", &["original", "match_rms_adamw", "spectral_unclamped"]),
            Param::integer("ns_steps", 5, [1, 99]),
            eps(1e-7),
            Param::new("a", 3.4445, Range::POSITIVE),
            Param::new("b", -4.775, Range::FINITE),
            Param::new("c", 2.0315, Range::POSITIVE),
            BETA1, BETA2,
            Param::new("adam_eps", 1e-8, Range::NOT_NEGATIVE),
        ],
        formula: "matrices: m = lerp(g, m, momentum), u = m, or lerp(g, m, momentum) with nesterov; x = u / |u|, ns_steps times \
            x = a x + (b x x^T + c (x x^T)^2) x; p -= lr weight_decay p + lr f x; vectors: adamw",
        source: "torch.optim.Muon in float32, f by adjust_lr original: sqrt(max(1, rows / cols)), match_rms_adamw: \
            0.2 sqrt(max(rows, cols)), spectral_unclamped: sqrt(rows / cols); adamw for the others as optax; Jordan 2024; 2 dispatches per segment and 3 + 6 ns_steps \
            or a few more per matrix",
        kind: OptimizerKind {
            takes: Takes::Orthogonal,
            ..optimizer!("muon", states: ["momentum_buffer", "exp_avg_sq"], count: |_| 2, init: |_| [0.0; 4],
                scalars: [
                    rate, decay, rule, momentum, nesterov, step_size, one_minus_beta1, beta2, one_minus_beta2, root_correction, eps
                ],
                [_, decay, _, momentum, nesterov, rule, _, _, _, _, _, beta1, beta2, eps, ..], t, lr => [
                    lr,
                    *decay,
                    *rule,
                    *momentum,
                    *nesterov,
                    lr / (1.0 - beta1.powf(t)),
                    1.0 - beta1,
                    *beta2,
                    1.0 - beta2,
                    (1.0 - beta2.powf(t)).sqrt(),
                    *eps,
                ],
                param, grad, state, tensor tensor => {
                    let decayed = rate * decay * tensor.decays * param;
                    if tensor.sides[1] > 0 {
                        return tensor.multiplier * (rate * shape_factor(tensor.sides, rule) * grad + decayed);
                    }
                    state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                    state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
                    tensor.multiplier * (step_size * state[0] / (state[1].sqrt() / root_correction + eps) + decayed)
                })
        },
    }
}

/// The factor of the rate from the sides of the matrix: torch's `original`, `match_rms_adamw`, `spectral_unclamped`.
fn shape_factor<F: Float>([rows, cols]: [usize; 2], rule: F) -> F {
    let (rows, cols) = (rows as f64, cols as f64);
    F::of(match rule.as_f64() {
        0.0 => (rows / cols).max(1.0).sqrt(),
        1.0 => 0.2 * rows.max(cols).sqrt(),
        _ => (rows / cols).sqrt(),
    })
}

/// Updates a matrix's momentum and replaces its gradient by the matrix to orthogonalize.
pub(crate) fn direction<F: Float>(scalars: &Scalars<F>, grads: &mut [F], buffers: &mut [F]) {
    let [_, _, _, momentum, nesterov, ..] = *scalars;
    for (grad, buffer) in grads.iter_mut().zip(buffers) {
        *buffer = *buffer + (F::one() - momentum) * (*grad - *buffer);
        let ahead = *grad + momentum * (*buffer - *grad);
        *grad = if nesterov == F::one() { ahead } else { *buffer };
    }
}
