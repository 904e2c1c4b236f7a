//! Checks that views of the host's buffers do not overlap other memory of a step.

use std::collections::HashSet;

use super::PlanMemory;
use crate::engine::gpu::PlanWeights;
use crate::engine::gpu::memory::Region;
use crate::error::{Error, Result};
use crate::ir::{Op, Operand, Place, Program, Slot};

/// Memory that a step reads or writes.
struct Used<'a> {
    name: String,
    region: &'a Region,
    written: bool,
    is_view: bool,
}

impl PlanMemory {
    /// Fails if a view shares bytes with other memory of the step and the step writes either: a host cannot rely on the
    /// order in which dispatches read and write.
    pub(crate) fn check_views(
        &self,
        program: &Program,
        weights: Option<&PlanWeights>,
    ) -> Result<()> {
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

    /// The slots that have memory of their own.
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

/// The operands that the ops change.
fn changed(program: &Program) -> HashSet<Operand> {
    let changed = |op: &Op| op.effects().changed().collect::<Vec<_>>();
    program.ops().iter().flat_map(changed).map(|operand| whole(program, operand)).collect()
}

/// The memory that contains an operand.
fn whole(program: &Program, operand: Operand) -> Operand {
    let Operand::Slot(slot) = operand else { return operand };
    let base = program.base(slot);
    match program.slot(base).map(|info| info.place) {
        Ok(Place::Param(_)) => Operand::Params,
        Ok(Place::Grad(_)) => Operand::Grads,
        _ => Operand::Slot(base),
    }
}

/// The arenas that a program uses.
fn arenas<'a>(program: &Program, weights: &'a PlanWeights) -> Vec<Used<'a>> {
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
