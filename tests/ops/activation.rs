//! Elementwise activations over the number line.

use wgrad::__internal::spec::activation::{self, ActivationKind, ElementwiseKind, Order, Saves};
use wgrad::Activation;

use crate::support::measured;
use crate::support::run::{Case, Outcome, count, gpu, normal};
use crate::support::tolerance::{Report, Tolerance, check};
use crate::support::values;

/// Every elementwise activation with its default parameters, and with others if it has any.
fn maps() -> Vec<(Activation, &'static ElementwiseKind)> {
    let mut cases = Vec::new();
    for f in Activation::all() {
        let ActivationKind::Elementwise(map) = &f.entry().kind else { continue };
        cases.push((f, map));
        if let Some(param) = f.entry().params.first() {
            // Exact in `f32`, so that both engines have the same.
            let other = f64::from((2.0 * param.example() + 0.5) as f32);
            cases.extend(f.with(param.name, other).map(|f| (f, map)));
        }
    }
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    cases
}

fn inputs(f: &Activation, map: &ElementwiseKind, bound: &activation::Tolerance) -> Vec<f32> {
    let kinks: Vec<f32> = (map.kinks)(f.values()).iter().map(|&kink| kink as f32).collect();
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
fn assert_all(derivative: usize, reports: &[(Activation, Report)]) {
    // An op's first report is that of its defaults.
    let mut errors: Vec<(String, f64)> = Vec::new();
    for (f, report) in reports {
        if errors.iter().all(|(op, _)| op != f.name()) {
            errors.push((f.name().to_string(), report.worst_ulps));
        }
    }
    measured::note(&gpu().info().name, derivative, &errors);
    let reports: Vec<&Report> = reports.iter().map(|(_, report)| report).collect();
    reports.iter().for_each(|report| println!("{report}"));
    println!("{} values", reports.iter().map(|report| report.count).sum::<usize>());
    let wrong: Vec<String> = reports
        .iter()
        .filter(|report| report.failures > 0)
        .map(|report| report.to_string())
        .collect();
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
        reports.push((f, report));
    }
    assert_all(0, &reports);
}

/// The derivative of an order on the device against the reference.
fn derivative(
    f: Activation,
    map: &ElementwiseKind,
    bound: &activation::Tolerance,
    order: Order,
) -> Report {
    let mut saved = inputs(&f, map, bound);
    if map.saves == Saves::Output {
        // Only values that the function can give.
        f.forward(1, &saved.clone(), &mut saved);
    }
    // A device may take a subnormal for 0, where this derivative jumps.
    saved.retain(|x| !(x.is_subnormal() && (map.kinks)(f.values()).contains(&0.0)));
    let mut case = Case::new(&f.to_string());
    let slot = case.input(&[saved.len()], &saved);
    // Powers of two, so that the product with the derivative is exact.
    let g: Vec<f32> = (0..saved.len()).map(|i| [1.0, -1.0, 0.5][i % 3]).collect();
    let upstream = case.input(&[saved.len()], &g);
    let out = match order {
        Order::First => case.program.activation_backward("dx", f, (slot, slot), upstream),
        Order::Second => case.program.activation_second("dx", f, (slot, slot), upstream),
    };
    let outcome = &case.run(gpu(), &[out.unwrap()])[0];
    compare(&format!("{f} {order:?}"), &f, bound, &saved, outcome)
}

#[test]
fn every_derivative_of_an_elementwise_activation_is_within_its_bound() {
    let first = |(f, map): (Activation, &ElementwiseKind)| {
        (f, derivative(f, map, &map.derivative, Order::First))
    };
    assert_all(1, &maps().into_iter().map(first).collect::<Vec<_>>());
}

#[test]
fn every_second_derivative_is_within_its_bound() {
    let second = |(f, map): (Activation, &ElementwiseKind)| {
        map.second.as_ref().map(|second| (f, derivative(f, map, &second.bound, Order::Second)))
    };
    let reports: Vec<(Activation, Report)> = maps().into_iter().filter_map(second).collect();
    assert!(reports.len() >= 12, "only {}", reports.len());
    assert_all(2, &reports);
}

/// The reference's value or derivative at one point.
fn at(f: &Activation, x: f64, derivative: bool) -> f64 {
    let mut y = [0.0];
    f.forward(1, &[x], &mut y);
    if derivative {
        let saved = if f.saves() == Saves::Output { y } else { [x] };
        f.backward(1, &saved, &[1.0], &mut y);
    }
    y[0]
}

#[test]
fn at_infinity_every_activation_has_its_limit_and_nan_stays_nan() {
    let mut checks = 0;
    for (f, map) in maps() {
        assert!(at(&f, f64::NAN, false).is_nan(), "{f}");
        if map.forward.domain == f64::INFINITY {
            for x in [f64::INFINITY, f64::NEG_INFINITY] {
                let (value, near) = (at(&f, x, false), at(&f, x.signum() * 1e30, false));
                let same = value == near
                    || (value.is_infinite() && near.abs() > 1e9 && value * near > 0.0);
                assert!(same || (value - near).abs() < 1e-6, "{f}({x}) = {value}, {near} before");
                let (value, near) = (at(&f, x, true), at(&f, x.signum() * 1e30, true));
                let same = value == near
                    || (value.is_infinite() && near.abs() > 1e9 && value * near > 0.0);
                assert!(same || (value - near).abs() < 1e-6, "{f}'({x}) = {value}, {near} before");
                checks += 2;
            }
        }
    }
    assert!(checks >= 150, "{checks}");
}

#[test]
fn in_place_gives_the_bits_that_out_of_place_gives() {
    let mut count = 0;
    for f in Activation::all() {
        let mut case = Case::new(&f.to_string());
        let x = case.input(&[3, 70], &normal(1, 210));
        if f.saves() != Saves::Output {
            let refused = case.program.activation_in_place(f, x).map_err(|error| error.to_string());
            assert!(refused.unwrap_err().contains(f.name()));
            continue;
        }
        let y = case.program.activation("y", f, x).unwrap();
        let copy = case.program.activation("copy", Activation::identity(), x).unwrap();
        case.program.activation_in_place(f, copy).unwrap();
        let outcomes = case.run(gpu(), &[y, copy]);
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&outcomes[0].got), bits(&outcomes[1].got), "{f}");
        assert_eq!(outcomes[0].want, outcomes[1].want, "{f}");
        count += 1;
    }
    assert!(count >= 12, "only {count}");
}
