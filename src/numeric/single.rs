//! The functions of `f32`, by the algorithms of shaders/lib/math.wgsl, so that both engines agree closely. They have no
//! branches and call nothing that is not inlined: a loop over them compiles to vector instructions.
//!
//! As there, a result below the smallest normal number may be 0.

use super::Float;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
// ln 2 = HI + LO; HI has 9 bits, so that its product with an exponent is exact.
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;
const SQRT_2: f32 = std::f32::consts::SQRT_2;
const INV_SQRT_TWO_PI: f32 = 0.398_942_3;
/// 1.5 * 2^23: a sum with it is rounded to an integer, which its low bits hold.
const ROUNDING: f32 = 12_582_912.0;
/// The end of exp(-x), beyond which it is taken for 0.
const EXP_END: f32 = 88.0;
/// The end of exp(-x^2).
const SQUARE_END: f32 = 9.38;
/// The end of the tail and of the density of a normal number.
const TAIL_END: f32 = 13.27;

impl Float for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
    super::by_inherent!(f32);

    /// Cody and Waite's reduction.
    #[inline(always)]
    fn exp(self) -> Self {
        keep_nan(self, exp_sum(self, 0.0))
    }

    /// 2^n (expm1(r) + (1 - 2^-n)).
    #[inline(always)]
    fn exp_m1(self) -> Self {
        let c = self.clamp(-30.0, 89.0);
        let (n, bits) = rounded(c * LOG2_E);
        let r = (c - n * LN2_HI) - n * LN2_LO;
        let (_, back) = rounded((-n).max(-126.0));
        let y = times_power_of_two(expm1_reduced(r) + (1.0 - times_power_of_two(1.0, back)), bits);
        keep_nan(self, if self >= 88.722_84 { f32::INFINITY } else { y })
    }

    #[inline(always)]
    fn ln(self) -> Self {
        let (k, f) = binary_parts(self);
        if has_log(self) { log_of_parts(k, f) } else { log_outside(self) }
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        let u = 1.0 + self;
        keep_nan(self, if has_log(u) { log1p_finite(self) } else { log_outside(u) })
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        let a = magnitude_within(self, 10.0);
        let z = a * a;
        let near = a + a * z * tanh_rest(z);
        let far = 1.0 - 2.0 / (exp_within(2.0 * a, 0.0) + 1.0);
        keep_nan(self, (if a < 0.625 { near } else { far }).copysign(self))
    }

    /// Below 1 by the continued fraction.
    #[inline(always)]
    fn tanh_shrink(self) -> Self {
        let z = (self * self).min(1.0);
        let w = z / (3.0 + z / (5.0 + z / (7.0 + z / (9.0 + z / 11.0))));
        let (near, far) = (self * w / (1.0 + w), self - Float::tanh(self));
        if self.abs() < 1.0 { near } else { far }
    }

    /// As C's pow has it.
    #[inline(always)]
    fn powf(self, exponent: Self) -> Self {
        let half = 0.5 * exponent;
        let whole = exponent.trunc() == exponent;
        let base = if whole || self.is_infinite() { self.abs() } else { self };
        let size = pow_of_positive(base, exponent);
        let odd = whole && half.trunc() != half;
        if odd && self.is_sign_negative() { -size } else { size }
    }

    /// Below 0.75 a polynomial.
    #[inline(always)]
    fn erf(self) -> Self {
        let a = self.abs();
        let z = a * a;
        let p = ((-6.749_508_3e-4 * z + 5.114_345e-3) * z - 0.026_834_624) * z + 0.112_833_77;
        let near = a + a * ((p * z - 0.376_126_2) * z + 0.128_379_17);
        let far = 1.0 - Float::erfc(a);
        keep_nan(self, (if a < 0.75 { near } else { far }).copysign(self))
    }

    #[inline(always)]
    fn erfc(self) -> Self {
        let a = magnitude_within(self, SQUARE_END);
        let (hi, lo) = split_square(a);
        let tail = NormalTail::new(a * SQRT_2, 2.0 * hi, 2.0 * lo);
        let tail = 2.0 * (tail.p * tail.weight) * tail.power;
        keep_nan(self, if self < 0.0 { 2.0 - tail } else { tail })
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        let e = exp_minus(magnitude_within(self, EXP_END), 0.0);
        keep_nan(self, (if self < 0.0 { e } else { 1.0 }) / (1.0 + e))
    }

    #[inline(always)]
    fn softplus(self) -> Self {
        let rest = log1p_finite(exp_minus(magnitude_within(self, EXP_END), 0.0));
        (if self < 0.0 { 0.0 } else { self }) + rest
    }

    #[inline(always)]
    fn normal_cdf(self) -> Self {
        let a = magnitude_within(self, TAIL_END);
        let (hi, lo) = split_square(a);
        let tail = NormalTail::new(a, hi, lo);
        let tail = tail.p * tail.weight * tail.power;
        keep_nan(self, if self > 0.0 { 1.0 - tail } else { tail })
    }

    #[inline(always)]
    fn normal_pdf(self) -> Self {
        let (hi, lo) = split_square(magnitude_within(self, TAIL_END));
        keep_nan(self, INV_SQRT_TWO_PI * exp_minus(0.5 * hi, 0.5 * lo))
    }
}

/// y, unless x is NaN.
#[inline(always)]
fn keep_nan(x: f32, y: f32) -> f32 {
    if x.is_nan() { x } else { y }
}

/// |x|, but at most the limit; NaN gives the limit.
#[inline(always)]
fn magnitude_within(x: f32, limit: f32) -> f32 {
    x.abs().min(limit)
}

/// The leading 12 bits of x: a product of two such numbers is exact.
#[inline(always)]
fn leading_bits(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & 0xffff_f000)
}

/// x^2 in two parts, exactly.
#[inline(always)]
fn split_square(x: f32) -> (f32, f32) {
    let head = leading_bits(x);
    (head * head, (x - head) * (x + head))
}

/// The nearest integer of x, |x| < 2^22, and bits whose low ones hold it.
#[inline(always)]
fn rounded(x: f32) -> (f32, u32) {
    let sum = x + ROUNDING;
    (sum - ROUNDING, sum.to_bits())
}

/// y 2^n for the bits of a rounded n, if both y and the result are normal numbers.
#[inline(always)]
fn times_power_of_two(y: f32, n: u32) -> f32 {
    f32::from_bits(y.to_bits().wrapping_add(n << 23))
}

/// 2^-n for the bits of a rounded n from 0 to 127, where it is 0.
#[inline(always)]
fn power_of_half(n: u32) -> f32 {
    f32::from_bits(0x3f80_0000_u32.wrapping_sub(n << 23))
}

/// exp(r) - 1 for |r| <= ln(2) / 2.
#[inline(always)]
fn expm1_reduced(r: f32) -> f32 {
    let p = ((1.388_251_8e-3 * r + 8.366_558e-3) * r + 0.041_667_2) * r + 0.166_665_43;
    r + r * r * (p * r + 0.499_999_97)
}

/// exp(hi + lo) for |lo| much below |hi|, where the result is a normal number.
#[inline(always)]
fn exp_within(hi: f32, lo: f32) -> f32 {
    let (n, bits) = rounded((hi + lo) * LOG2_E);
    let r = ((hi - n * LN2_HI) - n * LN2_LO) + lo;
    times_power_of_two(1.0 + expm1_reduced(r), bits)
}

/// The same for any sum; NaN gives anything.
#[inline(always)]
fn exp_sum(hi: f32, lo: f32) -> f32 {
    let x = hi + lo;
    let inside = exp_within(hi, lo);
    let not_small = if x < -87.336_54 { 0.0 } else { inside };
    if x >= 88.722_84 { f32::INFINITY } else { not_small }
}

/// exp(-(hi + lo)) for sums from 0 to [`EXP_END`], where it is exactly 0.
#[inline(always)]
fn exp_minus(hi: f32, lo: f32) -> f32 {
    let (n, bits) = rounded((hi + lo) * LOG2_E);
    let r = ((n * LN2_HI - hi) + n * LN2_LO) - lo;
    (1.0 + expm1_reduced(r)) * power_of_half(bits)
}

/// log(1 + f) - f for 1 + f from sqrt(1/2) to sqrt(2).
#[inline(always)]
fn log_rest(f: f32) -> f32 {
    let a = ((0.067_445_85 * f - 0.116_748_18) * f + 0.118_885_9) * f - 0.124_057_54;
    let b = ((a * f + 0.142_195_23) * f - 0.166_679_86) * f + 0.200_021_19;
    ((b * f - 0.250_000_1) * f + 0.333_333_14) * f * f * f - 0.5 * f * f
}

/// The exponent k and the fraction f of x = 2^k (1 + f), 1 + f from sqrt(1/2) to sqrt(2), for finite x > 0.
#[inline(always)]
fn binary_parts(x: f32) -> (f32, f32) {
    let bits = x.to_bits();
    let subnormal = bits < 0x0080_0000;
    // A subnormal's bits are its multiple of 2^-149.
    let scaled = if subnormal { (bits as i32 as f32).to_bits() } else { bits };
    let exponent = (scaled.wrapping_sub(0x3f35_04f3) as i32) >> 23;
    let mantissa = f32::from_bits(scaled.wrapping_sub((exponent as u32) << 23));
    (exponent as f32 - if subnormal { 149.0 } else { 0.0 }, mantissa - 1.0)
}

#[inline(always)]
fn log_of_parts(k: f32, f: f32) -> f32 {
    (log_rest(f) + k * LN2_LO + f) + k * LN2_HI
}

/// Tells numbers whose log is finite.
#[inline(always)]
fn has_log(x: f32) -> bool {
    x > 0.0 && x < f32::INFINITY
}

/// log of 0, infinity, negative numbers and NaN.
#[inline(always)]
fn log_outside(x: f32) -> f32 {
    let of_negative = if x < 0.0 { f32::NAN } else { x };
    if x == 0.0 { f32::NEG_INFINITY } else { of_negative }
}

/// log(1 + x) for finite x > -1. Near 0 x itself is the fraction, so that nothing of it is lost in 1 + x.
#[inline(always)]
fn log1p_finite(x: f32) -> f32 {
    let (k, f) = binary_parts(1.0 + x);
    log_of_parts(k, if k == 0.0 { x } else { f })
}

/// base^exponent for base >= 0; NaN below. The logarithm and its product are carried in two parts.
#[inline(always)]
fn pow_of_positive(base: f32, exponent: f32) -> f32 {
    // Beyond 2e9 every base but 1 has over- or underflowed.
    let y = exponent.clamp(-2e9, 2e9);
    let y_head = leading_bits(y);
    let (k, f) = binary_parts(base);
    let whole = k * LN2_HI;
    let head = leading_bits(whole + f);
    let rest = ((whole - head) + f) + (k * LN2_LO + log_rest(f));
    let inside = exp_sum(y_head * head, (y - y_head) * head + y * rest);
    let edge = if (base == 0.0) == (y < 0.0) { f32::INFINITY } else { 0.0 };
    let of_negative = if base < 0.0 { f32::NAN } else { edge };
    let outside = if y == 0.0 { 1.0 } else { of_negative };
    let known = if has_log(base) { inside } else { outside };
    keep_nan(exponent, keep_nan(base, known))
}

/// tanh(x) = x + x z tanh_rest(z), z = x^2 <= 0.625^2.
#[inline(always)]
fn tanh_rest(z: f32) -> f32 {
    let p = (-5.704_984_5e-3 * z + 0.020_639_084) * z - 0.053_739_715;
    (p * z + 0.133_314_42) * z - 0.333_332_8
}

/// Of a standard normal number: the part beyond a = |x| is p weight power, the density sqrt(2 pi) q weight power.
struct NormalTail {
    p: f32,
    weight: f32,
    power: f32,
}

impl NormalTail {
    /// For 0 <= a <= [`TAIL_END`] and a^2 = hi + lo.
    #[inline(always)]
    fn new(a: f32, hi: f32, lo: f32) -> Self {
        let z = a * a;
        let (n, bits) = rounded(z * (0.5 * LOG2_E));
        let r = ((hi - n * (2.0 * LN2_HI)) - n * (2.0 * LN2_LO)) + lo;
        let odd = r * (240.0 + r * r);
        let even = 960.0 + 24.0 * (r * r);
        let p =
            (0.398_948_16 * z + (3.984_994_6 * a + 18.118_864)) * z + (43.632_835 * a + 50.195_248);
        let q = ((a + 9.989_659) * z + (46.400_295 * a + 119.580_67)) * z
            + (167.365_72 * a + 100.390_495);
        Self { p, weight: (even - odd) / (q * (even + odd)), power: power_of_half(bits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function in both types, and the bound of its error in units in the last place.
    type Case = (&'static str, fn(f32) -> f32, fn(f64) -> f64, f64);

    // At most about twice the worst error of every 61st bit pattern.
    const CASES: [Case; 13] = [
        ("exp", Float::exp, f64::exp, 2.0),
        ("exp_m1", Float::exp_m1, f64::exp_m1, 3.0),
        ("ln", Float::ln, f64::ln, 1.5),
        ("ln_1p", Float::ln_1p, f64::ln_1p, 4.0),
        ("tanh", Float::tanh, f64::tanh, 3.0),
        ("tanh_shrink", Float::tanh_shrink, Float::tanh_shrink, 6.0),
        ("sigmoid", Float::sigmoid, Float::sigmoid, 4.0),
        ("softplus", Float::softplus, Float::softplus, 5.0),
        ("erf", Float::erf, libm::erf, 3.0),
        ("erfc", Float::erfc, libm::erfc, 9.0),
        ("normal_cdf", Float::normal_cdf, Float::normal_cdf, 9.0),
        ("normal_pdf", Float::normal_pdf, Float::normal_pdf, 5.0),
        ("sqrt", Float::sqrt, f64::sqrt, 0.5),
    ];

    /// The error in units in the last place of what is right; none where a subnormal number is taken for 0, or where both
    /// are the same infinity or NaN.
    fn ulps(got: f32, right: f64) -> f64 {
        let nearest = right as f32;
        let is_same = got == nearest || got.is_nan() && nearest.is_nan();
        if is_same || got == 0.0 && right.abs() < f64::from(f32::MIN_POSITIVE) {
            return 0.0;
        }
        let unit = f64::from(nearest.abs().next_up() - nearest.abs());
        (f64::from(got) - right).abs() / unit.max(f64::from(f32::MIN_POSITIVE) * 2f64.powi(-23))
    }

    fn worst(step: usize, (_, f, reference, _): Case) -> (f64, f32) {
        let patterns = (0..=u32::MAX).step_by(step).map(f32::from_bits);
        let error = |x: f32| (ulps(f(x), reference(f64::from(x))), x);
        patterns
            .map(error)
            .fold((0.0, 0.0), |worst, next| if next.0 > worst.0 { next } else { worst })
    }

    #[test]
    fn every_function_is_as_exact_as_its_bound_says() {
        for case in CASES {
            let (error, x) = worst(9973, case);
            assert!(error <= case.3, "{}({x:e}) is off by {error} ulp, over {}", case.0, case.3);
        }
    }

    #[test]
    fn powers_are_those_of_c() {
        let bases = [0.0, -0.0, 0.25, 0.999, 1.0, -1.0, 1.5, -1.5, 7.0, -8.0, 1e20, f32::INFINITY];
        let exponents = [0.0, -0.0, 0.5, 1.0, 2.0, -1.0, -2.0, 3.0, -3.0, 2.5, 40.0, -1e30];
        for (base, exponent) in bases.iter().flat_map(|x| exponents.iter().map(move |y| (*x, *y))) {
            let (got, right) = (Float::powf(base, exponent), f64::from(base).powf(exponent.into()));
            assert!(ulps(got, right) <= 6.0, "{base}^{exponent}: {got}, not {right}");
        }
        assert!(Float::powf(f32::NAN, 2.0).is_nan() && Float::powf(2.0, f32::NAN).is_nan());
    }

    #[test]
    #[ignore = "a minute: every 61st bit pattern"]
    fn every_function_is_as_exact_on_all_of_the_number_line() {
        for case in CASES {
            let (error, x) = worst(61, case);
            println!("{:12} {error:.2} at {x:e}", case.0);
            assert!(error <= case.3, "{}({x:e}) is off by {error} ulp, over {}", case.0, case.3);
        }
    }
}
