//! Test programs of the family, each op with its backward.

use crate::error::Result;
use crate::ops::case::Case;
use crate::shape::Shape;

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    Ok(vec![rows()?])
}

/// Rows by index, some repeated and some out of range.
fn rows() -> Result<Case> {
    let mut case = Case::new("tensor.rows");
    let table = case.real(&[11, 24])?;
    let index = case.classes(&[3, 5], (0..15).map(|place| place * 7 % 13).collect())?;
    let program = &mut case.program;
    let y = program.gather_rows("y", table, index)?;
    program.gather_rows_backward("d table", Shape::new(&[11, 24])?, index, y)?;
    let numbers = vec![0.0, 3.0, -1.0, 2.5, 10.0, f32::NAN, 16_777_215.0, 16_777_216.0];
    let x = case.input(&[8], numbers)?;
    case.program.to_index("index", x)?;
    Ok(case)
}
