//! The table of optimizers. The first four parameters of each are `lr`, `weight_decay`, `decoupled`, `maximize`.

use super::{MAX_SCALARS, OptimizerKind, Scalars, Shared, optimizer, update_slices};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::registry::{Alias, Choice, Entry, Kind, Param, Range, Values, registry};

const fn lr(default: f64) -> Param {
    Param::new("lr", default, Range::NOT_NEGATIVE)
}

const fn decay(default: f64) -> Param {
    Param::new("weight_decay", default, Range::NOT_NEGATIVE)
}

const COUPLED: Param = Param::new("decoupled", 0.0, Range::FLAG);
const DECOUPLED: Param = Param::new("decoupled", 1.0, Range::FLAG);
const MAXIMIZE: Param = Param::new("maximize", 0.0, Range::FLAG);
const BETA1: Param = Param::new("beta1", 0.9, Range::BELOW_ONE);
const BETA2: Param = Param::new("beta2", 0.999, Range::BELOW_ONE);
const AMSGRAD: Param = Param::new("amsgrad", 0.0, Range::FLAG);

const fn eps(default: f64) -> Param {
    Param::new("eps", default, Range::NOT_NEGATIVE)
}

registry! { OptimizerKind, "optimizer";
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
            Param::new("nesterov", 0.0, Range::FLAG),
            Param::new("zero_init", 0.0, Range::FLAG),
        ],
        formula: "b = momentum b + (1 - dampening) g; p -= lr b, or lr (g + momentum b) with nesterov",
        source: "torch.optim.SGD: b starts as the first gradient, or as 0 with zero_init",
        kind: optimizer!("sgd", states: ["momentum_buffer"],
            count: |[_, _, _, _, momentum, ..]| usize::from(*momentum != 0.0), init: |_| 0.0,
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
            }),
    }
    adagrad {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("lr_decay", 0.0, Range::NOT_NEGATIVE),
            Param::new("initial_accumulator_value", 0.0, Range::NOT_NEGATIVE),
            eps(1e-10),
        ],
        formula: "s = s + g^2; p -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)",
        source: "torch.optim.Adagrad; Duchi et al. 2011",
        kind: optimizer!("adagrad", states: ["sum"], count: |_| 1, init: |[_, _, _, _, _, initial, ..]| *initial,
            scalars: [rate, eps],
            [_, _, _, _, lr_decay, _, eps, ..], t, lr => [lr / (1.0 + (t - 1.0) * lr_decay), *eps],
            param, grad, state => {
                state[0] = state[0] + grad * grad;
                rate * grad / (state[0].sqrt() + eps)
            }),
    }
    rmsprop {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("alpha", 0.99, Range::BELOW_ONE),
            eps(1e-8),
            Param::new("momentum", 0.0, Range::NOT_NEGATIVE),
            Param::new("centered", 0.0, Range::FLAG),
        ],
        formula: "v = alpha v + (1 - alpha) g^2; p -= lr g / (sqrt(v) + eps); centered subtracts the squared mean from v",
        source: "torch.optim.RMSprop; Hinton's lecture 6e; centered: Graves 2013",
        kind: optimizer!("rmsprop", states: ["square_avg", "momentum_buffer", "grad_avg"],
            count: |[_, _, _, _, _, _, momentum, centered, ..]| {
                if *centered == 1.0 { 3 } else if *momentum != 0.0 { 2 } else { 1 }
            },
            init: |_| 0.0,
            scalars: [rate, alpha, one_minus_alpha, eps, momentum, centered],
            [_, _, _, _, alpha, eps, momentum, centered, ..], t, lr => {
                let _ = t;
                [lr, *alpha, 1.0 - alpha, *eps, *momentum, *centered]
            },
            param, grad, state => {
                state[0] = alpha * state[0] + one_minus_alpha * grad * grad;
                state[2] = state[2] + one_minus_alpha * (grad - state[2]);
                // Rounding can put the squared mean above the mean of squares.
                let variance = (state[0] - centered * state[2] * state[2]).max(F::zero());
                state[1] = momentum * state[1] + grad / (variance.sqrt() + eps);
                rate * state[1]
            }),
    }
    adam {
        aliases: [Alias::with("amsgrad", &[("amsgrad", 1.0)])],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8), AMSGRAD],
        formula: "m = lerp(g, m, beta1); v = lerp(g^2, v, beta2); p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)",
        source: "torch.optim.Adam; Kingma and Ba 2015; amsgrad: Reddi et al. 2018",
        kind: ADAM,
    }
    adamw {
        aliases: [],
        params: [lr(1e-3), decay(1e-2), DECOUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8), AMSGRAD],
        formula: "p -= lr weight_decay p, then as adam",
        source: "torch.optim.AdamW; Loshchilov and Hutter 2019",
        kind: ADAM,
    }
}

const ADAM: OptimizerKind = optimizer!("adam", states: ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
    count: |[_, _, _, _, _, _, _, amsgrad, ..]| if *amsgrad == 1.0 { 3 } else { 2 }, init: |_| 0.0,
    scalars: [step_size, one_minus_beta1, beta2, one_minus_beta2, root_correction, eps, amsgrad],
    [_, _, _, _, beta1, beta2, eps, amsgrad, ..], t, lr => [
        lr / (1.0 - beta1.powf(t)),
        1.0 - beta1,
        *beta2,
        1.0 - beta2,
        (1.0 - beta2.powf(t)).sqrt(),
        *eps,
        *amsgrad,
    ],
    param, grad, state => {
        state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
        state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
        state[2] = state[2].max(state[1]);
        let second = if amsgrad == F::one() { state[2] } else { state[1] };
        step_size * state[0] / (second.sqrt() / root_correction + eps)
    }
);
