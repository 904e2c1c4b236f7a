//! The values that training changes, independent of any device.

/// Parameters and optimizer state, for transfer between devices.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct WeightValues {
    /// One vector per parameter tensor.
    pub params: Vec<Vec<f32>>,
    /// For each state value, one vector per parameter tensor.
    pub states: Vec<Vec<Vec<f32>>>,
    /// The further values that the optimizer carries from step to step.
    pub carried: Vec<f32>,
}
