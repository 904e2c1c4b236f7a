//! The GPU dispatches.

use super::{StepOp, kernels};
use crate::engine::gpu::lower::{Lowering, RING, groups};
use crate::error::Result;
use crate::ir::{Op, Slot};
use crate::random::Key;

impl StepOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            Self::Gather { data, out, shuffle } => lowering.gather(*data, *out, *shuffle),
            Self::Record { values } => lowering.record(values),
        }
    }
}

impl Lowering<'_> {
    fn gather(&mut self, data: Slot, out: Slot, shuffle: Option<Key>) -> Result<()> {
        let shape = self.shape(out)?;
        let cols = if self.shape(data)?.rank() == 1 { 1 } else { shape.cols() };
        let [key0, key1] = shuffle.map_or([0, 0], |key| key.0);
        let len = shape.len();
        let call = self
            .call(kernels::gather())
            .bind("data", &self.region(data)?)
            .bind("y", &self.region(out)?)
            .fields([("rows", len / cols.max(1)), ("cols", cols)])
            .fields([("key0", key0), ("key1", key1)])
            .field("shuffle", shuffle.is_some())
            .groups(groups(len, 64));
        self.push(call)
    }

    fn record(&mut self, values: &[Slot]) -> Result<()> {
        let mut places = [0; Op::MAX_RECORDED];
        for (place, slot) in places.iter_mut().zip(values) {
            *place = (self.region(*slot)?.offset / 4) as usize;
        }
        let call = self
            .call(kernels::record())
            .bind("scalars", &self.memory.scalars)
            .bind("ring", &self.memory.ring)
            .fields([("count", values.len()), ("capacity", RING as usize)])
            .field("places", places);
        self.push(call)
    }
}
