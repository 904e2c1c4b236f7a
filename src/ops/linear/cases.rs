//! Test programs of the family.

use crate::error::Result;
use crate::ir::Form;
use crate::ops::case::Case;
use crate::shape::Shape;

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    Form::ALL.into_iter().map(batched).chain([dense()]).collect()
}

/// A linear layer with a bias, and the gradient of the bias.
fn dense() -> Result<Case> {
    let mut case = Case::new("linear.dense");
    let (x, weight, bias) = (case.real(&[13, 5])?, case.real(&[7, 5])?, case.real(&[7])?);
    let y = case.program.matmul("y", x, weight, Form::NT)?;
    case.program.add_row(bias, y)?;
    let sum = case.program.value("d bias", Shape::new(&[7])?);
    case.program.sum_rows_into(y, sum)?;
    Ok(case)
}

/// Products with batch axes that broadcast.
fn batched(form: Form) -> Result<Case> {
    let mut case = Case::new(format!("matmul.{} batched", form.name()));
    let (left, right) = match form {
        Form::NN => ([17, 23], [23, 9]),
        Form::NT => ([17, 23], [9, 23]),
        Form::TN => ([23, 17], [23, 9]),
    };
    let a = case.real(&[2, 1, left[0], left[1]])?;
    let b = case.real(&[3, right[0], right[1]])?;
    let y = case.program.matmul("y", a, b, form)?;
    case.program.matmul_backward("dx", form, (a, b), y)?;
    Ok(case)
}
