//! The elementwise losses, in formulas free of cancellation.

use std::ops::Bound::{Excluded, Included};

use super::map::{elementwise, pair};
use super::{Domain, ElementwiseLoss, LossKind, LossMap, MapInputs};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, Values};

const BELOW_HALF: Range = Range::new(Included(0.0), Excluded(0.5));
/// The lower bound of 1 plus each argument of msle.
const MSLE_FLOOR: f64 = 1e-7;

entries! { LossKind;
    mse {
        aliases: [Alias::of("mean_squared_error"), Alias::of("l2")],
        params: [],
        formula: "(y - t)^2",
        source: "torch.nn.MSELoss",
        kind: elementwise!("mse", Real to Real, kinks: |_, _| vec![],
            |_, y, t| (y - t) * (y - t), |_, y, t| F::of(2.0) * (y - t)),
    }
    squared_error {
        aliases: [Alias::of("half_squared_error"), Alias::of("square")],
        params: [],
        formula: "(y - t)^2 / 2",
        source: "optax.losses.l2_loss; gradient y - t",
        kind: elementwise!("squared_error", Real to Real, kinks: |_, _| vec![],
            |_, y, t| half::<F>() * (y - t) * (y - t), |_, y, t| y - t),
    }
    l1 {
        aliases: [Alias::of("mae"), Alias::of("mean_absolute_error")],
        params: [],
        formula: "|y - t|",
        source: "torch.nn.L1Loss; gradient 0 at equality",
        kind: elementwise!("l1", Real to Real, kinks: |_, t| vec![t],
            |_, y, t| (y - t).abs(), |_, y, t| (y - t).sign()),
    }
    smooth_l1 {
        aliases: [],
        params: [Param::new("beta", 1.0, Range::NOT_NEGATIVE)],
        formula: "(y - t)^2 / (2 beta) if |y - t| < beta else |y - t| - beta / 2",
        source: "torch.nn.SmoothL1Loss; beta 0 is l1",
        kind: elementwise!("smooth_l1", Real to Real, kinks: |[beta, ..], t| vec![t - beta, t, t + beta],
            |[beta, ..], y, t| {
                let a = (y - t).abs();
                if a < *beta { half::<F>() * a * a / *beta } else { a - half::<F>() * *beta }
            },
            |[beta, ..], y, t| {
                let d = y - t;
                if d.abs() < *beta { d / *beta } else { d.sign() }
            }),
    }
    huber {
        aliases: [],
        params: [Param::new("delta", 1.0, Range::POSITIVE)],
        formula: "(y - t)^2 / 2 if |y - t| <= delta else delta (|y - t| - delta / 2)",
        source: "torch.nn.HuberLoss",
        kind: elementwise!("huber", Real to Real, kinks: |_, _| vec![],
            |[delta, ..], y, t| {
                let a = (y - t).abs();
                if a <= *delta { half::<F>() * a * a } else { *delta * (a - half::<F>() * *delta) }
            },
            |[delta, ..], y, t| (y - t).max(-*delta).min(*delta)),
    }
    log_cosh {
        aliases: [],
        params: [],
        formula: "log(cosh(y - t))",
        source: "optax.losses.log_cosh; gradient tanh(y - t)",
        kind: elementwise!("log_cosh", Real to Real, kinks: |_, _| vec![],
            |_, y, t| {
                let a = (y - t).abs();
                if a < F::one() {
                    // cosh a - 1 = expm1(-a)^2 / (2 exp(-a))
                    let e = (-a).exp_m1();
                    (e * e / (F::of(2.0) * (F::one() + e))).ln_1p()
                } else {
                    a - F::of(std::f64::consts::LN_2) + (F::of(-2.0) * a).exp().ln_1p()
                }
            },
            |_, y, t| (y - t).tanh()),
    }
    quantile {
        aliases: [Alias::of("pinball")],
        params: [Param::new("tau", 0.5, Range::UNIT)],
        formula: "tau (t - y) if t > y else (1 - tau) (y - t)",
        source: "Koenker and Bassett 1978, Regression quantiles; gradient 0 at equality",
        kind: elementwise!("quantile", Real to Real, kinks: |_, t| vec![t],
            |[tau, ..], y, t| {
                let d = t - y;
                if d > F::zero() { *tau * d } else { (*tau - F::one()) * d }
            },
            |[tau, ..], y, t| {
                let d = t - y;
                where_true(d != F::zero(), if d > F::zero() { -*tau } else { F::one() - *tau })
            }),
    }
    mape {
        aliases: [Alias::of("mean_absolute_percentage_error")],
        params: [],
        formula: "100 |t - y| / max(|t|, 1e-7)",
        source: "keras.losses.MeanAbsolutePercentageError; gradient 0 at equality",
        kind: elementwise!("mape", Real to Real, kinks: |_, t| vec![t],
            |_, y, t| F::of(100.0) * ((t - y).abs() / t.abs().max(F::of(1e-7))),
            |_, y, t| F::of(100.0) * (y - t).sign() / t.abs().max(F::of(1e-7))),
    }
    smape {
        aliases: [Alias::of("symmetric_mean_absolute_percentage_error")],
        params: [],
        formula: "200 |y - t| / (|y| + |t|), 0 where both are 0",
        source: "Armstrong 1985 as Makridakis 1993 has it, with magnitudes: 0 to 200; gradient 0 at equality, half of its jump at y = 0",
        kind: elementwise!("smape", Real to Real, kinks: |_, t| vec![0.0, t],
            |_, y, t| {
                let (m, ratio) = magnitudes(y, t);
                let opposite = y.sign() * t.sign() == -F::one();
                let near = F::of(200.0) * ((y - t).abs() / m) / (F::one() + ratio);
                where_true(m != F::zero(), if opposite { F::of(200.0) } else { near })
            },
            |_, y, t| {
                let (m, ratio) = magnitudes(y, t);
                let side = F::of(200.0) * (F::one() + y.sign() * t.sign()) * (y - t).sign();
                let sum = F::one() + ratio;
                where_true(m != F::zero(), side * (t.abs() / m) / (sum * sum) / m)
            }),
    }
    msle {
        aliases: [Alias::of("mean_squared_logarithmic_error")],
        params: [],
        formula: "(log(1 + y) - log(1 + t))^2, both at least -1 + 1e-7",
        source: "keras.losses.MeanSquaredLogarithmicError, which clips at 0; gradient 0 where the clip holds",
        kind: elementwise!("msle", AboveMinusOne to AboveMinusOne, kinks: |_, _| vec![MSLE_FLOOR - 1.0],
            |_, y, t| log_ratio(y, t) * log_ratio(y, t),
            |_, y, t| {
                let slope = F::of(2.0) * log_ratio(y, t) / (F::one() + y);
                where_true(F::one() + y >= F::of(MSLE_FLOOR), slope)
            }),
    }
    bce {
        aliases: [Alias::of("binary_cross_entropy"), Alias::of("binary"), Alias::of("log_loss")],
        params: [Param::new("eps", 0.0, BELOW_HALF)],
        formula: "-(t * max(log y, -100) + (1 - t) * max(log(1 - y), -100)), y clipped to eps .. 1 - eps",
        source: "torch.nn.BCELoss; gradient (y - t) / max(y (1 - y), 1e-12), finite at 0 and 1; eps: Keras's epsilon, gradient 0 where it clips",
        kind: elementwise!("bce", Unit to Unit, threshold: Some(0.5), kinks: |[eps, ..], _| vec![*eps, 1.0 - eps],
            |[eps, ..], y, t| {
                let (floor, ceiling) = (eps.ln().max(F::of(-100.0)), (-*eps).ln_1p());
                let log = |l: F| l.max(floor).min(ceiling);
                -(t * log(y.ln()) + (F::one() - t) * log((-y).ln_1p()))
            },
            |[eps, ..], y, t| {
                let clipped = *eps > F::zero() && (y < *eps || F::one() - y < *eps);
                where_true(!clipped, (y - t) / (y * (F::one() - y)).max(F::of(1e-12)))
            }),
    }
    bce_with_logits {
        aliases: [Alias::of("sigmoid_cross_entropy")],
        params: [Param::new("pos_weight", 1.0, Range::POSITIVE)],
        formula: "(1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x))",
        source: "torch.nn.BCEWithLogitsLoss; a class weight multiplies pos_weight per column",
        kind: elementwise!("bce_with_logits", Real to Unit, threshold: Some(0.0), column_weight: true, kinks: |_, _| vec![],
            // For either sign of x all terms have the same sign, so nothing cancels.
            |[weight, ..], x, t| {
                let positive = F::one() + (*weight - F::one()) * t;
                let tail = (-x.abs()).exp().ln_1p();
                if x > F::zero() {
                    (F::one() - t) * x + positive * tail
                } else {
                    (F::one() - t) * tail + *weight * t * (tail - x)
                }
            },
            |[weight, ..], x, t| (F::one() - t) * x.sigmoid() - *weight * t * (-x).sigmoid()),
    }
    focal {
        aliases: [Alias::of("sigmoid_focal")],
        params: [
            Param::new("alpha", 0.25, Range::new(Included(-1.0), Included(1.0))),
            Param::new("gamma", 2.0, Range::NOT_NEGATIVE),
        ],
        formula: "(alpha t + (1 - alpha) (1 - t)) q^gamma bce_with_logits(x, t), q = t + (1 - 2 t) sigmoid(x)",
        source: "torchvision.ops.sigmoid_focal_loss; Lin et al. 2017; alpha below 0 leaves its factor out",
        kind: elementwise!("focal", Real to Unit, threshold: Some(0.0), kinks: |_, _| vec![],
            |[alpha, gamma, ..], x, t| {
                let wrong = t * (-x).sigmoid() + (F::one() - t) * x.sigmoid();
                let entropy = (F::one() - t) * x.softplus() + t * (-x).softplus();
                focal_alpha(*alpha, t) * wrong.powf(*gamma) * entropy
            },
            |[alpha, gamma, ..], x, t| {
                let (yes, no) = (x.sigmoid(), (-x).sigmoid());
                let wrong = t * no + (F::one() - t) * yes;
                let entropy = (F::one() - t) * x.softplus() + t * (-x).softplus();
                let ratio = where_true(wrong != F::zero(), (F::one() - t - t) * yes * no / wrong);
                focal_alpha(*alpha, t) * wrong.powf(*gamma)
                    * ((F::one() - t) * yes - t * no + *gamma * ratio * entropy)
            }),
    }
    poisson_nll {
        aliases: [],
        params: [
            Param::flag("log_input", true),
            Param::flag("full", false),
            Param::new("eps", 1e-8, Range::POSITIVE),
        ],
        formula: "exp(x) - t x, or x - t log(x + eps) without log_input; full adds t log t - t + log(2 pi t) / 2 where t > 1",
        source: "torch.nn.PoissonNLLLoss",
        kind: elementwise!("poisson_nll", Real to Positive, kinks: |_, _| vec![],
            |[log_input, full, eps, ..], x, t| {
                let value = if *log_input != F::zero() { x.exp() - t * x } else { x - t * (x + *eps).ln() };
                if *full != F::zero() && t > F::one() {
                    value + t * t.ln() - t + half::<F>() * (F::of(std::f64::consts::TAU) * t).ln()
                } else {
                    value
                }
            },
            |[log_input, _, eps, ..], x, t| if *log_input != F::zero() { x.exp() - t } else { F::one() - t / (x + *eps) }),
    }
    gaussian_nll {
        aliases: [],
        params: [Param::flag("full", false), Param::new("eps", 1e-6, Range::POSITIVE)],
        formula: "(log v + (x - t)^2 / v) / 2, v = max(variance, eps); full adds log(2 pi) / 2",
        source: "torch.nn.GaussianNLLLoss: the gradient by the variance passes through the clamp",
        kind: pair!("gaussian_nll", (Real, Positive) to Real, kinks: |_, _, _| vec![],
            |[full, eps, ..], x, variance, t| {
                let v = variance.max(*eps);
                let constant = if *full != F::zero() { half::<F>() * F::of(std::f64::consts::TAU.ln()) } else { F::zero() };
                half::<F>() * (v.ln() + (x - t) * (x - t) / v) + constant
            },
            |[_, eps, ..], x, variance, t| {
                let v = variance.max(*eps);
                ((x - t) / v, half::<F>() * (F::one() - (x - t) * (x - t) / v) / v)
            }),
    }
    kl_div {
        aliases: [Alias::of("relative_entropy")],
        params: [Param::flag("log_target", false)],
        formula: "t (log t - x), 0 log 0 = 0; exp(t) (t - x) with log_target",
        source: "torch.nn.KLDivLoss; x are log-probabilities",
        kind: elementwise!("kl_div", Real to Unit, kinks: |_, _| vec![],
            |[log_target, ..], x, t| {
                if *log_target != F::zero() {
                    t.exp() * (t - x)
                } else if t > F::zero() {
                    t * (t.ln() - x)
                } else {
                    -t * x
                }
            },
            |[log_target, ..], _, t| if *log_target != F::zero() { -t.exp() } else { -t }),
    }
    hinge {
        aliases: [],
        params: [],
        formula: "max(0, 1 - t y), t = 1 or -1",
        source: "keras.losses.Hinge; gradient 0 at t y = 1",
        kind: elementwise!("hinge", Real to Sign, threshold: Some(0.0), kinks: |_, t| vec![1.0 / t],
            |_, y, t| positive(F::one() - t * y), |_, y, t| where_true(t * y < F::one(), -t)),
    }
    squared_hinge {
        aliases: [],
        params: [],
        formula: "max(0, 1 - t y)^2, t = 1 or -1",
        source: "keras.losses.SquaredHinge",
        kind: elementwise!("squared_hinge", Real to Sign, threshold: Some(0.0), kinks: |_, _| vec![],
            |_, y, t| positive(F::one() - t * y) * positive(F::one() - t * y),
            |_, y, t| F::of(-2.0) * t * positive(F::one() - t * y)),
    }
    exponential_loss {
        aliases: [],
        params: [],
        formula: "exp(-t y), t = 1 or -1",
        source: "Freund and Schapire 1997, AdaBoost",
        kind: elementwise!("exponential_loss", Real to Sign, threshold: Some(0.0), kinks: |_, _| vec![],
            |_, y, t| (-t * y).exp(), |_, y, t| -t * (-t * y).exp()),
    }
    hinge_embedding {
        aliases: [],
        params: [Param::new("margin", 1.0, Range::FINITE)],
        formula: "x if t = 1, max(0, margin - x) if t = -1",
        source: "torch.nn.HingeEmbeddingLoss; gradient 0 at x = margin",
        kind: elementwise!("hinge_embedding", Real to Sign, kinks: |[margin, ..], _| vec![*margin],
            |[margin, ..], x, t| {
                let near = if t == F::one() { F::zero() } else { positive(*margin - x) };
                if t == -F::one() { near } else { near + x }
            },
            |[margin, ..], x, t| {
                let near = where_true(t != F::one() && *margin - x > F::zero(), -F::one());
                if t == -F::one() { near } else { near + F::one() }
            }),
    }
    soft_margin {
        aliases: [],
        params: [],
        formula: "log(1 + exp(-t y)), t = 1 or -1",
        source: "torch.nn.SoftMarginLoss",
        kind: elementwise!("soft_margin", Real to Sign, threshold: Some(0.0), kinks: |_, _| vec![],
            |_, y, t| (-t * y).softplus(), |_, y, t| -t * (-t * y).sigmoid()),
    }
    margin_ranking {
        aliases: [],
        params: [Param::new("margin", 0.0, Range::FINITE)],
        formula: "max(0, margin - t (a - b)), t = 1 or -1",
        source: "torch.nn.MarginRankingLoss; gradient 0 at the kink",
        kind: pair!("margin_ranking", (Real, Real) to Sign, kinks: |[margin, ..], t, b| vec![b + t * margin],
            |[margin, ..], a, b, t| positive(*margin - t * (a - b)),
            |[margin, ..], a, b, t| {
                let slope = where_true(*margin - t * (a - b) > F::zero(), t);
                (-slope, slope)
            }),
    }
}

#[inline(always)]
fn positive<F: Float>(x: F) -> F {
    x.max(F::zero())
}

/// `slope` if the condition holds, else 0.
#[inline(always)]
fn where_true<F: Float>(condition: bool, slope: F) -> F {
    if condition { slope } else { F::zero() }
}

#[inline(always)]
fn half<F: Float>() -> F {
    F::of(0.5)
}

/// The larger magnitude of two numbers, and the smaller one divided by it.
#[inline(always)]
fn magnitudes<F: Float>(y: F, t: F) -> (F, F) {
    let most = y.abs().max(t.abs());
    (most, y.abs().min(t.abs()) / most)
}

/// log((1 + y) / (1 + t)); for close arguments computed from their difference, which is exact.
#[inline(always)]
fn log_ratio<F: Float>(y: F, t: F) -> F {
    let floor = F::of(MSLE_FLOOR);
    let log = |x: F| if F::one() + x < floor { floor.ln() } else { x.ln_1p() };
    let ratio = (y - t) / (F::one() + t);
    let near = ratio.abs() < half() && (F::one() + y).min(F::one() + t) >= floor;
    if near { ratio.ln_1p() } else { log(y) - log(t) }
}

/// The factor of the focal loss that does not depend on the logit.
#[inline(always)]
fn focal_alpha<F: Float>(alpha: F, t: F) -> F {
    if alpha < F::zero() { F::one() } else { alpha * t + (F::one() - alpha) * (F::one() - t) }
}
