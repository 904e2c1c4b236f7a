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

pub mod data;
pub mod error;
pub mod numeric;
pub mod random;
pub mod shape;

pub use error::{Error, Result};
pub use shape::Shape;
