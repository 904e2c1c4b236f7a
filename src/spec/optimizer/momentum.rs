//! Optimizers of one moving average or none, and those that only see signs.

use super::{MAX_STATES, OptimizerKind, Scalars, Shared, Takes, fill, optimizer, update_slices};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::registry::Values;

pub(super) const SGD: OptimizerKind = optimizer!("sgd", states: ["momentum_buffer"],
count: |[_, _, _, _, momentum, ..]| usize::from(*momentum != 0.0), init: |_| [0.0; 4],
scalars: [rate, momentum, grad_share, use_grad, use_buffer],
[_, _, _, _, momentum, dampening, nesterov, zero_init, ..], t, lr => [
    lr,
    *momentum,
    if t == 1.0 && *zero_init == 0.0 { 1.0 } else { 1.0 - dampening },
    if *momentum == 0.0 || *nesterov == 1.0 { 1.0 } else { 0.0 },
    if *momentum == 0.0 { 0.0 } else if *nesterov == 1.0 { *momentum } else { 1.0 },
],
param, grad, state => {
    state[0] = momentum * state[0] + grad_share * grad;
    rate * (use_grad * grad + use_buffer * state[0])
});

pub(super) const LION: OptimizerKind = optimizer!("lion", states: ["exp_avg"], count: |_| 1, init: |_| [0.0; 4],
scalars: [rate, beta1, one_minus_beta1, beta2, one_minus_beta2],
[_, _, _, _, beta1, beta2, ..], _t, lr => [lr, *beta1, 1.0 - beta1, *beta2, 1.0 - beta2],
param, grad, state => {
    let direction = beta1 * state[0] + one_minus_beta1 * grad;
    state[0] = beta2 * state[0] + one_minus_beta2 * grad;
    rate * direction.sign()
});

pub(super) const SIGNUM: OptimizerKind = optimizer!("signum", states: ["exp_avg"], count: |_| 1, init: |_| [0.0; 4],
scalars: [rate, beta, one_minus_beta],
[_, _, _, _, beta, ..], _t, lr => [lr, *beta, 1.0 - beta],
param, grad, state => {
    state[0] = beta * state[0] + one_minus_beta * grad;
    rate * state[0].sign()
});

pub(super) const SIGN_SGD: OptimizerKind = optimizer!("sign_sgd", states: [], count: |_| 0, init: |_| [0.0; 4],
    scalars: [rate],
    _, _t, lr => [lr],
    param, grad, _state => rate * grad.sign());

// A step size below 0 is none yet: the first one is the rate.
pub(super) const RPROP: OptimizerKind = optimizer!("rprop", states: ["prev", "step_size"], count: |_| 2, init: |_| [0.0, -1.0, 0.0, 0.0],
scalars: [rate, eta_minus, eta_plus, step_min, step_max],
[_, _, _, _, minus, plus, least, most, ..], _t, lr => [lr, *minus, *plus, *least, *most],
param, grad, state, tensor tensor => {
    let size = if state[1] < F::zero() { tensor.multiplier * rate } else { state[1] };
    let turn = grad.sign() * state[0].sign();
    let factor = if turn > F::zero() { eta_plus } else if turn < F::zero() { eta_minus } else { F::one() };
    state[1] = (size * factor).max(step_min).min(step_max);
    state[0] = if turn < F::zero() { F::zero() } else { grad };
    state[0].sign() * state[1]
});
