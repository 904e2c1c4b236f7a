//! `shaders/lib` on a device, against `f64` references and the host's random numbers.

use crate::support;

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_PI_4, SQRT_2};

use support::kernel::{INDEX, MATH, run};
use support::tolerance::{Report, Tolerance, check};
use support::values;

const COUNT: usize = 1 << 18;

const MAP: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(local_invocation_index) local_index: u32,
) {
    let i = flat_index(workgroup_id, num_workgroups, local_index, 64u);
    if i < arrayLength(&y) {
        y[i] = apply(x[i]);
    }
}
";

/// One function of math.wgsl applied to every input.
fn map(function: &str, x: &[f32]) -> Vec<f32> {
    map_with("", function, x)
}

/// The same for a function that `declarations` adds.
fn map_with(declarations: &str, function: &str, x: &[f32]) -> Vec<f32> {
    let apply = format!("fn apply(x: f32) -> f32 {{ return {function}(x); }}");
    let source = [MATH, INDEX, MAP, declarations, &apply].concat();
    let workgroups = x.len().div_ceil(64) as u32;
    let grid = [workgroups.min(100), workgroups.div_ceil(100)];
    let bytes = run(&source, &[bytemuck::cast_slice(x)], size_of_val(x), grid);
    bytemuck::pod_collect_to_vec(&bytes)
}

/// A function of math.wgsl, its reference, its bound in ulp and where its branches meet.
type Case = (&'static str, fn(f64) -> f64, f64, &'static [f32]);

// Bounds are at most about twice the worst error of the whole line on llvmpipe and SwiftShader.
const CASES: [Case; 15] = [
    ("safe_exp", f64::exp, 2.0, &[0.3465736, 88.72284, -87.33654, -103.97]),
    ("expm1", f64::exp_m1, 3.0, &[0.3465736, -0.3465736, 88.72284, -17.33]),
    ("safe_log", f64::ln, 1.5, &[FRAC_1_SQRT_2, SQRT_2]),
    ("log1p", f64::ln_1p, 4.0, &[-1.0, -0.29289323, 0.41421357]),
    ("softplus", softplus, 4.0, &[-87.33654]),
    ("log_sigmoid", |x| -softplus(-x), 4.0, &[87.33654]),
    ("sigmoid", sigmoid, 4.0, &[-87.33654]),
    ("safe_tanh", f64::tanh, 3.0, &[0.625, -0.625, 10.0]),
    ("erf", libm::erf, 3.0, &[0.75, -0.75]),
    ("erfc", libm::erfc, 9.0, &[0.75, -0.75, 9.3448]),
    ("normal_cdf", normal_cdf, 9.0, &[-13.2157]),
    ("normal_pdf", normal_pdf, 4.0, &[-13.2157, 13.2157]),
    ("gelu_value", gelu, 8.0, &[-13.2157]),
    ("exp_minus_square", |x| (-x * x).exp(), 3.0, &[-9.3448, 9.3448]),
    ("sign_of", |x| if x == 0.0 { 0.0 } else { x.signum() }, 0.0, &[]),
];

fn compare((function, reference, ulps, _): Case, x: &[f32]) -> Report {
    let got = map(function, x);
    let want: Vec<f64> = x.iter().map(|&x| reference(f64::from(x))).collect();
    // A subnormal input may be taken for 0: the steepest slope there is erf's 1.13.
    check(function, x, &got, &want, |_| Tolerance::ulps(ulps).flush_scale(1.2)).unwrap()
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

fn normal_pdf(x: f64) -> f64 {
    (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

fn gelu(x: f64) -> f64 {
    x.max(-1e4) * normal_cdf(x)
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

#[test]
fn every_function_is_right_on_standard_values_and_in_its_tails() {
    for case in CASES {
        compare(case, &values::standard(COUNT, case.3)).assert();
    }
}

#[test]
#[ignore = "minutes: every 61st bit pattern, NaNs and infinities included"]
fn every_function_is_right_on_all_of_the_number_line() {
    let patterns: Vec<f32> = (0..=u32::MAX).step_by(61).map(f32::from_bits).collect();
    for case in CASES {
        let reports: Vec<Report> = patterns.chunks(1 << 22).map(|x| compare(case, x)).collect();
        let worst = reports.iter().max_by(|a, b| a.worst_ulps.total_cmp(&b.worst_ulps)).unwrap();
        println!("whole line: {worst}");
        reports.iter().for_each(Report::assert);
    }
}

/// Numbers of every size, and the largest multiples of pi / 2 that f32 comes close to.
fn angles() -> Vec<f32> {
    let mut x = values::linear(COUNT, -1e4, 1e4);
    x.extend(values::linear(COUNT, -1e5, 1e5));
    x.extend(values::log_spaced(COUNT));
    let multiples = (1..1 << 16).map(|n| (f64::from(n) * std::f64::consts::FRAC_PI_2) as f32);
    let scaled = (0..104).flat_map(|n| [16_367_173.0, 13_195_263.0].map(|x: f64| x * 2f64.powi(n)));
    x.extend(multiples.chain(scaled.map(|x| x as f32)));
    x.extend([2e5, -1e10, 1e30, f32::MAX, f32::MIN]);
    x.retain(|x| x.is_finite());
    x
}

#[test]
fn sin_and_cos_are_right_for_every_angle() {
    for (function, reference) in [("safe_sin", f64::sin as fn(f64) -> f64), ("safe_cos", f64::cos)]
    {
        let x = angles();
        let got = map(function, &x);
        let want: Vec<f64> = x.iter().map(|&x| reference(f64::from(x))).collect();
        let bound = |_| Tolerance::ulps(3.0).floor(1e-9);
        check(function, &x, &got, &want, bound).unwrap().assert();
        assert!(got.iter().all(|y| y.abs() <= 1.0), "{function}");
        let outside = map(function, &[f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        assert!(outside.iter().all(|y| y.is_nan()), "{function}: {outside:?}");
    }
}

#[test]
fn the_sine_of_a_product_is_that_of_the_exact_one() {
    for factor in [30.0f32, -2.5, FRAC_PI_4, 1e-3, 1e9, 3e38] {
        let x = angles();
        let apply =
            format!("fn turned(x: f32) -> f32 {{ return sin_product({factor:?}, x, 1u); }}");
        let got = map_with(&apply, "turned", &x);
        let want: Vec<f64> = x.iter().map(|&x| (f64::from(factor) * f64::from(x)).cos()).collect();
        let bound = |_| Tolerance::ulps(3.0).floor(1e-9);
        check(&format!("cos({factor} x)"), &x, &got, &want, bound).unwrap().assert();
        assert!(got.iter().all(|y| y.abs() <= 1.0), "{factor}");
    }
}

#[test]
fn powers_of_positive_bases_are_right_for_every_exponent() {
    for exponent in [-3.3f32, -1.0, -0.5, 0.0, 0.3333, 0.5, 1.0, 2.0, 2.5, 3.0, 10.0, 1e3, 1e7] {
        let mut x = values::standard(1 << 14, &[FRAC_1_SQRT_2, SQRT_2]);
        x.extend(values::linear(1 << 14, 0.5, 2.0));
        x.extend(values::linear(1 << 14, 1.0 - 1e-5, 1.0 + 1e-5));
        let apply = format!("fn power(x: f32) -> f32 {{ return powp(x, {exponent:?}); }}");
        let power = |x: f32| match x {
            x if x.is_nan() || x < 0.0 => f64::NAN,
            x => f64::from(x.abs()).powf(f64::from(exponent)),
        };
        // Within 1e-6 of overflow the result may be infinite already.
        x.retain(|&x| !(0.999999..1.000001).contains(&(power(x) / f64::from(f32::MAX))));
        let got = map_with(&apply, "power", &x);
        let want: Vec<f64> = x.iter().map(|&x| power(x)).collect();
        let ulps = if exponent.abs() <= 10.0 { 4.0 } else { 16.0 };
        let bound = |_| Tolerance::ulps(ulps);
        check(&format!("powp {exponent}"), &x, &got, &want, bound).unwrap().assert();
    }
}

#[test]
fn powers_of_negative_bases_are_those_of_whole_exponents() {
    for exponent in [-3.0f32, -2.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 16_777_215.0, f32::INFINITY] {
        let mut x = values::standard(1 << 12, &[FRAC_1_SQRT_2, SQRT_2]);
        x.extend([-1.0, -2.0, -0.5, -1.5, f32::NEG_INFINITY]);
        // C has 1 for an infinite power of -1, which no other base comes near.
        x.retain(|&x| x != -1.0 || exponent.is_finite());
        // C has 1 for NaN^0.
        let power = |&x: &f32| match f64::from(x) {
            x if x.is_nan() => x,
            x => x.powf(f64::from(exponent)),
        };
        // Within 1e-6 of overflow the result may be infinite already.
        x.retain(|x| !(0.999999..1.000001).contains(&(power(x).abs() / f64::from(f32::MAX))));
        let want: Vec<f64> = x.iter().map(power).collect();
        let apply = format!("fn raised(x: f32) -> f32 {{ return c_pow(x, {exponent:?}); }}");
        let got = map_with(&apply.replace("inf", "infinity()"), "raised", &x);
        let ulps = if exponent.abs() <= 10.0 { 4.0 } else { 16.0 };
        let bound = |_| Tolerance::ulps(ulps);
        check(&format!("c_pow {exponent}"), &x, &got, &want, bound).unwrap().assert();
    }
}

#[test]
fn nan_and_infinity_are_told_from_numbers_by_their_bits() {
    let x = [0.0, 1.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN];
    let flags = "fn flags(x: f32) -> f32 { return f32(is_nan(x)) + 2.0 * f32(is_inf(x)); }";
    assert_eq!(map_with(flags, "flags", &x), [0.0, 0.0, 0.0, 2.0, 2.0, 1.0, 1.0]);
}

#[test]
fn tanh_erf_and_sign_keep_the_sign_of_zero() {
    for function in ["safe_tanh", "erf", "sign_of"] {
        let y = map(function, &[0.0, -0.0]);
        assert_eq!([y[0].to_bits(), y[1].to_bits()], [0, 1 << 31], "{function}");
    }
}
