//! Stochastic annealing thermostats with adaptive momentum (Chen, Carlson, Gan, Li and Carin 2016, "Bridging the gap
//! between stochastic gradient MCMC and stochastic optimization", algorithms 1 and 2).
//!
//! With g = 1 / sqrt(lambda + sqrt(v)), where v is the running mean of squares over n^2, the momentum u follows a
//! Langevin motion of temperature 1 / t^gamma with adaptive friction alpha in the exploration phase (t < burn_in), and
//! afterwards plain momentum with the friction reached. u and alpha start at sqrt(lr) N(0, 1) and sqrt(lr) c. The paper
//! divides by the old u; here the divisor is at least `least` in magnitude, so that no finite input yields an infinity.
//! An element does not move until its first nonzero gradient; that step has no old g and uses the new one.

use super::params::{COUPLED, MAXIMIZE, decay, lr};
use super::{MAX_STATES, OptimizerKind, Scalars, Shared, Takes, fill, optimizer, update_slices};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Choice, Entry, Values};

const SIGMA: Param = Param::new("sigma", 0.95, Range::BELOW_ONE);
const LAMBDA: Param = Param::new("lambda", 1e-8, Range::POSITIVE);
const C: Param = Param::new("c", 5.0, Range::NOT_NEGATIVE);
const BURN_IN: Param = Param::new("burn_in", 100.0, Range::NOT_NEGATIVE);
const GAMMA: Param = Param::new("gamma", 0.5, Range::NOT_NEGATIVE);
const N: Param = Param::new("n", 16.0, Range::POSITIVE);
const LEAST: Param = Param::new("least", 1e-3, Range::POSITIVE);

entries! { OptimizerKind;
    santa_e {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            SIGMA, LAMBDA, C, BURN_IN, GAMMA, N, LEAST,
        ],
        formula: "Euler's scheme: u = (1 - alpha) u - lr g' g + while t < burn_in, heat (1 - g'/g' now) / u + noise; p += g' u",
        source: "Chen et al. 2016, algorithm 1; g' = 1 / sqrt(lambda + sqrt(v)), heat = lr / t^gamma, n minibatches; \
            on gradients of about 1 the Euler steps diverge from rates of about 1e-3 on",
        kind: SANTA_E,
    }
    santa_sss {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            SIGMA, LAMBDA, C, BURN_IN, GAMMA, N, LEAST,
        ],
        formula: "the symmetric splitting scheme: half a step of p, half a damping of u, the kick, and the halves again",
        source: "Chen et al. 2016, algorithm 2; parameters as santa_e",
        // The same formula with symmetric splitting.
        kind: OptimizerKind { schedule: |values, t, lr| fill(numbers(values, t, lr, 1.0)), ..SANTA_E },
    }
}

/// The scalars of step t for both schemes; `splits` is 1 for symmetric splitting.
fn numbers(
    [_, _, _, _, sigma, lambda, c, burn_in, gamma, n, least, ..]: &Values,
    t: f64,
    lr: f64,
    splits: f64,
) -> [f64; 10] {
    [
        lr,
        *sigma,
        (1.0 - sigma) / (n * n),
        *lambda,
        lr.sqrt(),
        lr / t.powf(*gamma),
        if t < *burn_in { 1.0 } else { 0.0 },
        *least,
        splits,
        *c,
    ]
}

/// |x|, but at least `least`, with the sign of x.
fn away_from_zero<F: Float>(x: F, least: F) -> F {
    x.abs().max(least) * x.signum()
}

/// v, g, the old g, the old alpha and the old u. Alpha and u are taken from `start` at the first nonzero gradient;
/// `None` before it.
fn begin<F: Float>(
    state: &[F],
    square_term: F,
    sigma: F,
    lambda: F,
    start: [F; 2],
) -> Option<[F; 5]> {
    let [old_square, friction, old, ..] = *state else { return None };
    let square = sigma * old_square + square_term;
    let scale = |square: F| F::one() / (lambda + square.sqrt()).sqrt();
    if square == F::zero() {
        None
    } else if old_square == F::zero() {
        Some([square, scale(square), scale(square), start[0], start[1]])
    } else {
        Some([square, scale(square), scale(old_square), friction, old])
    }
}

const SANTA_E: OptimizerKind = optimizer!("santa", states: ["square_avg", "alpha", "u"], count: |_| 3,
    init: |_| [0.0; 4],
    scalars: [rate, sigma, square_weight, lambda, start_root, heat, explores, least, splits, c],
    values, t, lr => numbers(values, t, lr, 0.0),
    param, grad, state, tensor tensor, noise noise => {
        let (rate, heat) = (tensor.multiplier * rate, tensor.multiplier * heat);
        let root = tensor.multiplier.sqrt() * start_root;
        let start = [root * c, root * noise[1]];
        let begun = begin(state, square_weight * grad * grad, sigma, lambda, start);
        let Some([square, scale, old_scale, friction, old]) = begun else { return F::zero() };
        let (half, splits) = (F::of(0.5), splits == F::one());
        // The fraction of the friction's update before the gradient step; the rest follows it.
        let factor = explores * if splits { half } else { F::one() };
        state[1] = friction + factor * (old * old - heat);
        let damping = if splits { (-half * state[1]).exp() } else { F::one() - state[1] };
        let mut momentum = damping * old - rate * scale * grad;
        if explores == F::one() {
            momentum = momentum
                + heat * (F::one() - old_scale / scale) / away_from_zero(old, least)
                + (F::of(2.0) * heat * old_scale).sqrt() * noise[0];
        }
        if splits {
            momentum = damping * momentum;
            state[1] = state[1] + factor * (momentum * momentum - heat);
        }
        (state[0], state[2]) = (square, momentum);
        if splits { -half * scale * (old + momentum) } else { -scale * momentum }
    }
);
