//! Gradient rules.

use super::ArrangeOp;
use crate::error::Result;
use crate::ir::{Gradients, Program, Slot};
use crate::shape::{MAX_AXES, Shape};
use crate::spec::Reduce;
use crate::walk::{Strides, Walk};

impl ArrangeOp {
    /// Adds the ops that propagate gradients back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match self {
            Self::Copy { x, out, walk, scale } => {
                // Copies to parts of one tensor write different elements.
                let is_whole = walk.len() == program.shape(*out)?.len();
                let g = match is_whole {
                    true => grads.take(program, *out)?,
                    false => grads.get(program, *out)?,
                };
                let Some(g) = g else { return Ok(()) };
                if grads.needs(program, *x) {
                    copied(program, grads, (walk, *scale), *x, g)?;
                }
                Ok(())
            }
            Self::Fill { out, .. } => grads.take(program, *out).map(drop),
        }
    }
}

/// The strides of one tensor of a walk, along some of its axes.
fn strides(walk: &Walk<2>, tensor: impl Fn([usize; 2]) -> usize, kept: &[usize]) -> Strides {
    let mut steps = [0; MAX_AXES];
    let axes = kept.iter().filter_map(|axis| walk.axes().get(*axis));
    steps.iter_mut().zip(axes).for_each(|(step, (_, of))| *step = tensor(*of));
    Strides { start: tensor(walk.starts()), steps }
}

/// Adds dL/dx of a copy: the part of dL/d(out) that it wrote, at the elements it read, summed over repeated reads of an
/// element.
fn copied(
    program: &mut Program,
    grads: &mut Gradients,
    (walk, scale): (&Walk<2>, f64),
    x: Slot,
    g: Slot,
) -> Result<()> {
    let (name, extents) = (grads.name(program, x), walk.axes().iter().map(|(extent, _)| *extent));
    let seen = Shape::new(&extents.collect::<Vec<_>>())?;
    let all: Vec<usize> = (0..seen.rank()).collect();
    let from = strides(walk, |[_, out]| out, &all);
    let is_all = seen.len() == program.shape(g)?.len() && from == Strides::of(seen);
    let mut part = match is_all && scale == 1.0 {
        true => program.reshape(&name, g, seen)?,
        false => {
            let part = program.value(&name, seen);
            program.push_copy(g, part, Walk::new(seen, [from, Strides::of(seen)]), scale);
            part
        }
    };
    let is_repeated = |axis: &usize| walk.axes().get(*axis).is_some_and(|(_, [x, _])| *x == 0);
    let (repeated, kept): (Vec<usize>, Vec<usize>) = all.iter().partition(|axis| is_repeated(axis));
    if !repeated.is_empty() {
        let dims: Vec<isize> = repeated.iter().map(|axis| *axis as isize).collect();
        part = program.reduce(&name, Reduce::Sum, part, &dims)?;
    }
    let (seen, to) = (program.shape(part)?, strides(walk, |[x, _]| x, &kept));
    if seen.len() == program.shape(x)?.len() && to == Strides::of(seen) {
        return grads.add(program, x, part);
    }
    grads.add_part(program, x, part, Walk::new(seen, [Strides::of(seen), to]))
}
