//! The table of optimizers. The first four parameters of each are `lr`, `weight_decay`, `decoupled`, `maximize`.

use super::{OptimizerKind, Scalars, Shared, fill, optimizer, update_slices};
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
        kind: optimizer!("adagrad", states: ["sum"], count: |_| 1, init: |[_, _, _, _, _, initial, ..]| [*initial, 0.0, 0.0, 0.0],
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
            init: |_| [0.0; 4],
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
    adadelta {
        aliases: [],
        params: [lr(1.0), decay(0.0), COUPLED, MAXIMIZE, Param::new("rho", 0.9, Range::BELOW_ONE), eps(1e-6)],
        formula: "v = lerp(g^2, v, rho); d = sqrt(u + eps) / sqrt(v + eps) g; u = lerp(d^2, u, rho); p -= lr d",
        source: "torch.optim.Adadelta; Zeiler 2012",
        kind: optimizer!("adadelta", states: ["square_avg", "acc_delta"], count: |_| 2, init: |_| [0.0; 4],
            scalars: [rate, rho, one_minus_rho, eps],
            [_, _, _, _, rho, eps, ..], _t, lr => [lr, *rho, 1.0 - rho, *eps],
            param, grad, state => {
                state[0] = rho * state[0] + one_minus_rho * grad * grad;
                let delta = (state[1] + eps).sqrt() / (state[0] + eps).sqrt() * grad;
                state[1] = rho * state[1] + one_minus_rho * delta * delta;
                rate * delta
            }),
    }
    adamax {
        aliases: [],
        params: [lr(2e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "m = lerp(g, m, beta1); u = max(beta2 u, |g| + eps); p -= lr / (1 - beta1^t) m / u",
        source: "torch.optim.Adamax; Kingma and Ba 2015",
        kind: ADAMAX,
    }
    adamaxw {
        aliases: [],
        params: [lr(2e-3), decay(1e-4), DECOUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "p -= lr weight_decay p, then as adamax",
        source: "optax.adamaxw",
        kind: ADAMAX,
    }
    nadam {
        aliases: [],
        params: [
            lr(2e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8),
            Param::new("momentum_decay", 4e-3, Range::NOT_NEGATIVE),
        ],
        formula: "as adam with m replaced by its look-ahead, the momentum at step t beta1 (1 - 0.96^(t momentum_decay) / 2)",
        source: "torch.optim.NAdam; Dozat 2016",
        kind: NADAM,
    }
    nadamw {
        aliases: [],
        params: [lr(1e-3), decay(1e-4), DECOUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "p -= lr weight_decay p; as adam with beta1 m / (1 - beta1^(t+1)) + (1 - beta1) g / (1 - beta1^t) for m",
        source: "optax.nadamw",
        kind: OptimizerKind {
            schedule: |[_, _, _, _, beta1, beta2, eps, ..], t, lr| fill([
                lr * (1.0 - beta1) / (1.0 - beta1.powf(t)),
                lr * beta1 / (1.0 - beta1.powf(t + 1.0)),
                1.0 - beta1,
                *beta2,
                1.0 - beta2,
                (1.0 - beta2.powf(t)).sqrt(),
                *eps,
            ]),
            ..NADAM
        },
    }
    radam {
        aliases: [],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "as adam, its step rectified by the variance of v, and without v while that is not tractable",
        source: "torch.optim.RAdam; Liu et al. 2020",
        kind: optimizer!("radam", states: ["exp_avg", "exp_avg_sq"], count: |_| 2, init: |_| [0.0; 4],
            scalars: [plain_step, rectified_step, one_minus_beta1, beta2, one_minus_beta2, eps],
            [_, _, _, _, beta1, beta2, eps, ..], t, lr => {
                let step = lr / (1.0 - beta1.powf(t));
                let [plain, rectified] = rectify(*beta2, t);
                [step * plain, step * rectified, 1.0 - beta1, *beta2, 1.0 - beta2, *eps]
            },
            param, grad, state => {
                state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
                plain_step * state[0] + rectified_step * state[0] / (state[1].sqrt() + eps)
            }),
    }
    rprop {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("eta_minus", 0.5, SHRINKING),
            Param::new("eta_plus", 1.2, GROWING),
            Param::new("step_min", 1e-6, Range::NOT_NEGATIVE),
            Param::new("step_max", 50.0, Range::POSITIVE),
        ],
        formula: "the step grows by eta_plus while g keeps its sign and shrinks by eta_minus when it turns; p -= sign(g) step",
        source: "torch.optim.Rprop; Riedmiller and Braun 1993; lr is the first step",
        kind: optimizer!("rprop", states: ["prev", "step_size"], count: |_| 2, init: |[lr, ..]| [0.0, *lr, 0.0, 0.0],
            scalars: [eta_minus, eta_plus, step_min, step_max],
            [_, _, _, _, minus, plus, least, most, ..], _t, _lr => [*minus, *plus, *least, *most],
            param, grad, state => {
                let turn = grad.sign() * state[0].sign();
                let factor = if turn > F::zero() { eta_plus } else if turn < F::zero() { eta_minus } else { F::one() };
                state[1] = (state[1] * factor).max(step_min).min(step_max);
                state[0] = if turn < F::zero() { F::zero() } else { grad };
                state[0].sign() * state[1]
            }),
    }
    rmsprop_graves {
        aliases: [],
        params: [
            lr(1e-4), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("rho", 0.95, Range::BELOW_ONE),
            Param::new("momentum", 0.9, Range::NOT_NEGATIVE),
            eps(1e-4),
        ],
        formula: "n = lerp(g^2, n, rho); a = lerp(g, a, rho); d = momentum d + lr g / sqrt(n - a^2 + eps); p -= d",
        source: "Graves 2013, Generating sequences with recurrent neural networks, equations 38 to 41",
        kind: optimizer!("rmsprop_graves", states: ["square_avg", "grad_avg", "momentum_buffer"], count: |_| 3,
            init: |_| [0.0; 4],
            scalars: [rate, rho, one_minus_rho, momentum, eps],
            [_, _, _, _, rho, momentum, eps, ..], _t, lr => [lr, *rho, 1.0 - rho, *momentum, *eps],
            param, grad, state => {
                state[0] = rho * state[0] + one_minus_rho * grad * grad;
                state[1] = rho * state[1] + one_minus_rho * grad;
                let variance = (state[0] - state[1] * state[1]).max(F::zero());
                state[2] = momentum * state[2] + rate * grad / (variance + eps).sqrt();
                state[2]
            }),
    }
    smorms3 {
        aliases: [],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, eps(1e-16)],
        formula: "r = 1 / (memory + 1); a = lerp(a, g, r); n = lerp(n, g^2, r); x = a^2 / (n + eps); \
            p -= min(lr, x) g / (sqrt(n) + eps); memory = 1 + memory (1 - x)",
        source: "Funk 2015, RMSprop loses to SMORMS3",
        kind: optimizer!("smorms3", states: ["grad_avg", "square_avg", "memory"], count: |_| 3,
            init: |_| [0.0, 0.0, 1.0, 0.0],
            scalars: [rate, eps],
            [_, _, _, _, eps, ..], _t, lr => [lr, *eps],
            param, grad, state => {
                let r = F::one() / (state[2] + F::one());
                state[0] = state[0] + r * (grad - state[0]);
                state[1] = state[1] + r * (grad * grad - state[1]);
                let x = state[0] * state[0] / (state[1] + eps);
                state[2] = F::one() + state[2] * (F::one() - x);
                rate.min(x) * grad / (state[1].sqrt() + eps)
            }),
    }
    adabound {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8),
            Param::new("final_lr", 0.1, Range::POSITIVE),
            Param::new("gamma", 1e-3, Range::POSITIVE),
            AMSGRAD,
        ],
        formula: "as adam, each step size clamped to final_lr (1 - 1 / (gamma t + 1)) .. final_lr (1 + 1 / (gamma t))",
        source: "Luo et al. 2019, Adaptive gradient methods with dynamic bound of learning rate; amsgrad gives amsbound",
        kind: optimizer!("adabound", states: ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
            count: |[_, _, _, _, _, _, _, _, _, amsgrad, ..]| if *amsgrad == 1.0 { 3 } else { 2 }, init: |_| [0.0; 4],
            scalars: [step_size, one_minus_beta1, beta2, one_minus_beta2, eps, low, high, amsgrad],
            [base, _, _, _, beta1, beta2, eps, final_lr, gamma, amsgrad, ..], t, lr => {
                // The bounds follow the schedule, as in the authors' code.
                let goal = if *base == 0.0 { 0.0 } else { final_lr * lr / base };
                [
                    lr * (1.0 - beta2.powf(t)).sqrt() / (1.0 - beta1.powf(t)),
                    1.0 - beta1,
                    *beta2,
                    1.0 - beta2,
                    *eps,
                    goal * (1.0 - 1.0 / (gamma * t + 1.0)),
                    goal * (1.0 + 1.0 / (gamma * t)),
                    *amsgrad,
                ]
            },
            param, grad, state => {
                state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
                state[2] = state[2].max(state[1]);
                let second = if amsgrad == F::one() { state[2] } else { state[1] };
                (step_size / (second.sqrt() + eps)).max(low).min(high) * state[0]
            }),
    }
    adabelief {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), DECOUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-16),
            Param::new("eps_root", 1e-16, Range::NOT_NEGATIVE),
        ],
        formula: "m = lerp(g, m, beta1); s = lerp((g - m)^2, s, beta2) + eps_root; \
            p -= lr m / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + eps)",
        source: "optax.adabelief; Zhuang et al. 2020",
        kind: optimizer!("adabelief", states: ["exp_avg", "exp_avg_var"], count: |_| 2, init: |_| [0.0; 4],
            scalars: [step_size, one_minus_beta1, beta2, one_minus_beta2, root_correction, eps, eps_root],
            [_, _, _, _, beta1, beta2, eps, eps_root, ..], t, lr => [
                lr / (1.0 - beta1.powf(t)),
                1.0 - beta1,
                *beta2,
                1.0 - beta2,
                (1.0 - beta2.powf(t)).sqrt(),
                *eps,
                *eps_root,
            ],
            param, grad, state => {
                state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                let surprise = grad - state[0];
                state[1] = beta2 * state[1] + one_minus_beta2 * surprise * surprise + eps_root;
                step_size * state[0] / (state[1].sqrt() / root_correction + eps)
            }),
    }
    yogi {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-3),
            Param::new("initial_accumulator_value", 1e-6, Range::NOT_NEGATIVE),
        ],
        formula: "m = lerp(g, m, beta1); v -= (1 - beta2) sign(v - g^2) g^2; \
            p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)",
        source: "optax.yogi; Zaheer et al. 2018",
        kind: optimizer!("yogi", states: ["exp_avg", "exp_avg_sq"], count: |_| 2,
            init: |[_, _, _, _, _, _, _, initial, ..]| [*initial, *initial, 0.0, 0.0],
            scalars: [step_size, one_minus_beta1, one_minus_beta2, root_correction, eps],
            [_, _, _, _, beta1, beta2, eps, ..], t, lr => [
                lr / (1.0 - beta1.powf(t)),
                1.0 - beta1,
                1.0 - beta2,
                (1.0 - beta2.powf(t)).sqrt(),
                *eps,
            ],
            param, grad, state => {
                state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                let square = grad * grad;
                state[1] = state[1] - one_minus_beta2 * (state[1] - square).sign() * square;
                step_size * state[0] / (state[1].sqrt() / root_correction + eps)
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

const SHRINKING: Range = Range::new(std::ops::Bound::Excluded(0.0), std::ops::Bound::Excluded(1.0));
const GROWING: Range = Range::new(std::ops::Bound::Excluded(1.0), std::ops::Bound::Unbounded);

/// The product of the momenta of steps 1 to t; 0 as soon as it no longer shows beside 1.
fn momentum_product(t: f64, momentum: impl Fn(f64) -> f64) -> f64 {
    let mut product = 1.0;
    let mut step = 1.0;
    while step <= t && product > 1e-20 {
        product *= momentum(step);
        step += 1.0;
    }
    if step <= t { 0.0 } else { product }
}

/// The factors of RAdam's plain and rectified step, one of which is 0.
fn rectify(beta2: f64, t: f64) -> [f64; 2] {
    let most = 2.0 / (1.0 - beta2) - 1.0;
    let correction = 1.0 - beta2.powf(t);
    let length = most - 2.0 * t * beta2.powf(t) / correction;
    if length <= 5.0 {
        return [1.0, 0.0];
    }
    let variance = (length - 4.0) * (length - 2.0) * most / ((most - 4.0) * (most - 2.0) * length);
    [0.0, variance.sqrt() * correction.sqrt()]
}

const ADAMAX: OptimizerKind = optimizer!("adamax", states: ["exp_avg", "exp_inf"], count: |_| 2, init: |_| [0.0; 4],
    scalars: [step_size, one_minus_beta1, beta2, eps],
    [_, _, _, _, beta1, beta2, eps, ..], t, lr => [lr / (1.0 - beta1.powf(t)), 1.0 - beta1, *beta2, *eps],
    param, grad, state => {
        state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
        state[1] = (beta2 * state[1]).max(grad.abs() + eps);
        step_size * state[0] / state[1]
    }
);

const ADAM: OptimizerKind = optimizer!("adam", states: ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
    count: |[_, _, _, _, _, _, _, amsgrad, ..]| if *amsgrad == 1.0 { 3 } else { 2 }, init: |_| [0.0; 4],
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

const NADAM: OptimizerKind = optimizer!("nadam", states: ["exp_avg", "exp_avg_sq"], count: |_| 2, init: |_| [0.0; 4],
scalars: [grad_step, mean_step, one_minus_beta1, beta2, one_minus_beta2, root_correction, eps],
[_, _, _, _, beta1, beta2, eps, decay, ..], t, lr => {
    let momentum = |t: f64| beta1 * (1.0 - 0.5 * 0.96f64.powf(t * decay));
    let product = momentum_product(t, momentum);
    let (now, next) = (momentum(t), momentum(t + 1.0));
    [
        lr * (1.0 - now) / (1.0 - product),
        lr * next / (1.0 - product * next),
        1.0 - beta1,
        *beta2,
        1.0 - beta2,
        (1.0 - beta2.powf(t)).sqrt(),
        *eps,
    ]
},
param, grad, state => {
    state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
    state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
    (grad_step * grad + mean_step * state[0]) / (state[1].sqrt() / root_correction + eps)
});
