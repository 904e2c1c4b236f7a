//! The definition of a row-wise loss: one term per row of scores or vector.

use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::registry::Values;

/// A row-wise loss.
#[derive(Debug)]
pub struct RowLoss {
    /// The WGSL functions `accumulate`, `term` and `slope`, and `candidate` if `peak` is set.
    pub shader: &'static str,
    /// True if the shader needs the row's largest candidate before it accumulates.
    pub peak: bool,
    /// The number of sums that the shader accumulates over a row: 4 or 8.
    pub sums: usize,
    /// The number of differentiable inputs, all of the same shape.
    pub inputs: usize,
    /// The axis that forms a row.
    pub axis: ClassAxis,
    /// The accepted forms of the target.
    pub targets: &'static [TargetForm],
    /// True if it accepts a weight per class.
    pub class_weight: bool,
    /// True if the mean over class targets divides by the sum of their class weights.
    pub weighted_mean: bool,
    /// The reference passes.
    pub passes: RowLossPasses,
}

/// The axis of a prediction that forms a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassAxis {
    /// The second of (N, C, d1, ..., dk), as in PyTorch's classification losses.
    Second,
    /// The last.
    Last,
    /// All but the first: a row is a sample.
    Sample,
}

/// The form of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// A value per element; for class scores a weight per class, such as a one-hot row.
    Values,
    /// The class index of each row, `u32`.
    Class,
    /// Class indices along each row, `u32`, terminated by `u32::MAX` (PyTorch's -1) unless they fill the row.
    ClassList,
    /// A value per row.
    Number,
    /// No target.
    Nothing,
}

/// The reference of a row-wise loss for both floating-point types.
pub type RowLossPasses = Both<Row<f32>, Row<f64>>;

/// The reference of a row-wise loss: returns the term of one row. Given an input index and a slice, also writes the
/// derivative of the term with respect to that input.
pub type Row<F> = fn(&Values<F>, &RowView<'_, F>, Option<(usize, &mut [F])>) -> F;

impl std::fmt::Debug for RowLossPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowLossPasses")
    }
}

/// One row of every operand.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a, F> {
    /// The differentiable inputs; inputs that the loss does not have are empty.
    pub inputs: [&'a [F]; 3],
    /// The target.
    pub target: RowTarget<'a, F>,
    /// A weight per class, if given.
    pub class_weight: Option<&'a [F]>,
}

/// The target of one row.
#[derive(Clone, Copy, Debug)]
pub enum RowTarget<'a, F> {
    /// The class index.
    Class(u32),
    /// A weight per class, such as a one-hot row.
    Values(&'a [F]),
    /// Class indices up to the first `u32::MAX`.
    ClassList(&'a [u32]),
    /// A single value.
    Number(F),
    /// No target.
    Nothing,
}

impl<F: Float> RowView<'_, F> {
    /// The target weight of `class`.
    #[inline(always)]
    pub fn target_weight(&self, class: usize) -> F {
        match self.target {
            RowTarget::Class(index) if index as usize == class => F::one(),
            RowTarget::Values(weights) => weights.get(class).copied().unwrap_or(F::zero()),
            _ => F::zero(),
        }
    }

    /// The class weight of `class`; 1 if none are given.
    #[inline(always)]
    pub fn class_weight(&self, class: usize) -> F {
        self.class_weight
            .map_or(F::one(), |weights| weights.get(class).copied().unwrap_or(F::zero()))
    }

    /// The first NaN among the inputs and the target.
    pub(crate) fn nan(&self) -> Option<F> {
        let (values, number) = match &self.target {
            RowTarget::Values(values) => (*values, None),
            RowTarget::Number(number) => (&[][..], Some(number)),
            _ => (&[][..], None),
        };
        let first = |values: &[F]| {
            // Without a way out of the loop, so that it takes many at once.
            let any = values.iter().fold(false, |any, x| any | x.is_nan());
            if any { values.iter().copied().find(|x| x.is_nan()) } else { None }
        };
        let number = number.copied().filter(|x| x.is_nan());
        self.inputs.into_iter().chain([values]).find_map(first).or(number)
    }

    pub(super) fn number(&self) -> F {
        match self.target {
            RowTarget::Number(number) => number,
            _ => F::zero(),
        }
    }

    /// Returns whether the target is the class `number`; -1 matches nothing. A class of 2^31 or more is compared as the
    /// negative `i32` of the same bits.
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

/// Builds a row-wise loss from the reference function and the shader file of the same name.
macro_rules! row {
    ($name:ident, peak: $peak:literal, sums: $sums:literal, inputs: $inputs:literal, axis: $axis:ident, targets: [$($form:ident),*],
     class_weight: $class_weight:literal, weighted_mean: $weighted:literal $(,)?) => {
        LossKind::Row(RowLoss {
            shader: include_str!(concat!("../../../shaders/loss/", stringify!($name), ".wgsl")),
            peak: $peak,
            sums: $sums,
            inputs: $inputs,
            axis: ClassAxis::$axis,
            targets: &[$(TargetForm::$form),*],
            class_weight: $class_weight,
            weighted_mean: $weighted,
            passes: {
                crate::numeric::wide! {
                    fn wide(values: &Values<f32>, row: &RowView<'_, f32>, gradient: Gradient<'_, f32>) -> f32 {
                        $name(values, row, gradient)
                    }
                }
                Both { f32: wide, f64: $name::<f64> }
            },
        })
    };
}
pub(super) use row;

/// The index of an input and the destination of the derivatives with respect to it.
pub(super) type Gradient<'a, F> = Option<(usize, &'a mut [F])>;

/// Writes the derivative of each column.
#[inline(always)]
pub(super) fn write<F: Float>(gradient: Gradient<'_, F>, slope: impl Fn(usize) -> F) {
    if let Some((_, out)) = gradient {
        for (col, out) in out.iter_mut().enumerate() {
            *out = slope(col);
        }
    }
}
