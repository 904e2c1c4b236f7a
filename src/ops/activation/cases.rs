//! Test programs of the family.

use crate::error::Result;
use crate::ir::DType;
use crate::ops::case::{COLS, Case, ROWS};
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::Activation;
#[cfg(not(target_family = "wasm"))]
use crate::spec::activation::ActivationKind;

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    Activation::all().map(|f| activation(f, COLS)).collect()
}

/// Cases of further kernels of functions of rows: rows that are long, or not a multiple of four.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn variants() -> Result<Vec<Case>> {
    let of_rows = Activation::all().filter(|f| matches!(f.entry().kind, ActivationKind::Row(_)));
    of_rows.flat_map(|f| [25, 41, 44].map(|cols| activation(f, cols))).collect()
}

fn activation(f: Activation, cols: usize) -> Result<Case> {
    let mut case = Case::new(format!("activation.{f} [{ROWS}, {cols}]"));
    let x = case.real(&[ROWS, cols])?;
    let grad = case.real(&[ROWS, f.output_len(cols)?])?;
    if let Some(values) = f.initial_weights(cols) {
        let per_channel = if values.len() % cols == 0 { cols } else { 1 };
        let extents = match values.len() / per_channel {
            1 => vec![per_channel],
            numbers => vec![numbers, per_channel],
        };
        let values = values.into_iter().map(|value| value as f32).collect();
        let weight = case.input(&extents, values)?;
        let d_weight = case.program.input("d weight", Shape::new(&extents)?, DType::F32);
        case.program.parametric("y", f, x, weight)?;
        case.program.parametric_backward("dx", f, (x, weight), grad, d_weight)?;
        return Ok(case);
    }
    let key = Key::new(7, Stream::Dropout(0));
    let y = case.program.activation_in_training("y", f, key, x)?;
    case.program.activation_in_training_backward("dx", f, key, (x, y), grad)?;
    if f.has_second() {
        case.program.activation_second("second", f, (x, y), grad)?;
    }
    Ok(case)
}
