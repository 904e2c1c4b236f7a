//! An optimizer as it was chosen: common settings, and the state that it keeps.

use super::{Layout, Mean, Optimizer, Takes, averaged, lbfgs};
use crate::error::{Error, Result};
use crate::spec::param::ParamValue;

impl Optimizer {
    /// The same optimizer with another learning rate; an invalid value is rejected when training is set up.
    pub fn learning_rate(self, rate: f64) -> Self {
        self.set("lr", rate)
    }

    /// The same optimizer with another weight decay; an invalid value is rejected when training is set up.
    pub fn weight_decay(self, decay: f64) -> Self {
        self.set("weight_decay", decay)
    }

    /// The same optimizer, ascending the gradient instead of descending it if `on`.
    pub fn maximize(self, on: bool) -> Self {
        self.set("maximize", f64::from(on))
    }

    /// The same optimizer with another value of a hyper-parameter, for a run that goes on.
    ///
    /// # Errors
    /// As [`Choice::with`]; [`Error::Unsupported`] if it would keep other state values.
    pub(crate) fn going_on_with<'a>(
        &self,
        parameter: &str,
        value: impl Into<ParamValue<'a>>,
    ) -> Result<Self> {
        let next = self.with(parameter, value)?;
        if !next.keeps_state_of(self) {
            let message = format!("{next} keeps other state than {self}; begin another run");
            return Err(Error::unsupported("set_optimizer", message));
        }
        Ok(next)
    }

    /// Returns whether another optimizer keeps the same state values, each of the same shape.
    pub(crate) fn keeps_state_of(&self, other: &Self) -> bool {
        let layouts = |of: &Self| (0..of.states().len()).map(|k| of.layout(k)).collect::<Vec<_>>();
        self.states() == other.states() && layouts(self) == layouts(other)
    }

    /// The initial values of the state values that this configuration keeps per parameter.
    pub(crate) fn initial_state(&self) -> Vec<f64> {
        let initial = (self.entry().kind.state_init)(self.values());
        initial.into_iter().take(self.states().len()).collect()
    }

    /// The values that the optimizer carries from step to step in addition to its state: names and initial values.
    pub(crate) fn initial_carried(&self) -> Vec<(&'static str, Vec<f64>)> {
        if self.entry().kind.takes == Takes::History {
            return vec![("products", vec![0.0; lbfgs::len(self.slots())])];
        }
        let carried = self.entry().kind.carried.iter();
        let named = carried.flat_map(|carried| carried.names.iter().zip(carried.initial));
        named.map(|(name, value)| (*name, vec![value])).collect()
    }

    /// The number of history slots: one per pair of the history and one for the newest pair, which is not part of it
    /// yet.
    pub(crate) fn slots(&self) -> usize {
        self.get("history_size").map_or(0, |size| size as usize + 1)
    }

    /// Returns whether the optimizer reads the loss.
    #[doc(hidden)]
    pub fn takes_loss(&self) -> bool {
        self.entry().kind.carried.as_ref().is_some_and(|carried| carried.takes_loss)
    }

    /// For an optimizer that keeps a mean of the parameters: the name of the state value and the function that computes
    /// the mean from a parameter and that value.
    pub(crate) fn mean(&self) -> Option<(&'static str, Mean)> {
        averaged::mean(self.name())
    }

    /// The layout of a state value; the states of gradient transforms have one element per parameter.
    pub(crate) fn layout(&self, state: usize) -> Layout {
        let is_last = state + 1 == self.states().len();
        match self.entry().kind.takes {
            Takes::Lines { .. } if is_last => Layout::Lines,
            Takes::History if state > 0 && state < self.states().len() => {
                Layout::Slots(self.slots())
            }
            _ => Layout::Elements,
        }
    }

    /// The names of the state values that this configuration keeps per parameter.
    #[doc(hidden)]
    pub fn states(&self) -> &'static [&'static str] {
        let kind = &self.entry().kind;
        kind.states.get(..(kind.state_count)(self.values())).unwrap_or(kind.states)
    }
}
