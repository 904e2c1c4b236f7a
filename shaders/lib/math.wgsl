// Functions that training can rely on where the builtins cannot be: WGSL allows exp 3+2|x| ulp, tanh, erf-like sums and
// log(1+x) any relative error, NaN for tanh(100), and log(0) = -88 has been seen.
//
// Conventions. Only + - * /, comparisons, select, round and bit operations are used. NaN in gives NaN out, found by its
// bits because NaN != NaN is false on some drivers. A subnormal result may be 0. Infinity is returned only where the
// mathematics overflows. Minimax coefficients come from tools/minimax.py. "Error a | b" is the worst in ulp on llvmpipe
// (Mesa 22.3.6) and on SwiftShader, over every 61st bit pattern, as tests/math.rs measures it.
// Where a compiler reassociates (fast-math), the two-part constants lose their use: exp's error would grow to
// about |x| ulp (an estimate, not measured).

const LOG2_E: f32 = 1.4426950408889634;
// ln 2 = HI + LO; HI has 9 bits, so that its product with an exponent is exact.
const LN2_HI: f32 = 0.693359375;
const LN2_LO: f32 = -2.1219444005469057e-4;
const SQRT_TWO: f32 = 1.4142135623730951;
const INV_SQRT_TWO_PI: f32 = 0.3989422804014327;
const SIGN_BIT: u32 = 0x80000000u;
const INFINITY_BITS: u32 = 0x7f800000u;

// A call's result is never a const-expression: constant infinities and NaNs are compile errors.
fn from_bits(bits: u32) -> f32 {
    return bitcast<f32>(bits);
}

fn infinity() -> f32 {
    return from_bits(INFINITY_BITS);
}

fn not_a_number() -> f32 {
    return from_bits(0x7fc00000u);
}

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & ~SIGN_BIT) > INFINITY_BITS;
}

fn is_inf(x: f32) -> bool {
    return (bitcast<u32>(x) & ~SIGN_BIT) == INFINITY_BITS;
}

// y, unless x is NaN.
fn keep_nan(x: f32, y: f32) -> f32 {
    return select(y, x, is_nan(x));
}

// max(x, limit), but NaN for NaN.
fn at_least(x: f32, limit: f32) -> f32 {
    return keep_nan(x, max(x, limit));
}

// max(x, limit), but the limit for NaN.
fn larger(x: f32, limit: f32) -> f32 {
    return select(max(x, limit), limit, is_nan(x));
}

// y, but x where that is NaN.
fn keep_nans(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return select(y, x, (bitcast<vec4<u32>>(x) & vec4(~SIGN_BIT)) > vec4(INFINITY_BITS));
}

// |x|, but at most the limit; NaN gives the limit.
fn magnitude_within(x: f32, limit: f32) -> f32 {
    return from_bits(min(bitcast<u32>(x) & ~SIGN_BIT, bitcast<u32>(limit)));
}

// max(x, 0), but -0 for negative numbers and NaN for NaN: as integers the negative numbers come before negative NaNs.
fn positive_part(x: f32) -> f32 {
    return select(x, -0.0, bitcast<i32>(x) <= bitcast<i32>(INFINITY_BITS | SIGN_BIT));
}

// x times a factor that goes to 0 faster than x grows: infinity times 0 is 0 with the sign of x.
fn times(x: f32, factor: f32) -> f32 {
    return select(x, keep_nan(x, clamp(x, -1.0, 1.0)), factor == 0.0) * factor;
}

// |magnitude| with the sign of x, also that of -0.
fn with_sign_of(x: f32, magnitude: f32) -> f32 {
    return from_bits((bitcast<u32>(x) & SIGN_BIT) | (bitcast<u32>(magnitude) & ~SIGN_BIT));
}

// By bits: a comparison may take a subnormal for 0.
fn is_zero(x: f32) -> bool {
    return (bitcast<u32>(x) & ~SIGN_BIT) == 0u;
}

// By bits; -0 is 0, NaN is nothing but itself.
fn is_same(x: f32, y: f32) -> bool {
    return bitcast<u32>(x) == bitcast<u32>(y) || (is_zero(x) && is_zero(y));
}

fn is_negative(x: f32) -> bool {
    return bitcast<u32>(x) > SIGN_BIT;
}

// -1, 0 or 1.
fn sign_of(x: f32) -> f32 {
    return keep_nan(x, with_sign_of(x, select(1.0, 0.0, is_zero(x))));
}

// The leading 12 bits of x: a product of two such numbers is exact.
fn leading_bits(x: f32) -> f32 {
    return from_bits(bitcast<u32>(x) & 0xfffff000u);
}

// An integer-valued float, |n| < 2^22, modulo 2^22. Adding 1.5 * 2^23 leaves n in the low bits.
fn low_bits(n: f32) -> u32 {
    return bitcast<u32>(n + 12582912.0);
}

// y * 2^n for integer-valued n and normal or zero-exponent results.
fn times_power_of_two(y: f32, n: f32) -> f32 {
    return from_bits(bitcast<u32>(y) + (low_bits(n) << 23u));
}

// exp(r) - 1 for |r| <= ln(2)/2. Own minimax, 2^-25.8.
fn expm1_reduced(r: f32) -> f32 {
    let p = (((1.38825178e-3 * r + 8.36655777e-3) * r + 0.0416672006) * r + 0.166665435) * r + 0.49999997;
    return r + r * r * p;
}

// exp(hi + lo) for |lo| much below |hi|: the caller keeps the rounding error of a computed exponent in lo, since an
// exponent rounded once costs |exponent| ulp. Only where the result is a normal number.
fn exp_within(hi: f32, lo: f32) -> f32 {
    let n = round((hi + lo) * LOG2_E);
    let r = ((hi - n * LN2_HI) - n * LN2_LO) + lo;
    return times_power_of_two(1.0 + expm1_reduced(r), n);
}

// The same for any sum: 0 below the smallest normal number. NaN gives anything.
fn exp_sum(hi: f32, lo: f32) -> f32 {
    let x = hi + lo;
    return select(select(exp_within(hi, lo), 0.0, x < -87.33654), infinity(), x >= 88.72284);
}

// 2^-n for integer-valued n from 0 to 127, where it is 0.
fn power_of_half(n: f32) -> f32 {
    return from_bits(0x3f800000u - (low_bits(n) << 23u));
}

// exp(-(hi + lo)) for sums from 0 to EXP_END, at which it is exactly 0: an argument cut off there (magnitude_within) needs
// no other care. The two parts as in exp_within.
const EXP_END: f32 = 88.0;

fn exp_minus(hi: f32, lo: f32) -> f32 {
    let n = round((hi + lo) * LOG2_E);
    let r = ((n * LN2_HI - hi) + n * LN2_LO) - lo;
    return (1.0 + expm1_reduced(r)) * power_of_half(n);
}

// exp(x); infinity from 88.72284, 0 below -87.33654 (where the result is subnormal).
// Cody-Waite reduction. Error 1.30 | 1.00.
fn safe_exp(x: f32) -> f32 {
    return keep_nan(x, exp_sum(x, 0.0));
}

// exp(x) - 1, relative accuracy near 0: 2^n * (expm1(r) + (1 - 2^-n)). Error 1.70 | 1.70.
fn expm1(x: f32) -> f32 {
    let c = clamp(x, -30.0, 89.0);
    let n = round(c * LOG2_E);
    let r = (c - n * LN2_HI) - n * LN2_LO;
    let inverse = times_power_of_two(1.0, max(-n, -126.0));
    let y = times_power_of_two(expm1_reduced(r) + (1.0 - inverse), n);
    return keep_nan(x, select(y, infinity(), x >= 88.72284));
}

// log(1 + f) - f for f in [sqrt(1/2) - 1, sqrt(2) - 1]. Own minimax, 2^-28.2 of log(1 + f).
fn log_rest(f: f32) -> f32 {
    let a = ((0.0674458519 * f - 0.116748177) * f + 0.118885897) * f - 0.124057539;
    let b = ((a * f + 0.142195225) * f - 0.166679859) * f + 0.200021192;
    return ((b * f - 0.250000089) * f + 0.333333135) * f * f * f - 0.5 * f * f;
}

// x = 2^exponent * (1 + fraction) with 1 + fraction in [sqrt(1/2), sqrt(2)), for finite x > 0.
struct BinaryParts {
    exponent: f32,
    fraction: f32,
}

fn binary_parts(x: f32) -> BinaryParts {
    // A subnormal's bits are its integer multiple of 2^-149: no float operation that could flush it.
    let bits = bitcast<u32>(x);
    let subnormal = bits < 0x00800000u;
    let scaled = select(bits, bitcast<u32>(f32(bits)), subnormal);
    let exponent = bitcast<i32>(scaled - 0x3f3504f3u) >> 23u;
    let mantissa = from_bits(scaled - (bitcast<u32>(exponent) << 23u));
    return BinaryParts(f32(exponent) - select(0.0, 149.0, subnormal), mantissa - 1.0);
}

// log of 0, infinity, negative numbers and NaN.
fn log_outside(x: f32) -> f32 {
    return keep_nan(x, select(select(infinity(), not_a_number(), is_negative(x)), -infinity(), is_zero(x)));
}

fn log_of_parts(k: f32, f: f32) -> f32 {
    return (log_rest(f) + k * LN2_LO + f) + k * LN2_HI;
}

// Whether log has a finite value: 0 < x < infinity.
fn has_log(x: f32) -> bool {
    return bitcast<u32>(x) - 1u < INFINITY_BITS - 1u;
}

// log(x), subnormals included; -infinity at 0, NaN below. Error 0.85 | 0.85.
fn safe_log(x: f32) -> f32 {
    let parts = binary_parts(x);
    return select(log_outside(x), log_of_parts(parts.exponent, parts.fraction), has_log(x));
}

// log(1 + x) for finite x > -1. Near 0 x itself is the fraction, so that nothing of it is lost in 1 + x.
fn log1p_finite(x: f32) -> f32 {
    let parts = binary_parts(1.0 + x);
    return log_of_parts(parts.exponent, select(parts.fraction, x, parts.exponent == 0.0));
}

// log(1 + x), relative accuracy near 0; -infinity at -1, NaN below. Error 2.39 | 2.39.
fn log1p(x: f32) -> f32 {
    let u = 1.0 + x;
    return keep_nan(x, select(log_outside(u), log1p_finite(x), has_log(u)));
}

// base^exponent for base >= 0; NaN below. 0^0 = 1; infinite from 1e-6 below overflow. The logarithm and its product are
// carried in two parts, split by bits: Mesa folds (a + b) - a into b. Error 2.07 | 2.07 for |exponent| <= 10,
// 6.9 | 6.9 for 1000 (on the values of tests/math.rs).
fn powp(base: f32, exponent: f32) -> f32 {
    // Beyond 2e9 every base but 1 has over- or underflowed.
    let y = clamp(exponent, -2e9, 2e9);
    let y_head = leading_bits(y);
    let parts = binary_parts(base);
    let whole = parts.exponent * LN2_HI;
    let head = leading_bits(whole + parts.fraction);
    let rest = ((whole - head) + parts.fraction) + (parts.exponent * LN2_LO + log_rest(parts.fraction));
    let inside = exp_sum(y_head * head, (y - y_head) * head + y * rest);
    let edge = select(select(0.0, infinity(), is_zero(base) == (y < 0.0)), 1.0, y == 0.0);
    let outside = select(edge, not_a_number(), is_negative(base));
    return keep_nan(exponent, keep_nan(base, select(outside, inside, has_log(base))));
}

// base^exponent for any base, as C's pow has it: of a negative number only whole powers are numbers.
fn c_pow(base: f32, exponent: f32) -> f32 {
    let half = 0.5 * exponent;
    let whole = trunc(exponent) == exponent;
    let size = powp(select(base, abs(base), whole || is_inf(base)), exponent);
    let odd = whole && trunc(half) != half;
    return select(size, -size, odd && (bitcast<u32>(base) & SIGN_BIT) != 0u);
}

// tanh(x) = x + x z tanh_rest(z), z = x^2 <= 0.625^2 (so tanhshrink is -x z tanh_rest(z)). Form of Cephes' tanhf, own
// minimax, 2^-26.8.
fn tanh_rest(z: f32) -> f32 {
    return (((-5.70498453e-3 * z + 0.0206390843) * z - 0.0537397154) * z + 0.133314416) * z - 0.333332807;
}

// tanh(x). Error 1.32 | 1.30.
fn safe_tanh(x: f32) -> f32 {
    let a = magnitude_within(x, 10.0);
    let z = a * a;
    let near = a + a * z * tanh_rest(z);
    let far = 1.0 - 2.0 / (exp_within(2.0 * a, 0.0) + 1.0);
    return keep_nan(x, with_sign_of(x, select(far, near, a < 0.625)));
}

// 1 / (1 + exp(-x)), relative accuracy in the negative tail. Error 2.51 | 2.40.
fn sigmoid(x: f32) -> f32 {
    let e = exp_minus(magnitude_within(x, EXP_END), 0.0);
    return keep_nan(x, select(1.0, e, x < 0.0) / (1.0 + e));
}

// log(1 + exp(x)), relative accuracy in the negative tail. Error 3.27 | 2.58.
fn softplus(x: f32) -> f32 {
    return positive_part(x) + log1p_finite(exp_minus(magnitude_within(x, EXP_END), 0.0));
}

// log(sigmoid(x)). Error 3.27 | 2.58.
fn log_sigmoid(x: f32) -> f32 {
    return -softplus(-x);
}

// hi + lo = a^2 exactly.
struct SplitSquare {
    hi: f32,
    lo: f32,
}

fn split_square(a: f32) -> SplitSquare {
    let head = leading_bits(a);
    return SplitSquare(head * head, (a - head) * (a + head));
}

// Where exp(-x^2) becomes 0.
const SQUARE_END: f32 = 9.38;

// exp(-x^2). Error 1.45 | 1.19.
fn exp_minus_square(x: f32) -> f32 {
    let s = split_square(magnitude_within(x, SQUARE_END));
    return keep_nan(x, exp_minus(s.hi, s.lo));
}

// Of a standard normal number: with a = |x|, the part beyond a is p weight power, the density sqrt(2 pi) q weight power.
// Terms of one weight share its division; the power comes last, for the weight times it may be subnormal.
struct NormalTail {
    a: f32,
    p: f32,
    q: f32,
    weight: f32,
    power: f32,
}

// Beyond this the tail and the density are 0.
const TAIL_END: f32 = 13.27;

// For 0 <= a <= TAIL_END and s = a^2. p / q = exp(a^2 / 2) (1 - Phi(a)), own fit, 2^-26.2, all terms positive;
// exp(-r / 2) is the quotient of even - odd and even + odd by a Pade approximation, 2^-27.2.
fn normal_tail_of(a: f32, s: SplitSquare) -> NormalTail {
    let z = a * a;
    let n = round(z * (0.5 * LOG2_E));
    let r = ((s.hi - n * (2.0 * LN2_HI)) - n * (2.0 * LN2_LO)) + s.lo;
    let odd = r * (240.0 + r * r);
    let even = 960.0 + 24.0 * (r * r);
    let p = (0.398948163 * z + (3.98499465 * a + 18.1188641)) * z + (43.6328354 * a + 50.1952477);
    let q = ((a + 9.98965931) * z + (46.4002953 * a + 119.580673)) * z + (167.365723 * a + 100.390495);
    return NormalTail(a, p, q, (even - odd) / (q * (even + odd)), power_of_half(n));
}

fn normal_tail(x: f32) -> NormalTail {
    let a = magnitude_within(x, TAIL_END);
    return normal_tail_of(a, split_square(a));
}

// 1 - erf(x), relative accuracy in the positive tail. Error 7.10 | 7.10.
fn erfc(x: f32) -> f32 {
    let a = magnitude_within(x, SQUARE_END);
    let s = split_square(a);
    let t = normal_tail_of(a * SQRT_TWO, SplitSquare(2.0 * s.hi, 2.0 * s.lo));
    let tail = 2.0 * (t.p * t.weight) * t.power;
    return keep_nan(x, select(tail, 2.0 - tail, x < 0.0));
}

// The error function. Below 0.75 own minimax, 2^-27. Error 1.82 | 1.82.
fn erf(x: f32) -> f32 {
    let a = abs(x);
    let z = a * a;
    let p = ((-6.74950832e-4 * z + 5.11434488e-3) * z - 0.0268346239) * z + 0.112833768;
    let near = a + a * ((p * z - 0.3761262) * z + 0.128379166);
    return keep_nan(x, with_sign_of(x, select(1.0 - erfc(a), near, a < 0.75)));
}

// The density of the standard normal distribution. Error 2.65 | 2.07.
fn normal_pdf(x: f32) -> f32 {
    let s = split_square(magnitude_within(x, TAIL_END));
    return keep_nan(x, INV_SQRT_TWO_PI * exp_minus(0.5 * s.hi, 0.5 * s.lo));
}

// Its distribution function, relative accuracy in the negative tail. Error 6.23 | 6.23.
fn normal_cdf(x: f32) -> f32 {
    let t = normal_tail(x);
    let tail = t.p * t.weight * t.power;
    return keep_nan(x, select(tail, 1.0 - tail, x > 0.0));
}

// x Phi(x), relative accuracy in the negative tail. Error 6.16 | 6.16.
fn gelu_value(x: f32) -> f32 {
    let t = normal_tail(x);
    return positive_part(x) - t.a * t.p * t.weight * t.power;
}

// Its derivative, Phi(x) + x pdf(x).
fn gelu_slope(x: f32) -> f32 {
    let t = normal_tail(x);
    let tail = (t.p - INV_SQRT_TWO_PI * t.a * t.q) * t.weight * t.power;
    return keep_nan(x, select(tail, 1.0 - tail, x > 0.0));
}

// An angle as quarter turns, modulo 4, and a rest of about an eighth of a turn at most.
struct Angle {
    quarters: u32,
    rest: f32,
}

// What rounding takes from a b: the products of the halves of both, less the rounded product.
fn product_rest(a: f32, b: f32, product: f32) -> f32 {
    let x = leading_bits(a);
    let y = leading_bits(b);
    return ((x * y - product) + x * (b - y) + (a - x) * y) + (a - x) * (b - y);
}

// hi + lo for |hi| <= NEAR and |lo| <= ulp(hi) / 2. pi/2 in three parts of 8, 11 and 24 bits: the products with the first
// two are exact.
const NEAR: f32 = 1e4;

fn near_angle(hi: f32, lo: f32) -> Angle {
    let n = round(hi * 0.6366197723675814);
    return Angle(low_bits(n), ((hi - n * 1.5703125) - n * 4.837512969970703e-4) - (n * 7.549789954891882e-8 - lo));
}

// a b in two words, the low one first.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return vec2((other << 16u) | (low & 0xffffu), (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u));
}

// 96 bits of 2/pi from a place on, the first of which counts half a turn; bit 64 is the first after the point.
fn two_over_pi(place: u32) -> vec3<u32> {
    let word = place >> 5u;
    // Words 0 to 12, chosen by fours, twos and ones.
    let a = vec4(0u, 0u, 0xa2f9836eu, 0x4e441529u);
    let b = vec4(0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u);
    let c = vec4(0xfe5163abu, 0xdebbc561u, 0xb7246e3au, 0x424dd2e0u);
    let far = word >= 8u;
    var near = select(a, b, (word & 4u) != 0u);
    var next = select(b, c, (word & 4u) != 0u);
    near = select(near, c, far);
    next = select(next, vec4(0x06492eeau, 0x09d1921cu, 0xfe1deb1cu, 0u), far);
    let two = (word & 2u) != 0u;
    near = select(near, vec4(near.zw, next.xy), two);
    let last = select(next.x, next.z, two);
    let one = select(near, vec4(near.yzw, last), (word & 1u) != 0u);
    // A shift by 32 would be one by 0.
    let shift = vec3(place & 31u);
    return (one.xyz << shift) | ((one.yzw >> vec3(1u)) >> (vec3(31u) - shift));
}

// a b for normal a and b of a product of at least 2^-15: M. H. Payne and R. N. Hanek 1983. Both mantissas are whole numbers
// of 24 bits; of their product with 2/pi whole turns are left out, and 64 bits of a turn remain.
fn far_angle(a: f32, b: f32) -> Angle {
    let x = bitcast<u32>(a) & ~SIGN_BIT;
    let y = bitcast<u32>(b) & ~SIGN_BIT;
    let m = wide_product((x & 0x7fffffu) | 0x800000u, (y & 0x7fffffu) | 0x800000u);
    let w = two_over_pi((x >> 23u) + (y >> 23u) - 238u);
    let low = wide_product(m.x, w.y);
    let middle = wide_product(m.y, w.z);
    let part = low.x + middle.x;
    let lo = part + wide_product(m.x, w.z).y;
    let carry = select(0u, 1u, part < low.x) + select(0u, 1u, lo < part);
    let hi = m.x * w.x + m.y * w.y + low.y + middle.y + carry;
    let quarters = (hi + 0x20000000u) >> 30u;
    // The upper 24 bits of the rest and the others, times 2 pi in two parts.
    let rest = bitcast<i32>(hi - (quarters << 30u));
    let head = f32(rest & -64i) * 0x1p-32;
    let tail = f32(rest & 63i) * 0x1p-32 + f32(lo) * 0x1p-64;
    let angle = head * 6.2831855 + (tail * 6.2831855 - head * 1.7484555e-7);
    let is_back = (bitcast<u32>(a) ^ bitcast<u32>(b)) >= SIGN_BIT;
    return Angle(select(quarters, 4u - quarters, is_back), select(angle, -angle, is_back));
}

// The sine of an angle and some quarter turns.
fn sin_of(angle: Angle, quarters: u32) -> f32 {
    let r = angle.rest;
    let z = r * r;
    let sine = r + r * z * ((-1.95152577e-4 * z + 8.3321603e-3) * z - 0.166666552);
    let cosine = 1.0 - 0.5 * z + z * z * ((2.44331259e-5 * z - 1.38873165e-3) * z + 0.0416666456);
    let quadrant = angle.quarters + quarters;
    let y = select(sine, cosine, (quadrant & 1u) == 1u);
    return from_bits(bitcast<u32>(y) ^ ((quadrant & 2u) << 30u));
}

// sin(a b + quarters * pi/2) of the exact product; NaN for infinity. Error 2.21 | 2.21 or 1e-9.
fn sin_product(a: f32, b: f32, quarters: u32) -> f32 {
    let product = a * b;
    var angle = near_angle(product, product_rest(a, b, product));
    if abs(product) > NEAR {
        angle = far_angle(a, b);
    }
    let outside = is_nan(product) || is_inf(a) || is_inf(b);
    return select(sin_of(angle, quarters), not_a_number(), outside);
}

fn safe_sin(x: f32) -> f32 {
    return sin_product(x, 1.0, 0u);
}

fn safe_cos(x: f32) -> f32 {
    return sin_product(x, 1.0, 1u);
}
