//! Parameters, gradients and optimizer state: one flat arena each, in segments that one binding can hold.

use super::Gpu;
use super::memory::{Region, words};
use crate::error::{Error, Result};
use crate::program::ParamInfo;
use crate::shape::{PAD, padded};
use crate::spec::Optimizer;
use crate::spec::optimizer::MAX_CARRIED;

/// How many numbers are kept per 64 parameters.
const BLOCK: usize = 10;

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
    /// Ten numbers per 64 parameters: learning-rate multiplier, weight-decay mask, L1, L2, four places for sums over the
    /// tensor, and how many of the 64 are no padding.
    pub blocks: Region,
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
        let mut blocks: Vec<Vec<f32>> =
            lens.iter().map(|len| vec![0.0; len / PAD * BLOCK]).collect();
        for (param, span) in params.iter().zip(&spans) {
            let decays = if param.decays { 1.0 } else { 0.0 };
            let settings = [param.multiplier as f32, decays, param.l1 as f32, param.l2 as f32];
            let from = span.offset / PAD * BLOCK;
            let places = blocks.get_mut(span.segment).and_then(|blocks| blocks.get_mut(from..));
            let count = padded(span.len) / PAD;
            let places = places.unwrap_or_default().chunks_mut(BLOCK).take(count);
            for (number, place) in places.enumerate() {
                let real = span.len.saturating_sub(number * PAD).min(PAD) as f32;
                let block = settings.into_iter().chain([0.0; 4]).chain([real]);
                place.iter_mut().zip(block).for_each(|(place, number)| *place = number);
            }
        }
        let initial = optimizer.map(Optimizer::initial_state).unwrap_or_default();
        let segments = lens.iter().zip(&blocks).enumerate().map(|(number, (&len, blocks))| {
            let own = || spans.iter().filter(|span| span.segment == number);
            let tensors: Vec<u32> = own()
                .flat_map(|span| [span.offset, padded(span.len)])
                .map(|n| (n / PAD) as u32)
                .collect();
            Ok(Segment {
                len,
                params: gpu.storage("parameters", len, &[])?,
                grads: gpu.storage("gradients", len, &[])?,
                states: (0..initial.len() + extras)
                    .map(|_| gpu.storage("optimizer state", len, &[]))
                    .collect::<Result<_>>()?,
                blocks: gpu.storage("parameter settings", blocks.len(), words(blocks))?,
                tensors: gpu.storage("tensors", tensors.len(), &tensors)?,
                count: own().count(),
            })
        });
        let segments = segments.collect::<Result<_>>()?;
        let carried = gpu.storage("carried numbers", MAX_CARRIED, &[])?;
        let weights = Self { gpu: gpu.clone(), spans, segments, carried };
        for (number, value) in initial.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let filled = |span: &Span| vec![*value as f32; span.len];
            weights.write_state(number, &weights.spans.iter().map(filled).collect::<Vec<_>>())?;
        }
        let first = optimizer.map(Optimizer::initial_carried).unwrap_or_default();
        weights.write_carried(&first.iter().map(|value| *value as f32).collect::<Vec<_>>())?;
        Ok(weights)
    }

    /// The part of an arena that holds one tensor.
    pub(super) fn region(
        &self,
        index: usize,
        arena: impl Fn(&Segment) -> Option<&Region>,
    ) -> Result<Region> {
        let span = self.spans.get(index);
        let region = span
            .and_then(|span| arena(self.segments.get(span.segment)?).map(|region| (span, region)));
        let (span, region) =
            region.ok_or_else(|| Error::Internal(format!("no parameter {index} in the arena")))?;
        let (offset, bytes) = (span.offset as u64 * 4, padded(span.len) as u64 * 4);
        Ok(Region { buffer: region.buffer.clone(), offset, bytes })
    }

    /// Where a parameter tensor lies, to be bound by the host's own pipelines.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no such tensor.
    pub fn param(&self, index: usize) -> Result<Region> {
        self.region(index, |segment| Some(&segment.params))
    }

    /// Where a parameter tensor's gradient lies, to be written by the host's own pipelines.
    ///
    /// # Errors
    /// As [`Weights::param`].
    pub fn grad(&self, index: usize) -> Result<Region> {
        self.region(index, |segment| Some(&segment.grads))
    }

    /// Where one of a parameter tensor's optimizer states lies.
    ///
    /// # Errors
    /// As [`Weights::param`], also if there is no such state.
    pub fn state(&self, state: usize, index: usize) -> Result<Region> {
        self.region(index, |segment| segment.states.get(state))
    }

    /// Writes every parameter tensor.
    pub(crate) fn write_params(&self, tensors: &[Vec<f32>]) -> Result<()> {
        self.write(tensors, |segment| Some(&segment.params))
    }

    /// Writes one state value of every parameter tensor.
    pub(crate) fn write_state(&self, state: usize, tensors: &[Vec<f32>]) -> Result<()> {
        self.write(tensors, |segment| segment.states.get(state))
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
        self.read(|segment| Some(&segment.params)).await
    }

    /// Reads every gradient tensor.
    pub(crate) async fn read_grads(&self) -> Result<Vec<Vec<f32>>> {
        self.read(|segment| Some(&segment.grads)).await
    }

    /// Reads one state value of every parameter tensor.
    pub(crate) async fn read_state(&self, state: usize) -> Result<Vec<Vec<f32>>> {
        self.read(|segment| segment.states.get(state)).await
    }

    fn write(
        &self,
        tensors: &[Vec<f32>],
        arena: impl Fn(&Segment) -> Option<&Region>,
    ) -> Result<()> {
        for (number, segment) in self.segments.iter().enumerate() {
            let mut contents = vec![0.0f32; segment.len];
            for (span, tensor) in
                self.spans.iter().zip(tensors).filter(|(span, _)| span.segment == number)
            {
                let place = contents.get_mut(span.offset..span.offset + tensor.len().min(span.len));
                place.into_iter().for_each(|place| place.copy_from_slice(tensor));
            }
            if let Some(region) = arena(segment) {
                self.gpu.upload("the arena", region, words(&contents))?;
            }
        }
        Ok(())
    }

    async fn read(&self, arena: impl Fn(&Segment) -> Option<&Region>) -> Result<Vec<Vec<f32>>> {
        let mut tensors = vec![Vec::new(); self.spans.len()];
        for (number, segment) in self.segments.iter().enumerate() {
            let Some(region) = arena(segment) else { continue };
            let contents = self.gpu.read_numbers("the arena", region, segment.len).await?;
            for (span, tensor) in
                self.spans.iter().zip(&mut tensors).filter(|(span, _)| span.segment == number)
            {
                *tensor =
                    contents.get(span.offset..span.offset + span.len).unwrap_or_default().to_vec();
            }
        }
        Ok(tensors)
    }
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
