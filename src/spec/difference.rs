//! Central differences of user-defined formulas, which find a derivative that is wrong in every language it is written in.

use crate::random::{Key, Stream};

/// The number of points at which a derivative is compared.
const POINTS: u32 = 64;
/// The difference allowed to a derivative, relative to itself: its constants may be written in three digits.
const RELATIVE: f64 = 1e-3;

/// A place at which a derivative is not that of its formula.
#[derive(Debug, PartialEq)]
pub(crate) struct Mismatch {
    /// The arguments, that of the derivative first.
    pub at: [f64; 2],
    /// The value of the derivative.
    pub derivative: f64,
    /// The central difference of the formula.
    pub difference: f64,
}

/// The numbers that arguments are drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ArgumentRange {
    /// Of both signs, most of them within 6 of 0.
    Real,
    /// From 0 to 1.
    Unit,
    /// Greater than 0.
    Positive,
    /// -1 or 1.
    Sign,
}

impl ArgumentRange {
    fn draw(self, key: Key, stream: u32, place: u32) -> f64 {
        let normal = key.normal(stream, place);
        match self {
            Self::Real => 2.0 * normal,
            Self::Unit => f64::from(key.uniform(stream, place)),
            Self::Positive => normal.exp(),
            Self::Sign => normal.signum(),
        }
    }
}

/// The first place at which the derivative by the first argument is not the formula's, if any.
///
/// Points without a difference do not count: those where the formula or a neighbour is not finite, and those at a kink or
/// a jump, where the differences to both sides are not the same. A formula without any slope, such as a step or a rounding,
/// has no derivative that anything could be trained by, so that any other one is taken for a surrogate.
pub(crate) fn mismatch(
    numbers: [ArgumentRange; 2],
    formula: impl Fn(f64, f64) -> f64,
    derivative: impl Fn(f64, f64) -> f64,
) -> Option<Mismatch> {
    let key = Key::new(0, Stream::Data(92));
    let [of_x, of_t] = numbers;
    let points = (0..POINTS).map(|place| [of_x.draw(key, 0, place), of_t.draw(key, 1, place)]);
    let slopes = points.filter_map(|at| {
        let [x, t] = at;
        Some((at, slope(|x| formula(x, t), x)?, derivative(x, t)))
    });
    let slopes: Vec<_> = slopes.collect();
    let is_flat = slopes.iter().all(|(_, difference, _)| *difference == 0.0);
    let is_wrong = |difference: f64, derivative: f64| {
        let size = difference.abs().max(derivative.abs());
        let near = (difference - derivative).abs() <= RELATIVE * size + 1e-6;
        !near
    };
    let mut wrong = slopes.into_iter().filter(|(_, d, own)| !is_flat && is_wrong(*d, *own));
    wrong.next().map(|(at, difference, derivative)| Mismatch { at, derivative, difference })
}

/// The central difference of a function, if it has one.
fn slope(f: impl Fn(f64) -> f64, x: f64) -> Option<f64> {
    let step = 1e-5 * x.abs().max(1e-2);
    let [before, here, after] = [x - step, x, x + step].map(f);
    let [left, right] = [(here - before) / step, (after - here) / step];
    let size = left.abs().max(right.abs());
    // A smooth function's slopes differ by about its curvature times the step, and by what rounding leaves of it.
    let rounding = 1e-14 * here.abs() / step;
    let is_smooth = (left - right).abs() <= 1e-2 * size + 1e-6 + rounding;
    (is_smooth && rounding < 1e-6).then_some(0.5 * (left + right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_one(f: fn(f64) -> f64, slope: fn(f64) -> f64) -> Option<Mismatch> {
        mismatch([ArgumentRange::Real; 2], |x, _| f(x), |x, _| slope(x))
    }

    #[test]
    fn derivatives_of_smooth_kinked_and_partial_functions_are_accepted() {
        let relu = |x: f64| x.max(0.0);
        let sided = |x: f64| if x > 0.0 { 1.0 } else { 0.0 };
        assert_eq!(of_one(f64::tanh, |x| 1.0 / x.cosh().powi(2)), None);
        assert_eq!(of_one(relu, sided), None);
        assert_eq!(of_one(f64::sqrt, |x| 0.5 / x.sqrt()), None);
        assert_eq!(of_one(|x| x.clamp(-1.0, 1.0), |x| if x.abs() < 1.0 { 1.0 } else { 0.0 }), None);
        assert_eq!(of_one(|x| x * x * x, |x| 3.0 * x * x), None);
        assert_eq!(of_one(|x| (50.0 * x).sin(), |x| 50.0 * (50.0 * x).cos()), None);
        // A sigmoid's far ends, and a wide scale.
        assert_eq!(of_one(|x| (-x * x).exp(), |x| -2.0 * x * (-x * x).exp()), None);
        assert_eq!(of_one(|x| 1e6 * x.exp(), |x| 1e6 * x.exp()), None);
    }

    #[test]
    fn a_surrogate_of_what_has_no_slope_is_accepted() {
        assert_eq!(of_one(f64::round, |_| 1.0), None);
        assert_eq!(of_one(f64::signum, |x| if x.abs() < 1.0 { 1.0 } else { 0.0 }), None);
    }

    #[test]
    fn a_wrong_sign_factor_side_or_value_is_found() {
        let silu = |x: f64| x / (1.0 + (-x).exp());
        assert!(of_one(silu, |x| 1.0 / (1.0 + (-x).exp())).is_some());
        assert!(of_one(f64::tanh, |x| x.tanh().powi(2) - 1.0).is_some());
        assert!(of_one(|x| x * x, |x| x).is_some());
        assert!(of_one(|x| if x > 0.0 { x } else { 0.1 * x }, |_| 1.0).is_some());
        assert!(of_one(f64::exp, |_| f64::NAN).is_some());
        let found =
            mismatch([ArgumentRange::Real, ArgumentRange::Sign], |y, t| y * t, |_, _| 1.0).unwrap();
        assert_eq!((found.at[1], found.derivative), (-1.0, 1.0));
        assert!((found.difference + 1.0).abs() < 1e-6);
    }
}
