//! Test programs of the family, each op with its backward.

use crate::error::Result;
use crate::ops::case::Case;
use crate::spec::Arithmetic;

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    Arithmetic::ALL.into_iter().map(arithmetic).collect()
}

/// Operands of equal shapes, and of shapes that broadcast.
fn arithmetic(f: Arithmetic) -> Result<Case> {
    let mut case = Case::new(format!("tensor.{}", f.name()));
    let (a, row) = (case.real(&[13, 24])?, case.real(&[24])?);
    let (other, col) = (case.real(&[13, 24])?, case.real(&[13, 1])?);
    for (a, b) in [(a, other), (a, row), (col, row)] {
        let y = case.program.arithmetic("y", f, a, b)?;
        case.program.arithmetic_backward("dx", f, (a, b), y)?;
    }
    if f == Arithmetic::Add {
        case.program.axpy("axpy", -0.75, a, row)?;
        case.program.dot("dot", a, other)?;
    }
    Ok(case)
}
