//! Which values of a training step lie in the same memory, because one is no longer needed when the other is made.

use super::fusion::Plan;
use crate::program::{Op, Place, Program, Slot};

/// The values of one piece of memory, in the order in which they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Shared {
    pub slots: Vec<Slot>,
    /// Numbers that the longest of them has.
    pub len: usize,
    /// The last op that looks at any of them.
    until: usize,
}

/// A value's life: the op that makes it and the last one that looks at it.
struct Life {
    slot: Slot,
    len: usize,
    first: usize,
    last: usize,
}

impl Plan {
    /// The values that share memory. Each goes where the least is wasted, or else into the largest memory that is free,
    /// which then grows.
    pub fn shared(&self, program: &Program) -> Vec<Shared> {
        if matches!(self, Self::Apart)
            || !program.ops().iter().any(|op| matches!(op, Op::Update { .. }))
        {
            return Vec::new();
        }
        let (hidden, runs) = (self.hidden(program), self.runs());
        let dispatch = |op: usize| runs.iter().find(|ops| ops.contains(&op));
        let slots = (0..program.slots().len()).map(Slot).filter(|slot| !hidden.contains(slot));
        let mut lives: Vec<Life> = slots.filter_map(|slot| Life::of(program, slot)).collect();
        for life in &mut lives {
            // A dispatch reads and writes all of its ops' values at once.
            life.first = dispatch(life.first).map_or(life.first, |ops| ops.start);
            life.last = dispatch(life.last).map_or(life.last, |ops| ops.end - 1);
        }
        lives.sort_by_key(|life| life.first);
        let mut all: Vec<Shared> = Vec::new();
        for Life { slot, len, first, last } in lives {
            let free = all.iter_mut().filter(|one| one.until < first);
            let fit = |one: &&mut Shared| (one.len < len, one.len.abs_diff(len));
            match free.min_by_key(fit) {
                Some(one) => {
                    one.slots.push(slot);
                    (one.len, one.until) = (one.len.max(len), last);
                }
                None => all.push(Shared { slots: vec![slot], len, until: last }),
            }
        }
        all.retain(|one| one.slots.len() > 1);
        all
    }
}

impl Life {
    /// The life of a value that an op makes as a whole before any other looks at it. What a step records outlives it.
    fn of(program: &Program, slot: Slot) -> Option<Self> {
        let info = program.slot(slot).ok()?;
        if info.place != Place::Value {
            return None;
        }
        let root = |other: &Slot| program.slot(*other).map_or(*other, |info| info.root(*other));
        let among = |slots: Vec<Slot>| slots.iter().any(|other| root(other) == slot);
        let uses = |op: &Op| among(op.inputs()) || among(op.outputs());
        if program.ops().iter().any(|op| op.concludes() && among(op.inputs())) {
            return None;
        }
        let first = program.ops().iter().position(uses)?;
        let last = program.ops().iter().rposition(uses)?;
        let op = program.ops().get(first)?;
        let makes = op.effects().writes.contains(&slot.into());
        (makes && !among(op.inputs())).then_some(Self { slot, len: info.shape.len(), first, last })
    }
}
