//! The ops, a folder per family: operands and names (`mod.rs`), program builders (`build.rs`), the CPU reference
//! (`cpu.rs`), kernels (`kernels.rs`), their dispatches (`gpu.rs`), gradient rules (`gradient.rs`), and test programs
//! (`cases.rs`).

pub(crate) mod activation;
pub(crate) mod arithmetic;
pub(crate) mod arrange;
pub(crate) mod case;
#[cfg(test)]
mod gradient_check;
pub(crate) mod index;
pub(crate) mod linear;
pub(crate) mod loss;
pub(crate) mod metric;
pub(crate) mod norm;
pub(crate) mod reduce;
pub(crate) mod scan;
pub(crate) mod step;
pub(crate) mod update;

pub(crate) use activation::ActivationOp;
pub(crate) use arithmetic::ArithmeticOp;
pub(crate) use arrange::ArrangeOp;
pub(crate) use index::IndexOp;
pub(crate) use linear::LinearOp;
pub(crate) use loss::LossOp;
pub(crate) use metric::MetricOp;
pub(crate) use norm::NormOp;
pub(crate) use reduce::ReduceOp;
pub(crate) use scan::ScanOp;
pub(crate) use step::StepOp;
pub use update::UpdateOp;

use case::Case;

use crate::engine::cpu::Memory;
use crate::engine::gpu::kernel::Kernel;
use crate::engine::gpu::lower::Lowering;
use crate::error::Result;
use crate::ir::{Gradients, Op, Program};
use crate::spec::Real;

impl Op {
    /// Runs the op on the CPU reference.
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        match self {
            Self::Step(op) => op.run(memory),
            Self::Linear(op) => op.run(memory),
            Self::Activation(op) => op.run(memory),
            Self::Norm(op) => op.run(memory),
            Self::Arithmetic(op) => op.run(memory),
            Self::Arrange(op) => op.run(memory),
            Self::Reduce(op) => op.run(memory),
            Self::Scan(op) => op.run(memory),
            Self::Index(op) => op.run(memory),
            Self::Loss(op) => op.run(memory),
            Self::Metric(op) => op.run(memory),
            Self::Update(op) => op.run(memory),
        }
    }

    /// Adds the ops that propagate gradients back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match self {
            Self::Step(op) => op.gradient(program, grads),
            Self::Linear(op) => op.gradient(program, grads),
            Self::Activation(op) => op.gradient(program, grads),
            Self::Norm(op) => op.gradient(program, grads),
            Self::Arithmetic(op) => op.gradient(program, grads),
            Self::Arrange(op) => op.gradient(program, grads),
            Self::Reduce(op) => op.gradient(program, grads),
            Self::Scan(op) => op.gradient(program, grads),
            Self::Index(op) => op.gradient(program, grads),
            Self::Loss(op) => op.gradient(program, grads),
            Self::Metric(op) => op.gradient(program, grads),
            Self::Update(op) => op.gradient(program, grads),
        }
    }

    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            Self::Step(op) => op.lower(lowering),
            Self::Linear(op) => op.lower(lowering),
            Self::Activation(op) => op.lower(lowering),
            Self::Norm(op) => op.lower(lowering),
            Self::Arithmetic(op) => op.lower(lowering),
            Self::Arrange(op) => op.lower(lowering),
            Self::Reduce(op) => op.lower(lowering),
            Self::Scan(op) => op.lower(lowering),
            Self::Index(op) => op.lower(lowering),
            Self::Loss(op) => op.lower(lowering),
            Self::Metric(op) => op.lower(lowering),
            Self::Update(op) => op.lower(lowering),
        }
    }
}

/// All kernels whose source does not depend on the device.
pub(crate) fn kernels() -> Vec<Kernel> {
    let families = [
        activation::kernels::all(),
        arithmetic::kernels::all(),
        arrange::kernels::all(),
        index::kernels::all(),
        linear::kernels::all(),
        loss::kernels::all(),
        metric::kernels::all(),
        norm::kernels::all(),
        reduce::kernels::all(),
        scan::kernels::all(),
        step::kernels::all(),
        update::kernels::all(),
    ];
    families.into_iter().flatten().collect()
}

/// Test programs of further variants of kernels.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn variants() -> Result<Vec<Case>> {
    let families =
        [activation::cases::variants()?, loss::cases::variants()?, norm::cases::variants()?];
    Ok(families.into_iter().flatten().collect())
}

/// Test programs that cover every op.
pub(crate) fn cases() -> Result<Vec<Case>> {
    let families = [
        activation::cases::all()?,
        arithmetic::cases::all()?,
        arrange::cases::all()?,
        index::cases::all()?,
        linear::cases::all()?,
        loss::cases::all()?,
        metric::cases::all()?,
        norm::cases::all()?,
        reduce::cases::all()?,
        scan::cases::all()?,
        step::cases::all()?,
        update::cases::all()?,
    ];
    Ok(families.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The number of an op. A new op does not compile before it is listed here, nor pass before it has a case.
    fn member(op: &Op) -> u32 {
        match op {
            Op::Step(StepOp::Gather { .. }) => 0,
            Op::Step(StepOp::Record { .. }) => 1,
            Op::Linear(LinearOp::MatMul { .. }) => 2,
            Op::Linear(LinearOp::AddRow { .. }) => 3,
            Op::Linear(LinearOp::SumRows { .. }) => 4,
            Op::Activation(ActivationOp::Forward { .. }) => 5,
            Op::Activation(ActivationOp::Backward { .. }) => 6,
            Op::Activation(ActivationOp::Parametric { .. }) => 7,
            Op::Activation(ActivationOp::ParametricBackward { .. }) => 8,
            Op::Norm(NormOp::Forward { .. }) => 9,
            Op::Norm(NormOp::Track { .. }) => 10,
            Op::Norm(NormOp::Evaluate { .. }) => 11,
            Op::Norm(NormOp::Backward { .. }) => 12,
            Op::Arithmetic(ArithmeticOp { .. }) => 13,
            Op::Arrange(ArrangeOp::Copy { .. }) => 14,
            Op::Arrange(ArrangeOp::Fill { .. }) => 15,
            Op::Reduce(ReduceOp::Forward { .. }) => 16,
            Op::Reduce(ReduceOp::Backward { .. }) => 17,
            Op::Index(IndexOp::GatherRows { .. }) => 18,
            Op::Index(IndexOp::ScatterAdd { .. }) => 19,
            Op::Index(IndexOp::ToIndex { .. }) => 20,
            Op::Loss(LossOp::Loss { .. }) => 21,
            Op::Loss(LossOp::RowWeights { .. }) => 22,
            Op::Loss(LossOp::OneHot { .. }) => 23,
            Op::Loss(LossOp::CheckClasses { .. }) => 24,
            Op::Metric(MetricOp { .. }) => 25,
            Op::Update(UpdateOp::Penalty { .. }) => 26,
            Op::Update(UpdateOp::ClipValue { .. }) => 27,
            Op::Update(UpdateOp::ClipNorm { .. }) => 28,
            Op::Update(UpdateOp::ClipEach { .. }) => 29,
            Op::Update(UpdateOp::GradientNoise { .. }) => 30,
            Op::Update(UpdateOp::Accumulate { .. }) => 31,
            Op::Update(UpdateOp::SkipNotFinite { .. }) => 32,
            Op::Update(UpdateOp::Average { .. }) => 33,
            Op::Update(UpdateOp::Direction { .. }) => 34,
            Op::Update(UpdateOp::Update { .. }) => 35,
            Op::Scan(ScanOp { .. }) => 36,
        }
    }

    #[test]
    fn every_op_has_a_case() {
        let cases = cases().unwrap();
        let seen = cases.iter().flat_map(|case| case.program.ops()).map(member);
        let seen: BTreeSet<u32> = seen.collect();
        let missing: Vec<u32> = (0..37).filter(|member| !seen.contains(member)).collect();
        assert!(missing.is_empty(), "no case of {missing:?}");
    }
}
