//! Adding ops to a program: each method checks shapes and creates the slots its op writes.

use super::{DType, Form, Op, ParamInfo, Place, Product, Program, Slot, SlotInfo};
use crate::error::{Error, Result};
use crate::random::Key;
use crate::shape::Shape;
use crate::spec::optimizer::Takes;
use crate::spec::{Optimizer, Range};

impl Program {
    pub(super) fn add(&mut self, name: &str, shape: Shape, dtype: DType, place: Place) -> Slot {
        self.slots.push(SlotInfo { name: name.to_string(), shape, dtype, place });
        Slot(self.slots.len() - 1)
    }

    pub(crate) fn value(&mut self, name: &str, shape: Shape) -> Slot {
        self.add(name, shape, DType::F32, Place::Value)
    }

    /// A slot the caller writes.
    pub fn input(&mut self, name: &str, shape: Shape, dtype: DType) -> Slot {
        self.add(name, shape, dtype, Place::Input)
    }

    fn info(&self, index: usize) -> Result<ParamInfo> {
        let missing = || Error::no_such(&self.name, "parameter", index, self.params.len());
        self.params.get(index).cloned().ok_or_else(missing)
    }

    /// The slot of a parameter.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is no such parameter.
    pub fn param(&mut self, index: usize) -> Result<Slot> {
        let ParamInfo { name, shape, .. } = self.info(index)?;
        Ok(self.add(&name, shape, DType::F32, Place::Param(index)))
    }

    /// The slot of a parameter's gradient.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is no such parameter.
    pub fn grad(&mut self, index: usize) -> Result<Slot> {
        let ParamInfo { name, shape, .. } = self.info(index)?;
        Ok(self.add(&format!("d {name}"), shape, DType::F32, Place::Grad(index)))
    }

    /// `batch` rows of `data`, chosen by the step's entry.
    ///
    /// # Errors
    /// [`Error::Limit`] if the batch is too large.
    pub fn gather(
        &mut self,
        name: &str,
        data: Slot,
        batch: usize,
        shuffle: Option<Key>,
    ) -> Result<Slot> {
        let SlotInfo { shape, dtype, .. } = self.slot(data)?.clone();
        // Class targets have one number per row and no second axis.
        let shape =
            if shape.rank() == 1 { Shape::new(&[batch])? } else { shape.with_rows(batch)? };
        let out = self.add(name, shape, dtype, Place::Value);
        self.ops.push(Op::Gather { data, out, shuffle });
        Ok(out)
    }

    /// The product into a new slot, as [`Product::of`].
    ///
    /// # Errors
    /// [`Error::Shape`] if the inner sides differ or the batch axes do not broadcast; [`Error::Unsupported`] for indices.
    pub fn matmul(&mut self, name: &str, a: Slot, b: Slot, form: Form) -> Result<Slot> {
        let [left, right] = [a, b].map(|side| self.numbers("matmul", side));
        let shape = Product::shape(form, left?.shape, right?.shape)?;
        let out = self.value(name, shape);
        self.ops.push(Op::MatMul { a, b, out, form });
        Ok(out)
    }

    /// The product into a given slot, as [`Product::into`].
    ///
    /// # Errors
    /// As [`Program::matmul`], also if `out` has another shape.
    pub fn matmul_into(&mut self, a: Slot, b: Slot, form: Form, out: Slot) -> Result<()> {
        let [left, right, product] = [a, b, out].map(|slot| self.numbers("matmul", slot));
        Product::into(form, left?.shape, right?.shape, product?.shape)?;
        self.ops.push(Op::MatMul { a, b, out, form });
        Ok(())
    }

    /// Adds one row to every row of `out`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the row has another length than the columns.
    pub fn add_row(&mut self, row: Slot, out: Slot) -> Result<()> {
        self.check_row("add_row", row, out)?;
        self.ops.push(Op::AddRow { row, out });
        Ok(())
    }

    /// The sum of the rows of `x` into `out`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `out` has another length than the columns.
    pub fn sum_rows_into(&mut self, x: Slot, out: Slot) -> Result<()> {
        self.check_row("sum_rows", out, x)?;
        self.ops.push(Op::SumRows { x, out });
        Ok(())
    }

    fn check_row(&self, op: &str, row: Slot, matrix: Slot) -> Result<()> {
        let (row, matrix) = (self.numbers(op, row)?.shape, self.numbers(op, matrix)?.shape);
        if row.len() == matrix.cols() {
            return Ok(());
        }
        Err(Error::shape(
            op,
            format!("a row of shape {row} does not fit a matrix of shape {matrix}"),
        ))
    }

    pub(super) fn check_same(&self, op: &str, a: Slot, b: Slot) -> Result<()> {
        let (left, right) = (self.numbers(op, a)?.shape, self.numbers(op, b)?.shape);
        if left == right {
            return Ok(());
        }
        Err(Error::shape(op, format!("the shapes {left} and {right} differ")))
    }

    /// The L1 and L2 penalties of all parameters, also added to the gradients when `backward`.
    pub fn penalty(&mut self, backward: bool) -> Slot {
        let value = self.value("penalty", Shape::scalar());
        self.ops.push(Op::Penalty { value, backward });
        value
    }

    /// Whether any parameter has a penalty.
    pub fn has_penalty(&self) -> bool {
        self.params.iter().any(|param| param.l1 != 0.0 || param.l2 != 0.0)
    }

    /// Clamps every gradient to [-limit, limit].
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the limit is a positive number.
    pub fn clip_value(&mut self, limit: f64) -> Result<()> {
        check_limit("clip_value", "limit", limit)?;
        self.ops.push(Op::ClipValue { limit });
        Ok(())
    }

    /// Scales the gradients so that their norm over all parameters is at most `max`; gives the norm before.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the maximum is a positive number.
    pub fn clip_norm(&mut self, max: f64) -> Result<Slot> {
        check_limit("clip_norm", "max", max)?;
        let norm = self.value("gradient norm", Shape::scalar());
        self.ops.push(Op::ClipNorm { max, norm });
        Ok(norm)
    }

    /// Scales each tensor's gradient so that its own norm is at most `max`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the maximum is a positive number.
    pub fn clip_each(&mut self, max: f64) -> Result<()> {
        check_limit("clip_each", "max", max)?;
        self.ops.push(Op::ClipEach { max });
        Ok(())
    }

    /// Adds normal noise to the gradients, of the deviation that each step's [`StepEntry`](super::StepEntry) gives.
    pub fn gradient_noise(&mut self, key: Key) {
        self.ops.push(Op::GradientNoise { key });
    }

    /// Gathers the mean of the gradients of a group of steps in a state value of the weights, as each step's
    /// [`StepEntry`](super::StepEntry) says.
    pub fn accumulate(&mut self, state: usize) {
        self.ops.push(Op::Accumulate { state });
    }

    /// Skips updates whose gradients are not finite; gives 1 in steps that do, else 0.
    pub fn skip_not_finite(&mut self) -> Slot {
        let skipped = self.value("skipped", Shape::scalar());
        self.ops.push(Op::SkipNotFinite { skipped });
        skipped
    }

    /// Keeps a mean of the parameters in a state value of the weights; `follows` as [`Op::Average`].
    pub fn average(&mut self, state: usize, follows: bool) {
        self.ops.push(Op::Average { state, follows });
    }

    /// Updates all parameters from their gradients. The loss is for optimizers that look at it, the key for those that
    /// draw random numbers.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a hyper-parameter is not valid; [`Error::Unsupported`] if the optimizer looks at the
    /// loss and there is none, or cannot give tensors rates of their own; [`Error::Shape`] if the loss is more than one number.
    pub fn update(&mut self, optimizer: Optimizer, loss: Option<Slot>, key: Key) -> Result<()> {
        optimizer.validate()?;
        let op = format!("optimizer.{}", optimizer.name());
        let takes_part = |param: &&ParamInfo| param.multiplier != 0.0 && param.multiplier != 1.0;
        let odd = self.params.iter().find(takes_part);
        if let Some(odd) = odd.filter(|_| optimizer.entry().kind.takes == Takes::History) {
            let (name, rate) = (&odd.name, odd.multiplier);
            let message = format!("'{name}' has {rate} times the learning rate; it knows 0 and 1");
            return Err(Error::unsupported(op, message));
        }
        match loss.filter(|_| optimizer.takes_loss()) {
            None if optimizer.takes_loss() => {
                return Err(Error::unsupported(op, "it looks at the loss, and there is none"));
            }
            Some(loss) if self.shape(loss)?.len() != 1 => {
                let message =
                    format!("the loss has the shape {}, not one number", self.shape(loss)?);
                return Err(Error::shape(&op, message));
            }
            loss => {
                if optimizer.entry().kind.takes == Takes::Orthogonal {
                    self.orthogonalize(optimizer)?;
                }
                self.ops.push(Op::Update { optimizer, loss, key });
            }
        }
        Ok(())
    }

    /// Ends the step and records the given figures.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than [`Op::MAX_RECORDED`]; [`Error::Shape`] if one is more than one number.
    pub fn record(&mut self, values: &[Slot]) -> Result<()> {
        if values.len() > Op::MAX_RECORDED {
            let (needed, limit) = (values.len() as u64, Op::MAX_RECORDED as u64);
            return Err(Error::Limit {
                what: "record".to_string(),
                needed,
                limit,
                unit: "figures",
            });
        }
        for &value in values {
            let shape = self.shape(value)?;
            if shape.len() != 1 {
                return Err(Error::shape("record", format!("a figure is one number, not {shape}")));
            }
        }
        // What the caller writes, a parameter or a reshaped slot has no place among the figures.
        let own = |program: &mut Self, value: &Slot| match program.slot(*value)?.place {
            Place::Value => Ok(*value),
            _ => program.copy("figure", *value),
        };
        let values = values.iter().map(|value| own(self, value)).collect::<Result<_>>()?;
        self.ops.push(Op::Record { values });
        Ok(())
    }
}

fn check_limit(op: &str, name: &str, value: f64) -> Result<()> {
    Range::POSITIVE.check(op, name, value)
}
