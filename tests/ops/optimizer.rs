//! Optimizers, penalties and clipping over tensors of odd sizes.

use wgrad::ir::{DType, ParamInfo};
use wgrad::random::{Key, Stream};
use wgrad::{Loss, Optimizer, Program, Reduction, Shape};

use crate::support::options::changed;
use crate::support::run::{folding_gpu, gpu, gpus, normal};
use crate::support::weights::{Comparison, Pair, bounds, param, worst};

/// Optimizers that are not among them are tried with each parameter changed in turn.
const LISTED: &[&str] = &[
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
    "adadelta",
    "adadelta(rho=0.95, eps=0.0001)",
    "adadelta(lr=0.5, weight_decay=0.1)",
    "adadelta(maximize=1)",
    "adamax",
    "adamax(beta1=0.8, beta2=0.95)",
    "adamax(weight_decay=0.1, lr=0.01)",
    "adamax(maximize=1)",
    "adamaxw",
    "adamaxw(weight_decay=0.1)",
    "adamaxw(beta1=0.5, lr=0.01)",
    "adamaxw(maximize=1, decoupled=0)",
    "nadam",
    "nadam(momentum_decay=0.1)",
    "nadam(weight_decay=0.1, lr=0.01)",
    "nadam(weight_decay=0.1, decoupled=1, maximize=1)",
    "nadamw",
    "nadamw(weight_decay=0.1)",
    "nadamw(beta1=0.8, beta2=0.95, lr=0.01)",
    "nadamw(maximize=1)",
    "radam",
    "radam(beta2=0.9, lr=0.01)",
    "radam(weight_decay=0.1)",
    "radam(weight_decay=0.1, decoupled=1, maximize=1)",
    "rprop",
    "rprop(eta_minus=0.3, eta_plus=1.5)",
    "rprop(step_min=0.001, step_max=0.1)",
    "rprop(maximize=1, lr=0.1)",
    "rmsprop_graves",
    "rmsprop_graves(momentum=0, lr=0.01)",
    "rmsprop_graves(rho=0.9, eps=0.01)",
    "rmsprop_graves(weight_decay=0.1, maximize=1)",
    "smorms3",
    "smorms3(lr=0.01)",
    "smorms3(eps=0.000001)",
    "smorms3(weight_decay=0.1, maximize=1)",
    "adabound",
    "adabound(final_lr=0.01, gamma=0.1)",
    "adabound(amsgrad=1, lr=0.01)",
    "adabound(weight_decay=0.1, maximize=1)",
    "adabelief",
    "adabelief(weight_decay=0.1)",
    "adabelief(beta1=0.8, beta2=0.95, eps=0.00001)",
    "adabelief(maximize=1, lr=0.01)",
    "yogi",
    "yogi(initial_accumulator_value=0.1)",
    "yogi(weight_decay=0.1)",
    "yogi(beta1=0.8, beta2=0.95, maximize=1)",
    "lion",
    "lion(weight_decay=0.1, lr=0.001)",
    "lion(beta1=0.5, beta2=0.9)",
    "lion(maximize=1)",
    "signum",
    "signum(beta=0)",
    "signum(weight_decay=0.1)",
    "signum(maximize=1, lr=0.01)",
    "sign_sgd",
    "sign_sgd(lr=0.01)",
    "sign_sgd(weight_decay=0.1)",
    "sign_sgd(maximize=1, weight_decay=0.1, decoupled=1)",
    "adan",
    "adan(weight_decay=0.1, lr=0.01)",
    "adan(beta1=0.9, beta2=0.5, beta3=0.95)",
    "adan(maximize=1, paper=1)",
    "eve",
    "eve(beta3=0.9, c=2)",
    "eve(weight_decay=0.1, least_loss=2)",
    "eve(maximize=1, lr=0.01, beta1=0.8)",
    "asgd",
    "asgd(lr=0.1, lambd=0.01, alpha=0.5)",
    "asgd(t0=10)",
    "asgd(weight_decay=0.1, maximize=1)",
    "schedule_free_sgd(lr=0.1)",
    "schedule_free_sgd(lr=0.01, beta1=0.5)",
    "schedule_free_sgd(lr=0.01, weight_decay=0.1)",
    "schedule_free_sgd(lr=0.1, maximize=1, weight_lr_power=0)",
    "schedule_free_adamw",
    "schedule_free_adamw(lr=0.01, weight_decay=0.1)",
    "schedule_free_adamw(beta1=0.5, beta2=0.9)",
    "schedule_free_adamw(maximize=1, weight_lr_power=1)",
    "lamb",
    "lamb(weight_decay=0.1)",
    "lamb(lr=0.01, beta1=0.8, eps_root=0.00001)",
    "lamb(maximize=1)",
    "lars",
    "lars(weight_decay=0.1)",
    "lars(nesterov=1, eps=0.001)",
    "lars(momentum=0, trust_coefficient=0.01, maximize=1)",
    "novograd",
    "novograd(weight_decay=0.1)",
    "novograd(beta1=0.5, beta2=0.9, eps_root=0.0001)",
    "novograd(maximize=1, lr=0.01)",
    "lbfgs(lr=0.001)",
    "lbfgs(lr=0.01, history_size=3)",
    "lbfgs(lr=0.001, weight_decay=0.1, history_size=20)",
    "lbfgs(lr=0.001, maximize=1, tolerance_grad=0.1, tolerance_change=0.1)",
    "muon",
    "muon(lr=0.01, momentum=0.8, nesterov=0)",
    "muon(adjust_lr=1, ns_steps=3, weight_decay=0)",
    "muon(adjust_lr=2, maximize=1, beta1=0.8)",
    "sm3",
    "sm3(lr=0.01, beta1=0)",
    "sm3(beta2=0.9, eps=0.001)",
    "sm3(weight_decay=0.1, maximize=1)",
    "adafactor",
    "adafactor(weight_decay=0.1, lr=0.1)",
    "adafactor(beta2_decay=-0.5, eps1=0.0001, eps2=0.1, d=2)",
    "adafactor(decoupled=0, weight_decay=0.1, maximize=1)",
    "sparse_adam",
    "sparse_adam(beta1=0.8, beta2=0.95, lr=0.01)",
    "sparse_adam(weight_decay=0.1)",
    "sparse_adam(maximize=1, eps=0.001)",
    "ftrl",
    "ftrl(lr=0.1, l1=0.01, l2=0.1)",
    "ftrl(l2_shrinkage=0.1, beta=0.5, learning_rate_power=-0.3)",
    "ftrl(weight_decay=0.1, maximize=1, initial_accumulator_value=1)",
    // On gradients of about 1 its Euler steps diverge from rates of about 1e-3 on.
    "santa_e(lr=0.0001)",
    "santa_e(burn_in=50, lr=0.00001)",
    "santa_e(gamma=1, c=1, n=4, lr=0.0001)",
    "santa_e(weight_decay=0.1, sigma=0.9, maximize=1, lr=0.00005)",
    "santa_sss",
    "santa_sss(burn_in=50, lr=0.001)",
    "santa_sss(gamma=1, c=1, n=4)",
    "santa_sss(weight_decay=0.1, sigma=0.9, maximize=1, lr=0.001)",
];

/// At least four for each optimizer.
pub fn configurations() -> Vec<String> {
    let listed: Vec<Optimizer> = LISTED.iter().map(|name| name.parse().unwrap()).collect();
    let is_listed = |op: &Optimizer| listed.iter().any(|other| other.name() == op.name());
    let left = Optimizer::all().filter(|op| !is_listed(op));
    let left = left.flat_map(|op| [op].into_iter().chain(changed(op, &[])));
    LISTED.iter().map(|name| name.to_string()).chain(left.map(|op| op.to_string())).collect()
}

const STEPS: u64 = 100;

fn params() -> Vec<ParamInfo> {
    vec![
        param(&[1], 1.0, true),
        param(&[7, 13], 0.5, true),
        param(&[65], 1.0, false),
        param(&[0], 1.0, true),
        param(&[40, 25], 2.0, true),
        param(&[64], 0.0, true),
    ]
}

fn tensors(params: &[ParamInfo], seed: u64) -> Vec<Vec<f32>> {
    (seed..).zip(params).map(|(seed, param)| normal(seed, param.shape.len())).collect()
}

/// Random gradients, but sparse for one tensor and scaled by 1e-3 and 1e3 in turn for another.
fn gradients(params: &[ParamInfo], step: u64, scaled: bool) -> Vec<Vec<f32>> {
    let mut grads = tensors(params, 1000 + 10 * step);
    grads[1].iter_mut().enumerate().filter(|(i, _)| i % 5 != 0).for_each(|(_, g)| *g = 0.0);
    let scale = if step.is_multiple_of(2) { 1e-3 } else { 1e3 };
    grads[2].iter_mut().filter(|_| scaled).for_each(|g| *g *= scale);
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
    let [bound, state_bound] = bounds(optimizer.name(), 1e-4);
    let mut params = params();
    let has_history = optimizer.name() == "lbfgs";
    for param in params.iter_mut().filter(|param| has_history && param.multiplier != 0.0) {
        param.multiplier = 1.0;
    }
    let start = tensors(&params, 1);
    let mut program = Program::new(name, params.clone());
    let y = program.input("y", Shape::new(&[1]).unwrap(), DType::F32);
    let zero = program.input("zero", Shape::new(&[1]).unwrap(), DType::F32);
    let (loss, _) = program.loss(Loss::mse(), Reduction::Sum, (y, zero), false).unwrap();
    program.update(optimizer, Some(loss), Key::new(3, Stream::Optimizer)).unwrap();
    program.record(&[loss]).unwrap();
    let mut duel = Comparison::new(gpu(), program, optimizer, &start);
    let states = optimizer.states().len();
    let mut first = 0.0;
    // Santa's friction grows with its steps: gradients that jump by 1e6 drive it to where the motion diverges, in f64 too.
    // And the curvature between gradients that have nothing to do with each other is no more than noise.
    let scaled = !name.starts_with("santa") && !has_history;
    for step in 0..STEPS {
        duel.input(y, &[1.0 + (step as f32).sin().abs()]);
        duel.step(&gradients(&params, step, scaled));
        if step == 0 {
            first = check_params(&format!("{name} after 1 step"), &start, &duel.params(), 1e-5);
        }
    }
    let last = check_params(&format!("{name} after 100"), &start, &duel.params(), bound);
    let state_error = duel.state_error();
    // A change of gradient that decay alone makes is lost to the rounding of the parameter.
    let is_rounding = has_history && optimizer.get("weight_decay") != Some(0.0);
    assert!(is_rounding || state_error <= state_bound, "{name}: state is off by {state_error:e}");
    println!("{name}: {first:.1e} after 1 step, {last:.1e} after 100, state {state_error:.1e}");
    (2 + states) * start.iter().map(Vec::len).sum::<usize>()
}

#[test]
fn every_optimizer_follows_the_reference_for_100_steps() {
    let all = configurations();
    for entry in Optimizer::all() {
        let of_entry = |name: &&String| name.parse::<Optimizer>().unwrap().name() == entry.name();
        let count = all.iter().filter(of_entry).count();
        assert!(count >= 4, "{entry} has {count} configurations");
    }
    let checks: usize = all.iter().map(|name| run(name)).sum();
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
        let mut duel = Comparison::new(gpu, program, optimizer, &start);
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

#[test]
fn a_step_with_a_gradient_that_is_not_finite_never_was() {
    let optimizer: Optimizer = "nadam(lr=0.01)".parse().unwrap();
    let params = params();
    let start = tensors(&params, 1);
    let duel = |gpu| {
        let mut program = Program::new("skip", params.clone());
        let skipped = program.skip_not_finite();
        program.update(optimizer, None, Key::new(3, Stream::Optimizer)).unwrap();
        program.record(&[skipped]).unwrap();
        Comparison::new(gpu, program, optimizer, &start)
    };
    let bits = |duel: &Comparison| -> Vec<u32> {
        let states = (0..2).flat_map(|state| duel.state(state));
        let pairs = duel.params().into_iter().chain(states);
        pairs.flat_map(|pair| pair.got).map(f32::to_bits).collect()
    };
    // Quiet and signalling NaN, infinities of both signs; at the first, the last and a middle element.
    let bad = [0x7fc0_0000, 0xff80_0001, 0x7f80_0000, 0xff80_0000u32, 0x7fff_ffff];
    for (confirms, gpu) in [false, true].into_iter().zip(gpus()) {
        let [mut whole, mut broken] = [duel(gpu), duel(gpu)];
        for step in 0..10u64 {
            let grads = gradients(&params, step, true);
            whole.step(&grads);
            if step % 2 == 1 {
                let number = step as usize / 2;
                let mut grads = gradients(&params, 100 + step, true);
                let (tensor, place) = [(0, 0), (1, 90), (2, 64), (4, 999), (4, 500)][number];
                grads[tensor][place] = f32::from_bits(bad[number]);
                broken.step(&grads);
                if confirms {
                    let (got, want) = broken.figures();
                    assert_eq!((got[0], want[0]), (1.0, 1.0));
                }
            }
            broken.step(&grads);
            if confirms {
                let (got, want) = broken.figures();
                assert_eq!((got[0], want[0]), (0.0, 0.0));
            }
        }
        assert_eq!(bits(&broken), bits(&whole));
        assert_eq!(broken.on_cpu, {
            let mut reference = whole.on_cpu.clone();
            reference.grads = broken.on_cpu.grads.clone();
            reference
        });
    }
}
