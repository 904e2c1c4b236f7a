//! Reduction of the learning rate when the loss stops improving.

use crate::error::Result;
use crate::spec::Range;

/// Reduces the learning rate when the loss at the end of an epoch stops improving
/// (torch.optim.lr_scheduler.ReduceLROnPlateau with a relative threshold). The loss is that of the validation data, or
/// of the training data if there are none. The factor multiplies the rate of the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plateau {
    /// The factor that a reduction multiplies the rate by, such as 0.5.
    pub factor: f64,
    /// The number of epochs without an improvement that are tolerated.
    pub patience: u64,
    /// The relative decrease of the best loss that counts as an improvement.
    pub threshold: f64,
    /// The number of epochs after a reduction that are not counted.
    pub cooldown: u64,
    /// The lower bound of the product of all reductions.
    pub least: f64,
    /// True if a loss is compared with that of the epoch before, as textbooks do, instead of with the best so far. With a
    /// patience of 0 the rate is then reduced after every epoch that was no better than the one before.
    pub against_previous: bool,
}

impl Default for Plateau {
    /// PyTorch's defaults: a tenth after more than 10 epochs without an improvement of 1e-4.
    fn default() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            cooldown: 0,
            least: 0.0,
            against_previous: false,
        }
    }
}

impl Plateau {
    /// Fails unless every parameter is in its range.
    pub(crate) fn validate(&self) -> Result<()> {
        let check = |name, value| Range::BELOW_ONE.check("schedule.plateau", name, value);
        check("factor", self.factor)?;
        check("threshold", self.threshold)?;
        check("least", self.least)
    }
}

/// Returns whether a loss is below the best so far by more than `margin`. An infinite best, as at the start of a run,
/// has no margin.
pub(crate) fn improves(loss: f64, best: f64, margin: f64) -> bool {
    loss < if best.is_finite() { best - margin } else { best }
}

/// The state of a run's [`Plateau`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateauState {
    /// The current factor of the rate.
    pub scale: f64,
    /// The loss that the next one is compared with: the best so far, or the last.
    pub best: f64,
    /// The number of epochs since the last improvement.
    pub waited: u64,
    /// The number of remaining epochs that are not counted.
    pub cooling: u64,
}

impl Default for PlateauState {
    fn default() -> Self {
        Self { scale: 1.0, best: f64::INFINITY, waited: 0, cooling: 0 }
    }
}

impl PlateauState {
    /// Updates the state with the loss of an epoch.
    pub(crate) fn observe(&mut self, plateau: &Plateau, loss: f64) {
        let is_better = improves(loss, self.best, plateau.threshold * self.best.abs());
        self.waited = if is_better { 0 } else { self.waited.saturating_add(1) };
        // Nothing compares with a NaN.
        if is_better || (plateau.against_previous && !loss.is_nan()) {
            self.best = loss;
        }
        if self.cooling > 0 {
            (self.cooling, self.waited) = (self.cooling - 1, 0);
        }
        if self.waited > plateau.patience {
            self.scale = (self.scale * plateau.factor).max(plateau.least);
            (self.cooling, self.waited) = (plateau.cooldown, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The factor of the rate after these losses, with a patience of 0.
    fn scale(losses: &[f64]) -> f64 {
        let plateau = Plateau { factor: 0.5, patience: 0, threshold: 0.1, ..Plateau::default() };
        let mut state = PlateauState::default();
        losses.iter().for_each(|loss| state.observe(&plateau, *loss));
        state.scale
    }

    #[test]
    fn a_negative_loss_must_fall_by_a_fraction_of_its_magnitude() {
        assert_eq!(scale(&[-1.0, -1.0]), 0.5);
        assert_eq!(scale(&[-1.0, -0.95, -1.05]), 0.25);
        assert_eq!(scale(&[-1.0, -1.11, -1.23]), 1.0);
        assert_eq!(scale(&[1.0, 0.89, 0.79]), 1.0);
        assert_eq!(scale(&[1.0, 0.91]), 0.5);
        assert_eq!(scale(&[0.0, 0.0, -1e-9]), 0.5);
    }

    #[test]
    fn a_loss_is_compared_with_that_of_the_epoch_before_if_asked() {
        let rates = |against_previous, losses: &[f64]| {
            let plateau = Plateau {
                factor: 0.5,
                patience: 0,
                threshold: 0.0,
                against_previous,
                ..Plateau::default()
            };
            let mut state = PlateauState::default();
            let rate = |loss: &f64| {
                state.observe(&plateau, *loss);
                state.scale
            };
            losses.iter().map(rate).collect::<Vec<f64>>()
        };
        let losses = [1.0, 3.0, 2.0, f64::NAN, 2.5, 2.4];
        assert_eq!(rates(true, &losses), [1.0, 0.5, 0.5, 0.25, 0.125, 0.125]);
        assert_eq!(rates(false, &losses), [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125]);
    }

    #[test]
    fn nothing_is_better_than_a_loss_of_minus_infinity() {
        assert_eq!(scale(&[f64::NEG_INFINITY, -1.0]), 0.5);
        assert_eq!(scale(&[f64::NAN, f64::INFINITY, 3.0]), 0.25);
    }

    #[test]
    fn a_state_that_has_waited_for_ever_goes_on_waiting() {
        let plateau = Plateau { patience: u64::MAX, ..Plateau::default() };
        let mut state = PlateauState { waited: u64::MAX, ..PlateauState::default() };
        state.observe(&plateau, f64::NAN);
        assert_eq!((state.waited, state.scale), (u64::MAX, 1.0));
    }
}
