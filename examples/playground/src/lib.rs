//! A page on which to choose data and a network, and to watch it learn.

/// What fails says why in one sentence.
pub type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

pub mod own;
#[cfg(target_family = "wasm")]
mod page;
pub mod paint;
pub mod sets;
pub mod settings;
#[cfg(target_family = "wasm")]
mod view;

pub use sets::DataKind;
pub use settings::Settings;
