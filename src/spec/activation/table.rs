//! The table of elementwise activations.

use super::initializer::{KAIMING, KAIMING_OF_SLOPE, KEEPS_SCALE, LECUN, SIREN, XAVIER};
use super::{ActivationKind, ElementwiseKind, Map, Saves, Tolerance, elementwise, sine};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, Values};

const EXACT: Tolerance = Tolerance::ulps(0.0);
// At most about twice the worst error on llvmpipe and SwiftShader, as measured by tests/ops.
const EXP_BASED: Tolerance = Tolerance::ulps(5.0);
const EXPM1: Tolerance = Tolerance::ulps(4.0);
const CELU: Tolerance =
    Tolerance::growing(4.0, 1.0, |[alpha, ..], x| if *alpha == 1.0 { 0.0 } else { x / alpha });
const BY_BETA: Tolerance =
    Tolerance::growing(5.0, 1.0, |[beta, ..], x| if *beta == 1.0 { 0.0 } else { beta * x });
const QUICK_GELU: Tolerance = Tolerance::growing(8.0, 1.25, |_, x| 1.702 * x);
const GELU_TANH: Tolerance =
    Tolerance::growing(8.0, 2.0, |_, x| gelu_exponent(x).clamp(-200.0, 200.0));
const SECOND: Tolerance = Tolerance::ulps(12.0).or(1e-6);
const BY_BETA_SECOND: Tolerance = Tolerance::growing(12.0, 1.5, |[beta, ..], x| beta * x).or(1e-6);
// A sine has no limit at infinity.
const SINE: Tolerance = Tolerance::ulps(4.0).or(1e-9).within(f64::MAX);

const SELU_SCALE: f64 = 1.0507009873554805;
const SELU_ALPHA: f64 = 1.6732632423543772;
const GELU_SLOPE: f64 = 1.5957691216057308;

entries! { ActivationKind;
    identity {
        aliases: [Alias::of("linear")],
        params: [],
        formula: "x",
        source: "torch.nn.Identity",
        kind: elementwise!("identity", initializer: KEEPS_SCALE, saves: Output, kinks: |_| vec![], forward: EXACT, derivative: EXACT,
            x, _ => x, _y, _ => F::one()),
    }
    relu {
        aliases: [],
        params: [],
        formula: "max(0, x)",
        source: "torch.nn.ReLU; derivative 0 at 0",
        // The condition is written so that NaN stays NaN.
        kind: elementwise!("relu", initializer: KAIMING, saves: Output, kinks: |_| vec![0.0], forward: EXACT, derivative: EXACT,
            x, _ => if x <= F::zero() { F::zero() } else { x },
            y, _ => if y <= F::zero() { F::zero() } else { F::one() }),
    }
    leaky_relu {
        aliases: [Alias::of("lrelu")],
        params: [Param::new("alpha", 0.01, Range::FINITE)],
        formula: "x if x > 0 else alpha * x",
        source: "torch.nn.LeakyReLU (negative_slope); derivative alpha at 0",
        kind: elementwise!("leaky_relu", initializer: KAIMING_OF_SLOPE, saves: Input, kinks: |_| vec![0.0], forward: Tolerance::ulps(1.0),
            derivative: Tolerance::ulps(1.0),
            x, [alpha, ..] => if x > F::zero() { x } else { *alpha * x },
            x, [alpha, ..] => if x > F::zero() { F::one() } else { *alpha }),
    }
    sigmoid {
        aliases: [Alias::of("logistic")],
        params: [],
        formula: "1 / (1 + exp(-x))",
        source: "torch.nn.Sigmoid; derivative y (1 - y) from the output",
        kind: elementwise!("sigmoid", initializer: XAVIER, saves: Output, kinks: |_| vec![], forward: EXP_BASED, derivative: Tolerance::ulps(2.0),
            x, _ => x.sigmoid(), y, _ => y * (F::one() - y),
            second: Tolerance::ulps(4.0), y, _ => y * (F::one() - y) * (F::one() - F::of(2.0) * y)),
    }
    tanh {
        aliases: [],
        params: [],
        formula: "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
        source: "torch.nn.Tanh; derivative (1 - y) (1 + y) from the output",
        kind: elementwise!("tanh", initializer: XAVIER, saves: Output, kinks: |_| vec![], forward: Tolerance::ulps(3.0), derivative: Tolerance::ulps(2.0),
            x, _ => x.tanh(), y, _ => (F::one() - y) * (F::one() + y),
            second: Tolerance::ulps(4.0), y, _ => F::of(-2.0) * y * (F::one() - y) * (F::one() + y)),
    }
    softplus {
        aliases: [],
        params: [Param::new("beta", 1.0, Range::POSITIVE)],
        formula: "log(1 + exp(beta * x)) / beta",
        source: "torch.nn.Softplus without its threshold: exact for every x",
        kind: elementwise!("softplus", initializer: KAIMING, saves: Input, kinks: |_| vec![], forward: BY_BETA, derivative: BY_BETA,
            // Only the bounded term is divided by beta: beta x may overflow where x does not.
            x, [beta, ..] => x.max(F::zero()) + (-(*beta * x).abs()).softplus() / *beta,
            x, [beta, ..] => (*beta * x).sigmoid(),
            second: BY_BETA_SECOND, x, [beta, ..] => *beta * (*beta * x).sigmoid() * (-*beta * x).sigmoid()),
    }
    silu {
        aliases: [Alias::of("swish")],
        params: [Param::new("beta", 1.0, Range::FINITE)],
        formula: "x / (1 + exp(-beta * x))",
        source: "torch.nn.SiLU; -0 at minus infinity; beta: Ramachandran et al. 2017, Searching for activation functions",
        // The floor: the derivative crosses zero near beta x = -1.28.
        kind: elementwise!("silu", initializer: KAIMING, saves: Input, kinks: |_| vec![], forward: BY_BETA, derivative: BY_BETA.or(1e-7),
            x, [beta, ..] => times(x, (*beta * x).sigmoid()),
            x, [beta, ..] => {
                // Clamped, since an infinite beta x times 0 would be NaN.
                let z = *beta * x;
                z.sigmoid() * (F::one() + z.max(F::of(-1e3)).min(F::of(1e3)) * (-z).sigmoid())
            },
            second: BY_BETA_SECOND, x, [beta, ..] => {
                let z = *beta * x;
                let near = z.max(F::of(-1e3)).min(F::of(1e3));
                let slope = z.sigmoid() * (-z).sigmoid();
                *beta * slope * (F::of(2.0) + near * ((-z).sigmoid() - z.sigmoid()))
            }),
    }
    gelu {
        aliases: [],
        params: [],
        formula: "x * Phi(x), Phi the standard normal distribution function",
        source: "torch.nn.GELU(approximate='none'); -0 at minus infinity",
        // The floor: the derivative crosses zero near x = -0.75. The argument of exp is x^2/2, hence the separate
        // bound.
        kind: elementwise!("gelu", initializer: KAIMING, saves: Input, kinks: |_| vec![], forward: Tolerance::ulps(9.0), derivative: Tolerance::ulps(9.0).or(1e-7),
            x, _ => x.max(F::of(-1e4)) * x.normal_cdf(),
            x, _ => x.normal_cdf() + x.max(F::of(-1e4)).min(F::of(1e4)) * x.normal_pdf(),
            second: SECOND, x, _ => { let near = x.max(F::of(-1e2)).min(F::of(1e2)); x.normal_pdf() * (F::of(2.0) - near * near) }),
    }
    step {
        aliases: [Alias::of("heaviside")],
        params: [Param::new("threshold", 0.0, Range::FINITE)],
        formula: "1 if x > threshold else 0",
        source: "torch.heaviside(x, 0); derivative 0",
        kind: elementwise!("step", initializer: XAVIER, saves: Input, kinks: |[threshold, ..]| vec![*threshold], forward: EXACT, derivative: EXACT,
            x, [threshold, ..] => if x.is_nan() { x } else if x > *threshold { F::one() } else { F::zero() },
            _x, _ => F::zero()),
    }
    bent_identity {
        aliases: [],
        params: [],
        formula: "(sqrt(x^2 + 1) - 1) / 2 + x",
        source: "Carlile et al. 2017; derivative x / (2 sqrt(x^2 + 1)) + 1",
        kind: elementwise!("bent_identity", initializer: XAVIER, saves: Input, kinks: |_| vec![], forward: Tolerance::ulps(4.0), derivative: Tolerance::ulps(4.0),
            x, _ => x * (F::one() + F::of(0.5) * bent_slope(x, F::one())),
            x, _ => F::one() + F::of(0.5) * bent_slope(x, F::zero())),
    }
    relu6 {
        aliases: [],
        params: [],
        formula: "min(max(0, x), 6)",
        source: "torch.nn.ReLU6; derivative 0 at 0 and 6",
        kind: elementwise!("relu6", initializer: KAIMING, saves: Output, kinks: |_| vec![0.0, 6.0], forward: EXACT, derivative: EXACT,
            x, _ => if x <= F::zero() { F::zero() } else if x >= F::of(6.0) { F::of(6.0) } else { x },
            y, _ => if y <= F::zero() || y >= F::of(6.0) { F::zero() } else { F::one() }),
    }
    relu_squared {
        aliases: [Alias::of("relu2")],
        params: [],
        formula: "max(0, x)^2",
        source: "So et al. 2021, Primer",
        kind: elementwise!("relu_squared", initializer: KAIMING, saves: Input, kinks: |_| vec![0.0], forward: Tolerance::ulps(1.0), derivative: Tolerance::ulps(1.0).within(1.7e38),
            x, _ => if x <= F::zero() { F::zero() } else { x * x },
            x, _ => if x <= F::zero() { F::zero() } else { x + x }),
    }
    thresholded_relu {
        aliases: [],
        params: [Param::new("theta", 1.0, Range::NOT_NEGATIVE)],
        formula: "x if x > theta else 0",
        source: "Konda et al. 2015; keras.layers.ReLU(threshold); derivative 0 at theta",
        kind: elementwise!("thresholded_relu", initializer: KAIMING, saves: Input, kinks: |[theta, ..]| vec![*theta], forward: EXACT, derivative: EXACT,
            x, [theta, ..] => if x <= *theta { F::zero() } else { x },
            x, [theta, ..] => if x <= *theta { F::zero() } else { F::one() }),
    }
    threshold {
        aliases: [],
        params: [Param::required("threshold", 0.5, Range::FINITE), Param::required("value", 0.25, Range::FINITE)],
        formula: "x if x > threshold else value",
        source: "torch.nn.Threshold; derivative 0 at the threshold",
        kind: elementwise!("threshold", initializer: XAVIER, saves: Input, kinks: |[threshold, ..]| vec![*threshold], forward: EXACT, derivative: EXACT,
            x, [threshold, value, ..] => if x <= *threshold { *value } else { x },
            x, [threshold, ..] => if x <= *threshold { F::zero() } else { F::one() }),
    }
    elu {
        aliases: [],
        params: [Param::new("alpha", 1.0, Range::FINITE)],
        formula: "x if x > 0 else alpha * (exp(x) - 1)",
        source: "torch.nn.ELU; Clevert et al. 2016; derivative alpha at 0",
        kind: elementwise!("elu", initializer: KAIMING, saves: Input, kinks: |_| vec![0.0], forward: EXPM1, derivative: EXPM1,
            x, [alpha, ..] => if x > F::zero() { x } else { *alpha * x.exp_m1() },
            x, [alpha, ..] => if x > F::zero() { F::one() } else { *alpha * x.exp() }),
    }
    selu {
        aliases: [],
        params: [Param::new("alpha", SELU_ALPHA, Range::FINITE), Param::new("scale", SELU_SCALE, Range::FINITE)],
        formula: "scale * (x if x > 0 else alpha * (exp(x) - 1))",
        source: "torch.nn.SELU; Klambauer et al. 2017; derivative scale * alpha at 0",
        kind: elementwise!("selu", initializer: LECUN, saves: Input, kinks: |_| vec![0.0], forward: EXPM1, derivative: EXPM1,
            x, [alpha, scale, ..] => *scale * if x > F::zero() { x } else { *alpha * x.exp_m1() },
            x, [alpha, scale, ..] => *scale * if x > F::zero() { F::one() } else { *alpha * x.exp() }),
    }
    celu {
        aliases: [],
        params: [Param::new("alpha", 1.0, Range::POSITIVE)],
        formula: "max(0, x) + min(0, alpha * (exp(x / alpha) - 1))",
        source: "torch.nn.CELU; Barron 2017; derivative 1 at 0",
        kind: elementwise!("celu", initializer: KAIMING, saves: Input, kinks: |_| vec![0.0], forward: CELU, derivative: CELU,
            x, [alpha, ..] => if x > F::zero() { x } else { *alpha * (x / *alpha).exp_m1() },
            x, [alpha, ..] => if x > F::zero() { F::one() } else { (x / *alpha).exp() }),
    }
    hard_sigmoid {
        aliases: [],
        params: [Param::new("slope", 1.0 / 6.0, Range::POSITIVE), Param::new("offset", 0.5, Range::FINITE)],
        formula: "clamp(slope * x + offset, 0, 1)",
        source: "torch.nn.Hardsigmoid; slope 0.2 is the older Keras form; derivative 0 at both ends",
        // The floor: the value crosses zero where slope x = -offset.
        kind: elementwise!("hard_sigmoid", initializer: XAVIER, saves: Input, kinks: |[slope, offset, ..]| vec![-offset / slope, (1.0 - offset) / slope], forward: Tolerance::ulps(2.0).or(2e-7), derivative: Tolerance::ulps(1.0),
            x, [slope, offset, ..] => { let z = *slope * x + *offset; if z <= F::zero() { F::zero() } else if z >= F::one() { F::one() } else { z } },
            x, [slope, offset, ..] => { let z = *slope * x + *offset; if z <= F::zero() || z >= F::one() { F::zero() } else { *slope } }),
    }
    log_sigmoid {
        aliases: [],
        params: [],
        formula: "-log(1 + exp(-x))",
        source: "torch.nn.LogSigmoid",
        kind: elementwise!("log_sigmoid", initializer: XAVIER, saves: Input, kinks: |_| vec![], forward: EXP_BASED, derivative: EXP_BASED,
            x, _ => -(-x).softplus(),
            x, _ => (-x).sigmoid()),
    }
    hard_tanh {
        aliases: [],
        params: [Param::new("min", -1.0, Range::FINITE), Param::new("max", 1.0, Range::FINITE).not_below("min")],
        formula: "clamp(x, min, max)",
        source: "torch.nn.Hardtanh; derivative 0 at min and max",
        kind: elementwise!("hard_tanh", initializer: XAVIER, saves: Input, kinks: |[min, max, ..]| vec![*min, *max], forward: EXACT, derivative: EXACT,
            x, [min, max, ..] => if x <= *min { *min } else if x >= *max { *max } else { x },
            x, [min, max, ..] => if x <= *min || x >= *max { F::zero() } else { F::one() }),
    }
    tanh_shrink {
        aliases: [],
        params: [],
        formula: "x - tanh(x)",
        source: "torch.nn.Tanhshrink; no cancellation near 0",
        kind: elementwise!("tanh_shrink", initializer: XAVIER, saves: Input, kinks: |_| vec![], forward: Tolerance::ulps(8.0), derivative: Tolerance::ulps(8.0),
            x, _ => x.tanh_shrink(),
            x, _ => x.tanh() * x.tanh()),
    }
    hard_shrink {
        aliases: [],
        params: [Param::new("lambda", 0.5, Range::NOT_NEGATIVE)],
        formula: "0 if -lambda <= x <= lambda else x",
        source: "torch.nn.Hardshrink; derivative 0 at the bounds",
        kind: elementwise!("hard_shrink", initializer: XAVIER, saves: Input, kinks: |[lambda, ..]| vec![-lambda, *lambda], forward: EXACT, derivative: EXACT,
            x, [lambda, ..] => if x.abs() <= *lambda { F::zero() } else { x },
            x, [lambda, ..] => if x.abs() <= *lambda { F::zero() } else { F::one() }),
    }
    soft_shrink {
        aliases: [],
        params: [Param::new("lambda", 0.5, Range::NOT_NEGATIVE)],
        formula: "sign(x) * max(|x| - lambda, 0)",
        source: "torch.nn.Softshrink; derivative 0 at the bounds",
        kind: elementwise!("soft_shrink", initializer: XAVIER, saves: Input, kinks: |[lambda, ..]| vec![-lambda, *lambda], forward: EXACT, derivative: EXACT,
            x, [lambda, ..] => if x.abs() <= *lambda { F::zero() } else { x - x.signum() * *lambda },
            x, [lambda, ..] => if x.abs() <= *lambda { F::zero() } else { F::one() }),
    }
    shrink {
        aliases: [],
        params: [Param::new("lambda", 0.5, Range::NOT_NEGATIVE), Param::new("bias", 0.0, Range::FINITE)],
        formula: "x + bias if x < -lambda, x - bias if x > lambda, else 0",
        source: "ONNX Shrink; derivative 0 at the bounds",
        kind: elementwise!("shrink", initializer: XAVIER, saves: Input, kinks: |[lambda, ..]| vec![-lambda, *lambda], forward: EXACT, derivative: EXACT,
            x, [lambda, bias, ..] => if x.abs() <= *lambda { F::zero() } else { x - x.signum() * *bias },
            x, [lambda, ..] => if x.abs() <= *lambda { F::zero() } else { F::one() }),
    }
    softsign {
        aliases: [],
        params: [],
        formula: "x / (1 + |x|)",
        source: "torch.nn.Softsign; the limits 1 and -1 at the infinities",
        kind: elementwise!("softsign", initializer: XAVIER, saves: Input, kinks: |_| vec![0.0], forward: Tolerance::ulps(4.0), derivative: Tolerance::ulps(8.0),
            x, _ => if x.abs() > F::one() { x.signum() / (F::one() + F::one() / x.abs()) } else { x / (F::one() + x.abs()) },
            x, _ => { let r = F::one() / (F::one() + x.abs()); r * r }),
    }
    hard_swish {
        aliases: [Alias::of("hard_silu")],
        params: [],
        formula: "x * clamp(x + 3, 0, 6) / 6",
        source: "torch.nn.Hardswish; Howard et al. 2019; derivative 0 at -3, 1 at 3",
        // The floor: the derivative crosses zero at -1.5.
        kind: elementwise!("hard_swish", initializer: KAIMING, saves: Input, kinks: |_| vec![-3.0, 3.0], forward: Tolerance::ulps(4.0).or(4e-7), derivative: Tolerance::ulps(4.0).or(2e-7),
            x, _ => if x <= F::of(-3.0) { F::zero() } else if x >= F::of(3.0) { x } else { x * (x + F::of(3.0)) / F::of(6.0) },
            x, _ => if x <= F::of(-3.0) { F::zero() } else if x >= F::of(3.0) { F::one() } else { x / F::of(3.0) + F::of(0.5) }),
    }
    mish {
        aliases: [],
        params: [],
        formula: "x * tanh(log(1 + exp(x)))",
        source: "torch.nn.Mish; Misra 2019; -0 at minus infinity",
        // The floor: the derivative crosses zero near x = -1.19.
        kind: elementwise!("mish", initializer: KAIMING, saves: Input, kinks: |_| vec![], forward: Tolerance::ulps(10.0), derivative: Tolerance::ulps(16.0).or(2e-7),
            x, _ => { let (t, _) = mish_parts(x); x.max(F::of(-1e4)) * t },
            x, _ => { let (t, rest) = mish_parts(x); t + x.max(F::of(-1e4)).min(F::of(1e4)) * x.sigmoid() * rest },
            // With s = sigmoid(x), t = tanh(softplus(x)) and r = 1 - t^2: t' = r s, s' = s (1 - s).
            second: SECOND, x, _ => {
                let (t, rest) = mish_parts(x);
                let (s, near) = (x.sigmoid(), x.max(F::of(-1e4)).min(F::of(1e4)));
                let two = F::of(2.0);
                rest * s * (two + near * ((-x).sigmoid() - two * t * s))
            }),
    }
    tanh_exp {
        aliases: [],
        params: [],
        formula: "x * tanh(exp(x))",
        source: "Liu and Di 2020, TanhExp; -0 at minus infinity",
        // The floor: the derivative crosses zero near x = -1.1.
        kind: elementwise!("tanh_exp", initializer: KAIMING, saves: Input, kinks: |_| vec![], forward: Tolerance::ulps(10.0), derivative: Tolerance::ulps(16.0).or(2e-7),
            x, _ => x.max(F::of(-1e4)) * x.exp().tanh(),
            x, _ => { let e = x.exp().min(F::of(50.0)); let s = (-(e + e)).exp(); let c = F::one() + s; x.exp().tanh() + x.max(F::of(-1e4)).min(F::of(1e4)) * e * F::of(4.0) * s / (c * c) },
            // With e = exp(x), t = tanh(e) and r = 1 - t^2: t' = r e.
            second: SECOND, x, _ => {
                let e = x.exp().min(F::of(50.0));
                let s = (-(e + e)).exp();
                let c = F::one() + s;
                let (t, rest) = (e.tanh(), F::of(4.0) * s / (c * c));
                let near = if x.is_nan() { x } else { x.max(F::of(-1e4)).min(F::of(1e4)) };
                rest * e * (F::of(2.0) + near * (F::one() - F::of(2.0) * t * e))
            }),
    }
    gelu_tanh {
        aliases: [Alias::of("gelu_new"), Alias::of("gelu_approximate")],
        params: [],
        formula: "x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2",
        source: "torch.nn.GELU(approximate='tanh'); -0 at minus infinity",
        // The floor: the derivative crosses zero near x = -0.75.
        kind: elementwise!("gelu_tanh", initializer: KAIMING, saves: Input, kinks: |_| vec![], forward: GELU_TANH, derivative: GELU_TANH.or(4e-7),
            x, _ => x.max(F::of(-1e4)) * gelu_exponent(x).sigmoid(),
            x, _ => { let z = gelu_exponent(x); let near = x.max(F::of(-20.0)).min(F::of(20.0)); z.sigmoid() * (F::one() + near * (-z).sigmoid() * F::of(GELU_SLOPE) * (F::one() + F::of(0.134145) * near * near)) }),
    }
    quick_gelu {
        aliases: [],
        params: [],
        formula: "x / (1 + exp(-1.702 x))",
        source: "Hendrycks and Gimpel 2016; -0 at minus infinity",
        // The floor: the derivative crosses zero near x = -0.75.
        kind: elementwise!("quick_gelu", initializer: KAIMING, saves: Input, kinks: |_| vec![], forward: QUICK_GELU, derivative: QUICK_GELU.or(2e-7),
            x, _ => x.max(F::of(-1e4)) * (F::of(1.702) * x).sigmoid(),
            x, _ => { let z = F::of(1.702) * x; z.sigmoid() * (F::one() + z.max(F::of(-1e4)).min(F::of(1e4)) * (-z).sigmoid()) }),
    }
    gaussian {
        aliases: [],
        params: [],
        formula: "exp(-x^2)",
        source: "radial basis function",
        kind: elementwise!("gaussian", initializer: XAVIER, saves: Input, kinks: |_| vec![], forward: Tolerance::ulps(8.0), derivative: Tolerance::ulps(8.0),
            x, _ => (-x * x).exp(),
            x, _ => { let near = x.max(F::of(-1e2)).min(F::of(1e2)); F::of(-2.0) * near * (-x * x).exp() },
            second: SECOND, x, _ => { let near = x.max(F::of(-1e2)).min(F::of(1e2)); (F::of(4.0) * near * near - F::of(2.0)) * (-x * x).exp() }),
    }
    sine {
        aliases: [Alias::of("siren")],
        params: [Param::new("omega", 1.0, Range::FINITE)],
        formula: "sin(omega * x)",
        source: "Sitzmann et al. 2020, SIREN; of the exact product omega x, however large",
        kind: sine::widened(elementwise!("sine", initializer: SIREN, saves: Input, kinks: |_| vec![], forward: SINE, derivative: SINE,
            x, [omega, ..] => F::of(angle(*omega, x).sin()),
            x, [omega, ..] => *omega * F::of(angle(*omega, x).cos()),
            second: SINE, x, [omega, ..] => -*omega * *omega * F::of(angle(*omega, x).sin()))),
    }
    exponential {
        aliases: [Alias::of("exp")],
        params: [],
        formula: "exp(x)",
        source: "keras.activations.exponential; derivative from the output",
        kind: elementwise!("exponential", initializer: XAVIER, saves: Output, kinks: |_| vec![], forward: EXP_BASED, derivative: EXACT,
            x, _ => x.exp(),
            y, _ => y),
    }
    squareplus {
        aliases: [],
        params: [Param::new("b", 4.0, Range::NOT_NEGATIVE)],
        formula: "(x + sqrt(x^2 + b)) / 2",
        source: "Barron 2021, Squareplus; jax.nn.squareplus",
        kind: elementwise!("squareplus", initializer: KAIMING, saves: Input, kinks: |_| vec![], forward: Tolerance::ulps(6.0), derivative: Tolerance::ulps(8.0),
            x, [b, ..] => squareplus(x, *b).0,
            x, [b, ..] => { let (y, root) = squareplus(x, *b); if root > F::of(1e30) { if x > F::zero() { F::one() } else { F::zero() } } else { y / root.max(F::of(1e-30)) } }),
    }
    sparse_plus {
        aliases: [],
        params: [],
        formula: "0 if x <= -1, (x + 1)^2 / 4 inside, x if x >= 1",
        source: "jax.nn.sparse_plus",
        kind: elementwise!("sparse_plus", initializer: XAVIER, saves: Input, kinks: |_| vec![-1.0, 1.0], forward: Tolerance::ulps(4.0), derivative: Tolerance::ulps(1.0),
            x, _ => if x <= -F::one() { F::zero() } else if x >= F::one() { x } else { (x + F::one()) * (x + F::one()) / F::of(4.0) },
            x, _ => if x <= -F::one() { F::zero() } else if x >= F::one() { F::one() } else { (x + F::one()) / F::of(2.0) }),
    }
    sparse_sigmoid {
        aliases: [],
        params: [],
        formula: "0 if x <= -1, (x + 1) / 2 inside, 1 if x >= 1",
        source: "jax.nn.sparse_sigmoid; derivative 0 at both ends",
        kind: elementwise!("sparse_sigmoid", initializer: XAVIER, saves: Input, kinks: |_| vec![-1.0, 1.0], forward: Tolerance::ulps(1.0), derivative: EXACT,
            x, _ => if x <= -F::one() { F::zero() } else if x >= F::one() { F::one() } else { (x + F::one()) / F::of(2.0) },
            x, _ => if x.abs() >= F::one() { F::zero() } else { F::of(0.5) }),
    }
}

/// x times a factor that goes to 0 faster than x grows; if the factor is 0, so is the product, with the sign of x, even
/// for infinite x.
#[inline(always)]
pub(super) fn times<F: Float>(x: F, factor: F) -> F {
    if factor == F::zero() { x.max(-F::one()).min(F::one()) * factor } else { x * factor }
}

/// omega x in `f64`, where it is exact for `f32`: the rounding error of a large product would be many periods.
#[inline(always)]
fn angle<F: Float>(omega: F, x: F) -> f64 {
    omega.as_f64() * x.as_f64()
}

/// x / (sqrt(x^2 + 1) + add); for add = 1 this equals (sqrt(x^2 + 1) - 1) / x without cancellation.
#[inline(always)]
fn bent_slope<F: Float>(x: F, add: F) -> F {
    if x.abs() > F::of(1e18) { x.signum() } else { x / ((x * x + F::one()).sqrt() + add) }
}

/// t = tanh(log(1 + exp(x))) and 1 - t^2, as rational functions of exp(-|x|).
#[inline(always)]
fn mish_parts<F: Float>(x: F) -> (F, F) {
    let e = (-x.abs()).exp();
    let two = F::of(2.0);
    let (top, unit) =
        if x > F::zero() { (F::one() + two * e, e * e) } else { (e * e + two * e, F::one()) };
    let bottom = top + two * unit;
    let rest = two * (F::one() + e) / bottom;
    (top / bottom, rest * rest * unit)
}

#[inline(always)]
fn gelu_exponent<F: Float>(x: F) -> F {
    F::of(GELU_SLOPE) * (x + F::of(0.044715) * x * x * x)
}

/// The value of squareplus and sqrt(x^2 + b).
#[inline(always)]
fn squareplus<F: Float>(x: F, b: F) -> (F, F) {
    let side = b.sqrt();
    let most = x.abs().max(side).max(F::of(1e-30));
    let ratio = x.abs().min(side) / most;
    let root = most * (F::one() + ratio * ratio).sqrt();
    let half = F::of(0.5);
    (if x >= F::zero() { half * x + half * root } else { half * side * (side / (root - x)) }, root)
}
