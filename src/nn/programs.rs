//! The programs of a network: a training step, an evaluation and a prediction.

use super::Network;
use crate::error::Result;
use crate::program::{DType, Program, Slot};
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
    /// The largest gradient, if gradients are clipped by value.
    pub clip_value: Option<f64>,
    /// The largest norm of all gradients, if they are clipped by norm.
    pub clip_norm: Option<f64>,
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
    /// The network's output.
    pub y: Slot,
    /// The gradient of the loss by the network's output, in a training step.
    pub grad: Option<Slot>,
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
        let (batch_x, batch_target) = if batch < rows {
            let order = Some(Key::new(seed, Stream::Shuffle));
            (
                program.gather("batch x", x, batch, order)?,
                program.gather("batch target", all, batch, order)?,
            )
        } else {
            (x, all)
        };
        let (y, trace) = self.forward(&mut program, batch_x, Some(seed))?;
        let (loss, gradient) = program.loss(goal.loss, goal.reduction, (y, batch_target), true)?;
        let mut figures = vec![loss];
        if let Some(gradient) = gradient {
            self.backward(&mut program, &trace, gradient, seed)?;
        }
        if program.has_penalty() {
            figures.push(program.penalty(true));
        }
        for metric in &goal.metrics {
            figures.push(program.metric(*metric, y, batch_target)?);
        }
        if let Some(limit) = goal.clip_value {
            program.clip_value(limit)?;
        }
        if let Some(max) = goal.clip_norm {
            program.clip_norm(max)?;
        }
        program.update(optimizer, Some(loss), Key::new(seed, Stream::Optimizer))?;
        program.record(&figures)?;
        Ok(Wiring { program, x, target: Some(all), y, grad: gradient })
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
        let (loss, _) = program.loss(goal.loss, goal.reduction, (y, target), false)?;
        let mut figures = vec![loss];
        if program.has_penalty() {
            figures.push(program.penalty(false));
        }
        for metric in &goal.metrics {
            figures.push(program.metric(*metric, y, target)?);
        }
        program.record(&figures)?;
        Ok(Wiring { program, x, target: Some(target), y, grad: None })
    }

    /// The network's output for `rows` rows.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) for more elements than a tensor can have.
    pub fn inference(&self, rows: usize) -> Result<Wiring> {
        let mut program = Program::new("predict", self.params().to_vec());
        let x = program.input("x", Shape::new(&[rows, self.inputs()])?, DType::F32);
        let (y, _) = self.forward(&mut program, x, None)?;
        Ok(Wiring { program, x, target: None, y, grad: None })
    }
}
