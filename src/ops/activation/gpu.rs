//! The GPU dispatches.

use super::{ActivationOp, kernels};
use crate::engine::gpu::kernel::{Kernel, Rows};
use crate::engine::gpu::lower::{Call, Lowering, ROW, groups};
use crate::error::{Error, Result};
use crate::ir::Slot;
use crate::random::Key;
use crate::shape::Shape;
use crate::spec::Activation;
use crate::spec::activation::{ActivationKind, Order};

/// Elements per workgroup of the elementwise kernels: 64 invocations of 16 elements each.
const MAP: usize = 1024;
/// Elements per workgroup of the kernels with one element per invocation.
const EACH: usize = 64;

impl ActivationOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            Self::Forward { f, key, x, out } => lowering.activation(f, *key, *x, *out),
            Self::Backward { f, order, key, saved, grad_out, grad_in } => {
                lowering.activation_backward(f, *order, *key, [*saved, *grad_out, *grad_in])
            }
            Self::Parametric { f, x, weight, out } => lowering.parametric(f, [*x, *weight, *out]),
            Self::ParametricBackward { f, x, weight, grad_out, grad_in, grad_weight } => {
                lowering.parametric_backward(f, [*x, *weight, *grad_out, *grad_in], *grad_weight)
            }
        }
    }
}

impl Lowering<'_> {
    fn activation(&mut self, f: &Activation, key: Option<Key>, x: Slot, out: Slot) -> Result<()> {
        let rows = self.activation_rows(f, self.shape(x)?)?;
        let kernel = if x == out {
            kernels::in_place(f, rows)
                .ok_or_else(|| Error::Internal(format!("{f} does not work in place")))?
        } else {
            kernels::forward(f, rows)
        };
        let x_region = if x == out { None } else { Some(self.region(x)?) };
        let call = self.call(kernel).bind_some("x", x_region.as_ref());
        let call = call.bind("y", &self.region(out)?);
        self.push_activation(call, f, key, self.shape(x)?, self.shape(out)?.len())
    }

    fn activation_backward(
        &mut self,
        f: &Activation,
        order: Order,
        key: Option<Key>,
        [saved, grad_out, grad_in]: [Slot; 3],
    ) -> Result<()> {
        let shape = self.shape(grad_in)?;
        let kernel = match order {
            Order::First => kernels::backward(f, self.activation_rows(f, shape)?),
            Order::Second => kernels::second(f)
                .ok_or_else(|| Error::Internal(format!("{f} has no second derivative")))?,
        };
        let [input, output] = kernels::backward_names(f);
        let call = self
            .call(kernel)
            .bind(input, &self.region(saved)?)
            .bind("grad_out", &self.region(grad_out)?)
            .bind(output, &self.region(grad_in)?);
        self.push_activation(call, f, key, shape, shape.len())
    }

    /// Completes a call of f and pushes it; `shape` is that of f's input, `len` the number of results.
    fn push_activation(
        &mut self,
        call: Call,
        f: &Activation,
        key: Option<Key>,
        shape: Shape,
        len: usize,
    ) -> Result<()> {
        let [key0, key1] = key.map_or([0, 0], |key| key.0);
        let keys = [("key0", key0), ("key1", key1)];
        let [outer, cols, inner] = shape.split(f.dim().unwrap_or(-1)).unwrap_or_default();
        let call = match &f.entry().kind {
            ActivationKind::Elementwise(_) => call.field("len", len).groups(groups(len, MAP)),
            ActivationKind::Row(_) => {
                let rows = if cols == 0 { 0 } else { outer * inner };
                let lanes = self.activation_lanes(f, outer * inner, cols)?;
                call.fields([("rows", rows), ("cols", cols), ("inner", inner), ("lanes", lanes)])
                    .fields(keys)
                    .groups(groups(rows, ROW / lanes))
            }
            ActivationKind::Stochastic(noise) => {
                let prepared = (noise.prepare)(f.values());
                let hyper = noise.fields.iter().copied().zip(prepared);
                let call = call.field("len", len).fields(keys).hyper(hyper);
                return self.push(call.groups(groups(len, EACH)));
            }
            ActivationKind::AxisResize(_) => {
                let out_cols = f.output_len(cols)?;
                // One lane reads all inputs of a result, four per loop iteration.
                self.check_turns(f.name(), cols.checked_div(out_cols).unwrap_or(0).div_ceil(4))?;
                call.fields([("len", len), ("cols", cols), ("out_cols", out_cols)])
                    .field("inner", inner)
                    .groups(groups(len, EACH))
            }
            ActivationKind::Parametric(_) => {
                return Err(Error::Internal(format!("{f} without its learned parameters")));
            }
        };
        self.push(call.hyper(f.pairs()))
    }

    fn parametric(&mut self, f: &Activation, [x, weight, out]: [Slot; 3]) -> Result<()> {
        let (call, ..) = self.parametric_call(kernels::forward(f, Rows::PLAIN), f, [x, weight])?;
        self.push(call.bind("y", &self.region(out)?))
    }

    /// The gradients of the learned parameters are sums of one term per element.
    fn parametric_backward(
        &mut self,
        f: &Activation,
        [x, weight, grad_out, grad_in]: [Slot; 4],
        grad_weight: Slot,
    ) -> Result<()> {
        let kernel = kernels::backward(f, Rows::PLAIN);
        let (call, channels, count) = self.parametric_call(kernel, f, [x, weight])?;
        let numbers = channels * count;
        let rows = self.shape(x)?.len().checked_div(channels).unwrap_or(0);
        let terms = self.scratch(rows * numbers)?;
        let call = call
            .bind("grad_out", &self.region(grad_out)?)
            .bind("grad_in", &self.region(grad_in)?)
            .bind("terms", &terms);
        self.push(call)?;
        self.sum_blocks(terms, rows, numbers, self.region(grad_weight)?)
    }

    /// A call of a parametric kernel, the number of channels, and the number of parameters per channel.
    fn parametric_call(
        &self,
        kernel: Kernel,
        f: &Activation,
        [x, weight]: [Slot; 2],
    ) -> Result<(Call, usize, usize)> {
        let ActivationKind::Parametric(parametric) = &f.entry().kind else {
            return Err(Error::Internal(format!("{f} has no learned parameters")));
        };
        let shape = self.shape(x)?;
        let (channels, count) =
            (parametric.channels(f.values(), shape.cols()), parametric.names.len());
        let call = self
            .call(kernel)
            .bind("x", &self.region(x)?)
            .bind("weight", &self.region(weight)?)
            .fields([("len", shape.len()), ("cols", shape.cols())])
            .fields([("channels", channels), ("count", count)])
            .hyper(f.pairs())
            .groups(groups(shape.len(), EACH));
        Ok((call, channels, count))
    }
}
