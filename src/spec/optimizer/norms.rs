//! Optimizers that scale the step of each tensor by norms over the tensor.

use super::params::{BETA1, BETA2, MAXIMIZE, decay, eps, lr};
use super::{
    MAX_STATES, OptimizerKind, Scalars, Shared, Takes, fill, measured, optimizer, update_slices,
};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Choice, Entry, Values};

entries! { OptimizerKind;
    lamb {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), MAXIMIZE, BETA1, BETA2, eps(1e-6),
            Param::new("eps_root", 0.0, Range::NOT_NEGATIVE),
        ],
        formula: "u = adam's step + weight_decay p; p -= lr |p| / |u| u, norms over the tensor, 1 where one is 0",
        source: "optax.lamb; You et al. 2020",
        kind: optimizer!("lamb", states: ["exp_avg", "exp_avg_sq"], count: |_| 2, init: |_| [0.0; 4],
            scalars: [rate, one_minus_beta1, correction1, beta2, one_minus_beta2, correction2, eps, eps_root, decay],
            [_, decay, _, beta1, beta2, eps, eps_root, ..], t, lr => [
                lr, 1.0 - beta1, 1.0 - beta1.powf(t), *beta2, 1.0 - beta2, 1.0 - beta2.powf(t), *eps, *eps_root, *decay,
            ],
            measure: param, grad, [first, second, ..], decays => {
                let first = first + one_minus_beta1 * (grad - first);
                let second = beta2 * second + one_minus_beta2 * grad * grad;
                let adam = first / correction1 / ((second / correction2 + eps_root).sqrt() + eps);
                let direction = adam + decay * decays * param;
                [param * param, direction * direction]
            },
            param, grad, state, tensor tensor => {
                state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
                let adam = state[0] / correction1 / ((state[1] / correction2 + eps_root).sqrt() + eps);
                let direction = adam + decay * tensor.decays * param;
                tensor.multiplier * rate * trust(tensor.norms, F::one(), F::zero()) * direction
            }),
    }
    lars {
        aliases: [],
        params: [
            lr(0.1), decay(0.0), MAXIMIZE,
            Param::new("momentum", 0.9, Range::NOT_NEGATIVE),
            Param::flag("nesterov", false),
            Param::new("trust_coefficient", 1e-3, Range::POSITIVE),
            eps(0.0),
        ],
        formula: "u = g + weight_decay p; b = momentum b + lr trust_coefficient |p| / (|u| + eps) u; p -= b",
        source: "optax.lars; You et al. 2017",
        kind: optimizer!("lars", states: ["momentum_buffer"], count: |_| 1, init: |_| [0.0; 4],
            scalars: [rate, decay, trust_coefficient, eps, momentum, use_step, use_buffer],
            [_, decay, _, momentum, nesterov, coefficient, eps, ..], t, lr => {
                let _ = t;
                let ahead = if *nesterov == 1.0 { [1.0, *momentum] } else { [0.0, 1.0] };
                [lr, *decay, *coefficient, *eps, *momentum, ahead[0], ahead[1]]
            },
            measure: param, grad, _, decays => {
                let direction = grad + decay * decays * param;
                [param * param, direction * direction]
            },
            param, grad, state, tensor tensor => {
                let direction = grad + decay * tensor.decays * param;
                let step = rate * trust(tensor.norms, trust_coefficient, eps) * direction;
                state[0] = step + momentum * state[0];
                tensor.multiplier * (use_step * step + use_buffer * state[0])
            }),
    }
    novograd {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), MAXIMIZE, BETA1,
            Param::new("beta2", 0.25, Range::BELOW_ONE),
            eps(1e-6),
            Param::new("eps_root", 0.0, Range::NOT_NEGATIVE),
        ],
        formula: "v = lerp(|g|^2, v, beta2), at first |g|^2; m = beta1 m + g / (sqrt(v + eps_root) + eps) + weight_decay p; p -= lr m",
        source: "optax.novograd; Ginsburg et al. 2019; v, one number for the tensor, is kept beside each element",
        kind: optimizer!("novograd", states: ["exp_avg", "exp_avg_sq"], count: |_| 2, init: |_| [0.0; 4],
            scalars: [rate, decay, beta1, keep, add, eps, eps_root],
            [_, decay, _, beta1, beta2, eps, eps_root, ..], t, lr => {
                let [keep, add] = if t == 1.0 { [0.0, 1.0] } else { [*beta2, 1.0 - beta2] };
                [lr, *decay, *beta1, keep, add, *eps, *eps_root]
            },
            measure: _, grad, _, _ => [grad * grad, F::zero()],
            param, grad, state, tensor tensor => {
                state[1] = keep * state[1] + add * tensor.norms[0];
                let direction = grad / ((state[1] + eps_root).sqrt() + eps) + decay * tensor.decays * param;
                state[0] = beta1 * state[0] + direction;
                tensor.multiplier * rate * state[0]
            }),
    }
}

/// The trust ratio of two squared norms; 1 if either is 0.
fn trust<F: Float>([params, direction]: [F; 2], coefficient: F, eps: F) -> F {
    if params == F::zero() || direction == F::zero() {
        return F::one();
    }
    coefficient * params.sqrt() / (direction.sqrt() + eps)
}
