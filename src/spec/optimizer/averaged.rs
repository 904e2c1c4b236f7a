//! Optimizers that keep a mean of the points they pass.

use super::{
    Carried, MAX_CARRIED, MAX_STATES, Mean, OptimizerKind, Scalars, Shared, Takes, fill, optimizer,
    update_slices,
};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::registry::Values;

/// As in PyTorch, each update's rate is made ready by the one before.
pub(super) const ASGD: OptimizerKind = OptimizerKind {
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
        }
    )
};

/// The newest point's share of the weighted mean, the weight being a power of the largest rate so far.
fn share<F: Float>(scalars: &mut Scalars<F>, _loss: F, numbers: &mut [F; MAX_CARRIED]) {
    let [rate, _, _, power, _, share, ..] = scalars;
    let largest = numbers[1].max(*rate);
    let weight = largest.powf(*power);
    let sum = numbers[0] + weight;
    *share = if sum > F::zero() { weight / sum } else { F::zero() };
    (numbers[0], numbers[1]) = (sum, largest);
}

const SHARE: Option<Carried> = Some(Carried {
    shader: include_str!("../../../shaders/carry/schedule_free.wgsl"),
    names: &["weight_sum", "max_lr"],
    initial: [0.0; MAX_CARRIED],
    takes_loss: false,
    passes: Both { f32: share::<f32>, f64: share::<f64> },
});

/// How far the gradient's point y moves when the base point z goes from old to next and joins the mean x.
fn towards_mean<F: Float>(param: F, old: F, next: F, beta1: F, share: F) -> F {
    let mean = (param - (F::one() - beta1) * old) / beta1;
    param - next - beta1 * (F::one() - share) * (mean - next)
}

pub(super) const SCHEDULE_FREE_SGD: OptimizerKind = OptimizerKind {
    carried: SHARE,
    ..optimizer!("schedule_free_sgd", states: ["z"], count: |_| 1, init: |_| [0.0; 4],
        scalars: [rate, beta1, decay, power, is_first, share],
        [_, decay, _, beta1, power, ..], t, lr => [lr, *beta1, *decay, *power, if t == 1.0 { 1.0 } else { 0.0 }, 0.0],
        param, grad, state, tensor tensor => {
            let old = if is_first == F::one() { param } else { state[0] };
            state[0] = old - tensor.multiplier * rate * (grad + decay * tensor.decays * param);
            towards_mean(param, old, state[0], beta1, share)
        }
    )
};

pub(super) const SCHEDULE_FREE_ADAMW: OptimizerKind = OptimizerKind {
    carried: SHARE,
    ..optimizer!("schedule_free_adamw", states: ["z", "exp_avg_sq"], count: |_| 2, init: |_| [0.0; 4],
        scalars: [rate, beta1, decay, power, is_first, share, beta2, one_minus_beta2, root_correction, eps],
        [_, decay, _, beta1, power, beta2, eps, ..], t, lr => [
            lr, *beta1, *decay, *power, if t == 1.0 { 1.0 } else { 0.0 }, 0.0,
            *beta2, 1.0 - beta2, (1.0 - beta2.powf(t)).sqrt(), *eps,
        ],
        param, grad, state, tensor tensor => {
            let old = if is_first == F::one() { param } else { state[0] };
            state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
            let direction = grad / (state[1].sqrt() / root_correction + eps) + decay * tensor.decays * param;
            state[0] = old - tensor.multiplier * rate * direction;
            towards_mean(param, old, state[0], beta1, share)
        }
    )
};

/// The mean that an optimizer of this file keeps.
pub(super) fn mean(name: &str) -> Option<(&'static str, Mean)> {
    match name {
        "asgd" => Some(("ax", |_, _, ax| ax)),
        "schedule_free_sgd" | "schedule_free_adamw" => {
            Some(("z", |[_, _, _, beta1, ..], p, z| (p - (1.0 - beta1) * z) / beta1))
        }
        _ => None,
    }
}
