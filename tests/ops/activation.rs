//! Elementwise activations over the number line.

use wgrad::Activation;
use wgrad::spec::activation::{self, ActivationKind, MapKind, Saves};

use crate::support::run::{Case, Outcome, count, gpu};
use crate::support::tolerance::{Report, Tolerance, check};
use crate::support::values;

/// Every elementwise activation with its default parameters, and with others if it has any.
fn maps() -> Vec<(Activation, &'static MapKind)> {
    let mut cases = Vec::new();
    for f in Activation::all() {
        let ActivationKind::Map(map) = &f.entry().kind else { continue };
        cases.push((f, map));
        if let Some(param) = f.entry().params.first() {
            // Exact in `f32`, so that both engines have the same.
            let other = f64::from((2.0 * param.example() + 0.5) as f32);
            cases.push((f.with(param.name, other).unwrap(), map));
        }
    }
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    cases
}

fn inputs(f: &Activation, map: &MapKind, bound: &activation::Tolerance) -> Vec<f32> {
    let kinks: Vec<f32> = map.kinks.iter().map(|&kink| kink as f32).collect();
    let mut x = values::standard(count(1 << 17, 1 << 20), &kinks);
    let scale = f.get("omega").unwrap_or(1.0);
    x.retain(|x| !x.is_finite() || (scale * f64::from(*x)).abs() <= bound.domain);
    if bound.ulps > 0.0 {
        // A threshold that is itself rounded decides its own neighbours either way.
        x.retain(|x| kinks.iter().all(|kink| x == kink || (x - kink).abs() > 2e-7 * kink.abs()));
    }
    x
}

/// The entry's bound, with what flushing a subnormal factor to 0 can cost.
fn compare(
    name: &str,
    f: &Activation,
    bound: &activation::Tolerance,
    x: &[f32],
    outcome: &Outcome,
) -> Report {
    let scale = f.get("beta").or(f.get("omega")).unwrap_or(1.0);
    let bound = |x: f32| {
        let x = f64::from(x);
        // Where a derivative crosses zero, and nowhere else: in the tails the floor would be the only guard.
        let floor = if x.abs() < 4.0 { bound.floor } else { 0.0 };
        let ulps = Tolerance::ulps(bound.at(f.values(), x)).floor(floor);
        ulps.flush_scale(4.0 * (scale * x).powi(2).clamp(1.0, 1024.0))
    };
    check(name, x, &outcome.got, &outcome.want, bound).unwrap()
}

/// Prints every report, then fails with those that found something.
fn assert_all(reports: &[Report]) {
    reports.iter().for_each(|report| println!("{report}"));
    println!("{} values", reports.iter().map(|report| report.count).sum::<usize>());
    let wrong: Vec<String> =
        reports.iter().filter(|report| report.failures > 0).map(Report::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_elementwise_activation_is_within_its_bound_of_the_reference() {
    let mut reports = Vec::new();
    for (f, map) in maps() {
        let x = inputs(&f, map, &map.forward);
        let mut case = Case::new(&f.to_string());
        let slot = case.input(&[x.len()], &x);
        let y = case.program.activation("y", f, slot).unwrap();
        let outcome = &case.run(gpu(), &[y])[0];
        let report = compare(&format!("{f} forward"), &f, &map.forward, &x, outcome);
        reports.push(report);
    }
    assert_all(&reports);
}

#[test]
fn every_derivative_of_an_elementwise_activation_is_within_its_bound() {
    let mut reports = Vec::new();
    for (f, map) in maps() {
        let mut saved = inputs(&f, map, &map.derivative);
        if map.saves == Saves::Output {
            // Only values that the function can give.
            f.forward(1, &saved.clone(), &mut saved);
        }
        // A device may take a subnormal for 0, where this derivative jumps.
        saved.retain(|x| !(x.is_subnormal() && map.kinks.contains(&0.0)));
        let mut case = Case::new(&f.to_string());
        let slot = case.input(&[saved.len()], &saved);
        // Powers of two, so that the product with the derivative is exact.
        let g: Vec<f32> = (0..saved.len()).map(|i| [1.0, -1.0, 0.5][i % 3]).collect();
        let upstream = case.input(&[saved.len()], &g);
        let out = case.program.activation_backward("dx", f, (slot, slot), upstream).unwrap();
        let outcome = &case.run(gpu(), &[out])[0];
        let report = compare(&format!("{f} backward"), &f, &map.derivative, &saved, outcome);
        reports.push(report);
    }
    assert_all(&reports);
}
