//! Whole training steps of small networks in two dispatches, and the last layers of others in one.

use std::ops::Range;

use super::chain::Chain;
use super::fusion::Joined;
use super::{Lowering, Memory, RING};
use crate::error::{Error, Result};
use crate::gpu::arena::Segment;
use crate::gpu::choice::{Choices, Class, Fusion};
use crate::gpu::kernel::whole::{
    Figure, Gathered, Layer, Parts, Room, Source, Update, Whole, place,
};
use crate::gpu::memory::Region;
use crate::gpu::{Gpu, View, Weights};
use crate::program::{Form, Op, Place, Program, Slot};
use crate::shape::PAD;
use crate::spec::Optimizer;
use crate::spec::optimizer::Takes;

/// The widest layer that is worth a whole step.
const MOST_COLUMNS: usize = 128;
/// The most bytes of partial gradients.
const MOST_PARTIAL: u64 = 64 << 20;
/// llvmpipe ends an invocation's loops after 65 535 turns in all.
const MOST_TURNS: u64 = 50_000;

/// The dispatch of a chain and the one that ends the step.
#[derive(Debug)]
pub(in crate::gpu) struct Plan {
    chain: Chain,
    whole: Whole,
    /// The optimizer, if nothing comes between the gradients and its update.
    optimizer: Option<Optimizer>,
    /// The gradients of other layers that lie in parts until then.
    splits: Vec<Split>,
}

/// A gradient in parts.
#[derive(Debug)]
struct Split {
    slot: Slot,
    parts: Parts,
}

impl Plan {
    /// The slots that get no memory: of a step with its update, figures go straight to the ring.
    pub fn hidden(&self, program: &Program) -> Vec<Slot> {
        let figures = self.chain.figures.iter().filter(|_| self.optimizer.is_some());
        let mut hidden = self.chain.hidden(program);
        hidden.extend(figures.map(|(slot, _)| *slot));
        hidden
    }

    /// The ops of its first dispatch, but for metrics and the choice of targets.
    pub fn span(&self) -> Range<usize> {
        if self.chain.is_whole { 0..self.chain.span.end } else { self.chain.span.clone() }
    }

    /// Whether an op is part of it.
    pub fn covers(&self, number: usize, op: &Op) -> bool {
        let ends = matches!(op, Op::Update { .. } | Op::Record { .. });
        self.chain.ops.contains(&number) || (self.optimizer.is_some() && ends)
    }

    /// Whether an op cannot be recorded without those before it: gradients are complete only after the update.
    pub fn goes_on(&self, number: usize, op: &Op) -> bool {
        let start = self.span().start;
        let begun = self.optimizer.is_some() && number > start;
        number > 0 && (begun || (number != start && self.covers(number, op)))
    }

    /// Numbers of what passes from the first dispatch to the last, which reads by fours.
    pub fn partial(&self) -> u32 {
        let end = |split: &Split| split.parts.at + split.parts.count * split.parts.stride + 3;
        let own = self.whole.groups * self.whole.stride();
        self.splits.iter().map(end).fold(own, u32::max)
    }
}

/// The longest chain at the end of a program that one dispatch can do, if that is wanted and there is one.
///
/// # Errors
/// [`Error::Unsupported`] says why there is none if it must be the whole step.
pub(in crate::gpu) fn prepare(
    gpu: &Gpu,
    program: &Program,
    weights: Option<&Weights>,
    views: &[(Slot, View)],
) -> Result<Option<Plan>> {
    let fusion = gpu.choices().fusion;
    if !matches!(fusion, Fusion::Auto | Fusion::Whole) {
        return Ok(None);
    }
    let mut refusal = "it does not begin with a layer".to_string();
    for (number, start) in Chain::starts(program).enumerate() {
        match attempt(gpu, program, weights, views, start)? {
            Ok(plan) => return Ok(Some(plan)),
            Err(why) if number == 0 => refusal = why,
            Err(_) => {}
        }
        if fusion == Fusion::Whole {
            break;
        }
    }
    match fusion {
        Fusion::Whole => {
            Err(Error::unsupported(format!("a whole step of '{}'", program.name()), refusal))
        }
        _ => Ok(None),
    }
}

fn attempt(
    gpu: &Gpu,
    program: &Program,
    weights: Option<&Weights>,
    views: &[(Slot, View)],
    start: usize,
) -> Result<std::result::Result<Plan, String>> {
    let chain = match Chain::of(program, start)? {
        Ok(chain) => chain,
        Err(why) => return Ok(Err(why)),
    };
    let Choices { class, fusion, .. } = gpu.choices();
    if !chain.is_whole && (!class.joins() || fusion == Fusion::Whole || !views.is_empty()) {
        return Ok(Err("it does not begin with a layer".into()));
    }
    let Some(weights) = weights else { return Ok(Err("there are no parameters".into())) };
    let [segment] = &weights.segments[..] else {
        return Ok(Err("the parameters are more than one binding".into()));
    };
    if chain.figures.iter().any(|(slot, _)| !program.recorded().contains(slot)) {
        return Ok(Err("the loss or a metric is not recorded".into()));
    }
    let inputs = program.shape(chain.x.data)?.cols();
    let widest = chain.widest(inputs);
    if widest > MOST_COLUMNS || widest == 0 || chain.rows == 0 {
        return Ok(Err(format!("layers of {widest} columns; the most is {MOST_COLUMNS}")));
    }
    let choice = chain.target.from;
    let shape = program.shape(choice.data)?;
    let data_rows = if shape.rank() == 1 { shape.len() } else { shape.rows() };
    let same = |other: Gathered| (other.chosen, other.shuffle) == (choice.chosen, choice.shuffle);
    let apart = !same(chain.x);
    for other in chain.weight.into_iter().chain((!apart).then_some(chain.x)) {
        let shape = program.shape(other.data)?;
        let rows = if shape.rank() == 1 { shape.len() } else { shape.rows() };
        if rows != data_rows || !same(other) {
            return Ok(Err("inputs and targets are chosen in different ways".into()));
        }
    }
    if apart && chain.x.chosen {
        return Ok(Err("inputs and targets are chosen in different ways".into()));
    }
    // WebGPU refuses a dispatch that reads and writes one buffer.
    if let Some(slot) = chain.emits
        && program.slot(slot)?.root(slot) == program.slot(chain.x.data)?.root(chain.x.data)
    {
        return Ok(Err("the gradient by the input lies where the input does".into()));
    }
    let (base, params) = match chain.is_whole {
        true => (0, segment.len),
        false => match weights.run(&chain.params()) {
            Some(run) => run,
            None => return Ok(Err("other parameters lie between those of the layers".into())),
        },
    };
    let start = |index: Option<usize>| {
        index.and_then(|index| weights.spans.get(index)).map_or(0, |span| span.offset as u32)
    };
    let layers: Vec<(Layer, [u32; 2])> = chain
        .layers
        .iter()
        .map(|layer| match layer {
            Layer::Dense { weight, bias, .. } => (*layer, [start(Some(*weight)), start(*bias)]),
            Layer::Activation { .. } => (*layer, [0, 0]),
        })
        .collect();
    let software = class == Class::Cpu;
    // Eight invocations are one vector of llvmpipe's, whose barriers cost by the vector.
    let lanes = if software { 8 } else { 64 };
    let bytes = gpu.limits().max_compute_workgroup_storage_size;
    // Where the invocations share what they load, more rows are as quickly loaded.
    let shares = software && gpu.choices().subgroups;
    let blocks = if shares { &[32, 16, 8, 4][..] } else { &[8, 4] };
    let rooms = blocks.iter().map(|block| Room { block: *block, bytes });
    let mut rooms = rooms.filter(|room| room.block <= 8 || room.block as usize * 24 <= chain.rows);
    let found = rooms.find_map(|room| Some((place(&layers, inputs, room)?, room)));
    let Some(((layers, grad, memory), room)) = found else {
        return Ok(Err("the activations of a few rows are more than the workgroup memory".into()));
    };
    let blocks = chain.rows.div_ceil(room.block as usize) as u64;
    let mut whole = Whole {
        layers,
        inputs: inputs as u32,
        loss: chain.loss,
        form: chain.form,
        terms: chain.terms as u32,
        upstream: chain.upstream as f32,
        figures: chain.figures.iter().map(|(_, figure)| *figure).collect(),
        weighted: chain.weight.is_some(),
        chosen: choice.chosen,
        shuffle: choice.shuffle,
        rows: chain.rows as u32,
        data_rows: data_rows as u32,
        block: room.block,
        lanes,
        shares,
        groups: 0,
        base: base as u32,
        params: params as u32,
        apart,
        emits: chain.emits.is_some(),
        grad,
        memory,
    };
    let wanted = if software { 8 } else { 256 };
    whole.groups = (blocks * whole.turns()).div_ceil(MOST_TURNS).max(wanted).min(blocks) as u32;
    let partial = u64::from(whole.groups) * u64::from(whole.stride()) * 4;
    if partial > MOST_PARTIAL.min(gpu.limits().max_storage_buffer_binding_size) {
        return Ok(Err(format!(
            "{partial} bytes of partial gradients; the most is {MOST_PARTIAL}"
        )));
    }
    let recorded = views.iter().any(|(slot, _)| program.recorded().contains(slot));
    let simple = |optimizer: &Optimizer| optimizer.states().len() <= 2 && !recorded;
    let optimizer = alone(program, &chain).filter(simple);
    let own = 5 + usize::from(whole.weighted) + usize::from(whole.emits);
    let buffers = (6 + optimizer.map_or(0, |optimizer| optimizer.states().len())).max(own) as u32;
    let most = gpu.limits().max_storage_buffers_per_shader_stage;
    if buffers > most {
        return Ok(Err(format!("{buffers} storage buffers in a kernel; the most is {most}")));
    }
    let mut plan = Plan { chain, whole, optimizer, splits: Vec::new() };
    if plan.optimizer.is_some() {
        plan.splits = splits(gpu, program, weights, &plan)?;
    }
    let hidden = plan.hidden(program);
    if views.iter().any(|(slot, _)| hidden.contains(slot)) {
        return Ok(Err("a view of what is never stored".into()));
    }
    Ok(Ok(plan))
}

/// The gradients of the layers before a chain that products leave in parts.
fn splits(gpu: &Gpu, program: &Program, weights: &Weights, plan: &Plan) -> Result<Vec<Split>> {
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
    for number in plan.chain.span.end..program.ops().len() {
        let Some(joined) = Joined::at(gpu, program, number..program.ops().len())? else { continue };
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
fn alone(program: &Program, chain: &Chain) -> Option<Optimizer> {
    let rest = program.ops().iter().enumerate();
    let rest: Vec<&Op> =
        rest.filter(|(number, _)| !chain.ops.contains(number)).map(|(_, op)| op).collect();
    let [others @ .., Op::Update { optimizer, .. }, Op::Record { .. }] = &rest[..] else {
        return None;
    };
    let kind = &optimizer.entry().kind;
    let simple = kind.takes == Takes::Element && kind.carried.is_none();
    let quiet = others.iter().all(|op| is_local(program, op));
    (simple && quiet).then_some(*optimizer)
}

/// Whether an op looks at no gradient of a parameter.
fn is_local(program: &Program, op: &Op) -> bool {
    let is_grad =
        |slot: &Slot| program.slot(*slot).is_ok_and(|info| matches!(info.place, Place::Grad(_)));
    let layers = matches!(
        op,
        Op::Gather { .. }
            | Op::MatMul { .. }
            | Op::AddRow { .. }
            | Op::SumRows { .. }
            | Op::Activation { .. }
            | Op::ActivationBackward { .. }
            | Op::Learned { .. }
            | Op::LearnedBackward { .. }
            | Op::Norm(_)
            | Op::Metric { .. }
            | Op::CheckClasses { .. }
    );
    layers && !op.inputs().iter().any(is_grad)
}

impl Lowering<'_> {
    /// Lowers an op that is part of a whole step: the first of its first dispatch does that, and the update what ends the
    /// step.
    pub(super) fn whole(&mut self, plan: &Plan, number: usize) -> Result<()> {
        if number == plan.span().start {
            let partial = self.memory.partial.clone();
            for Split { slot, parts } in &plan.splits {
                let bytes = u64::from(parts.count * parts.stride).next_multiple_of(4) * 4;
                let offset = partial.offset + u64::from(parts.at) * 4;
                let region = Region { buffer: partial.buffer.clone(), offset, bytes };
                self.partials.insert(*slot, region);
            }
            self.chain(plan, partial)?;
            return if plan.optimizer.is_none() { self.end(plan) } else { Ok(()) };
        }
        match self.program.ops().get(number) {
            Some(Op::Update { .. }) => self.end(plan),
            _ => Ok(()),
        }
    }

    /// The layers of a chain forward, its loss, and the layers backward.
    fn chain(&mut self, Plan { chain, whole, .. }: &Plan, partial: Region) -> Result<()> {
        let mut bindings = vec![
            self.memory.steps.clone(),
            self.segment()?.params.clone(),
            self.region(chain.x.data)?,
            self.region(chain.target.from.data)?,
            partial,
        ];
        for slot in chain.weight.map(|weight| weight.data).into_iter().chain(chain.emits) {
            bindings.push(self.region(slot)?);
        }
        let groups = u64::from(whole.groups);
        self.push(whole.kernel(), &[0], &[], bindings, groups, whole.flops())
    }

    /// The sums of the gradients, and where nothing comes between, the update and the end of the step.
    fn end(&mut self, plan: &Plan) -> Result<()> {
        let Plan { chain, whole, optimizer, splits } = plan;
        let segment = self.segment()?;
        let terms = whole.figures.iter().map(|figure| match figure {
            Figure::Loss => whole.terms,
            Figure::Metric(metric) if metric.top().is_some() => 1,
            Figure::Metric(_) => whole.outputs(),
        });
        let (count, stride) = (whole.groups, whole.stride());
        // Both are bound as one.
        let Memory { scalars, partial, .. } = &self.memory;
        let figures = Region { bytes: scalars.bytes + partial.bytes, ..scalars.clone() };
        let start = (partial.offset / 4) as u32;
        let own = Parts { first: whole.base, len: whole.params, at: start, count, stride };
        let moved = |parts: Parts| Parts { at: start + parts.at, ..parts };
        let update = Update {
            optimizer: *optimizer,
            parts: splits.iter().map(|split| moved(split.parts)).chain([own]).collect(),
            figures: Parts { at: start + whole.params, ..own },
            params: segment.len as u32,
            rows: whole.rows,
            terms: terms.collect(),
            places: self.places(chain, optimizer.is_some())?,
            ring: RING as u32,
        };
        let mut bindings = vec![self.memory.steps.clone()];
        match optimizer {
            Some(optimizer) => {
                let arenas = [&segment.blocks, &segment.grads, &segment.params];
                bindings.extend(arenas.into_iter().cloned());
                bindings.extend(segment.states.iter().take(optimizer.states().len()).cloned());
                bindings.extend([figures, self.memory.ring.clone()]);
            }
            None => bindings.extend([figures, segment.grads.clone()]),
        }
        self.push(update.kernel(), &[0], &[], bindings, update.workgroups(), 0)
    }

    fn segment(&self) -> Result<&Segment> {
        match &self.weights()?.segments[..] {
            [segment] => Ok(segment),
            _ => Err(Error::Internal("a whole step over several segments".into())),
        }
    }

    /// Where the figures go, and where each is.
    fn places(&self, chain: &Chain, records: bool) -> Result<Vec<(u32, Source)>> {
        let number = |slot: &Slot| (0u32..).zip(&chain.figures).find(|(_, (own, _))| own == slot);
        let at = |slot: &Slot| Ok((self.region(*slot)?.offset / 4) as u32);
        if !records {
            let own = chain.figures.iter().zip(0u32..);
            return own.map(|((slot, _), number)| Ok((at(slot)?, Source::Sum(number)))).collect();
        }
        let from = |slot: &Slot| match number(slot) {
            Some((number, _)) => Ok(Source::Sum(number)),
            None => at(slot).map(Source::Scalar),
        };
        (0..).zip(self.program.recorded()).map(|(column, slot)| Ok((column, from(slot)?))).collect()
    }
}
