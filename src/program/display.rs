//! Programs as text.

use std::fmt;

use super::{DType, Place, Program, Slot};

/// One line per parameter, input and op.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program {}", self.name)?;
        for param in &self.params {
            write!(f, "  param {} {}", param.name, param.shape)?;
            let settings = [("l1", param.l1), ("l2", param.l2)];
            for (name, value) in settings.into_iter().filter(|(_, value)| *value != 0.0) {
                write!(f, " {name}={value}")?;
            }
            writeln!(f)?;
        }
        for (number, slot) in
            self.slots.iter().enumerate().filter(|(_, slot)| slot.place == Place::Input)
        {
            writeln!(f, "  input {}{}", self.named(Slot(number)), typed(slot))?;
        }
        for op in &self.ops {
            let list = |slots: Vec<Slot>| {
                slots.into_iter().map(|slot| self.named(slot)).collect::<Vec<_>>().join(", ")
            };
            let outputs = op.outputs().into_iter().map(|slot| match self.slots.get(slot.0) {
                Some(info) => format!("{}{}", self.named(slot), typed(info)),
                None => self.named(slot),
            });
            let outputs = outputs.collect::<Vec<_>>().join(", ");
            let arrow = if outputs.is_empty() { "" } else { " -> " };
            writeln!(f, "  {}({}){arrow}{outputs}", op.name(), list(op.inputs()))?;
        }
        Ok(())
    }
}

impl Program {
    fn named(&self, slot: Slot) -> String {
        match self.slots.get(slot.0) {
            Some(info) => format!("%{} {}", slot.0, info.name),
            None => format!("%{}", slot.0),
        }
    }
}

fn typed(slot: &super::SlotInfo) -> String {
    let dtype = match slot.dtype {
        DType::F32 => "f32",
        DType::U32 => "u32",
    };
    format!(": {dtype} {}", slot.shape)
}
