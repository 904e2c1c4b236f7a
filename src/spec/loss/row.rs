//! What a row-wise loss is: one term per row of scores or vector.

use crate::numeric::{Float, tree_sum};
use crate::spec::Both;
use crate::spec::registry::Values;

/// A row-wise loss.
#[derive(Debug)]
pub struct RowKind {
    /// The WGSL functions `accumulate`, `term` and `slope`, and with `peak` also `candidate`.
    pub shader: &'static str,
    /// Whether the shader needs the row's largest candidate first.
    pub peak: bool,
    /// How many numbers the shader sums over a row: 4 or 8.
    pub sums: usize,
    /// How many differentiable inputs it has, all of one shape.
    pub inputs: usize,
    /// Which axis is the row.
    pub axis: ClassAxis,
    /// What the target can be.
    pub targets: &'static [TargetForm],
    /// Whether it takes a weight per class.
    pub class_weight: bool,
    /// Whether the mean over class targets divides by the sum of their class weights.
    pub weighted_mean: bool,
    /// The reference.
    pub passes: RowPasses,
}

/// Which axis of a prediction a row runs along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassAxis {
    /// The second of (N, C, d1, ..., dk), as PyTorch's criteria of classes take it.
    Second,
    /// The last.
    Last,
    /// All but the first: a row is a sample.
    Sample,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// A number per element: for rows of classes a weight per class, such as a one-hot row.
    Values,
    /// The index of the right class of each row, `u32`.
    Class,
    /// Class indices along each row, `u32`, ended by `u32::MAX` (PyTorch's -1) unless they fill it.
    ClassList,
    /// A number per row.
    Number,
    /// There is none.
    Nothing,
}

/// The reference of a row-wise loss for both number types.
pub type RowPasses = Both<Row<f32>, Row<f64>>;

/// The reference of a row-wise loss: the term of one row; with a number and a slice, also the derivative of the term by
/// that input.
pub type Row<F> = fn(&Values<F>, &RowView<'_, F>, Option<(usize, &mut [F])>) -> F;

impl std::fmt::Debug for RowPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowPasses")
    }
}

/// One row of every operand.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a, F> {
    /// The differentiable inputs; those that the loss does not have are empty.
    pub inputs: [&'a [F]; 3],
    /// The target.
    pub target: RowTarget<'a, F>,
    /// A weight per class, if there are any.
    pub class_weight: Option<&'a [F]>,
}

/// The target of one row.
#[derive(Clone, Copy, Debug)]
pub enum RowTarget<'a, F> {
    /// The index of the right class.
    Class(u32),
    /// A weight for each class, such as a one-hot row.
    Values(&'a [F]),
    /// Class indices up to the first `u32::MAX`.
    ClassList(&'a [u32]),
    /// One number.
    Number(F),
    /// There is none.
    Nothing,
}

impl<F: Float> RowView<'_, F> {
    /// The target weight of one class.
    pub fn target_weight(&self, class: usize) -> F {
        match self.target {
            RowTarget::Class(index) if index as usize == class => F::one(),
            RowTarget::Values(weights) => weights.get(class).copied().unwrap_or(F::zero()),
            _ => F::zero(),
        }
    }

    /// The weight of one class.
    pub fn class_weight(&self, class: usize) -> F {
        self.class_weight
            .map_or(F::one(), |weights| weights.get(class).copied().unwrap_or(F::zero()))
    }

    /// The first NaN among what the loss takes.
    pub(crate) fn nan(&self) -> Option<F> {
        let (values, number) = match &self.target {
            RowTarget::Values(values) => (*values, None),
            RowTarget::Number(number) => (&[][..], Some(number)),
            _ => (&[][..], None),
        };
        let all = self.inputs.iter().copied().flatten().chain(values).chain(number);
        all.copied().find(|x| x.is_nan())
    }

    pub(super) fn number(&self) -> F {
        match self.target {
            RowTarget::Number(number) => number,
            _ => F::zero(),
        }
    }

    /// Whether the target is the class of this number; -1 is none. A class above those that there can be stands for the
    /// negative number of the same bits.
    pub(super) fn is_class(&self, number: F) -> bool {
        match self.target {
            RowTarget::Class(class) => {
                number != -F::one() && F::of(f64::from(class as i32)) == number
            }
            _ => false,
        }
    }

    pub(super) fn class(&self) -> usize {
        match self.target {
            RowTarget::Class(class) => class as usize,
            _ => usize::MAX,
        }
    }
}

/// The sum of one number per column by a balanced tree.
#[allow(
    clippy::indexing_slicing,
    reason = "tree_sum asks for indices below the length it was given"
)]
pub(super) fn total<F: Float>(x: &[F], term: impl Fn(usize, F) -> F) -> F {
    tree_sum(x.len(), &|i| term(i, x[i]))
}

/// A row-wise loss from the function and the shader file of this name.
macro_rules! row {
    ($name:ident, peak: $peak:literal, sums: $sums:literal, inputs: $inputs:literal, axis: $axis:ident, targets: [$($form:ident),*],
     class_weight: $class_weight:literal, weighted_mean: $weighted:literal $(,)?) => {
        LossKind::Row(RowKind {
            shader: include_str!(concat!("../../../shaders/loss/", stringify!($name), ".wgsl")),
            peak: $peak,
            sums: $sums,
            inputs: $inputs,
            axis: ClassAxis::$axis,
            targets: &[$(TargetForm::$form),*],
            class_weight: $class_weight,
            weighted_mean: $weighted,
            passes: Both { f32: $name::<f32>, f64: $name::<f64> },
        })
    };
}
pub(super) use row;

/// The number of an input and where the derivatives by it go.
pub(super) type Gradient<'a, F> = Option<(usize, &'a mut [F])>;

/// Writes the derivative of each column.
pub(super) fn write<F: Float>(gradient: Gradient<'_, F>, slope: impl Fn(usize) -> F) {
    if let Some((_, out)) = gradient {
        out.iter_mut().enumerate().for_each(|(col, out)| *out = slope(col));
    }
}
