//! The numbers that training changes, apart from any device.

/// Parameters and optimizer state as one device leaves them and another takes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct WeightValues {
    /// One vector per parameter tensor.
    pub params: Vec<Vec<f32>>,
    /// For each state value, one vector per parameter tensor.
    pub states: Vec<Vec<Vec<f32>>>,
    /// What the optimizer carries from step to step beside that.
    pub carried: Vec<f32>,
}
