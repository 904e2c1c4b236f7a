//! Runs whose loss becomes NaN: where the first one comes from, and what is left.

use crate::support;

use support::nets::{bits, devices};
use wgrad::Error;
use wgrad::data::Targets;
use wgrad::ndarray::{Array2, array};
use wgrad::prelude::*;

/// Rows of which one makes weights of 3e38 overflow.
fn data() -> Dataset {
    let x = Array2::from_shape_fn((24, 2), |(row, _)| if row == 21 { 2.0 } else { 1e-3 });
    Dataset::new(x, Array2::zeros((24, 1))).unwrap()
}

fn huge(device: &Device) -> Trainer {
    let model = Sequential::new(2).dense(2).dense(1);
    let sgd = Optimizer::sgd().learning_rate(0.0);
    let mut trainer = Trainer::new(model, Loss::l1(), sgd).on(device).unwrap();
    trainer.set_parameters("0.weight", Array2::from_elem((2, 2), 3e38).view()).unwrap();
    // Infinity less infinity.
    trainer.set_parameters("1.weight", array![[1e-30, -1e-30]].view()).unwrap();
    trainer
}

/// The step and the words of the error.
fn not_a_number(error: Error) -> (u64, String, String) {
    let text = error.to_string();
    match error {
        Error::NotANumber { step, op, message } => {
            assert_eq!(text, format!("training step {step}: {op}: {message}"));
            (step, op, message)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_that_meets_nan_names_the_step_and_the_op_and_keeps_what_was_before() {
    let data = data();
    for device in devices() {
        let whole = huge(&device).fit(&data, Fit::epochs(3)).unwrap_err();
        let (step, op, message) = not_a_number(whole);
        assert_eq!(step, 0, "{device}");
        let is_product = |op: &str| op.contains(" = matmul.nt(") && op.contains("1.weight");
        assert!(is_product(&op), "{op}");
        assert!(message.starts_with("1 of the 24 values of "), "{message}");

        for streams in [false, true] {
            let mut trainer = huge(&device);
            let before = bits(&trainer);
            let fit = Fit::epochs(5).batch(4);
            let outcome = match streams {
                false => trainer.fit(&data, fit),
                true => trainer.fit_batches(&mut &data, fit),
            };
            let (step, again, _) = not_a_number(outcome.unwrap_err());
            // The order of the rows tells when the row comes.
            assert!(step < 6 && is_product(&again), "{step} {again}");
            assert_eq!((trainer.step(), trainer.epoch()), (step, 0));
            assert_eq!(bits(&trainer), before);
        }
    }
}

#[test]
fn a_nan_of_an_update_is_found_in_the_step_of_the_update() {
    let data = data::sine(64).unwrap();
    for device in devices() {
        let trained = |fit: Fit<'_>| {
            let model = Sequential::new(1).dense(8).activation(Activation::relu()).dense(1);
            let wild = Optimizer::sgd().learning_rate(1e9);
            let mut trainer = Trainer::new(model, Loss::mse(), wild).on(&device).unwrap();
            let outcome = trainer.fit(&data, fit);
            (trainer, outcome)
        };
        let (trainer, outcome) = trained(Fit::epochs(3000));
        let (step, op, message) = not_a_number(outcome.unwrap_err());
        assert!(step > 0 && message.contains("are NaN, the first at place"), "{op} {message}");
        assert_eq!((trainer.step(), trainer.epoch()), (step, step), "{device}");
        let (twin, history) = trained(Fit::epochs(step));
        assert!(!history.unwrap().last().unwrap().loss.is_nan());
        assert_eq!(bits(&trainer), bits(&twin), "as if it had stopped before, on {device}");
        let (_, history) = trained(Fit::epochs(step + 3).continue_on_nan());
        let losses: Vec<f64> = history.unwrap().epochs.iter().map(|epoch| epoch.loss).collect();
        assert!(losses[step as usize + 2].is_nan(), "{losses:?}");
    }
}

#[test]
fn nan_in_the_data_or_in_the_parameters_is_told_apart() {
    let mut x = data().inputs().clone();
    x[[3, 1]] = f32::NAN;
    let broken = Dataset::keeping_non_finite(x, Targets::Values(Array2::zeros((24, 1)))).unwrap();
    for device in devices() {
        let (step, op, message) =
            not_a_number(huge(&device).fit(&broken, Fit::epochs(1)).unwrap_err());
        assert_eq!((step, op.as_str()), (0, "the data"));
        assert!(message.contains("1 of the 48 values") && message.contains("place 7"), "{message}");
        let mut trainer = huge(&device);
        trainer.set_parameters("0.bias", array![f32::NAN, 0.0].view()).unwrap();
        let (step, op, message) = not_a_number(trainer.fit(&data(), Fit::epochs(1)).unwrap_err());
        assert_eq!((step, op.as_str()), (0, "the parameters before it"));
        assert!(message.contains("'0.bias'"), "{message}");
    }
}
