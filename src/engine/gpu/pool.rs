//! Buffers of tensors that are gone, for new tensors of equal size: making a buffer costs more than most ops, since its
//! memory is mapped and filled with zeros first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Gpu;
use super::memory::{Region, TENSOR};
use crate::error::Result;
use crate::shape::padded;

/// The most bytes of tensors that are kept.
pub(super) const MOST_OF_TENSORS: u64 = 256 << 20;

/// The free buffers of one usage of a device.
#[derive(Debug)]
pub(super) struct Pool(Mutex<Free>);

#[derive(Debug)]
struct Free {
    by_size: BTreeMap<u64, Vec<wgpu::Buffer>>,
    bytes: u64,
    /// The most bytes that are kept.
    most: u64,
}

impl Pool {
    /// Creates an empty pool that keeps up to `most` bytes.
    pub(super) fn new(most: u64) -> Self {
        Self(Mutex::new(Free { by_size: BTreeMap::new(), bytes: 0, most }))
    }

    /// Takes a buffer of this size, if there is one.
    pub(super) fn take(&self, bytes: u64) -> Option<wgpu::Buffer> {
        self.free().take(bytes)
    }

    /// Takes these buffers, if all of them are free.
    pub(super) fn take_all<'a>(
        &self,
        buffers: impl Iterator<Item = &'a wgpu::Buffer> + Clone,
    ) -> bool {
        let mut free = self.free();
        let is_free = buffers.clone().all(|buffer| free.place(buffer).is_some());
        if is_free {
            buffers.for_each(|buffer| free.remove(buffer));
        }
        is_free
    }

    /// Keeps a buffer for later, unless there are too many.
    pub(super) fn give(&self, buffer: wgpu::Buffer) {
        self.free().give(buffer);
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees the memory of all buffers; returns whether there were any.
    pub(super) fn clear(&self) -> bool {
        let mut free = self.free();
        free.by_size.clear();
        std::mem::take(&mut free.bytes) > 0
    }
}

impl Free {
    fn take(&mut self, bytes: u64) -> Option<wgpu::Buffer> {
        let buffer = self.by_size.get_mut(&bytes)?.pop()?;
        self.bytes -= bytes;
        Some(buffer)
    }

    fn place(&self, buffer: &wgpu::Buffer) -> Option<usize> {
        self.by_size.get(&buffer.size())?.iter().rposition(|own| own == buffer)
    }

    fn remove(&mut self, buffer: &wgpu::Buffer) {
        let place = self.place(buffer);
        if let (Some(own), Some(place)) = (self.by_size.get_mut(&buffer.size()), place) {
            own.remove(place);
            self.bytes -= buffer.size();
        }
    }

    fn give(&mut self, buffer: wgpu::Buffer) {
        let bytes = buffer.size();
        if self.bytes + bytes <= self.most {
            self.by_size.entry(bytes).or_default().push(buffer);
            self.bytes += bytes;
        }
    }
}

/// The memory of a tensor, which goes back to the pool with the last tensor over it.
///
/// Work that was submitted is done in order, so what is submitted later may write there at once. Work that is recorded
/// may be submitted after that: memory that a recording can have seen is not used again.
#[derive(Debug)]
pub(crate) struct TensorMemory {
    buffer: wgpu::Buffer,
    pool: Arc<Pool>,
    is_exposed: AtomicBool,
}

impl TensorMemory {
    /// Returns whether it is of the memory of a region.
    pub(crate) fn is_of(&self, region: &Region) -> bool {
        self.buffer == region.buffer
    }

    /// Notes that the caller may record with the buffer.
    pub(crate) fn expose(&self) {
        self.is_exposed.store(true, Ordering::Relaxed);
    }
}

impl Drop for TensorMemory {
    fn drop(&mut self) {
        if !*self.is_exposed.get_mut() {
            self.pool.give(self.buffer.clone());
        }
    }
}

impl Gpu {
    /// The lease of a tensor's memory, a whole buffer.
    pub(crate) fn lease(&self, region: &Region) -> Arc<TensorMemory> {
        let (buffer, pool) = (region.buffer.clone(), self.shared.pool.clone());
        Arc::new(TensorMemory { buffer, pool, is_exposed: AtomicBool::new(false) })
    }

    /// Memory for `len` words, with whatever was there before; zeros if it is new.
    pub(crate) fn pooled(&self, what: &str, len: usize) -> Result<Region> {
        let bytes = padded(len) as u64 * 4;
        match self.shared.pool.take(bytes) {
            Some(buffer) => Ok(Region { owner: Some(self.id()), ..Region::whole(buffer) }),
            None => self.buffer(what, bytes, &[], TENSOR),
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::MOST_OF_TENSORS;
    use crate::engine::gpu::Gpu;
    use crate::engine::gpu::requirements::noop_gpu;
    use crate::error::Result;

    fn gpu() -> Result<Gpu> {
        noop_gpu(wgpu::DeviceType::Cpu, &wgpu::Limits::default())
    }

    #[test]
    fn memory_goes_to_the_next_tensor_of_its_size_unless_a_recording_can_have_seen_it() {
        let gpu = gpu().unwrap();
        let first = gpu.pooled("a", 100).unwrap();
        drop(gpu.lease(&first));
        assert_ne!(gpu.pooled("b", 200).unwrap().buffer, first.buffer);
        let second = gpu.pooled("c", 120).unwrap();
        assert_eq!(second.buffer, first.buffer);
        let lease = gpu.lease(&second);
        lease.expose();
        drop(lease);
        assert_ne!(gpu.pooled("d", 100).unwrap().buffer, first.buffer);
    }

    #[test]
    fn buffers_are_taken_all_or_not_at_all() {
        let gpu = gpu().unwrap();
        let [first, second] = [gpu.pooled("a", 100).unwrap(), gpu.pooled("b", 200).unwrap()];
        let buffers = [&first.buffer, &second.buffer];
        drop(gpu.lease(&first));
        assert!(!gpu.shared.pool.take_all(buffers.into_iter()));
        drop(gpu.lease(&second));
        assert!(gpu.shared.pool.take_all(buffers.into_iter()));
        assert!(!gpu.shared.pool.clear(), "both are taken, and no bytes are left");
    }

    #[test]
    fn a_pool_keeps_a_bounded_number_of_bytes_and_gives_all_back() {
        let gpu = gpu().unwrap();
        let len = 8 << 20;
        let regions: Vec<_> = (0..20).map(|_| gpu.pooled("a", len).unwrap()).collect();
        regions.iter().for_each(|region| drop(gpu.lease(region)));
        assert_eq!(gpu.shared.pool.free().bytes, MOST_OF_TENSORS);
        assert!(gpu.shared.pool.clear() && !gpu.shared.pool.clear());
        assert!(regions.iter().all(|old| gpu.pooled("a", len).unwrap().buffer != old.buffer));
    }
}
