//! Training data: the [`Dataset`], three built-in data sets, and readers for CSV and `.npy` files.
//!
//! ```
//! use wgrad::data;
//!
//! let (train, validation) = data::digits().split(0.8, 0)?;
//! assert_eq!((train.len(), validation.len()), (1438, 359));
//! # Ok::<(), wgrad::Error>(())
//! ```

mod csv;
mod dataset;
mod digits;
pub(crate) mod foreign;
mod generated;
mod npy;
mod split;

pub use csv::{Column, CsvOptions, read_csv, read_csv_from};
pub use dataset::{Dataset, Targets};
pub use digits::digits;
pub use generated::{sine, spiral};
pub use npy::{read_npy, read_npy_from};
