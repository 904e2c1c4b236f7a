//! The gradient's rule.

use super::ArrangeOp;
use crate::error::Result;
use crate::program::{Gradients, Op, Program, Slot};
use crate::shape::{MAX_AXES, Shape};
use crate::spec::Reduce;
use crate::walk::{Strides, Walk};

impl ArrangeOp {
    /// Adds the ops that take the gradient back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match self {
            Self::Copy { x, out, walk, scale } => {
                // Copies to parts of one tensor go to different ones.
                let is_whole = walk.len() == program.shape(*out)?.len();
                let g = match is_whole {
                    true => grads.take(program, *out)?,
                    false => grads.get(program, *out)?,
                };
                let Some(g) = g else { return Ok(()) };
                if grads.needs(program, *x) {
                    let name = grads.name(program, *x);
                    let grad = copied(program, &name, (walk, *scale), *x, g)?;
                    grads.add(program, *x, grad)?;
                }
                Ok(())
            }
            Self::Fill { out, .. } => grads.take(program, *out).map(drop),
        }
    }
}

/// The elements of one of a walk's tensors, along some of its axes.
fn strides(walk: &Walk<2>, tensor: impl Fn([usize; 2]) -> usize, kept: &[usize]) -> Strides {
    let mut steps = [0; MAX_AXES];
    let axes = kept.iter().filter_map(|axis| walk.axes().get(*axis));
    steps.iter_mut().zip(axes).for_each(|(step, (_, of))| *step = tensor(*of));
    Strides { start: tensor(walk.starts()), steps }
}

/// dL/dx of a copy: what of dL/d(out) it wrote, summed where it read an element more than once, in the places it read.
fn copied(
    program: &mut Program,
    name: &str,
    (walk, scale): (&Walk<2>, f64),
    x: Slot,
    g: Slot,
) -> Result<Slot> {
    let extents: Vec<usize> = walk.axes().iter().map(|(extent, _)| *extent).collect();
    let (all, shape) = ((0..extents.len()).collect::<Vec<_>>(), program.shape(x)?);
    let copy = |program: &mut Program, x: Slot, out: Slot, seen: Shape, strides, scale| {
        let walk = Walk::new(seen, strides);
        program.push(Op::Arrange(ArrangeOp::Copy { x, out, walk, scale }));
    };
    let seen = Shape::new(&extents)?;
    let mut part = program.value(name, seen);
    let from = strides(walk, |[_, out]| out, &all);
    copy(program, g, part, seen, [from, Strides::of(seen)], scale);
    let is_repeated = |axis: &usize| walk.axes().get(*axis).is_some_and(|(_, [x, _])| *x == 0);
    let (repeated, kept): (Vec<usize>, Vec<usize>) = all.iter().partition(|axis| is_repeated(axis));
    if !repeated.is_empty() {
        let dims: Vec<isize> = repeated.iter().map(|axis| *axis as isize).collect();
        part = program.reduce(name, Reduce::Sum, part, &dims)?;
    }
    let (seen, to) = (program.shape(part)?, strides(walk, |[x, _]| x, &kept));
    if seen.len() == shape.len() && to == Strides::of(seen) {
        return program.reshape(name, part, shape);
    }
    let out = program.fill(name, shape, 0.0);
    copy(program, part, out, seen, [Strides::of(seen), to], 1.0);
    Ok(out)
}
