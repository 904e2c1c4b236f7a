//! Views of the host's that share bytes with what else a step reads and writes.

use std::collections::HashSet;

use super::Memory;
use crate::error::{Error, Result};
use crate::gpu::Weights;
use crate::gpu::memory::Region;
use crate::program::{Op, Operand, Place, Program, Slot};

/// What a step reads or writes, and where it is.
struct Used<'a> {
    name: String,
    region: &'a Region,
    written: bool,
    is_view: bool,
}

impl Memory {
    /// Fails if a view shares bytes with anything else of the step and the step writes either: in which order dispatches
    /// read and write is nothing that a host could rely on.
    pub fn check_views(&self, program: &Program, weights: Option<&Weights>) -> Result<()> {
        if self.views.is_empty() {
            return Ok(());
        }
        let used: Vec<Used<'_>> = self
            .used(program)
            .chain(weights.into_iter().flat_map(|own| arenas(program, own)))
            .collect();
        for (number, view) in used.iter().enumerate().filter(|(_, one)| one.is_view) {
            let others = used.iter().enumerate().filter(|(other, _)| *other != number);
            let clash = |other: &&Used<'_>| {
                (view.written || other.written) && view.region.overlaps(other.region)
            };
            if let Some(other) = others.map(|(_, other)| other).find(clash) {
                let (a, b) = (&view.name, &other.name);
                let message =
                    format!("{a} and {b} share bytes of a buffer that the program writes");
                return Err(Error::unsupported(program.name(), message));
            }
        }
        Ok(())
    }

    /// Every slot that has memory of its own.
    fn used(&self, program: &Program) -> impl Iterator<Item = Used<'_>> {
        let changed = changed(program);
        let slots = self.slots.iter().zip(program.slots()).enumerate();
        slots.filter_map(move |(number, (region, info))| {
            Some(Used {
                name: format!("'{}'", info.name),
                region: region.as_ref()?,
                written: changed.contains(&Operand::Slot(Slot(number))),
                is_view: self.views.contains(&number),
            })
        })
    }
}

/// Everything that ops change.
fn changed(program: &Program) -> HashSet<Operand> {
    let changed = |op: &Op| op.effects().changed().collect::<Vec<_>>();
    program.ops().iter().flat_map(changed).map(|operand| whole(program, operand)).collect()
}

/// The memory that an operand is part of.
fn whole(program: &Program, operand: Operand) -> Operand {
    let Operand::Slot(slot) = operand else { return operand };
    let base = program.slot(slot).map_or(slot, |info| info.base(slot));
    match program.slot(base).map(|info| info.place) {
        Ok(Place::Param(_)) => Operand::Params,
        Ok(Place::Grad(_)) => Operand::Grads,
        _ => Operand::Slot(base),
    }
}

/// The arenas of weights, as far as a program works on them.
fn arenas<'a>(program: &Program, weights: &'a Weights) -> Vec<Used<'a>> {
    let changed = changed(program);
    let mut arenas = Vec::new();
    let mut add = |name: &str, operand, region: &'a Region| {
        let (name, written) = (name.to_string(), changed.contains(&operand));
        arenas.push(Used { name, region, written, is_view: false });
    };
    for segment in &weights.segments {
        add("the parameters", Operand::Params, &segment.params);
        if changed.contains(&Operand::Grads) {
            add("the gradients", Operand::Grads, &segment.grads);
            segment.states.iter().for_each(|state| add("the state values", Operand::States, state));
        }
    }
    arenas
}
