//! What each op *is*: name, parameters, formula, reference, and the WGSL text of its formula. Knows neither engine.
//!
//! One [`Entry`] in a family's table makes an op: look-up by name, the CPU reference, the GPU kernels, every test and
//! bench case and the documentation tables follow from it.

#![allow(clippy::type_complexity, reason = "a signature says more than an alias for it")]

pub mod activation;
pub(crate) mod entries;
pub mod initializer;
pub mod loss;
pub mod metric;
pub mod norm;
pub mod optimizer;
pub mod registry;
pub mod row;
pub mod schedule;
pub mod tensor;

pub use activation::Activation;
pub use initializer::Initializer;
pub use loss::{Loss, Reduction};
pub use metric::Metric;
pub use norm::Normalization;
pub use optimizer::Optimizer;
pub use registry::{Alias, Choice, Entry, Kind, Param, Range};
pub use schedule::Schedule;
pub use tensor::{Arithmetic, Reduce};

use crate::numeric::Float;

/// The reference passes of one op for one number type, picked by [`Real`].
#[derive(Clone, Copy)]
pub struct Both<A, B> {
    /// The passes in `f32`, which `Device::cpu()` runs.
    pub f32: A,
    /// The passes in `f64`, the reference of every test.
    pub f64: B,
}

/// A number type for which every entry holds its reference passes.
pub trait Real: Float {
    /// The passes of an elementwise activation.
    fn map(passes: &activation::MapPasses) -> &activation::Map<Self>;
    /// The pass of a second derivative.
    fn second(passes: &activation::SecondPasses) -> &activation::SecondPass<Self>;
    /// The functions of an activation with noise.
    fn noise(passes: &activation::NoisePasses) -> &activation::Noise<Self>;
    /// The functions of an activation with learned numbers.
    fn parametric(passes: &activation::LearnedPasses) -> &activation::Parametric<Self>;
    /// The passes of a row-wise activation.
    fn rows(passes: &row::RowPasses) -> &row::Rows<Self>;
    /// The passes of an elementwise loss.
    fn loss_map(passes: &loss::MapPasses) -> &loss::Map<Self>;
    /// The pass of a row-wise loss.
    fn loss_row(passes: &loss::RowPasses) -> &loss::Row<Self>;
    /// The pass that completes the scalars of an optimizer.
    fn carry(passes: &optimizer::CarryPasses) -> &optimizer::Carry<Self>;
    /// The pass of an optimizer.
    fn update(passes: &optimizer::UpdatePasses) -> &optimizer::Update<Self>;
}

macro_rules! real {
    ($float:ident) => {
        impl Real for $float {
            fn map(passes: &activation::MapPasses) -> &activation::Map<Self> {
                &passes.$float
            }
            fn second(passes: &activation::SecondPasses) -> &activation::SecondPass<Self> {
                &passes.$float
            }
            fn noise(passes: &activation::NoisePasses) -> &activation::Noise<Self> {
                &passes.$float
            }
            fn parametric(passes: &activation::LearnedPasses) -> &activation::Parametric<Self> {
                &passes.$float
            }
            fn rows(passes: &row::RowPasses) -> &row::Rows<Self> {
                &passes.$float
            }
            fn loss_map(passes: &loss::MapPasses) -> &loss::Map<Self> {
                &passes.$float
            }
            fn loss_row(passes: &loss::RowPasses) -> &loss::Row<Self> {
                &passes.$float
            }
            fn carry(passes: &optimizer::CarryPasses) -> &optimizer::Carry<Self> {
                &passes.$float
            }
            fn update(passes: &optimizer::UpdatePasses) -> &optimizer::Update<Self> {
                &passes.$float
            }
        }
    };
}
real!(f32);
real!(f64);
