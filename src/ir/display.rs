//! The text form of programs.

use std::fmt;

use super::{DType, Op, Operand, Place, Program, Slot};

/// One line per parameter, input and op. An op's line names the operands it changes, and in parentheses those it reads.
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
        self.ops.iter().try_for_each(|op| writeln!(f, "  {}", self.line(op)))
    }
}

impl Program {
    /// An op as the program prints it.
    pub(crate) fn line(&self, op: &Op) -> String {
        let effects = op.effects();
        let changed: Vec<_> = effects.changed().map(|operand| self.defined(operand)).collect();
        let seen: Vec<_> = effects.seen().map(|operand| self.operand(operand)).collect();
        let (changed, seen, name) = (changed.join(", "), seen.join(", "), op.name());
        match name.strip_suffix(')').and_then(|name| name.split_once('(')) {
            Some((name, settings)) if !seen.is_empty() => {
                format!("{changed} = {name}({seen}, {settings})")
            }
            Some((name, settings)) => format!("{changed} = {name}({settings})"),
            None => format!("{changed} = {name}({seen})"),
        }
    }

    fn operand(&self, operand: Operand) -> String {
        match operand {
            Operand::Slot(slot) => self.named(slot),
            Operand::Params => "params".into(),
            Operand::Grads => "grads".into(),
            Operand::States => "states".into(),
            Operand::Step => "step".into(),
        }
    }

    /// The operand with its type and shape, if it has any.
    fn defined(&self, operand: Operand) -> String {
        let info = match operand {
            Operand::Slot(slot) => self.slots.get(slot.0),
            _ => None,
        };
        format!("{}{}", self.operand(operand), info.map(typed).unwrap_or_default())
    }

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
