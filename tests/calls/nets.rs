//! Networks, trainers and what is done with them, in any order.

use std::ops::{ControlFlow, Range};

use wgrad::Result;
use wgrad::data::Targets;
use wgrad::ndarray::Array2;
use wgrad::prelude::*;
use wgrad::train::{Averaging, EarlyStopping, TrainerBuilder};

use super::draw::Draw;
use super::outcome::Outcome;
use crate::support::nets;

/// How far figures of the engines may be apart, by the steps before: each amplifies what rounding there was. Behind a norm
/// of few numbers a gradient can be nothing but rounding, which Adam and its like make a step of.
fn near(steps: u64, about: &str) -> f64 {
    match steps {
        0 => 2e-3,
        1..=10 if !about.contains("Norm(") => 1e-2,
        _ => f64::INFINITY,
    }
}

/// Widths, most often small ones; the others are too large for any device.
fn width(draw: &mut Draw) -> usize {
    if draw.one_in(24) { draw.pick(&[0, 1 << 31, 1 << 40, usize::MAX]) } else { 1 + draw.below(9) }
}

fn layer(draw: &mut Draw, model: Sequential) -> Sequential {
    let initializer = if draw.one_in(6) { draw.entry() } else { Initializer::xavier_uniform() };
    match draw.below(12) {
        0..4 => model.dense(width(draw)),
        4 => {
            let mut dense = Dense::new(width(draw)).weights(initializer);
            if draw.one_in(3) {
                dense = dense.l2(draw.number(), draw.number());
            }
            if draw.one_in(3) {
                dense = dense.learning_rates(draw.number(), draw.number());
            }
            model.layer(if draw.one_in(4) { dense.no_bias() } else { dense })
        }
        5..9 => model.activation(draw.entry()),
        9 => {
            let rate = if draw.one_in(3) { draw.number() } else { 0.25 };
            model.dropout(rate)
        }
        10 => {
            draw.pick(&[model.clone().layer_norm(), model.clone().rms_norm(), model.batch_norm()])
        }
        _ => {
            let width = width(draw);
            model.residual(|branch| branch.dense(width))
        }
    }
}

pub(super) fn model(draw: &mut Draw, inputs: usize) -> Sequential {
    let inputs = if draw.one_in(24) { draw.pick(&[0, usize::MAX]) } else { inputs };
    let layers = draw.below(4);
    let model = (0..layers).fold(Sequential::new(inputs), |model, _| layer(draw, model));
    model.dense(1 + draw.below(3))
}

pub(super) fn builder(draw: &mut Draw, model: Sequential) -> TrainerBuilder {
    let loss = if draw.one_in(3) {
        draw.entry()
    } else {
        draw.pick(&[Loss::mse(), Loss::cross_entropy()])
    };
    let optimizer: Optimizer = draw.entry();
    let optimizer = if draw.one_in(6) { optimizer.learning_rate(draw.number()) } else { optimizer };
    let mut builder = Trainer::new(model, loss, optimizer).seed(draw.below(1 << 20) as u64);
    if draw.one_in(3) {
        let number = draw.number();
        builder = match draw.below(9) {
            0 => builder.clip_norm(number),
            1 => builder.clip_value(number),
            2 => builder.clip_each(number),
            3 => builder.accumulate(draw.count() as u64),
            4 => builder.gradient_noise(number, draw.number()),
            5 => builder.skip_not_finite(),
            6 => builder.average(Averaging::Ema { decay: number }),
            7 => {
                builder.average(Averaging::Lookahead { every: draw.count() as u64, alpha: number })
            }
            _ => builder.average(Averaging::Swa { start: 0, every: draw.count() as u64 }),
        };
    }
    if draw.one_in(4) {
        builder = match Schedule::cosine(draw.number() * 64.0, draw.number()) {
            Ok(schedule) => builder.schedule(schedule),
            Err(_) => builder,
        };
    }
    if draw.one_in(4) {
        builder = builder.metrics(&[Metric::Accuracy, Metric::Mse][..draw.below(3)]);
    }
    builder
}

/// Rows that a network may take or not.
pub(super) fn rows(draw: &mut Draw, inputs: usize, outputs: usize) -> Result<Dataset> {
    let rows = if draw.one_in(12) { 0 } else { 1 + draw.below(12) };
    let inputs = if draw.one_in(12) { inputs + 1 } else { inputs };
    let matrix = |draw: &mut Draw, cols: usize| {
        let numbers = draw.array(&[rows, cols]).into_iter().collect();
        Array2::from_shape_vec((rows, cols), numbers).unwrap()
    };
    let x = matrix(draw, inputs);
    if draw.one_in(2) {
        let y = matrix(draw, outputs);
        return Dataset::new(x, y);
    }
    let labels = draw.labels(rows, outputs);
    Dataset::new(x, Targets::Classes { labels, classes: outputs })
}

pub(super) fn fit<'a>(draw: &mut Draw, data: &'a Dataset) -> Fit<'a> {
    let epochs = if draw.one_in(12) { 0 } else { 1 + draw.below(3) as u64 };
    let mut fit = Fit::epochs(epochs).continue_on_nan();
    if draw.one_in(3) {
        fit = fit.batch(draw.count());
    }
    if draw.one_in(8) {
        fit = fit.validation_split(draw.number());
    }
    if draw.one_in(8) {
        fit = fit.validate(data);
    }
    if draw.one_in(8) {
        let (patience, min_delta) = (draw.count() as u64, draw.number());
        fit =
            fit.early_stopping(EarlyStopping { patience, min_delta, restore_best: draw.one_in(2) });
    }
    if draw.one_in(8) {
        let every = draw.count() as u64;
        fit = fit.each(every, |_| ControlFlow::Continue(()));
    }
    fit
}

fn parameters(trainer: &Trainer) -> Result<Vec<f32>> {
    Ok(trainer.parameters()?.into_iter().flat_map(|(_, values)| values).collect())
}

/// Every other seed's steps are fused, which takes a while to compile.
pub(super) fn suited(draw: &mut Draw, device: &Device) -> Device {
    let fused = draw.one_in(16);
    match device.gpu() {
        Some(gpu) if !fused => {
            let choices =
                wgrad::embed::Choices { fusion: wgrad::embed::Fusion::Never, ..gpu.choices() };
            gpu.choosing(choices).into()
        }
        _ => device.clone(),
    }
}

pub fn play(draw: &mut Draw, device: &Device, outcome: &mut Outcome) {
    outcome.unjudged = draw.hostile;
    let inputs = 1 + draw.below(5);
    let model = model(draw, inputs);
    let device = &suited(draw, device);
    outcome.begun = format!("build of {model:?}");
    let built = model.build();
    let outputs = built.as_ref().map_or(1, |network| network.outputs());
    outcome.note(None, built.map(|_| Vec::new()));
    let builder = builder(draw, model);
    let data = rows(draw, inputs, outputs);
    outcome.begun = format!("data of {inputs} and {outputs}");
    let Ok(data) = data else {
        outcome.note(None, data.map(|_| Vec::new()));
        return;
    };
    outcome.begun = format!("trainer of {builder:?}");
    let mut trainer = match builder.on(device) {
        Ok(trainer) => trainer,
        Err(error) => {
            outcome.note(None, Err(error));
            return;
        }
    };
    outcome.note(Some(0.0), parameters(&trainer));
    let about = outcome.begun.clone();
    for _ in 0..5 {
        steps(draw, &mut trainer, &data, outcome, &about);
    }
}

/// The losses of the epochs that end while the engines are near, and how near these are; else of all, which may be any.
fn losses(history: &History, steps: Range<u64>, about: &str) -> (f64, Vec<f32>) {
    let mut all: Vec<f32> = history.epochs.iter().map(|epoch| epoch.loss as f32).collect();
    let each = (steps.end - steps.start) / all.len().max(1) as u64;
    let is_near = |epochs: &usize| near(steps.start + each * *epochs as u64, about).is_finite();
    match (1..=all.len()).rev().find(is_near) {
        Some(epochs) => {
            all.truncate(epochs);
            (near(1, about), all)
        }
        None => (f64::INFINITY, all),
    }
}

fn steps(
    draw: &mut Draw,
    trainer: &mut Trainer,
    data: &Dataset,
    outcome: &mut Outcome,
    about: &str,
) {
    let kind = draw.below(7);
    let names =
        ["fit", "fit", "predict", "evaluate", "set_optimizer", "save and load", "confusion_matrix"];
    outcome.begun = format!("{} of {about}", names[kind]);
    let before = trainer.step();
    let near_now = Some(near(before, about));
    match kind {
        0 | 1 => {
            let result = trainer.fit(data, fit(draw, data));
            let steps = before..trainer.step();
            match result.map(|history| losses(&history, steps, about)) {
                Ok((tolerance, losses)) => outcome.note(Some(tolerance), Ok(losses)),
                Err(error) => outcome.note(None, Err(error)),
            };
        }
        2 => {
            let view = data.inputs().view();
            let result = trainer.predict(view);
            outcome.note(near_now, result.map(|y| y.into_iter().collect()));
        }
        3 => {
            let result = trainer.evaluate(data);
            outcome.note(near_now, result.map(|figures| vec![figures.loss() as f32]));
        }
        4 => {
            let (name, value) =
                (draw.pick(&["lr", "weight_decay", "beta1", "", "none"]), draw.number());
            outcome.begun = format!("set_optimizer({name}, {value}) of {about}");
            outcome.note(None, trainer.set_optimizer(name, value).map(|()| Vec::new()));
        }
        5 => {
            let name = draw.pick(&["a.safetensors", "b", "no/such/folder/a", ""]);
            let engine = if trainer.device().gpu().is_some() { "calls-gpu" } else { "calls-cpu" };
            let path = nets::directory(engine).join(name);
            outcome.begun = format!("save to {name:?} of {about}");
            let saved = trainer.save(&path).and_then(|()| trainer.load(&path));
            outcome.note(None, saved.map(|()| Vec::new()));
        }
        _ => {
            let result = trainer.confusion_matrix(data);
            outcome.note(None, result.map(|counts| counts.iter().map(|n| *n as f32).collect()));
        }
    }
}
