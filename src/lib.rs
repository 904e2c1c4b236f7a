#![doc = include_str!("../README.md")]

pub mod cpu;
pub mod data;
pub mod device;
pub mod error;
pub mod gpu;
pub mod nn;
pub mod numeric;
pub mod ops;
pub mod program;
pub mod random;
mod renamed;
pub mod shape;
pub mod spec;
mod time;
pub mod train;
pub mod walk;

pub use data::Dataset;
#[cfg(not(target_family = "wasm"))]
pub use device::self_test;
pub use device::{Device, Tensor};
pub use error::{Error, Result};
pub use nn::{Dense, Sequential};
pub use program::Program;
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
    pub use crate::gpu::Gpu;
    pub use crate::{
        Activation, Arithmetic, Dense, Device, Evaluation, Fit, History, Initializer, Loss, Metric,
        Normalization, Optimizer, Reduce, Reduction, Schedule, Sequential, Trainer,
    };
}

/// Runs the examples of the guide as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/adding-an-op.md")]
mod adding_an_op {}
