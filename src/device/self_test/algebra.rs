//! Programs of the ops on tensors, each with its backward.

use super::cases::{Case, draw};
use crate::error::Result;
use crate::program::{DType, Form, Slot};
use crate::shape::Shape;
use crate::spec::loss::Domain;
use crate::spec::{Arithmetic, Normalization, Reduce};

/// Every case.
pub(super) fn all() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for f in Arithmetic::ALL {
        cases.push(arithmetic(f)?);
    }
    for f in Reduce::ALL {
        cases.push(reduction(f)?);
    }
    cases.extend([arranged()?, repeated()?, rows()?]);
    for form in [Form::NN, Form::NT, Form::TN] {
        cases.push(batched(form)?);
    }
    let kinds = [Normalization::layer_norm(), Normalization::rms_norm()];
    for f in kinds.into_iter().chain([Normalization::batch_norm()]) {
        cases.push(normalization(f)?);
    }
    Ok(cases)
}

/// Of equal shapes, and of shapes that repeat.
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

/// Along the last axis, one in the middle, and all of them; a long one, too, which takes several passes.
fn reduction(f: Reduce) -> Result<Case> {
    let mut case = Case::new(format!("tensor.{}", f.name()));
    let (x, long) = (case.real(&[5, 13, 40])?, case.real(&[3, 5000])?);
    let ways: [(Slot, &[isize]); 4] = [(x, &[-1]), (x, &[1]), (x, &[]), (long, &[1])];
    for (x, dims) in ways {
        let y = case.program.reduce("y", f, x, dims)?;
        if f.check_gradient().is_ok() {
            let extents = case.program.shape(y)?.to_vec();
            let grad = case.real(&extents)?;
            case.program.reduce_backward("dx", f, (x, y), grad, dims)?;
        }
    }
    Ok(case)
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

/// Rows by index, some more than once and one that is none.
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

/// Products with batch axes that repeat.
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

fn normalization(f: Normalization) -> Result<Case> {
    let mut case = Case::new(format!("norm.{}", f.name()));
    let (x, weight, bias) = (case.real(&[13, 24])?, case.real(&[24])?, case.real(&[24])?);
    let grad = case.real(&[13, 24])?;
    let d_weight = case.program.input("d weight", Shape::new(&[24])?, DType::F32);
    case.program.normalize("plain", f, x, None, None)?;
    case.program.normalize("y", f, x, Some(weight), Some(bias))?;
    case.program.normalize_backward("dx", f, (x, Some(weight)), grad, Some(d_weight))?;
    if f.is_across_rows() {
        let mean = case.real(&[24])?;
        let variance = case.input(&[24], draw(Domain::Positive, 9, 24))?;
        case.program.track_norm(f, x, [mean, variance])?;
        let affine = (Some(weight), Some(bias));
        case.program.normalize_by("evaluated", f, x, [mean, variance], affine)?;
    }
    Ok(case)
}
