//! A linear layer fused with the cross entropy of its outputs, a few rows at a time.

use super::LossOp;
use crate::error::{Error, Result};
use crate::ir::{DType, Form, LinearInputs, LinearLoss, LossInputs, Place, Program, Slot};
use crate::shape::Shape;
use crate::spec::{Arithmetic, Loss, Metric, Reduce, Reduction};

/// The outputs that a trainer requests: the slots for the gradients, which are only computed if they are given, and
/// metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinearOutputs {
    /// The gradient with respect to the inputs.
    pub x: Option<Slot>,
    /// The gradients with respect to weight and, if any, bias.
    pub parameters: Vec<Slot>,
    /// Metrics of the logits, each a mean over rows.
    pub metrics: Vec<Metric>,
}

/// Buffers for a chunk of rows, reused for the next one.
struct Chunk {
    rows: usize,
    x: Slot,
    target: Slot,
    row_weights: Slot,
    logits: Slot,
    terms: Slot,
    /// The gradient with respect to the logits, if any gradient is wanted.
    d_logits: Option<Slot>,
    /// The gradient with respect to the inputs.
    d_x: Option<Slot>,
    /// The terms of metrics.
    metrics: Vec<Slot>,
}

const OP: &str = "linear_cross_entropy";

impl Program {
    /// Adds the cross entropy of `x weight^T + bias`, and its gradients, without the logits of all rows in memory: the
    /// rows are processed in chunks that reuse the same memory. Equal to a matrix product and [`Loss::cross_entropy`]
    /// of its result.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a loss other than `cross_entropy`; [`Error::Shape`] if the operands do not fit;
    /// [`Error::Parameter`] if `rows_at_once` is 0.
    pub fn linear_cross_entropy(
        &mut self,
        loss: Loss,
        reduction: Reduction,
        inputs: &LinearInputs,
        gradients: bool,
    ) -> Result<LinearLoss> {
        let mut objective = LinearOutputs::default();
        if gradients {
            let parameters = [Some(inputs.weight), inputs.bias].into_iter().flatten();
            let mut like = |name: &str, slot: Slot| Ok(self.value(name, self.shape(slot)?));
            objective.x = Some(like("d x", inputs.x)?);
            objective.parameters =
                parameters.map(|slot| like("d parameter", slot)).collect::<Result<_>>()?;
        }
        let (value, _) = self.linear_loss(loss, reduction, inputs, &objective)?;
        Ok(LinearLoss {
            value,
            gradients: objective.x.into_iter().chain(objective.parameters).collect(),
        })
    }

    /// Adds the value and the metrics that the objective requests, and fills its gradients.
    pub(crate) fn linear_loss(
        &mut self,
        loss: Loss,
        reduction: Reduction,
        inputs: &LinearInputs,
        objective: &LinearOutputs,
    ) -> Result<(Slot, Vec<Slot>)> {
        let [rows, features, classes] = self.check_linear(&loss, inputs)?;
        let row_weights = self.weighted_row_weights(&loss, reduction, inputs, classes)?;
        let row = Shape::new(&[rows])?;
        let terms = self.value("terms", row);
        let metrics: Vec<Slot> =
            objective.metrics.iter().map(|_| self.value("metric terms", row)).collect();
        let mut parts = Vec::new();
        for total in &objective.parameters {
            parts.push((*total, self.value("part", self.shape(*total)?)));
        }
        let at_once = at_once(inputs.rows_at_once, [rows, features, classes]).min(rows.max(1));
        let mut chunk = self.chunk([at_once, features, classes], objective)?;
        for start in (0..rows).step_by(at_once) {
            let range = start..(start + at_once).min(rows);
            if range.len() < chunk.rows {
                chunk = self.chunk([range.len(), features, classes], objective)?;
            }
            self.rows_into(inputs.x, range.clone(), chunk.x)?;
            self.rows_into(inputs.target, range.clone(), chunk.target)?;
            self.rows_into(row_weights, range.clone(), chunk.row_weights)?;
            self.chunk_loss(loss, inputs, &chunk)?;
            self.put_rows(chunk.terms, terms, range.clone())?;
            for ((metric, some), all) in objective.metrics.iter().zip(&chunk.metrics).zip(&metrics)
            {
                self.metric_terms(*metric, chunk.logits, chunk.target, *some)?;
                self.put_rows(*some, *all, range.clone())?;
            }
            let Some(d_logits) = chunk.d_logits else { continue };
            if let (Some(some), Some(all)) = (chunk.d_x, objective.x) {
                self.matmul_into(d_logits, inputs.weight, Form::NN, some)?;
                self.put_rows(some, all, range)?;
            }
            self.add_parts(d_logits, chunk.x, &parts, start == 0)?;
        }
        if rows == 0 {
            parts.iter().try_for_each(|(total, _)| self.fill_into(*total, 0.0))?;
        }
        let value = match reduction {
            Reduction::None => terms,
            _ => self.reduce("loss", Reduce::Sum, terms, &[])?,
        };
        let ignored = loss.ignore_index();
        let means = metrics
            .iter()
            .map(|terms| self.mean_of_terms(*terms, inputs.target, classes, ignored))
            .collect::<Result<_>>()?;
        Ok((value, means))
    }

    /// Adds the contribution of a chunk to the gradients of weight and bias: the first chunk directly, others through a
    /// part.
    fn add_parts(
        &mut self,
        d_logits: Slot,
        x: Slot,
        parts: &[(Slot, Slot)],
        is_first: bool,
    ) -> Result<()> {
        for (number, (total, part)) in parts.iter().enumerate() {
            let to = if is_first { *total } else { *part };
            match number {
                0 => self.matmul_into(d_logits, x, Form::TN, to)?,
                _ => self.sum_rows_into(d_logits, to)?,
            }
            if !is_first {
                self.add_to(*part, *total)?;
            }
        }
        Ok(())
    }

    /// Checks the operands; returns the numbers of rows, features and classes.
    fn check_linear(&self, loss: &Loss, inputs: &LinearInputs) -> Result<[usize; 3]> {
        loss.validate()?;
        if loss.name() != Loss::cross_entropy().name() {
            return Err(Error::unsupported(OP, format!("{loss} is not cross_entropy")));
        }
        let [x, weight] =
            [self.numbers(OP, inputs.x)?.shape, self.numbers(OP, inputs.weight)?.shape];
        let (&[rows, features], &[classes, taken]) = (&x.to_vec()[..], &weight.to_vec()[..]) else {
            let message = format!("inputs {x} and weight {weight} must be matrices");
            return Err(Error::shapes(OP, [x, weight], message));
        };
        if features != taken {
            let message =
                format!("inputs {x} have {features} features, the weight {weight} takes {taken}");
            return Err(Error::shapes(OP, [x, weight], message));
        }
        let target = self.slot(inputs.target)?;
        if target.dtype != DType::U32 || target.shape.to_vec() != [rows] {
            let message = format!(
                "{rows} rows take a class index each, not {:?} {}",
                target.dtype, target.shape
            );
            return Err(Error::shapes(OP, [x, target.shape], message));
        }
        for (what, slot) in [("bias", inputs.bias), ("class weight", inputs.class_weight)] {
            let Some(slot) = slot else { continue };
            let given = self.numbers(OP, slot)?.shape;
            if given.to_vec() != [classes] {
                let message = format!("{classes} classes need a {what} each, not {given}");
                return Err(Error::shapes(OP, [weight, given], message));
            }
        }
        if let Some(slot) = inputs.row_weight {
            let given = self.numbers(OP, slot)?.shape;
            if given.to_vec() != [rows] {
                let message = format!("{rows} rows need a weight each, not {given}");
                return Err(Error::shapes(OP, [x, given], message));
            }
        }
        if inputs.rows_at_once == Some(0) {
            return Err(Error::parameter(OP, "rows_at_once", 0, "it must be at least 1"));
        }
        Ok([rows, features, classes])
    }

    /// The factor of each row's term in the value; 0 in inactive rows.
    fn weighted_row_weights(
        &mut self,
        loss: &Loss,
        reduction: Reduction,
        inputs: &LinearInputs,
        classes: usize,
    ) -> Result<Slot> {
        let shape = self.shape(inputs.target)?;
        let out = self.value("row weights", shape);
        let targets = (inputs.target, classes, loss.ignore_index());
        self.row_term_weights(targets, inputs.class_weight, reduction, out);
        match inputs.row_weight {
            Some(weight) => self.arithmetic("row weights", Arithmetic::Mul, out, weight),
            None => Ok(out),
        }
    }

    fn chunk(
        &mut self,
        [rows, features, classes]: [usize; 3],
        objective: &LinearOutputs,
    ) -> Result<Chunk> {
        let (row, wide, scores) =
            (Shape::new(&[rows])?, Shape::new(&[rows, features])?, Shape::new(&[rows, classes])?);
        let goes_back = objective.x.is_some() || !objective.parameters.is_empty();
        Ok(Chunk {
            rows,
            x: self.value("some x", wide),
            target: self.add("some targets", row, DType::U32, Place::Value),
            row_weights: self.value("some row weights", row),
            logits: self.value("some logits", scores),
            terms: self.value("some terms", row),
            d_logits: goes_back.then(|| self.value("some d logits", scores)),
            d_x: objective.x.map(|_| self.value("some d x", wide)),
            metrics: objective
                .metrics
                .iter()
                .map(|_| self.value("some metric terms", row))
                .collect(),
        })
    }

    /// Computes the logits, the terms and the gradient with respect to the logits of a chunk.
    fn chunk_loss(&mut self, loss: Loss, inputs: &LinearInputs, chunk: &Chunk) -> Result<()> {
        self.matmul_into(chunk.x, inputs.weight, Form::NT, chunk.logits)?;
        if let Some(bias) = inputs.bias {
            self.add_row(bias, chunk.logits)?;
        }
        let taken = LossInputs {
            weight: Some(chunk.row_weights),
            class_weight: inputs.class_weight,
            upstream: inputs.upstream,
            ..LossInputs::new(chunk.logits, chunk.target)
        };
        self.check_loss(&loss, &taken)?;
        let gradients = chunk.d_logits.into_iter().collect();
        let (reduction, value) = (Reduction::None, chunk.terms);
        self.push_loss(LossOp::Loss { loss, reduction, inputs: taken, value, gradients });
        Ok(())
    }

    /// Adds `x` to `out`, both of one shape, as one long row.
    fn add_to(&mut self, x: Slot, out: Slot) -> Result<()> {
        let long = Shape::new(&[1, self.shape(x)?.len()])?;
        let (row, sum) = (self.reshape(OP, x, long)?, self.reshape(OP, out, long)?);
        self.add_row(row, sum)
    }
}

/// The number of rows whose logits are in memory at a time.
fn at_once(asked: Option<usize>, [rows, features, classes]: [usize; 3]) -> usize {
    let parts = classes.div_ceil(features.max(1)).max(1);
    asked.unwrap_or_else(|| rows.div_ceil(parts)).max(1)
}
