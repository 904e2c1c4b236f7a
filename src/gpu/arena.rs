//! Parameters, gradients and optimizer state: one flat arena each, in segments that one binding can hold.

use super::Gpu;
use super::memory::{Region, words};
use crate::error::{Error, Result};
use crate::program::ParamInfo;
use crate::shape::{PAD, padded};
use crate::spec::Optimizer;
use crate::spec::optimizer::{Layout, MAX_CARRIED, sides};

/// How many words are kept per 64 parameters.
const BLOCK: usize = 12;

/// How many elements of a vector, and how many rows or columns of a matrix, one workgroup takes together.
const STRIP: [usize; 2] = [256, 16];

/// Where a tensor lies in its arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub segment: usize,
    /// In elements, a multiple of [`PAD`].
    pub offset: usize,
    /// In elements, without padding.
    pub len: usize,
}

/// One segment: the same range of every arena.
#[derive(Debug)]
pub(super) struct Segment {
    /// In elements, padding included.
    pub len: usize,
    pub params: Region,
    pub grads: Region,
    pub states: Vec<Region>,
    /// How long a state value of one number per row and column is.
    pub lines: usize,
    /// Twelve words per 64 parameters: learning-rate multiplier, weight-decay mask, L1, L2, four places for sums over the
    /// tensor, its sides, the block's number in it, and where its rows and columns have their numbers.
    pub blocks: Region,
    /// For each strip of rows or columns the first block of their tensor and the first of them; empty unless the
    /// optimizer keeps numbers for them.
    pub strips: Vec<[u32; 2]>,
    /// For each tensor its first block and how many it has.
    pub tensors: Region,
    /// How many tensors there are.
    pub count: usize,
}

/// Parameters, gradients and optimizer state on a GPU, shared by the plans of one network.
#[derive(Debug)]
pub struct Weights {
    gpu: Gpu,
    pub(super) spans: Vec<Span>,
    /// Where the numbers of each tensor's rows and columns lie.
    line_spans: Vec<Span>,
    /// Which state value has one number per row and column.
    line_state: Option<usize>,
    pub(super) segments: Vec<Segment>,
    /// What the optimizer carries from step to step beside its state.
    pub(super) carried: Region,
}

/// Places tensors one after the other, a new segment where the next would not fit.
pub(super) fn layout(params: &[ParamInfo], most: usize) -> Result<(Vec<Span>, Vec<usize>)> {
    let mut segments: Vec<usize> = Vec::new();
    let mut spans = Vec::with_capacity(params.len());
    for param in params {
        let (len, size) = (param.shape.len(), padded(param.shape.len()));
        if size > most {
            let what = format!("parameter '{}' of shape {}", param.name, param.shape);
            return Err(Error::Limit {
                what,
                needed: size as u64 * 4,
                limit: most as u64 * 4,
                unit: "bytes",
            });
        }
        let open = segments.last().copied().filter(|used| used + size <= most);
        let offset = open.unwrap_or(0);
        if open.is_some() {
            segments.pop();
        }
        segments.push(offset + size);
        spans.push(Span { segment: segments.len() - 1, offset, len });
    }
    Ok((spans, segments))
}

impl Weights {
    /// Memory for the parameters and their gradients, all zeros, and the state that the optimizer begins with; `extras`
    /// more state values follow it, all zeros.
    ///
    /// # Errors
    /// [`Error::Limit`] if a tensor is larger than one binding; [`Error::OutOfMemory`].
    pub fn new(
        gpu: &Gpu,
        params: &[ParamInfo],
        optimizer: Option<&Optimizer>,
        extras: usize,
    ) -> Result<Self> {
        let limits = gpu.limits();
        let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let most = binding as usize / 4 / PAD * PAD;
        let (spans, lens) = layout(params, most)?;
        let (line_spans, line_lens) = line_layout(params, &spans, lens.len());
        let initial = optimizer.map(Optimizer::initial_state).unwrap_or_default();
        let line_state = (0..initial.len()).find(|state| {
            optimizer.is_some_and(|optimizer| optimizer.layout(*state) == Layout::Lines)
        });
        let segments = lens.iter().zip(line_lens).enumerate().map(|(number, (&len, lines))| {
            let own = || {
                let places = spans.iter().zip(&line_spans).zip(params);
                places.filter(move |((span, _), _)| span.segment == number)
            };
            let tensors: Vec<u32> = own()
                .flat_map(|((span, _), _)| [span.offset, padded(span.len)])
                .map(|n| (n / PAD) as u32)
                .collect();
            let mut blocks = Vec::with_capacity(len / PAD * BLOCK);
            own().for_each(|((_, lines), param)| blocks.extend(blocks_of(param, lines.offset)));
            let strips = own().flat_map(|((span, _), param)| strips_of(param, span.offset));
            let state_len = |state| if line_state == Some(state) { lines } else { len };
            Ok(Segment {
                len,
                params: gpu.storage("parameters", len, &[])?,
                grads: gpu.storage("gradients", len, &[])?,
                states: (0..initial.len() + extras)
                    .map(|state| gpu.storage("optimizer state", state_len(state), &[]))
                    .collect::<Result<_>>()?,
                lines,
                blocks: gpu.storage("parameter settings", blocks.len(), &blocks)?,
                strips: strips.filter(|_| line_state.is_some()).collect(),
                tensors: gpu.storage("tensors", tensors.len(), &tensors)?,
                count: own().count(),
            })
        });
        let segments = segments.collect::<Result<_>>()?;
        let carried = gpu.storage("carried numbers", MAX_CARRIED, &[])?;
        let weights = Self { gpu: gpu.clone(), spans, line_spans, line_state, segments, carried };
        for (number, value) in initial.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let filled = |span: &Span| vec![*value as f32; span.len];
            let tensors: Vec<_> = weights.spans_of(number).iter().map(filled).collect();
            weights.write_state(number, &tensors)?;
        }
        let first = optimizer.map(Optimizer::initial_carried).unwrap_or_default();
        weights.write_carried(&first.iter().map(|value| *value as f32).collect::<Vec<_>>())?;
        Ok(weights)
    }

    /// Where the tensors of a state value lie.
    fn spans_of(&self, state: usize) -> &[Span] {
        if self.line_state == Some(state) { &self.line_spans } else { &self.spans }
    }

    /// The part of an arena that holds one tensor.
    fn region(
        &self,
        span: Option<&Span>,
        arena: impl Fn(&Segment) -> Option<&Region>,
    ) -> Result<Region> {
        let region = span
            .and_then(|span| arena(self.segments.get(span.segment)?).map(|region| (span, region)));
        let (span, region) =
            region.ok_or_else(|| Error::Internal("no such parameter in the arena".into()))?;
        let (offset, bytes) = (span.offset as u64 * 4, padded(span.len) as u64 * 4);
        Ok(Region { buffer: region.buffer.clone(), offset, bytes })
    }

    /// Where a parameter tensor lies, to be bound by the host's own pipelines.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no such tensor.
    pub fn param(&self, index: usize) -> Result<Region> {
        self.region(self.spans.get(index), |segment| Some(&segment.params))
    }

    /// Where a parameter tensor's gradient lies, to be written by the host's own pipelines.
    ///
    /// # Errors
    /// As [`Weights::param`].
    pub fn grad(&self, index: usize) -> Result<Region> {
        self.region(self.spans.get(index), |segment| Some(&segment.grads))
    }

    /// Where one of a parameter tensor's optimizer states lies.
    ///
    /// # Errors
    /// As [`Weights::param`], also if there is no such state.
    pub fn state(&self, state: usize, index: usize) -> Result<Region> {
        let span = self.spans_of(state).get(index);
        self.region(span, |segment| segment.states.get(state))
    }

    /// Writes every parameter tensor.
    pub(crate) fn write_params(&self, tensors: &[Vec<f32>]) -> Result<()> {
        self.write(&self.spans, tensors, |segment| Some(&segment.params))
    }

    /// Writes one state value of every parameter tensor.
    pub(crate) fn write_state(&self, state: usize, tensors: &[Vec<f32>]) -> Result<()> {
        self.write(self.spans_of(state), tensors, |segment| segment.states.get(state))
    }

    /// Writes what the optimizer carries from step to step.
    pub(crate) fn write_carried(&self, numbers: &[f32]) -> Result<()> {
        let mut all = [0.0; MAX_CARRIED];
        all.iter_mut().zip(numbers).for_each(|(place, number)| *place = *number);
        self.gpu.upload("carried numbers", &self.carried, words(&all))
    }

    /// Reads what the optimizer carries from step to step.
    pub(crate) async fn read_carried(&self) -> Result<Vec<f32>> {
        self.gpu.read_numbers("carried numbers", &self.carried, MAX_CARRIED).await
    }

    /// Reads every parameter tensor.
    pub(crate) async fn read_params(&self) -> Result<Vec<Vec<f32>>> {
        self.read(&self.spans, |segment| Some(&segment.params)).await
    }

    /// Reads every gradient tensor.
    pub(crate) async fn read_grads(&self) -> Result<Vec<Vec<f32>>> {
        self.read(&self.spans, |segment| Some(&segment.grads)).await
    }

    /// Reads one state value of every parameter tensor.
    pub(crate) async fn read_state(&self, state: usize) -> Result<Vec<Vec<f32>>> {
        self.read(self.spans_of(state), |segment| segment.states.get(state)).await
    }

    fn write(
        &self,
        spans: &[Span],
        tensors: &[Vec<f32>],
        arena: impl Fn(&Segment) -> Option<&Region>,
    ) -> Result<()> {
        for (number, segment) in self.segments.iter().enumerate() {
            let Some(region) = arena(segment) else { continue };
            let mut contents = vec![0.0f32; region.bytes as usize / 4];
            for (span, tensor) in
                spans.iter().zip(tensors).filter(|(span, _)| span.segment == number)
            {
                let place = contents.get_mut(span.offset..span.offset + tensor.len().min(span.len));
                place.into_iter().for_each(|place| place.copy_from_slice(tensor));
            }
            self.gpu.upload("the arena", region, words(&contents))?;
        }
        Ok(())
    }

    async fn read(
        &self,
        spans: &[Span],
        arena: impl Fn(&Segment) -> Option<&Region>,
    ) -> Result<Vec<Vec<f32>>> {
        let mut tensors = vec![Vec::new(); spans.len()];
        for (number, segment) in self.segments.iter().enumerate() {
            let Some(region) = arena(segment) else { continue };
            let len = region.bytes as usize / 4;
            let contents = self.gpu.read_numbers("the arena", region, len).await?;
            for (span, tensor) in
                spans.iter().zip(&mut tensors).filter(|(span, _)| span.segment == number)
            {
                *tensor =
                    contents.get(span.offset..span.offset + span.len).unwrap_or_default().to_vec();
            }
        }
        Ok(tensors)
    }
}

/// Where the numbers of each tensor's rows and columns lie, beside the tensor's own segment, and how many each of the
/// segments has.
fn line_layout(params: &[ParamInfo], spans: &[Span], segments: usize) -> (Vec<Span>, Vec<usize>) {
    let mut lens = vec![0; segments];
    let place = |(param, span): (&ParamInfo, &Span)| {
        let len = Layout::Lines.len(param.shape);
        let used = lens.get_mut(span.segment)?;
        let offset = *used;
        *used += padded(len);
        Some(Span { segment: span.segment, offset, len })
    };
    let spans = params.iter().zip(spans).filter_map(place).collect();
    (spans, lens)
}

/// The settings of each of a tensor's blocks.
fn blocks_of(param: &ParamInfo, lines: usize) -> impl Iterator<Item = u32> {
    let bits = |number: f64| (number as f32).to_bits();
    let decays = if param.decays { 1.0 } else { 0.0 };
    let settings = [param.multiplier, decays, param.l1, param.l2].map(bits);
    let [rows, cols] = sides(param.shape).map(|side| side as u32);
    let blocks = (padded(param.shape.len()) / PAD) as u32;
    (0..blocks).flat_map(move |number| {
        let places = [rows, cols, number, lines as u32];
        settings.into_iter().chain([0; 4]).chain(places)
    })
}

/// The strips of a tensor's rows, and then of its columns.
fn strips_of(param: &ParamInfo, offset: usize) -> impl Iterator<Item = [u32; 2]> {
    let [rows, cols] = if param.shape.is_empty() { [0, 0] } else { sides(param.shape) };
    let step = if cols == 0 { STRIP[0] } else { STRIP[1] };
    let starts = (0..rows).step_by(step).chain((rows..rows + cols).step_by(step));
    starts.map(move |line| [(offset / PAD) as u32, line as u32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    fn tensor(len: usize) -> ParamInfo {
        let shape = Shape::new(&[len]).unwrap();
        ParamInfo { name: "w".into(), shape, l1: 0.0, l2: 0.0, multiplier: 1.0, decays: true }
    }

    #[test]
    fn tensors_are_padded_and_a_full_segment_begins_the_next() {
        let (spans, segments) =
            layout(&[tensor(1), tensor(65), tensor(64), tensor(0)], 256).unwrap();
        assert_eq!(segments, [256, 64]);
        let places: Vec<_> =
            spans.iter().map(|span| (span.segment, span.offset, span.len)).collect();
        assert_eq!(places, [(0, 0, 1), (0, 64, 65), (0, 192, 64), (1, 0, 0)]);
    }

    #[test]
    fn a_tensor_over_the_binding_limit_is_refused_by_name() {
        let error = layout(&[tensor(257)], 256).unwrap_err().to_string();
        assert!(error.contains("[257]") && error.contains("1024"), "{error}");
    }
}
