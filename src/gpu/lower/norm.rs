//! Normalizations.

use super::rows::ROW;
use super::{Call, Lowering, groups};
use crate::error::Result;
use crate::gpu::kernel::norm::{self as kernels, Affine};
use crate::gpu::kernel::{Kernel, Lanes};
use crate::program::{NormOp, Slot};
use crate::spec::Normalization;

impl Lowering<'_> {
    pub(super) fn norm(&mut self, op: &NormOp) -> Result<()> {
        match op {
            NormOp::Forward { f, x, weight, bias, out } => {
                let affine = Affine { weight: weight.is_some(), bias: bias.is_some() };
                let kernel = |lanes| kernels::forward(f.kind(), lanes, affine);
                let call = self.normalize_lines(kernel, f, *x)?.bind("y", &self.region(*out)?);
                self.push(self.affine(call, *weight, *bias)?)
            }
            NormOp::Track { f, x, running: [mean, variance] } => {
                let call = self
                    .normalize_lines(|lanes| kernels::track(f.kind(), lanes), f, *x)?
                    .bind("mean", &self.region(*mean)?)
                    .bind("variance", &self.region(*variance)?);
                self.push(call)
            }
            NormOp::Evaluate { f, x, running: [mean, variance], weight, bias, out } => {
                let affine = Affine { weight: weight.is_some(), bias: bias.is_some() };
                let shape = self.shape(*x)?;
                let call = self
                    .call(kernels::evaluate(affine))
                    .bind("x", &self.region(*x)?)
                    .bind("mean", &self.region(*mean)?)
                    .bind("variance", &self.region(*variance)?)
                    .bind("y", &self.region(*out)?)
                    .fields([("len", shape.len()), ("cols", shape.cols())])
                    .hyper([("eps", f.epsilon())])
                    .groups(groups(shape.len(), 64))
                    .flops(shape.len() as u64);
                self.push(self.affine(call, *weight, *bias)?)
            }
            NormOp::Backward { f, x, weight, grad_out, grad_in, grad_weight } => {
                let shape = self.shape(*x)?;
                let shares = self.scratch(shape.len())?;
                let kernel = |lanes| kernels::backward(f.kind(), lanes, weight.is_some());
                let call = self
                    .normalize_lines(kernel, f, *x)?
                    .bind("grad_out", &self.region(*grad_out)?)
                    .bind("grad_in", &self.region(*grad_in)?)
                    .bind("shares", &shares);
                self.push(self.affine(call, *weight, None)?)?;
                let Some(grad_weight) = grad_weight else { return Ok(()) };
                let out = self.region(*grad_weight)?;
                self.sum_blocks(shares, shape.rows(), shape.cols(), out)
            }
        }
    }

    /// Binds the weight and the bias that there are.
    fn affine(&self, call: Call, weight: Option<Slot>, bias: Option<Slot>) -> Result<Call> {
        let region = |slot: Option<Slot>| slot.map(|slot| self.region(slot)).transpose();
        let (weight, bias) = (region(weight)?, region(bias)?);
        Ok(call.bind_some("weight", weight.as_ref()).bind_some("bias", bias.as_ref()))
    }

    /// A kernel over the lines of x, which it binds.
    fn normalize_lines(
        &self,
        kernel: impl Fn(Lanes) -> Kernel,
        f: &Normalization,
        x: Slot,
    ) -> Result<Call> {
        let shape = self.shape(x)?;
        let (rows, cols) = (shape.rows(), shape.cols());
        let [lines, length, inner] =
            if f.is_across_rows() { [cols, rows, cols] } else { [rows, cols, 1] };
        // One loop writes number by number.
        let lanes = self.row_lanes(f.name(), lines, length, 2)?;
        let per_sample = rows / shape.axis(0).unwrap_or(1).max(1);
        // Without rows there is nothing to normalize.
        let count = if rows == 0 { 0 } else { groups(lines, ROW / lanes) };
        Ok(self
            .call(kernel(self.meeting(lanes)))
            .bind("x", &self.region(x)?)
            .fields([("rows", lines), ("cols", length), ("inner", inner), ("lanes", lanes)])
            .fields([("key0", 0u32), ("key1", 0)])
            .hyper([
                ("eps", f.epsilon()),
                ("per_sample", per_sample as f64),
                ("momentum", f.step()),
            ])
            .groups(count)
            .flops(8 * shape.len() as u64))
    }
}
