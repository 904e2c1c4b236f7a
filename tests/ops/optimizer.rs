//! Optimizers, penalties and clipping over tensors of odd sizes.

use wgrad::program::ParamInfo;
use wgrad::{Optimizer, Program};

use crate::support::run::{folding_gpu, gpu, normal};
use crate::support::weights::{Duel, Pair, param, worst};

const CONFIGURATIONS: [&str; 26] = [
    "sgd(lr=0.1)",
    "sgd(lr=0.01, momentum=0.9)",
    "sgd(lr=0.01, momentum=0.9, nesterov=1, weight_decay=0.1)",
    "sgd(lr=0.01, momentum=0.9, dampening=0.5, maximize=1)",
    "sgd(lr=0.1, weight_decay=0.1, decoupled=1)",
    "msgd(lr=0.01)",
    "adagrad",
    "adagrad(lr_decay=0.1)",
    "adagrad(weight_decay=0.1, maximize=1)",
    "adagrad(initial_accumulator_value=0.5, eps=0.001)",
    "rmsprop",
    "rmsprop(momentum=0.9, alpha=0.9)",
    "rmsprop(centered=1)",
    "rmsprop(centered=1, momentum=0.5, weight_decay=0.1)",
    "rmsprop(weight_decay=0.1, decoupled=1, maximize=1)",
    "adam",
    "adam(beta1=0.8, beta2=0.95, lr=0.01)",
    "adam(weight_decay=0.1)",
    "amsgrad(lr=0.01)",
    "adam(maximize=1, eps=0.001, beta1=0)",
    "adamw",
    "adamw(weight_decay=0.1, lr=0.01)",
    "adamw(amsgrad=1, beta1=0.95, beta2=0.98)",
    "adamw(decoupled=0, maximize=1)",
    "adamw(beta2=0.9, eps=0.000001)",
    "adamw(weight_decay=0)",
];

const STEPS: u64 = 100;

fn params() -> Vec<ParamInfo> {
    vec![
        param(&[1], 1.0, true),
        param(&[7, 13], 0.5, true),
        param(&[65], 1.0, false),
        param(&[0], 1.0, true),
        param(&[1000], 2.0, true),
        param(&[64], 0.0, true),
    ]
}

fn tensors(params: &[ParamInfo], seed: u64) -> Vec<Vec<f32>> {
    (seed..).zip(params).map(|(seed, param)| normal(seed, param.shape.len())).collect()
}

/// Random gradients, but sparse for one tensor and scaled by 1e-3 and 1e3 in turn for another.
fn gradients(params: &[ParamInfo], step: u64) -> Vec<Vec<f32>> {
    let mut grads = tensors(params, 1000 + 10 * step);
    grads[1].iter_mut().enumerate().filter(|(i, _)| i % 5 != 0).for_each(|(_, g)| *g = 0.0);
    let scale = if step.is_multiple_of(2) { 1e-3 } else { 1e3 };
    grads[2].iter_mut().for_each(|g| *g *= scale);
    grads
}

/// Fails unless every parameter is near the reference, relative to max(|p|, |p - p0|).
fn check_params(name: &str, start: &[Vec<f32>], pairs: &[Pair], bound: f64) -> f64 {
    let errors = pairs.iter().zip(start).map(|(pair, start)| {
        worst(pair, |i| pair.want[i].abs().max((pair.want[i] - f64::from(start[i])).abs()))
    });
    let error = errors.fold(0.0, f64::max);
    assert!(error <= bound, "{name}: parameters are off by {error:e}, over {bound:e}");
    error
}

fn run(name: &str) -> usize {
    let optimizer: Optimizer = name.parse().unwrap();
    let params = params();
    let start = tensors(&params, 1);
    let mut program = Program::new(name, params.clone());
    program.update(optimizer).unwrap();
    program.record(&[]).unwrap();
    let mut duel = Duel::new(gpu(), program, optimizer, &start);
    let states = optimizer.states().len();
    let mut first = 0.0;
    for step in 0..STEPS {
        duel.step(&gradients(&params, step));
        if step == 0 {
            first = check_params(&format!("{name} after 1 step"), &start, &duel.params(), 1e-5);
        }
    }
    let last = check_params(&format!("{name} after 100"), &start, &duel.params(), 1e-4);
    let state_error = duel.state_error();
    assert!(state_error <= 1e-5, "{name}: state is off by {state_error:e}");
    println!("{name}: {first:.1e} after 1 step, {last:.1e} after 100, state {state_error:.1e}");
    (2 + states) * start.iter().map(Vec::len).sum::<usize>()
}

#[test]
fn every_optimizer_follows_the_reference_for_100_steps() {
    for entry in Optimizer::all() {
        let of_entry = |name: &&&str| name.parse::<Optimizer>().unwrap().name() == entry.name();
        let count = CONFIGURATIONS.iter().filter(of_entry).count();
        assert!(count >= 4, "{entry} has {count} configurations");
    }
    let checks: usize = CONFIGURATIONS.iter().map(|name| run(name)).sum();
    println!("{checks} values");
}

fn penalized() -> Vec<ParamInfo> {
    let penalties = [(0.0, 0.0), (0.01, 0.0), (0.0, 0.02), (0.03, 0.04)];
    let sizes = [65, 64, 1000, 3];
    let tensor = |(len, (l1, l2))| ParamInfo { l1, l2, ..param(&[len], 1.0, true) };
    sizes.into_iter().zip(penalties).map(tensor).collect()
}

#[test]
fn penalties_and_clipping_change_the_gradients_as_on_the_reference() {
    let mut checks = 0;
    let optimizer = Optimizer::sgd();
    for (gpu, limit, max) in [
        (gpu(), None, None),
        (gpu(), Some(0.5), None),
        (gpu(), None, Some(1.0)),
        (gpu(), None, Some(1e6)),
        (folding_gpu(), Some(0.7), Some(3.0)),
    ] {
        let params = penalized();
        let mut program = Program::new("clip", params.clone());
        let mut figures = vec![program.penalty(true)];
        if let Some(limit) = limit {
            program.clip_value(limit).unwrap();
        }
        if let Some(max) = max {
            figures.push(program.clip_norm(max).unwrap());
        }
        program.record(&figures).unwrap();
        let mut start = tensors(&params, 7);
        start[1][0] = 0.0;
        let mut duel = Duel::new(gpu, program, optimizer, &start);
        duel.step(&tensors(&params, 20));
        for pair in duel.grads() {
            // The sum of gradient and slope may cancel; both are about 1.
            let error = worst(&pair, |i| pair.want[i].abs().max(1e-2));
            assert!(error <= 1e-6, "{limit:?} {max:?}: gradients are off by {error:e}");
            checks += pair.want.len();
        }
        let (got, want) = duel.figures();
        for (got, want) in got.iter().zip(&want) {
            let error = ((got - want) / want).abs();
            assert!(error <= 1e-6, "{limit:?} {max:?}: {got} instead of {want}");
            checks += 1;
        }
    }
    println!("{checks} values");
}
