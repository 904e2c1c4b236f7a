//! The ops that move, combine and reduce tensors.

use super::rows::ROW;
use super::{Call, Lowering, groups};
use crate::error::Result;
use crate::gpu::kernel::{Kernel, tensor as kernels};
use crate::gpu::memory::Region;
use crate::program::{Slot, TensorOp};
use crate::shape::MAX_AXES;
use crate::spec::Reduce;
use crate::walk::Walk;

/// The longest block of a row that is reduced at once: by a workgroup, and by one invocation where neighbouring rows lie
/// side by side.
const BLOCK: usize = 16_384;
const SHORT_BLOCK: usize = 1024;
/// Rows that are added to a table at once: llvmpipe ends an invocation's loops after 65 535 turns.
const CHUNK: usize = 16_384;

impl Lowering<'_> {
    pub(super) fn tensor(&mut self, op: &TensorOp) -> Result<()> {
        match op {
            TensorOp::Copy { x, out, walk, scale } => {
                self.walk(kernels::copy(), walk, *scale, [("x", *x), ("y", *out)])
            }
            TensorOp::Fill { out, value } => {
                let len = self.shape(*out)?.len();
                let call = self.elementwise(kernels::fill(), len, [("y", *out)])?;
                self.push(call.field("value", *value as f32))
            }
            TensorOp::Arithmetic { f, alpha, a, b, out, walk } => {
                let slots = [("a", *a), ("b", *b), ("y", *out)];
                self.walk(kernels::arithmetic(*f), walk, *alpha, slots)
            }
            TensorOp::Reduce { f, x, out, split, scale } => {
                self.reduce(*f, *split, *scale, self.region(*x)?, self.region(*out)?)
            }
            TensorOp::ReduceBackward { f, x, y, grad_out, grad_in, walk } => {
                let slots = [("x", *x), ("y", *y), ("grad_out", *grad_out), ("grad_in", *grad_in)];
                self.walk(kernels::reduce_backward(*f), walk, 1.0, slots)
            }
            TensorOp::GatherRows { table, index, out, cols } => {
                let (len, rows) = (self.shape(*out)?.len(), self.shape(*table)?.len());
                let slots = [("table", *table), ("indices", *index), ("y", *out)];
                let call = self.elementwise(kernels::gather_rows(), len, slots)?;
                self.push(call.fields([("cols", *cols), ("rows", rows / (*cols).max(1))]))
            }
            TensorOp::ScatterAdd { x, index, out, cols } => {
                self.scatter_add([*x, *index, *out], *cols)
            }
            TensorOp::ToIndex { x, out } => {
                let len = self.shape(*out)?.len();
                let call = self.elementwise(kernels::to_index(), len, [("x", *x), ("y", *out)])?;
                self.push(call)
            }
        }
    }

    /// Writes zeros.
    pub(super) fn clear(&mut self, out: Region, len: usize) -> Result<()> {
        let fill = self.call(kernels::fill()).bind("y", &out).field("len", len);
        self.push(fill.field("value", 0.0).groups(groups(len, 64)))
    }

    /// A kernel with one invocation per element, which knows how many there are.
    fn elementwise<const N: usize>(
        &self,
        kernel: Kernel,
        len: usize,
        slots: [(&'static str, Slot); N],
    ) -> Result<Call> {
        let bound = |call: Call, (name, slot)| Ok(call.bind(name, &self.region(slot)?));
        let call = slots.into_iter().try_fold(self.call(kernel), bound)?;
        Ok(call.field("len", len).groups(groups(len, 64)).flops(len as u64))
    }

    fn walk<const N: usize, const SLOTS: usize>(
        &mut self,
        kernel: Kernel,
        walk: &Walk<N>,
        alpha: f64,
        slots: [(&'static str, Slot); SLOTS],
    ) -> Result<()> {
        let four = |steps: [usize; N], last: usize| {
            let mut words = [0, 0, 0, last];
            words.iter_mut().take(3).zip(steps).for_each(|(word, step)| *word = step);
            words
        };
        let mut axes = [[0; 4]; MAX_AXES];
        for (axis, (extent, steps)) in axes.iter_mut().zip(walk.axes()) {
            *axis = four(*steps, *extent);
        }
        let call = self.elementwise(kernel, walk.len(), slots)?;
        let call = call.field("rank", walk.axes().len()).field("alpha", alpha as f32);
        self.push(call.field("starts", four(walk.starts(), 0)).field("axes", axes))
    }

    /// Reduces along the middle one of three axes, in as many rounds as it takes.
    fn reduce(
        &mut self,
        mut f: Reduce,
        [outer, mut cols, inner]: [usize; 3],
        scale: f64,
        mut x: Region,
        out: Region,
    ) -> Result<()> {
        // Neighbouring invocations read neighbouring numbers.
        let is_side_by_side = inner >= 32 && (f.over_parts().is_some() || cols <= BLOCK);
        let longest = if is_side_by_side { SHORT_BLOCK } else { BLOCK };
        loop {
            let blocks = match f.over_parts() {
                Some(_) => cols.div_ceil(longest).max(1),
                None => 1,
            };
            let size = if blocks == 1 { cols } else { longest };
            let items = outer * blocks * inner;
            let lanes = match is_side_by_side {
                true => 1,
                false => self.row_lanes(f.name(), items, size, 1)?,
            };
            let y = if blocks > 1 { self.scratch(items)? } else { out.clone() };
            let scale = if blocks > 1 { 1.0 } else { scale };
            let call = self
                .call(kernels::reduce(f, self.meeting(lanes)))
                .bind("x", &x)
                .bind("y", &y)
                .fields([("items", items), ("cols", cols), ("inner", inner), ("lanes", lanes)])
                .fields([("blocks", blocks), ("size", size)])
                .field("scale", scale as f32)
                .groups(groups(items, ROW / lanes))
                .flops((outer * cols * inner) as u64);
            self.push(call)?;
            if blocks == 1 {
                return Ok(());
            }
            (x, cols, f) = (y, blocks, f.over_parts().unwrap_or(f));
        }
    }

    fn scatter_add(&mut self, [x, index, out]: [Slot; 3], cols: usize) -> Result<()> {
        let (count, rows) = (self.shape(index)?.len(), self.shape(out)?.len() / cols.max(1));
        for begin in (0..count).step_by(CHUNK) {
            let end = (begin + CHUNK).min(count);
            let call = self
                .call(kernels::scatter_add())
                .bind("x", &self.region(x)?)
                .bind("indices", &self.region(index)?)
                .bind("y", &self.region(out)?)
                .fields([("begin", begin), ("end", end), ("cols", cols), ("rows", rows)])
                .groups((end - begin) as u64 * groups(cols, 64))
                .flops(((end - begin) * cols) as u64);
            self.push(call)?;
        }
        Ok(())
    }
}
