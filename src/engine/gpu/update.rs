//! An optimizer's update alone, over tensors in buffers of the caller.

use super::memory::{Region, View, check_place};
use super::{Gpu, Plan, PlanWeights};
use crate::error::Result;
use crate::ir::{Program, Slot, StepRule};
use crate::spec::Optimizer;

/// A program of one update, which is copied its parameters and gradients and copies the parameters back.
#[derive(Debug)]
pub(crate) struct UpdatePlan {
    plan: Plan,
    weights: PlanWeights,
}

impl UpdatePlan {
    pub(crate) fn new(
        gpu: &Gpu,
        program: Program,
        optimizer: &Optimizer,
        rule: impl StepRule + Send + Sync + 'static,
    ) -> Result<Self> {
        let weights = PlanWeights::new(gpu, program.params(), Some(optimizer), 0)?;
        let plan = Plan::ruled(gpu, program, Some(&weights), &[], 0, Box::new(rule))?;
        Ok(Self { plan, weights })
    }

    /// Records an update of tensors, each given with its gradient, of the shapes of the program's parameters.
    ///
    /// # Errors
    /// As [`Plan::encode`]; [`Error::Unsupported`](crate::Error::Unsupported) if a buffer's usage does not include the
    /// copies, [`Error::Limit`](crate::Error::Limit) if a tensor does not lie within its buffer.
    pub(crate) fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        tensors: &[[View; 2]],
        loss: Option<(Slot, f32)>,
    ) -> Result<()> {
        tensors.iter().try_for_each(|[param, grad]| check(param, grad))?;
        for (index, [param, grad]) in tensors.iter().enumerate() {
            copy(encoder, param, &param.region, &self.weights.param(index)?);
            copy(encoder, grad, &grad.region, &self.weights.grad(index)?);
        }
        if let Some((slot, value)) = loss {
            self.plan.upload(encoder, slot, &[value])?;
        }
        self.plan.encode(encoder, 1)?;
        for (index, [param, _]) in tensors.iter().enumerate() {
            copy(encoder, param, &self.weights.param(index)?, &param.region);
        }
        Ok(())
    }

    /// Records and submits an update.
    pub(crate) fn run(&mut self, tensors: &[[View; 2]], loss: Option<(Slot, f32)>) -> Result<()> {
        self.plan.make_room(1)?;
        let (gpu, name) = (self.plan.gpu().clone(), self.plan.program().name().to_string());
        gpu.submit(&name, |encoder| self.encode(encoder, tensors, loss)).map(drop)
    }
}

/// Fails unless the buffers of a parameter and its gradient have room and the usages of the copies.
fn check(param: &View, grad: &View) -> Result<()> {
    let (read, write) = (wgpu::BufferUsages::COPY_SRC, wgpu::BufferUsages::COPY_DST);
    let check = |what, View { region, shape, .. }: &View, usage| {
        check_place(what, &region.buffer, region.offset, 4 * shape.len() as u64, usage)
    };
    check("a parameter", param, read | write)?;
    check("a gradient", grad, read)
}

/// Records the copy of a tensor's elements.
fn copy(encoder: &mut wgpu::CommandEncoder, tensor: &View, from: &Region, to: &Region) {
    let bytes = 4 * tensor.shape.len() as u64;
    if bytes > 0 {
        encoder.copy_buffer_to_buffer(&from.buffer, from.offset, &to.buffer, to.offset, bytes);
    }
}
