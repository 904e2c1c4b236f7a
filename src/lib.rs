#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod __internal;
pub mod data;
pub mod device;
pub mod embed;
mod engine;
mod error;
pub mod ir;
pub mod nn;
mod numeric;
mod ops;
pub mod random;
mod renamed;
mod shape;
pub mod spec;
mod time;
pub mod train;
mod walk;

pub use data::Dataset;
#[cfg(not(target_family = "wasm"))]
pub use device::self_test;
pub use device::{Device, Tensor};
pub use error::{Error, Result};
pub use ir::Program;
pub use nn::{Dense, Sequential};
#[allow(deprecated, reason = "former names")]
pub use renamed::{cpu, gpu, program};
pub use shape::Shape;
pub use spec::{
    Activation, Arithmetic, Initializer, Loss, Metric, Normalization, Optimizer, Reduce, Reduction,
    Schedule,
};
pub use train::{Evaluation, Fit, History, Trainer};
pub use {ndarray, wgpu};

/// The imports that most programs need: `use wgrad::prelude::*;`.
pub mod prelude {
    pub use crate::data::{self, Dataset};
    pub use crate::embed::Gpu;
    pub use crate::{
        Activation, Arithmetic, Dense, Device, Evaluation, Fit, History, Initializer, Loss, Metric,
        Normalization, Optimizer, Reduce, Reduction, Schedule, Sequential, Trainer,
    };
}

/// Runs the examples of the guide as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/adding-an-op.md")]
mod adding_an_op {}
