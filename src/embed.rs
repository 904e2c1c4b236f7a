//! Training and inference inside a host application's frame: on its device, in its encoders, over its own buffers and
//! textures.
//!
//! [`Gpu::from_wgpu`] borrows the host's device, and [`Trainer::into_step`](crate::Trainer::into_step) turns a trainer
//! into a [`TrainingStep`] whose steps the host records wherever it likes. Nothing is submitted, polled or waited for
//! unless a call says so.

pub use crate::device::Updater;
pub use crate::engine::gpu::{
    Budget, Choices, Class, ColdKernel, ColdStart, Fusion, Gpu, MatMul, MemoryUse, Profile,
    ProfileRow, Region, TextureCopy, Tuning, View,
};
pub use crate::self_test::{Check, SelfTest, Verdict, self_test_async};
pub use crate::train::step::{
    Inference, Metrics, Snapshot, StepFigures, StepOptions, TrainingStep,
};
