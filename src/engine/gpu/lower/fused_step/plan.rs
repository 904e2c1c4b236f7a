//! The plan of a fused step: whether a step can be fused, and its tiles.

use super::chain::{Judged, LayerChain};
use super::{FusedStepPlan, Split};
use crate::engine::gpu::choice::{Choices, Class, Fusion};
use crate::engine::gpu::kernel::fused_step::{
    FusedStep, Layer, MOST_RECORDED, Parts, PlacedLayer, RowSource, WorkgroupBudget, place,
};
use crate::engine::gpu::lower::joins::{Joined, ReadCounts};
use crate::engine::gpu::lower::turns;
use crate::engine::gpu::memory::Region;
use crate::engine::gpu::{Gpu, PlanWeights, View};
use crate::error::Result;
use crate::ir::{Form, Op, Operand, Place, Program, Slot};
use crate::ops::{StepOp, UpdateOp};
use crate::shape::PAD;
use crate::spec::Optimizer;
use crate::spec::optimizer::Takes;

/// The widest layer that is worth a whole step.
const MOST_COLUMNS: usize = 128;
/// The most bytes of partial gradients.
const MOST_PARTIAL: u64 = 64 << 20;
/// llvmpipe ends an invocation's loops after 65 535 turns in all.
const MOST_TURNS: u64 = 50_000;

/// A device and what a plan on it works on.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub gpu: &'a Gpu,
    pub program: &'a Program,
    pub readers: &'a ReadCounts,
    pub weights: Option<&'a PlanWeights>,
    pub views: &'a [(Slot, View)],
}

impl Site<'_> {
    /// The plan of the chain that begins with an op.
    pub(crate) fn plan(self, start: usize) -> Judged<FusedStepPlan> {
        let Self { gpu, program, readers, weights, views } = self;
        let chain = LayerChain::of(program, start)?;
        let Choices { class, fusion, .. } = gpu.choices();
        if !chain.is_whole && (!class.joins() || fusion == Fusion::Whole || !views.is_empty()) {
            return Err("it does not begin with a layer".into());
        }
        let weights = weights.ok_or("there are no parameters")?;
        if chain.figures.iter().any(|(slot, _)| !program.recorded().contains(slot)) {
            return Err("the loss or a metric is not recorded".into());
        }
        if chain.figures.len() > MOST_RECORDED as usize {
            let count = chain.figures.len();
            return Err(format!("{count} recorded values; the most is {MOST_RECORDED}").into());
        }
        // WebGPU refuses a dispatch that reads and writes one buffer.
        if let Some(slot) = chain.emits
            && program.slot(slot)?.base(slot) == program.slot(chain.x.data)?.base(chain.x.data)
        {
            return Err("the gradient by the input lies where the input does".into());
        }
        let whole = self.first_dispatch(&chain, weights)?;
        // The figures' buffer is the one that the update binds.
        let recorded = views.iter().any(|(slot, _)| program.recorded().contains(slot));
        let simple = |optimizer: &Optimizer| optimizer.states().len() <= 2 && !recorded;
        let optimizer = alone(program, &chain).filter(simple);
        let own = 5 + usize::from(whole.weighted) + usize::from(whole.emits);
        let buffers = own.max(6 + optimizer.map_or(0, |optimizer| optimizer.states().len()));
        let most = gpu.limits().max_storage_buffers_per_shader_stage as usize;
        if buffers > most {
            return Err(format!("{buffers} storage buffers in a kernel; the most is {most}").into());
        }
        let mut plan = FusedStepPlan { chain, whole, optimizer, splits: Vec::new() };
        if plan.optimizer.is_some() {
            plan.splits = splits(gpu, program, readers, weights, &plan)?;
        }
        let hidden = plan.hidden(program);
        if views.iter().any(|(slot, _)| hidden.contains(slot)) {
            return Err("a view of what is never stored".into());
        }
        Ok(plan)
    }

    /// The number of rows that the targets are gathered from, and whether the inputs are already those of the batch.
    fn rows(self, chain: &LayerChain) -> Judged<(usize, bool)> {
        let rows = |of: RowSource| -> Result<usize> {
            let shape = self.program.shape(of.data)?;
            Ok(if shape.rank() == 1 { shape.len() } else { shape.rows() })
        };
        let target = chain.target.from;
        let data_rows = rows(target)?;
        let same =
            |other: RowSource| (other.chosen, other.shuffle) == (target.chosen, target.shuffle);
        let apart = !same(chain.x) && !chain.x.chosen;
        for other in chain.weight.into_iter().chain((!apart).then_some(chain.x)) {
            if rows(other)? != data_rows || !same(other) {
                return Err("inputs and targets are chosen in different ways".into());
            }
        }
        Ok((data_rows, apart))
    }

    /// Returns whether parameters can be bound as a uniform buffer.
    fn is_uniform(self, base: usize, params: usize, region: &Region) -> bool {
        let limits = self.gpu.limits();
        let offset = region.offset + 4 * base as u64;
        4 * params as u64 <= limits.max_uniform_buffer_binding_size
            && limits.max_uniform_buffers_per_shader_stage >= 2
            && offset.is_multiple_of(limits.min_uniform_buffer_offset_alignment.max(1).into())
            && region.buffer.usage().contains(wgpu::BufferUsages::UNIFORM)
    }

    fn first_dispatch(self, chain: &LayerChain, weights: &PlanWeights) -> Judged<FusedStep> {
        let Self { gpu, program, .. } = self;
        let [segment] = &weights.segments[..] else {
            return Err("the parameters are more than one binding".into());
        };
        let inputs = program.shape(chain.x.data)?.cols();
        let widest = chain.widest(inputs);
        if widest > MOST_COLUMNS || widest == 0 || chain.rows == 0 {
            return Err(format!("layers of {widest} columns; the most is {MOST_COLUMNS}").into());
        }
        let (data_rows, apart) = self.rows(chain)?;
        let (base, params) = match chain.is_whole {
            true => (0, segment.len),
            false => weights
                .run(&chain.params())
                .ok_or("other parameters lie between those of the layers")?,
        };
        let on_cpu = gpu.choices().class == Class::Cpu;
        let layers = layers_from(chain, weights, base);
        let (block, (layers, grad, memory)) = self.block(&layers, inputs, chain.rows)?;
        self.distributed(FusedStep {
            layers,
            inputs: inputs as u32,
            loss: chain.loss,
            form: chain.form,
            terms: chain.terms as u32,
            upstream: chain.upstream as f32,
            metrics: chain.figures.iter().map(|(_, figure)| *figure).collect(),
            weighted: chain.weight.is_some(),
            chosen: chain.target.from.chosen,
            shuffle: chain.target.from.shuffle,
            rows: chain.rows as u32,
            data_rows: data_rows as u32,
            block,
            // Eight invocations are one vector of llvmpipe's, whose barriers cost by the vector.
            lanes: if on_cpu { 8 } else { 64 },
            broadcasts: self.broadcasts(),
            uniform: on_cpu && self.is_uniform(base, params, &segment.params),
            groups: 0,
            base: base as u32,
            params: params as u32,
            apart,
            emits: chain.emits.is_some(),
            grad,
            memory,
        })
    }

    /// Returns whether the invocations of a workgroup, one subgroup, share what they load.
    fn broadcasts(self) -> bool {
        let choices = self.gpu.choices();
        choices.class == Class::Cpu && choices.subgroups
    }

    /// The rows of a block, as many as are useful and fit into workgroup memory, and the places of the tensors there.
    fn block(
        self,
        layers: &[(Layer, [u32; 2])],
        inputs: usize,
        rows: usize,
    ) -> Judged<(u32, Placement)> {
        let bytes = self.gpu.limits().max_compute_workgroup_storage_size;
        // Where the invocations share what they load, more rows are as quickly loaded.
        let blocks = if self.broadcasts() { &[32, 16, 8, 4][..] } else { &[8, 4] };
        let useful = blocks.iter().filter(|block| **block <= 8 || **block as usize * 16 <= rows);
        let mut placed = useful.filter_map(|&block| {
            Some((block, place(layers, inputs, WorkgroupBudget { block, bytes })?))
        });
        let message = "the activations of a few rows are more than the workgroup memory";
        placed.next().ok_or(message.into())
    }

    /// Distributes the blocks over workgroups.
    fn distributed(self, mut step: FusedStep) -> Judged<FusedStep> {
        let on_cpu = self.gpu.choices().class == Class::Cpu;
        let blocks = u64::from(step.rows.div_ceil(step.block));
        let wanted = if on_cpu { 8 } else { 256 };
        let groups = (blocks * step.iterations()).div_ceil(MOST_TURNS).max(wanted).min(blocks);
        step.groups = groups as u32;
        // The update adds the groups up one by one.
        if on_cpu && groups as usize > turns::MOST {
            let most = turns::MOST;
            return Err(format!("{groups} partial gradients to add up; the most is {most}").into());
        }
        let partial = groups * u64::from(step.stride()) * 4;
        if partial > MOST_PARTIAL.min(self.gpu.limits().max_storage_buffer_binding_size) {
            let message =
                format!("{partial} bytes of partial gradients; the most is {MOST_PARTIAL}");
            return Err(message.into());
        }
        Ok(step)
    }
}

/// The layers in workgroup memory, the place of the gradient with respect to the output, and the fours used.
type Placement = (Vec<PlacedLayer>, u32, u32);

/// The layers of a chain with the offsets of their parameters from `base` on.
fn layers_from(chain: &LayerChain, weights: &PlanWeights, base: usize) -> Vec<(Layer, [u32; 2])> {
    let start = |index: Option<usize>| {
        let span = index.and_then(|index| weights.spans.get(index));
        span.map_or(0, |span| (span.offset - base) as u32)
    };
    let offsets = |layer: &Layer| match layer {
        Layer::Dense { weight, bias, .. } => [start(Some(*weight)), start(*bias)],
        Layer::Activation { .. } => [0, 0],
    };
    chain.layers.iter().map(|layer| (*layer, offsets(layer))).collect()
}

/// The gradients of the layers before a chain that products leave in parts.
fn splits(
    gpu: &Gpu,
    program: &Program,
    readers: &ReadCounts,
    weights: &PlanWeights,
    plan: &FusedStepPlan,
) -> Result<Vec<Split>> {
    let mut splits = Vec::new();
    let mut at = plan.partial();
    let mut add = |slot: Slot, count: usize| -> Result<()> {
        let Place::Grad(index) = program.slot(slot)?.place else { return Ok(()) };
        let Some(span) = weights.spans.get(index) else { return Ok(()) };
        at = at.next_multiple_of(PAD as u32);
        let (first, len) = (span.offset as u32, span.len as u32);
        let parts = Parts { first, len, at, count: count as u32, stride: len };
        at += parts.count * len;
        splits.push(Split { slot, parts });
        Ok(())
    };
    let mut number = plan.chain.span.end;
    while number < program.ops().len() {
        let joined = Joined::at(gpu, program, readers, number..program.ops().len())?;
        number += joined.as_ref().map_or(1, |joined| joined.ops);
        let Some(joined) = joined else { continue };
        let count = joined.parts(gpu, program)?;
        if joined.form == Form::TN && count > 1 {
            let [.., out] = joined.operands;
            add(out, count)?;
            joined.sums.map_or(Ok(()), |sums| add(sums, count))?;
        }
    }
    Ok(splits)
}

/// The optimizer, if its update and the end of the step are all that follows the gradients, and nothing else looks at them.
fn alone(program: &Program, chain: &LayerChain) -> Option<Optimizer> {
    let rest = program.ops().iter().enumerate();
    let rest: Vec<&Op> =
        rest.filter(|(number, _)| !chain.ops.contains(number)).map(|(_, op)| op).collect();
    let [
        others @ ..,
        Op::Update(UpdateOp::Update { optimizer, .. }),
        Op::Step(StepOp::Record { .. }),
    ] = &rest[..]
    else {
        return None;
    };
    let kind = &optimizer.entry().kind;
    let simple = matches!(kind.takes, Takes::Element | Takes::Tensor { norms: false });
    let simple = simple && kind.carried.is_none() && optimizer.entry().is_builtin();
    let quiet = others.iter().all(|op| is_local(program, op));
    (simple && quiet).then_some(*optimizer)
}

/// Returns whether an op reads no gradient of a parameter and changes nothing that outlives the step but its results.
fn is_local(program: &Program, op: &Op) -> bool {
    let is_grad = |operand: Operand| match operand {
        Operand::Grads => true,
        Operand::Slot(slot) => program
            .slot(slot)
            .and_then(|info| program.slot(info.base(slot)))
            .is_ok_and(|base| matches!(base.place, Place::Grad(_))),
        _ => false,
    };
    !op.concludes() && !op.effects().seen().any(is_grad)
}
