//! The settings that a checkpoint restores, and those that must match.

use std::borrow::Cow;

use super::container::{Container, FileResult};
use crate::error::cut;
use crate::ir::Averaging;
use crate::nn::{GradientTransforms, Objective};
use crate::spec::{Loss, Optimizer};
use crate::train::Trainer;

impl Trainer {
    /// The settings that must match to resume a run, as text.
    pub(super) fn fixed_settings(&self) -> Vec<(&'static str, String)> {
        let Objective { loss, reduction, class_weights, transforms, .. } = &self.settings.objective;
        let GradientTransforms {
            accumulate,
            across_epochs,
            skip_not_finite,
            clip_value,
            clip_each,
            clip_norm,
            noise,
            average,
        } = transforms;
        vec![
            ("loss", loss.to_string()),
            ("reduction", format!("{reduction:?}").to_lowercase()),
            ("class_weights", class_weights.as_ref().map_or_else(none, |w| format!("{w:?}"))),
            ("accumulate", accumulate.unwrap_or(1).to_string()),
            ("accumulate_across_epochs", across_epochs.to_string()),
            ("skip_not_finite", skip_not_finite.to_string()),
            ("clip_value", number(*clip_value)),
            ("clip_each", number(*clip_each)),
            ("clip_norm", number(*clip_norm)),
            ("gradient_noise", noise.map_or_else(none, |[eta, gamma]| format!("{eta}, {gamma}"))),
            ("average", average.as_ref().map_or_else(none, average_text)),
        ]
    }

    /// Fails if a setting that must match differs.
    pub(super) fn check_settings(&self, saved: &Container<'_>) -> FileResult<()> {
        let settings = self.fixed_settings();
        // Older formats do not contain all of them.
        let told = settings
            .iter()
            .filter_map(|(name, own)| Some((name, own, as_written_now(name, saved.get(name)?))));
        let Some((name, own, other)) = told.into_iter().find(|(_, own, other)| *own != other)
        else {
            return Ok(());
        };
        let (own, other) = (cut(own), cut(&other));
        Err(format!(
            "it was saved with {name} {other}, this trainer has {name} {own}; load_weights takes the parameters alone"
        ))
    }

    /// The optimizer of the checkpoint, with its hyper-parameters at that time.
    pub(super) fn saved_optimizer(&self, saved: &Container<'_>) -> FileResult<Optimizer> {
        let text = saved.field("optimizer")?;
        let other = || {
            format!("it was saved from {}, this trainer has {}", cut(text), self.settings.optimizer)
        };
        let parsed = self.settings.optimizer.again(text).ok_or_else(other)?;
        let parsed = parsed.and_then(|saved| saved.validate().map(|()| saved));
        let optimizer = parsed.map_err(|error| cut(&error.to_string()).into_owned())?;
        if optimizer.keeps_state_of(&self.settings.optimizer) {
            Ok(optimizer)
        } else {
            Err(other())
        }
    }
}

/// The text of a saved setting; older versions write the flags of a loss as 0 and 1.
fn as_written_now<'a>(name: &str, saved: &'a str) -> Cow<'a, str> {
    match saved.parse::<Loss>() {
        Ok(loss) if name == "loss" => Cow::Owned(loss.to_string()),
        _ => Cow::Borrowed(saved),
    }
}

fn none() -> String {
    "none".to_string()
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(none, |value| value.to_string())
}

fn average_text(average: &Averaging) -> String {
    match average {
        Averaging::Ema { decay } => format!("ema(decay={decay})"),
        Averaging::Swa { start, every } => format!("swa(start={start}, every={every})"),
        Averaging::Lookahead { every, alpha } => format!("lookahead(every={every}, alpha={alpha})"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::container;
    use super::*;
    use crate::{Device, Sequential};

    #[test]
    fn flags_that_an_older_version_wrote_as_numbers_are_the_same_settings() {
        let loss = Loss::poisson_nll().with("full", true).unwrap();
        let sgd = Optimizer::sgd().with("momentum", 0.9).unwrap();
        let model = Sequential::new(2).dense(3);
        let trainer = Trainer::new(model, loss, sgd).on(&Device::cpu()).unwrap();
        let check = |loss: &str| {
            let optimizer = "sgd(momentum=0.9, nesterov=1)";
            let fields = [("loss", loss), ("optimizer", optimizer)];
            let fields = fields.map(|(name, text)| (name.to_string(), text.to_string()));
            let bytes = container::write(&[], fields.into_iter().collect()).unwrap();
            let saved = Container::read(&bytes).unwrap();
            let optimizer = trainer.saved_optimizer(&saved).unwrap();
            assert_eq!(optimizer, sgd.with("nesterov", true).unwrap());
            trainer.check_settings(&saved)
        };
        assert_eq!(check("poisson_nll(full=1)"), Ok(()));
        assert_eq!(check("poisson_nll(full=true)"), Ok(()));
        let refusal = check("poisson_nll").unwrap_err();
        assert!(refusal.contains("loss poisson_nll(full=true)"), "{refusal}");
    }
}
