//! The ops over all parameters, one dispatch per arena segment, and the end of a step.

use super::ops::Total;
use super::{Lowering, RING, groups};
use crate::error::{Error, Result};
use crate::gpu::arena::Segment;
use crate::gpu::kernel::catalogue;
use crate::gpu::memory::Region;
use crate::program::{Op, Slot};
use crate::random::Key;
use crate::shape::PAD;
use crate::spec::Optimizer;
use crate::spec::optimizer::{Layout, Takes, sides};

fn state_of(segment: &Segment, state: usize) -> Result<&Region> {
    let missing = || Error::Internal(format!("the arena has no state value {state}"));
    segment.states.get(state).ok_or_else(missing)
}

impl<'a> Lowering<'a> {
    fn segments(&self) -> Result<&'a [Segment]> {
        Ok(&self.weights()?.segments)
    }

    pub(super) fn penalty(&mut self, value: Slot, backward: bool) -> Result<()> {
        let segments = self.segments()?;
        let counts: Vec<usize> =
            segments.iter().map(|segment| segment.len.div_ceil(1024)).collect();
        let partial = self.scratch(counts.iter().sum())?;
        let mut offset = 0;
        for (segment, count) in segments.iter().zip(&counts) {
            let blocks = self.blocks(segment.len);
            let [len, lanes] = blocks.fields;
            let fields = [len, lanes, offset as u32, u32::from(backward)];
            let bindings = vec![
                segment.blocks.clone(),
                segment.params.clone(),
                segment.grads.clone(),
                partial.clone(),
            ];
            let kernel = catalogue::penalty(blocks.lanes);
            self.push(kernel, &fields, &[], bindings, blocks.groups, 0)?;
            offset += count;
        }
        self.sum(partial, offset, self.region(value)?, Total::SUM)
    }

    pub(super) fn clip_value(&mut self, limit: f64) -> Result<()> {
        for segment in self.segments()? {
            let fields = [segment.len as u32, (limit as f32).to_bits()];
            let bindings = vec![segment.grads.clone()];
            self.push(
                catalogue::clip_value(),
                &fields,
                &[],
                bindings,
                groups(segment.len, 256),
                0,
            )?;
        }
        Ok(())
    }

    pub(super) fn clip_norm(&mut self, max: f64, norm: Slot) -> Result<()> {
        let segments = self.segments()?;
        let counts: Vec<usize> =
            segments.iter().map(|segment| segment.len.div_ceil(1024)).collect();
        let partial = self.scratch(counts.iter().sum())?;
        let mut offset = 0;
        for (segment, count) in segments.iter().zip(&counts) {
            let squares = Total { square: true, ..Total::SUM };
            self.sum_round(segment.grads.clone(), segment.len, partial.clone(), offset, squares)?;
            offset += count;
        }
        let total = self.scratch(1)?;
        self.sum(partial, offset, total.clone(), Total::SUM)?;
        for segment in segments {
            let fields = [segment.len as u32, (max as f32).to_bits()];
            let bindings = vec![total.clone(), segment.grads.clone(), self.region(norm)?];
            self.push(catalogue::clip_norm(), &fields, &[], bindings, groups(segment.len, 256), 0)?;
        }
        Ok(())
    }

    pub(super) fn skip_not_finite(&mut self, skipped: Slot) -> Result<()> {
        let segments = self.segments()?;
        let counts: Vec<usize> =
            segments.iter().map(|segment| segment.len.div_ceil(1024)).collect();
        let total = counts.iter().sum();
        let partial = self.scratch(total)?;
        let mut offset = 0;
        for (segment, count) in segments.iter().zip(&counts) {
            let blocks = self.blocks(segment.len);
            let [len, lanes] = blocks.fields;
            let fields = [len, lanes, offset as u32];
            let bindings = vec![segment.grads.clone(), partial.clone()];
            let kernel = catalogue::count_not_finite(blocks.lanes);
            self.push(kernel, &fields, &[], bindings, blocks.groups, 0)?;
            offset += count;
        }
        let bindings = vec![partial, self.memory.steps.clone(), self.region(skipped)?];
        self.push(catalogue::skip(), &[total as u32], &[], bindings, 1, 0)
    }

    pub(super) fn clip_each(&mut self, max: f64) -> Result<()> {
        for segment in self.segments()? {
            let blocks = segment.len / PAD;
            let bindings = vec![segment.grads.clone(), segment.blocks.clone()];
            let count = groups(blocks, 64);
            self.push(catalogue::squares(), &[blocks as u32], &[], bindings, count, 0)?;
            self.norms(segment)?;
            let fields = [segment.len as u32, (max as f32).to_bits()];
            let bindings = vec![segment.blocks.clone(), segment.grads.clone()];
            self.push(catalogue::clip_each(), &fields, &[], bindings, groups(segment.len, 256), 0)?;
        }
        Ok(())
    }

    /// The sums over each tensor of a segment, from the shares of its blocks.
    fn norms(&mut self, segment: &Segment) -> Result<()> {
        let (tables, tensors) =
            (vec![segment.tensors.clone(), segment.blocks.clone()], segment.count);
        self.push(catalogue::norms(), &[tensors as u32], &[], tables, tensors as u64, 0)
    }

    pub(super) fn gradient_noise(&mut self, key: Key) -> Result<()> {
        let mut first = 0;
        for segment in self.segments()? {
            let fields = [segment.len as u32, first, key.0[0], key.0[1]];
            let bindings =
                vec![self.memory.steps.clone(), segment.blocks.clone(), segment.grads.clone()];
            let count = groups(segment.len, 64);
            self.push(catalogue::gradient_noise(), &fields, &[], bindings, count, 0)?;
            first = first.wrapping_add(segment.len as u32);
        }
        Ok(())
    }

    pub(super) fn accumulate(&mut self, state: usize) -> Result<()> {
        for segment in self.segments()? {
            let bindings = vec![
                self.memory.steps.clone(),
                segment.grads.clone(),
                state_of(segment, state)?.clone(),
            ];
            let count = groups(segment.len, 256);
            self.push(catalogue::accumulate(), &[segment.len as u32], &[], bindings, count, 0)?;
        }
        Ok(())
    }

    pub(super) fn average(&mut self, state: usize, follows: bool) -> Result<()> {
        for segment in self.segments()? {
            let bindings = vec![
                self.memory.steps.clone(),
                segment.blocks.clone(),
                segment.params.clone(),
                state_of(segment, state)?.clone(),
            ];
            let fields = [segment.len as u32, u32::from(follows)];
            let count = groups(segment.len, 256);
            self.push(catalogue::average(), &fields, &[], bindings, count, 0)?;
        }
        Ok(())
    }

    pub(super) fn update(
        &mut self,
        optimizer: &Optimizer,
        loss: Option<Slot>,
        key: Key,
    ) -> Result<()> {
        let kind = &optimizer.entry().kind;
        if kind.takes == Takes::History {
            return self.history(optimizer);
        }
        let states = optimizer.states().len();
        if kind.carried.is_some() {
            let carried = self.weights()?.carried.clone();
            let place = loss.map_or(Ok(0), |loss| Ok((self.region(loss)?.offset / 4) as u32))?;
            let bindings = vec![self.memory.steps.clone(), self.memory.scalars.clone(), carried];
            self.push(catalogue::carry(optimizer), &[place], &[], bindings, 1, 0)?;
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
            let mut bindings = vec![
                self.memory.steps.clone(),
                segment.blocks.clone(),
                segment.grads.clone(),
                segment.params.clone(),
            ];
            bindings.extend(segment.states.iter().take(states).cloned());
            let count = groups(segment.len, 256);
            // What is the same for all parameters is read once per invocation.
            let turns = self.gpu.choices().class.turns(count);
            let fields = [segment.len as u32, first, key.0[0], key.0[1], turns as u32];
            let late = matches!(kind.takes, Takes::Lines { late: true, .. });
            let lines = self.lines(optimizer, segment)?;
            if !late {
                self.settle_lines(segment, lines.as_ref())?;
            }
            if kind.takes.norms() {
                let measure = catalogue::optimizer_measure(optimizer);
                self.push(measure, &fields, &[], bindings.clone(), count, 0)?;
                self.norms(segment)?;
            }
            let kernel = catalogue::optimizer(optimizer);
            self.push(kernel, &fields, &[], bindings, count.div_ceil(turns), 0)?;
            if late {
                self.settle_lines(segment, lines.as_ref())?;
            }
            first = first.wrapping_add(segment.len as u32);
        }
        Ok(())
    }

    pub(super) fn direction(&mut self, optimizer: &Optimizer) -> Result<()> {
        for segment in self.segments()? {
            let missing = || Error::Internal(format!("no momentum for {optimizer}"));
            let state = segment.states.first().ok_or_else(missing)?.clone();
            let (blocks, grads) = (segment.blocks.clone(), segment.grads.clone());
            let bindings = vec![self.memory.steps.clone(), blocks, grads, state];
            let (kernel, count) = (catalogue::direction(optimizer), groups(segment.len, 256));
            self.push(kernel, &[segment.len as u32], &[], bindings, count, 0)?;
        }
        Ok(())
    }

    /// The step of an optimizer that looks back over the whole network: gathers the gradient, takes its products with the
    /// history, solves for the direction, goes along it.
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
        let (grad, numbers) = (self.scratch(len)?, self.weights()?.carried.clone());
        let partial = self.scratch(5 * (slots + 1) * chunks)?;
        let [kernel_gather, dots, solve, apply] = catalogue::history(optimizer);
        let (table, param) = (self.memory.steps.clone(), segment.params.clone());
        let bindings = vec![
            table.clone(),
            segment.blocks.clone(),
            segment.grads.clone(),
            param.clone(),
            grad.clone(),
        ];
        self.push(kernel_gather, &[len as u32], &[], bindings, groups(len, 256), 0)?;
        let history = [prev.clone(), steps.clone(), changes.clone()];
        let bindings =
            [&[table.clone(), grad.clone()], &history[..], &[numbers.clone(), partial.clone()]];
        let fields = [len as u32, slots as u32, chunks as u32];
        let flops = 10 * (slots * len) as u64;
        self.push(dots, &fields, &[], bindings.concat(), ((slots + 1) * chunks) as u64, flops)?;
        let bindings = vec![table.clone(), partial, numbers.clone()];
        self.push(solve, &[slots as u32, chunks as u32], &[], bindings, 1, 0)?;
        let bindings = [&[table, grad, numbers, param], &history[..]].concat();
        let flops = 4 * (slots * len) as u64;
        self.push(apply, &[len as u32, slots as u32], &[], bindings, groups(len, 64), flops)
    }

    /// The new numbers of rows and columns, and the old ones, of an optimizer that keeps any.
    fn lines(&mut self, optimizer: &Optimizer, segment: &Segment) -> Result<Option<[Region; 2]>> {
        // Weights may have been made for another optimizer, which keeps more.
        let keeps = (0..optimizer.states().len()).rfind(|k| optimizer.layout(*k) == Layout::Lines);
        let lines = keeps.and_then(|state| segment.states.get(state));
        let Some(lines) = lines.filter(|_| !segment.strips.is_empty()) else { return Ok(None) };
        let all = self.program.params().iter().map(|param| sides(param.shape));
        let longest = all.filter(|[_, cols]| *cols > 0).flatten().max();
        // 16 invocations along each side of a matrix, eight numbers a turn.
        self.check_turns(optimizer.name(), longest.unwrap_or(0).div_ceil(128))?;
        let words: Vec<u32> = segment.strips.iter().flatten().copied().collect();
        let strips = self.scratch_of(words.len(), &words)?;
        let next = self.scratch(segment.lines)?;
        let bindings = vec![
            self.memory.steps.clone(),
            segment.blocks.clone(),
            segment.grads.clone(),
            segment.params.clone(),
            strips,
            lines.clone(),
            next.clone(),
        ];
        let count = segment.strips.len();
        let kernel = catalogue::optimizer_lines(optimizer);
        self.push(kernel, &[count as u32], &[], bindings, count as u64, 0)?;
        Ok(Some([next, lines.clone()]))
    }

    fn settle_lines(&mut self, segment: &Segment, lines: Option<&[Region; 2]>) -> Result<()> {
        let Some([next, lines]) = lines else { return Ok(()) };
        let bindings = vec![
            self.memory.steps.clone(),
            segment.blocks.clone(),
            segment.tensors.clone(),
            next.clone(),
            lines.clone(),
        ];
        let count = segment.count;
        self.push(catalogue::settle_lines(), &[count as u32], &[], bindings, count as u64, 0)
    }

    pub(super) fn record(&mut self, values: &[Slot]) -> Result<()> {
        let mut fields = vec![values.len() as u32, RING as u32, 0, 0];
        for slot in values {
            fields.push((self.region(*slot)?.offset / 4) as u32);
        }
        fields.resize(4 + Op::MAX_RECORDED, 0);
        let bindings =
            vec![self.memory.steps.clone(), self.memory.scalars.clone(), self.memory.ring.clone()];
        self.push(catalogue::record(), &fields, &[], bindings, 1, 0)
    }
}
