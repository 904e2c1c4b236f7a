//! Neural-network training on any GPU through WebGPU, and inside the frame of a host application.
//!
//! Kernels are hand-written WGSL, each checked against a reference on the CPU. There are three doors.
//!
//! # [`prelude`]: train a network
//!
//! A [`Sequential`] of layers, a [`Loss`] and an [`Optimizer`] make a [`Trainer`], which runs on any [`Device`]: a GPU,
//! or the reference.
//!
//! ```
//! use wgrad::prelude::*;
//!
//! let data = data::spiral(100, 3, 0)?;
//! let model = Sequential::new(2).dense(16).activation(Activation::relu()).dense(3);
//! let mut trainer =
//!     Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).on(&Device::cpu())?;
//! let history = trainer.fit(&data, Fit::epochs(2))?;
//! println!("{}", history.last().unwrap());
//! println!("{:?}", trainer.evaluate(&data)?);
//! # Ok::<(), wgrad::Error>(())
//! ```
//!
//! [`nn`] has the layers, also [one of your own](nn::Custom); [`data`] reads and makes data sets; [`train`] has what a
//! training run takes and reports; [`spec`] is the registry of all activations, losses, optimizers, schedules and
//! initializers, with their parameters, formulas and sources. A [`Device`] also computes single ops on a [`Tensor`].
//!
//! # [`embed`]: train inside your own frame
//!
//! [`Gpu::from_wgpu`](embed::Gpu::from_wgpu) borrows a host's device. [`Trainer::into_step`] gives a
//! [`TrainingStep`](embed::TrainingStep), which records into the host's encoders, over its own buffers and textures,
//! within a [`Budget`](embed::Budget). Nothing is submitted, polled or waited for.
//!
//! ```no_run
//! use wgrad::embed::{Budget, Gpu, TrainingStep};
//! use wgrad::{Trainer, wgpu};
//!
//! fn frame(step: &mut TrainingStep, encoder: &mut wgpu::CommandEncoder) -> wgrad::Result<()> {
//!     step.encode_within(encoder, Budget::micros(2000))?;
//!     if let Some(figures) = step.metrics().try_latest()? {
//!         println!("step {}: loss {}", figures.step, figures.loss);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # [`ir`]: programs
//!
//! A network becomes a [`Program`], ops over named slots, which prints as text and gives the ops of its gradients. An
//! [`Interpreter`](ir::Interpreter) runs it on the CPU, in `f32` or `f64`; a [`Plan`](ir::Plan) is the same program as
//! dispatches on a GPU.
//!
//! ```
//! use wgrad::ir::{DType, Interpreter, InterpreterWeights, Program, Shape, StepEntry};
//! use wgrad::{Arithmetic, Reduce};
//!
//! let mut program = Program::new("squares", vec![]);
//! let x = program.input("x", Shape::new(&[2])?, DType::F32);
//! let squares = program.arithmetic("squares", Arithmetic::Mul, x, x)?;
//! let sum = program.reduce("sum", Reduce::Sum, squares, &[])?;
//! let slope = program.gradients(sum, &[x])?[0];
//! let mut cpu = Interpreter::<f64>::new(program);
//! cpu.write(x, &[1.0, -2.0])?;
//! cpu.run(&mut InterpreterWeights::default(), &StepEntry::rows(1))?;
//! assert_eq!(cpu.read(slope)?, [2.0, -4.0]);
//! # Ok::<(), wgrad::Error>(())
//! ```
//!
//! The feature `threads`, a default, runs large ops of the CPU engine on the threads of rayon's current pool; no result
//! depends on their number. The feature `npz` reads archives of NumPy arrays.
//!
//! The feature `tracing` opens spans of the crate of that name, of target `wgrad`: `fit`, `epochs`, `validation`,
//! `steps` of the CPU reference, and `submit`, `read back` and `compile` of a GPU.
//!
//! Every fallible call gives an [`Error`] that names the op, the shapes or values, and the limit; none panics.

#![cfg_attr(
    target_family = "wasm",
    allow(clippy::arc_with_non_send_sync, reason = "the objects of a browser stay on its thread")
)]

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
mod recent_use;
mod renamed;
mod self_test;
mod shape;
pub mod spec;
mod threads;
mod time;
mod trace;
pub mod train;
mod walk;

pub use data::Dataset;
pub use device::{Device, Tensor};
pub use error::{Error, Result};
pub use ir::Program;
pub use nn::{Dense, Sequential};
#[allow(deprecated, reason = "former names")]
pub use renamed::{cpu, gpu, program};
#[cfg(not(target_family = "wasm"))]
pub use self_test::self_test;
pub use shape::Shape;
pub use spec::{
    Activation, Arithmetic, Initializer, Loss, Metric, Normalization, Optimizer, Reduce, Reduction,
    Schedule,
};
pub use train::{Evaluation, Fit, History, Model, Trainer};
pub use {ndarray, wgpu};

/// The imports that most programs need: `use wgrad::prelude::*;`.
pub mod prelude {
    pub use crate::data::{self, Dataset};
    pub use crate::embed::Gpu;
    pub use crate::spec::Plateau;
    pub use crate::train::EarlyStopping;
    #[cfg(not(target_family = "wasm"))]
    pub use crate::train::Sweep;
    pub use crate::{
        Activation, Arithmetic, Dense, Device, Evaluation, Fit, History, Initializer, Loss, Metric,
        Model, Normalization, Optimizer, Reduce, Reduction, Schedule, Sequential, Trainer,
    };
}

/// Runs the examples of the README as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// Runs the examples of the guide as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/adding-an-op.md")]
mod adding_an_op {}

/// Runs the examples of the page on shaders as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/neural-shaders.md")]
mod neural_shaders {}

/// Runs the examples of the page on browsers as doctests.
#[cfg(doctest)]
#[doc = include_str!("../docs/web.md")]
mod web {}
