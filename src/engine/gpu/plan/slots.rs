//! Writing to a plan's slots and reading from them.

use super::Plan;
use crate::engine::gpu::lower::no_memory;
use crate::engine::gpu::memory::Region;
use crate::error::{Error, Result};
use crate::ir::{DType, Slot};

impl Plan {
    /// Records the copy of values to the start of a slot, through a staging buffer that is reused once the host has
    /// submitted and polled.
    ///
    /// # Errors
    /// [`Error::Shape`] for more values than the slot holds; [`Error::Limit`] if too many recordings wait to be
    /// submitted.
    #[doc(hidden)]
    pub fn upload(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        slot: Slot,
        data: &[f32],
    ) -> Result<()> {
        self.upload_words(encoder, slot, DType::F32, bytemuck::cast_slice(data))
    }

    /// Records the copy of indices to the start of a slot; otherwise as [`Plan::upload`].
    ///
    /// # Errors
    /// As [`Plan::upload`].
    #[doc(hidden)]
    pub fn upload_indices(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        slot: Slot,
        data: &[u32],
    ) -> Result<()> {
        self.upload_words(encoder, slot, DType::U32, data)
    }

    fn upload_words(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        slot: Slot,
        dtype: DType,
        words: &[u32],
    ) -> Result<()> {
        self.gpu.check_alive()?;
        let region = self.writable(slot, dtype, words.len())?.clone();
        let run = [0, region.offset, words.len() as u64];
        self.uploads.upload(encoder, words, &region.buffer, &[run]).map(drop)
    }

    /// The memory of a slot, if it has its own: parameters share an arena, and intermediates within a fused dispatch
    /// are never stored.
    pub fn region(&self, slot: Slot) -> Option<&Region> {
        let base = self.program.slot(slot).ok()?.base(slot);
        self.stored(slot).filter(|_| !self.memory.is_shared(base))
    }

    /// The memory of a slot right after the op that produces it; other values may overwrite it later in the step.
    pub(crate) fn stored(&self, slot: Slot) -> Option<&Region> {
        let base = self.program.slot(slot).ok()?.base(slot);
        self.memory.slots.get(base.0)?.as_ref()
    }

    fn own(&self, slot: Slot) -> Result<(&Region, usize)> {
        let info = self.program.slot(slot)?;
        if self.memory.is_shared(info.base(slot)) {
            let message = "its memory is reused later in the step; Fusion::Never keeps all values";
            return Err(Error::unsupported(format!("'{}'", info.name), message));
        }
        let region = self.region(slot).ok_or_else(|| no_memory(&self.program, info))?;
        Ok((region, info.shape.len()))
    }

    /// Writes values to the start of a slot and submits the copy.
    ///
    /// # Errors
    /// [`Error::Shape`] for more values than the slot holds, and any error that the device raises.
    pub fn write(&self, slot: Slot, data: &[f32]) -> Result<()> {
        self.write_words(slot, DType::F32, bytemuck::cast_slice(data))
    }

    /// Writes indices to the start of a slot and submits the copy.
    ///
    /// # Errors
    /// As [`Plan::write`].
    pub fn write_indices(&self, slot: Slot, data: &[u32]) -> Result<()> {
        self.write_words(slot, DType::U32, data)
    }

    fn write_words(&self, slot: Slot, dtype: DType, words: &[u32]) -> Result<()> {
        let region = self.writable(slot, dtype, words.len())?;
        self.gpu.upload(&self.program.slot(slot)?.name, region, words)
    }

    /// The region for writing `count` values of a type to a slot.
    fn writable(&self, slot: Slot, dtype: DType, count: usize) -> Result<&Region> {
        let info = self.program.slot(slot)?;
        let (region, len) = self.own(slot)?;
        if count > len || info.dtype != dtype {
            let message =
                format!("{count} {dtype:?} for '{}', {:?} {}", info.name, info.dtype, info.shape);
            return Err(Error::shape("write", message));
        }
        Ok(region)
    }

    /// Reads a slot after everything submitted so far.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::Timeout`].
    pub async fn read(&self, slot: Slot) -> Result<Vec<f32>> {
        let (region, len) = self.own(slot)?;
        let name = &self.program.slot(slot)?.name;
        self.gpu.read_numbers(name, region, len).await
    }

    /// Reads a slot right after the op that produces it.
    pub(crate) async fn read_now(&self, slot: Slot) -> Result<Vec<f32>> {
        let info = self.program.slot(slot)?;
        let region = self.stored(slot).ok_or_else(|| no_memory(&self.program, info))?;
        self.gpu.read_numbers(&info.name, region, info.shape.len()).await
    }
}
