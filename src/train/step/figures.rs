//! The loss and metrics of recorded steps.

use std::ops::Range;

use super::TrainingStep;
use crate::error::{Error, Result};
use crate::nn::Record;

/// The recorded values of one step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepFigures {
    /// The step, counted from 0 at the trainer's creation.
    pub step: u64,
    /// The loss without penalty, as [`Epoch::data_loss`](crate::train::Epoch::data_loss); NaN if the host writes the gradient itself.
    pub loss: f64,
    /// The sum of the L1 and L2 penalties, 0 if there are none.
    pub penalty: f64,
    /// The metrics, in the order in which they were chosen.
    pub metrics: Vec<f64>,
}

/// Reads the values of recorded steps without blocking: they come back while the host submits and polls.
///
/// ```no_run
/// # fn frame(step: &mut wgrad::embed::TrainingStep) -> wgrad::Result<()> {
/// if let Some(figures) = step.metrics().try_latest()? {
///     println!("step {}: loss {}", figures.step, figures.loss);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Metrics<'a> {
    step: &'a mut TrainingStep,
}

impl Metrics<'_> {
    /// Returns the values of the newest step that has come back since the last call, if any.
    ///
    /// # Errors
    /// As [`Metrics::try_all`].
    pub fn try_latest(&mut self) -> Result<Option<StepFigures>> {
        Ok(self.try_all()?.pop())
    }

    /// Returns the values of all steps that have come back since the last call, oldest first; at most the last 1024.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; [`Error::Target`] as [`TrainingStep::records`].
    pub fn try_all(&mut self) -> Result<Vec<StepFigures>> {
        let records = self.step.plan.try_figures()?;
        records.iter().try_for_each(|(step, record)| self.step.check_targets(*step, record))?;
        let layout = &self.step.record;
        let figures = records.into_iter().map(|(step, record)| {
            let (loss, penalty) = (layout.loss(&record), layout.penalty(&record));
            StepFigures { step, loss, penalty, metrics: layout.metrics(&record).collect() }
        });
        Ok(figures.collect())
    }
}

impl TrainingStep {
    /// Returns a reader of loss and metrics, which come back from the device while the host submits and polls.
    pub fn metrics(&mut self) -> Metrics<'_> {
        Metrics { step: self }
    }

    /// Reads loss, penalty (if any) and metrics of the given steps, which must have been submitted.
    ///
    /// # Errors
    /// As [`Plan::records`](crate::engine::gpu::Plan::records); [`Error::Target`] if class targets of these steps were invalid,
    /// which gives their number and the row of the first; such rows add nothing to the gradient. Also [`Error::Target`]
    /// if [`Loss::bce`](crate::Loss::bce) or
    /// [`Loss::categorical_cross_entropy`](crate::Loss::categorical_cross_entropy) read values outside 0 to 1, which
    /// gives their number.
    #[doc(hidden)]
    pub async fn records(&mut self, steps: Range<u64>) -> Result<Vec<Record>> {
        let first = steps.start;
        let records = self.plan.records(steps).await?;
        (first..).zip(&records).try_for_each(|(step, record)| self.check_targets(step, record))?;
        Ok(records)
    }

    fn check_targets(&self, step: u64, record: &Record) -> Result<()> {
        let (layout, rows) = (&self.record, self.options.rows as u32);
        match layout.outside_unit(record, rows).or_else(|| layout.fault(record)) {
            None => Ok(()),
            Some(message) => Err(Error::Target { op: format!("training step {step}"), message }),
        }
    }
}
