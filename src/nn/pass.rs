//! The forward and the backward pass of a network as ops.

use super::Network;
use super::adaptive::Saved;
use super::build::{Part, Stage};
use crate::error::{Error, Result};
use crate::program::{Form, Program, Slot};
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::{Activation, Arithmetic};

/// What forward leaves for backward, per layer.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub x: Slot,
    y: Slot,
    /// The indices that an embedding took.
    index: Option<Slot>,
    /// The layers of a block.
    inside: Vec<Trace>,
    /// What an adaptive softmax leaves.
    adaptive: Option<Saved>,
    /// The number of the layer's first op.
    first: usize,
}

impl Trace {
    /// The indices that the first layer took.
    pub fn indices(traces: &[Self]) -> Option<Slot> {
        traces.first()?.index
    }
}

impl Network {
    /// Adds the forward pass; with a seed, as in training.
    pub(super) fn forward(
        &self,
        program: &mut Program,
        x: Slot,
        training: Option<u64>,
    ) -> Result<(Slot, Vec<Trace>)> {
        forward(&self.stages, program, x, training)
    }

    /// Adds the backward pass from the gradient by the output of the last layer traced: fills every gradient, and stops where nothing below has parameters, or if it is
    /// to go `through`, gives dL/dx.
    pub(super) fn backward(
        &self,
        program: &mut Program,
        traces: &[Trace],
        grad: Slot,
        seed: u64,
        through: bool,
    ) -> Result<Option<Slot>> {
        if through && self.index_count().is_some() {
            return Err(Error::unsupported("embedding", "indices have no gradient"));
        }
        let below = backward(&self.stages, program, traces, grad, (seed, through))?;
        Ok(below.filter(|_| through))
    }
}

pub(super) fn forward(
    stages: &[Stage],
    program: &mut Program,
    x: Slot,
    training: Option<u64>,
) -> Result<(Slot, Vec<Trace>)> {
    let (mut current, mut traces) = (x, Vec::with_capacity(stages.len()));
    for stage in stages {
        let (name, first) = (format!("{}.y", stage.place), program.ops().len());
        let (mut index, mut inside, mut adaptive) = (None, Vec::new(), None);
        let y = match &stage.part {
            Part::Dense { bias } => {
                let weight = program.param(stage.first_param)?;
                let out = program.matmul(&name, current, weight, Form::NT)?;
                if *bias {
                    let bias = program.param(stage.first_param + 1)?;
                    program.add_row(bias, out)?;
                }
                out
            }
            Part::Activation(f) => stage.activation(program, &name, *f, current, training)?,
            Part::Norm { f, weight, bias, running } => {
                let [weight, bias] = optional(program, [*weight, *bias])?;
                match (*running, training) {
                    (Some(running), None) => {
                        let running = [program.param(running[0])?, program.param(running[1])?];
                        program.normalize_by(&name, *f, current, running, (weight, bias))?
                    }
                    (running, _) => {
                        if let Some([mean, variance]) = running {
                            let running = [program.param(mean)?, program.param(variance)?];
                            program.track_norm(*f, current, running)?;
                        }
                        program.normalize(&name, *f, current, weight, bias)?
                    }
                }
            }
            Part::Embedding { dim, .. } => {
                let table = program.param(stage.first_param)?;
                let indices = program.to_index(&format!("{}.index", stage.place), current)?;
                index = Some(indices);
                let rows = program.gather_rows(&name, table, indices)?;
                let shape = program.shape(current)?;
                program.reshape(&name, rows, Shape::new(&[shape.rows(), shape.cols() * dim])?)?
            }
            Part::Adaptive(layer) => {
                let (y, saved) = layer.forward(program, &name, current)?;
                adaptive = Some(saved);
                y
            }
            Part::Custom(layer) => {
                let params = stage.params(program)?;
                layer.forward(program, current, &params)?
            }
            Part::Residual(stages) => {
                let (y, traces) = forward(stages, program, current, training)?;
                inside = traces;
                program.arithmetic(&name, Arithmetic::Add, current, y)?
            }
        };
        traces.push(Trace { x: current, y, index, inside, adaptive, first });
        current = y;
    }
    Ok((current, traces))
}

/// The gradient by the input, unless nothing below has parameters; `way` is the seed and whether to go on to the input
/// all the same.
pub(super) fn backward(
    stages: &[Stage],
    program: &mut Program,
    traces: &[Trace],
    grad: Slot,
    way: (u64, bool),
) -> Result<Option<Slot>> {
    let mut grad = grad;
    for (stage, trace) in stages.iter().zip(traces).rev() {
        match stage.backward(program, trace, grad, way)? {
            Some(below) => grad = below,
            None => return Ok(None),
        }
    }
    Ok(Some(grad))
}

impl Stage {
    fn activation(
        &self,
        program: &mut Program,
        name: &str,
        f: Activation,
        x: Slot,
        training: Option<u64>,
    ) -> Result<Slot> {
        match training {
            _ if f.is_learned() => {
                let weight = program.param(self.first_param)?;
                program.learned(name, f, x, weight)
            }
            Some(seed) if f.is_random() => {
                program.activation_in_training(name, f, self.key(seed), x)
            }
            _ if f.evaluated() == Activation::identity() => Ok(x),
            _ => program.activation(name, f, x),
        }
    }

    fn backward(
        &self,
        program: &mut Program,
        trace: &Trace,
        grad: Slot,
        (seed, through): (u64, bool),
    ) -> Result<Option<Slot>> {
        let name = format!("{}.dx", self.place);
        let (first, last) = (self.first_param, self.first_param == 0 && !through);
        let below = match &self.part {
            Part::Dense { bias } => {
                let d_weight = program.grad(first)?;
                program.matmul_into(grad, trace.x, Form::TN, d_weight)?;
                if *bias {
                    let d_bias = program.grad(first + 1)?;
                    program.sum_rows_into(grad, d_bias)?;
                }
                if last {
                    return Ok(None);
                }
                let weight = program.param(first)?;
                program.matmul(&name, grad, weight, Form::NN)?
            }
            Part::Activation(f) if f.is_learned() => {
                let (weight, d_weight) = (program.param(first)?, program.grad(first)?);
                program.learned_backward(&name, *f, (trace.x, weight), grad, d_weight)?
            }
            Part::Activation(_) if last => return Ok(None),
            Part::Activation(f) => {
                let (key, saved) = (self.key(seed), (trace.x, trace.y));
                program.activation_in_training_backward(&name, *f, key, saved, grad)?
            }
            Part::Norm { f, weight, bias, .. } => {
                let [weight_slot, _] = optional(program, [*weight, None])?;
                let d_weight = weight.map(|weight| program.grad(weight)).transpose()?;
                if let Some(bias) = *bias {
                    let d_bias = program.grad(bias)?;
                    program.sum_rows_into(grad, d_bias)?;
                }
                let operands = (trace.x, weight_slot);
                program.normalize_backward(&name, *f, operands, grad, d_weight)?
            }
            Part::Embedding { dim, .. } => {
                let missing = || Error::Internal("an embedding without indices".into());
                let index = trace.index.ok_or_else(missing)?;
                let shape = program.shape(index)?;
                let rows = Shape::new(&[shape.rows(), shape.cols(), *dim])?;
                let rows = program.reshape(&name, grad, rows)?;
                let d_table = program.grad(first)?;
                program.fill_into(d_table, 0.0)?;
                program.scatter_add(rows, index, d_table)?;
                return Ok(None);
            }
            Part::Adaptive(layer) => {
                let missing = || Error::Internal("an adaptive softmax without a trace".into());
                let saved = (trace.x, trace.adaptive.as_ref().ok_or_else(missing)?);
                layer.backward(program, &name, saved, grad)?
            }
            Part::Custom(_) => return self.pullback(program, trace, grad, last),
            Part::Residual(stages) => {
                match backward(stages, program, &trace.inside, grad, (seed, through))? {
                    Some(branch) => program.arithmetic(&name, Arithmetic::Add, grad, branch)?,
                    None => return Ok(None),
                }
            }
        };
        Ok((!last).then_some(below))
    }

    /// The backward pass of a layer of the caller's own.
    fn pullback(
        &self,
        program: &mut Program,
        trace: &Trace,
        grad: Slot,
        last: bool,
    ) -> Result<Option<Slot>> {
        let mut wrt = self.params(program)?;
        wrt.extend((!last).then_some(trace.x));
        let before = program.slots().len();
        let mut grads = program.pullback(trace.first, (trace.y, grad), &wrt)?;
        let below = if last { None } else { grads.pop() };
        for (index, grad) in (self.first_param..).zip(grads) {
            // What the rules made is made in place; what was there before, or serves two parameters, is copied.
            if !program.place_grad(grad, index, before) {
                let out = program.grad(index)?;
                program.copy_to(grad, out)?;
            }
        }
        Ok(below)
    }

    /// The layer's own parameters.
    fn params(&self, program: &mut Program) -> Result<Vec<Slot>> {
        let Part::Custom(layer) = &self.part else { return Ok(Vec::new()) };
        let own = self.first_param..self.first_param + layer.count();
        own.map(|index| program.param(index)).collect()
    }

    /// What a layer's random numbers are drawn from.
    fn key(&self, seed: u64) -> Key {
        Key::new(seed, Stream::Dropout(self.number as u32))
    }
}

fn optional(program: &mut Program, params: [Option<usize>; 2]) -> Result<[Option<Slot>; 2]> {
    let [a, b] = params;
    let mut slot = |param: Option<usize>| param.map(|param| program.param(param)).transpose();
    Ok([slot(a)?, slot(b)?])
}
