//! The CPU reference.

use super::ArrangeOp;
use crate::engine::cpu::Memory;
use crate::error::Result;
use crate::spec::Real;
use crate::walk::{at, put};

impl ArrangeOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        match self {
            Self::Copy { x, out, walk, .. } if memory.holds_indices(*x)? => {
                memory.write_indices(*out, |memory, out| {
                    let x = memory.indices(*x);
                    walk.each(|[from, to]| put(out, to, at(x, from)));
                    Ok(())
                })
            }
            Self::Copy { x, out, walk, scale } => memory.write(*out, |memory, out| {
                let (x, scale) = (memory.read(*x)?, F::of(*scale));
                walk.each(|[from, to]| put(out, to, at(x, from) * scale));
                Ok(())
            }),
            Self::Fill { out, value } => {
                memory.place(*out)?.fill(F::of(*value));
                Ok(())
            }
        }
    }
}
