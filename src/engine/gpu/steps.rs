//! The step table on the device, refilled by copies in the caller's encoder, and the recorded values, which are read
//! back the same way.
//!
//! The entry of a step is stored at its absolute number modulo the capacity; the entries of updates follow, indexed the
//! same way. Every recording writes all entries from the last confirmed step on, and those of the updates that may be
//! due by then. The device counts the steps it executes and the updates it skips, and every recording reads both
//! counters back. So recordings may be submitted late, in another order or not at all: the device finds the entry of
//! each step and update that it executes, and the host learns which those were.

use std::collections::VecDeque;

use super::Gpu;
use super::memory::Region;
use super::staging::{Direction, Downloads, Lease, LeaseState, Staging};
use crate::error::{Error, Result};
use crate::ir::{BoxedRule, MAX_COUNT, Op, Record, StepEntry};

/// The number of steps that the table and the metrics ring hold.
pub(super) const CAPACITY: u64 = 1024;

/// The words of the header: step counter, capacity, number of skipped updates, and whether this step's update is
/// skipped.
const HEADER: u64 = 4;

/// The words of one row of the metrics ring.
const ROW: u64 = Op::MAX_RECORDED as u64;

const ENTRY: u64 = StepEntry::WORDS as u64;

/// The number of recordings that buffers are allocated for in advance, and the steps of each.
const PREPARED: (usize, u64) = (4, 32);

/// The table, the rule that fills it, and the copies in flight.
pub(super) struct StepTable {
    gpu: Gpu,
    rule: BoxedRule,
    pub region: Region,
    capacity: u64,
    /// The first step not yet recorded.
    next: u64,
    known: Known,
    uploads: Staging,
    downloads: Downloads<Recording>,
    /// The uploads in flight, each with its first step.
    entries: Vec<(Lease, u64)>,
    /// A reused upload buffer, so that recording allocates nothing.
    words: Vec<u32>,
}

/// The state last reported by the device.
struct Known {
    /// The first step not yet known to be done.
    confirmed: u64,
    /// The number of skipped updates.
    late: u64,
    /// The first step whose recorded values have not been read back.
    seen: u64,
    /// Values read back and not taken yet.
    figures: VecDeque<(u64, Record)>,
}

/// A recording not yet known to be executed.
#[derive(Debug)]
struct Recording {
    /// The first step whose entry it writes.
    from: u64,
    /// The number of steps it executes.
    steps: u64,
    /// The range of rows it reads back.
    rows: [u64; 2],
}

impl StepTable {
    /// Creates a table that recordings fill. Without `counting` nothing advances the counter, and every run uses the
    /// entries of the first step.
    pub(crate) fn new(gpu: &Gpu, rule: BoxedRule, first: u64, counting: bool) -> Result<Self> {
        let capacity = if counting { CAPACITY } else { 1 };
        let contents = contents(&rule, first, capacity)?;
        let len = (HEADER + 2 * capacity * ENTRY) as usize;
        let region = gpu.storage("step table", len, &contents)?;
        let (mut uploads, mut downloads) =
            (Staging::new(gpu, Direction::Upload), Downloads::new(gpu));
        if counting {
            let (count, steps) = PREPARED;
            uploads.prepare(count, 2 * steps * ENTRY * 4)?;
            downloads.prepare(count, (HEADER + steps * ROW) * 4)?;
        }
        Ok(Self {
            gpu: gpu.clone(),
            rule,
            region,
            capacity,
            next: first,
            known: Known::at(first),
            uploads,
            downloads,
            entries: Vec::new(),
            words: Vec::new(),
        })
    }

    /// Begins anew at another step with another rule, as a new table would; returns false, and changes nothing, while a
    /// recording has not come back.
    pub(crate) fn restart(&mut self, rule: BoxedRule, first: u64) -> Result<bool> {
        self.settle()?;
        if self.oldest().is_some() {
            return Ok(false);
        }
        let contents = contents(&rule, first, self.capacity)?;
        self.gpu.upload("step table", &self.region, &contents)?;
        (self.rule, self.next, self.known) = (rule, first, Known::at(first));
        Ok(true)
    }

    /// The number of updates known to be skipped.
    pub(crate) fn late(&self) -> u64 {
        self.known.late
    }

    /// The bytes of the staging buffers.
    pub(crate) fn staging_bytes(&self) -> u64 {
        self.uploads.bytes() + self.downloads.bytes()
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The first step not yet recorded; a recording that was dropped does not count.
    pub(crate) fn next(&self) -> u64 {
        let dropped = self.downloads.under_way().filter(|(state, _)| *state == LeaseState::Dropped);
        self.next - dropped.map(|(_, recording)| recording.steps).sum::<u64>()
    }

    /// The first step whose entry a recording in flight writes.
    fn oldest(&self) -> Option<u64> {
        let entries = self.entries.iter().map(|(_, from)| *from);
        entries.chain(self.downloads.under_way().map(|(_, recording)| recording.from)).min()
    }

    /// Returns whether `steps` more steps can be recorded before the device is polled.
    pub(crate) fn has_room(&self, steps: u64) -> bool {
        let reach = self.next.saturating_add(steps) - self.oldest().unwrap_or(self.next);
        !self.uploads.is_exhausted() && (self.capacity == 1 || reach <= self.capacity)
    }

    /// Marks all steps before `step` as executed, and sets the number of skipped updates.
    pub(crate) fn confirm(&mut self, step: u64, late: u32) {
        self.known.confirmed = self.known.confirmed.max(step.min(self.next));
        self.known.late = late.into();
    }

    /// Records the upload of the entries of the next `steps` steps.
    pub(crate) fn begin(&mut self, encoder: &mut wgpu::CommandEncoder, steps: u64) -> Result<()> {
        let limit = |what: &str, needed| {
            let (what, limit) = (what.to_string(), CAPACITY);
            Err(Error::Limit { what, needed, limit, unit: "steps" })
        };
        if steps > CAPACITY {
            return limit("one recording", steps);
        }
        if self.capacity == 1 {
            return Ok(());
        }
        self.settle()?;
        let end = self.next + steps;
        // A recording submitted late writes old entries; they must not overwrite current ones.
        let oldest = self.oldest().unwrap_or(end);
        if end.saturating_sub(oldest) > self.capacity {
            return limit("the way back to a recording that has not come back yet", end - oldest);
        }
        let Known { confirmed, late, .. } = self.known;
        let from = confirmed.max(end.saturating_sub(self.capacity));
        self.words.clear();
        let mut last = None;
        for step in from..end {
            let entry = self.rule.step(step);
            self.words.extend(entry.words());
            last = if entry.sign == 0.0 { last } else { Some(entry.update) };
        }
        // The updates that may be due between the last confirmed step and the last one recorded, however many are
        // skipped.
        let least = self.rule.step(confirmed).update.saturating_sub(late);
        let until = last.map_or(least, |last| last.saturating_sub(late) + 1);
        let due = least.max(until.saturating_sub(self.capacity))..until;
        for update in due.clone() {
            let entry = self.rule.update(update);
            entry.check()?;
            self.words.extend(entry.words());
        }
        let [a, b] = self.copies(from, end, [0, 0]);
        let [c, d] = self.copies(due.start, due.end.max(due.start), [end - from, self.capacity]);
        let runs = [a, b, c, d];
        let lease = self.uploads.upload(encoder, &self.words, &self.region.buffer, &runs)?;
        self.entries.push((lease, from));
        Ok(())
    }

    /// The copies of the entries `from..end` into the part of the table that begins at entry `base`; `first` is the
    /// index of the first of them among the uploaded entries.
    fn copies(&self, from: u64, end: u64, [first, base]: [u64; 2]) -> [[u64; 3]; 2] {
        let start = self.region.offset + HEADER * 4;
        self.runs(from, end).map(|[ahead, place, count]| {
            [(first + ahead) * ENTRY, start + (base + place) * ENTRY * 4, count * ENTRY]
        })
    }

    /// The places of the steps `from..end`: at most two runs, up to the end of the table and from its beginning. Each
    /// run is the distance of its first step from `from`, the index of that step in the table, and the number of steps.
    fn runs(&self, from: u64, end: u64) -> [[u64; 3]; 2] {
        let place = from % self.capacity;
        let first = (end - from).min(self.capacity - place);
        [[0, place, first], [first, 0, end - from - first]]
    }

    /// Advances past the `steps` steps recorded since [`StepTable::begin`], and records the read-back of the counter
    /// and the recorded values.
    pub(crate) fn end(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        steps: u64,
        ring: &Region,
    ) -> Result<()> {
        let end = self.next + steps;
        if self.capacity > 1 {
            let from = self.known.seen.max(end.saturating_sub(self.capacity)).min(end);
            let [before, after] = self.runs(from, end).map(|[_, place, count]| {
                (&ring.buffer, ring.offset + place * ROW * 4, count * ROW)
            });
            let header = (&self.region.buffer, self.region.offset, HEADER);
            let oldest = self.entries.last().map_or(self.next, |(_, from)| *from);
            let recording = Recording { from: oldest, steps, rows: [from, end] };
            self.downloads.record(encoder, &[header, before, after], recording)?;
        }
        self.next = end;
        Ok(())
    }

    /// Processes everything that has been read back. Never waits.
    pub(crate) fn settle(&mut self) -> Result<()> {
        while let Some((recording, words)) = self.downloads.next()? {
            match words {
                Some(words) => self.known.take(words, recording.rows, self.capacity),
                None => self.next -= recording.steps,
            }
        }
        if self.entries.iter().any(|(lease, _)| lease.state() == LeaseState::Failed) {
            return Err(self.gpu.note_lost("a recording did not come back".to_string()));
        }
        self.entries.retain(|(lease, _)| lease.state() == LeaseState::Out);
        if self.capacity > 1 && self.oldest().is_none() {
            // Every recording was executed or dropped.
            self.next = self.known.confirmed;
        }
        self.next = self.next.max(self.known.confirmed);
        Ok(())
    }

    /// Takes the recorded values read back since the last call, oldest first; never more than [`CAPACITY`].
    pub(crate) fn take_figures(&mut self) -> Result<Vec<(u64, Record)>> {
        self.settle()?;
        Ok(self.known.figures.drain(..).collect())
    }
}

/// The first words of a table that begins at a step: its header, and its only entries if it does not count steps.
fn contents(rule: &BoxedRule, first: u64, capacity: u64) -> Result<Vec<u32>> {
    if first > MAX_COUNT {
        let what = "the number of the first step".to_string();
        return Err(Error::Limit { what, needed: first, limit: MAX_COUNT, unit: "steps" });
    }
    let mut contents = vec![first as u32, capacity as u32, 0, 0];
    if capacity == 1 {
        let own = rule.step(first);
        contents.extend(own.words().chain(rule.update(own.update).words()));
    }
    Ok(contents)
}

impl Known {
    /// Nothing is known beyond that step `first` is the first.
    fn at(first: u64) -> Self {
        Self { confirmed: first, late: 0, seen: first, figures: VecDeque::new() }
    }

    /// Stores the counter and the recorded values of the steps `from..end`.
    fn take(&mut self, words: &[u32], [from, end]: [u64; 2], of: u64) {
        let (header, rows) = words.split_at(words.len().min(HEADER as usize));
        // A capacity of 0 means that nothing was copied to this memory.
        let [counter, capacity, late, ..] = header else { return };
        if u64::from(*capacity) != of {
            return;
        }
        let ahead = counter.wrapping_sub(self.confirmed as u32) as i32;
        let done = self.confirmed.saturating_add_signed(i64::from(ahead));
        for (step, row) in (from..done.min(end)).zip(rows.chunks_exact(ROW as usize)) {
            if step >= self.seen {
                let row = std::array::from_fn(|i| f32::from_bits(row.get(i).copied().unwrap_or(0)));
                self.figures.push_back((step, row));
                self.seen = step + 1;
            }
        }
        let excess = self.figures.len().saturating_sub(CAPACITY as usize);
        self.figures.drain(..excess);
        if done >= self.confirmed {
            (self.confirmed, self.late) = (done, (*late).into());
        }
    }
}

impl std::fmt::Debug for StepTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepTable")
            .field("next", &self.next)
            .field("confirmed", &self.known.confirmed)
            .finish()
    }
}
