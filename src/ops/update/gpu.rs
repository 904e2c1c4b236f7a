//! The GPU dispatches: one per arena segment.

use super::{UpdateOp, kernels};
use crate::engine::gpu::arena::Segment;
use crate::engine::gpu::lower::{Lowering, SUM, Total, groups};
use crate::engine::gpu::memory::Region;
use crate::error::{Error, Result};
use crate::ir::Slot;
use crate::random::Key;
use crate::shape::PAD;
use crate::spec::Optimizer;
use crate::spec::optimizer::{Layout, Takes, sides};

fn state_of(segment: &Segment, state: usize) -> Result<&Region> {
    let missing = || Error::Internal(format!("the arena has no state value {state}"));
    segment.states.get(state).ok_or_else(missing)
}

impl UpdateOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            Self::Penalty { value, backward } => lowering.penalty(*value, *backward),
            Self::ClipValue { limit } => lowering.clip_value(*limit),
            Self::ClipNorm { max, norm } => lowering.clip_norm(*max, *norm),
            Self::ClipEach { max } => lowering.clip_each(*max),
            Self::GradientNoise { key } => lowering.gradient_noise(*key),
            Self::Accumulate { state } => lowering.accumulate(*state),
            Self::SkipNotFinite { skipped } => lowering.skip_not_finite(*skipped),
            Self::Average { state, follows } => lowering.average(*state, *follows),
            Self::Direction { optimizer } => lowering.direction(optimizer),
            Self::Update { optimizer, loss, key } => lowering.update(optimizer, *loss, *key),
        }
    }
}

impl<'a> Lowering<'a> {
    fn segments(&self) -> Result<&'a [Segment]> {
        Ok(&self.weights()?.segments)
    }

    /// Computes a value per block of every segment, one after the other; returns them and their count.
    fn per_block(
        &mut self,
        mut push: impl FnMut(&mut Self, &'a Segment, &Region, usize) -> Result<()>,
    ) -> Result<(Region, usize)> {
        let segments = self.segments()?;
        let count = |segment: &Segment| segment.len.div_ceil(SUM);
        let partial = self.scratch(segments.iter().map(count).sum())?;
        let mut offset = 0;
        for segment in segments {
            push(self, segment, &partial, offset)?;
            offset += count(segment);
        }
        Ok((partial, offset))
    }

    fn penalty(&mut self, value: Slot, backward: bool) -> Result<()> {
        let (partial, count) = self.per_block(|lowering, segment, partial, offset| {
            let blocks = lowering.blocks(segment.len);
            let call = lowering
                .call(kernels::penalty(blocks.lanes))
                .bind("blocks", &segment.blocks)
                .bind("param", &segment.params)
                .bind("grad", &segment.grads)
                .bind("partial", partial)
                .fields(blocks.fields)
                .field("offset", offset)
                .field("backward", backward)
                .groups(blocks.groups);
            lowering.push(call)
        })?;
        self.sum(partial, count, self.region(value)?, Total::SUM)
    }

    fn clip_value(&mut self, limit: f64) -> Result<()> {
        for segment in self.segments()? {
            let call = self
                .call(kernels::clip_value())
                .bind("grad", &segment.grads)
                .field("len", segment.len)
                .field("limit", limit as f32)
                .groups(groups(segment.len, 256));
            self.push(call)?;
        }
        Ok(())
    }

    fn clip_norm(&mut self, max: f64, norm: Slot) -> Result<()> {
        let (partial, count) = self.per_block(|lowering, segment, partial, offset| {
            let squares = Total { square: true, ..Total::SUM };
            let (grads, len) = (segment.grads.clone(), segment.len);
            lowering.sum_round(grads, len, partial.clone(), offset, squares)
        })?;
        let total = self.scratch(1)?;
        self.sum(partial, count, total.clone(), Total::SUM)?;
        for segment in self.segments()? {
            let call = self
                .call(kernels::clip_norm())
                .bind("squares", &total)
                .bind("grad", &segment.grads)
                .bind("norm", &self.region(norm)?)
                .field("len", segment.len)
                .field("max_norm", max as f32)
                .groups(groups(segment.len, 256));
            self.push(call)?;
        }
        Ok(())
    }

    fn skip_not_finite(&mut self, skipped: Slot) -> Result<()> {
        let (partial, count) = self.per_block(|lowering, segment, partial, offset| {
            let blocks = lowering.blocks(segment.len);
            let call = lowering
                .call(kernels::count_not_finite(blocks.lanes))
                .bind("grad", &segment.grads)
                .bind("partial", partial)
                .fields(blocks.fields)
                .field("offset", offset)
                .groups(blocks.groups);
            lowering.push(call)
        })?;
        let call = self
            .call(kernels::skip())
            .bind("partial", &partial)
            .bind("skipped", &self.region(skipped)?)
            .field("len", count);
        self.push(call)
    }

    fn clip_each(&mut self, max: f64) -> Result<()> {
        for segment in self.segments()? {
            let blocks = segment.len / PAD;
            let squares = self
                .call(kernels::squares())
                .bind("grad", &segment.grads)
                .bind("blocks", &segment.blocks)
                .field("blocks", blocks)
                .groups(groups(blocks, 64));
            self.push(squares)?;
            self.norms(segment)?;
            let clip = self
                .call(kernels::clip_each())
                .bind("blocks", &segment.blocks)
                .bind("grad", &segment.grads)
                .field("len", segment.len)
                .field("max_norm", max as f32)
                .groups(groups(segment.len, 256));
            self.push(clip)?;
        }
        Ok(())
    }

    /// Computes the sums over each tensor of a segment from the partial sums of its blocks.
    fn norms(&mut self, segment: &Segment) -> Result<()> {
        let longest = self.program.params().iter().map(|param| param.shape.len()).max();
        // Two loops over the tensor's blocks.
        self.check_turns("the norm of a tensor", 2 * longest.unwrap_or(0).div_ceil(256 * PAD))?;
        let call = self
            .call(kernels::norms())
            .bind("tensors", &segment.tensors)
            .bind("blocks", &segment.blocks)
            .field("tensors", segment.count)
            .groups(segment.count as u64);
        self.push(call)
    }

    fn gradient_noise(&mut self, key: Key) -> Result<()> {
        let mut first = 0;
        for segment in self.segments()? {
            let [key0, key1] = key.0;
            let call = self
                .call(kernels::gradient_noise())
                .bind("blocks", &segment.blocks)
                .bind("grad", &segment.grads)
                .field("len", segment.len)
                .fields([("first", first), ("key0", key0), ("key1", key1)])
                .groups(groups(segment.len, 64));
            self.push(call)?;
            first = first.wrapping_add(segment.len as u32);
        }
        Ok(())
    }

    fn accumulate(&mut self, state: usize) -> Result<()> {
        for segment in self.segments()? {
            let call = self
                .call(kernels::accumulate())
                .bind("grad", &segment.grads)
                .bind("sum", state_of(segment, state)?)
                .field("len", segment.len)
                .groups(groups(segment.len, 256));
            self.push(call)?;
        }
        Ok(())
    }

    fn average(&mut self, state: usize, follows: bool) -> Result<()> {
        for segment in self.segments()? {
            let call = self
                .call(kernels::average())
                .bind("blocks", &segment.blocks)
                .bind("param", &segment.params)
                .bind("mean", state_of(segment, state)?)
                .field("len", segment.len)
                .field("follows", follows)
                .groups(groups(segment.len, 256));
            self.push(call)?;
        }
        Ok(())
    }

    fn update(&mut self, optimizer: &Optimizer, loss: Option<Slot>, key: Key) -> Result<()> {
        let kind = &optimizer.entry().kind;
        if kind.takes == Takes::History {
            return self.history(optimizer);
        }
        let states = optimizer.states().len();
        if kind.carried.is_some() {
            let carried = self.weights()?.carried.clone();
            let place = loss.map_or(Ok(0), |loss| Ok((self.region(loss)?.offset / 4) as usize))?;
            let call = self
                .call(kernels::carry(optimizer))
                .bind("scalars", &self.memory.scalars)
                .bind("numbers", &carried)
                .field("loss", place);
            self.push(call)?;
        }
        let mut first = 0;
        for segment in self.segments()? {
            if segment.states.len() < states {
                let message = format!(
                    "{optimizer} keeps {states} state values, the arena {}",
                    segment.states.len()
                );
                return Err(Error::Internal(message));
            }
            let count = groups(segment.len, 256);
            // Values common to all parameters are read once per invocation.
            let turns = self.gpu.choices().class.turns(count);
            let [key0, key1] = key.0;
            let call = |kernel| {
                let states = kernels::state_names(optimizer).zip(segment.states.iter().cloned());
                self.call(kernel)
                    .bind("blocks", &segment.blocks)
                    .bind("grad", &segment.grads)
                    .bind("param", &segment.params)
                    .bind_all(states)
                    .field("len", segment.len)
                    .fields([("first", first), ("key0", key0), ("key1", key1)])
                    .field("turns", turns as usize)
            };
            let apply = call(kernels::optimizer(optimizer)).groups(count.div_ceil(turns));
            let norms = kind.takes.norms();
            let measure = norms.then(|| call(kernels::optimizer_measure(optimizer)).groups(count));
            let late = matches!(kind.takes, Takes::Lines { late: true, .. });
            let lines = self.lines(optimizer, segment)?;
            if !late {
                self.settle_lines(segment, lines.as_ref())?;
            }
            if let Some(measure) = measure {
                self.push(measure)?;
                self.norms(segment)?;
            }
            self.push(apply)?;
            if late {
                self.settle_lines(segment, lines.as_ref())?;
            }
            first = first.wrapping_add(segment.len as u32);
        }
        Ok(())
    }

    fn direction(&mut self, optimizer: &Optimizer) -> Result<()> {
        for segment in self.segments()? {
            let missing = || Error::Internal(format!("no momentum for {optimizer}"));
            let call = self
                .call(kernels::direction(optimizer))
                .bind("blocks", &segment.blocks)
                .bind("grad", &segment.grads)
                .bind("state", segment.states.first().ok_or_else(missing)?)
                .field("len", segment.len)
                .groups(groups(segment.len, 256));
            self.push(call)?;
        }
        Ok(())
    }

    /// The step of an optimizer with a history of the whole network: gathers the gradient, computes its products with
    /// the history, solves for the direction, and moves along it.
    fn history(&mut self, optimizer: &Optimizer) -> Result<()> {
        let segments = self.segments()?;
        let [segment] = segments else {
            let (what, needed) = (format!("{optimizer}"), segments.len() as u64);
            return Err(Error::Limit { what, needed, limit: 1, unit: "arena segments" });
        };
        let [prev, steps, changes, ..] = segment.states.as_slice() else {
            return Err(Error::Internal(format!("no history for {optimizer}")));
        };
        let (len, slots) = (segment.len, optimizer.slots());
        let chunks = len.div_ceil(4096);
        // The kernel that solves adds up the chunks of each product.
        self.check_turns(optimizer.name(), (5 * (slots + 1)).div_ceil(256) * chunks)?;
        let (grad, numbers) = (self.scratch(len)?, self.weights()?.carried.clone());
        let partial = self.scratch(5 * (slots + 1) * chunks)?;
        let [gather, dots, solve, apply] = kernels::history(optimizer);
        let history = [("prev", prev), ("s", steps), ("y", changes)];
        let history = history.map(|(name, region)| (name, region.clone()));
        let gather = self
            .call(gather)
            .bind("blocks", &segment.blocks)
            .bind("grad", &segment.grads)
            .bind("param", &segment.params)
            .bind("g", &grad)
            .field("len", len)
            .groups(groups(len, 256));
        self.push(gather)?;
        let dots = self
            .call(dots)
            .bind("g", &grad)
            .bind_all(history.clone())
            .bind("numbers", &numbers)
            .bind("partial", &partial)
            .fields([("len", len), ("slots", slots), ("chunks", chunks)])
            .groups(((slots + 1) * chunks) as u64)
            .flops(10 * (slots * len) as u64);
        self.push(dots)?;
        let solve = self
            .call(solve)
            .bind("partial", &partial)
            .bind("numbers", &numbers)
            .fields([("slots", slots), ("chunks", chunks)]);
        self.push(solve)?;
        let apply = self
            .call(apply)
            .bind("g", &grad)
            .bind("numbers", &numbers)
            .bind("param", &segment.params)
            .bind_all(history)
            .fields([("len", len), ("slots", slots)])
            .groups(groups(len, 64))
            .flops(4 * (slots * len) as u64);
        self.push(apply)
    }

    /// The new and the old values of rows and columns, for an optimizer that keeps any.
    fn lines(&mut self, optimizer: &Optimizer, segment: &Segment) -> Result<Option<[Region; 2]>> {
        // The weights may have been created for another optimizer, which keeps more.
        let keeps = (0..optimizer.states().len()).rfind(|k| optimizer.layout(*k) == Layout::Lines);
        let lines = keeps.and_then(|state| segment.states.get(state));
        let Some(lines) = lines.filter(|_| !segment.strips.is_empty()) else { return Ok(None) };
        let all = self.program.params().iter().map(|param| sides(param.shape));
        let longest = all.filter(|[_, cols]| *cols > 0).flatten().max();
        // 16 invocations along each side of a matrix, eight elements per loop iteration.
        self.check_turns(optimizer.name(), longest.unwrap_or(0).div_ceil(128))?;
        let words: Vec<u32> = segment.strips.iter().flatten().copied().collect();
        let strips = self.scratch_of(words.len(), &words)?;
        let next = self.scratch(segment.lines)?;
        let count = segment.strips.len();
        let call = self
            .call(kernels::optimizer_lines(optimizer))
            .bind("blocks", &segment.blocks)
            .bind("grad", &segment.grads)
            .bind("param", &segment.params)
            .bind("strips", &strips)
            .bind("lines", lines)
            .bind("next", &next)
            .field("strips", count)
            .groups(count as u64);
        self.push(call)?;
        Ok(Some([next, lines.clone()]))
    }

    fn settle_lines(&mut self, segment: &Segment, lines: Option<&[Region; 2]>) -> Result<()> {
        let Some([next, lines]) = lines else { return Ok(()) };
        let call = self
            .call(kernels::settle_lines())
            .bind("blocks", &segment.blocks)
            .bind("tensors", &segment.tensors)
            .bind("next", next)
            .bind("lines", lines)
            .field("tensors", segment.count)
            .groups(segment.count as u64);
        self.push(call)
    }
}
