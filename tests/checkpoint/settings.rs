//! What a checkpoint restores of a trainer's settings, and what it refuses.

use wgrad::prelude::*;
use wgrad::train::{Averaging, TrainerBuilder};

use crate::support::nets::{bits, devices, directory};

fn builder(loss: Loss, optimizer: Optimizer) -> TrainerBuilder {
    Trainer::new(Sequential::new(2).dense(4).dense(3), loss, optimizer)
}

#[test]
fn the_optimizers_numbers_are_those_of_the_checkpoint() {
    let (path, data) =
        (directory("numbers").join("run.safetensors"), data::spiral(8, 3, 0).unwrap());
    let start = || builder(Loss::cross_entropy(), Optimizer::adam().learning_rate(0.01));
    for device in devices() {
        let mut whole = start().on(&device).unwrap();
        whole.fit(&data, Fit::epochs(2)).unwrap();
        whole.set_optimizer("lr", 0.001).unwrap();
        whole.set_optimizer("weight_decay", 0.5).unwrap();
        whole.set_optimizer("beta1", 0.8).unwrap();
        whole.save(&path).unwrap();
        let mut resumed = start().on(&device).unwrap();
        resumed.load(&path).unwrap();
        let rest = resumed.fit(&data, Fit::epochs(3)).unwrap();
        assert_eq!(rest.last().unwrap().rate, 0.001);
        assert_eq!(rest, whole.fit(&data, Fit::epochs(3)).unwrap());
        assert_eq!(bits(&resumed), bits(&whole), "{device}");

        // After loading, the last word is the caller's again.
        resumed.load(&path).unwrap();
        resumed.set_optimizer("lr", 0.25).unwrap();
        let rest = resumed.fit(&data, Fit::epochs(1)).unwrap();
        assert_eq!(rest.last().unwrap().rate, 0.25);
    }
}

#[test]
fn an_optimizer_that_keeps_other_state_is_refused() {
    let path = directory("other_state").join("run.safetensors");
    let sgd = Optimizer::sgd();
    let momentum = sgd.with("momentum", 0.9).unwrap();
    for (saved, own) in [(sgd, momentum), (momentum, sgd)] {
        builder(Loss::cross_entropy(), saved).on(&Device::cpu()).unwrap().save(&path).unwrap();
        let mut trainer = builder(Loss::cross_entropy(), own).on(&Device::cpu()).unwrap();
        let error = trainer.load(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("saved from {saved}, this trainer has {own}")), "{error}");
    }
}

#[test]
fn another_loss_accumulation_or_transform_is_refused_with_both_named() {
    let path = directory("fixed").join("run.safetensors");
    let plain = || builder(Loss::cross_entropy(), Optimizer::adam());
    let smoothed = Loss::cross_entropy().with("label_smoothing", 0.1).unwrap();
    let cases: [(TrainerBuilder, &str, &str); 12] = [
        (builder(Loss::nll(), Optimizer::adam()), "loss nll", "loss cross_entropy"),
        (
            builder(smoothed, Optimizer::adam()),
            "loss cross_entropy(label_smoothing=0.1)",
            "loss cross_entropy",
        ),
        (plain().reduction(Reduction::Sum), "reduction sum", "reduction mean"),
        (plain().class_weights(&[1.0, 2.0, 0.5]), "class_weights [1.0, 2.0, 0.5]", "none"),
        (plain().accumulate(8), "accumulate 8", "accumulate 1"),
        (plain().skip_not_finite(), "skip_not_finite true", "skip_not_finite false"),
        (plain().clip_value(0.5), "clip_value 0.5", "clip_value none"),
        (plain().clip_each(0.5), "clip_each 0.5", "clip_each none"),
        (plain().clip_norm(2.0), "clip_norm 2", "clip_norm none"),
        (plain().gradient_noise(0.01, 0.55), "gradient_noise 0.01, 0.55", "gradient_noise none"),
        (plain().average(Averaging::Ema { decay: 0.9 }), "average ema(decay=0.9)", "average none"),
        (
            plain().average(Averaging::Lookahead { every: 5, alpha: 0.5 }),
            "average lookahead(every=5, alpha=0.5)",
            "average none",
        ),
    ];
    for (other, other_says, plain_says) in cases {
        for (saved, own, saved_says, own_says) in [
            (other.clone(), plain(), other_says, plain_says),
            (plain(), other.clone(), plain_says, other_says),
        ] {
            saved.on(&Device::cpu()).unwrap().save(&path).unwrap();
            let mut own = own.seed(1).on(&Device::cpu()).unwrap();
            let before = bits(&own);
            let error = own.load(&path).unwrap_err().to_string();
            let (first, second) = error.split_once("this trainer has").unwrap();
            assert!(first.contains(saved_says) && second.contains(own_says), "{error}");
            assert!(error.contains("load_weights"), "{error}");
            assert_eq!(bits(&own), before);
            own.load_weights(&path).unwrap();
        }
    }
}
