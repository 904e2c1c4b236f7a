//! The GPU dispatches.

use super::NormOp;
use super::kernels::{self, Affine};
use crate::engine::gpu::kernel::{Kernel, Lanes};
use crate::engine::gpu::lower::{Call, Lowering, ROW, groups};
use crate::error::Result;
use crate::ir::Slot;
use crate::spec::Normalization;

impl NormOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            NormOp::Forward { f, x, weight, bias, out } => {
                let affine = Affine { weight: weight.is_some(), bias: bias.is_some() };
                let kernel = |lanes| kernels::forward(f.kind(), lanes, affine);
                let call = lines(lowering, kernel, f, *x)?.bind("y", &lowering.region(*out)?);
                lowering.push(bind_affine(lowering, call, *weight, *bias)?)
            }
            NormOp::Track { f, x, running: [mean, variance] } => {
                let call = lines(lowering, |lanes| kernels::track(f.kind(), lanes), f, *x)?
                    .bind("mean", &lowering.region(*mean)?)
                    .bind("variance", &lowering.region(*variance)?);
                lowering.push(call)
            }
            NormOp::Evaluate { f, x, running: [mean, variance], weight, bias, out } => {
                let affine = Affine { weight: weight.is_some(), bias: bias.is_some() };
                let shape = lowering.shape(*x)?;
                let call = lowering
                    .call(kernels::evaluate(affine))
                    .bind("x", &lowering.region(*x)?)
                    .bind("mean", &lowering.region(*mean)?)
                    .bind("variance", &lowering.region(*variance)?)
                    .bind("y", &lowering.region(*out)?)
                    .fields([("len", shape.len()), ("cols", shape.cols())])
                    .hyper([("eps", f.epsilon())])
                    .groups(groups(shape.len(), 64))
                    .flops(shape.len() as u64);
                lowering.push(bind_affine(lowering, call, *weight, *bias)?)
            }
            NormOp::Backward { f, x, weight, grad_out, grad_in, grad_weight } => {
                let shape = lowering.shape(*x)?;
                let terms = lowering.scratch(shape.len())?;
                let kernel = |lanes| kernels::backward(f.kind(), lanes, weight.is_some());
                let call = lines(lowering, kernel, f, *x)?
                    .bind("grad_out", &lowering.region(*grad_out)?)
                    .bind("grad_in", &lowering.region(*grad_in)?)
                    .bind("terms", &terms);
                lowering.push(bind_affine(lowering, call, *weight, None)?)?;
                let Some(grad_weight) = grad_weight else { return Ok(()) };
                let out = lowering.region(*grad_weight)?;
                lowering.sum_blocks(terms, shape.rows(), shape.cols(), out)
            }
        }
    }
}

/// Binds the weight and the bias, if any.
fn bind_affine(
    lowering: &Lowering<'_>,
    call: Call,
    weight: Option<Slot>,
    bias: Option<Slot>,
) -> Result<Call> {
    let region = |slot: Option<Slot>| slot.map(|slot| lowering.region(slot)).transpose();
    let (weight, bias) = (region(weight)?, region(bias)?);
    Ok(call.bind_some("weight", weight.as_ref()).bind_some("bias", bias.as_ref()))
}

/// A call of a kernel over the lines of x, with x bound.
fn lines(
    lowering: &Lowering<'_>,
    kernel: impl Fn(Lanes) -> Kernel,
    f: &Normalization,
    x: Slot,
) -> Result<Call> {
    let shape = lowering.shape(x)?;
    let (rows, cols) = (shape.rows(), shape.cols());
    let [lines, length, inner] =
        if f.is_across_rows() { [cols, rows, cols] } else { [rows, cols, 1] };
    // One loop writes one element at a time.
    let lanes = lowering.row_lanes(f.name(), lines, length, 2)?;
    let per_sample = rows / shape.axis(0).unwrap_or(1).max(1);
    // Without rows there is nothing to normalize.
    let count = if rows == 0 { 0 } else { groups(lines, ROW / lanes) };
    Ok(lowering
        .call(kernel(lowering.reduction_scope(lanes)))
        .bind("x", &lowering.region(x)?)
        .fields([("rows", lines), ("cols", length), ("inner", inner), ("lanes", lanes)])
        .fields([("key0", 0u32), ("key1", 0)])
        .hyper([("eps", f.epsilon()), ("per_sample", per_sample as f64), ("momentum", f.step())])
        .groups(count)
        .flops(8 * shape.len() as u64))
}
