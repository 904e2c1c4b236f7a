//! Floating-point types of the CPU reference: `f32` and `f64` with the special functions that the ops need, free of
//! cancellation.

use num_traits::ToPrimitive;

use crate::error::{Error, Result};

/// A floating-point type of the CPU reference: `f32` or `f64`.
pub trait Float:
    num_traits::Float + ndarray::LinalgScalar + bytemuck::Pod + Default + Send + Sync + std::iter::Sum
{
    /// Converts an `f64` constant to the nearest value.
    fn of(value: f64) -> Self;

    /// Converts to `f64`, exactly.
    fn as_f64(self) -> f64;

    /// The error function erf(x) = 2/sqrt(pi) * integral of exp(-t^2) from 0 to x.
    fn erf(self) -> Self;

    /// The complement 1 - erf(x), computed without cancellation.
    fn erfc(self) -> Self;

    /// The logistic function 1 / (1 + exp(-x)), computed from exp(-|x|) so that it never overflows.
    fn sigmoid(self) -> Self {
        let small = (-self.abs()).exp();
        let numerator = if self < Self::zero() { small } else { Self::one() };
        numerator / (Self::one() + small)
    }

    /// The softplus log(1 + exp(x)), accurate for every x.
    fn softplus(self) -> Self {
        self.max(Self::zero()) + (-self.abs()).exp().ln_1p()
    }

    /// The sign of x: -1, 0 or 1; NaN for NaN.
    fn sign(self) -> Self {
        if self > Self::zero() {
            Self::one()
        } else if self < Self::zero() {
            -Self::one()
        } else if self.is_nan() {
            self
        } else {
            Self::zero()
        }
    }

    /// The larger of x and `least`; NaN for NaN, where `max` returns the other operand.
    fn at_least(self, least: Self) -> Self {
        if self.is_nan() { self } else { self.max(least) }
    }

    /// Clamps x to [least, most]; NaN for NaN.
    fn within(self, least: Self, most: Self) -> Self {
        if self.is_nan() { self } else { self.max(least).min(most) }
    }
}

impl Float for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
    fn erf(self) -> Self {
        libm::erff(self)
    }
    fn erfc(self) -> Self {
        libm::erfcf(self)
    }
}

impl Float for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn as_f64(self) -> f64 {
        self
    }
    fn erf(self) -> Self {
        libm::erf(self)
    }
    fn erfc(self) -> Self {
        libm::erfc(self)
    }
}

/// Converts a count to a value of the reference's type.
pub(crate) fn count<F: Float>(n: usize) -> F {
    F::of(n.to_f64().unwrap_or(f64::INFINITY))
}

/// The reciprocal of a count; 0 for a count of 0.
pub(crate) fn reciprocal<F: Float>(n: usize) -> F {
    if n == 0 { F::zero() } else { F::one() / count(n) }
}

/// Sums `n` terms by a balanced tree, so that the rounding error grows with log2(n), not n.
pub(crate) fn tree_sum<F: Float>(n: usize, term: &impl Fn(usize) -> F) -> F {
    fn range<F: Float>(from: usize, to: usize, term: &impl Fn(usize) -> F) -> F {
        if to - from <= 16 {
            return (from..to).map(term).fold(F::zero(), |sum, x| sum + x);
        }
        let middle = from + (to - from) / 2;
        range(from, middle, term) + range(middle, to, term)
    }
    range(0, n, term)
}

/// Fails if so many bytes cannot be allocated. Sizes that a caller controls are checked here before anything is built,
/// since a failed allocation aborts the process.
pub(crate) fn check_memory(what: &str, bytes: u64) -> Result<()> {
    let mut probe = Vec::<u8>::new();
    let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
    let outcome = probe.try_reserve_exact(wanted);
    // Otherwise the compiler may elide the allocation.
    std::hint::black_box(&mut probe);
    outcome.map_err(|error| Error::OutOfMemory {
        what: what.to_string(),
        message: format!("{bytes} bytes of main memory: {error}"),
    })
}

/// The largest element; NaN elements are ignored.
pub(crate) fn maximum<F: Float>(x: &[F]) -> F {
    x.iter().copied().fold(F::neg_infinity(), F::max)
}

/// The sum, computed over a balanced tree.
#[allow(
    clippy::indexing_slicing,
    reason = "tree_sum asks for indices below the length it was given"
)]
pub(crate) fn sum<F: Float>(x: &[F]) -> F {
    tree_sum(x.len(), &|i| x[i])
}

/// The maximum m and log(sum exp(x - m)).
#[allow(
    clippy::indexing_slicing,
    reason = "tree_sum asks for indices below the length it was given"
)]
pub(crate) fn log_sum_exp<F: Float>(x: &[F]) -> (F, F) {
    let top = maximum(x);
    (top, tree_sum(x.len(), &|i| (x[i] - top).exp()).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoid_and_softplus_are_right_in_both_tails() {
        assert_eq!((-1000.0f64).sigmoid(), 0.0);
        assert_eq!(1000.0f64.sigmoid(), 1.0);
        assert_eq!(Float::softplus(1000.0f64), 1000.0);
        approx::assert_relative_eq!(
            Float::softplus(-30.0f64),
            (-30.0f64).exp(),
            max_relative = 1e-12
        );
    }

    #[test]
    fn a_tree_sum_of_many_equal_terms_keeps_its_accuracy() {
        let sum = tree_sum(1 << 20, &|_| 0.1f32);
        approx::assert_relative_eq!(sum, 0.1 * (1 << 20) as f32, max_relative = 1e-6);
    }
}
