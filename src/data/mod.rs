//! Training data: the [`Dataset`], three built-in data sets, and readers for CSV and `.npy` files.
//!
//! ```
//! use wgrad::data;
//!
//! let (train, validation) = data::digits().split(0.8, 0)?;
//! assert_eq!((train.len(), validation.len()), (1438, 359));
//! # Ok::<(), wgrad::Error>(())
//! ```

mod batches;
mod csv;
mod dataset;
mod digits;
pub(crate) mod foreign;
mod generated;
mod npy;
mod rows;
mod split;
mod standardize;
mod targets;

pub use batches::Batches;
pub use csv::{Column, CsvOptions, Missing, read_csv, read_csv_from};
pub use dataset::Dataset;
pub use digits::digits;
pub use generated::{sine, spiral};
#[cfg(feature = "npz")]
pub use npy::read_npz;
pub use npy::{read_npy, read_npy_flat, read_npy_from};
pub use rows::IntoRows;
pub use standardize::Standardize;
pub use targets::Targets;
