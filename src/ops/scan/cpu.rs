//! The CPU reference.

use super::{BLOCK, ScanOp};
use crate::engine::cpu::Memory;
use crate::error::Result;
use crate::spec::Real;
use crate::walk::{at, put};

impl ScanOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        let [outer, along, inner] = self.split;
        memory.write(self.out, |memory, out| {
            let x = memory.read(self.x)?;
            for row in 0..outer * inner {
                let start = row / inner * along * inner + row % inner;
                let mut before = F::zero();
                for (first, last) in blocks(along, self.reversed) {
                    let mut sum = F::zero();
                    for step in 0..=last - first {
                        let i = if self.reversed { last - step } else { first + step };
                        sum = sum + at(x, start + i * inner);
                        put(out, start + i * inner, before + sum);
                    }
                    before = before + sum;
                }
            }
            Ok(())
        })
    }
}

/// The first and last element of each block, in the order of the sums.
fn blocks(along: usize, reversed: bool) -> impl Iterator<Item = (usize, usize)> {
    let count = along.div_ceil(BLOCK);
    (0..count).map(move |number| {
        let first = BLOCK * if reversed { count - 1 - number } else { number };
        (first, (first + BLOCK).min(along) - 1)
    })
}
