//! Memory reuse: values of a training step share memory if one is no longer needed when the other is produced.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::fusion::FusionPlan;
use crate::ir::{Op, Place, Program, Slot};
use crate::ops::UpdateOp;

/// The values that share one piece of memory, in the order in which they are produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine::gpu) struct SharedMemory {
    pub slots: Vec<Slot>,
    /// The number of elements of the longest of them.
    pub len: usize,
}

/// The live range of a value: the op that produces it and the last one that reads it.
struct LiveRange {
    slot: Slot,
    len: usize,
    first: usize,
    last: usize,
}

/// The uses of a slot by the ops seen so far.
#[derive(Clone, Copy)]
struct Uses {
    first: usize,
    last: usize,
    /// True if the first op writes all of it, and nothing keeps it beyond the step.
    passes: bool,
}

impl FusionPlan {
    /// The values that share memory, by best fit: each goes into the smallest free piece that is large enough,
    /// otherwise into the largest free piece, which then grows.
    pub(crate) fn shared(&self, program: &Program) -> Vec<SharedMemory> {
        if matches!(self, Self::Apart)
            || !program.ops().iter().any(|op| matches!(op, Op::Update(UpdateOp::Update { .. })))
        {
            return Vec::new();
        }
        let hidden: HashSet<Slot> = self.hidden(program).into_iter().collect();
        let mut dispatches: Vec<Range<usize>> =
            (0..program.ops().len()).map(|op| op..op + 1).collect();
        for run in self.runs() {
            let ops = dispatches.iter_mut().take(run.end).skip(run.start);
            ops.for_each(|op| *op = run.clone());
        }
        let mut live_ranges: Vec<LiveRange> =
            live_ranges(program).into_iter().filter(|life| !hidden.contains(&life.slot)).collect();
        for life in &mut live_ranges {
            // A fused dispatch reads and writes the values of all its ops at once.
            life.first = dispatches.get(life.first).map_or(life.first, |ops| ops.start);
            life.last = dispatches.get(life.last).map_or(life.last, |ops| ops.end - 1);
        }
        live_ranges.sort_by_key(|life| life.first);
        let mut all = arrange(live_ranges);
        all.retain(|one| one.slots.len() > 1);
        all
    }
}

/// Assigns values to pieces of memory, in the order in which they are produced.
fn arrange(live_ranges: Vec<LiveRange>) -> Vec<SharedMemory> {
    let mut all: BTreeMap<usize, SharedMemory> = BTreeMap::new();
    // Indices of pieces: the taken ones by the last op of their value, the free ones by length.
    let mut taken: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut free: BTreeSet<(usize, usize)> = BTreeSet::new();
    for LiveRange { slot, len, first, last } in live_ranges {
        let later = taken.split_off(&(first, 0));
        let ended = std::mem::replace(&mut taken, later);
        free.extend(ended.iter().filter_map(|(_, n)| Some((all.get(n)?.len, *n))));
        let longer = free.range((len, 0)..).next();
        let longest = free.last().and_then(|(most, _)| free.range((*most, 0)..).next());
        let number = match longer.or(longest).copied() {
            Some(piece) => {
                free.remove(&piece);
                piece.1
            }
            None => all.len(),
        };
        let one = all.entry(number).or_insert(SharedMemory { slots: Vec::new(), len });
        one.slots.push(slot);
        one.len = one.len.max(len);
        taken.insert((last, number));
    }
    all.into_values().collect()
}

/// The live ranges of the values that an op writes completely before any other reads them. Values that a step records
/// outlive it and are left out.
fn live_ranges(program: &Program) -> Vec<LiveRange> {
    let mut uses: HashMap<Slot, Uses> = HashMap::new();
    let base = |slot| program.base(slot);
    for (number, op) in program.ops().iter().enumerate() {
        let writes = op.effects().writes;
        let mut touch = |slot: Slot, reads: bool| {
            let own = base(slot);
            let makes = !reads && writes.contains(&own.into());
            let first = Uses { first: number, last: number, passes: makes };
            let uses = uses.entry(own).or_insert(first);
            uses.last = number;
            uses.passes &= !(reads && op.concludes());
        };
        op.inputs().into_iter().for_each(|slot| touch(slot, true));
        op.outputs().into_iter().for_each(|slot| touch(slot, false));
    }
    let slots = (0..).map(Slot).zip(program.slots());
    let live_ranges = slots.filter_map(|(slot, info)| {
        let Uses { first, last, passes } = *uses.get(&slot)?;
        let passes = passes && info.place == Place::Value;
        passes.then(|| LiveRange { slot, len: info.shape.len(), first, last })
    });
    live_ranges.collect()
}
