//! The ops that move, combine and reduce tensors.

use super::rows::ROW;
use super::{Lowering, groups};
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
                self.walk(kernels::copy(), walk, *scale, &[*x, *out])
            }
            TensorOp::Fill { out, value } => {
                let len = self.shape(*out)?.len();
                let fields = [len as u32, (*value as f32).to_bits()];
                self.elementwise(kernels::fill(), &fields, len, &[*out])
            }
            TensorOp::Arithmetic { f, alpha, a, b, out, walk } => {
                self.walk(kernels::arithmetic(*f), walk, *alpha, &[*a, *b, *out])
            }
            TensorOp::Reduce { f, x, out, split, scale } => {
                self.reduce(*f, *split, *scale, self.region(*x)?, self.region(*out)?)
            }
            TensorOp::ReduceBackward { f, x, y, grad_out, grad_in, walk } => {
                let slots = [*x, *y, *grad_out, *grad_in];
                self.walk(kernels::reduce_backward(*f), walk, 1.0, &slots)
            }
            TensorOp::GatherRows { table, index, out, cols } => {
                let (len, rows) = (self.shape(*out)?.len(), self.shape(*table)?.len());
                let fields = [len, *cols, rows / (*cols).max(1)].map(|word| word as u32);
                self.elementwise(kernels::gather_rows(), &fields, len, &[*table, *index, *out])
            }
            TensorOp::ScatterAdd { x, index, out, cols } => {
                self.scatter_add([*x, *index, *out], *cols)
            }
            TensorOp::ToIndex { x, out } => {
                let len = self.shape(*out)?.len();
                self.elementwise(kernels::to_index(), &[len as u32], len, &[*x, *out])
            }
        }
    }

    /// Writes zeros.
    pub(super) fn clear(&mut self, out: Region, len: usize) -> Result<()> {
        self.push(kernels::fill(), &[len as u32, 0], &[], vec![out], groups(len, 64), 0)
    }

    fn elementwise(
        &mut self,
        kernel: Kernel,
        fields: &[u32],
        len: usize,
        slots: &[Slot],
    ) -> Result<()> {
        let bindings = slots.iter().map(|slot| self.region(*slot)).collect::<Result<_>>()?;
        self.push(kernel, fields, &[], bindings, groups(len, 64), len as u64)
    }

    fn walk<const N: usize>(
        &mut self,
        kernel: Kernel,
        walk: &Walk<N>,
        alpha: f64,
        slots: &[Slot],
    ) -> Result<()> {
        let len = walk.len();
        let vector = |steps: [usize; N], last: usize| {
            let mut words = [0; 4];
            words.iter_mut().zip(steps).for_each(|(word, step)| *word = step as u32);
            let [x, y, z, _] = words;
            [x, y, z, last as u32]
        };
        let mut fields = vec![len as u32, walk.axes().len() as u32, (alpha as f32).to_bits(), 0];
        fields.extend(vector(walk.starts(), 0));
        for (extent, steps) in walk.axes() {
            fields.extend(vector(*steps, *extent));
        }
        fields.resize(8 + 4 * MAX_AXES, 0);
        self.elementwise(kernel, &fields, len, slots)
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
            let mut fields = [items, cols, inner, lanes, blocks, size].map(|n| n as u32).to_vec();
            fields.push((scale as f32).to_bits());
            let (count, flops) = (groups(items, ROW / lanes), (outer * cols * inner) as u64);
            let kernel = kernels::reduce(f, self.meeting(lanes));
            self.push(kernel, &fields, &[], vec![x, y.clone()], count, flops)?;
            if blocks == 1 {
                return Ok(());
            }
            (x, cols, f) = (y, blocks, f.over_parts().unwrap_or(f));
        }
    }

    fn scatter_add(&mut self, slots: [Slot; 3], cols: usize) -> Result<()> {
        let [_, index, out] = slots;
        let (count, rows) = (self.shape(index)?.len(), self.shape(out)?.len() / cols.max(1));
        for begin in (0..count).step_by(CHUNK) {
            let end = (begin + CHUNK).min(count);
            let fields = [begin, end, cols, rows].map(|word| word as u32);
            let bindings =
                slots.iter().map(|slot| self.region(*slot)).collect::<Result<Vec<_>>>()?;
            let (tiles, flops) = (groups(cols, 64), ((end - begin) * cols) as u64);
            let workgroups = (end - begin) as u64 * tiles;
            self.push(kernels::scatter_add(), &fields, &[], bindings, workgroups, flops)?;
        }
        Ok(())
    }
}
