//! Networks: stacks of layers that are turned into programs.

mod adaptive;
mod build;
mod custom;
mod dense;
mod embedding;
mod figures;
mod layer;
mod loss_head;
mod network;
mod norm;
mod objective;
mod pass;
mod programs;
mod residual;
mod sequential;
mod text;
mod transforms;

pub use adaptive::AdaptiveLogSoftmax;
pub use custom::Custom;
pub use dense::Dense;
pub use embedding::Embedding;
pub(crate) use figures::Record;
#[doc(hidden)]
pub use figures::RecordLayout;
pub use layer::Layer;
pub use network::Network;
pub use norm::Norm;
pub use objective::{Objective, TargetKind};
pub use programs::ProgramIo;
pub(crate) use programs::order;
pub use residual::Residual;
pub use sequential::Sequential;

pub use crate::ir::transforms::GradientTransforms;

#[doc(hidden)]
pub use crate::renamed::nn::*;
