//! The definition of each op: name, parameters, formula, CPU reference and the WGSL source of its formula. Independent
//! of both backends.
//!
//! One [`Entry`] in a family's table defines an op. Look-up by name, the CPU reference, the GPU kernels, every test and
//! bench case and the documentation tables follow from it.

#![allow(clippy::type_complexity, reason = "a signature says more than an alias for it")]

pub(crate) mod activation;
pub(crate) mod difference;
pub(crate) mod entries;
pub(crate) mod initializer;
pub(crate) mod loss;
pub(crate) mod metric;
pub(crate) mod norm;
pub(crate) mod optimizer;
pub(crate) mod param;
pub(crate) mod registry;
pub(crate) mod schedule;
pub(crate) mod tensor;

pub use activation::Activation;
#[doc(hidden)]
pub use activation::ActivationKind;
pub use initializer::Initializer;
#[doc(hidden)]
pub use loss::{Domain, LossKind};
pub use loss::{Loss, Reduction};
pub use metric::Metric;
pub use norm::Normalization;
pub use optimizer::Optimizer;
#[doc(hidden)]
pub use param::ParamValue;
pub use param::{Param, ParamKind, Range};
#[doc(hidden)]
pub use registry::Alias;
pub use registry::{Choice, Entry, Kind};
pub use schedule::{Plateau, Schedule};
pub use tensor::{Arithmetic, Reduce};

use crate::numeric::Float;

/// The reference passes of one op for both floating-point types, selected by [`Real`].
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Both<A, B> {
    /// The passes in `f32`, which `Device::cpu()` runs.
    pub f32: A,
    /// The passes in `f64`, the reference of every test.
    pub f64: B,
}

/// A floating-point type for which every entry has reference passes.
#[doc(hidden)]
pub trait Real: Float {
    /// The passes of an elementwise activation.
    fn map(passes: &activation::ElementwisePasses) -> &activation::Map<Self>;
    /// The pass of a second derivative.
    fn second(passes: &activation::SecondPasses) -> &activation::SecondPass<Self>;
    /// The functions of a stochastic activation.
    fn noise(passes: &activation::StochasticPasses) -> &activation::StochasticMap<Self>;
    /// The functions of a parametric activation.
    fn parametric(passes: &activation::ParametricPasses) -> &activation::Parametric<Self>;
    /// The passes of a row-wise activation.
    fn rows(passes: &activation::RowPasses) -> &activation::RowMap<Self>;
    /// The passes of an elementwise loss.
    fn loss_map(passes: &loss::ElementwiseLossPasses) -> &loss::LossMap<Self>;
    /// The pass of a row-wise loss.
    fn loss_row(passes: &loss::RowLossPasses) -> &loss::Row<Self>;
    /// The pass that completes an optimizer's per-step scalars.
    fn carry(passes: &optimizer::CarryPasses) -> &optimizer::Carry<Self>;
    /// The update pass of an optimizer.
    fn update(passes: &optimizer::UpdatePasses) -> &optimizer::UpdatePass<Self>;
}

macro_rules! real {
    ($float:ident) => {
        impl Real for $float {
            fn map(passes: &activation::ElementwisePasses) -> &activation::Map<Self> {
                &passes.$float
            }
            fn second(passes: &activation::SecondPasses) -> &activation::SecondPass<Self> {
                &passes.$float
            }
            fn noise(passes: &activation::StochasticPasses) -> &activation::StochasticMap<Self> {
                &passes.$float
            }
            fn parametric(passes: &activation::ParametricPasses) -> &activation::Parametric<Self> {
                &passes.$float
            }
            fn rows(passes: &activation::RowPasses) -> &activation::RowMap<Self> {
                &passes.$float
            }
            fn loss_map(passes: &loss::ElementwiseLossPasses) -> &loss::LossMap<Self> {
                &passes.$float
            }
            fn loss_row(passes: &loss::RowLossPasses) -> &loss::Row<Self> {
                &passes.$float
            }
            fn carry(passes: &optimizer::CarryPasses) -> &optimizer::Carry<Self> {
                &passes.$float
            }
            fn update(passes: &optimizer::UpdatePasses) -> &optimizer::UpdatePass<Self> {
                &passes.$float
            }
        }
    };
}
real!(f32);
real!(f64);
