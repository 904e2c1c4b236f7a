//! The initializers that suit the weights of a layer before an activation.

use crate::spec::Initializer;
use crate::spec::registry::Values;

/// The initializer that suits an activation with these parameters; none where the scale is kept, so that what follows
/// decides.
pub type Suiting = fn(&Values) -> Option<Initializer>;

pub(super) const KEEPS_SCALE: Suiting = |_| None;
pub(super) const XAVIER: Suiting = |_| Some(Initializer::xavier_uniform());
pub(super) const KAIMING: Suiting = |_| Some(Initializer::kaiming_uniform());
pub(super) const LECUN: Suiting = |_| Some(Initializer::lecun_normal());

/// Kaiming's with the gain of a slope below 0 that is the first parameter.
pub(super) const KAIMING_OF_SLOPE: Suiting = |[slope, ..]| kaiming(*slope);

/// Kaiming's with the gain of the mean of the first two parameters as the slope below 0.
pub(super) const KAIMING_OF_MEAN_SLOPE: Suiting = |[low, high, ..]| kaiming(0.5 * (low + high));

/// Kaiming's with the gain of a slope on the left that is the second parameter.
pub(super) const KAIMING_OF_LEFT_SLOPE: Suiting = |[_, slope, ..]| kaiming(*slope);

/// SIREN's for its frequency.
pub(super) const SIREN: Suiting = |[omega, ..]| match omega.abs() {
    0.0 => Some(Initializer::xavier_uniform()),
    omega => Some(Initializer::siren().set("omega", omega)),
};

fn kaiming(slope: f64) -> Option<Initializer> {
    Some(Initializer::kaiming_uniform().set("gain", leaky_gain(slope)))
}

/// The gain of a relu whose slope below 0 is `slope`.
pub(crate) fn leaky_gain(slope: f64) -> f64 {
    (2.0 / (1.0 + slope * slope)).sqrt()
}
