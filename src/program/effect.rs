//! What ops read and change: tensors, and what all parameters have one of.

use super::{NormOp, Op, Slot, TensorOp};

/// Something that an op reads or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A tensor.
    Slot(Slot),
    /// All parameters.
    Params,
    /// The gradients of all parameters.
    Grads,
    /// The optimizer's state and that of the gradient transforms.
    States,
    /// The step's entry and the counter that chooses it.
    Step,
}

impl From<Slot> for Operand {
    fn from(slot: Slot) -> Self {
        Self::Slot(slot)
    }
}

impl Operand {
    fn slot(self) -> Option<Slot> {
        if let Self::Slot(slot) = self { Some(slot) } else { None }
    }
}

/// What an op reads and changes, each in the op's own order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// What it reads and leaves as it is.
    pub reads: Vec<Operand>,
    /// What it makes as a whole, whatever was there.
    pub writes: Vec<Operand>,
    /// What it changes and also reads, or changes in part.
    pub updates: Vec<Operand>,
}

impl Effects {
    fn read<T: Into<Operand>>(mut self, operands: impl IntoIterator<Item = T>) -> Self {
        self.reads.extend(operands.into_iter().map(Into::into));
        self
    }

    fn write<T: Into<Operand>>(mut self, operands: impl IntoIterator<Item = T>) -> Self {
        self.writes.extend(operands.into_iter().map(Into::into));
        self
    }

    fn update<T: Into<Operand>>(mut self, operands: impl IntoIterator<Item = T>) -> Self {
        self.updates.extend(operands.into_iter().map(Into::into));
        self
    }

    /// What it writes or updates.
    pub fn changed(&self) -> impl Iterator<Item = Operand> {
        self.writes.iter().chain(&self.updates).copied()
    }

    /// What it reads or updates.
    pub fn seen(&self) -> impl Iterator<Item = Operand> {
        self.updates.iter().chain(&self.reads).copied()
    }

    /// Whether it changes an operand.
    pub fn changes(&self, operand: Operand) -> bool {
        self.changed().any(|changed| changed == operand)
    }
}

impl Op {
    /// The slots the op reads and leaves as they are.
    pub fn inputs(&self) -> Vec<Slot> {
        self.effects().reads.into_iter().filter_map(Operand::slot).collect()
    }

    /// The slots the op changes.
    pub fn outputs(&self) -> Vec<Slot> {
        self.effects().changed().filter_map(Operand::slot).collect()
    }

    /// Whether the op ends the step or moves the parameters: what it reads outlives the op that made it.
    pub(crate) fn concludes(&self) -> bool {
        let effects = self.effects();
        effects.changes(Operand::Step) || effects.changes(Operand::Params)
    }

    /// What the op reads and changes.
    pub fn effects(&self) -> Effects {
        use Operand::{Grads, Params, States, Step};
        let none = Effects::default();
        match self {
            Self::Gather { data, out, .. } => none.read([*data]).read([Step]).write([*out]),
            Self::MatMul { a, b, out, .. } => none.read([*a, *b]).write([*out]),
            Self::AddRow { row, out } => none.read([*row]).update([*out]),
            Self::SumRows { x, out } => none.read([*x]).write([*out]),
            Self::Activation { key, x, out, .. } => {
                none.read([*x]).read(key.map(|_| Step)).write([*out])
            }
            Self::ActivationBackward { key, saved, grad_out, grad_in, .. } => {
                none.read([*saved, *grad_out]).read(key.map(|_| Step)).write([*grad_in])
            }
            Self::Learned { x, weight, out, .. } => none.read([*x, *weight]).write([*out]),
            Self::LearnedBackward { x, weight, grad_out, grad_in, grad_weight, .. } => {
                none.read([*x, *weight, *grad_out]).write([*grad_in, *grad_weight])
            }
            Self::Loss { inputs, value, gradients, .. } => none
                .read(inputs.slots())
                .read([Step])
                .write([*value])
                .write(gradients.iter().copied()),
            Self::RowShares { target, class_weight, out, .. } => {
                none.read([*target]).read(*class_weight).read([Step]).write([*out])
            }
            Self::OneHot { target, out } => none.read([*target]).read([Step]).write([*out]),
            Self::CheckClasses { target, count, first, .. } => {
                none.read([*target]).read([Step]).write([*count, *first])
            }
            Self::Metric { prediction, target, value, .. } => {
                none.read([*prediction, *target]).read([Step]).write([*value])
            }
            Self::Penalty { value, backward } => {
                none.read([Params]).write([*value]).update(backward.then_some(Grads))
            }
            Self::ClipValue { .. } | Self::ClipEach { .. } => none.update([Grads]),
            Self::ClipNorm { norm, .. } => none.write([*norm]).update([Grads]),
            Self::GradientNoise { .. } => none.read([Step]).update([Grads]),
            Self::Accumulate { .. } => none.read([Step]).update([Grads, States]),
            Self::SkipNotFinite { skipped, .. } => {
                none.read([Grads]).write([*skipped]).update([Step])
            }
            Self::Average { follows, .. } => {
                let read = if *follows { none.update([Params]) } else { none.read([Params]) };
                read.read([Step]).update([States])
            }
            Self::Direction { .. } => none.read([Step]).update([Grads, States]),
            Self::Update { loss, .. } => {
                none.read(*loss).read([Grads, Step]).update([Params, States])
            }
            Self::Norm(op) => op.effects(),
            Self::Tensor(op) => op.effects(),
            Self::Record { values } => none.read(values.iter().copied()).update([Step]),
        }
    }
}

impl NormOp {
    fn effects(&self) -> Effects {
        let none = Effects::default();
        let step = |across: bool| across.then_some(Operand::Step);
        match self {
            Self::Forward { f, x, weight, bias, out } => none
                .read([*x])
                .read(*weight)
                .read(*bias)
                .read(step(f.is_across_rows()))
                .write([*out]),
            Self::Track { x, running, .. } => none.read([*x]).read(step(true)).update(*running),
            Self::Evaluate { x, running, weight, bias, out, .. } => {
                none.read([*x]).read(*running).read(*weight).read(*bias).write([*out])
            }
            Self::Backward { f, x, weight, grad_out, grad_in, grad_weight } => none
                .read([*x, *grad_out])
                .read(*weight)
                .read(step(f.is_across_rows()))
                .write([*grad_in])
                .write(*grad_weight),
        }
    }
}

impl TensorOp {
    fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::Copy { x, out, .. } => none.read([*x]).update([*out]),
            Self::Fill { out, .. } => none.write([*out]),
            Self::Arithmetic { a, b, out, .. } => none.read([*a, *b]).write([*out]),
            Self::Reduce { x, out, .. } | Self::ToIndex { x, out } => none.read([*x]).write([*out]),
            Self::ReduceBackward { x, y, grad_out, grad_in, .. } => {
                none.read([*x, *y, *grad_out]).write([*grad_in])
            }
            Self::GatherRows { table, index, out, .. } => none.read([*table, *index]).write([*out]),
            Self::ScatterAdd { x, index, out, .. } => none.read([*x, *index]).update([*out]),
        }
    }
}
