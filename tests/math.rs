//! `shaders/lib` on a device, against `f64` references and the host's random numbers.

mod support;

use support::kernel::{INDEX, MATH, run};
use support::tolerance::{Tolerance, check};
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

/// Compares a function with its reference on the standard values and the kinks.
#[track_caller]
fn compare(function: &str, reference: impl Fn(f64) -> f64, ulps: f64, kinks: &[f32]) {
    let x = values::standard(COUNT, kinks);
    let got = map(function, &x);
    let want: Vec<f64> = x.iter().map(|&x| reference(f64::from(x))).collect();
    check(function, &x, &got, &want, |_| Tolerance::ulps(ulps)).unwrap().assert();
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

fn normal_pdf(x: f64) -> f64 {
    (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

#[test]
fn exp_is_right_over_its_whole_range() {
    compare("safe_exp", f64::exp, 2.0, &[88.72284, -87.33654, -103.97]);
}

#[test]
fn expm1_is_right_near_zero_and_in_both_tails() {
    compare("expm1", f64::exp_m1, 3.0, &[0.34657, -0.34657, 88.72284, -17.33]);
}

#[test]
fn log_is_right_for_every_number() {
    compare("safe_log", f64::ln, 2.0, &[0.70710677, std::f32::consts::SQRT_2]);
}

#[test]
fn log1p_is_right_near_zero_and_near_minus_one() {
    compare("log1p", f64::ln_1p, 3.0, &[-1.0, -0.29289323, 0.41421357]);
}

#[test]
fn softplus_is_right_in_both_tails() {
    compare("softplus", softplus, 3.0, &[-87.33654]);
}

#[test]
fn log_sigmoid_is_right_in_both_tails() {
    compare("log_sigmoid", |x| -softplus(-x), 3.0, &[87.33654]);
}

#[test]
fn sigmoid_is_right_in_both_tails() {
    compare("sigmoid", sigmoid, 4.0, &[-87.33654]);
}

#[test]
fn tanh_is_right_near_zero_and_saturates() {
    compare("safe_tanh", f64::tanh, 3.0, &[0.625, -0.625, 10.0, -10.0]);
}

#[test]
fn erf_is_right_and_saturates() {
    compare("erf", libm::erf, 3.0, &[0.75, -0.75]);
}

#[test]
fn erfc_is_right_in_both_tails() {
    compare("erfc", libm::erfc, 8.0, &[9.34, 9.35, -0.75]);
}

#[test]
fn the_normal_distribution_is_right_in_both_tails() {
    compare("normal_cdf", normal_cdf, 8.0, &[-13.2164, -12.9]);
    compare("normal_pdf", normal_pdf, 4.0, &[-13.2164, 13.2164]);
}

#[test]
fn sign_is_exact() {
    compare("sign_of", |x| if x == 0.0 { 0.0 } else { x.signum() }, 0.0, &[]);
}

#[test]
fn sin_and_cos_are_right_up_to_ten_thousand() {
    let mut x = values::linear(COUNT, -1e4, 1e4);
    x.extend(values::log_spaced(COUNT).into_iter().filter(|x| x.abs() <= 1e4));
    for (function, reference) in [("safe_sin", f64::sin as fn(f64) -> f64), ("safe_cos", f64::cos)]
    {
        let got = map(function, &x);
        let want: Vec<f64> = x.iter().map(|&x| reference(f64::from(x))).collect();
        let bound = |_| Tolerance::ulps(3.0).floor(1e-9);
        check(function, &x, &got, &want, bound).unwrap().assert();
    }
}

#[test]
fn powers_of_positive_bases_are_right_for_every_exponent() {
    for exponent in [-3.3f32, -1.0, -0.5, 0.0, 0.3333, 0.5, 1.0, 2.0, 2.5, 3.0, 10.0, 1e3, 1e7] {
        let mut x = values::standard(1 << 14, &[0.70710677, std::f32::consts::SQRT_2]);
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
