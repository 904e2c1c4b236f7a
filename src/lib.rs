//! wgrad
#![deny(missing_docs, unsafe_code)]
#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

pub mod cpu;
pub mod error;
pub mod gpu;
pub mod numeric;
pub mod program;
pub mod random;
pub mod shape;
pub mod spec;

pub use error::{Error, Result};
pub use program::Program;
pub use shape::Shape;
pub use spec::{Activation, Initializer, Loss, Metric, Optimizer, Reduction, Schedule};
