//! The CPU reference.

use super::ArithmeticOp;
use crate::engine::cpu::Memory;
use crate::error::Result;
use crate::spec::{Arithmetic, Real};
use crate::walk::{Walk, at, put};

impl ArithmeticOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        let Self { f, alpha, a, b, out, walk } = self;
        memory.write(*out, |memory, out| {
            arithmetic(*f, F::of(*alpha), memory.read(*a)?, memory.read(*b)?, out, walk);
            Ok(())
        })
    }
}

fn arithmetic<F: Real>(f: Arithmetic, alpha: F, a: &[F], b: &[F], out: &mut [F], walk: &Walk<3>) {
    let combine = |a: F, b: F| match f {
        Arithmetic::Add => a + b,
        Arithmetic::Sub => a - b,
        Arithmetic::Mul => a * b,
        Arithmetic::Div => a / b,
    };
    if walk.axes() == [(out.len(), [1; 3])] {
        let operands = a.iter().zip(b);
        out.iter_mut().zip(operands).for_each(|(out, (&a, &b))| *out = combine(alpha * a, b));
    } else {
        walk.each(|[i, j, to]| put(out, to, combine(alpha * at(a, i), at(b, j))));
    }
}
