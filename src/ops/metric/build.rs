//! Program builders for metrics.

use super::MetricOp;
use crate::error::{Error, Result};
use crate::ir::{DType, Form, Op, Program, Slot, SlotInfo};
use crate::ops::LossOp;
use crate::shape::Shape;
use crate::spec::{Activation, Arithmetic, Metric, Reduce, Reduction};

impl Program {
    /// Adds the mean of a metric.
    ///
    /// # Errors
    /// [`Error::Shape`] if prediction and target do not fit.
    pub fn metric(&mut self, metric: Metric, prediction: Slot, target: Slot) -> Result<Slot> {
        if let Some(loss) = metric.loss() {
            return Ok(self.loss(loss, Reduction::Mean, (prediction, target), false)?.0);
        }
        metric.validate()?;
        self.check_metric(&format!("metric.{metric}"), metric, prediction, target)?;
        let value = self.value("metric", Shape::scalar());
        self.push(Op::Metric(MetricOp { metric, prediction, target, value }));
        Ok(value)
    }

    /// Adds the mean of a metric over the rows whose class is not `ignored`; 0 if there is no such row.
    ///
    /// # Errors
    /// As [`Program::metric`].
    pub(crate) fn metric_ignoring(
        &mut self,
        metric: Metric,
        prediction: Slot,
        target: Slot,
        ignored: Option<u32>,
    ) -> Result<Slot> {
        let SlotInfo { shape, dtype, .. } = *self.slot(target)?;
        if ignored.is_none() || dtype != DType::U32 {
            return self.metric(metric, prediction, target);
        }
        let terms = self.value("metric terms", shape);
        self.metric_terms(metric, prediction, target, terms)?;
        let classes = self.shape(prediction)?.cols();
        self.mean_of_terms(terms, target, classes, ignored)
    }

    /// Adds the mean of a term per row over the rows whose class is not `ignored`.
    pub(crate) fn mean_of_terms(
        &mut self,
        terms: Slot,
        target: Slot,
        classes: usize,
        ignored: Option<u32>,
    ) -> Result<Slot> {
        let shape = self.shape(target)?;
        let out = self.row_weights(target, classes, ignored, Reduction::Mean, shape);
        let terms = self.arithmetic("metric terms", Arithmetic::Mul, terms, out)?;
        self.reduce("metric", Reduce::Sum, terms, &[])
    }

    /// Adds the weight of each row in a sum or a mean: 0 if its class is `ignored`.
    fn row_weights(
        &mut self,
        target: Slot,
        classes: usize,
        ignored: Option<u32>,
        reduction: Reduction,
        shape: Shape,
    ) -> Slot {
        let out = self.value("counted", shape);
        self.row_term_weights((target, classes, ignored), None, reduction, out)
    }

    /// Adds a metric's term for each row, for metrics that have one.
    pub(crate) fn metric_terms(
        &mut self,
        metric: Metric,
        prediction: Slot,
        target: Slot,
        value: Slot,
    ) -> Result<()> {
        let op = format!("metric.{metric}");
        if metric.top().is_none() {
            return Err(Error::unsupported(op, "it has no term for each row"));
        }
        metric.validate()?;
        self.check_metric(&op, metric, prediction, target)?;
        self.push(Op::Metric(MetricOp { metric, prediction, target, value }));
        Ok(())
    }

    /// Adds the confusion matrix, classes by classes: the number of rows of each target class (matrix row) that are
    /// predicted as each class (matrix column), the class of the first of the largest scores. Counts are exact up to
    /// 2^24.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are rows of scores and one class index for each.
    pub fn confusion_matrix(&mut self, prediction: Slot, target: Slot) -> Result<Slot> {
        self.confusion_matrix_ignoring(prediction, target, None)
    }

    /// As [`Program::confusion_matrix`], over the rows whose class is not `ignored`.
    ///
    /// # Errors
    /// As [`Program::confusion_matrix`].
    pub(crate) fn confusion_matrix_ignoring(
        &mut self,
        prediction: Slot,
        target: Slot,
        ignored: Option<u32>,
    ) -> Result<Slot> {
        let (scores, classes) = (self.shape(prediction)?, self.shape(target)?);
        let is_class = self.slot(target)?.dtype == DType::U32;
        if !is_class || scores.rank() != 2 || classes.len() != scores.rows() {
            let message = format!("scores {scores} need a class index per row, not {classes}");
            return Err(Error::shapes("confusion_matrix", [scores, classes], message));
        }
        let guessed = self.activation("guessed", Activation::hardmax(), prediction)?;
        let right = self.value("right", scores);
        self.push_loss(LossOp::OneHot { target, out: right });
        // An ignored index that is not a class has no row of the matrix to exclude.
        let right = match ignored.filter(|class| (*class as usize) < scores.cols()) {
            Some(_) => {
                let column = Shape::new(&[scores.rows(), 1])?;
                let out = self.row_weights(target, scores.cols(), ignored, Reduction::Sum, column);
                self.arithmetic("right", Arithmetic::Mul, right, out)?
            }
            None => right,
        };
        self.matmul("confusion matrix", right, guessed, Form::TN)
    }

    fn check_metric(&self, op: &str, metric: Metric, prediction: Slot, target: Slot) -> Result<()> {
        let (scores, targets) = (self.numbers(op, prediction)?, self.slot(target)?);
        if targets.dtype == DType::F32 {
            return self.check_same(op, prediction, target);
        }
        let (scores, targets) = (scores.shape, targets.shape);
        if metric.top().is_none() {
            let message = format!(
                "class indices {targets} are no targets here; give values of the shape {scores}"
            );
            return Err(Error::shapes(op, [scores, targets], message));
        }
        if scores.rows() != targets.len() || scores.is_empty() != targets.is_empty() {
            let message =
                format!("scores of shape {scores} need one class index per row, not {targets}");
            return Err(Error::shapes(op, [scores, targets], message));
        }
        Ok(())
    }
}
