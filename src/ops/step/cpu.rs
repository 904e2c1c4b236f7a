//! The CPU reference.

use super::StepOp;
use crate::engine::cpu::Memory;
use crate::error::Result;
use crate::ir::StepEntry;
use crate::random::Key;
use crate::spec::Real;

impl StepOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        let entry = memory.entry;
        match self {
            Self::Gather { data, out, shuffle } if memory.holds_indices(*out)? => memory
                .write_indices(*out, |memory, out| {
                    gather(memory.indices(*data), out, 1, *shuffle, entry);
                    Ok(())
                }),
            Self::Gather { data, out, shuffle } => {
                let shape = memory.program.shape(*out)?;
                let cols = if shape.rank() == 1 { 1 } else { shape.cols() };
                memory.write(*out, |memory, out| {
                    gather(memory.read(*data)?, out, cols, *shuffle, entry);
                    Ok(())
                })
            }
            Self::Record { values } => {
                let figures = values.iter().map(|slot| {
                    let figure = memory.read(*slot)?.first().map_or(0.0, |x| x.as_f64());
                    Ok(figure as f32)
                });
                let figures = figures.collect::<Result<_>>()?;
                memory.progress.end(figures);
                Ok(())
            }
        }
    }
}

fn gather<T: Copy + Default>(
    data: &[T],
    out: &mut [T],
    cols: usize,
    shuffle: Option<Key>,
    entry: &StepEntry,
) {
    for (row, out) in out.chunks_mut(cols.max(1)).enumerate() {
        if row >= entry.rows as usize {
            out.fill(T::default());
            continue;
        }
        let position = entry.start + row as u32;
        let source = shuffle.map_or(position, |key| key.permute(entry.epoch, position, entry.total))
            as usize;
        match data.get(source * cols..(source + 1) * cols) {
            Some(data) => out.copy_from_slice(data),
            None => out.fill(T::default()),
        }
    }
}
