//! Numbers that are not finite, in steps that are fused and not.

use ndarray::Array2;
use wgrad::data::Targets;
use wgrad::embed::Fusion;
use wgrad::prelude::*;
use wgrad::train::TrainerBuilder;

use super::device;
use crate::support::run::{normal, uniform};

#[test]
fn numbers_that_are_not_finite_reach_a_fused_step() {
    let x = Array2::from_shape_vec((6, 2), normal(1, 12)).unwrap();
    let values = Array2::from_shape_vec((6, 1), uniform(2, 6)).unwrap();
    let mut broken = values.clone();
    broken[[3, 0]] = f32::NAN;
    let train = |values: &Array2<f32>, metric: Option<Metric>, device: &Device| {
        let model = Sequential::new(2).dense(4).activation(Activation::tanh()).dense(1);
        let builder = Trainer::new(model, Loss::mse(), Optimizer::adam());
        let builder =
            metric.into_iter().fold(builder, |builder, metric| builder.metrics(&[metric]));
        let data = Dataset::keeping_non_finite(x.clone(), Targets::Values(values.clone())).unwrap();
        let fit = Fit::epochs(2).continue_on_nan();
        let epochs = builder.on(device).unwrap().fit(&data, fit).unwrap().epochs;
        epochs.into_iter().map(|epoch| [epoch.loss, epoch.accuracy]).collect::<Vec<_>>()
    };
    let limit = |metric: Metric| (&values, Some(metric));
    let infinite = [f64::INFINITY, f64::NEG_INFINITY];
    // A tolerance of NaN is that of the deviation of such targets.
    let near = Metric::RegressionAccuracy { tolerance: f64::NAN };
    let cases = [
        (&broken, None),
        (&broken, Some(near)),
        limit(Metric::RegressionAccuracy { tolerance: 1e-42 }),
    ]
    .into_iter()
    .chain(infinite.map(|tolerance| limit(Metric::RegressionAccuracy { tolerance })))
    .chain(infinite.map(|threshold| limit(Metric::BinaryAccuracy { threshold })));
    for (values, metric) in cases {
        let want = train(values, metric, &Device::cpu());
        for fusion in [Fusion::Whole, Fusion::Layers, Fusion::Never] {
            let got = train(values, metric, &device(fusion, 1));
            for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
                let same = (got - want).abs() < 1e-4 || (got.is_nan() && want.is_nan());
                assert!(same, "{metric:?} {fusion:?}: {got}, not {want}");
            }
        }
    }
}

/// Rows of a network with two outputs, one number of which is NaN.
fn with_a_nan(loss: Loss, in_target: bool, classes: bool) -> (String, TrainerBuilder, Dataset) {
    let model = Sequential::new(2).dense(4).activation(Activation::tanh()).dense(2);
    let builder = Trainer::new(model, loss, Optimizer::adam()).seed(3);
    let mut x = Array2::from_shape_vec((6, 2), normal(1, 12)).unwrap();
    let mut y = Array2::from_shape_vec((6, 2), uniform(2, 12)).unwrap();
    let broken = if in_target { &mut y } else { &mut x };
    broken[[3, 1]] = f32::NAN;
    let labels = vec![0, 1, 1, 0, 1, 0];
    let target = if classes { Targets::Classes { labels, classes: 2 } } else { Targets::Values(y) };
    let name = format!("{loss}, in the target: {in_target}, classes: {classes}");
    (name, builder, Dataset::keeping_non_finite(x, target).unwrap())
}

/// The places of NaN among the parameters after a step, and its loss.
fn stepped(builder: &TrainerBuilder, data: &Dataset, device: &Device) -> (Vec<usize>, f64) {
    let mut trainer = builder.clone().on(device).unwrap();
    let fit = Fit::epochs(1).continue_on_nan();
    let loss = trainer.fit(data, fit).unwrap().epochs[0].loss;
    let numbers = trainer.parameters().unwrap().into_iter().flat_map(|(_, numbers)| numbers);
    let is_nan = numbers.enumerate().filter(|(_, number)| number.is_nan());
    (is_nan.map(|(place, _)| place).collect(), loss)
}

#[test]
fn a_nan_in_a_row_or_its_target_reaches_the_same_parameters_however_a_step_is_fused() {
    let values = [Loss::cross_entropy(), Loss::bce_with_logits(), Loss::huber(), Loss::mse()];
    let cases = values.into_iter().flat_map(|loss| [false, true].map(|at| (loss, at, false)));
    let mut partly = 0;
    for (loss, in_target, classes) in cases.chain([(Loss::cross_entropy(), false, true)]) {
        let (name, builder, data) = with_a_nan(loss, in_target, classes);
        let (want, loss) = stepped(&builder, &data, &Device::cpu());
        assert!(loss.is_nan() && !want.is_empty(), "{name}: {loss}, {want:?}");
        partly += usize::from(want.len() < 2 * 4 + 4 + 4 * 2 + 2);
        for fusion in [Fusion::Whole, Fusion::Layers, Fusion::Never] {
            let (got, loss) = stepped(&builder, &data, &device(fusion, 1));
            assert!(loss.is_nan(), "{name}, {fusion:?}: {loss}");
            assert_eq!(got, want, "{name}, {fusion:?}");
        }
    }
    // Elementwise losses leave the other output's parameters alone.
    assert_eq!(partly, 3);
}
