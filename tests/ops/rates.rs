//! A tensor's rate and a schedule change an optimizer's steps as a learning rate of its own would.

use wgrad::ir::{DType, ParamInfo, Steps};
use wgrad::random::{Key, Stream};
use wgrad::{Loss, Optimizer, Program, Reduction, Schedule, Shape};

use super::not_a_number::each;
use super::optimizer::configurations;
use crate::support::run::{gpu, normal};
use crate::support::weights::{Comparison, param, worst};

fn tensors(rate: f64) -> Vec<ParamInfo> {
    vec![param(&[7, 5], rate, true), param(&[66], rate, true)]
}

fn data(seed: u64) -> Vec<Vec<f32>> {
    vec![normal(seed, 35), normal(seed + 1, 66)]
}

/// Eight steps at a rate of the optimizer's and one of the tensors.
fn run(optimizer: Optimizer, rate: f64) -> Comparison {
    let mut program = Program::new(optimizer.name(), tensors(rate));
    let y = program.input("y", Shape::new(&[1]).unwrap(), DType::F32);
    let (loss, _) = program.loss(Loss::mse(), Reduction::Sum, (y, y), false).unwrap();
    program.update(optimizer, Some(loss), Key::new(3, Stream::Optimizer)).unwrap();
    program.record(&[loss]).unwrap();
    let mut duel = Comparison::new(gpu(), program, optimizer, &data(1));
    (0..8).for_each(|step| duel.step(&data(10 + step)));
    duel
}

#[test]
fn a_tensors_rate_does_what_a_learning_rate_so_many_times_as_large_does() {
    let all = configurations();
    let names = all.iter().filter(|name| !name.starts_with("lbfgs"));
    each(names.flat_map(|name| [2.0, 0.25].map(|rate| (name, rate))), |(name, rate)| {
        let optimizer: Optimizer = name.parse().unwrap();
        let larger = optimizer.learning_rate(rate * optimizer.get("lr").unwrap());
        let [by_tensor, by_optimizer] = [run(optimizer, rate), run(larger, 1.0)];
        for (pair, other) in by_tensor.params().iter().zip(by_optimizer.params()) {
            for (i, (own, other)) in pair.want.iter().zip(&other.want).enumerate() {
                let near = (own - other).abs() <= 1e-9 * own.abs().max(1e-3);
                assert!(near, "{name}, rate {rate}: element {i} is {own}, not {other}");
            }
            let error = worst(pair, |i| pair.want[i].abs().max(1.0));
            assert!(error <= 1e-4, "{name}, rate {rate}: the device is off by {error:e}");
        }
    });
}

/// Parameters after five steps of PyTorch 2.15 in float64 whose rate is halved after each (LambdaLR).
const HALVED: [(&str, [f64; 6]); 11] = [
    ("rprop(lr=0.1)", [-0.55, -0.35, 0.275, 0.225, 0.55, 1.175]),
    (
        "asgd(lr=0.2, lambd=0.5)",
        [-0.308232914, -0.051025849, 0.093486806, 0.100107415, 0.621352085, 0.868801602],
    ),
    (
        "adafactor(lr=0.8, weight_decay=0.1)",
        [-0.165607026, -0.350196814, 0.192534454, -0.101240206, 0.627608878, 1.307602933],
    ),
    (
        "adadelta(lr=1)",
        [-0.497723134, -0.200916562, 0.102169263, 0.39662848, 0.698555265, 1.002975137],
    ),
    (
        "nadam(lr=0.1)",
        [-0.412092037, -0.253546701, 0.181013073, 0.282812418, 0.637182588, 1.104472655],
    ),
    (
        "radam(lr=0.1)",
        [-0.379144286, -0.220721088, 0.138175162, 0.263028912, 0.707010498, 1.076925162],
    ),
    (
        "adagrad(lr=0.1, lr_decay=0.1)",
        [-0.415566565, -0.256801869, 0.17448853, 0.297085287, 0.638458818, 1.091515266],
    ),
    (
        "sgd(lr=0.1, momentum=0.9)",
        [-0.364224375, -0.19177775, 0.141614, 0.209423125, 0.734613625, 1.107880375],
    ),
    (
        "adamw(lr=0.1, weight_decay=0.1)",
        [-0.361559786, -0.264615676, 0.192925965, 0.242226189, 0.626835831, 1.108528415],
    ),
    (
        "adamax(lr=0.1)",
        [-0.379122839, -0.277370439, 0.196480668, 0.262965802, 0.627017161, 1.122101503],
    ),
    (
        "rmsprop(lr=0.1, momentum=0.5)",
        [0.590055816, -0.893742262, 1.066455065, -0.983984497, -0.08195077, 2.22072152],
    ),
];

/// Steps over one tensor from its first values.
fn scheduled(name: &str, schedule: Schedule, param: ParamInfo, start: &[f32]) -> Comparison {
    let optimizer: Optimizer = name.parse().unwrap();
    let mut program = Program::new(name, vec![param]);
    program.update(optimizer, None, Key::new(3, Stream::Optimizer)).unwrap();
    let penalty = program.penalty(false);
    program.record(&[penalty]).unwrap();
    let rule = Steps { schedule, ..Steps::new(optimizer, 1) };
    Comparison::following(gpu(), program, rule, &[start.to_vec()])
}

#[test]
fn a_schedule_changes_the_rate_as_pytorchs_does() {
    let start: Vec<f32> = (0..6).map(|i| i as f32 * 0.3 - 0.5).collect();
    each(HALVED, |(name, wanted)| {
        let schedule = Schedule::exponential(0.5).unwrap();
        let mut duel = scheduled(name, schedule, param(&[2, 3], 1.0, true), &start);
        for step in 0..5 {
            let grads = (0..6).map(|i| ((i * 7 + step * 5) % 11) as f32 / 5.0 - 1.0);
            duel.step(&[grads.collect()]);
        }
        let pair = &duel.params()[0];
        for (got, wanted) in pair.want.iter().zip(wanted) {
            assert!((got - wanted).abs() < 3e-6, "{name}: {:?}, not {wanted}", pair.want);
        }
        let error = worst(pair, |_| 1.0);
        assert!(error < 1e-4, "{name}: the device is off by {error:e}");
    });
}

#[test]
fn a_tensors_rate_is_a_learning_rate_of_its_own_as_in_pytorch() {
    let cases = [
        ("rprop(lr=1, step_max=1.5)", 2.0, [-1.5, -3.0]),
        ("asgd(lr=1, lambd=0.5)", 0.5, [-0.5, -0.817_211_379]),
    ];
    for (name, rate, wanted) in cases {
        let mut duel = scheduled(name, Schedule::constant(), param(&[1], rate, true), &[0.0]);
        for wanted in wanted {
            duel.step(&[vec![1.0]]);
            let pair = &duel.params()[0];
            let (got, on_device) = (pair.want[0], f64::from(pair.got[0]));
            assert!((got - wanted).abs() < 1e-8, "{name}: {got}, not {wanted}");
            assert!((on_device - wanted).abs() < 1e-6, "{name}: {on_device}, not {wanted}");
        }
    }
}
