//! Losses of logits that fuse an output activation with a loss of its output.

use super::{Loss, Reduction};
use crate::spec::Activation;
use crate::spec::activation::ActivationKind;

/// The losses that apply the sigmoid themselves.
const OF_SIGMOID: [&str; 3] = ["bce_with_logits", "focal", "multilabel_soft_margin"];

impl Loss {
    /// The loss that, computed from the input (logits) of `output`, equals this loss computed from its output. Its
    /// gradient does not pass through the activation's, which is 0 where it saturates. `None` if a clip was set,
    /// because clips apply to the output.
    pub(crate) fn of_logits(
        &self,
        output: &Activation,
        reduction: Reduction,
    ) -> Option<(Self, Reduction)> {
        match output.name() {
            "sigmoid" if *self == Self::bce() => Some((Self::bce_with_logits(), reduction)),
            "softmax" if *self == Self::categorical_cross_entropy() => {
                let plain = output.get("temperature") == Some(1.0);
                // The mean of this loss divides by the number of rows, whatever their class weights.
                let reduction = match reduction {
                    Reduction::Mean => Reduction::BatchMean,
                    other => other,
                };
                plain.then(|| (Self::cross_entropy(), reduction))
            }
            "log_softmax" if self.name() == "nll" => {
                let ignored = self.get("ignore_index").unwrap_or(-1.0);
                Some((Self::cross_entropy().set("ignore_index", ignored), reduction))
            }
            _ => None,
        }
    }

    /// Returns whether predictions and targets must be probabilities.
    pub(crate) fn takes_probabilities(&self) -> bool {
        matches!(self.name(), "bce" | "categorical_cross_entropy")
    }

    /// The loss to use after `output` instead of this one, if this one takes logits and applies such a function itself.
    pub(crate) fn instead_after(&self, output: &Activation) -> Option<Self> {
        let is_row = matches!(output.entry().kind, ActivationKind::Row(_));
        match (self.name(), output.name()) {
            ("cross_entropy", "log_softmax") => Some(Self::nll()),
            ("cross_entropy", _) if is_row => Some(Self::categorical_cross_entropy()),
            (loss, name) if OF_SIGMOID.contains(&loss) && name.ends_with("sigmoid") => {
                Some(Self::bce())
            }
            _ => None,
        }
    }
}
