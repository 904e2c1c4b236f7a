//! The step table on the device, refilled through copies in the caller's encoder.
//!
//! Entries lie at their absolute step modulo the capacity, and every recording writes all entries from the last
//! confirmed step on, so a recording that is dropped or comes late never leaves a step without its numbers.

use std::sync::{Arc, Mutex, PoisonError};

use super::Gpu;
use super::memory::Region;
use crate::error::{Error, Result};
use crate::program::StepEntry;

/// How many steps the table holds.
pub(super) const CAPACITY: u64 = 1024;

/// Counter, capacity, how many steps the updates are late, how many of them the host knows of, and whether this step's
/// update is skipped.
const HEADER_WORDS: usize = 5;

/// Where in the header the number stands that the host knows.
const KNOWN: u64 = 3;

/// How many recordings may wait for their submit at once.
const MOST_SLOTS: usize = 64;

/// The rule that gives each step its entry.
pub(super) type Rule = Box<dyn Fn(u64) -> StepEntry + Send + Sync>;

/// The table, the rule it is filled by, and the staging ring it is filled through.
pub(super) struct StepTable {
    gpu: Gpu,
    rule: Rule,
    pub region: Region,
    capacity: u64,
    /// The first step not yet recorded.
    pub next: u64,
    /// The first step not yet known to be done.
    confirmed: u64,
    /// By how many steps the updates are known to be late because some were skipped.
    late: u64,
    slots: Vec<Arc<Slot>>,
}

/// A staging buffer and who owns it.
struct Slot {
    buffer: wgpu::Buffer,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Mapped: ours to fill.
    Free,
    /// In an encoder, or in flight.
    Recorded,
    /// Its encoder was dropped, or mapping it failed: to be replaced.
    Orphaned,
}

impl Slot {
    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn is(&self, state: State) -> bool {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) == state
    }
}

/// Marks its slot orphaned if the callback that holds it is dropped without being called.
struct Ticket(Option<Arc<Slot>>);

impl Ticket {
    fn resolve(mut self, mapped: bool) {
        if let Some(slot) = self.0.take() {
            slot.set(if mapped { State::Free } else { State::Orphaned });
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.set(State::Orphaned);
        }
    }
}

impl StepTable {
    /// A table whose first entries are already there. Without `counting` nothing advances the counter, and the one
    /// entry serves every run.
    pub fn new(gpu: &Gpu, rule: Rule, first: u64, counting: bool) -> Result<Self> {
        let capacity = if counting { CAPACITY } else { 1 };
        let mut contents = vec![first as u32, capacity as u32, 0, 0, 0];
        for place in 0..capacity {
            // The step that will read this place first.
            let step = first + (place + capacity - first % capacity) % capacity;
            contents.extend(rule(step).words());
        }
        let region = gpu.storage("step table", contents.len(), &contents)?;
        let slots = Vec::new();
        let gpu = gpu.clone();
        Ok(Self { gpu, rule, region, capacity, next: first, confirmed: first, late: 0, slots })
    }

    /// By how many steps the updates are known to be late.
    pub fn late(&self) -> u64 {
        self.late
    }

    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Whether the next recording finds no staging buffer until the device has been polled.
    pub fn is_full(&self) -> bool {
        self.slots.len() >= MOST_SLOTS && self.slots.iter().all(|slot| slot.is(State::Recorded))
    }

    /// Says that all steps before `step` are done, and by how many steps the updates are late.
    pub fn confirm(&mut self, step: u64, late: u32) {
        self.confirmed = self.confirmed.max(step.min(self.next));
        self.late = late.into();
    }

    /// Changes the rule from the next recording on.
    pub fn set_rule(&mut self, rule: Rule) {
        self.rule = rule;
    }

    /// Records what `steps` more steps need and takes their numbers.
    pub fn record(&mut self, encoder: &mut wgpu::CommandEncoder, steps: u64) -> Result<()> {
        let end = self.next + steps;
        if self.capacity > 1 {
            if steps > self.capacity {
                let what = "one recording".to_string();
                return Err(Error::Limit {
                    what,
                    needed: steps,
                    limit: self.capacity,
                    unit: "steps",
                });
            }
            let from = self.confirmed.max(end.saturating_sub(self.capacity));
            self.upload(encoder, from, end)?;
        }
        self.next = end;
        Ok(())
    }

    fn upload(&mut self, encoder: &mut wgpu::CommandEncoder, from: u64, end: u64) -> Result<()> {
        let entries = (from..end).map(|step| StepEntry::late(&*self.rule, step, self.late));
        let words = entries.flat_map(|entry| entry.words().collect::<Vec<_>>());
        let words: Vec<u32> = words.chain([self.late as u32]).collect();
        let slot = self.free_slot()?;
        let unusable =
            |error: wgpu::MapRangeError| Error::DeviceLost(format!("{error} (step table)"));
        slot.buffer
            .get_mapped_range_mut(..words.len() as u64 * 4)
            .map_err(unusable)?
            .copy_from_slice(bytemuck::cast_slice(&words));
        slot.buffer.unmap();
        slot.set(State::Recorded);
        // At most two runs: up to the end of the table, and from its beginning.
        let entry = StepEntry::WORDS as u64 * 4;
        let place = from % self.capacity;
        let first = (end - from).min(self.capacity - place);
        let header = HEADER_WORDS as u64 * 4;
        let runs = [(0, place, first), (first, 0, end - from - first)];
        for (source, target, count) in runs.into_iter().filter(|(_, _, count)| *count > 0) {
            let target = self.region.offset + header + target * entry;
            encoder.copy_buffer_to_buffer(
                &slot.buffer,
                source * entry,
                &self.region.buffer,
                target,
                count * entry,
            );
        }
        let known = self.region.offset + KNOWN * 4;
        let source = (end - from) * entry;
        encoder.copy_buffer_to_buffer(&slot.buffer, source, &self.region.buffer, known, 4);
        let ticket = Ticket(Some(slot.clone()));
        encoder.map_buffer_on_submit(&slot.buffer, wgpu::MapMode::Write, .., move |outcome| {
            ticket.resolve(outcome.is_ok());
        });
        Ok(())
    }

    /// A slot that is ours to fill: a free one, an orphan's replacement, or a new one.
    fn free_slot(&mut self) -> Result<Arc<Slot>> {
        if let Some(slot) = self.slots.iter().find(|slot| slot.is(State::Free)) {
            return Ok(slot.clone());
        }
        self.slots.retain(|slot| !slot.is(State::Orphaned));
        if self.slots.len() >= MOST_SLOTS {
            let what = "step recordings that wait to be submitted and polled".to_string();
            let (needed, limit) = (self.slots.len() as u64 + 1, MOST_SLOTS as u64);
            return Err(Error::Limit { what, needed, limit, unit: "recordings" });
        }
        let size = (self.capacity * StepEntry::WORDS as u64 + 1) * 4;
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        let label = Some("wgrad step staging");
        let descriptor = wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: true };
        let buffer =
            self.gpu.scoped("step staging", || self.gpu.device().create_buffer(&descriptor))?;
        let slot = Arc::new(Slot { buffer, state: Mutex::new(State::Free) });
        self.slots.push(slot.clone());
        Ok(slot)
    }
}

impl std::fmt::Debug for StepTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepTable")
            .field("next", &self.next)
            .field("confirmed", &self.confirmed)
            .finish()
    }
}
