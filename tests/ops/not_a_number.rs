//! A NaN stays one and stays where it belongs: every op of every registry on both engines, one operand holding one NaN.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wgrad::__internal::spec::activation::ActivationKind;
use wgrad::__internal::spec::loss::LossKind;
use wgrad::__internal::spec::norm::NormalizationKind;
use wgrad::__internal::spec::optimizer::Takes;
use wgrad::ir::{DType, ParamInfo, Slot};
use wgrad::random::{Key, Stream};
use wgrad::{
    Activation, Arithmetic, Loss, Normalization, Optimizer, Program, Reduce, Reduction, Shape,
};

use super::optimizer::configurations;
use crate::support::losses::{Target, Trial, losses, trials};
use crate::support::run::{Case, Outcome, featured_gpu, gpu, normal};
use crate::support::weights::{Comparison, Pair, param};

/// Checks every item; what fails is shown by its own message, and then all of it fails.
pub fn each<T>(items: impl IntoIterator<Item = T>, check: impl Fn(T)) {
    let fails = |item| catch_unwind(AssertUnwindSafe(|| check(item))).is_err();
    let failed = items.into_iter().map(fails).filter(|failed| *failed).count();
    assert_eq!(failed, 0, "so many failed");
}

/// Where both engines have a NaN; fails if one of them has it alone.
fn nan_places(name: &str, got: &[f32], want: &[f64]) -> Vec<usize> {
    assert_eq!(got.len(), want.len(), "{name}");
    let both = got.iter().zip(want).enumerate();
    both.filter(|(i, (got, want))| {
        assert_eq!(got.is_nan(), want.is_nan(), "{name}: element {i} is {got}, not {want}");
        got.is_nan()
    })
    .map(|(i, _)| i)
    .collect()
}

/// The same; fails also if anything else is not what it is without the NaN.
fn spread(name: &str, clean: &Outcome, broken: &Outcome) -> Vec<usize> {
    spread_beside(name, 0..0, clean, broken)
}

/// The same, but for some places, where other numbers than without the NaN may be.
fn spread_beside(name: &str, own: Range<usize>, clean: &Outcome, broken: &Outcome) -> Vec<usize> {
    let places = nan_places(name, &broken.got, &broken.want);
    for i in own.clone().filter(|i| !places.contains(i)) {
        let (got, want) = (f64::from(broken.got[i]), broken.want[i]);
        assert!((got - want).abs() < 1e-4, "{name}: element {i} is {got}, not {want}");
    }
    for i in (0..broken.got.len()).filter(|i| !places.contains(i) && !own.contains(i)) {
        let bits = [&clean.got, &broken.got].map(|x| x[i].to_bits());
        assert_eq!(bits[0], bits[1], "{name}: element {i} was {}", clean.got[i]);
        assert_eq!(clean.want[i], broken.want[i], "{name}: element {i}");
    }
    places
}

fn broken(data: &[f32], place: usize) -> Vec<f32> {
    let mut data = data.to_vec();
    data[place] = f32::NAN;
    data
}

const ROWS: usize = 5;

/// A trial with a NaN in one operand, and the row it is in: each prediction, then the target.
fn broken_trials(trial: &Trial, cols: usize) -> Vec<(Trial, usize)> {
    let mut all = Vec::new();
    for input in 0..trial.predictions.len() {
        // Also in the first and the last column, and in that of a row's class.
        for place in [2 * cols + 1, 0, ROWS * cols - 1, cols + 7 % cols] {
            let mut own = trial.clone();
            own.predictions[input] = broken(&own.predictions[input], place);
            all.push((own, place));
        }
    }
    match &trial.target {
        Target::Values(values) => {
            let place = 3 * cols + 2;
            all.push((
                Trial { target: Target::Values(broken(values, place)), ..trial.clone() },
                place,
            ));
        }
        Target::Number(values) => {
            let target = Target::Number(broken(values, 3));
            all.push((Trial { target, ..trial.clone() }, 3 * cols));
        }
        Target::Indices(..) | Target::Nothing => {}
    }
    all
}

fn check_loss(trial: &Trial, cols: usize) -> usize {
    let mut case = Case::new(&trial.name(Reduction::None));
    let mut outputs = Vec::new();
    let mut add = |trial: &Trial, reduction| {
        let (value, gradients) = trial.build(&mut case, reduction);
        outputs.extend([vec![value], gradients].concat());
    };
    let cases = broken_trials(trial, cols);
    add(trial, Reduction::None);
    for (broken, _) in &cases {
        add(broken, Reduction::None);
        add(broken, Reduction::Mean);
    }
    let mut checks = 0;
    let group = 1 + trial.predictions.len();
    let outcomes = case.run(gpu(), &outputs);
    let (clean, all) = outcomes.split_at(group);
    for ((broken, place), outcomes) in cases.iter().zip(all.chunks(2 * group)) {
        let name = format!("{}, NaN at {place}", broken.name(Reduction::None));
        let (row, inside) = (place / cols, place / cols * cols..place / cols * cols + cols);
        let (term, slopes) = match broken.loss.is_row_wise() {
            true => (row, inside.collect()),
            false => (*place, vec![*place]),
        };
        assert_eq!(spread(&name, &clean[0], &outcomes[0]), [term], "{name}: the terms");
        for (clean, gradient) in clean.iter().zip(outcomes).take(group).skip(1) {
            assert_eq!(spread(&name, clean, gradient), slopes, "{name}: the gradient");
        }
        let mean = &outcomes[group];
        assert_eq!(nan_places(&name, &mean.got, &mean.want), [0], "{name}: the mean");
        checks += outcomes.iter().map(|outcome| outcome.got.len()).sum::<usize>();
    }
    checks
}

#[test]
fn a_nan_that_a_loss_takes_is_one_in_its_element_or_row_and_nowhere_else() {
    let mut checks = 0;
    for (loss, cols) in losses().into_iter().flat_map(|loss| [7, 8].map(|cols| (loss, cols))) {
        for trial in trials(loss, &[ROWS, cols], false) {
            checks += check_loss(&trial, cols);
        }
    }
    println!("{checks} values");
}

/// Rows shared by one lane, a subgroup and a workgroup.
#[test]
fn a_nan_reaches_all_lanes_of_a_row() {
    let wide = |loss: &Loss| matches!(loss.entry().kind, LossKind::Row(_));
    for (loss, cols) in Loss::all().filter(wide).flat_map(|loss| [33, 1024].map(|c| (loss, c))) {
        for trial in trials(loss, &[3, cols], false) {
            let mut own = trial.clone();
            own.predictions[0] = broken(&trial.predictions[0], 2 * cols - 1);
            for gpu in [gpu(), featured_gpu()] {
                let mut case = Case::new(&trial.name(Reduction::None));
                let (clean, _) = trial.build(&mut case, Reduction::None);
                let (value, gradients) = own.build(&mut case, Reduction::None);
                let outcomes = case.run(gpu, &[clean, value, gradients[0]]);
                let name = format!("{loss} of {cols} columns");
                assert_eq!(spread(&name, &outcomes[0], &outcomes[1]), [1], "{name}");
                let places = nan_places(&name, &outcomes[2].got, &outcomes[2].want);
                assert_eq!(places, (cols..2 * cols).collect::<Vec<_>>(), "{name}");
            }
        }
    }
}

const COLS: usize = 12;
const PLACE: usize = COLS + 2;

/// Forward and backward of an activation, random ones as while training.
fn activation(case: &mut Case, f: Activation, x: &[f32], g: Option<&[f32]>) -> Vec<Slot> {
    let key = Key([3, 5]);
    let x = case.input(&[4, COLS], x);
    let weight = f.initial_weights(COLS).map(|weight| {
        let weight: Vec<f32> = weight.into_iter().map(|w| w as f32).collect();
        case.input(&[weight.len()], &weight)
    });
    let y = match weight {
        Some(weight) => case.program.parametric("y", f, x, weight),
        None => case.program.activation_in_training("y", f, key, x),
    };
    let y = y.unwrap();
    let out = case.program.shape(y).unwrap();
    let ones = vec![1.0; out.len()];
    let g = case.input(&out.to_vec(), g.unwrap_or(&ones));
    let dx = match weight {
        Some(weight) => {
            let len = case.program.shape(weight).unwrap();
            let by_weight = case.program.fill("d weight", len, 0.0);
            case.program.parametric_backward("dx", f, (x, weight), g, by_weight)
        }
        None => case.program.activation_in_training_backward("dx", f, key, (x, y), g),
    };
    vec![y, dx.unwrap()]
}

#[test]
fn a_nan_that_an_activation_takes_is_one_in_its_element_or_row_on_both_engines() {
    let row: Range<usize> = COLS..2 * COLS;
    each(Activation::all(), |f| {
        let name = f.to_string();
        let x = normal(1, 4 * COLS);
        let mut case = Case::new(&name);
        let mut outputs = activation(&mut case, f, &x, None);
        outputs.extend(activation(&mut case, f, &broken(&x, PLACE), None));
        let outcomes = case.run(gpu(), &outputs);
        let forward = spread(&format!("{name} forward"), &outcomes[0], &outcomes[2]);
        match &f.entry().kind {
            ActivationKind::Row(_) => assert_eq!(forward, row.clone().collect::<Vec<_>>(), "{f}"),
            ActivationKind::AxisResize(_) => {
                assert!(!forward.is_empty() && forward.len() <= 2, "{f}: {forward:?}");
            }
            _ => assert_eq!(forward, [PLACE], "{f}"),
        }
        let name = format!("{name} backward");
        let backward = spread_beside(&name, row.clone(), &outcomes[1], &outcomes[3]);
        assert!(backward.iter().all(|place| row.contains(place)), "{f}: {backward:?}");
    });
}

#[test]
fn a_nan_from_upstream_goes_through_every_activation_with_a_slope() {
    each(Activation::all().filter(|f| f.name() != "step"), |f| {
        let name = f.to_string();
        let x = normal(1, 4 * COLS);
        let mut case = Case::new(&name);
        let clean = activation(&mut case, f, &x, None);
        let len = case.program.shape(clean[0]).unwrap().len();
        let g = broken(&vec![1.0; len], len / 4 + 2);
        let outputs = [clean, activation(&mut case, f, &x, Some(&g))].concat();
        let outcomes = case.run(gpu(), &outputs);
        let backward = spread(&name, &outcomes[1], &outcomes[3]);
        assert!(backward.iter().all(|place| (COLS..2 * COLS).contains(place)), "{f}");
        // Some pass on a part of what comes from upstream, or nothing.
        let chooses = matches!(f.name(), "hardmax" | "sparsemax" | "crelu" | "maxout" | "dropout");
        assert!(chooses || !backward.is_empty(), "{f}");
    });
}

fn tensors() -> Vec<ParamInfo> {
    vec![param(&[7, 13], 1.0, true), param(&[66], 1.0, true), param(&[5], 1.0, true)]
}

fn data(seed: u64) -> Vec<Vec<f32>> {
    (seed..).zip(tensors()).map(|(seed, param)| normal(seed, param.shape.len())).collect()
}

/// The parameters after two steps and after three, with a NaN in the second's gradient or loss.
fn updates(optimizer: Optimizer, gradient: Option<(usize, usize)>, loss: f32) -> [Vec<Pair>; 2] {
    let mut program = Program::new(optimizer.name(), tensors());
    let y = program.input("y", Shape::new(&[1]).unwrap(), DType::F32);
    let zero = program.input("zero", Shape::new(&[1]).unwrap(), DType::F32);
    let (value, _) = program.loss(Loss::mse(), Reduction::Sum, (y, zero), false).unwrap();
    program.update(optimizer, Some(value), Key::new(3, Stream::Optimizer)).unwrap();
    program.record(&[value]).unwrap();
    let mut duel = Comparison::new(gpu(), program, optimizer, &data(1));
    duel.input(zero, &[0.0]);
    let mut step = |seed, y_value: f32, place: Option<(usize, usize)>| {
        let mut grads = data(seed);
        place.into_iter().for_each(|(tensor, i)| grads[tensor][i] = f32::NAN);
        duel.input(y, &[y_value]);
        duel.step(&grads);
        duel.params()
    };
    step(10, 1.0, None);
    [step(20, loss, gradient), step(30, 1.0, None)]
}

#[test]
fn a_nan_gradient_is_a_nan_parameter_in_every_optimizer() {
    each(configurations(), |name| {
        let optimizer: Optimizer = name.parse().unwrap();
        let clean = updates(optimizer, None, 2.0);
        for (tensor, place) in [(0, 20), (1, 65), (2, 0)] {
            let broken = updates(optimizer, Some((tensor, place)), 2.0);
            for (number, (clean, broken)) in clean.iter().zip(&broken).enumerate() {
                for (own, (clean, broken)) in clean.iter().zip(broken).enumerate() {
                    let name = format!("{name}, tensor {own}, {number} steps later");
                    let places = nan_places(&name, &broken.got, &broken.want);
                    assert_eq!(places.contains(&place) && own == tensor, own == tensor, "{name}");
                    let takes = optimizer.entry().kind.takes;
                    if matches!(
                        takes,
                        Takes::Element | Takes::Noise | Takes::Tensor { norms: false }
                    ) {
                        let wanted = if own == tensor { vec![place] } else { vec![] };
                        assert_eq!(places, wanted, "{name}");
                        let same = |i: usize| clean.got[i] == broken.got[i] || places.contains(&i);
                        assert!((0..broken.got.len()).all(same), "{name}");
                    }
                }
            }
        }
    });
}

#[test]
fn a_nan_loss_does_the_same_to_an_optimizer_on_both_engines() {
    for optimizer in Optimizer::all().filter(Optimizer::takes_loss) {
        for (number, pairs) in updates(optimizer, None, f32::NAN).iter().enumerate() {
            for pair in pairs {
                let name = format!("{optimizer}, {number} steps later");
                assert_eq!(
                    nan_places(&name, &pair.got, &pair.want).len(),
                    pair.got.len(),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_network_of_one_parameter_takes_a_nan_too() {
    for optimizer in Optimizer::all() {
        let mut program = Program::new("one", vec![param(&[1], 1.0, true)]);
        let y = program.input("y", Shape::new(&[1]).unwrap(), DType::F32);
        let (value, _) = program.loss(Loss::mse(), Reduction::Sum, (y, y), false).unwrap();
        program.update(optimizer, Some(value), Key::new(3, Stream::Optimizer)).unwrap();
        let mut duel = Comparison::new(gpu(), program, optimizer, &[vec![1.0]]);
        duel.step(&[vec![f32::NAN]]);
        let pair = &duel.params()[0];
        assert_eq!(nan_places(&optimizer.to_string(), &pair.got, &pair.want), [0], "{optimizer}");
    }
}

/// What becomes of gradients with one NaN.
fn transformed(add: impl Fn(&mut Program)) -> Vec<Vec<usize>> {
    let mut program = Program::new("transforms", tensors());
    add(&mut program);
    let mut duel = Comparison::new(gpu(), program, Optimizer::sgd(), &data(1));
    let mut grads = data(10);
    grads[1][40] = f32::NAN;
    duel.step(&grads);
    duel.grads().iter().map(|pair| nan_places("transform", &pair.got, &pair.want)).collect()
}

#[test]
fn clipping_and_penalties_keep_a_nan_gradient_where_it_is() {
    let own = [vec![], vec![40], vec![]];
    assert_eq!(transformed(|p| p.clip_value(0.5).unwrap()), own);
    assert_eq!(transformed(|p| p.clip_each(0.5).unwrap()), own);
    let clip = |p: &mut Program| assert!(p.clip_norm(0.5).is_ok());
    assert_eq!(transformed(clip), own);
    let penalize = |p: &mut Program| {
        p.penalty(true);
    };
    assert_eq!(transformed(penalize), own);
}

#[test]
fn a_nan_is_reduced_combined_and_normalized_alike_on_both_engines() {
    let x = normal(1, 4 * COLS);
    let mut case = Case::new("the rest");
    let slot = case.input(&[4, COLS], &broken(&x, PLACE));
    let other = case.input(&[4, COLS], &normal(2, 4 * COLS));
    let g = case.input(&[4], &[1.0; 4]);
    let p = &mut case.program;
    // The values, and the gradients, of which some have no NaN.
    let (mut outputs, mut gradients) = (Vec::new(), Vec::new());
    for f in Reduce::ALL.into_iter().filter(|f| !f.gives_indices()) {
        let y = p.reduce("y", f, slot, &[1]).unwrap();
        outputs.push((f.name(), y));
        let dx = p.reduce_backward("dx", f, (slot, y), g, &[1]);
        gradients.extend(dx.map(|dx| (f.name(), dx)));
    }
    for f in Arithmetic::ALL {
        outputs.push((f.name(), p.arithmetic("y", f, slot, other).unwrap()));
        let grads = p.arithmetic_backward("dx", f, (slot, other), slot).unwrap();
        gradients.extend(grads.map(|grad| (f.name(), p.copy("own", grad).unwrap())));
    }
    for kind in NormalizationKind::ALL {
        let (f, name) = match kind {
            NormalizationKind::LayerNorm => (Normalization::layer_norm(), "layer_norm"),
            NormalizationKind::RmsNorm => (Normalization::rms_norm(), "rms_norm"),
            NormalizationKind::BatchNorm => (Normalization::batch_norm(), "batch_norm"),
        };
        outputs.push((name, p.normalize("y", f, slot, None, None).unwrap()));
        for operands in [(slot, other), (other, slot)] {
            let dx = p.normalize_backward("dx", f, (operands.0, None), operands.1, None);
            gradients.push((name, dx.unwrap()));
        }
    }
    let values = outputs.len();
    outputs.extend(gradients);
    let slots: Vec<Slot> = outputs.iter().map(|(_, slot)| *slot).collect();
    let all = outputs.iter().zip(case.run(gpu(), &slots)).enumerate();
    each(all, |(number, ((name, _), outcome))| {
        let places = nan_places(name, &outcome.got, &outcome.want);
        let free = number >= values || name.starts_with("count");
        assert!(free || !places.is_empty(), "{name}");
    });
}

#[test]
fn long_rows_with_a_nan_do_not_stop_the_reference() {
    for cols in [21, 64, 1000] {
        for f in Activation::all().filter(|f| f.dim().is_some() && !f.is_random()) {
            let mut x: Vec<f64> = normal(1, cols).into_iter().map(f64::from).collect();
            x.iter_mut().step_by(3).for_each(|x| *x = f64::NAN);
            let Ok(len) = f.output_len(cols) else { continue };
            let mut y = vec![0.0; len];
            f.forward(cols, &x, &mut y);
            assert!(y.iter().any(|y| y.is_nan()), "{f} of {cols}");
        }
    }
}

#[test]
fn an_infinite_score_has_no_sparsemax() {
    let mut case = Case::new("sparsemax");
    let x = case.input(&[1, 4], &[0.5, f32::INFINITY, -0.25, 0.125]);
    let y = case.program.activation("y", Activation::sparsemax(), x).unwrap();
    let Outcome { got, want } = &case.run(gpu(), &[y])[0];
    assert!(got.iter().all(|y| y.is_nan()), "{got:?}");
    assert!(want.iter().all(|y| y.is_nan()), "{want:?}");
}
