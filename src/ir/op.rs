//! The ops of a program.

use super::effect::{Effects, Operand};
use super::slot::Slot;
use crate::ops::{
    ActivationOp, ArithmeticOp, ArrangeOp, IndexOp, LinearOp, LossOp, MetricOp, NormOp, ReduceOp,
    ScanOp, StepOp, UpdateOp,
};

/// The recorded values of one step, the loss first.
pub(crate) type Record = [f32; Op::MAX_RECORDED];

/// An op, by family. Unless stated otherwise, tensors of more than two axes are seen as matrices whose columns are the
/// last axis and whose rows are all other axes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Gathers the rows of a step, and ends it.
    Step(StepOp),
    /// Multiplies matrices.
    Linear(LinearOp),
    /// Applies an activation.
    Activation(ActivationOp),
    /// Normalizes.
    Norm(NormOp),
    /// Combines two tensors elementwise.
    Arithmetic(ArithmeticOp),
    /// Copies or fills elements.
    Arrange(ArrangeOp),
    /// Reduces a tensor along axes.
    Reduce(ReduceOp),
    /// Sums along an axis, keeping every sum on the way.
    Scan(ScanOp),
    /// Gathers or scatters rows by index.
    Index(IndexOp),
    /// Computes a loss.
    Loss(LossOp),
    /// Computes a metric.
    Metric(MetricOp),
    /// Changes gradients and parameters.
    Update(UpdateOp),
}

impl Op {
    /// The maximum number of values that one step can record.
    pub const MAX_RECORDED: usize = 16;

    /// The op's name: family and member.
    pub fn name(&self) -> String {
        match self {
            Self::Step(op) => op.name(),
            Self::Linear(op) => op.name(),
            Self::Activation(op) => op.name(),
            Self::Norm(op) => op.name(),
            Self::Arithmetic(op) => op.name(),
            Self::Arrange(op) => op.name(),
            Self::Reduce(op) => op.name(),
            Self::Scan(op) => op.name(),
            Self::Index(op) => op.name(),
            Self::Loss(op) => op.name(),
            Self::Metric(op) => op.name(),
            Self::Update(op) => op.name(),
        }
    }

    /// The operands that the op reads and changes.
    pub fn effects(&self) -> Effects {
        match self {
            Self::Step(op) => op.effects(),
            Self::Linear(op) => op.effects(),
            Self::Activation(op) => op.effects(),
            Self::Norm(op) => op.effects(),
            Self::Arithmetic(op) => op.effects(),
            Self::Arrange(op) => op.effects(),
            Self::Reduce(op) => op.effects(),
            Self::Scan(op) => op.effects(),
            Self::Index(op) => op.effects(),
            Self::Loss(op) => op.effects(),
            Self::Metric(op) => op.effects(),
            Self::Update(op) => op.effects(),
        }
    }

    /// The slots that the op only reads.
    pub fn inputs(&self) -> Vec<Slot> {
        self.effects().reads.into_iter().filter_map(Operand::slot).collect()
    }

    /// The slots that the op changes.
    pub fn outputs(&self) -> Vec<Slot> {
        self.effects().changed().filter_map(Operand::slot).collect()
    }

    /// Returns whether the op ends the step or updates the parameters: its operands must outlive the ops that produced
    /// them.
    pub(crate) fn concludes(&self) -> bool {
        let effects = self.effects();
        effects.changes(Operand::Step) || effects.changes(Operand::Params)
    }
}
