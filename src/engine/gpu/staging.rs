//! Staging buffers for copies between host and device in the caller's encoder.
//!
//! A buffer is leased to an encoder and returned, mapped, when that encoder's commands are done; the host's own submits
//! and polls drive this. A buffer whose encoder is dropped is replaced. So nothing is allocated in a steady state, and
//! a host that submits late, never, or in another order costs at most one buffer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Gpu;
use crate::error::{Error, Result};

/// The largest number of buffers of one kind that may be leased at once.
pub(super) const MOST: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the device.
    Upload,
    /// To the host.
    Download,
}

/// The staging buffers of one direction.
#[derive(Debug)]
pub(super) struct Staging {
    gpu: Gpu,
    direction: Direction,
    slots: Vec<Arc<StagingBuffer>>,
}

/// A buffer and the state of its last lease.
#[derive(Debug)]
pub(super) struct StagingBuffer {
    buffer: wgpu::Buffer,
    direction: Direction,
    record: Mutex<LeaseRecord>,
}

#[derive(Clone, Copy, Debug)]
struct LeaseRecord {
    /// The number of leases of the buffer so far.
    number: u64,
    state: LeaseState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaseState {
    /// In an encoder, or in flight.
    Out,
    /// The commands are done.
    Done,
    /// The encoder was dropped.
    Dropped,
    /// The device could not map the buffer.
    Failed,
    /// The commands are done, and the contents were taken.
    Idle,
}

/// A buffer leased to one encoder.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    slot: Arc<StagingBuffer>,
    number: u64,
}

/// The caller's tag of a download, and its words; `None` if its encoder was dropped.
type Back<'a, T> = (T, Option<&'a [u32]>);

/// Downloads in flight, each with a tag of the caller.
#[derive(Debug)]
pub(super) struct Downloads<T> {
    staging: Staging,
    under_way: Vec<(Lease, u64, T)>,
    /// The words of the last download; reused, so that reading allocates nothing.
    words: Vec<u32>,
}

/// Held by the map callback of one lease; dropped unresolved if the encoder is dropped.
struct LeaseGuard(Option<Lease>);

impl LeaseGuard {
    fn resolve(mut self, state: LeaseState) {
        if let Some(lease) = self.0.take() {
            lease.slot.record().state = state;
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if let Some(lease) = self.0.take() {
            lease.slot.record().state = LeaseState::Dropped;
        }
    }
}

impl Staging {
    pub(crate) fn new(gpu: &Gpu, direction: Direction) -> Self {
        Self { gpu: gpu.clone(), direction, slots: Vec::new() }
    }

    /// Creates `count` buffers in advance.
    pub(crate) fn prepare(&mut self, count: usize, bytes: u64) -> Result<()> {
        while self.slots.len() < count {
            self.create(bytes)?;
        }
        Ok(())
    }

    /// The total bytes of the buffers.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.buffer.size()).sum()
    }

    /// Returns whether no buffer can be leased until one is returned.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.slots.len() >= MOST
            && self.slots.iter().all(|slot| slot.record().state == LeaseState::Out)
    }

    /// Returns a free buffer of at least `bytes` bytes, created if needed.
    fn free(&mut self, bytes: u64) -> Result<Arc<StagingBuffer>> {
        let fits = |slot: &&Arc<StagingBuffer>| slot.is_free() && slot.buffer.size() >= bytes;
        if let Some(slot) = self.slots.iter().find(fits) {
            return Ok(slot.clone());
        }
        self.slots.retain(|slot| {
            !matches!(slot.record().state, LeaseState::Dropped | LeaseState::Failed)
        });
        if self.slots.len() >= MOST {
            // Every free buffer is too small: evicts one.
            self.slots.iter().position(|slot| slot.is_free()).map(|at| self.slots.swap_remove(at));
        }
        if self.slots.len() >= MOST {
            let what = "recordings that wait to be submitted and polled".to_string();
            let (needed, limit) = (self.slots.len() as u64 + 1, MOST as u64);
            return Err(Error::Limit { what, needed, limit, unit: "recordings" });
        }
        self.create(bytes)
    }

    fn create(&mut self, bytes: u64) -> Result<Arc<StagingBuffer>> {
        let size = bytes.next_power_of_two().max(256);
        let limit = self.gpu.limits().max_buffer_size;
        let (usage, label) = match self.direction {
            Direction::Upload => {
                (wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC, "wgrad upload")
            }
            Direction::Download => {
                (wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST, "wgrad download")
            }
        };
        if bytes > limit {
            return Err(Error::Limit { what: label.into(), needed: bytes, limit, unit: "bytes" });
        }
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size: size.min(limit / 4 * 4),
            usage,
            mapped_at_creation: self.direction == Direction::Upload,
        };
        let buffer = self.gpu.scoped(label, || self.gpu.device().create_buffer(&descriptor))?;
        let record = Mutex::new(LeaseRecord { number: 0, state: LeaseState::Idle });
        let slot = Arc::new(StagingBuffer { buffer, direction: self.direction, record });
        self.slots.push(slot.clone());
        Ok(slot)
    }

    /// Records the copy of `words` into a buffer, by runs of (first word, byte in `target`, number of words).
    pub(crate) fn upload(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        words: &[u32],
        target: &wgpu::Buffer,
        runs: &[[u64; 3]],
    ) -> Result<Lease> {
        let bytes = words.len() as u64 * 4;
        let slot = self.free(bytes)?;
        slot.buffer
            .get_mapped_range_mut(..bytes)
            .map_err(|error| self.gpu.note_lost(format!("{error} (upload)")))?
            .copy_from_slice(bytemuck::cast_slice(words));
        slot.buffer.unmap();
        for [first, to, count] in runs.iter().filter(|[.., count]| *count > 0) {
            encoder.copy_buffer_to_buffer(&slot.buffer, first * 4, target, *to, count * 4);
        }
        Ok(slot.lend(encoder))
    }

    /// Replaces the contents of `into` by the first `words` words of a completed download.
    fn collect(&self, lease: &Lease, words: u64, into: &mut Vec<u32>) -> Result<()> {
        let lost = |error: wgpu::MapRangeError| self.gpu.note_lost(format!("{error} (download)"));
        {
            let view = lease.slot.buffer.get_mapped_range(..words * 4).map_err(lost)?;
            into.clear();
            // A mapped range need not be aligned in a browser.
            into.extend(view.chunks_exact(4).map(bytemuck::pod_read_unaligned::<u32>));
        }
        lease.slot.buffer.unmap();
        lease.slot.record().state = LeaseState::Idle;
        Ok(())
    }
}

impl<T> Downloads<T> {
    pub(crate) fn new(gpu: &Gpu) -> Self {
        Self {
            staging: Staging::new(gpu, Direction::Download),
            under_way: Vec::new(),
            words: Vec::new(),
        }
    }

    /// As [`Staging::prepare`].
    pub(crate) fn prepare(&mut self, count: usize, bytes: u64) -> Result<()> {
        self.staging.prepare(count, bytes)
    }

    /// As [`Staging::bytes`].
    pub(crate) fn bytes(&self) -> u64 {
        self.staging.bytes()
    }

    /// Records the copy of parts of buffers, concatenated: each is a buffer, the first byte and the number of words.
    pub(crate) fn record(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        parts: &[(&wgpu::Buffer, u64, u64)],
        note: T,
    ) -> Result<()> {
        let words = parts.iter().map(|(.., words)| words).sum();
        let slot = self.staging.free(words * 4)?;
        let mut at = 0;
        for (source, from, words) in parts.iter().filter(|(.., words)| *words > 0) {
            encoder.copy_buffer_to_buffer(source, *from, &slot.buffer, at, words * 4);
            at += words * 4;
        }
        self.under_way.push((slot.lend(encoder), words, note));
        Ok(())
    }

    /// The downloads not taken yet, in the order of recording.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = (LeaseState, &T)> {
        self.under_way.iter().map(|(lease, _, note)| (lease.state(), note))
    }

    /// Takes the oldest download that is no longer in flight. Never waits.
    pub(crate) fn next(&mut self) -> Result<Option<Back<'_, T>>> {
        let back = |(lease, ..): &(Lease, u64, T)| lease.state() != LeaseState::Out;
        let Some(at) = self.under_way.iter().position(back) else { return Ok(None) };
        let (lease, words, note) = self.under_way.remove(at);
        match lease.state() {
            LeaseState::Dropped => Ok(Some((note, None))),
            LeaseState::Failed => {
                Err(self.staging.gpu.note_lost("a download did not come back".to_string()))
            }
            _ => {
                self.staging.collect(&lease, words, &mut self.words)?;
                Ok(Some((note, Some(&self.words))))
            }
        }
    }
}

impl StagingBuffer {
    /// The lease record. No code that holds the lock can panic halfway, so a poisoned record is still consistent.
    fn record(&self) -> MutexGuard<'_, LeaseRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_free(&self) -> bool {
        match self.record().state {
            LeaseState::Idle => true,
            // An upload has no contents to take.
            LeaseState::Done => self.direction == Direction::Upload,
            LeaseState::Out | LeaseState::Dropped | LeaseState::Failed => false,
        }
    }

    fn lend(self: &Arc<Self>, encoder: &wgpu::CommandEncoder) -> Lease {
        let number = {
            let mut record = self.record();
            *record = LeaseRecord { number: record.number + 1, state: LeaseState::Out };
            record.number
        };
        let lease = Lease { slot: self.clone(), number };
        let ticket = LeaseGuard(Some(lease.clone()));
        let mode = match self.direction {
            Direction::Upload => wgpu::MapMode::Write,
            Direction::Download => wgpu::MapMode::Read,
        };
        encoder.map_buffer_on_submit(&self.buffer, mode, .., move |outcome| {
            ticket.resolve(if outcome.is_ok() { LeaseState::Done } else { LeaseState::Failed });
        });
        lease
    }
}

impl Lease {
    /// The current state.
    pub(crate) fn state(&self) -> LeaseState {
        let record = *self.slot.record();
        // A buffer that was leased again had been returned.
        if record.number == self.number { record.state } else { LeaseState::Done }
    }
}
