//! The Adam family: exponential moving averages of the first and second moments.

use super::params::{
    ABOVE_ONE, AMSGRAD, BETA1, BETA2, BIAS_CORRECTION, COUPLED, DECOUPLED, EPS_ROOT, MAXIMIZE,
    decay, eps, lr,
};
use super::{
    Carried, MAX_CARRIED, MAX_STATES, OptimizerKind, Scalars, Shared, Takes, fill, optimizer,
    update_slices,
};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, Values};

entries! { OptimizerKind;
    adam {
        aliases: [Alias::with("amsgrad", &[("amsgrad", 1.0)])],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8), AMSGRAD, EPS_ROOT, BIAS_CORRECTION,
        ],
        formula: "m = lerp(g, m, beta1); v = lerp(g^2, v, beta2); \
            p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t) + eps_root) + eps); without bias_correction 1 for both 1 - beta^t",
        source: "torch.optim.Adam; Kingma and Ba 2015; amsgrad: Reddi et al. 2018; eps_root: optax.adam",
        kind: ADAM,
    }
    adamw {
        aliases: [],
        params: [
            lr(1e-3), decay(1e-2), DECOUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8), AMSGRAD, EPS_ROOT, BIAS_CORRECTION,
        ],
        formula: "p -= lr weight_decay p, then as adam",
        source: "torch.optim.AdamW; Loshchilov and Hutter 2019",
        kind: ADAM,
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
            schedule: |[_, _, _, _, beta1, beta2, eps, ..], t, lr| {
                fill([
                    lr * (1.0 - beta1) / (1.0 - beta1.powf(t)),
                    lr * beta1 / (1.0 - beta1.powf(t + 1.0)),
                    1.0 - beta1,
                    *beta2,
                    1.0 - beta2,
                    (1.0 - beta2.powf(t)).sqrt(),
                    *eps,
                ])
            },
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
    adabound {
        aliases: [Alias::with("amsbound", &[("amsgrad", 1.0)])],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8),
            Param::new("final_lr", 0.1, Range::POSITIVE),
            Param::new("gamma", 1e-3, Range::POSITIVE),
            AMSGRAD, BIAS_CORRECTION, Param::flag("sqrt_decay", false),
        ],
        formula: "as adam, each step size clamped to final_lr (1 - 1 / (gamma t + 1)) .. final_lr (1 + 1 / (gamma t)); \
            with sqrt_decay then divided by sqrt(t)",
        source: "Luo et al. 2019, Adaptive gradient methods with dynamic bound of learning rate, and its code; \
            the paper's algorithm has sqrt_decay and no bias_correction; amsgrad gives amsbound",
        kind: optimizer!("adabound", states: ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
            count: |[_, _, _, _, _, _, _, _, _, amsgrad, ..]| if *amsgrad == 1.0 { 3 } else { 2 }, init: |_| [0.0; 4],
            scalars: [step_size, one_minus_beta1, beta2, one_minus_beta2, eps, low, high, amsgrad],
            [base, _, _, _, beta1, beta2, eps, final_lr, gamma, amsgrad, corrects, sqrt_decay, ..], t, lr => {
                let lr = if *sqrt_decay == 1.0 { lr / t.sqrt() } else { lr };
                // The bounds scale with the schedule, as in the authors' code.
                let bound = if *base == 0.0 { 0.0 } else { final_lr * lr / base };
                let [first, second] = corrections([*beta1, *beta2], *corrects, t);
                [
                    lr * second.sqrt() / first,
                    1.0 - beta1,
                    *beta2,
                    1.0 - beta2,
                    *eps,
                    bound * (1.0 - 1.0 / (gamma * t + 1.0)),
                    bound * (1.0 + 1.0 / (gamma * t)),
                    *amsgrad,
                ]
            },
            param, grad, state, tensor tensor => {
                state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
                state[2] = state[2].max(state[1]);
                let second = if amsgrad == F::one() { state[2] } else { state[1] };
                (tensor.multiplier * step_size / (second.sqrt() + eps)).max(low).min(high) * state[0]
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
    adan {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), DECOUPLED, MAXIMIZE,
            Param::new("beta1", 0.98, Range::BELOW_ONE),
            Param::new("beta2", 0.92, Range::BELOW_ONE),
            Param::new("beta3", 0.99, Range::BELOW_ONE),
            eps(1e-8),
            Param::new("eps_root", 1e-8, Range::NOT_NEGATIVE),
            Param::flag("paper", false),
        ],
        formula: "d = g - g before; m = lerp(g, m, beta1); v = lerp(d, v, beta2); n = lerp((g + w d)^2, n, beta3); \
            p -= lr (m' + w v') / (sqrt(n' + eps_root) + eps), each ' over 1 - beta^t",
        source: "optax.adan, with w = 1 - beta2; Xie et al. 2022 and their code, with `paper`, have w = beta2",
        kind: optimizer!("adan", states: ["exp_avg", "exp_avg_diff", "exp_avg_sq", "prev_grad"],
            count: |_| 4, init: |_| [0.0; 4],
            scalars: [
                mean_step, change_step, one_minus_beta1, one_minus_beta2, change_weight, beta3, one_minus_beta3, correction, eps,
                eps_root, has_previous
            ],
            [_, _, _, _, beta1, beta2, beta3, eps, eps_root, paper, ..], t, lr => {
                let weight = if *paper == 1.0 { *beta2 } else { 1.0 - beta2 };
                [
                    lr / (1.0 - beta1.powf(t)),
                    lr * weight / (1.0 - beta2.powf(t)),
                    1.0 - beta1,
                    1.0 - beta2,
                    weight,
                    *beta3,
                    1.0 - beta3,
                    1.0 - beta3.powf(t),
                    *eps,
                    *eps_root,
                    if t == 1.0 { 0.0 } else { 1.0 },
                ]
            },
            param, grad, state => {
                let change = has_previous * (grad - state[3]);
                let ahead = grad + change_weight * change;
                state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                state[1] = state[1] + one_minus_beta2 * (change - state[1]);
                state[2] = beta3 * state[2] + one_minus_beta3 * ahead * ahead;
                state[3] = grad;
                (mean_step * state[0] + change_step * state[1]) / ((state[2] / correction + eps_root).sqrt() + eps)
            }),
    }
    eve {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2,
            Param::new("beta3", 0.999, Range::BELOW_ONE),
            Param::new("c", 10.0, ABOVE_ONE),
            Param::new("least_loss", 0.0, Range::FINITE),
            eps(1e-8),
        ],
        formula: "as adam with lr / d; d = lerp(clamp(|f - f before| / (min(f, f before) - least_loss), 1/c, c), d, beta3), \
            f the loss, d = 1 at first",
        source: "Hayashi, Koushik and Neubig, Eve, the third version (2018) of arXiv 1611.01505",
        kind: OptimizerKind {
            carried: Some(Carried {
                shader: include_str!("../../../shaders/carry/eve.wgsl"),
                names: &["d", "previous_loss"],
                initial: [1.0, 0.0, 0.0, 0.0],
                takes_loss: true,
                passes: Both { f32: eve_carry::<f32>, f64: eve_carry::<f64> },
            }),
            ..optimizer!("eve", states: ["exp_avg", "exp_avg_sq"], count: |_| 2, init: |_| [0.0; 4],
                scalars: [
                    step_size, one_minus_beta1, beta2, one_minus_beta2, root_correction, eps, one_minus_beta3, limit, least_loss,
                    has_previous, pace
                ],
                [_, _, _, _, beta1, beta2, beta3, c, least_loss, eps, ..], t, lr => [
                    lr / (1.0 - beta1.powf(t)),
                    1.0 - beta1,
                    *beta2,
                    1.0 - beta2,
                    (1.0 - beta2.powf(t)).sqrt(),
                    *eps,
                    1.0 - beta3,
                    *c,
                    *least_loss,
                    if t == 1.0 { 0.0 } else { 1.0 },
                    1.0,
                ],
                param, grad, state => {
                    state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
                    state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
                    step_size / pace * state[0] / (state[1].sqrt() / root_correction + eps)
                })
        },
    }
}

const ADAM: OptimizerKind = optimizer!("adam", states: ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
    count: |[_, _, _, _, _, _, _, amsgrad, ..]| if *amsgrad == 1.0 { 3 } else { 2 }, init: |_| [0.0; 4],
    scalars: [step_size, one_minus_beta1, beta2, one_minus_beta2, root_correction, eps, amsgrad, eps_root],
    [_, _, _, _, beta1, beta2, eps, amsgrad, eps_root, corrects, ..], t, lr => {
        let [first, second] = corrections([*beta1, *beta2], *corrects, t);
        [lr / first, 1.0 - beta1, *beta2, 1.0 - beta2, second.sqrt(), *eps, *amsgrad, eps_root * second]
    },
    param, grad, state => {
        state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
        state[1] = beta2 * state[1] + one_minus_beta2 * grad * grad;
        state[2] = state[2].max(state[1]);
        let second = if amsgrad == F::one() { state[2] } else { state[1] };
        step_size * state[0] / ((second + eps_root).sqrt() / root_correction + eps)
    }
);

const ADAMAX: OptimizerKind = optimizer!("adamax", states: ["exp_avg", "exp_inf"], count: |_| 2, init: |_| [0.0; 4],
    scalars: [step_size, one_minus_beta1, beta2, eps],
    [_, _, _, _, beta1, beta2, eps, ..], t, lr => [lr / (1.0 - beta1.powf(t)), 1.0 - beta1, *beta2, *eps],
    param, grad, state => {
        state[0] = state[0] + one_minus_beta1 * (grad - state[0]);
        state[1] = (beta2 * state[1]).max(grad.abs() + eps);
        step_size * state[0] / state[1]
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
    }
);

/// The corrections of two means that began at 0, after t updates; 1 if they are not corrected.
fn corrections(betas: [f64; 2], corrects: f64, t: f64) -> [f64; 2] {
    betas.map(|beta| if corrects == 1.0 { 1.0 - beta.powf(t) } else { 1.0 })
}

/// The product of the momenta of steps 1 to t; 0 once it is negligible compared with 1.
fn momentum_product(t: f64, momentum: impl Fn(f64) -> f64) -> f64 {
    let mut product = 1.0;
    let mut step = 1.0;
    while step <= t && product > 1e-20 {
        product *= momentum(step);
        step += 1.0;
    }
    if step <= t { 0.0 } else { product }
}

/// The factors of RAdam's plain and rectified steps, one of which is 0.
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

/// The relative change of the loss is its distance from the previous one divided by the smaller one's distance from
/// `least_loss`, clamped to 1 / `limit` .. `limit`. The step is divided by the running mean of that change.
fn eve_carry<F: Float>(scalars: &mut Scalars<F>, loss: F, numbers: &mut [F; MAX_CARRIED]) {
    let [_, _, _, _, _, _, one_minus_beta3, limit, least_loss, has_previous, pace, ..] = scalars;
    let [old, previous, ..] = *numbers;
    *pace = F::one();
    if *has_previous == F::one() {
        let over = (loss.min(previous) - *least_loss).max(F::of(1e-12));
        let change = ((loss - previous).abs() / over).within(F::one() / *limit, *limit);
        *pace = old + *one_minus_beta3 * (change - old);
    }
    (numbers[0], numbers[1]) = (*pace, loss);
}
