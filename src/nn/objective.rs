//! What a network is trained or judged by.

use super::GradientTransforms;
use crate::error::Result;
use crate::program::{DType, Program, Slot};
use crate::shape::Shape;
use crate::spec::{Loss, Metric, Reduction};

/// What a target is, per row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// This many numbers.
    Values(usize),
    /// A class index.
    Class,
}

impl TargetKind {
    pub(super) fn input(self, program: &mut Program, rows: usize) -> Result<Slot> {
        Ok(match self {
            Self::Values(cols) => program.input("target", Shape::new(&[rows, cols])?, DType::F32),
            Self::Class => program.input("target", Shape::new(&[rows])?, DType::U32),
        })
    }
}

/// What a network is trained or judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The loss.
    pub loss: Loss,
    /// How its terms become one number.
    pub reduction: Reduction,
    /// The metrics recorded beside it, at most two.
    pub metrics: Vec<Metric>,
    /// What happens around the optimizer's update.
    pub transforms: GradientTransforms,
    /// Whether each row comes with a weight of its own.
    pub weighted: bool,
    /// A weight per class or column, for losses that take one.
    pub class_weights: Option<Vec<f32>>,
    /// Whether the last layer goes together with the loss, so that its outputs are never in memory for all rows.
    pub linear_cross_entropy: bool,
    /// Whether a training step counts class targets that are no class: for targets that nobody has checked.
    pub checked: bool,
    /// Whether a training step also gives the gradient by its inputs.
    pub through: bool,
}

impl Objective {
    /// The input of the rows' weights.
    pub(super) fn weight(&self, program: &mut Program, rows: usize) -> Result<Option<Slot>> {
        let shape = Shape::new(&[rows])?;
        Ok(self.weighted.then(|| program.input("weight", shape, DType::F32)))
    }

    /// The input of the weights of the classes, with what it holds.
    pub(super) fn class_weight(&self, program: &mut Program) -> Result<Option<(Slot, Vec<f32>)>> {
        let Some(weights) = &self.class_weights else { return Ok(None) };
        let shape = Shape::new(&[weights.len()])?;
        let slot = program.input("class weights", shape, DType::F32);
        Ok(Some((slot, weights.clone())))
    }
}
