//! The elementwise losses: value and derivative, written once for `f32` and `f64`, free of cancellation.

use super::{Domain, LossKind, Map, MapInputs, MapKind};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::registry::Values;

/// A loss of one input from its two formulas, as a function of the same name; so is its shader file.
macro_rules! map {
    ($name:ident, $prediction:ident to $target:ident, threshold: $threshold:expr, column_weight: $column:expr,
     kinks: |$kp:pat_param, $kt:pat_param| $kinks:expr,
     |$p:pat_param, $y:pat_param, $t:pat_param| $value:expr,
     |$q:pat_param, $gy:pat_param, $gt:pat_param| $gradient:expr $(,)?) => {
        pub(super) const fn $name() -> LossKind {
            fn value<F: Float>($p: &Values<F>, $y: F, $t: F) -> F {
                $value
            }
            fn slope<F: Float>($q: &Values<F>, $gy: F, $gt: F) -> F {
                $gradient
            }
            fn terms<F: Float>(p: &Values<F>, [y, t, _]: MapInputs<'_, F>, out: &mut [F]) {
                out.iter_mut().zip(y.iter().zip(t)).for_each(|(out, (&y, &t))| *out = value(p, y, t));
            }
            fn gradient<F: Float>(p: &Values<F>, [y, t, _]: MapInputs<'_, F>, _: usize, out: &mut [F]) {
                out.iter_mut().zip(y.iter().zip(t)).for_each(|(out, (&y, &t))| *out = slope(p, y, t));
            }
            fn kinks($kp: &Values, [$kt, _]: [f64; 2]) -> Vec<f64> {
                $kinks
            }
            LossKind::Map(MapKind {
                shader: include_str!(concat!("../../../shaders/loss/", stringify!($name), ".wgsl")),
                inputs: 1,
                column_weight: $column,
                domain: [Domain::$prediction, Domain::$target, Domain::Real],
                kinks,
                threshold: $threshold,
                passes: Both {
                    f32: Map { terms: &terms::<f32>, gradient: &gradient::<f32> },
                    f64: Map { terms: &terms::<f64>, gradient: &gradient::<f64> },
                },
            })
        }
    };
    ($name:ident, $prediction:ident to $target:ident, threshold: $threshold:expr, $($rest:tt)*) => {
        map! { $name, $prediction to $target, threshold: $threshold, column_weight: false, $($rest)* }
    };
    ($name:ident, $prediction:ident to $target:ident, $($rest:tt)*) => {
        map! { $name, $prediction to $target, threshold: None, column_weight: false, $($rest)* }
    };
}

/// A loss of two inputs a and b: the derivatives come as a pair.
macro_rules! pair {
    ($name:ident, ($first:ident, $second:ident) to $target:ident,
     kinks: |$kp:pat_param, $kt:pat_param, $kb:pat_param| $kinks:expr,
     |$p:pat_param, $a:pat_param, $b:pat_param, $t:pat_param| $value:expr,
     |$q:pat_param, $ga:pat_param, $gb:pat_param, $gt:pat_param| $gradient:expr $(,)?) => {
        pub(super) const fn $name() -> LossKind {
            fn value<F: Float>($p: &Values<F>, $a: F, $b: F, $t: F) -> F {
                $value
            }
            fn slopes<F: Float>($q: &Values<F>, $ga: F, $gb: F, $gt: F) -> (F, F) {
                $gradient
            }
            fn terms<F: Float>(p: &Values<F>, [a, t, b]: MapInputs<'_, F>, out: &mut [F]) {
                let inputs = a.iter().zip(b).zip(t);
                out.iter_mut()
                    .zip(inputs)
                    .for_each(|(out, ((&a, &b), &t))| *out = value(p, a, b, t));
            }
            fn gradient<F: Float>(
                p: &Values<F>,
                [a, t, b]: MapInputs<'_, F>,
                input: usize,
                out: &mut [F],
            ) {
                for (out, ((&a, &b), &t)) in out.iter_mut().zip(a.iter().zip(b).zip(t)) {
                    let (by_a, by_b) = slopes(p, a, b, t);
                    *out = if input == 0 { by_a } else { by_b };
                }
            }
            fn kinks($kp: &Values, [$kt, $kb]: [f64; 2]) -> Vec<f64> {
                $kinks
            }
            LossKind::Map(MapKind {
                shader: include_str!(concat!("../../../shaders/loss/", stringify!($name), ".wgsl")),
                inputs: 2,
                column_weight: false,
                domain: [Domain::$first, Domain::$target, Domain::$second],
                kinks,
                threshold: None,
                passes: Both {
                    f32: Map { terms: &terms::<f32>, gradient: &gradient::<f32> },
                    f64: Map { terms: &terms::<f64>, gradient: &gradient::<f64> },
                },
            })
        }
    };
}

fn positive<F: Float>(x: F) -> F {
    x.max(F::zero())
}

/// `slope` where the condition holds, else 0.
fn where_true<F: Float>(condition: bool, slope: F) -> F {
    if condition { slope } else { F::zero() }
}

fn half<F: Float>() -> F {
    F::of(0.5)
}

map! { mse, Real to Real, kinks: |_, _| vec![],
|_, y, t| (y - t) * (y - t), |_, y, t| F::of(2.0) * (y - t) }

map! { squared_error, Real to Real, kinks: |_, _| vec![],
|_, y, t| half::<F>() * (y - t) * (y - t), |_, y, t| y - t }

map! { l1, Real to Real, kinks: |_, t| vec![t],
|_, y, t| (y - t).abs(), |_, y, t| (y - t).sign() }

map! { smooth_l1, Real to Real, kinks: |[beta, ..], t| vec![t - beta, t, t + beta],
|[beta, ..], y, t| {
    let a = (y - t).abs();
    if a < *beta { half::<F>() * a * a / *beta } else { a - half::<F>() * *beta }
},
|[beta, ..], y, t| {
    let d = y - t;
    if d.abs() < *beta { d / *beta } else { d.sign() }
} }

map! { huber, Real to Real, kinks: |_, _| vec![],
|[delta, ..], y, t| {
    let a = (y - t).abs();
    if a <= *delta { half::<F>() * a * a } else { *delta * (a - half::<F>() * *delta) }
},
|[delta, ..], y, t| (y - t).max(-*delta).min(*delta) }

map! { log_cosh, Real to Real, kinks: |_, _| vec![],
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
|_, y, t| (y - t).tanh() }

map! { quantile, Real to Real, kinks: |_, t| vec![t],
|[tau, ..], y, t| {
    let d = t - y;
    if d > F::zero() { *tau * d } else { (*tau - F::one()) * d }
},
|[tau, ..], y, t| {
    let d = t - y;
    where_true(d != F::zero(), if d > F::zero() { -*tau } else { F::one() - *tau })
} }

map! { mape, Real to Real, kinks: |_, t| vec![t],
|_, y, t| F::of(100.0) * ((t - y).abs() / t.abs().max(F::of(1e-7))),
|_, y, t| F::of(100.0) * (y - t).sign() / t.abs().max(F::of(1e-7)) }

/// What msle takes 1 plus its arguments to be at least.
const MSLE_FLOOR: f64 = 1e-7;

/// log((1 + y) / (1 + t)); for near arguments from their difference, which is exact.
fn log_ratio<F: Float>(y: F, t: F) -> F {
    let floor = F::of(MSLE_FLOOR);
    let log = |x: F| if F::one() + x < floor { floor.ln() } else { x.ln_1p() };
    let ratio = (y - t) / (F::one() + t);
    let near = ratio.abs() < half() && (F::one() + y).min(F::one() + t) >= floor;
    if near { ratio.ln_1p() } else { log(y) - log(t) }
}

map! { msle, AboveMinusOne to AboveMinusOne, kinks: |_, _| vec![MSLE_FLOOR - 1.0],
|_, y, t| log_ratio(y, t) * log_ratio(y, t),
|_, y, t| {
    let slope = F::of(2.0) * log_ratio(y, t) / (F::one() + y);
    where_true(F::one() + y >= F::of(MSLE_FLOOR), slope)
} }

map! { bce, Unit to Unit, threshold: Some(0.5), kinks: |[eps, ..], _| vec![*eps, 1.0 - eps],
|[eps, ..], y, t| {
    let (floor, ceiling) = (eps.ln().max(F::of(-100.0)), (-*eps).ln_1p());
    let log = |l: F| l.max(floor).min(ceiling);
    -(t * log(y.ln()) + (F::one() - t) * log((-y).ln_1p()))
},
|[eps, ..], y, t| {
    let clipped = *eps > F::zero() && (y < *eps || F::one() - y < *eps);
    where_true(!clipped, (y - t) / (y * (F::one() - y)).max(F::of(1e-12)))
} }

map! { bce_with_logits, Real to Unit, threshold: Some(0.0), column_weight: true, kinks: |_, _| vec![],
// For each sign of x the terms have one sign: nothing cancels.
|[weight, ..], x, t| {
    let positive = F::one() + (*weight - F::one()) * t;
    let tail = (-x.abs()).exp().ln_1p();
    if x > F::zero() {
        (F::one() - t) * x + positive * tail
    } else {
        (F::one() - t) * tail + *weight * t * (tail - x)
    }
},
|[weight, ..], x, t| (F::one() - t) * x.sigmoid() - *weight * t * (-x).sigmoid() }

/// The share of the focal loss that does not depend on the logit.
fn focal_alpha<F: Float>(alpha: F, t: F) -> F {
    if alpha < F::zero() { F::one() } else { alpha * t + (F::one() - alpha) * (F::one() - t) }
}

map! { focal, Real to Unit, threshold: Some(0.0), kinks: |_, _| vec![],
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
} }

map! { poisson_nll, Real to Positive, kinks: |_, _| vec![],
|[log_input, full, eps, ..], x, t| {
    let value = if *log_input != F::zero() { x.exp() - t * x } else { x - t * (x + *eps).ln() };
    if *full != F::zero() && t > F::one() {
        value + t * t.ln() - t + half::<F>() * (F::of(std::f64::consts::TAU) * t).ln()
    } else {
        value
    }
},
|[log_input, _, eps, ..], x, t| if *log_input != F::zero() { x.exp() - t } else { F::one() - t / (x + *eps) } }

map! { kl_div, Real to Unit, kinks: |_, _| vec![],
|[log_target, ..], x, t| {
    if *log_target != F::zero() {
        t.exp() * (t - x)
    } else if t > F::zero() {
        t * (t.ln() - x)
    } else {
        -t * x
    }
},
|[log_target, ..], _, t| if *log_target != F::zero() { -t.exp() } else { -t } }

map! { hinge, Real to Sign, threshold: Some(0.0), kinks: |_, t| vec![1.0 / t],
|_, y, t| positive(F::one() - t * y), |_, y, t| where_true(t * y < F::one(), -t) }

map! { squared_hinge, Real to Sign, threshold: Some(0.0), kinks: |_, _| vec![],
|_, y, t| positive(F::one() - t * y) * positive(F::one() - t * y),
|_, y, t| F::of(-2.0) * t * positive(F::one() - t * y) }

map! { exponential_loss, Real to Sign, threshold: Some(0.0), kinks: |_, _| vec![],
|_, y, t| (-t * y).exp(), |_, y, t| -t * (-t * y).exp() }

map! { hinge_embedding, Real to Sign, kinks: |[margin, ..], _| vec![*margin],
|[margin, ..], x, t| {
    let near = if t == F::one() { F::zero() } else { positive(*margin - x) };
    if t == -F::one() { near } else { near + x }
},
|[margin, ..], x, t| {
    let near = where_true(t != F::one() && *margin - x > F::zero(), -F::one());
    if t == -F::one() { near } else { near + F::one() }
} }

map! { soft_margin, Real to Sign, threshold: Some(0.0), kinks: |_, _| vec![],
|_, y, t| (-t * y).softplus(), |_, y, t| -t * (-t * y).sigmoid() }

pair! { gaussian_nll, (Real, Positive) to Real, kinks: |_, _, _| vec![],
|[full, eps, ..], x, variance, t| {
    let v = variance.max(*eps);
    let constant = if *full != F::zero() { half::<F>() * F::of(std::f64::consts::TAU.ln()) } else { F::zero() };
    half::<F>() * (v.ln() + (x - t) * (x - t) / v) + constant
},
|[_, eps, ..], x, variance, t| {
    let v = variance.max(*eps);
    ((x - t) / v, half::<F>() * (F::one() - (x - t) * (x - t) / v) / v)
} }

pair! { margin_ranking, (Real, Real) to Sign, kinks: |[margin, ..], t, b| vec![b + t * margin],
|[margin, ..], a, b, t| positive(*margin - t * (a - b)),
|[margin, ..], a, b, t| {
    let slope = where_true(*margin - t * (a - b) > F::zero(), t);
    (-slope, slope)
} }
