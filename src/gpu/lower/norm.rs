//! Normalizations.

use super::rows::ROW;
use super::{Lowering, groups};
use crate::error::Result;
use crate::gpu::kernel::{Kernel, Lanes, norm as kernels};
use crate::gpu::memory::Region;
use crate::program::{NormOp, Slot};
use crate::shape::Shape;
use crate::spec::Normalization;
use crate::spec::norm::NormalizationKind;

impl Lowering<'_> {
    pub(super) fn norm(&mut self, op: &NormOp) -> Result<()> {
        match op {
            NormOp::Forward { f, x, weight, bias, out } => {
                let (affine, settings) = self.affine(*x, *weight, *bias)?;
                let [weight, bias] = affine;
                let bindings = vec![self.region(*x)?, weight, bias, self.region(*out)?];
                self.normalize_lines(kernels::forward, f, *x, settings, bindings)
            }
            NormOp::Track { f, x, running: [mean, variance] } => {
                let bindings = vec![self.region(*x)?, self.region(*mean)?, self.region(*variance)?];
                self.normalize_lines(kernels::track, f, *x, [0.0; 2], bindings)
            }
            NormOp::Evaluate { f, x, running: [mean, variance], weight, bias, out } => {
                let (affine, [weights, biases]) = self.affine(*x, *weight, *bias)?;
                let shape = self.shape(*x)?;
                let mut bindings =
                    vec![self.region(*x)?, self.region(*mean)?, self.region(*variance)?];
                bindings.extend(affine);
                bindings.push(self.region(*out)?);
                let (fields, len) = ([shape.len() as u32, shape.cols() as u32], shape.len());
                let hyper = [f.epsilon(), weights, biases];
                self.push(
                    kernels::evaluate(),
                    &fields,
                    &hyper,
                    bindings,
                    groups(len, 64),
                    len as u64,
                )
            }
            NormOp::Backward { f, x, weight, grad_out, grad_in, grad_weight } => {
                let ([weight, _], settings) = self.affine(*x, *weight, None)?;
                let shape = self.shape(*x)?;
                let shares = self.scratch(shape.len())?;
                let operands = [*x, *grad_out, *grad_in].map(|slot| self.region(slot));
                let [x_region, grad_out, grad_in] = operands;
                let bindings = vec![x_region?, weight, grad_out?, grad_in?, shares.clone()];
                self.normalize_lines(kernels::backward, f, *x, settings, bindings)?;
                let Some(grad_weight) = grad_weight else { return Ok(()) };
                let out = self.region(*grad_weight)?;
                self.sum_blocks(shares, shape.rows(), shape.cols(), out)
            }
        }
    }

    /// Weight and bias, and which of them there are; in the place of one that is missing lies x, unread.
    fn affine(
        &self,
        x: Slot,
        weight: Option<Slot>,
        bias: Option<Slot>,
    ) -> Result<([Region; 2], [f64; 2])> {
        let flag = |slot: Option<Slot>| f64::from(u8::from(slot.is_some()));
        let regions = [self.region(weight.unwrap_or(x))?, self.region(bias.unwrap_or(x))?];
        Ok((regions, [flag(weight), flag(bias)]))
    }

    fn normalize_lines(
        &mut self,
        kernel: fn(NormalizationKind, Lanes) -> Kernel,
        f: &Normalization,
        x: Slot,
        [weights, biases]: [f64; 2],
        mut bindings: Vec<Region>,
    ) -> Result<()> {
        let shape: Shape = self.shape(x)?;
        let (rows, cols) = (shape.rows(), shape.cols());
        let [lines, length, inner] =
            if f.is_across_rows() { [cols, rows, cols] } else { [rows, cols, 1] };
        // One loop writes number by number.
        let lanes = self.row_lanes(f.name(), lines, length, 2)?;
        let fields = [lines, length, inner, lanes, 0, 0].map(|word| word as u32);
        let per_sample = rows / shape.axis(0).unwrap_or(1).max(1);
        let hyper = [f.epsilon(), weights, biases, per_sample as f64, f.step()];
        bindings.insert(0, self.memory.steps.clone());
        let (count, flops) = (groups(lines, ROW / lanes), 8 * shape.len() as u64);
        // Without rows there is nothing to normalize.
        let count = if rows == 0 { 0 } else { count };
        let kernel = kernel(f.kind(), self.meeting(lanes));
        self.push(kernel, &fields, &hyper, bindings, count, flops)
    }
}
