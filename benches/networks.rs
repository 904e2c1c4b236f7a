//! The training steps of the examples, and one too wide to be a whole step.

use wgrad::Result;
use wgrad::nn::{GradientTransforms, Network, Objective, ProgramIo, TargetKind};
use wgrad::prelude::*;

/// Each step's name, network, program and batch; with the metrics of the examples or without.
pub fn networks(metrics: bool) -> Result<Vec<(&'static str, Network, ProgramIo, usize)>> {
    let relu = Activation::relu;
    let objective = |loss, metric| Objective {
        loss,
        reduction: Reduction::Mean,
        metrics: if metrics { vec![metric] } else { vec![] },
        transforms: GradientTransforms::default(),
        weighted: false,
        class_weights: None,
        linear_cross_entropy: false,
        checked: false,
        through: false,
    };
    let near = Metric::RegressionAccuracy { tolerance: 0.003 };
    let sine =
        Sequential::new(1).dense(64).activation(relu()).dense(64).activation(relu()).dense(1);
    let spiral = Sequential::new(2).dense(64).activation(relu()).dense(3);
    let digits = Sequential::new(64).dense(64).activation(relu()).dense(10);
    let wide = Sequential::new(784).dense(512).activation(relu()).dense(128).activation(relu());
    let class = || objective(Loss::cross_entropy(), Metric::Accuracy);
    let cases = [
        ("sine", sine, objective(Loss::mse(), near), TargetKind::Values(1), (1000, 1000)),
        ("spiral", spiral, class(), TargetKind::Class, (300, 300)),
        ("digits", digits, class(), TargetKind::Class, (1797, 128)),
        ("wide", wide.dense(10), class(), TargetKind::Class, (128, 128)),
    ];
    let build =
        |(name, model, objective, target, rows): (&'static str, Sequential, Objective, _, _)| {
            let network = model.build()?;
            let io = network.training(&objective, Optimizer::adam(), target, rows, 0)?;
            Ok((name, network, io, rows.1))
        };
    cases.into_iter().map(build).collect()
}
