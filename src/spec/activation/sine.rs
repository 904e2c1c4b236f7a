//! The sine in wide vectors of `f32`: of the exact product, in short blocks that take the long way only where an angle in
//! them is large.

use super::{ActivationKind, ElementwiseKind, Map, Second};
use crate::numeric::wide;
use crate::spec::Both;
use crate::spec::registry::Values;

/// The largest angle of the short way: its quarter turns times the first part of pi / 2 are exact.
const NEAR: f32 = 1e6;
/// 1.5 * 2^52: a sum with it is rounded to an integer, which its low bits hold.
const ROUNDING: f64 = 6_755_399_441_055_744.0;
/// pi / 2 = HEAD + TAIL; HEAD has 33 bits.
const HEAD: f64 = 1.570_796_326_734_125_6;
const TAIL: f64 = 6.077_100_506_506_192e-11;

/// Replaces the passes in `f32` of the sine.
pub(super) const fn widened(kind: ActivationKind) -> ActivationKind {
    let ActivationKind::Elementwise(kind) = kind else { return kind };
    let passes = Both { f32: Map { forward: &forward, backward: &backward }, ..kind.passes };
    let second = match kind.second {
        Some(own) => {
            Some(Second { passes: Both { f32: second as _, ..own.passes }, bound: own.bound })
        }
        None => None,
    };
    ActivationKind::Elementwise(ElementwiseKind { passes, second, ..kind })
}

wide! {
    fn forward([omega, ..]: &Values<f32>, x: &[f32], y: &mut [f32]) {
        sines(*omega, 0, x, y);
    }
}

wide! {
    fn backward([omega, ..]: &Values<f32>, x: &[f32], grad_out: &[f32], out: &mut [f32]) {
        sines(*omega, 1, x, out);
        for (out, g) in out.iter_mut().zip(grad_out) {
            *out = g * (omega * *out);
        }
    }
}

wide! {
    fn second([omega, ..]: &Values<f32>, x: &[f32], grad_out: &[f32], out: &mut [f32]) {
        sines(*omega, 0, x, out);
        for (out, g) in out.iter_mut().zip(grad_out) {
            *out = g * (-omega * omega * *out);
        }
    }
}

/// y = sin(omega x + quarters pi / 2), for 0 or 1 quarters.
#[inline(always)]
fn sines(omega: f32, quarters: u32, x: &[f32], y: &mut [f32]) {
    for (x, y) in x.chunks(64).zip(y.chunks_mut(64)) {
        let all_near = x.iter().fold(true, |all, x| all & is_near(omega, *x));
        if all_near {
            for (x, y) in x.iter().zip(y) {
                *y = near_sine(omega, *x, quarters);
            }
        } else {
            for (x, y) in x.iter().zip(y) {
                let angle = f64::from(omega) * f64::from(*x);
                let far = if quarters == 0 { angle.sin() } else { angle.cos() };
                *y = if is_near(omega, *x) { near_sine(omega, *x, quarters) } else { far as f32 };
            }
        }
    }
}

#[inline(always)]
fn is_near(omega: f32, x: f32) -> bool {
    (omega * x).abs() < NEAR
}

/// The sine by Cody and Waite's reduction in `f64`, and the polynomials of shaders/lib/math.wgsl.
#[inline(always)]
fn near_sine(omega: f32, x: f32, quarters: u32) -> f32 {
    let angle = f64::from(omega) * f64::from(x);
    let sum = angle * std::f64::consts::FRAC_2_PI + ROUNDING;
    let turns = sum - ROUNDING;
    let r = ((angle - turns * HEAD) - turns * TAIL) as f32;
    let z = r * r;
    let sine = r + r * z * ((-1.951_525_8e-4 * z + 8.332_16e-3) * z - 0.166_666_55);
    let cosine =
        1.0 - 0.5 * z + z * z * ((2.443_312_6e-5 * z - 1.388_731_6e-3) * z + 0.041_666_646);
    let quadrant = (sum.to_bits() as u32).wrapping_add(quarters);
    let y = if quadrant & 1 == 1 { cosine } else { sine };
    f32::from_bits(y.to_bits() ^ ((quadrant & 2) << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_are_right_for_angles_of_every_size() {
        let angles = (0..20_000).map(|i| (i as f32 - 10_000.0) * 0.37);
        let large = (-140..38).flat_map(|e| [1.0, -2.3].map(|m: f32| m * 10f32.powi(e)));
        let multiples = (1..2000).map(|n| (f64::from(n) * std::f64::consts::FRAC_PI_2) as f32);
        let x: Vec<f32> = angles.chain(large).chain(multiples).collect();
        for omega in [1.0, 30.0, -0.7] {
            let mut y = vec![0.0; x.len()];
            for (quarters, function) in [f64::sin, f64::cos].into_iter().enumerate() {
                sines(omega, quarters as u32, &x, &mut y);
                for (x, y) in x.iter().zip(&y) {
                    let right = function(f64::from(omega) * f64::from(*x));
                    let bound = 2.0 * right.abs() * f64::from(f32::EPSILON) + 1e-9;
                    assert!(
                        (f64::from(*y) - right).abs() <= bound,
                        "{omega} {x}: {y}, not {right}"
                    );
                }
            }
        }
        let mut y = [0.0; 3];
        sines(1.0, 0, &[f32::INFINITY, f32::NAN, 0.5], &mut y);
        assert!(y[0].is_nan() && y[1].is_nan() && (y[2] - 0.5f32.sin()).abs() < 1e-7, "{y:?}");
    }
}
