//! The text of a training program and of its dispatches. `WGRAD_UPDATE=1 cargo test -p wgrad-tests --test suite snapshots` writes the
//! files anew; look at their difference before it is committed.

use crate::support;

use std::path::Path;

use support::nets;
use wgrad::ir::{Plan, PlanWeights, Steps};
use wgrad::nn::{GradientTransforms, Objective, ProgramIo, TargetKind};
use wgrad::prelude::*;

/// A step with every part that a step can have: dropout, penalties, both clippings, a shuffled batch.
fn step() -> (wgrad::nn::Network, ProgramIo, Steps) {
    let network = Sequential::new(5)
        .layer(Dense::new(8).l1(1e-4, 0.0).l2(1e-3, 1e-3))
        .activation(Activation::gelu())
        .dropout(0.25)
        .layer(Dense::new(3).no_bias())
        .build()
        .unwrap();
    let objective = Objective {
        loss: Loss::cross_entropy(),
        reduction: Reduction::Mean,
        metrics: vec![Metric::Accuracy],
        transforms: GradientTransforms {
            clip_value: Some(1.0),
            clip_norm: Some(0.5),
            ..GradientTransforms::default()
        },
        weighted: false,
        class_weights: None,
        linear_cross_entropy: false,
        checked: false,
        through: false,
    };
    let (optimizer, rows, batch) = (Optimizer::adamw(), 10, 4);
    let io = network.training(&objective, optimizer, TargetKind::Class, (rows, batch), 0).unwrap();
    let steps = Steps { batch, ..Steps::new(optimizer, rows) };
    (network, io, steps)
}

/// Compares with a committed file, or writes it.
#[track_caller]
pub fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(name);
    if std::env::var_os("WGRAD_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == wanted,
        "tests/snapshots/{name} is\n{wanted}\nbut the text is now\n{text}\n\
         WGRAD_UPDATE=1 cargo test -p wgrad-tests --test suite snapshots writes it anew"
    );
}

#[test]
fn the_text_of_a_training_program_is_as_committed() {
    compare("program.txt", &step().1.program.to_string());
}

#[test]
fn the_dispatches_of_a_training_step_are_as_committed() {
    let (network, io, steps) = step();
    let device = nets::gpu();
    let gpu = device.gpu().unwrap();
    let weights = PlanWeights::new(gpu, network.params(), Some(&steps.optimizer), 0).unwrap();
    let rule = move |step| steps.entry(step);
    let plan = Plan::new(gpu, io.program, Some(&weights), &[], 0, rule).unwrap();
    compare("dispatches.txt", &plan.explain());
}
