//! Kernels with one invocation per element.

use super::{Call, Lowering, groups};
use crate::engine::gpu::kernel::Kernel;
use crate::error::Result;
use crate::ir::Slot;
use crate::shape::MAX_AXES;
use crate::walk::Walk;

impl Lowering<'_> {
    /// A call of a kernel with one invocation per element and a field `len` for their number.
    pub(crate) fn elementwise<const N: usize>(
        &self,
        kernel: Kernel,
        len: usize,
        slots: [(&'static str, Slot); N],
    ) -> Result<Call> {
        let bound = |call: Call, (name, slot)| Ok(call.bind(name, &self.region(slot)?));
        let call = slots.into_iter().try_fold(self.call(kernel), bound)?;
        Ok(call.field("len", len).groups(groups(len, 64)).flops(len as u64))
    }

    pub(crate) fn walk<const N: usize, const SLOTS: usize>(
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
}
