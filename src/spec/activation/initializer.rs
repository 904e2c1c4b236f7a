//! Default initializers of the weights of the layer before an activation.

use crate::spec::Initializer;
use crate::spec::registry::Values;

/// Selects the default initializer for an activation with these parameters; `None` if the activation preserves the
/// scale, so that whatever follows it decides.
pub type DefaultInitializer = fn(&Values) -> Option<Initializer>;

pub(super) const KEEPS_SCALE: DefaultInitializer = |_| None;
pub(super) const XAVIER: DefaultInitializer = |_| Some(Initializer::xavier_uniform());
pub(super) const KAIMING: DefaultInitializer = |_| Some(Initializer::kaiming_uniform());
pub(super) const LECUN: DefaultInitializer = |_| Some(Initializer::lecun_normal());

/// Kaiming with the gain for a negative slope that is the first parameter.
pub(super) const KAIMING_OF_SLOPE: DefaultInitializer = |[slope, ..]| kaiming(*slope);

/// Kaiming with the gain for a negative slope that is the mean of the first two parameters.
pub(super) const KAIMING_OF_MEAN_SLOPE: DefaultInitializer =
    |[low, high, ..]| kaiming(0.5 * (low + high));

/// Kaiming with the gain for a negative slope that is the second parameter.
pub(super) const KAIMING_OF_LEFT_SLOPE: DefaultInitializer = |[_, slope, ..]| kaiming(*slope);

/// SIREN with the activation's frequency; Xavier for a frequency of 0.
pub(super) const SIREN: DefaultInitializer = |[omega, ..]| match omega.abs() {
    0.0 => Some(Initializer::xavier_uniform()),
    omega => Some(Initializer::siren().set("omega", omega)),
};

fn kaiming(slope: f64) -> Option<Initializer> {
    Some(Initializer::kaiming_uniform().set("gain", leaky_gain(slope)))
}

/// The gain for a leaky relu with this negative slope.
pub(crate) fn leaky_gain(slope: f64) -> f64 {
    (2.0 / (1.0 + slope * slope)).sqrt()
}
