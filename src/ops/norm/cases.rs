//! Test programs of the family, each op with its backward.

use crate::error::Result;
use crate::ir::DType;
use crate::ops::case::{Case, draw};
use crate::shape::Shape;
use crate::spec::Normalization;
use crate::spec::loss::Domain;

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    let kinds =
        [Normalization::layer_norm(), Normalization::rms_norm(), Normalization::batch_norm()];
    kinds.into_iter().map(normalization).collect()
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
