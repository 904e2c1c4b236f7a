//! Test programs of the family, each op with its backward.

use crate::error::Result;
use crate::ops::case::Case;
use crate::shape::Shape;

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    Ok(vec![arranged()?, repeated()?])
}

fn arranged() -> Result<Case> {
    let mut case = Case::new("tensor.arranged");
    let x = case.real(&[5, 7, 24])?;
    let program = &mut case.program;
    program.permute("permuted", x, &[2, 0, 1])?;
    program.transpose("transposed", x)?;
    let part = program.slice("part", x, 1, 2..6)?;
    program.slice_backward("whole", Shape::new(&[5, 7, 24])?, 1, 2..6, part)?;
    program.concatenate("joined", &[x, part, x], 1)?;
    program.scale("scaled", x, -2.5)?;
    let copy = program.copy("copy", x)?;
    let flat = program.reshape("flat", copy, Shape::new(&[35, 24])?)?;
    program.transpose("flat, transposed", flat)?;
    program.fill("filled", Shape::new(&[9, 11])?, 0.375);
    Ok(case)
}

fn repeated() -> Result<Case> {
    let mut case = Case::new("tensor.repeated");
    let x = case.real(&[5, 1, 24])?;
    let program = &mut case.program;
    let wide = program.broadcast_to("wide", x, Shape::new(&[3, 5, 7, 24])?)?;
    program.sum_to("sum", wide, Shape::new(&[5, 1, 24])?)?;
    let repeated = program.repeat("repeated", x, -1, 3)?;
    program.repeat_backward("dx", repeated, -1, 3)?;
    Ok(case)
}
