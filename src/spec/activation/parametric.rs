//! Activations with learned parameters, one set for all columns or one per column.

use super::initializer::{KAIMING_OF_LEFT_SLOPE, KAIMING_OF_SLOPE, XAVIER};
use super::table::times;
use super::{ActivationKind, DefaultInitializer, Tolerance};
use crate::numeric::Float;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, Values};
use crate::spec::{Both, Real};
use crate::walk::change;

/// The maximum number of learned parameters per channel.
pub const MAX_PARAMETRIC: usize = 4;

/// An elementwise activation of x and the learned parameters p of its channel.
#[derive(Debug)]
pub struct ParametricKind {
    /// The WGSL functions `forward`, `derivative` and `sensitivity` (the derivatives with respect to p) of x and p.
    pub shader: &'static str,
    /// The default initializer of the layer before it.
    pub initializer: DefaultInitializer,
    /// The names of a channel's learned parameters.
    pub names: &'static [&'static str],
    /// Their initial values, from the op's parameters.
    pub first: fn(&Values) -> [f64; MAX_PARAMETRIC],
    /// Returns whether every column is a channel of its own; otherwise all columns form one channel.
    pub per_channel: fn(&Values) -> bool,
    /// The error bound of forward and of both derivatives, relative to their terms.
    pub bound: Tolerance,
    /// The reference.
    pub passes: ParametricPasses,
}

/// The reference of a parametric activation for both floating-point types.
pub type ParametricPasses = Both<Parametric<f32>, Parametric<f64>>;

/// The reference of a parametric activation: functions of x and p.
#[derive(Clone, Copy, Debug)]
pub struct Parametric<F: 'static> {
    /// The value.
    pub forward: fn(F, &[F; MAX_PARAMETRIC]) -> F,
    /// The derivative with respect to x.
    pub derivative: fn(F, &[F; MAX_PARAMETRIC]) -> F,
    /// The derivatives with respect to p.
    pub sensitivity: fn(F, &[F; MAX_PARAMETRIC]) -> [F; MAX_PARAMETRIC],
}

impl std::fmt::Debug for ParametricPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ParametricPasses")
    }
}

impl ParametricKind {
    /// The number of channels of rows of `cols` columns.
    pub fn channels(&self, values: &Values, cols: usize) -> usize {
        if (self.per_channel)(values) { cols } else { 1 }
    }

    /// The initial value of each learned parameter, and the number of channels.
    pub(super) fn initial_values(&self, values: &Values, cols: usize) -> (Vec<f64>, usize) {
        let first = (self.first)(values).into_iter().take(self.names.len()).collect();
        (first, self.channels(values, cols))
    }

    /// The learned parameters of each channel.
    fn by_channel<F: Real>(&self, weights: &[F]) -> Vec<[F; MAX_PARAMETRIC]> {
        let channels = weights.len() / self.names.len().max(1);
        let number = |k: usize, channel: usize| {
            let place =
                if k < self.names.len() { weights.get(k * channels + channel) } else { None };
            place.copied().unwrap_or_else(F::zero)
        };
        (0..channels).map(|channel| std::array::from_fn(|k| number(k, channel))).collect()
    }

    pub(crate) fn forward<F: Real>(&self, weights: &[F], x: &[F], y: &mut [F]) {
        let channels = self.by_channel(weights);
        let forward = F::parametric(&self.passes).forward;
        for ((&x, y), p) in x.iter().zip(y).zip(channels.iter().cycle()) {
            *y = forward(x, p);
        }
    }

    /// Runs the reference's backward pass; the weights' gradient is accumulated row by row in `f64`.
    pub(crate) fn backward<F: Real>(
        &self,
        weights: &[F],
        x: &[F],
        grad_out: &[F],
        grad_in: &mut [F],
        grad_weights: &mut [F],
    ) {
        let channels = self.by_channel(weights);
        let Parametric { derivative, sensitivity, .. } = F::parametric(&self.passes);
        let mut sums = vec![[0.0; MAX_PARAMETRIC]; channels.len()];
        let numbered = channels.iter().enumerate().cycle();
        for (((&x, &g), out), (channel, p)) in x.iter().zip(grad_out).zip(grad_in).zip(numbered) {
            *out = g * derivative(x, p);
            let share = sensitivity(x, p).map(|s| (g * s).as_f64());
            change(&mut sums, channel, |sums| {
                sums.iter_mut().zip(share).for_each(|(sum, share)| *sum += share);
            });
        }
        for (k, grads) in grad_weights.chunks_mut(channels.len().max(1)).enumerate() {
            for (grad, sums) in grads.iter_mut().zip(&sums) {
                *grad = F::of(sums.get(k).copied().unwrap_or(0.0));
            }
        }
    }
}

macro_rules! parametric {
    ($file:literal, $initializer:expr, $names:expr, $first:expr, $per_channel:expr, $bound:expr, $x:ident, $p:pat_param,
     $forward:expr, $derivative:expr, $sensitivity:expr) => {{
        fn forward<F: Float>($x: F, $p: &[F; MAX_PARAMETRIC]) -> F {
            $forward
        }
        #[allow(unused_variables, reason = "a derivative need not depend on everything")]
        fn derivative<F: Float>($x: F, $p: &[F; MAX_PARAMETRIC]) -> F {
            $derivative
        }
        #[allow(unused_variables, reason = "a derivative need not depend on everything")]
        fn sensitivity<F: Float>($x: F, $p: &[F; MAX_PARAMETRIC]) -> [F; MAX_PARAMETRIC] {
            $sensitivity
        }
        ActivationKind::Parametric(ParametricKind {
            shader: include_str!(concat!("../../../shaders/activation/", $file, ".wgsl")),
            initializer: $initializer,
            names: &$names,
            first: $first,
            per_channel: $per_channel,
            bound: $bound,
            passes: Both {
                f32: Parametric { forward, derivative, sensitivity },
                f64: Parametric { forward, derivative, sensitivity },
            },
        })
    }};
}

entries! { ActivationKind;
    prelu {
        aliases: [],
        params: [Param::new("init", 0.25, Range::FINITE), Param::flag("per_channel", false)],
        formula: "x if x > 0 else w x, w learned",
        source: "torch.nn.PReLU; He et al. 2015; derivative w at 0",
        kind: parametric!("prelu", KAIMING_OF_SLOPE, ["weight"], |[init, ..]| [*init, 0.0, 0.0, 0.0], |[_, each, ..]| *each == 1.0,
            Tolerance::ulps(1.0), x, [w, ..],
            if x > F::zero() { x } else { *w * x },
            if x > F::zero() { F::one() } else { *w },
            [if x > F::zero() { F::zero() } else { x }, F::zero(), F::zero(), F::zero()]),
    }
    srelu {
        aliases: [],
        params: [
            Param::new("left_threshold", 0.0, Range::FINITE), Param::new("left_slope", 0.2, Range::FINITE),
            Param::new("right_threshold", 1.0, Range::FINITE), Param::new("right_slope", 1.0, Range::FINITE),
        ],
        formula: "tl + al (x - tl) if x <= tl, tr + ar (x - tr) if x >= tr, else x; tl, al, tr, ar learned per column",
        source: "Jin et al. 2016, S-shaped rectified linear activation units; the parameters are the first values; where both hold, the right one",
        kind: parametric!("srelu", KAIMING_OF_LEFT_SLOPE, ["left_threshold", "left_slope", "right_threshold", "right_slope"],
            |[a, b, c, d, ..]| [*a, *b, *c, *d], |_| true, Tolerance::ulps(2.0), x, [tl, al, tr, ar],
            if x >= *tr { *tr + *ar * (x - *tr) } else if x <= *tl { *tl + *al * (x - *tl) } else { x },
            if x >= *tr { *ar } else if x <= *tl { *al } else { F::one() },
            {
                let zero = F::zero();
                if x >= *tr {
                    [zero, zero, F::one() - *ar, x - *tr]
                } else if x <= *tl {
                    [F::one() - *al, x - *tl, zero, zero]
                } else {
                    [zero; MAX_PARAMETRIC]
                }
            }),
    }
    learned_swish {
        aliases: [Alias::of("swish_beta")],
        params: [Param::new("beta", 1.0, Range::FINITE), Param::flag("per_channel", false)],
        formula: "x / (1 + exp(-b x)), b learned",
        source: "Ramachandran et al. 2017, Searching for activation functions; beta is the first value",
        kind: parametric!("learned_swish", XAVIER, ["beta"], |[beta, ..]| [*beta, 0.0, 0.0, 0.0], |[_, each, ..]| *each == 1.0,
            Tolerance::growing(8.0, 1.0, |[beta, ..], x| beta * x).or(2e-7), x, [beta, ..],
            times(x, (*beta * x).sigmoid()),
            {
                let z = *beta * x;
                z.sigmoid() * (F::one() + z.max(F::of(-1e3)).min(F::of(1e3)) * (-z).sigmoid())
            },
            {
                let z = *beta * x;
                let near = x.max(F::of(-3e38)).min(F::of(3e38));
                [(near * (z.sigmoid() * (-z).sigmoid())) * near, F::zero(), F::zero(), F::zero()]
            }),
    }
}
