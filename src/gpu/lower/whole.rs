//! Whole training steps of small networks in two dispatches.

use super::chain::Chain;
use super::{Lowering, RING};
use crate::error::{Error, Result};
use crate::gpu::choice::{Class, Fusion};
use crate::gpu::kernel::whole::{Figure, Layer, Room, Update, Whole, place};
use crate::gpu::{Gpu, View, Weights};
use crate::program::{Op, Program, Slot};
use crate::spec::Optimizer;
use crate::spec::optimizer::Takes;

/// The widest layer that is worth a whole step.
const MOST_COLUMNS: usize = 128;
/// The most bytes of partial gradients.
const MOST_PARTIAL: u64 = 64 << 20;
/// llvmpipe ends an invocation's loops after 65 535 turns in all.
const MOST_TURNS: u64 = 50_000;

/// A whole step with the chain that it runs.
#[derive(Debug)]
pub(in crate::gpu) struct Plan {
    chain: Chain,
    whole: Whole,
    /// The optimizer, if nothing comes between the gradients and its update.
    optimizer: Option<Optimizer>,
}

impl Plan {
    /// The slots that get no memory: of a step with its update, figures go straight to the ring.
    pub fn hidden(&self, program: &Program) -> Vec<Slot> {
        let figures = self.chain.figures.iter().filter(|_| self.optimizer.is_some());
        let mut hidden = self.chain.hidden(program);
        hidden.extend(figures.map(|(slot, _)| *slot));
        hidden
    }

    /// Whether an op is part of it.
    fn covers(&self, number: usize, op: &Op) -> bool {
        let ends = matches!(op, Op::Update { .. } | Op::Record { .. });
        self.chain.ops.contains(&number) || (self.optimizer.is_some() && ends)
    }
}

/// The whole step of a program, if it is wanted and there is one.
///
/// # Errors
/// [`Error::Unsupported`] says why there is none if it must be one.
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
    match attempt(gpu, program, weights, views)? {
        Ok(plan) => Ok(Some(plan)),
        Err(why) if fusion == Fusion::Whole => {
            Err(Error::unsupported(format!("a whole step of '{}'", program.name()), why))
        }
        Err(_) => Ok(None),
    }
}

fn attempt(
    gpu: &Gpu,
    program: &Program,
    weights: Option<&Weights>,
    views: &[(Slot, View)],
) -> Result<std::result::Result<Plan, String>> {
    let chain = match Chain::of(program)? {
        Ok(chain) => chain,
        Err(why) => return Ok(Err(why)),
    };
    let Some(weights) = weights else { return Ok(Err("there are no parameters".into())) };
    let [segment] = &weights.segments[..] else {
        return Ok(Err("the parameters are more than one binding".into()));
    };
    if chain.figures.iter().any(|(slot, _)| !program.recorded().contains(slot)) {
        return Ok(Err("the loss or a metric is not recorded".into()));
    }
    let inputs = program.shape(chain.x.data)?.cols();
    let widest = chain.layers.iter().map(Layer::outputs).chain([inputs]).max().unwrap_or(0);
    if widest > MOST_COLUMNS || widest == 0 || chain.rows == 0 {
        return Ok(Err(format!("layers of {widest} columns; the most is {MOST_COLUMNS}")));
    }
    let data_rows = program.shape(chain.x.data)?.rows();
    let sources = [Some(chain.target.from), chain.weight];
    for other in sources.into_iter().flatten() {
        let shape = program.shape(other.data)?;
        let rows = if shape.rank() == 1 { shape.len() } else { shape.rows() };
        let same = (other.chosen, other.shuffle) == (chain.x.chosen, chain.x.shuffle);
        if rows != data_rows || !same {
            return Ok(Err("inputs and targets are chosen in different ways".into()));
        }
    }
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
    let software = gpu.choices().class == Class::Cpu;
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
        chosen: chain.x.chosen,
        shuffle: chain.x.shuffle,
        rows: chain.rows as u32,
        data_rows: data_rows as u32,
        block: room.block,
        lanes,
        shares,
        groups: 0,
        params: segment.len as u32,
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
    let optimizer = alone(program, &chain).filter(|optimizer| optimizer.states().len() <= 2);
    let buffers = (6 + optimizer.map_or(0, |optimizer| optimizer.states().len())) as u32;
    let most = gpu.limits().max_storage_buffers_per_shader_stage;
    if buffers > most {
        return Ok(Err(format!("{buffers} storage buffers in a kernel; the most is {most}")));
    }
    let plan = Plan { chain, whole, optimizer };
    let hidden = plan.hidden(program);
    if views.iter().any(|(slot, _)| hidden.contains(slot)) {
        return Ok(Err("a view of what is never stored".into()));
    }
    Ok(Ok(plan))
}

/// The optimizer, if its update and the end of the step are all that follows the gradients.
fn alone(program: &Program, chain: &Chain) -> Option<Optimizer> {
    let rest = program.ops().iter().enumerate();
    let rest: Vec<&Op> =
        rest.filter(|(number, _)| !chain.ops.contains(number)).map(|(_, op)| op).collect();
    let [Op::Update { optimizer, .. }, Op::Record { values }] = rest[..] else { return None };
    let kind = &optimizer.entry().kind;
    let known = |value: &Slot| chain.figures.iter().any(|(slot, _)| slot == value);
    let simple = kind.takes == Takes::Element && kind.carried.is_none();
    (simple && values.iter().all(known)).then_some(*optimizer)
}

impl Lowering<'_> {
    /// The two dispatches of a whole step, and whatever else the program does.
    pub(super) fn whole(&mut self, plan: &Plan) -> Result<()> {
        let Plan { chain, whole, optimizer } = plan;
        let weights = self.weights()?;
        let [segment] = &weights.segments[..] else {
            return Err(Error::Internal("a whole step over several segments".into()));
        };
        let partial = self.scratch((whole.groups * whole.stride()) as usize)?;
        let mut bindings = vec![
            self.memory.steps.clone(),
            segment.params.clone(),
            self.region(chain.x.data)?,
            self.region(chain.target.from.data)?,
            partial.clone(),
        ];
        if let Some(weight) = chain.weight {
            bindings.push(self.region(weight.data)?);
        }
        let groups = u64::from(whole.groups);
        self.push(whole.kernel(), &[0], &[], bindings, groups, whole.flops())?;
        let terms = whole.figures.iter().map(|figure| match figure {
            Figure::Loss => whole.terms,
            Figure::Metric(metric) if metric.top().is_some() => 1,
            Figure::Metric(_) => whole.outputs(),
        });
        let update = Update {
            optimizer: *optimizer,
            groups: whole.groups,
            stride: whole.stride(),
            params: whole.params,
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
                bindings.extend([partial, self.memory.ring.clone()]);
            }
            None => bindings.extend([partial, segment.grads.clone(), self.memory.scalars.clone()]),
        }
        self.push(update.kernel(), &[0], &[], bindings, update.workgroups(), 0)?;
        let program = self.program;
        for (number, op) in program.ops().iter().enumerate() {
            if !plan.covers(number, op) {
                self.op(op)?;
            }
        }
        Ok(())
    }

    /// Where the figures go, each with its number.
    fn places(&self, chain: &Chain, records: bool) -> Result<Vec<[u32; 2]>> {
        let numbered = || (0u32..).zip(&chain.figures);
        if !records {
            return numbered()
                .map(|(number, (slot, _))| Ok([(self.region(*slot)?.offset / 4) as u32, number]))
                .collect();
        }
        let place = |(column, value): (u32, &Slot)| {
            numbered().find(|(_, (slot, _))| slot == value).map(|(number, _)| [column, number])
        };
        Ok((0..).zip(self.program.recorded()).filter_map(place).collect())
    }
}
