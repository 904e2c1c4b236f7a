//! Optimizers that divide by a running magnitude of the gradient.

use super::params::{COUPLED, EPS_ROOT, MAXIMIZE, NOT_POSITIVE, decay, eps, lr};
use super::{MAX_STATES, OptimizerKind, Scalars, Shared, Takes, fill, optimizer, update_slices};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Choice, Entry, Values};

entries! { OptimizerKind;
    adagrad {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("lr_decay", 0.0, Range::NOT_NEGATIVE),
            Param::new("initial_accumulator_value", 0.0, Range::NOT_NEGATIVE),
            eps(1e-10),
        ],
        formula: "s = s + g^2; p -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps), 0 / 0 = 0",
        source: "torch.optim.Adagrad; Duchi et al. 2011",
        kind: optimizer!("adagrad", states: ["sum"], count: |_| 1, init: |[_, _, _, _, _, initial, ..]| [*initial, 0.0, 0.0, 0.0],
            scalars: [rate, eps],
            [_, _, _, _, lr_decay, _, eps, ..], t, lr => [lr / (1.0 + (t - 1.0) * lr_decay), *eps],
            param, grad, state => {
                state[0] = state[0] + grad * grad;
                let divisor = state[0].sqrt() + eps;
                if divisor == F::zero() { F::zero() } else { rate * grad / divisor }
            }),
    }
    rmsprop {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("alpha", 0.99, Range::BELOW_ONE),
            eps(1e-8),
            Param::new("momentum", 0.0, Range::NOT_NEGATIVE),
            Param::flag("centered", false),
            EPS_ROOT,
        ],
        formula: "v = alpha v + (1 - alpha) g^2; p -= lr g / (sqrt(v + eps_root) + eps); centered subtracts the squared mean from v",
        source: "torch.optim.RMSprop; Hinton's lecture 6e; centered: Graves 2013",
        kind: optimizer!("rmsprop", states: ["square_avg", "momentum_buffer", "grad_avg"],
            count: |[_, _, _, _, _, _, momentum, centered, ..]| {
                if *centered == 1.0 { 3 } else if *momentum != 0.0 { 2 } else { 1 }
            },
            init: |_| [0.0; 4],
            scalars: [rate, alpha, one_minus_alpha, eps, momentum, centered, eps_root],
            [_, _, _, _, alpha, eps, momentum, centered, eps_root, ..], _t, lr => [
                lr, *alpha, 1.0 - alpha, *eps, *momentum, *centered, *eps_root,
            ],
            param, grad, state => {
                state[0] = alpha * state[0] + one_minus_alpha * grad * grad;
                state[2] = state[2] + one_minus_alpha * (grad - state[2]);
                // Rounding can make the squared mean larger than the mean of squares.
                let variance = (state[0] - centered * state[2] * state[2]).max(F::zero());
                state[1] = momentum * state[1] + grad / ((variance + eps_root).sqrt() + eps);
                rate * state[1]
            }),
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
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, eps(1e-16), EPS_ROOT],
        formula: "r = 1 / (memory + 1); a = lerp(a, g, r); n = lerp(n, g^2, r); x = a^2 / (n + eps); \
            p -= min(lr, x) g / (sqrt(n + eps_root) + eps); memory = 1 + memory (1 - x)",
        source: "Funk 2015, RMSprop loses to SMORMS3",
        kind: optimizer!("smorms3", states: ["grad_avg", "square_avg", "memory"], count: |_| 3,
            init: |_| [0.0, 0.0, 1.0, 0.0],
            scalars: [rate, eps, eps_root],
            [_, _, _, _, eps, eps_root, ..], _t, lr => [lr, *eps, *eps_root],
            param, grad, state, tensor tensor => {
                let r = F::one() / (state[2] + F::one());
                state[0] = state[0] + r * (grad - state[0]);
                state[1] = state[1] + r * (grad * grad - state[1]);
                let x = state[0] * state[0] / (state[1] + eps);
                state[2] = F::one() + state[2] * (F::one() - x);
                (tensor.multiplier * rate).min(x) * grad / ((state[1] + eps_root).sqrt() + eps)
            }),
    }
    ftrl {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("learning_rate_power", -0.5, NOT_POSITIVE),
            Param::new("initial_accumulator_value", 0.1, Range::NOT_NEGATIVE),
            Param::new("l1", 0.0, Range::NOT_NEGATIVE),
            Param::new("l2", 0.0, Range::NOT_NEGATIVE),
            Param::new("l2_shrinkage", 0.0, Range::NOT_NEGATIVE),
            Param::new("beta", 0.0, Range::NOT_NEGATIVE),
        ],
        formula: "n += g^2; z += g + 2 l2_shrinkage p - (n^-k - (n before)^-k) / lr p; \
            p = (clamp(z, -l1, l1) - z) / (n^-k / lr + 2 l2 + beta / lr), k = learning_rate_power",
        source: "keras.optimizers.Ftrl; McMahan et al. 2013",
        kind: optimizer!("ftrl", states: ["accumulator", "linear"], count: |_| 2,
            init: |[_, _, _, _, _, initial, ..]| [*initial, 0.0, 0.0, 0.0],
            scalars: [rate, power, l1, l2, beta, shrinkage],
            [_, _, _, _, power, _, l1, l2, shrinkage, beta, ..], _t, lr => [lr, -power, *l1, *l2, *beta, *shrinkage],
            param, grad, state, tensor tensor => {
                let rate = tensor.multiplier * rate;
                if rate == F::zero() {
                    return F::zero();
                }
                let two = F::of(2.0);
                let (old, square) = (state[0], grad * grad);
                state[0] = old + square;
                let root = state[0].powf(power);
                // The growth of the power, computed directly because the difference of two powers loses it to rounding.
                let growth = old.powf(power) * (power * (square / old).ln_1p()).exp_m1();
                let growth = if old == F::zero() { root } else { growth };
                state[1] = state[1] + grad + two * shrinkage * param - growth / rate * param;
                let clipped = state[1].max(-l1).min(l1);
                param - (clipped - state[1]) / (root / rate + two * (l2 + beta / (two * rate)))
            }),
    }
}
