//! Optimizers with at most one moving average, and those that use only the sign of the gradient.

use super::params::{
    ABOVE_ONE, BETA1, COUPLED, DECOUPLED, MAXIMIZE, POSITIVE_BELOW_ONE, decay, lr,
};
use super::{MAX_STATES, OptimizerKind, Scalars, Shared, Takes, fill, optimizer, update_slices};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, Values};

entries! { OptimizerKind;
    sgd {
        aliases: [
            Alias::with("momentum", &[("momentum", 0.9)]),
            Alias::with("nag", &[("momentum", 0.9), ("nesterov", 1.0)]),
            Alias::with("nesterov", &[("momentum", 0.9), ("nesterov", 1.0)]),
            Alias::with("msgd", &[("momentum", 0.9), ("dampening", 0.9), ("zero_init", 1.0)]),
        ],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("momentum", 0.0, Range::NOT_NEGATIVE),
            Param::new("dampening", 0.0, Range::FINITE),
            Param::flag("nesterov", false),
            Param::flag("zero_init", false),
            Param::flag("rate_in_velocity", false),
        ],
        formula: "b = momentum b + (1 - dampening) g; p -= lr b, or lr (g + momentum b) with nesterov; \
            rate_in_velocity: b = momentum b + (1 - dampening) lr g; p -= b, or lr g + momentum b",
        source: "torch.optim.SGD: b starts as the first gradient, or as 0 with zero_init; \
            rate_in_velocity: Sutskever et al. 2013 and Keras, v = -b, which differ once lr changes",
        kind: optimizer!("sgd", states: ["momentum_buffer"],
            count: |[_, _, _, _, momentum, ..]| usize::from(*momentum != 0.0), init: |_| [0.0; 4],
            scalars: [rate, momentum, grad_weight, use_grad, use_buffer],
            [_, _, _, _, momentum, dampening, nesterov, zero_init, inside, ..], t, lr => {
                let [rate, rate_inside] = if *inside == 1.0 { [1.0, lr] } else { [lr, 1.0] };
                [
                    rate,
                    *momentum,
                    rate_inside * if t == 1.0 && *zero_init == 0.0 { 1.0 } else { 1.0 - dampening },
                    rate_inside * if *momentum == 0.0 || *nesterov == 1.0 { 1.0 } else { 0.0 },
                    if *momentum == 0.0 { 0.0 } else if *nesterov == 1.0 { *momentum } else { 1.0 },
                ]
            },
            param, grad, state => {
                state[0] = momentum * state[0] + grad_weight * grad;
                rate * (use_grad * grad + use_buffer * state[0])
            }),
    }
    rprop {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("eta_minus", 0.5, POSITIVE_BELOW_ONE),
            Param::new("eta_plus", 1.2, ABOVE_ONE),
            Param::new("step_min", 1e-6, Range::NOT_NEGATIVE),
            Param::new("step_max", 50.0, Range::POSITIVE),
        ],
        formula: "the step grows by eta_plus while g keeps its sign and shrinks by eta_minus when it turns; p -= sign(g) step",
        source: "torch.optim.Rprop; Riedmiller and Braun 1993; lr is the first step",
        // A negative step size marks that there is none yet: the first one is the learning rate.
        kind: optimizer!("rprop", states: ["prev", "step_size"], count: |_| 2, init: |_| [0.0, -1.0, 0.0, 0.0],
            scalars: [rate, eta_minus, eta_plus, step_min, step_max],
            [_, _, _, _, minus, plus, least, most, ..], _t, lr => [lr, *minus, *plus, *least, *most],
            param, grad, state, tensor tensor => {
                let size = if state[1] < F::zero() { tensor.multiplier * rate } else { state[1] };
                let turn = grad.sign() * state[0].sign();
                let factor = if turn > F::zero() { eta_plus } else if turn < F::zero() { eta_minus } else { F::one() };
                state[1] = (size * factor).max(step_min).min(step_max);
                state[0] = if turn < F::zero() { F::zero() } else { grad };
                state[0].sign() * state[1]
            }),
    }
    lion {
        aliases: [],
        params: [
            lr(1e-4), decay(1e-3), DECOUPLED, MAXIMIZE, BETA1, Param::new("beta2", 0.99, Range::BELOW_ONE),
        ],
        formula: "p -= lr (sign(lerp(g, m, beta1)) + weight_decay p); m = lerp(g, m, beta2)",
        source: "optax.lion; Chen et al. 2023",
        kind: optimizer!("lion", states: ["exp_avg"], count: |_| 1, init: |_| [0.0; 4],
            scalars: [rate, beta1, one_minus_beta1, beta2, one_minus_beta2],
            [_, _, _, _, beta1, beta2, ..], _t, lr => [lr, *beta1, 1.0 - beta1, *beta2, 1.0 - beta2],
            param, grad, state => {
                let direction = beta1 * state[0] + one_minus_beta1 * grad;
                state[0] = beta2 * state[0] + one_minus_beta2 * grad;
                rate * direction.sign()
            }),
    }
    signum {
        aliases: [],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, Param::new("beta", 0.9, Range::BELOW_ONE)],
        formula: "m = lerp(g, m, beta); p -= lr sign(m)",
        source: "optax.signum; Bernstein et al. 2018",
        kind: optimizer!("signum", states: ["exp_avg"], count: |_| 1, init: |_| [0.0; 4],
            scalars: [rate, beta, one_minus_beta],
            [_, _, _, _, beta, ..], _t, lr => [lr, *beta, 1.0 - beta],
            param, grad, state => {
                state[0] = beta * state[0] + one_minus_beta * grad;
                rate * state[0].sign()
            }),
    }
    sign_sgd {
        aliases: [],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE],
        formula: "p -= lr sign(g)",
        source: "optax.sign_sgd; Bernstein et al. 2018",
        kind: optimizer!("sign_sgd", states: [], count: |_| 0, init: |_| [0.0; 4],
            scalars: [rate],
            _, _t, lr => [lr],
            param, grad, _state => rate * grad.sign()),
    }
}
