//! Which values of a training step lie in the same memory, because one is no longer needed when the other is made.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use super::fusion::Plan;
use crate::ops::UpdateOp;
use crate::program::{Op, Place, Program, Slot};

/// The values of one piece of memory, in the order in which they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Shared {
    pub slots: Vec<Slot>,
    /// Numbers that the longest of them has.
    pub len: usize,
}

/// A value's life: the op that makes it and the last one that looks at it.
struct Life {
    slot: Slot,
    len: usize,
    first: usize,
    last: usize,
}

/// What is known of a slot after some of a program's ops.
#[derive(Clone, Copy)]
struct Uses {
    first: usize,
    last: usize,
    /// Whether the first op makes it as a whole, and nothing keeps it beyond the step.
    passes: bool,
}

impl Plan {
    /// The values that share memory. Each goes where the least is wasted, or else into the largest memory that is free,
    /// which then grows.
    pub fn shared(&self, program: &Program) -> Vec<Shared> {
        if matches!(self, Self::Apart)
            || !program.ops().iter().any(|op| matches!(op, Op::Update(UpdateOp::Update { .. })))
        {
            return Vec::new();
        }
        let hidden: HashSet<Slot> = self.hidden(program).into_iter().collect();
        let mut dispatches: Vec<Range<usize>> =
            (0..program.ops().len()).map(|op| op..op + 1).collect();
        for run in self.runs() {
            let ops = dispatches.get_mut(run.clone()).unwrap_or_default();
            ops.fill(run);
        }
        let mut lives: Vec<Life> =
            lives(program).into_iter().filter(|life| !hidden.contains(&life.slot)).collect();
        for life in &mut lives {
            // A dispatch reads and writes all of its ops' values at once.
            life.first = dispatches.get(life.first).map_or(life.first, |ops| ops.start);
            life.last = dispatches.get(life.last).map_or(life.last, |ops| ops.end - 1);
        }
        lives.sort_by_key(|life| life.first);
        let mut all = arrange(lives);
        all.retain(|one| one.slots.len() > 1);
        all
    }
}

/// Puts values into pieces of memory, those that are made first before the others.
fn arrange(lives: Vec<Life>) -> Vec<Shared> {
    let mut all: Vec<Shared> = Vec::new();
    // Numbers of the pieces: by the op until which they are taken, and by how long the free ones are.
    let mut taken: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut free: BTreeSet<(usize, usize)> = BTreeSet::new();
    for Life { slot, len, first, last } in lives {
        let later = taken.split_off(&(first, 0));
        let ended = std::mem::replace(&mut taken, later);
        free.extend(ended.iter().filter_map(|(_, n)| Some((all.get(*n)?.len, *n))));
        let longer = free.range((len, 0)..).next();
        let longest = free.last().and_then(|(most, _)| free.range((*most, 0)..).next());
        let number = match longer.or(longest).copied() {
            Some(piece) => {
                free.remove(&piece);
                piece.1
            }
            None => {
                all.push(Shared { slots: Vec::new(), len });
                all.len() - 1
            }
        };
        if let Some(one) = all.get_mut(number) {
            one.slots.push(slot);
            one.len = one.len.max(len);
        }
        taken.insert((last, number));
    }
    all
}

/// The lives of the values that an op makes as a whole before any other looks at them. What a step records outlives it.
fn lives(program: &Program) -> Vec<Life> {
    let mut uses: Vec<Option<Uses>> = vec![None; program.slots().len()];
    let base = |slot: Slot| program.slot(slot).map_or(slot, |info| info.base(slot));
    for (number, op) in program.ops().iter().enumerate() {
        let writes = op.effects().writes;
        let mut touch = |slot: Slot, reads: bool| {
            let own = base(slot);
            let Some(place) = uses.get_mut(own.0) else { return };
            let makes = !reads && writes.contains(&own.into());
            let uses = place.get_or_insert(Uses { first: number, last: number, passes: makes });
            uses.last = number;
            uses.passes &= !(reads && op.concludes());
        };
        op.inputs().into_iter().for_each(|slot| touch(slot, true));
        op.outputs().into_iter().for_each(|slot| touch(slot, false));
    }
    let slots = program.slots().iter().zip(uses).enumerate();
    let lives = slots.filter_map(|(slot, (info, uses))| {
        let Uses { first, last, .. } =
            uses.filter(|uses| uses.passes && info.place == Place::Value)?;
        Some(Life { slot: Slot(slot), len: info.shape.len(), first, last })
    });
    lives.collect()
}
