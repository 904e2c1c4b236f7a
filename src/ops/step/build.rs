//! Program builders for the ops of a step.

use super::StepOp;
use crate::error::{Error, Result};
use crate::ir::{Op, Place, Program, Slot, SlotInfo};
use crate::random::Key;
use crate::shape::Shape;

impl Program {
    /// Adds a gather of `batch` rows of `data`, chosen by the step's entry.
    ///
    /// # Errors
    /// [`Error::Limit`] if the batch is too large.
    #[doc(hidden)]
    pub fn gather(
        &mut self,
        name: &str,
        data: Slot,
        batch: usize,
        shuffle: Option<Key>,
    ) -> Result<Slot> {
        let SlotInfo { shape, dtype, .. } = self.slot(data)?.clone();
        // Class targets have one element per row and no second axis.
        let shape =
            if shape.rank() == 1 { Shape::new(&[batch])? } else { shape.with_rows(batch)? };
        let out = self.add(name, shape, dtype, Place::Value);
        self.push(Op::Step(StepOp::Gather { data, out, shuffle }));
        Ok(out)
    }

    /// Ends the step and records the given values.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than [`Op::MAX_RECORDED`]; [`Error::Shape`] if a value has more than one element.
    pub fn record(&mut self, values: &[Slot]) -> Result<()> {
        if values.len() > Op::MAX_RECORDED {
            let (needed, limit) = (values.len() as u64, Op::MAX_RECORDED as u64);
            return Err(Error::Limit {
                what: "record".to_string(),
                needed,
                limit,
                unit: "figures",
            });
        }
        for &value in values {
            let shape = self.shape(value)?;
            if shape.len() != 1 {
                return Err(Error::shape("record", format!("a figure is one number, not {shape}")));
            }
        }
        // Inputs, parameters and reshaped slots cannot be recorded directly, so they are copied.
        let own = |program: &mut Self, value: &Slot| match program.slot(*value)?.place {
            Place::Value => Ok(*value),
            _ => program.copy("figure", *value),
        };
        let values = values.iter().map(|value| own(self, value)).collect::<Result<_>>()?;
        self.push(Op::Step(StepOp::Record { values }));
        Ok(())
    }

    /// The values recorded by a step: the slots of the last [`StepOp::Record`].
    #[doc(hidden)]
    pub fn recorded(&self) -> &[Slot] {
        self.ops()
            .iter()
            .rev()
            .find_map(|op| match op {
                Op::Step(StepOp::Record { values }) => Some(values.as_slice()),
                _ => None,
            })
            .unwrap_or_default()
    }
}
