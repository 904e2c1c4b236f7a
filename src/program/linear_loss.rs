//! A linear layer and the cross entropy of its outputs, a few rows at a time.

use super::{DType, Form, LossInputs, Op, Program, Slot};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::spec::{Loss, Reduce, Reduction};

/// What a linear layer with the cross entropy of its outputs takes.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearInputs<T = Slot> {
    /// The layer's inputs, (rows, features).
    pub x: T,
    /// Its weight, (classes, features).
    pub weight: T,
    /// Its bias, one number per class.
    pub bias: Option<T>,
    /// A class index per row.
    pub target: T,
    /// A weight per class.
    pub class_weight: Option<T>,
    /// What the gradients are multiplied by: dL/d(value).
    pub upstream: f64,
    /// How many rows have their logits in memory at a time; unless given, as many as make the logits about as large as
    /// the inputs are (Hsu et al. 2024, <https://arxiv.org/abs/2410.10989>).
    pub rows_at_once: Option<usize>,
}

/// The value of the loss and its gradients, if they are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearLoss<T = Slot> {
    /// One number, or with [`Reduction::None`] one per row.
    pub value: T,
    /// By inputs, weight and, if there is one, bias.
    pub gradients: Vec<T>,
}

impl<T> LinearInputs<T> {
    /// Inputs, weight and target, with neither bias nor class weights.
    pub fn new(x: T, weight: T, target: T) -> Self {
        let (bias, class_weight, rows_at_once) = (None, None, None);
        Self { x, weight, bias, target, class_weight, upstream: 1.0, rows_at_once }
    }

    /// With a bias.
    pub fn bias(self, bias: T) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// With a weight per class.
    pub fn class_weight(self, class_weight: T) -> Self {
        Self { class_weight: Some(class_weight), ..self }
    }
}

/// Memory for some rows, used again for the next ones.
struct Chunk {
    rows: usize,
    x: Slot,
    target: Slot,
    share: Slot,
    logits: Slot,
    terms: Slot,
    /// The gradients by the logits and by the inputs, if gradients are wanted.
    back: Option<[Slot; 2]>,
}

/// What the gradients by the parameters are gathered in: those of all rows so far, and those of the last ones.
struct Gathered {
    total: Slot,
    part: Slot,
}

const OP: &str = "linear_cross_entropy";

impl Program {
    /// The cross entropy of `x weight^T + bias`, and its gradients, without the logits of all rows in memory: some rows
    /// at a time, each in the same memory. Equal to a matrix product and [`Loss::cross_entropy`] of its result.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another loss than `cross_entropy`; [`Error::Shape`] if the operands do not fit;
    /// [`Error::Parameter`] for no row at once.
    pub fn linear_cross_entropy(
        &mut self,
        loss: Loss,
        reduction: Reduction,
        inputs: &LinearInputs,
        gradients: bool,
    ) -> Result<LinearLoss> {
        let [rows, features, classes] = self.check_linear(&loss, inputs)?;
        let share = self.row_shares(&loss, reduction, inputs, classes)?;
        let terms = self.value("terms", Shape::new(&[rows])?);
        let all = Shape::new(&[rows, features])?;
        let d_x = gradients.then(|| self.value("d x", all));
        let parameters = [Some(inputs.weight), inputs.bias];
        let mut gathered = Vec::new();
        for parameter in parameters.into_iter().flatten().filter(|_| gradients) {
            let shape = self.shape(parameter)?;
            let [total, part] = ["d parameter", "part"].map(|name| self.value(name, shape));
            gathered.push(Gathered { total, part });
        }
        let at_once = at_once(inputs.rows_at_once, [rows, features, classes]).min(rows.max(1));
        let mut chunk = self.chunk([at_once, features, classes], gradients)?;
        for start in (0..rows).step_by(at_once) {
            let range = start..(start + at_once).min(rows);
            if range.len() < chunk.rows {
                chunk = self.chunk([range.len(), features, classes], gradients)?;
            }
            self.rows_into(inputs.x, range.clone(), chunk.x)?;
            self.rows_into(inputs.target, range.clone(), chunk.target)?;
            self.rows_into(share, range.clone(), chunk.share)?;
            self.chunk_loss(loss, inputs, &chunk)?;
            self.put_rows(chunk.terms, terms, range.clone())?;
            let (Some([d_logits, some_d_x]), Some(d_x)) = (chunk.back, d_x) else { continue };
            self.matmul_into(d_logits, inputs.weight, Form::NN, some_d_x)?;
            self.put_rows(some_d_x, d_x, range)?;
            for (number, Gathered { total, part }) in gathered.iter().enumerate() {
                let to = if start == 0 { *total } else { *part };
                if number == 0 {
                    self.matmul_into(d_logits, chunk.x, Form::TN, to)?;
                } else {
                    self.sum_rows_into(d_logits, to)?;
                }
                if start > 0 {
                    self.add_to(*part, *total)?;
                }
            }
        }
        if rows == 0 {
            gathered.iter().try_for_each(|gathered| self.fill_into(gathered.total, 0.0))?;
        }
        let value = match reduction {
            Reduction::None => terms,
            _ => self.reduce("loss", Reduce::Sum, terms, &[])?,
        };
        let by = d_x.into_iter().chain(gathered.iter().map(|gathered| gathered.total));
        Ok(LinearLoss { value, gradients: by.collect() })
    }

    /// Checks the operands; gives the numbers of rows, features and classes.
    fn check_linear(&self, loss: &Loss, inputs: &LinearInputs) -> Result<[usize; 3]> {
        loss.validate()?;
        if loss.name() != Loss::cross_entropy().name() {
            return Err(Error::unsupported(OP, format!("{loss} is not cross_entropy")));
        }
        let [x, weight] =
            [self.numbers(OP, inputs.x)?.shape, self.numbers(OP, inputs.weight)?.shape];
        let (&[rows, features], &[classes, taken]) = (&x.to_vec()[..], &weight.to_vec()[..]) else {
            let message = format!("inputs {x} and weight {weight} must be matrices");
            return Err(Error::shape(OP, message));
        };
        if features != taken {
            let message =
                format!("inputs {x} have {features} features, the weight {weight} takes {taken}");
            return Err(Error::shape(OP, message));
        }
        let target = self.slot(inputs.target)?;
        if target.dtype != DType::U32 || target.shape.to_vec() != [rows] {
            let message = format!(
                "{rows} rows take a class index each, not {:?} {}",
                target.dtype, target.shape
            );
            return Err(Error::shape(OP, message));
        }
        for (what, slot) in [("bias", inputs.bias), ("class weight", inputs.class_weight)] {
            let Some(slot) = slot else { continue };
            let given = self.numbers(OP, slot)?.shape;
            if given.to_vec() != [classes] {
                let message = format!("{classes} classes need a {what} each, not {given}");
                return Err(Error::shape(OP, message));
            }
        }
        if inputs.rows_at_once == Some(0) {
            let (op, name) = (OP.to_string(), "rows_at_once".to_string());
            return Err(Error::Parameter {
                op,
                name,
                value: 0.0,
                valid: "it must be at least 1".into(),
            });
        }
        Ok([rows, features, classes])
    }

    /// What each row's term is multiplied by in the value; 0 in rows that take no part.
    fn row_shares(
        &mut self,
        loss: &Loss,
        reduction: Reduction,
        inputs: &LinearInputs,
        classes: usize,
    ) -> Result<Slot> {
        let shape = self.shape(inputs.target)?;
        let out = self.value("shares", shape);
        let &LinearInputs { target, class_weight, .. } = inputs;
        let ignored = loss.ignore_index();
        self.ops.push(Op::RowShares { target, class_weight, classes, ignored, reduction, out });
        Ok(out)
    }

    fn chunk(&mut self, [rows, features, classes]: [usize; 3], gradients: bool) -> Result<Chunk> {
        let (row, wide, scores) =
            (Shape::new(&[rows])?, Shape::new(&[rows, features])?, Shape::new(&[rows, classes])?);
        Ok(Chunk {
            rows,
            x: self.value("some x", wide),
            target: self.add("some targets", row, DType::U32, super::Place::Value),
            share: self.value("some shares", row),
            logits: self.value("some logits", scores),
            terms: self.value("some terms", row),
            back: gradients
                .then(|| [self.value("some d logits", scores), self.value("some d x", wide)]),
        })
    }

    /// Logits, terms and the gradient by the logits of some rows.
    fn chunk_loss(&mut self, loss: Loss, inputs: &LinearInputs, chunk: &Chunk) -> Result<()> {
        self.matmul_into(chunk.x, inputs.weight, Form::NT, chunk.logits)?;
        if let Some(bias) = inputs.bias {
            self.add_row(bias, chunk.logits)?;
        }
        let taken = LossInputs {
            weight: Some(chunk.share),
            class_weight: inputs.class_weight,
            upstream: inputs.upstream,
            ..LossInputs::new(chunk.logits, chunk.target)
        };
        self.check_loss(&loss, &taken)?;
        let gradients = chunk.back.map(|[d_logits, _]| d_logits).into_iter().collect();
        let (reduction, value) = (Reduction::None, chunk.terms);
        self.ops.push(Op::Loss { loss, reduction, inputs: taken, value, gradients });
        Ok(())
    }

    /// `out += x`, both of one shape: as one long row.
    fn add_to(&mut self, x: Slot, out: Slot) -> Result<()> {
        let long = Shape::new(&[1, self.shape(x)?.len()])?;
        let (row, sum) = (self.reshape(OP, x, long)?, self.reshape(OP, out, long)?);
        self.add_row(row, sum)
    }
}

/// How many rows have their logits in memory at a time.
fn at_once(asked: Option<usize>, [rows, features, classes]: [usize; 3]) -> usize {
    let parts = classes.div_ceil(features.max(1)).max(1);
    asked.unwrap_or_else(|| rows.div_ceil(parts)).max(1)
}
