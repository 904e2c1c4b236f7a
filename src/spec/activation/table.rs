//! The table of activations.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::{ActivationKind, Map, MapKind, Saves, Tolerance, map, map_slice, scale_slice};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::registry::{Alias, Choice, Entry, Kind, Param, Range, Values, registry};
use crate::spec::row;

const EXACT: Tolerance = Tolerance::ulps(0.0);
// At most about twice the worst error on llvmpipe and SwiftShader, as tests/ops measures it.
const EXP_BASED: Tolerance = Tolerance::growing(5.0, 1.0);

registry! { ActivationKind, "activation";
    identity {
        aliases: [Alias::of("linear")],
        params: [],
        formula: "x",
        source: "torch.nn.Identity",
        kind: map!("identity", saves: Output, kinks: [], forward: EXACT, derivative: EXACT,
            x, _ => x, _y, _ => F::one()),
    }
    relu {
        aliases: [],
        params: [],
        formula: "max(0, x)",
        source: "torch.nn.ReLU; derivative 0 at 0",
        // Written so that NaN stays NaN.
        kind: map!("relu", saves: Output, kinks: [0.0], forward: EXACT, derivative: EXACT,
            x, _ => if x <= F::zero() { F::zero() } else { x },
            y, _ => if y <= F::zero() { F::zero() } else { F::one() }),
    }
    leaky_relu {
        aliases: [Alias::of("lrelu")],
        params: [Param::new("alpha", 0.01, Range::FINITE)],
        formula: "x if x > 0 else alpha * x",
        source: "torch.nn.LeakyReLU (negative_slope); derivative alpha at 0",
        kind: map!("leaky_relu", saves: Input, kinks: [0.0], forward: Tolerance::ulps(1.0),
            derivative: Tolerance::ulps(1.0),
            x, [alpha, ..] => if x > F::zero() { x } else { *alpha * x },
            x, [alpha, ..] => if x > F::zero() { F::one() } else { *alpha }),
    }
    sigmoid {
        aliases: [Alias::of("logistic")],
        params: [],
        formula: "1 / (1 + exp(-x))",
        source: "torch.nn.Sigmoid; derivative y (1 - y) from the output",
        kind: map!("sigmoid", saves: Output, kinks: [], forward: EXP_BASED, derivative: Tolerance::ulps(2.0),
            x, _ => x.sigmoid(), y, _ => y * (F::one() - y)),
    }
    tanh {
        aliases: [],
        params: [],
        formula: "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
        source: "torch.nn.Tanh; derivative (1 - y) (1 + y) from the output",
        kind: map!("tanh", saves: Output, kinks: [], forward: Tolerance::ulps(3.0), derivative: Tolerance::ulps(2.0),
            x, _ => x.tanh(), y, _ => (F::one() - y) * (F::one() + y)),
    }
    softplus {
        aliases: [],
        params: [Param::new("beta", 1.0, Range::POSITIVE)],
        formula: "log(1 + exp(beta * x)) / beta",
        source: "torch.nn.Softplus without its threshold: exact for every x",
        kind: map!("softplus", saves: Input, kinks: [], forward: EXP_BASED, derivative: EXP_BASED,
            // Only the bounded part is divided by beta: beta x may overflow where x does not.
            x, [beta, ..] => x.max(F::zero()) + (-(*beta * x).abs()).softplus() / *beta,
            x, [beta, ..] => (*beta * x).sigmoid()),
    }
    silu {
        aliases: [Alias::of("swish")],
        params: [Param::new("beta", 1.0, Range::FINITE)],
        formula: "x / (1 + exp(-beta * x))",
        source: "torch.nn.SiLU; beta: Ramachandran et al. 2017, Searching for activation functions",
        // The derivative crosses zero near beta x = -1.28: the floor.
        kind: map!("silu", saves: Input, kinks: [], forward: EXP_BASED, derivative: Tolerance::growing(8.0, 1.0).or(1e-7),
            x, [beta, ..] => x * (*beta * x).sigmoid(),
            x, [beta, ..] => {
                // Bounded, for an infinite beta x times 0 would be NaN.
                let z = *beta * x;
                z.sigmoid() * (F::one() + z.max(F::of(-1e3)).min(F::of(1e3)) * (-z).sigmoid())
            }),
    }
    gelu {
        aliases: [],
        params: [],
        formula: "x * Phi(x), Phi the standard normal distribution function",
        source: "torch.nn.GELU(approximate='none')",
        // The derivative crosses zero near x = -0.75: the floor. The argument of exp is x^2/2, hence its own bound.
        kind: map!("gelu", saves: Input, kinks: [], forward: Tolerance::ulps(9.0), derivative: Tolerance::ulps(9.0).or(1e-7),
            x, _ => x * normal_cdf(x), x, _ => normal_cdf(x) + x * normal_pdf(x)),
    }
    softmax {
        aliases: [],
        params: [Param::new("temperature", 1.0, Range::POSITIVE)],
        formula: "exp(x_i / temperature) / sum_j exp(x_j / temperature) over the last axis",
        source: "torch.nn.Softmax; Jacobian product y * (g - sum(g * y)) / temperature",
        kind: row::softmax(),
    }
    log_softmax {
        aliases: [],
        params: [],
        formula: "x_i - log(sum_j exp(x_j)) over the last axis",
        source: "torch.nn.LogSoftmax; Jacobian product g - exp(y) * sum(g)",
        kind: row::log_softmax(),
    }
}

fn normal_cdf<F: Float>(x: F) -> F {
    F::of(0.5) * (-x * F::of(FRAC_1_SQRT_2)).erfc()
}

fn normal_pdf<F: Float>(x: F) -> F {
    (F::of(-0.5) * x * x).exp() * F::of(1.0 / (2.0 * PI).sqrt())
}
