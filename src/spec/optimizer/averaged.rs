//! Optimizers that keep a mean of the parameters along the trajectory.

use super::params::{BETA2, COUPLED, MAXIMIZE, POSITIVE_BELOW_ONE, decay, eps, lr};
use super::{
    Carried, MAX_CARRIED, MAX_STATES, Mean, OptimizerKind, Scalars, Shared, Takes, fill, optimizer,
    update_slices,
};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Choice, Entry, Values};

entries! { OptimizerKind;
    asgd {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("lambd", 1e-4, Range::NOT_NEGATIVE),
            Param::new("alpha", 0.75, Range::NOT_NEGATIVE),
            Param::new("t0", 1e6, Range::NOT_NEGATIVE),
        ],
        formula: "eta = lr / (1 + lambd lr (t - 1))^alpha; p = p (1 - lambd eta) - eta g; ax is the mean of p after step t0",
        source: "torch.optim.ASGD, whose rate under a schedule is that of the step before; Polyak and Juditsky 1992",
        // As in PyTorch, each update prepares the rate of the next one.
        kind: OptimizerKind {
            late: true,
            ..optimizer!("asgd", states: ["ax"], count: |_| 1, init: |_| [0.0; 4],
                scalars: [rate, lambda, power, before, mu],
                [_, _, _, _, lambda, alpha, t0, ..], t, lr => {
                    [lr, *lambda, -alpha, t - 1.0, 1.0 / (t - 1.0 - t0).max(1.0)]
                },
                param, grad, state, tensor tensor => {
                    let rate = tensor.multiplier * rate;
                    let eta = rate * (F::one() + lambda * rate * before).powf(power);
                    let delta = eta * (lambda * param + grad);
                    state[0] = if mu == F::one() { param - delta } else { state[0] + mu * (param - delta - state[0]) };
                    delta
                })
        },
    }
    schedule_free_sgd {
        aliases: [],
        params: [
            lr(1.0), decay(0.0), MAXIMIZE,
            Param::new("beta1", 0.9, POSITIVE_BELOW_ONE),
            Param::new("weight_lr_power", 2.0, Range::NOT_NEGATIVE),
        ],
        formula: "z -= lr (g + weight_decay p); x = lerp(z, x, 1 - c), c = w / sum w, w = (largest lr)^weight_lr_power; \
            p = lerp(z, x, beta1)",
        source: "optax.contrib.schedule_free_sgd; Defazio et al. 2024",
        kind: OptimizerKind {
            carried: FRACTION,
            ..optimizer!("schedule_free_sgd", states: ["z"], count: |_| 1, init: |_| [0.0; 4],
                scalars: [rate, beta1, decay, power, is_first, fraction],
                [_, decay, _, beta1, power, ..], t, lr => [lr, *beta1, *decay, *power, if t == 1.0 { 1.0 } else { 0.0 }, 0.0],
                param, grad, state, tensor tensor => {
                    let old = if is_first == F::one() { param } else { state[0] };
                    state[0] = old - tensor.multiplier * rate * (grad + decay * tensor.decays * param);
                    towards_mean(param, old, state[0], beta1, fraction)
                })
        },
    }
    schedule_free_adamw {
        aliases: [],
        params: [
            lr(2.5e-3), decay(0.0), MAXIMIZE,
            Param::new("beta1", 0.9, POSITIVE_BELOW_ONE),
            Param::new("weight_lr_power", 2.0, Range::NOT_NEGATIVE),
            BETA2, eps(1e-8),
        ],
        formula: "as schedule_free_sgd with g / (sqrt(v / (1 - beta2^t)) + eps) for g, v = lerp(g^2, v, beta2)",
        source: "optax.contrib.schedule_free_adamw; Defazio et al. 2024",
        kind: OptimizerKind {
            carried: FRACTION,
            ..optimizer!("schedule_free_adamw", states: ["z", "exp_avg_sq"], count: |_| 2, init: |_| [0.0; 4],
                scalars: [rate, beta1, decay, power, is_first, fraction, beta2, one_minus_beta2, root_correction, eps],
                [_, decay, _, beta1, power, beta2, eps, ..], t, lr => [
                    lr, *beta1, *decay, *power, if t == 1.0 { 1.0 } else { 0.0 }, 0.0,
                    *beta2, 1.0 - beta2, (1.0 - beta2.powf(t)).sqrt(), *eps,
                ],
                param, grad, state, tensor tensor => {
                    let old = if is_first == F::one() { param } else { state[0] };
                    state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
                    let direction = grad / (state[1].sqrt() / root_correction + eps) + decay * tensor.decays * param;
                    state[0] = old - tensor.multiplier * rate * direction;
                    towards_mean(param, old, state[0], beta1, fraction)
                })
        },
    }
}

/// The newest point's weight in the weighted mean; points are weighted by a power of the largest rate so far.
fn fraction<F: Float>(scalars: &mut Scalars<F>, _loss: F, numbers: &mut [F; MAX_CARRIED]) {
    let [rate, _, _, power, _, fraction, ..] = scalars;
    let largest = numbers[1].max(*rate);
    let weight = largest.powf(*power);
    let sum = numbers[0] + weight;
    *fraction = if sum > F::zero() { weight / sum } else { F::zero() };
    (numbers[0], numbers[1]) = (sum, largest);
}

const FRACTION: Option<Carried> = Some(Carried {
    shader: include_str!("../../../shaders/carry/schedule_free.wgsl"),
    names: &["weight_sum", "max_lr"],
    initial: [0.0; MAX_CARRIED],
    takes_loss: false,
    passes: Both { f32: fraction::<f32>, f64: fraction::<f64> },
});

/// The change of the evaluation point y when the base point z moves from `old` to `next` and is averaged into the mean
/// x.
fn towards_mean<F: Float>(param: F, old: F, next: F, beta1: F, fraction: F) -> F {
    let mean = (param - (F::one() - beta1) * old) / beta1;
    param - next - beta1 * (F::one() - fraction) * (mean - next)
}

/// The mean kept by an optimizer of this file.
pub(super) fn mean(name: &str) -> Option<(&'static str, Mean)> {
    match name {
        "asgd" => Some(("ax", |_, _, ax| ax)),
        "schedule_free_sgd" | "schedule_free_adamw" => {
            Some(("z", |[_, _, _, beta1, ..], p, z| (p - (1.0 - beta1) * z) / beta1))
        }
        _ => None,
    }
}
