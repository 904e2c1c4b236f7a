//! Training with the last layer and the loss in one: against training with both apart.

use ndarray::Array2;
use wgrad::data::{Dataset, Targets};
use wgrad::embed::{Choices, Fusion, Gpu};
use wgrad::ir::{Plan, PlanWeights, Steps};
use wgrad::nn::{Dense, GradientTransforms, Objective, TargetKind};
use wgrad::{Activation, Device, Fit, Loss, Metric, Optimizer, Reduction, Sequential, Trainer};

use crate::support::run::{gpu, normal, uniform};

const ROWS: usize = 53;
const FEATURES: usize = 6;
const CLASSES: usize = 40;

fn model(is_deep: bool) -> Sequential {
    let last = Dense::new(CLASSES).l2(1e-3, 0.0);
    match is_deep {
        true => Sequential::new(FEATURES).dense(8).activation(Activation::tanh()).layer(last),
        false => Sequential::new(FEATURES).layer(last.no_bias()),
    }
}

fn data(is_weighted: bool) -> Dataset {
    let x = Array2::from_shape_vec((ROWS, FEATURES), normal(1, ROWS * FEATURES)).unwrap();
    let labels = (0..ROWS).map(|row| (row * 7 % CLASSES) as u32).collect();
    let data = Dataset::new(x, Targets::Classes { labels, classes: CLASSES }).unwrap();
    if is_weighted { data.weighted(uniform(2, ROWS)).unwrap() } else { data }
}

/// Figures and parameters after some epochs: of the training, of an evaluation, of the network.
fn trained(
    device: &Device,
    (loss, is_deep, is_weighted): (Loss, bool, bool),
    in_parts: bool,
) -> (Vec<f64>, Vec<f64>, Vec<f32>) {
    let data = data(is_weighted);
    let mut builder = Trainer::new(model(is_deep), loss, Optimizer::adam().learning_rate(0.02))
        .metrics(&[Metric::Accuracy, Metric::TopK { k: 3 }]);
    if is_weighted {
        let weights: Vec<f32> = uniform(3, CLASSES).iter().map(|weight| 0.5 + weight).collect();
        builder = builder.class_weights(&weights);
    }
    if in_parts {
        builder = builder.linear_cross_entropy();
    }
    let mut trainer = builder.on(device).unwrap();
    let history = trainer.fit(&data, Fit::epochs(4).batch(16)).unwrap();
    let figures = history.epochs.iter().flat_map(|epoch| [epoch.loss, epoch.accuracy]).collect();
    let found = trainer.evaluate(&data).unwrap();
    let metrics = found.metrics.iter().map(|(_, value)| *value);
    let found = [found.data_loss, found.penalty].into_iter().chain(metrics).collect();
    let parameters = trainer.parameters().unwrap().into_iter().flat_map(|(_, data)| data).collect();
    (figures, found, parameters)
}

#[test]
fn training_the_last_layer_with_its_loss_is_training_both_apart() {
    let losses = ["cross_entropy", "cross_entropy(label_smoothing=0.125, ignore_index=7)"];
    for device in [Device::cpu(), gpu().clone().into()] {
        for case in losses.into_iter().flat_map(|loss| {
            [(true, false), (false, false), (true, true)]
                .map(|(is_deep, is_weighted)| (loss.parse().unwrap(), is_deep, is_weighted))
        }) {
            let (figures, found, parameters) = trained(&device, case, false);
            let (in_parts, found_in_parts, moved) = trained(&device, case, true);
            let pairs = figures.iter().chain(&found).zip(in_parts.iter().chain(&found_in_parts));
            for (number, (apart, together)) in pairs.enumerate() {
                let near = (apart - together).abs() <= 1e-5 * apart.abs().max(1e-2);
                assert!(near, "{case:?}, figure {number}: {together}, apart {apart}");
            }
            assert!(
                figures.iter().skip(1).step_by(2).any(|&accuracy| accuracy > 0.0),
                "{figures:?}"
            );
            for (number, (apart, together)) in parameters.iter().zip(&moved).enumerate() {
                let near = (apart - together).abs() <= 1e-4;
                assert!(near, "{case:?}, parameter {number}: {together}, apart {apart}");
            }
        }
    }
}

/// The bytes of a training step or an evaluation beside parameters and data.
fn bytes(gpu: &Gpu, is_training: bool, linear_cross_entropy: bool) -> u64 {
    let (rows, classes) = (1024, 2048);
    let network =
        Sequential::new(8).dense(16).activation(Activation::relu()).dense(classes).build().unwrap();
    let objective = Objective {
        loss: Loss::cross_entropy(),
        reduction: Reduction::Mean,
        metrics: vec![Metric::Accuracy],
        transforms: GradientTransforms::default(),
        weighted: false,
        class_weights: None,
        linear_cross_entropy,
        checked: false,
        through: false,
    };
    let optimizer = Optimizer::sgd();
    let io = match is_training {
        true => network.training(&objective, optimizer, TargetKind::Class, (rows, rows), 0),
        false => network.evaluation(&objective, TargetKind::Class, rows),
    };
    let weights = PlanWeights::new(gpu, network.params(), Some(&optimizer), 0).unwrap();
    let rule = Steps::new(optimizer, rows);
    let rule = move |step| rule.entry(step);
    let plan = Plan::new(gpu, io.unwrap().program, Some(&weights), &[], 0, rule).unwrap();
    plan.memory().bytes("values") + plan.memory().bytes("scratch")
}

#[test]
fn the_last_layer_with_its_loss_takes_a_fraction_of_the_memory() {
    let gpu = gpu().choosing(Choices { fusion: Fusion::Never, ..gpu().choices() });
    for is_training in [true, false] {
        let [apart, together] = [false, true].map(|in_parts| bytes(&gpu, is_training, in_parts));
        println!("training {is_training}: {apart} bytes, together {together}");
        // The logits alone are 8 MiB.
        assert!(apart > 8 << 20, "{apart}");
        assert!(together < 2 << 20, "{together}");
    }
}
