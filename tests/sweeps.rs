//! Comparisons of settings, and the search for a learning rate.

use crate::support;

use support::nets::{self, bits, devices};
use wgrad::prelude::*;

fn trainer(rate: f64) -> wgrad::train::TrainerBuilder {
    let model = Sequential::new(2).dense(8).activation(Activation::tanh()).dense(3);
    Trainer::new(model, Loss::cross_entropy(), Optimizer::adam().learning_rate(rate))
}

fn one(sweep: Sweep<'_>) -> Sweep<'_> {
    sweep.setting("one", |_| Ok(trainer(0.1)))
}

#[test]
fn a_sweep_trains_every_setting_on_every_split_with_every_seed_as_by_hand() {
    let splits = data::spiral(20, 3, 0).unwrap().folds(2, 1).unwrap();
    let rates = [0.0, 0.05, 1e30];
    for device in devices() {
        let sweep = rates.iter().fold(Sweep::over(&splits).seeds(2), |sweep, rate| {
            sweep.setting(format!("rate {rate:.2e}"), move |_| Ok(trainer(*rate)))
        });
        let table = sweep.run(&device, |held| Fit::epochs(4).batch(16).validate(held)).unwrap();
        assert_eq!(table.rows.len(), 3);
        let runs = &table.rows[1].runs;
        let places: Vec<_> = runs.iter().map(|run| (run.split, run.seed)).collect();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        for run in runs {
            let (training, held) = &splits[run.split];
            let mut own = trainer(0.05).seed(run.seed).on(&device).unwrap();
            let history = own.fit(training, Fit::epochs(4).batch(16).validate(held)).unwrap();
            assert_eq!(history, run.history, "{device}");
            assert_eq!(own.evaluate(held).unwrap(), run.validation, "{device}");
        }
        let losses: Vec<f64> = runs.iter().map(|run| run.validation.loss()).collect();
        let mean = losses.iter().sum::<f64>() / 4.0;
        let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 4.0;
        assert!((table.rows[1].mean.loss() - mean).abs() < 1e-12);
        assert!((table.rows[1].deviation - variance.sqrt()).abs() < 1e-12);
        let best = table.rows.iter().map(|row| row.mean.loss()).fold(f64::INFINITY, f64::min);
        assert_eq!(table.best().unwrap().mean.loss(), best, "{table}");
        let text = table.to_string();
        assert!(text.lines().count() == 4 && text.starts_with("setting        "), "{text}");
        assert!(text.lines().next().unwrap().ends_with("   accuracy"), "{text}");
    }
}

#[test]
fn a_sweep_without_runs_is_refused_and_the_error_of_a_run_is_its_own() {
    let splits = [data::spiral(5, 3, 0).unwrap().split(0.5, 0).unwrap()];
    let run = |sweep: Sweep<'_>| sweep.run(&Device::cpu(), |_| Fit::epochs(1)).unwrap_err();
    let empty = [Sweep::over(&splits), one(Sweep::over(&[])), one(Sweep::over(&splits)).seeds(0)];
    for sweep in empty {
        assert!(run(sweep).to_string().contains("a setting, a split and a seed"));
    }
    let other = Sweep::over(&splits).setting("wide", |_| {
        Ok(Trainer::new(Sequential::new(5).dense(3), Loss::cross_entropy(), Optimizer::sgd()))
    });
    assert!(run(other).to_string().contains("2 features"));
}

#[test]
fn the_search_for_a_learning_rate_finds_one_that_trains_and_leaves_no_trace() {
    let net = nets::spiral();
    for device in devices() {
        let mut trainer = net.on(&device);
        trainer.fit(&net.data, Fit::epochs(2)).unwrap();
        let curve = trainer.find_learning_rate(&net.data, 50, 1e-5..=100.0, 80).unwrap();
        assert!((curve.rates[0] - 1e-5).abs() < 1e-12, "{curve:?}");
        let steady = curve.rates.windows(2).all(|two| (two[1] / two[0] - 1.2264).abs() < 1e-3);
        assert!(steady && curve.rates.len() > 20 && curve.rates.len() <= 80, "{curve:?}");
        let rate = curve.suggestion.unwrap();
        assert!((1e-4..10.0).contains(&rate), "{rate}");
        let mut twin = net.on(&device);
        twin.fit(&net.data, Fit::epochs(2)).unwrap();
        let histories = [&mut trainer, &mut twin].map(|own| net.train(own, 3));
        assert_eq!(histories[0], histories[1], "{device}");
        assert_eq!(bits(&trainer), bits(&twin), "{device}");
        let wrong = [(0.0..=1.0, 10), (1.0..=1.0, 10), (1e-3..=f64::NAN, 10), (1e-3..=1.0, 1)];
        for (rates, steps) in wrong {
            let error = trainer.find_learning_rate(&net.data, 50, rates, steps).unwrap_err();
            assert!(matches!(error, wgrad::Error::Parameter { .. }), "{error}");
        }
    }
}
