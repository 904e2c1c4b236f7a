//! The objective of training and evaluation.

use super::GradientTransforms;
use crate::error::Result;
use crate::ir::{DType, Program, Slot};
use crate::shape::Shape;
use crate::spec::{Loss, Metric, Reduction};

/// The kind of target of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A vector of this many elements.
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

/// The loss, metrics and gradient transforms that a network is trained and evaluated with.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The loss.
    pub loss: Loss,
    /// The reduction of the loss's terms to a scalar.
    pub reduction: Reduction,
    /// The metrics recorded in addition to it: nine, and more if the step records nothing else.
    pub metrics: Vec<Metric>,
    /// The transforms applied around the optimizer's update.
    pub transforms: GradientTransforms,
    /// True if each row has a weight.
    pub weighted: bool,
    /// A weight per class or column, for losses that take one.
    pub class_weights: Option<Vec<f32>>,
    /// True if the last layer is fused with the loss, so that its outputs are never in memory for all rows.
    pub linear_cross_entropy: bool,
    /// True if a training step counts invalid class targets, for targets that have not been checked before.
    pub checked: bool,
    /// True if a training step also computes the gradient with respect to its inputs.
    pub through: bool,
}

impl Objective {
    /// The kind of targets that the loss takes: classes if it can, otherwise values, `outputs` per row.
    pub(crate) fn natural_target(&self, outputs: usize) -> TargetKind {
        if self.loss.takes_classes() { TargetKind::Class } else { TargetKind::Values(outputs) }
    }

    /// Adds the input for the weights of the rows.
    pub(super) fn weight(&self, program: &mut Program, rows: usize) -> Result<Option<Slot>> {
        let shape = Shape::new(&[rows])?;
        Ok(self.weighted.then(|| program.input("weight", shape, DType::F32)))
    }

    /// Adds the input for the class weights; returns it with its values.
    pub(super) fn class_weight(&self, program: &mut Program) -> Result<Option<(Slot, Vec<f32>)>> {
        let Some(weights) = &self.class_weights else { return Ok(None) };
        let shape = Shape::new(&[weights.len()])?;
        let slot = program.input("class weights", shape, DType::F32);
        Ok(Some((slot, weights.clone())))
    }
}
