//! Parameters, gradients and optimizer state: one flat arena each, in segments that fit into one binding.

mod layout;
mod transfer;

use super::Gpu;
use super::memory::{Region, TENSOR, words};
use crate::error::{Error, Result};
use crate::ir::{ParamInfo, Program};
use crate::shape::{PAD, padded};
use crate::spec::Optimizer;
use crate::spec::optimizer::{Layout, MAX_CARRIED};
use layout::{BLOCK, Span, blocks_of, layout, line_layout, strips_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arena {
    Params,
    Grads,
    /// A state value, by number.
    State(usize),
}

/// One segment: the same range of every arena.
#[derive(Debug)]
pub(crate) struct Segment {
    /// In elements, padding included.
    pub len: usize,
    pub params: Region,
    pub grads: Region,
    pub states: Vec<Region>,
    /// The length of a factored state value, which has one element per row and column.
    pub lines: usize,
    /// Twelve words per 64 parameters: learning-rate multiplier, weight-decay mask, L1, L2, four words for sums over
    /// the tensor, its two sides, the block's index in the tensor, and the offset of the tensor's factored state.
    pub blocks: Region,
    /// For each strip of rows or columns, the first block of the tensor and the first row or column; empty unless the
    /// optimizer has factored state.
    pub strips: Vec<[u32; 2]>,
    /// For each tensor, its first block and number of blocks.
    pub tensors: Region,
    /// The number of tensors.
    pub count: usize,
}

impl Segment {
    /// Allocates a segment of `len` elements for tensors given with the location of their values and of their factored
    /// state, without optimizer state; `by_lines` adds the strips for factored state.
    fn new(
        gpu: &Gpu,
        len: usize,
        own: &[(Span, Span, &ParamInfo)],
        by_lines: bool,
    ) -> Result<Self> {
        let tensors = own.iter().flat_map(|(span, ..)| [span.offset, padded(span.len)]);
        let tensors: Vec<u32> = tensors.map(|n| (n / PAD) as u32).collect();
        let mut blocks = Vec::with_capacity(len / PAD * BLOCK);
        own.iter().for_each(|(_, lines, param)| blocks.extend(blocks_of(param, lines.offset)));
        let strips = own.iter().flat_map(|(span, _, param)| strips_of(param, span.offset));
        let usage = TENSOR | wgpu::BufferUsages::UNIFORM;
        Ok(Self {
            len,
            params: gpu.buffer("parameters", 4 * len as u64, &[], usage)?,
            grads: gpu.storage("gradients", len, &[])?,
            states: Vec::new(),
            lines: 0,
            blocks: gpu.storage("parameter settings", blocks.len(), &blocks)?,
            strips: strips.filter(|_| by_lines).collect(),
            tensors: gpu.storage("tensors", tensors.len(), &tensors)?,
            count: own.len(),
        })
    }

    fn region(&self, arena: Arena) -> Option<&Region> {
        match arena {
            Arena::Params => Some(&self.params),
            Arena::Grads => Some(&self.grads),
            Arena::State(state) => self.states.get(state),
        }
    }
}

/// The largest number of elements of a segment.
fn most(gpu: &Gpu) -> usize {
    let limits = gpu.limits();
    let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    binding as usize / 4 / PAD * PAD
}

/// Parameters, gradients and optimizer state on a GPU, shared by the plans of one network.
#[derive(Debug)]
pub struct PlanWeights {
    gpu: Gpu,
    pub(super) spans: Vec<Span>,
    /// The location of each tensor's factored state.
    line_spans: Vec<Span>,
    /// The layout of each of the optimizer's state values.
    layouts: Vec<Layout>,
    pub(crate) segments: Vec<Segment>,
    /// The scalars that the optimizer carries from step to step in addition to its state.
    pub(crate) carried: Region,
    carried_len: usize,
    /// True if the parameters are in a buffer of the host.
    pub(super) hosted: bool,
}

impl PlanWeights {
    /// The offset and length, padding included, of tensors that are contiguous; `None` if others lie between them.
    pub(super) fn run(&self, params: &[usize]) -> Option<(usize, usize)> {
        let own = || params.iter().filter_map(|index| self.spans.get(*index));
        let begin = own().map(|span| span.offset).min()?;
        let end = own().map(|span| span.offset + padded(span.len)).max()?;
        let inside = |span: &&Span| (begin..end).contains(&span.offset);
        let alone = self.spans.iter().filter(inside).count() == params.len();
        alone.then_some((begin, end - begin))
    }

    /// Fails if a tensor is larger than one binding.
    pub(crate) fn check_size(gpu: &Gpu, params: &[ParamInfo]) -> Result<()> {
        layout(params, most(gpu)).map(|_| ())
    }

    /// Allocates parameters and gradients, all zeros, and the optimizer's initial state, followed by `extras` more
    /// state values, all zeros.
    ///
    /// # Errors
    /// [`Error::Limit`] if a tensor is larger than one binding; [`Error::OutOfMemory`].
    pub fn new(
        gpu: &Gpu,
        params: &[ParamInfo],
        optimizer: Option<&Optimizer>,
        extras: usize,
    ) -> Result<Self> {
        let (spans, lens) = layout(params, most(gpu))?;
        let (line_spans, line_lens) = line_layout(params, &spans, lens.len())?;
        let initial = optimizer.map(Optimizer::initial_state).unwrap_or_default();
        let layouts: Vec<Layout> = optimizer
            .map(|optimizer| (0..initial.len()).map(|state| optimizer.layout(state)).collect())
            .unwrap_or_default();
        let segments = lens.iter().zip(line_lens).enumerate().map(|(number, (&len, lines))| {
            let places = spans.iter().zip(&line_spans).zip(params);
            let own = places.filter(|((span, _), _)| span.segment == number);
            let own: Vec<_> = own.map(|((span, lines), param)| (*span, *lines, param)).collect();
            let state_len = |state: usize| match layouts.get(state) {
                Some(Layout::Lines) => lines,
                Some(Layout::Slots(slots)) => slots * len,
                _ => len,
            };
            let state = |state: usize| {
                let name = optimizer.and_then(|optimizer| optimizer.states().get(state));
                let what =
                    name.map_or("a state value".into(), |name| format!("the state value '{name}'"));
                gpu.storage(&what, state_len(state), &[])
            };
            let states = (0..initial.len() + extras).map(state).collect::<Result<_>>()?;
            let by_lines = layouts.contains(&Layout::Lines);
            Ok(Segment { states, lines, ..Segment::new(gpu, len, &own, by_lines)? })
        });
        let segments = segments.collect::<Result<_>>()?;
        let carried = optimizer.map(Optimizer::initial_carried).unwrap_or_default();
        let first: Vec<f32> =
            carried.into_iter().flat_map(|(_, values)| values).map(|value| value as f32).collect();
        let carried_len = first.len();
        let carried =
            gpu.storage("carried numbers", carried_len.max(MAX_CARRIED), words(&first))?;
        let gpu = gpu.clone();
        let weights =
            Self { gpu, spans, line_spans, layouts, segments, carried, carried_len, hosted: false };
        for (number, value) in initial.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let filled = |span: &Span| vec![*value as f32; span.len];
            let state = Arena::State(number);
            let tensors: Vec<_> = weights.places(state).0.iter().map(filled).collect();
            weights.write(state, &tensors)?;
        }
        Ok(weights)
    }

    /// The locations of the tensors of an arena, and the number of slots per tensor.
    fn places(&self, arena: Arena) -> (&[Span], usize) {
        let layout = match arena {
            Arena::State(state) => self.layouts.get(state),
            Arena::Params | Arena::Grads => None,
        };
        match layout {
            Some(Layout::Lines) => (&self.line_spans, 1),
            Some(Layout::Slots(slots)) => (&self.spans, *slots),
            _ => (&self.spans, 1),
        }
    }

    /// The region of one tensor in an arena.
    fn region(&self, arena: Arena, index: usize) -> Result<Region> {
        let (spans, slots) = self.places(arena);
        let place = spans.get(index).filter(|_| slots == 1).and_then(|span| {
            let region = self.segments.get(span.segment)?.region(arena)?;
            let offset = region.offset + span.offset as u64 * 4;
            Some(Region { offset, bytes: padded(span.len) as u64 * 4, ..region.clone() })
        });
        let missing = || Error::no_such("weights", "parameter", index, self.spans.len());
        place.ok_or_else(|| match arena {
            Arena::State(_) if slots > 1 => {
                Error::unsupported("weights", "a state value of several slots has no single region")
            }
            _ => missing(),
        })
    }

    /// Fails if the state value does not exist.
    fn check_state(&self, state: usize) -> Result<()> {
        let count = self.state_count();
        if state < count {
            return Ok(());
        }
        Err(Error::no_such("weights", "state value", state, count))
    }

    /// Fails unless the weights are on the device and belong to the program.
    pub(super) fn check(&self, gpu: &Gpu, program: &Program) -> Result<()> {
        gpu.check_owner(program.name(), "the memory of the weights", Some(self.gpu.id()))?;
        let lens = self.spans.iter().map(|span| span.len);
        let has_state = |state: usize, layout: Layout| {
            let own = self.layouts.get(state).copied().unwrap_or(Layout::Elements);
            state < self.state_count() && own == layout
        };
        program.check_weights(lens, has_state, self.carried_len)
    }

    /// All memory that plans bind.
    pub(super) fn regions(&self) -> impl Iterator<Item = &Region> {
        let segments = self.segments.iter().flat_map(|segment| {
            let Segment { params, grads, states, blocks, tensors, .. } = segment;
            [params, grads, blocks, tensors].into_iter().chain(states)
        });
        segments.chain([&self.carried])
    }

    /// The region of a parameter tensor, to be bound by the host's own pipelines.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the tensor does not exist.
    pub fn param(&self, index: usize) -> Result<Region> {
        self.region(Arena::Params, index)
    }

    /// The region of a parameter tensor's gradient, to be written by the host's own pipelines.
    ///
    /// # Errors
    /// As [`PlanWeights::param`].
    pub fn grad(&self, index: usize) -> Result<Region> {
        self.region(Arena::Grads, index)
    }

    /// The region of one optimizer state value of a parameter tensor.
    ///
    /// # Errors
    /// As [`PlanWeights::param`], also if the state value does not exist or has several slots.
    pub fn state(&self, state: usize, index: usize) -> Result<Region> {
        self.check_state(state)?;
        self.region(Arena::State(state), index)
    }
}
