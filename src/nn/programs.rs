//! The programs of a network: a training step, an evaluation and a prediction.

use super::Around;
use super::Network;
use super::pass::Trace;
use crate::error::Result;
use crate::program::{DType, LossInputs, Program, Slot};
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::{Loss, Metric, Optimizer, Reduction};

/// What a target is, per row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// This many numbers.
    Values(usize),
    /// A class index.
    Class,
}

impl TargetKind {
    fn input(self, program: &mut Program, rows: usize) -> Result<Slot> {
        Ok(match self {
            Self::Values(cols) => program.input("target", Shape::new(&[rows, cols])?, DType::F32),
            Self::Class => program.input("target", Shape::new(&[rows])?, DType::U32),
        })
    }
}

/// What a network is trained or judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// The loss.
    pub loss: Loss,
    /// How its terms become one number.
    pub reduction: Reduction,
    /// The metrics recorded beside it, at most two.
    pub metrics: Vec<Metric>,
    /// What happens around the optimizer's update.
    pub around: Around,
    /// Whether each row comes with a weight of its own.
    pub weighted: bool,
    /// Whether a training step counts class targets that are no class: for targets that nobody has checked.
    pub checked: bool,
}

impl Goal {
    /// The input of the rows' weights.
    fn weight(&self, program: &mut Program, rows: usize) -> Result<Option<Slot>> {
        let shape = Shape::new(&[rows])?;
        Ok(self.weighted.then(|| program.input("weight", shape, DType::F32)))
    }
}

/// Figures of a step that tell of indices beyond what they are indices of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The figure that counts them.
    pub count: usize,
    /// The figure that names the first one's place.
    pub first: usize,
    /// What they are: targets or features.
    pub what: &'static str,
    /// They must be below this.
    pub limit: usize,
}

/// A program and the slots its caller writes and reads.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The program.
    pub program: Program,
    /// The rows: for training the whole data set.
    pub x: Slot,
    /// Their targets, if the program takes any.
    pub target: Option<Slot>,
    /// The weights of the rows, if the program takes any.
    pub weight: Option<Slot>,
    /// The network's output.
    pub y: Slot,
    /// The gradient of the loss by the network's output, in a training step.
    pub grad: Option<Slot>,
    /// Which recorded figures tell of indices that are none.
    pub faults: Vec<Faults>,
    /// Which recorded figure is 1 in steps whose update was skipped.
    pub skipped: Option<usize>,
    /// How many ops the forward pass has, where the gradient is the caller's.
    pub forward_ops: usize,
}

impl Wiring {
    fn new(program: Program, x: Slot, y: Slot) -> Self {
        let forward_ops = program.ops().len();
        let (target, weight, grad, skipped) = (None, None, None, None);
        let faults = Vec::new();
        Self { program, x, target, weight, y, grad, faults, skipped, forward_ops }
    }
}

impl Network {
    /// A training step over `batch` of `rows` rows: the whole data set at once if they are equal, else a batch in the
    /// random order of the epoch.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the target does not fit the loss or the network's output.
    pub fn training(
        &self,
        goal: &Goal,
        optimizer: Optimizer,
        target: TargetKind,
        (rows, batch): (usize, usize),
        seed: u64,
    ) -> Result<Wiring> {
        let mut program = Program::new("train", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let all = target.input(&mut program, rows)?;
        let weight = goal.weight(&mut program, rows)?;
        let order = Some(Key::new(seed, Stream::Shuffle));
        let mut batched = |name: &str, slot| {
            if batch < rows { program.gather(name, slot, batch, order) } else { Ok(slot) }
        };
        let batch_x = batched("batch x", x)?;
        let batch_target = batched("batch target", all)?;
        let batch_weight = weight.map(|weight| batched("batch weight", weight)).transpose()?;
        let (y, traces) = self.forward(&mut program, batch_x, Some(seed))?;
        let inputs = LossInputs { weight: batch_weight, ..LossInputs::new(y, batch_target) };
        let (loss, gradients) = program.loss_of(goal.loss, goal.reduction, inputs, true)?;
        let mut figures = vec![loss];
        let gradient = gradients.first().copied();
        if let Some(gradient) = gradient {
            self.backward(&mut program, &traces, gradient, seed)?;
        }
        if program.has_penalty() {
            figures.push(program.penalty(true));
        }
        for metric in &goal.metrics {
            figures.push(program.metric(*metric, y, batch_target)?);
        }
        let mut faults = Vec::new();
        let mut check = |program: &mut Program, slot, what, limit, ignored| -> Result<()> {
            faults.push(Faults { count: figures.len(), first: figures.len() + 1, what, limit });
            figures.extend(program.check_classes(slot, limit, ignored)?);
            Ok(())
        };
        if goal.checked && target == TargetKind::Class {
            let ignored = goal.loss.ignore_index();
            check(&mut program, batch_target, "targets", self.outputs(), ignored)?;
        }
        if let (true, Some(index), Some(count)) =
            (goal.checked, Trace::indices(&traces), self.index_count())
        {
            check(&mut program, index, "features", count, None)?;
        }
        let skipped = goal.around.update(&mut program, optimizer, Some(loss), seed)?;
        figures.extend(skipped);
        let skipped = skipped.map(|_| figures.len() - 1);
        program.record(&figures)?;
        let target = Some(all);
        Ok(Wiring { target, weight, grad: gradient, faults, skipped, ..Wiring::new(program, x, y) })
    }

    /// A training step whose gradient by the network's output the caller writes between its two parts: the forward
    /// pass, and backward and update. The loss of the goal has no part in it.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) for more elements than a tensor can have;
    /// [`Error::Unsupported`](crate::Error::Unsupported) for an optimizer that takes the loss.
    pub fn training_by_gradient(
        &self,
        goal: &Goal,
        optimizer: Optimizer,
        rows: usize,
        seed: u64,
    ) -> Result<Wiring> {
        let mut program = Program::new("train by gradient", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let grad = program.input("d y", Shape::new(&[rows, self.outputs()])?, DType::F32);
        let (y, traces) = self.forward(&mut program, x, Some(seed))?;
        let forward_ops = program.ops().len();
        self.backward(&mut program, &traces, grad, seed)?;
        let mut figures = vec![];
        if program.has_penalty() {
            figures.push(program.penalty(true));
        }
        figures.extend(goal.around.update(&mut program, optimizer, None, seed)?);
        program.record(&figures)?;
        Ok(Wiring { grad: Some(grad), forward_ops, ..Wiring::new(program, x, y) })
    }

    /// Loss, penalty and metrics over up to `rows` rows, nothing changed.
    ///
    /// # Errors
    /// As [`Network::training`].
    pub fn evaluation(&self, goal: &Goal, target: TargetKind, rows: usize) -> Result<Wiring> {
        let mut program = Program::new("evaluate", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let target = target.input(&mut program, rows)?;
        let (y, _) = self.forward(&mut program, x, None)?;
        let weight = goal.weight(&mut program, rows)?;
        let inputs = LossInputs { weight, ..LossInputs::new(y, target) };
        let (loss, _) = program.loss_of(goal.loss, goal.reduction, inputs, false)?;
        let mut figures = vec![loss];
        if program.has_penalty() {
            figures.push(program.penalty(false));
        }
        for metric in &goal.metrics {
            figures.push(program.metric(*metric, y, target)?);
        }
        program.record(&figures)?;
        Ok(Wiring { target: Some(target), weight, ..Wiring::new(program, x, y) })
    }

    /// The network's output for `rows` rows.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) for more elements than a tensor can have.
    pub fn inference(&self, rows: usize) -> Result<Wiring> {
        let mut program = Program::new("predict", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let (y, _) = self.forward(&mut program, x, None)?;
        Ok(Wiring::new(program, x, y))
    }
}
