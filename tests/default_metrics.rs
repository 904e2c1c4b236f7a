//! The metrics that a run has unless others are chosen, and their names.

use crate::support;

use support::nets::{self, devices};
use wgrad::ndarray::array;
use wgrad::prelude::*;

#[test]
fn values_are_measured_by_r2_and_the_mean_absolute_error_of_their_own_data() {
    let net = nets::sine();
    let some = net.data.rows((0..1000).step_by(3).take(150)).unwrap();
    for device in devices() {
        let mut trainer = net.on(&device);
        let history = trainer.fit(&net.data, net.fit(2).validate(&some)).unwrap();
        let epoch = history.last().unwrap();
        let predicted = trainer.predict(some.inputs()).unwrap();
        let apart = (&predicted - some.targets().values().unwrap()).mapv(f64::from);
        let mae = apart.mapv(f64::abs).mean().unwrap();
        let r2 = 1.0 - apart.mapv(|x| x * x).mean().unwrap() / some.target_variance();
        for figures in [trainer.evaluate(&some).unwrap(), epoch.validation.clone().unwrap()] {
            for (name, wanted) in [("r2", r2), ("mae", mae)] {
                let got = figures.metric(name).unwrap();
                assert!((got - wanted).abs() < 1e-5, "{name} on {device}: {got}, not {wanted}");
            }
            assert_eq!(
                (figures.metrics.len(), figures.accuracy()),
                (2, figures.metric("r2").unwrap())
            );
        }
        assert!(epoch.to_string().contains(", r2: ") && epoch.to_string().contains(", mae: "));
    }
}

#[test]
fn targets_that_are_all_equal_have_no_r2() {
    let data = Dataset::new(array![[0.0], [1.0]], array![[2.0], [2.0]]).unwrap();
    let model = Sequential::new(1).dense(1);
    let mut trainer =
        Trainer::new(model, Loss::mse(), Optimizer::sgd()).on(&Device::cpu()).unwrap();
    trainer.fit(&data, Fit::epochs(1)).unwrap();
    let metrics = trainer.evaluate(&data).unwrap().metrics;
    assert_eq!(metrics.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["mae"]);
}

#[test]
fn metrics_are_named_without_parameters_unless_those_tell_them_apart() {
    let net = nets::spiral();
    let metrics = [Metric::Accuracy, Metric::TopK { k: 1 }, Metric::TopK { k: 2 }];
    let mut trainer = net.builder.clone().metrics(&metrics).on(&Device::cpu()).unwrap();
    let figures = trainer.evaluate(&net.data).unwrap();
    assert_eq!(figures.metric("accuracy"), figures.metric("top_k(k=1)"));
    assert!(figures.metric("top_k(k=2)") > figures.metric("accuracy"));
    let half = |threshold| Metric::BinaryAccuracy { threshold };
    let data = Dataset::new(array![[0.0], [1.0]], array![[0.0], [1.0]]).unwrap();
    for (metrics, names) in [
        (&[half(0.25)][..], &["binary_accuracy"][..]),
        (
            &[half(0.25), half(0.5)],
            &["binary_accuracy(threshold=0.25)", "binary_accuracy(threshold=0.5)"],
        ),
    ] {
        let builder = Trainer::new(Sequential::new(1).dense(1), Loss::mse(), Optimizer::sgd());
        let mut trainer = builder.metrics(metrics).on(&Device::cpu()).unwrap();
        let figures = trainer.evaluate(&data).unwrap().metrics;
        assert_eq!(figures.iter().map(|(name, _)| name).collect::<Vec<_>>(), names);
    }
}
