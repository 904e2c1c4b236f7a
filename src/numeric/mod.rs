//! Floating-point types of the CPU reference: `f32` and `f64` with the special functions that the ops need, free of
//! cancellation.

mod single;

use std::f64::consts::{FRAC_1_SQRT_2, TAU};
use std::ops::Neg;

use crate::error::{Error, Result};

/// A floating-point type of the CPU reference: `f32` or `f64`.
///
/// The functions of `f64` are those of std and libm; those of `f32` are fast in loops.
pub trait Float:
    ndarray::LinalgScalar
    + Neg<Output = Self>
    + PartialOrd
    + bytemuck::Pod
    + Default
    + Send
    + Sync
    + std::iter::Sum
{
    /// Converts an `f64` constant to the nearest value.
    fn of(value: f64) -> Self;

    /// Converts to `f64`, exactly.
    fn as_f64(self) -> f64;

    /// Positive infinity.
    fn infinity() -> Self;

    /// Returns whether it is NaN.
    fn is_nan(self) -> bool;

    /// Returns whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;

    /// The magnitude.
    fn abs(self) -> Self;

    /// 1 with the sign of x, also of a zero; NaN for NaN.
    fn signum(self) -> Self;

    /// The larger of two numbers; that which is not NaN, if the other is.
    fn max(self, other: Self) -> Self;

    /// The smaller of two numbers; that which is not NaN, if the other is.
    fn min(self, other: Self) -> Self;

    /// The square root.
    fn sqrt(self) -> Self;

    /// The exponential function.
    fn exp(self) -> Self;

    /// exp(x) - 1, computed without cancellation.
    fn exp_m1(self) -> Self;

    /// The natural logarithm: minus infinity at 0, NaN below.
    fn ln(self) -> Self;

    /// log(1 + x), computed without cancellation.
    fn ln_1p(self) -> Self;

    /// The hyperbolic tangent.
    fn tanh(self) -> Self;

    /// x^exponent, as C's `pow`.
    fn powf(self, exponent: Self) -> Self;

    /// The error function erf(x) = 2/sqrt(pi) * integral of exp(-t^2) from 0 to x.
    fn erf(self) -> Self;

    /// The complement 1 - erf(x), computed without cancellation.
    fn erfc(self) -> Self;

    /// The distribution function of a standard normal number.
    fn normal_cdf(self) -> Self {
        Self::of(0.5) * (-self * Self::of(FRAC_1_SQRT_2)).erfc()
    }

    /// The density of a standard normal number.
    fn normal_pdf(self) -> Self {
        (Self::of(-0.5) * self * self).exp() * Self::of(1.0 / TAU.sqrt())
    }

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

    /// x - tanh(x), near 0 by the continued fraction of tanh because the difference cancels.
    fn tanh_shrink(self) -> Self {
        if self.abs() > Self::one() {
            return self - self.tanh();
        }
        let square = self * self;
        let term = |rest, k| square / (Self::of(f64::from(2 * k + 1)) + rest);
        let rest = (1..12).rev().fold(Self::zero(), term);
        self * rest / (Self::one() + rest)
    }

    /// The sign of x: -1, 0 or 1; NaN for NaN.
    #[inline(always)]
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
    #[inline(always)]
    fn at_least(self, least: Self) -> Self {
        if self.is_nan() { self } else { self.max(least) }
    }

    /// Clamps x to [least, most]; NaN for NaN.
    #[inline(always)]
    fn within(self, least: Self, most: Self) -> Self {
        if self.is_nan() { self } else { self.max(least).min(most) }
    }
}

/// The functions that are those of std, which compile to an instruction or two.
macro_rules! by_inherent {
    ($float:ident) => {
        #[inline(always)]
        fn infinity() -> Self {
            $float::INFINITY
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            $float::is_nan(self)
        }
        #[inline(always)]
        fn is_finite(self) -> bool {
            $float::is_finite(self)
        }
        #[inline(always)]
        fn abs(self) -> Self {
            $float::abs(self)
        }
        #[inline(always)]
        fn signum(self) -> Self {
            $float::signum(self)
        }
        #[inline(always)]
        fn max(self, other: Self) -> Self {
            $float::max(self, other)
        }
        #[inline(always)]
        fn min(self, other: Self) -> Self {
            $float::min(self, other)
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            $float::sqrt(self)
        }
    };
}
use by_inherent;

impl Float for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn as_f64(self) -> f64 {
        self
    }
    by_inherent!(f64);
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn exp_m1(self) -> Self {
        f64::exp_m1(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    fn powf(self, exponent: Self) -> Self {
        f64::powf(self, exponent)
    }
    fn erf(self) -> Self {
        libm::erf(self)
    }
    fn erfc(self) -> Self {
        libm::erfc(self)
    }
}

/// Compiles a function of slices of `f32` once for each set of vector instructions, the best of which is chosen at run
/// time. Nothing is contracted to fused operations, so that all give the same bits.
macro_rules! wide {
    ($function:item) => {
        #[multiversion::multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+bmi2",
            "x86_64+avx2+bmi2"
        ))]
        $function
    };
}
pub(crate) use wide;

/// Converts a count to a value of the reference's type.
pub(crate) fn count<F: Float>(n: usize) -> F {
    F::of(n as f64)
}

/// The reciprocal of a count; 0 for a count of 0.
pub(crate) fn reciprocal<F: Float>(n: usize) -> F {
    if n == 0 { F::zero() } else { F::one() / count(n) }
}

/// The number of sums that a run of terms is added to in turns.
const LANES: usize = 16;

/// The number of terms in a run: each lane adds as many as there are lanes.
const RUN: usize = LANES * LANES;

/// Sums, added as a balanced tree so that the rounding error grows with log2 of their number.
struct Tree<F> {
    /// The sum of the last 2^i that have no partner yet, where bit i of the number of sums is 1.
    pending: [F; usize::BITS as usize],
    count: usize,
}

impl<F: Float> Tree<F> {
    #[inline(always)]
    fn new() -> Self {
        Self { pending: [F::zero(); usize::BITS as usize], count: 0 }
    }

    #[inline(always)]
    fn add(&mut self, sum: F) {
        let full = self.count.trailing_ones() as usize;
        let joined = self.pending.iter().take(full).fold(sum, |sum, &earlier| earlier + sum);
        self.pending.iter_mut().skip(full).take(1).for_each(|place| *place = joined);
        self.count += 1;
    }

    #[inline(always)]
    fn sum(&self) -> F {
        let waiting = (0..).zip(&self.pending).filter(|(level, _)| self.count >> level & 1 == 1);
        waiting.fold(F::zero(), |sum, (_, &earlier)| earlier + sum)
    }
}

/// Sums a run's lanes as a balanced tree.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "the widths are below the number of lanes")]
fn sum_of_lanes<F: Float>(mut lanes: [F; LANES]) -> F {
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] = lanes[lane] + lanes[lane + width];
        }
    }
    lanes[0]
}

/// Sums `n` terms by a balanced tree of short runs, so that the rounding error grows with log2(n), not n.
#[inline(always)]
pub(crate) fn tree_sum<F: Float>(n: usize, term: &impl Fn(usize) -> F) -> F {
    let run = |start: usize, end: usize| {
        let mut lanes = [F::zero(); LANES];
        for from in (start..end).step_by(LANES) {
            for (lane, i) in lanes.iter_mut().zip(from..end) {
                *lane = *lane + term(i);
            }
        }
        sum_of_lanes(lanes)
    };
    if n <= RUN {
        return run(0, n);
    }
    let mut tree = Tree::new();
    (0..n).step_by(RUN).for_each(|start| tree.add(run(start, n.min(start + RUN))));
    tree.sum()
}

/// The sum of a term for each number, in the same way; the term also takes the number's place.
#[inline(always)]
pub(crate) fn sum_of<F: Float>(x: &[F], term: impl Fn(usize, F) -> F) -> F {
    if x.len() <= RUN {
        return run_sum(0, x, &term);
    }
    let mut tree = Tree::new();
    for (run, x) in x.chunks(RUN).enumerate() {
        tree.add(run_sum(run * RUN, x, &term));
    }
    tree.sum()
}

#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "both arrays have a place for each lane")]
fn run_sum<F: Float>(first: usize, x: &[F], term: &impl Fn(usize, F) -> F) -> F {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut last = F::zero();
    for (i, &x) in (first + chunks.len() * LANES..).zip(rest) {
        last = last + term(i, x);
    }
    if chunks.is_empty() {
        return last;
    }
    let mut lanes = [F::zero(); LANES];
    for (chunk, x) in chunks.iter().enumerate() {
        for lane in 0..LANES {
            lanes[lane] = lanes[lane] + term(first + chunk * LANES + lane, x[lane]);
        }
    }
    sum_of_lanes(lanes) + last
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
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "both arrays have a place for each lane")]
pub(crate) fn maximum<F: Float>(x: &[F]) -> F {
    let mut lanes = [-F::infinity(); LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for x in chunks {
        for lane in 0..LANES {
            lanes[lane] = lanes[lane].max(x[lane]);
        }
    }
    let mut top = -F::infinity();
    for &x in lanes.iter().chain(rest) {
        top = top.max(x);
    }
    top
}

/// The sum, computed over a balanced tree.
#[inline(always)]
pub(crate) fn sum<F: Float>(x: &[F]) -> F {
    sum_of(x, |_, x| x)
}

/// The maximum m and log(sum exp(x - m)).
#[inline(always)]
pub(crate) fn log_sum_exp<F: Float>(x: &[F]) -> (F, F) {
    let top = maximum(x);
    (top, sum_of(x, |_, x| (x - top).exp()).ln())
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
