//! The CPU reference.

use super::IndexOp;
use crate::engine::cpu::Memory;
use crate::error::Result;
use crate::spec::Real;

impl IndexOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        match self {
            Self::GatherRows { table, index, out, cols } => memory.write(*out, |memory, out| {
                let (table, cols) = (memory.read(*table)?, *cols);
                let rows = memory.indices(*index).iter().map(|row| *row as usize);
                for (row, out) in rows.zip(out.chunks_mut(cols.max(1))) {
                    match table.get(row * cols..(row + 1) * cols) {
                        Some(found) => out.copy_from_slice(found),
                        None => out.fill(F::zero()),
                    }
                }
                Ok(())
            }),
            Self::ScatterAdd { x, index, out, cols } => memory.write(*out, |memory, out| {
                let (x, cols) = (memory.read(*x)?, *cols);
                let rows = memory.indices(*index).iter().map(|row| *row as usize);
                for (row, x) in rows.zip(x.chunks(cols.max(1))) {
                    // A row that is not in the table adds nothing.
                    let own = out.chunks_mut(cols.max(1)).nth(row).into_iter().flatten();
                    own.zip(x).for_each(|(out, x)| *out = *out + *x);
                }
                Ok(())
            }),
            Self::ToIndex { x, out } => memory.write_indices(*out, |memory, out| {
                let pairs = out.iter_mut().zip(memory.read(*x)?);
                pairs.for_each(|(place, x)| *place = to_index(x.as_f64()));
                Ok(())
            }),
        }
    }
}

/// Converts a value to an index.
fn to_index(x: f64) -> u32 {
    let is_index = x >= 0.0 && x < f64::from(1 << 24) && x.fract() == 0.0;
    if is_index { x as u32 } else { u32::MAX }
}
