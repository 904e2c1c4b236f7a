//! Small programs that together hold every op.

mod losses;

use self::losses::{composed, losses};
use crate::error::Result;
use crate::nn::{Around, Goal, Network, Sequential, TargetKind, Wiring};
use crate::program::{Averaging, DType, Program, Slot, Steps};
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::loss::{Domain, LossKind};
use crate::spec::{Activation, Loss, Metric, Optimizer, Reduction};

/// Rows and columns of most tensors: neither is a multiple of anything.
const ROWS: usize = 13;
const COLS: usize = 24;

/// A program and what it is run on.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub name: String,
    pub program: Program,
    pub params: Vec<Vec<f32>>,
    pub numbers: Vec<(Slot, Vec<f32>)>,
    pub indices: Vec<(Slot, Vec<u32>)>,
    pub rule: Steps,
    pub steps: u64,
}

/// The same numbers in every run.
pub(super) fn draw(domain: Domain, seed: u64, len: usize) -> Vec<f32> {
    let key = Key::new(seed, Stream::Data(90));
    let number = |place: u32| match domain {
        Domain::Real => key.normal(0, place) as f32,
        Domain::Unit => 0.05 + 0.9 * key.uniform(0, place),
        Domain::Sign => {
            if key.uniform(0, place) < 0.5 {
                -1.0
            } else {
                1.0
            }
        }
        Domain::Positive => (key.normal(0, place).exp() + 0.05) as f32,
        Domain::AboveMinusOne => (key.normal(0, place).exp() - 0.95) as f32,
    };
    (0..len as u32).map(number).collect()
}

impl Case {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            program: Program::new("self test", Vec::new()),
            params: Vec::new(),
            numbers: Vec::new(),
            indices: Vec::new(),
            rule: Steps::new(Optimizer::sgd(), u32::MAX as usize),
            steps: 1,
        }
    }

    pub(super) fn input(&mut self, extents: &[usize], numbers: Vec<f32>) -> Result<Slot> {
        let slot = self.program.input("input", Shape::new(extents)?, DType::F32);
        self.numbers.push((slot, numbers));
        Ok(slot)
    }

    pub(super) fn real(&mut self, extents: &[usize]) -> Result<Slot> {
        let (seed, len) = (self.numbers.len() as u64, extents.iter().product());
        self.input(extents, draw(Domain::Real, seed, len))
    }

    pub(super) fn classes(&mut self, extents: &[usize], indices: Vec<u32>) -> Result<Slot> {
        let slot = self.program.input("classes", Shape::new(extents)?, DType::U32);
        self.indices.push((slot, indices));
        Ok(slot)
    }

    /// Two steps of a network's training program on numbers that suit it.
    pub fn training(
        name: impl Into<String>,
        network: &Network,
        wiring: &Wiring,
        rule: Steps,
        loss: &Loss,
    ) -> Result<Self> {
        let mut case = Self { program: wiring.program.clone(), rule, steps: 2, ..Self::new(name) };
        case.rule.first_step = 0;
        case.rule.first_epoch = 0;
        (case.rule.first_update, case.rule.gathered) = (0, 0);
        case.params = network.initial(0);
        let len = |slot: Slot| wiring.program.shape(slot).map(|shape| shape.len());
        let x = match network.index_count() {
            Some(count) => (0..len(wiring.x)?).map(|i| (i * 7 % count.max(1)) as f32).collect(),
            None => draw(Domain::Real, 1, len(wiring.x)?),
        };
        case.numbers.push((wiring.x, x));
        if let Some(weight) = wiring.weight {
            case.numbers.push((weight, draw(Domain::Unit, 2, len(weight)?)));
        }
        case.numbers.extend(wiring.constants.iter().cloned());
        match wiring.target {
            Some(target) if wiring.program.slot(target)?.dtype == DType::U32 => {
                let count = network.outputs().max(1);
                let classes = (0..len(target)?).map(|row| (row * 5 % count) as u32).collect();
                case.indices.push((target, classes));
            }
            Some(target) => {
                let numbers = targets(loss, len(target)?, network.outputs());
                case.numbers.push((target, numbers));
            }
            // The gradient is the caller's.
            None => {
                if let Some(grad) = wiring.grad {
                    case.numbers.push((grad, draw(Domain::Real, 4, len(grad)?)));
                }
            }
        }
        Ok(case)
    }
}

/// Target numbers that a loss takes.
fn targets(loss: &Loss, len: usize, cols: usize) -> Vec<f32> {
    match &loss.entry().kind {
        LossKind::Map(map) => draw(map.domain[1], 3, len),
        _ => soft_rows(len, cols),
    }
}

/// Rows that add up to 1.
fn soft_rows(len: usize, cols: usize) -> Vec<f32> {
    let mut numbers = draw(Domain::Unit, 5, len);
    for row in numbers.chunks_mut(cols.max(1)) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|x| *x /= sum);
    }
    numbers
}

/// Every case.
pub(super) fn all() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for f in Activation::all() {
        cases.push(activation(f)?);
    }
    for loss in Loss::all() {
        cases.extend(losses(loss)?);
    }
    cases.extend(composed()?);
    cases.extend(metrics()?);
    for optimizer in Optimizer::all() {
        cases.push(optimizing(optimizer)?);
    }
    cases.push(everything_around()?);
    cases.push(layers()?);
    cases.extend(super::algebra::all()?);
    Ok(cases)
}

fn activation(f: Activation) -> Result<Case> {
    let mut case = Case::new(format!("activation.{f}"));
    let x = case.real(&[ROWS, COLS])?;
    let grad = case.real(&[ROWS, f.output_len(COLS)?])?;
    if let Some(values) = f.first_weights(COLS) {
        let per_channel = if values.len() % COLS == 0 { COLS } else { 1 };
        let extents = match values.len() / per_channel {
            1 => vec![per_channel],
            numbers => vec![numbers, per_channel],
        };
        let values = values.into_iter().map(|value| value as f32).collect();
        let weight = case.input(&extents, values)?;
        let d_weight = case.program.input("d weight", Shape::new(&extents)?, DType::F32);
        case.program.learned("y", f, x, weight)?;
        case.program.learned_backward("dx", f, (x, weight), grad, d_weight)?;
        return Ok(case);
    }
    let key = Key::new(7, Stream::Dropout(0));
    let y = case.program.activation_in_training("y", f, key, x)?;
    case.program.activation_in_training_backward("dx", f, key, (x, y), grad)?;
    if f.has_second() {
        case.program.activation_second("second", f, (x, y), grad)?;
    }
    Ok(case)
}

fn metrics() -> Result<Vec<Case>> {
    let metrics = [
        Metric::Accuracy,
        Metric::TopK { k: 2 },
        Metric::R2 { variance: 1.0 },
        Metric::BinaryAccuracy { threshold: 0.5 },
        Metric::RegressionAccuracy { tolerance: 0.5 },
        Metric::OutsideUnit,
        Metric::Mse,
        Metric::Mae,
    ];
    let of_metric = |metric: Metric| {
        let mut case = Case::new(format!("metric.{metric}"));
        let (prediction, target) = (case.real(&[ROWS, 5])?, case.real(&[ROWS, 5])?);
        case.program.metric(metric, prediction, target)?;
        Ok(case)
    };
    metrics.into_iter().map(of_metric).collect()
}

pub(super) fn goal(loss: Loss, around: Around) -> Goal {
    Goal {
        loss,
        reduction: Reduction::Mean,
        metrics: vec![],
        around,
        weighted: false,
        class_weights: None,
        linear_cross_entropy: false,
        checked: true,
        through: true,
    }
}

fn optimizing(optimizer: Optimizer) -> Result<Case> {
    let network = Sequential::new(3).dense(5).activation(Activation::tanh()).dense(2).build()?;
    let loss = Loss::mse();
    let target = TargetKind::Values(2);
    let wiring = network.training(&goal(loss, Around::default()), optimizer, target, (6, 6), 0)?;
    let rule = Steps::new(optimizer, 6);
    Case::training(format!("optimizer.{optimizer}"), &network, &wiring, rule, &loss)
}

/// Batches in random order, row weights, penalties, clipping, noise, gathered gradients, a mean.
fn everything_around() -> Result<Case> {
    let dense = |outputs| crate::nn::Dense::new(outputs).l1(1e-3, 0.0).l2(1e-3, 1e-3);
    let network = Sequential::new(6)
        .layer(dense(70))
        .activation(Activation::gelu())
        .dropout(0.25)
        .layer(dense(4))
        .build()?;
    let around = Around {
        accumulate: Some(2),
        across_epochs: false,
        skip_not_finite: true,
        clip_value: Some(0.5),
        clip_each: Some(0.25),
        clip_norm: Some(0.5),
        noise: Some([0.01, 0.5]),
        average: Some(Averaging::Ema { decay: 0.5 }),
    };
    let (loss, optimizer) = (Loss::cross_entropy(), Optimizer::adamw());
    let class_weights = Some((1..=network.outputs()).map(|class| class as f32 / 4.0).collect());
    let goal = Goal { weighted: true, class_weights, ..goal(loss, around) };
    let wiring = network.training(&goal, optimizer, TargetKind::Class, (20, 8), 3)?;
    let rule = Steps { batch: 8, around, ..Steps::new(optimizer, 20) };
    Case::training("training", &network, &wiring, rule, &loss)
}

/// Every kind of layer.
fn layers() -> Result<Case> {
    let network = Sequential::new(6)
        .dense(8)
        .layer_norm()
        .residual(|branch| branch.dense(8).activation(Activation::silu()).rms_norm())
        .batch_norm()
        .gated(6, Activation::glu())
        .dense(3)
        .build()?;
    let (loss, optimizer) = (Loss::mse(), Optimizer::sgd());
    let target = TargetKind::Values(3);
    let wiring = network.training(&goal(loss, Around::default()), optimizer, target, (9, 9), 0)?;
    Case::training("layers", &network, &wiring, Steps::new(optimizer, 9), &loss)
}
