//! The programs of a network: training steps, evaluation, confusion matrix and inference.

use super::Network;
use super::figures::{Checks, RecordLayout, Recorder};
use super::loss_head::{LossHead, LossTargets};
use super::objective::{Objective, TargetKind};
use crate::error::Result;
use crate::ir::{DType, Op, Program, Slot};
use crate::ops::IndexOp;
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::{Metric, Optimizer};

/// The key of the random order in which batches take their rows; `None` for a batch of all rows, which keeps their
/// order.
pub(crate) fn order(seed: u64, rows: usize, batch: usize) -> Option<Key> {
    (batch < rows).then(|| Key::new(seed, Stream::Shuffle))
}

/// A program and the slots its caller writes and reads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProgramIo {
    /// The program.
    pub program: Program,
    /// The input rows; in training the whole data set.
    pub x: Slot,
    /// The targets of the rows, if the program takes any.
    pub target: Option<Slot>,
    /// The weights of the rows, if the program takes any.
    pub weight: Option<Slot>,
    /// Inputs that are constant across steps, to be written once.
    pub constants: Vec<(Slot, Vec<f32>)>,
    /// The network's output; the input of its last layer if that is fused with the loss.
    pub y: Slot,
    /// The gradient of the loss with respect to the network's output, in a training step; with respect to the logits if
    /// the loss is computed from the input of the last activation.
    pub grad: Option<Slot>,
    /// The layout of the recorded values.
    pub record: RecordLayout,
    /// The gradient with respect to the inputs, if the objective requests it.
    pub grad_x: Option<Slot>,
    /// The op indices at which the forward and the backward pass end; the update follows.
    pub parts: [usize; 2],
}

impl ProgramIo {
    fn new(program: Program, x: Slot, y: Slot) -> Self {
        let parts = [program.ops().len(); 2];
        let (target, weight, grad, grad_x) = (None, None, None, None);
        let (constants, record) = (Vec::new(), RecordLayout::default());
        Self { program, x, target, weight, constants, y, grad, record, grad_x, parts }
    }
}

impl Network {
    /// A training step over `batch` of `rows` rows: the whole data set at once if they are equal, otherwise a batch in
    /// the random order of the epoch.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the target does not match the loss or the network's output.
    pub fn training(
        &self,
        objective: &Objective,
        optimizer: Optimizer,
        target: TargetKind,
        (rows, batch): (usize, usize),
        seed: u64,
    ) -> Result<ProgramIo> {
        let mut program = Program::new("train", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let all = target.input(&mut program, rows)?;
        let weight = objective.weight(&mut program, rows)?;
        let order = order(seed, rows, batch);
        let mut batched = |name: &str, slot| match order {
            Some(_) => program.gather(name, slot, batch, order),
            None => Ok(slot),
        };
        let batch_x = batched("batch x", x)?;
        let batch_target = batched("batch target", all)?;
        let batch_weight = weight.map(|weight| batched("batch weight", weight)).transpose()?;
        let constants: Vec<_> = objective.class_weight(&mut program)?.into_iter().collect();
        let class_weight = constants.first().map(|(slot, _)| *slot);
        let targets = LossTargets { target: batch_target, weight: batch_weight, class_weight };
        let loss_head = self.loss_head(&mut program, objective, batch_x, targets, Some(seed))?;
        let mut figures = Recorder::default();
        figures.loss(loss_head.loss);
        figures.penalty(&mut program, true);
        figures.metrics(loss_head.metrics(&mut program, objective, batch_target)?);
        let LossHead { y, loss, grad, grad_x, forward, .. } = loss_head;
        let checks = self.checks(objective, target);
        self.outside_unit(&mut program, objective, [y, batch_target], checks, &mut figures)?;
        let mut check = |program: &mut Program, slot, what, limit, ignored| -> Result<()> {
            figures.invalid_indices(program.check_classes(slot, limit, ignored)?, what, limit);
            Ok(())
        };
        if checks.classes {
            let ignored = objective.loss.ignore_index();
            check(&mut program, batch_target, "targets", self.outputs(), ignored)?;
        }
        if let (Some(count), Some(index)) = (checks.indices, indices(&program)) {
            check(&mut program, index, "features", count, None)?;
        }
        let parts = [forward, program.ops().len()];
        figures.skipped(objective.transforms.update(&mut program, optimizer, Some(loss), seed)?);
        let record = figures.end(&mut program)?;
        let io = ProgramIo::new(program, x, y);
        let io = ProgramIo { target: Some(all), weight, constants, ..io };
        Ok(ProgramIo { grad, grad_x, record, parts, ..io })
    }

    /// A training step in which the caller writes the gradient with respect to the network's output after the forward
    /// pass. The objective's loss is not used.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) for more elements than a tensor can have;
    /// [`Error::Unsupported`](crate::Error::Unsupported) for an optimizer that takes the loss.
    pub(crate) fn training_by_gradient(
        &self,
        objective: &Objective,
        optimizer: Optimizer,
        rows: usize,
        seed: u64,
    ) -> Result<ProgramIo> {
        let mut program = Program::new("train by gradient", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let grad = program.input("d y", Shape::new(&[rows, self.outputs()])?, DType::F32);
        let y = self.forward(&mut program, x, Some(seed))?;
        let forward = program.ops().len();
        let (params, wanted) = (0..self.params().len(), objective.through.then_some(x));
        let grad_x = self.backward(&mut program, (y, grad), params, wanted)?;
        let mut figures = Recorder::default();
        figures.penalty(&mut program, true);
        let parts = [forward, program.ops().len()];
        figures.skipped(objective.transforms.update(&mut program, optimizer, None, seed)?);
        let record = figures.end(&mut program)?;
        Ok(ProgramIo { grad: Some(grad), grad_x, record, parts, ..ProgramIo::new(program, x, y) })
    }

    /// A program that computes loss, penalty and metrics over up to `rows` rows and changes nothing.
    ///
    /// # Errors
    /// As [`Network::training`].
    #[doc(hidden)]
    pub fn evaluation(
        &self,
        objective: &Objective,
        target: TargetKind,
        rows: usize,
    ) -> Result<ProgramIo> {
        let mut program = Program::new("evaluate", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let checks = Checks { targets: false, ..self.checks(objective, target) };
        let target = target.input(&mut program, rows)?;
        let weight = objective.weight(&mut program, rows)?;
        let constants: Vec<_> = objective.class_weight(&mut program)?.into_iter().collect();
        let class_weight = constants.first().map(|(slot, _)| *slot);
        let targets = LossTargets { target, weight, class_weight };
        let loss_head = self.loss_head(&mut program, objective, x, targets, None)?;
        let mut figures = Recorder::default();
        figures.loss(loss_head.loss);
        figures.penalty(&mut program, false);
        figures.metrics(loss_head.metrics(&mut program, objective, target)?);
        self.outside_unit(&mut program, objective, [loss_head.y, target], checks, &mut figures)?;
        let record = figures.end(&mut program)?;
        let io = ProgramIo::new(program, x, loss_head.y);
        Ok(ProgramIo { target: Some(target), weight, constants, record, ..io })
    }

    /// Records the fractions of predictions and targets that are not probabilities, if they are checked.
    fn outside_unit(
        &self,
        program: &mut Program,
        objective: &Objective,
        [y, target]: [Slot; 2],
        checks: Checks,
        figures: &mut Recorder,
    ) -> Result<()> {
        let (cols, loss) = (self.outputs(), objective.loss.name());
        let predictions = checks.predictions.then_some(("predictions", y));
        let targets = checks.targets.then_some(("targets", target));
        for (what, slot) in predictions.into_iter().chain(targets) {
            let fraction = program.metric(Metric::OutsideUnit, slot, slot)?;
            figures.outside_unit(fraction, what, cols, loss);
        }
        Ok(())
    }

    /// A program whose output is the confusion matrix, classes by classes, over up to `rows` rows whose class is not
    /// `ignored`.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) for more elements than a tensor can have.
    pub(crate) fn confusion(&self, rows: usize, ignored: Option<u32>) -> Result<ProgramIo> {
        let mut program = Program::new("confusion", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let target = TargetKind::Class.input(&mut program, rows)?;
        let y = self.forward(&mut program, x, None)?;
        let matrix = program.confusion_matrix_ignoring(y, target, ignored)?;
        Ok(ProgramIo { target: Some(target), ..ProgramIo::new(program, x, matrix) })
    }

    /// A program that computes the network's output for `rows` rows.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) for more elements than a tensor can have.
    pub fn inference(&self, rows: usize) -> Result<ProgramIo> {
        let mut program = Program::new("predict", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let y = self.forward(&mut program, x, None)?;
        Ok(ProgramIo::new(program, x, y))
    }
}

/// The slot of the indices that an embedding reads from the input.
fn indices(program: &Program) -> Option<Slot> {
    program.ops().iter().find_map(|op| match op {
        Op::Index(IndexOp::ToIndex { out, .. }) => Some(*out),
        _ => None,
    })
}
