//! Points of symmetry, where a gradient written down carelessly is 0 / 0: there is no direction, and the gradient is a
//! number on both engines.

use wgrad::__internal::spec::activation::ActivationKind;
use wgrad::__internal::spec::loss::TargetForm;
use wgrad::ir::LossInputs;
use wgrad::{Activation, Normalization, Reduce, Reduction};

use crate::support::losses::losses;
use crate::support::run::{Case, Outcome, gpu};

/// Three rows: of zeros, of equal numbers, of numbers that differ in sign.
const ROWS: [f32; 12] = [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 1.5, -1.5, 1.5, -1.5];
const SHAPE: [usize; 2] = [3, 4];

fn check(name: &str, outcome: &Outcome) {
    assert!(outcome.want.iter().all(|x| x.is_finite()), "{name}: {:?}", outcome.want);
    outcome.close(name, 16.0, 4e-6);
}

#[test]
fn the_largest_magnitude_of_zeros_has_no_gradient() {
    let mut case = Case::new("max_norm");
    let x = case.input(&SHAPE, &ROWS);
    let y = case.program.reduce("y", Reduce::MaxNorm, x, &[-1]).unwrap();
    let g = case.input(&[3], &[8.0; 3]);
    let dx = case.program.reduce_backward("dx", Reduce::MaxNorm, (x, y), g, &[-1]).unwrap();
    let outcome = case.run(gpu(), &[dx]).remove(0);
    // torch.linalg.vector_norm(x, inf, -1)
    let want = [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0, -2.0, 2.0, -2.0];
    assert_eq!(outcome.got, want);
    assert_eq!(outcome.want, want.map(f64::from));
}

#[test]
fn reductions_have_a_gradient_where_their_numbers_are_equal() {
    let gradients = Reduce::ALL.into_iter().filter(|f| {
        !matches!(f, Reduce::Argmax | Reduce::Argmin | Reduce::CountNan | Reduce::CountInf)
    });
    for f in gradients {
        for dims in [&[-1][..], &[0], &[]] {
            for x in [ROWS, [0.0; 12], [-0.0; 12], [1e-40; 12]] {
                let name = format!("{} along {dims:?} of {x:?}", f.name());
                let mut case = Case::new(&name);
                let x = case.input(&SHAPE, &x);
                let y = case.program.reduce("y", f, x, dims).unwrap();
                let ones = case.program.shape(y).unwrap();
                let g = case.program.fill("g", ones, 1.0);
                let dx = case.program.reduce_backward("dx", f, (x, y), g, dims).unwrap();
                let outcome = case.run(gpu(), &[dx]).remove(0);
                assert!(outcome.want.iter().all(|x| x.is_finite()), "{name}: {:?}", outcome.want);
                assert!(outcome.got.iter().all(|x| x.is_finite()), "{name}: {:?}", outcome.got);
            }
        }
    }
}

#[test]
fn a_log_of_a_sum_that_is_infinite_has_the_gradient_of_pytorch() {
    let (infinity, nan) = (f32::INFINITY, f32::NAN);
    let numbers =
        [[-infinity; 4], [infinity, 1.0, -infinity, infinity], [-infinity, 0.0, 0.0, 0.0]];
    let mut case = Case::new("logsumexp");
    let x = case.input(&SHAPE, &numbers.concat());
    let y = case.program.reduce("y", Reduce::Logsumexp, x, &[-1]).unwrap();
    let g = case.input(&[3], &[6.0; 3]);
    let dx = case.program.reduce_backward("dx", Reduce::Logsumexp, (x, y), g, &[-1]).unwrap();
    let [values, gradients] = &case.run(gpu(), &[y, dx])[..] else { panic!("two outputs") };
    assert_eq!(values.got[..2], [-infinity, infinity]);
    assert_eq!(values.want[..2], [f64::NEG_INFINITY, f64::INFINITY]);
    // torch.logsumexp(x, -1).backward(torch.full((3,), 6.0))
    let want = [[nan; 4], [nan, 0.0, 0.0, nan], [0.0, 2.0, 2.0, 2.0]].concat();
    for (place, want) in want.into_iter().enumerate() {
        let (got, reference) = (gradients.got[place], gradients.want[place]);
        let near = |x: f64| (x - f64::from(want)).abs() < 1e-5 || (x.is_nan() && want.is_nan());
        assert!(
            near(f64::from(got)) && near(reference),
            "{place}: {got} and {reference}, not {want}"
        );
    }
}

#[test]
fn a_nan_among_the_numbers_makes_the_gradient_of_the_largest_nan() {
    for f in [Reduce::Amax, Reduce::Amin, Reduce::MaxNorm] {
        let mut case = Case::new(f.name());
        let x = case.input(&[2, 2], &[1.0, f32::NAN, 1.0, 2.0]);
        let y = case.program.reduce("y", f, x, &[-1]).unwrap();
        let g = case.input(&[2], &[1.0; 2]);
        let dx = case.program.reduce_backward("dx", f, (x, y), g, &[-1]).unwrap();
        let Outcome { got, want } = case.run(gpu(), &[dx]).remove(0);
        let nan = |x: &[bool]| x == [true, true, false, false];
        assert!(nan(&got.iter().map(|x| x.is_nan()).collect::<Vec<_>>()), "{}: {got:?}", f.name());
        assert!(
            nan(&want.iter().map(|x| x.is_nan()).collect::<Vec<_>>()),
            "{}: {want:?}",
            f.name()
        );
    }
}

#[test]
fn losses_have_a_gradient_where_everything_is_equal() {
    for loss in losses().into_iter().filter(|loss| !loss.is_sequence()) {
        for form in loss.target_forms() {
            for at in [0.0, 0.5, 1.0] {
                let name = format!("{loss} {form:?} at {at}");
                let mut case = Case::new(&name);
                let equal = [at; 12];
                let inputs: Vec<_> =
                    (0..loss.inputs()).map(|_| case.input(&SHAPE, &equal)).collect();
                let target = match form {
                    TargetForm::Values => Some(case.input(&SHAPE, &equal)),
                    TargetForm::Number => Some(case.input(&[3], &[1.0, -1.0, 1.0])),
                    TargetForm::Class => Some(case.indices(&[3], &[0, 1, 2])),
                    TargetForm::ClassList => Some(case.indices(&SHAPE, &[0; 12])),
                    TargetForm::Nothing => None,
                };
                let inputs = LossInputs::of(&inputs, target);
                let slots = case.program.loss_of(loss, Reduction::Sum, inputs, true).unwrap().1;
                for Outcome { got, want } in case.run(gpu(), &slots) {
                    let near = got.iter().zip(&want).all(|(got, want)| {
                        let bound = 1e-5 * want.abs() + 4e-6;
                        want.is_finite() && (f64::from(*got) - want).abs() <= bound
                    });
                    assert!(near, "{name}: {got:?}, not {want:?}");
                }
            }
        }
    }
}

#[test]
fn activations_have_a_gradient_at_zero() {
    for f in Activation::all() {
        if f.is_random() || matches!(f.entry().kind, ActivationKind::Parametric(_)) {
            continue;
        }
        for f in [Some(f), f.with("b", 0.0).ok(), f.with("beta", 0.0).ok()].into_iter().flatten() {
            let name = f.to_string();
            let mut case = Case::new(&name);
            let x = case.input(&SHAPE, &ROWS);
            let y = case.program.activation("y", f, x).unwrap();
            let ones = case.program.shape(y).unwrap();
            let g = case.program.fill("g", ones, 1.0);
            let dx = case.program.activation_backward("dx", f, (x, y), g).unwrap();
            check(&name, &case.run(gpu(), &[dx])[0]);
        }
    }
}

#[test]
fn normalizations_have_a_gradient_where_a_line_is_constant() {
    for f in [Normalization::layer_norm(), Normalization::rms_norm(), Normalization::batch_norm()] {
        for x in [ROWS, [0.0; 12], [2.0; 12]] {
            let mut case = Case::new(f.name());
            let (x, g) = (case.input(&SHAPE, &x), case.input(&SHAPE, &ROWS));
            let dx = case.program.normalize_backward("dx", f, (x, None), g, None).unwrap();
            let Outcome { got, want } = case.run(gpu(), &[dx]).remove(0);
            let near = got.iter().zip(&want).all(|(got, want)| {
                want.is_finite() && (f64::from(*got) - want).abs() <= 1e-5 * want.abs() + 2e-3
            });
            assert!(near, "{}: {got:?}, not {want:?}", f.name());
        }
    }
}
