//! Test programs of the family, each op with its backward.

use crate::error::Result;
use crate::ir::DType;
use crate::ops::case::{Case, draw};
use crate::shape::Shape;
use crate::spec::Normalization;
use crate::spec::loss::Domain;

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    kinds().map(|f| normalization(f, 24)).into_iter().collect()
}

/// Cases of further kernels: rows that are long, or not a multiple of four.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn variants() -> Result<Vec<Case>> {
    kinds().into_iter().flat_map(|f| [25, 41, 44].map(|cols| normalization(f, cols))).collect()
}

fn kinds() -> [Normalization; 3] {
    [Normalization::layer_norm(), Normalization::rms_norm(), Normalization::batch_norm()]
}

fn normalization(f: Normalization, cols: usize) -> Result<Case> {
    let mut case = Case::new(format!("norm.{} [13, {cols}]", f.name()));
    let (x, weight, bias) = (case.real(&[13, cols])?, case.real(&[cols])?, case.real(&[cols])?);
    let grad = case.real(&[13, cols])?;
    let d_weight = case.program.input("d weight", Shape::new(&[cols])?, DType::F32);
    case.program.normalize("plain", f, x, None, None)?;
    case.program.normalize("y", f, x, Some(weight), Some(bias))?;
    case.program.normalize_backward("dx", f, (x, Some(weight)), grad, Some(d_weight))?;
    if f.is_across_rows() {
        let mean = case.real(&[cols])?;
        let variance = case.input(&[cols], draw(Domain::Positive, 9, cols))?;
        case.program.track_norm(f, x, [mean, variance])?;
        let affine = (Some(weight), Some(bias));
        case.program.normalize_by("evaluated", f, x, [mean, variance], affine)?;
    }
    Ok(case)
}
