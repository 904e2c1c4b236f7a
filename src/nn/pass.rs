//! The forward and backward passes of a network as ops.

use std::ops::Range;

use super::Network;
use super::build::{Stage, StageKind};
use crate::error::{Error, Result};
use crate::ir::{Form, Program, Slot};
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::{Activation, Arithmetic};

impl Network {
    /// Adds the forward pass, in training mode if given a seed. Returns the output.
    pub(super) fn forward(
        &self,
        program: &mut Program,
        x: Slot,
        training: Option<u64>,
    ) -> Result<Slot> {
        forward(&self.stages, program, x, training)
    }

    /// Adds the backward pass: from the gradient with respect to `y`, computes those of the parameters; returns the
    /// gradient with respect to `x` if requested.
    pub(super) fn backward(
        &self,
        program: &mut Program,
        (y, grad): (Slot, Slot),
        params: Range<usize>,
        x: Option<Slot>,
    ) -> Result<Option<Slot>> {
        if x.is_some() && self.index_count().is_some() {
            return Err(Error::unsupported("embedding", "indices have no gradient"));
        }
        let has_gradient =
            |index: &usize| self.params().get(*index).is_some_and(|param| param.has_gradient);
        let params: Vec<usize> = params.filter(has_gradient).collect();
        let slots = params.iter().map(|index| program.param(*index));
        let mut wrt = slots.collect::<Result<Vec<_>>>()?;
        wrt.extend(x);
        let before = program.slots().len();
        let mut grads = program.pullback((y, grad), &wrt)?;
        let grad_x = if x.is_some() { grads.pop() } else { None };
        for (index, grad) in params.into_iter().zip(grads) {
            // A gradient that the rules produced is written in place; a slot that existed before, or that is the
            // gradient of two parameters, is copied.
            if !program.place_grad(grad, index, before) {
                let out = program.grad(index)?;
                program.copy_to(grad, out)?;
            }
        }
        Ok(grad_x)
    }
}

pub(super) fn forward(
    stages: &[Stage],
    program: &mut Program,
    x: Slot,
    training: Option<u64>,
) -> Result<Slot> {
    stages.iter().try_fold(x, |x, stage| stage.forward(program, x, training))
}

impl Stage {
    fn forward(&self, program: &mut Program, x: Slot, training: Option<u64>) -> Result<Slot> {
        let name = format!("{}.y", self.place);
        match &self.kind {
            StageKind::Dense { bias } => {
                let weight = program.param(self.first_param)?;
                let out = program.matmul(&name, x, weight, Form::NT)?;
                if *bias {
                    let bias = program.param(self.first_param + 1)?;
                    program.add_row(bias, out)?;
                }
                Ok(out)
            }
            StageKind::Activation(f) => self.activation(program, &name, *f, x, training),
            StageKind::Norm { f, weight, bias, running } => {
                let [weight, bias] = optional(program, [*weight, *bias])?;
                let Some(running) = *running else {
                    return program.normalize(&name, *f, x, weight, bias);
                };
                let running = [program.param(running[0])?, program.param(running[1])?];
                if training.is_none() {
                    return program.normalize_by(&name, *f, x, running, (weight, bias));
                }
                program.track_norm(*f, x, running)?;
                program.normalize(&name, *f, x, weight, bias)
            }
            StageKind::Embedding { dim, .. } => {
                let table = program.param(self.first_param)?;
                let index = program.to_index(&format!("{}.index", self.place), x)?;
                let rows = program.gather_rows(&name, table, index)?;
                let shape = program.shape(x)?;
                program.reshape(&name, rows, Shape::new(&[shape.rows(), shape.cols() * dim])?)
            }
            StageKind::Custom(layer) => {
                let own = self.first_param..self.first_param + layer.count();
                let params = own.map(|index| program.param(index)).collect::<Result<Vec<_>>>()?;
                layer.forward(program, x, &params)
            }
            StageKind::Residual(stages) => {
                let y = forward(stages, program, x, training)?;
                program.arithmetic(&name, Arithmetic::Add, x, y)
            }
        }
    }

    fn activation(
        &self,
        program: &mut Program,
        name: &str,
        f: Activation,
        x: Slot,
        training: Option<u64>,
    ) -> Result<Slot> {
        match training {
            _ if f.is_parametric() => {
                let weight = program.param(self.first_param)?;
                program.parametric(name, f, x, weight)
            }
            Some(seed) if f.is_random() => {
                program.activation_in_training(name, f, self.key(seed), x)
            }
            _ if f.eval_mode() == Activation::identity() => Ok(x),
            _ => program.activation(name, f, x),
        }
    }

    /// The key of the layer's random numbers.
    fn key(&self, seed: u64) -> Key {
        Key::new(seed, Stream::Dropout(self.number as u32))
    }
}

fn optional(program: &mut Program, params: [Option<usize>; 2]) -> Result<[Option<Slot>; 2]> {
    let [a, b] = params;
    let mut slot = |param: Option<usize>| param.map(|param| program.param(param)).transpose();
    Ok([slot(a)?, slot(b)?])
}
