//! Program builders for losses.

use super::{LossLayout, LossOp};
use crate::error::{Error, Result};
use crate::ir::{DType, LossInputs, Op, Program, Slot};
use crate::shape::Shape;
use crate::spec::loss::{ClassAxis, LossKind, TargetForm};
use crate::spec::{Loss, Range, Reduction};

impl Program {
    pub(crate) fn push_loss(&mut self, op: LossOp) {
        self.push(Op::Loss(op));
    }

    /// Writes the factor of each row's term in the value to `out`.
    pub(crate) fn row_term_weights(
        &mut self,
        (target, classes, ignored): (Slot, usize, Option<u32>),
        class_weight: Option<Slot>,
        reduction: Reduction,
        out: Slot,
    ) -> Slot {
        let op = LossOp::RowWeights { target, class_weight, classes, ignored, reduction, out };
        self.push_loss(op);
        out
    }

    /// Adds a loss and, if requested, its gradient with respect to the prediction.
    ///
    /// # Errors
    /// As [`Program::loss_of`].
    pub fn loss(
        &mut self,
        loss: Loss,
        reduction: Reduction,
        (prediction, target): (Slot, Slot),
        gradient: bool,
    ) -> Result<(Slot, Option<Slot>)> {
        let inputs = LossInputs::new(prediction, target);
        let (value, gradients) = self.loss_of(loss, reduction, inputs, gradient)?;
        Ok((value, gradients.first().copied()))
    }

    /// Adds a loss and, if requested, its gradients with respect to every differentiable input.
    ///
    /// # Errors
    /// [`Error::Shape`] if inputs, target and weights do not fit; [`Error::Unsupported`] for a target or weight that
    /// the loss does not take; [`Error::Parameter`] if a parameter is not valid.
    pub fn loss_of(
        &mut self,
        loss: Loss,
        reduction: Reduction,
        inputs: LossInputs,
        gradients: bool,
    ) -> Result<(Slot, Vec<Slot>)> {
        loss.validate()?;
        let shape = self.check_loss(&loss, &inputs)?;
        let value = match reduction {
            Reduction::None => self.terms_shape(&loss, shape)?,
            _ => Shape::scalar(),
        };
        let value = self.value("loss", value);
        let wanted = if gradients { inputs.predictions.len() } else { 0 };
        let gradients: Vec<Slot> = (0..wanted).map(|_| self.value("d prediction", shape)).collect();
        let outputs = gradients.clone();
        self.push_loss(LossOp::Loss { loss, reduction, inputs, value, gradients });
        Ok((value, outputs))
    }

    /// The shape of a loss's terms: that of the prediction; a row-wise loss drops the axis that its rows run along.
    fn terms_shape(&self, loss: &Loss, shape: Shape) -> Result<Shape> {
        if !loss.is_row_wise() {
            return Ok(shape);
        }
        let rows = LossLayout::of(loss, shape).rows();
        match class_axis(loss) {
            Some(axis) if shape.rank() > 2 => without(shape, axis),
            _ => Shape::new(&[rows]),
        }
    }

    /// Checks the operands of a loss and returns the shape of its predictions.
    pub(crate) fn check_loss(&self, loss: &Loss, inputs: &LossInputs) -> Result<Shape> {
        let op = format!("loss.{loss}");
        let count = loss.inputs();
        let [first, others @ ..] = &inputs.predictions[..] else {
            return Err(Error::shape(op, "there is no prediction"));
        };
        if others.len() + 1 != count {
            let message = format!("{count} inputs are needed, {} were given", others.len() + 1);
            return Err(Error::unsupported(op, message));
        }
        let shape = self.numbers(&op, *first)?.shape;
        for other in others {
            self.check_shape(&op, *other, shape)?;
        }
        Range::FINITE.check(&op, "upstream", inputs.upstream)?;
        if loss.is_sequence() {
            return self.check_sequences(op, shape, inputs).map(|()| shape);
        }
        if inputs.lengths.is_some() {
            return Err(Error::unsupported(op, "the loss takes no lengths"));
        }
        self.check_loss_target(&op, loss, *first, inputs.target)?;
        let layout = LossLayout::of(loss, shape);
        if let Some(weight) = inputs.weight {
            let given = self.numbers(&op, weight)?.shape;
            let per_element = !loss.is_row_wise() && given == shape;
            if !per_element && given.len() != layout.rows() {
                let message = format!(
                    "predictions of shape {shape} need {} weights, not {given}",
                    layout.rows()
                );
                return Err(Error::shapes(op, [shape, given], message));
            }
        }
        if let Some(weight) = inputs.class_weight {
            if !loss.takes_class_weight() {
                return Err(Error::unsupported(op, "the loss takes no weight per class"));
            }
            let given = self.numbers(&op, weight)?.shape;
            if given.len() != layout.cols {
                let message = format!("{} classes need as many weights, not {given}", layout.cols);
                return Err(Error::shapes(op, [shape, given], message));
            }
        }
        Ok(shape)
    }

    /// Checks the operands of a sequence loss.
    fn check_sequences(&self, op: String, shape: Shape, inputs: &LossInputs) -> Result<()> {
        let samples = shape.axis(1).filter(|_| shape.rank() == 3);
        let (Some(samples), Some(target), Some(lengths)) = (samples, inputs.target, inputs.lengths)
        else {
            let message = format!(
                "log-probabilities (time, samples, classes), targets (samples, places) and lengths (samples, 2) are \
                 needed; the first are {shape}"
            );
            return Err(Error::shape(op, message));
        };
        let (target, lengths) = (self.slot(target)?, self.slot(lengths)?);
        let fits = target.dtype == DType::U32
            && lengths.dtype == DType::U32
            && target.shape.rank() == 2
            && target.shape.rows() == samples
            && lengths.shape.to_vec() == [samples, 2];
        if !fits {
            let message = format!(
                "{samples} samples need class indices [{samples}, places] and lengths [{samples}, 2], not {} and {}",
                target.shape, lengths.shape
            );
            return Err(Error::shapes(op, [target.shape, lengths.shape], message));
        }
        if inputs.weight.is_some() || inputs.class_weight.is_some() {
            return Err(Error::unsupported(op, "the loss takes no weights"));
        }
        Ok(())
    }

    fn check_loss_target(
        &self,
        op: &str,
        loss: &Loss,
        prediction: Slot,
        target: Option<Slot>,
    ) -> Result<()> {
        let forms = loss.target_forms();
        let Some(target) = target else {
            if forms == [TargetForm::Nothing] {
                return Ok(());
            }
            return Err(Error::unsupported(op, "the loss needs a target"));
        };
        let shape = self.shape(prediction)?;
        let (given, is_class) = (self.shape(target)?, self.slot(target)?.dtype == DType::U32);
        let rows = LossLayout::of(loss, shape).rows();
        let fits = |form: &TargetForm| match form {
            TargetForm::Values => !is_class && given == shape,
            TargetForm::ClassList => is_class && given == shape,
            TargetForm::Number => !is_class && given.rank() <= 1 && given.len() == rows,
            TargetForm::Class => {
                is_class
                    && given.len() == rows
                    && given.is_empty() == shape.is_empty()
                    && (shape.rank() <= 2
                        || class_axis(loss).and_then(|axis| without(shape, axis).ok())
                            == Some(given))
            }
            TargetForm::Nothing => false,
        };
        if forms.iter().any(fits) {
            return Ok(());
        }
        let kind = if is_class { "class indices" } else { "numbers" };
        let wanted = wanted(forms);
        let message =
            format!("predictions of shape {shape} take {wanted}, not {kind} of shape {given}");
        Err(Error::shapes(op, [shape, given], message))
    }

    /// Counts the class targets that are neither below `classes` nor ignored; returns their count and the row of the
    /// first one.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the target holds class indices.
    #[doc(hidden)]
    pub fn check_classes(
        &mut self,
        target: Slot,
        classes: usize,
        ignored: Option<u32>,
    ) -> Result<[Slot; 2]> {
        if self.slot(target)?.dtype != DType::U32 {
            return Err(Error::shape("check_classes", "the target holds no class indices"));
        }
        let [count, first] =
            ["faults", "first fault"].map(|name| self.value(name, Shape::scalar()));
        self.push_loss(LossOp::CheckClasses { target, classes, ignored, count, first });
        Ok([count, first])
    }
}

/// The axis that a row runs along, if it is a single one.
fn class_axis(loss: &Loss) -> Option<ClassAxis> {
    match &loss.entry().kind {
        LossKind::Row(row) if row.axis != ClassAxis::Sample => Some(row.axis),
        _ => None,
    }
}

/// A shape of more than two axes without its class axis.
fn without(shape: Shape, axis: ClassAxis) -> Result<Shape> {
    let mut extents = shape.to_vec();
    if axis == ClassAxis::Second && extents.len() > 1 {
        extents.remove(1);
    } else {
        extents.pop();
    }
    Shape::new(&extents)
}

/// The accepted targets, in words.
fn wanted(forms: &[TargetForm]) -> String {
    let name = |form: &TargetForm| match form {
        TargetForm::Values => "numbers of the same shape",
        TargetForm::Class => "a class index per row",
        TargetForm::ClassList => "class indices of the same shape",
        TargetForm::Number => "a number per row",
        TargetForm::Nothing => "no target",
    };
    forms.iter().map(name).collect::<Vec<_>>().join(" or ")
}
