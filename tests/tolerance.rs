//! The comparison that every device test rests on, itself tested.

use crate::support;

use support::tolerance::{Tolerance, check, ulp};
use support::values;

#[test]
fn a_number_is_never_accepted_for_nan_nor_nan_for_a_number() {
    let generous = Tolerance::ulps(1e9).floor(1e9);
    assert!(!generous.accepts(f32::NAN, 1.0));
    assert!(!generous.accepts(1.0, f64::NAN));
    assert!(generous.accepts(f32::NAN, f64::NAN));
}

#[test]
fn infinity_is_accepted_only_where_the_reference_overflows() {
    let bound = Tolerance::ulps(4.0);
    assert!(bound.accepts(f32::INFINITY, f64::INFINITY));
    assert!(bound.accepts(f32::INFINITY, 1e39));
    assert!(!bound.accepts(f32::INFINITY, f64::NEG_INFINITY));
    assert!(!bound.accepts(f32::INFINITY, 3e38));
    assert!(!bound.accepts(f32::MAX, f64::INFINITY));
}

#[test]
fn the_bound_counts_units_in_the_last_place_of_the_reference() {
    let three_off = f32::from_bits(1.5f32.to_bits() + 3);
    assert!(Tolerance::ulps(3.0).accepts(three_off, 1.5));
    assert!(!Tolerance::ulps(2.9).accepts(three_off, 1.5));
    assert!(!Tolerance::ulps(0.0).accepts(three_off, 1.5));
    assert!(Tolerance::ulps(0.0).floor(1e-6).accepts(three_off, 1.5));
    assert_eq!(ulp(1.0), f64::from(f32::EPSILON));
    assert_eq!(ulp(-0.75), f64::from(f32::EPSILON) / 2.0);
    assert_eq!(ulp(0.0), f64::from(f32::from_bits(1)));
}

#[test]
fn a_subnormal_may_flush_to_zero_but_a_normal_number_may_not() {
    assert!(Tolerance::ulps(0.0).accepts(0.0, 1e-39));
    assert!(!Tolerance::ulps(1.0).accepts(0.0, 2e-38));
    assert!(Tolerance::ulps(1.0).flush_scale(10.0).accepts(0.0, 2e-38));
}

#[test]
fn empty_or_unequal_slices_are_refused() {
    let bound = |_| Tolerance::ulps(1.0);
    assert!(check("empty", &[], &[], &[], bound).is_err());
    assert!(check("short", &[1.0, 2.0], &[1.0], &[1.0], bound).is_err());
    assert!(check("long", &[1.0], &[1.0], &[1.0, 2.0], bound).is_err());
}

#[test]
fn one_wrong_value_among_many_fails_and_is_named() {
    let x = values::linear(10_000, 1.0, 2.0);
    let mut got = x.clone();
    got[77] += 1e-5;
    let want: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    let report = check("identity", &x, &got, &want, |_| Tolerance::ulps(4.0)).unwrap();
    assert_eq!((report.failures, report.count, report.worst_input), (1, 10_000, x[77]));
    assert!(report.worst_ulps > 80.0 && report.to_string().contains("1/10000 fail"), "{report}");
}

#[test]
fn the_value_sets_reach_both_ends_and_hold_no_accidental_non_finite_value() {
    let log = values::log_spaced(1 << 10);
    assert_eq!(log.len(), 1 << 10);
    assert!(log.iter().all(|x| x.is_normal()));
    assert!(log.iter().any(|x| *x > 2.9e38) && log.iter().any(|x| *x < -2.9e38));
    assert!(log.iter().any(|x| x.abs() < 1.3e-38));
    let linear = values::linear(101, -100.0, 100.0);
    assert_eq!((linear[0], linear[50], linear[100]), (-100.0, 0.0, 100.0));
    assert!(values::edges(&[0.5]).contains(&0.5f32.next_up()));
}
