//! Rows that are read when they are needed.

use super::Dataset;
use crate::error::Result;

/// Rows that are read batch by batch, such as those of a file that does not fit into memory; see
/// [`Trainer::fit_batches`](crate::Trainer::fit_batches).
///
/// ```
/// use wgrad::data::{Batches, Dataset};
/// use wgrad::prelude::*;
///
/// /// The numbers from 0 to 1 and their squares.
/// struct Squares(usize);
///
/// impl Batches for Squares {
///     fn total(&self) -> usize {
///         self.0
///     }
///
///     fn read(&mut self, rows: &[usize]) -> wgrad::Result<Dataset> {
///         let x = rows.iter().map(|row| *row as f32 / self.0 as f32);
///         let (x, y): (Vec<_>, Vec<_>) = x.map(|x| ([x], [x * x])).unzip();
///         Dataset::new(x, y)
///     }
/// }
///
/// let model = Sequential::new(1).dense(8).activation(Activation::tanh()).dense(1);
/// let mut trainer = Trainer::new(model, Loss::mse(), Optimizer::adam()).on(&Device::cpu())?;
/// trainer.fit_batches(&mut Squares(100), Fit::epochs(3).batch(10))?;
/// # Ok::<(), wgrad::Error>(())
/// ```
pub trait Batches {
    /// The number of rows.
    fn total(&self) -> usize;

    /// Reads the given rows, each below [`Batches::total`], in the given order.
    ///
    /// # Errors
    /// Ends the training with this error.
    fn read(&mut self, rows: &[usize]) -> Result<Dataset>;
}

impl Batches for &Dataset {
    fn total(&self) -> usize {
        self.len()
    }

    fn read(&mut self, rows: &[usize]) -> Result<Dataset> {
        self.rows(rows.iter().copied())
    }
}
