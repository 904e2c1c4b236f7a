//! Transfers of arena contents between host and device.

use super::{Arena, PlanWeights, Segment};
use crate::engine::gpu::Readback;
use crate::engine::gpu::memory::{Region, check_place, words};
use crate::error::{Error, Result};
use crate::ir::WeightValues;

impl PlanWeights {
    /// Writes every parameter tensor.
    pub(crate) fn write_params(&self, tensors: &[Vec<f32>]) -> Result<()> {
        self.write(Arena::Params, tensors)
    }

    /// Writes every gradient tensor.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn write_grads(&self, tensors: &[Vec<f32>]) -> Result<()> {
        self.write(Arena::Grads, tensors)
    }

    /// Writes some of the parameter tensors.
    pub(crate) fn write_some_params(&self, tensors: &[Option<Vec<f32>>]) -> Result<()> {
        self.write_some(Arena::Params, tensors)
    }

    /// Writes one state value, an element per parameter, of some of the parameter tensors.
    pub(crate) fn write_some_state(
        &self,
        state: usize,
        tensors: &[Option<Vec<f32>>],
    ) -> Result<()> {
        self.write_some(Arena::State(state), tensors)
    }

    fn write_some(&self, arena: Arena, tensors: &[Option<Vec<f32>>]) -> Result<()> {
        for ((region, _), values) in self.tensors_of(arena).zip(tensors) {
            let Some(values) = values else { continue };
            self.gpu.upload("the arena", &region, words(values))?;
        }
        Ok(())
    }

    /// The memory of every parameter, gradient and state value, a region per tensor, with the number of its elements.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (Region, usize)> {
        let states = (0..self.state_count()).map(Arena::State);
        let arenas = [Arena::Params, Arena::Grads].into_iter().chain(states);
        arenas.flat_map(|arena| self.tensors_of(arena))
    }

    fn tensors_of(&self, arena: Arena) -> impl Iterator<Item = (Region, usize)> {
        let (spans, slots) = self.places(arena);
        spans.iter().flat_map(move |span| {
            let region = self.segments.get(span.segment).and_then(|own| own.region(arena));
            region.into_iter().flat_map(move |region| {
                (0..slots as u64).map(move |slot| {
                    let offset = region.bytes / slots as u64 * slot + 4 * span.offset as u64;
                    (Region { offset: region.offset + offset, ..region.clone() }, span.len)
                })
            })
        })
    }

    /// Writes one state value of every parameter tensor.
    pub(crate) fn write_state(&self, state: usize, tensors: &[Vec<f32>]) -> Result<()> {
        self.write(Arena::State(state), tensors)
    }

    /// Writes all state that training changes.
    pub(crate) fn write_values(&self, values: &WeightValues) -> Result<()> {
        self.write(Arena::Params, &values.params)?;
        let mut states = values.states.iter().enumerate();
        states.try_for_each(|(state, tensors)| self.write(Arena::State(state), tensors))?;
        self.gpu.upload("carried numbers", &self.carried, words(&values.carried))
    }

    /// Reads every parameter tensor.
    pub(crate) async fn read_params(&self) -> Result<Vec<Vec<f32>>> {
        self.read(Arena::Params).await
    }

    /// Reads every gradient tensor.
    pub(crate) async fn read_grads(&self) -> Result<Vec<Vec<f32>>> {
        self.read(Arena::Grads).await
    }

    /// Reads one state value of every parameter tensor, with one entry per element unless
    /// [`Optimizer::layout`](crate::Optimizer::layout) says otherwise.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the state value does not exist; [`Error::DeviceLost`], [`Error::Timeout`].
    #[doc(hidden)]
    pub async fn read_state(&self, state: usize) -> Result<Vec<Vec<f32>>> {
        self.check_state(state)?;
        self.read(Arena::State(state)).await
    }

    /// Reads all state that training changes.
    pub(crate) async fn read_values(&self) -> Result<WeightValues> {
        self.finish(self.copy_values()?).await
    }

    /// Submits a copy of all state that training changes; [`PlanWeights::finish`] reads it.
    pub(crate) fn copy_values(&self) -> Result<Vec<Readback>> {
        let parts: Vec<_> =
            self.changing().into_iter().map(|region| (region, region.words())).collect();
        self.gpu.copy_words("the arena", &parts)
    }

    /// Reads a copy of all state that training changes.
    pub(crate) async fn finish(&self, copies: Vec<Readback>) -> Result<WeightValues> {
        let mut contents = Vec::new();
        for copy in copies {
            contents.extend(self.gpu.finish("the arena", copy).await?);
        }
        Ok(self.values_of(bytemuck::cast_slice(&contents)))
    }

    /// Moves the parameters into the caller's buffer, from byte `offset` on. Plans built earlier keep the old memory.
    pub(crate) fn move_params(&mut self, buffer: &wgpu::Buffer, offset: u64) -> Result<()> {
        let what = "the parameters in the host's buffer";
        let bytes = self.segments.iter().map(|segment| segment.params.bytes).sum();
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        check_place(what, buffer, offset, bytes, usage)?;
        if self.segments.iter().any(|segment| segment.params.buffer == *buffer) {
            return Err(Error::unsupported(what, "they lie in this buffer already"));
        }
        let mut places = Vec::with_capacity(self.segments.len());
        let mut at = offset;
        for Segment { params, .. } in &self.segments {
            places.push(Region { buffer: buffer.clone(), offset: at, ..params.clone() });
            at += params.bytes;
        }
        self.gpu.submit(what, |encoder| {
            for (Segment { params, .. }, place) in self.segments.iter().zip(&places) {
                let (from, to) = (&params.buffer, &place.buffer);
                encoder.copy_buffer_to_buffer(from, params.offset, to, place.offset, place.bytes);
            }
            Ok(())
        })?;
        self.segments.iter_mut().zip(places).for_each(|(segment, place)| segment.params = place);
        self.hosted = true;
        Ok(())
    }

    pub(super) fn state_count(&self) -> usize {
        self.segments.first().map_or(0, |segment| segment.states.len())
    }

    pub(super) fn write(&self, arena: Arena, tensors: &[Vec<f32>]) -> Result<()> {
        for (number, segment) in self.segments.iter().enumerate() {
            let Some(region) = segment.region(arena) else { continue };
            let contents = self.packed(arena, number, region.words(), tensors)?;
            self.gpu.upload("the arena", region, words(&contents))?;
        }
        Ok(())
    }

    async fn read(&self, arena: Arena) -> Result<Vec<Vec<f32>>> {
        let mut tensors = vec![Vec::new(); self.spans.len()];
        for (number, segment) in self.segments.iter().enumerate() {
            let Some(region) = segment.region(arena) else { continue };
            let contents = self.gpu.read_numbers("the arena", region, region.words()).await?;
            self.unpack(arena, number, &contents, &mut tensors);
        }
        Ok(tensors)
    }

    /// Packs tensors into the contents of a segment of `len` elements, with zeros as padding.
    fn packed(
        &self,
        arena: Arena,
        segment: usize,
        len: usize,
        tensors: &[Vec<f32>],
    ) -> Result<Vec<f32>> {
        let (spans, slots) = self.places(arena);
        let mut contents = vec![0.0; len];
        for (span, tensor) in spans.iter().zip(tensors).filter(|(span, _)| span.segment == segment)
        {
            // A state value with several slots stores them consecutively.
            let slots = contents.chunks_mut((len / slots).max(1));
            for (slot, values) in slots.zip(tensor.chunks(span.len.max(1))) {
                let wrong = || Error::Internal(format!("{span:?} lies outside its segment"));
                let place = slot.get_mut(span.offset..span.offset + values.len());
                place.ok_or_else(wrong)?.copy_from_slice(values);
            }
        }
        Ok(contents)
    }

    /// Unpacks the contents of a segment into its tensors.
    fn unpack(&self, arena: Arena, segment: usize, contents: &[f32], tensors: &mut [Vec<f32>]) {
        let (spans, slots) = self.places(arena);
        for (span, tensor) in spans.iter().zip(tensors).filter(|(span, _)| span.segment == segment)
        {
            let slots = contents.chunks((contents.len() / slots).max(1));
            let of_slot = slots.filter_map(|slot| slot.get(span.offset..span.offset + span.len));
            *tensor = of_slot.flatten().copied().collect();
        }
    }

    /// The regions that training changes, in the order of the contents that [`PlanWeights::values_of`] takes.
    pub(in crate::engine::gpu) fn changing(&self) -> Vec<&Region> {
        let regions = self.segments.iter().flat_map(|segment| {
            self.changing_arenas().filter_map(move |arena| segment.region(arena))
        });
        regions.chain([&self.carried]).collect()
    }

    /// The arenas of each segment that training changes.
    fn changing_arenas(&self) -> impl Iterator<Item = Arena> + use<> {
        std::iter::once(Arena::Params).chain((0..self.state_count()).map(Arena::State))
    }

    /// Splits the concatenated contents of the regions of [`PlanWeights::changing`].
    pub(in crate::engine::gpu) fn values_of(&self, mut contents: &[f32]) -> WeightValues {
        let mut params = vec![Vec::new(); self.spans.len()];
        let mut states = vec![params.clone(); self.state_count()];
        for (number, segment) in self.segments.iter().enumerate() {
            let targets = std::iter::once(&mut params).chain(&mut states);
            for (arena, target) in self.changing_arenas().zip(targets) {
                let words = segment.region(arena).map_or(0, Region::words).min(contents.len());
                let (part, rest) = contents.split_at(words);
                contents = rest;
                self.unpack(arena, number, part, target);
            }
        }
        let carried = contents.get(..self.carried_len).unwrap_or_default().to_vec();
        WeightValues { params, states, carried }
    }
}
