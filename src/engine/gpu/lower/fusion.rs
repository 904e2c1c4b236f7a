//! Fusion: the whole step, or a matmul with its prologue and epilogue.

use std::ops::Range;

use super::joins::{Join, ReadCounts};
use super::{Lowering, fused_step};
use crate::engine::gpu::choice::Fusion;
use crate::engine::gpu::{Gpu, PlanWeights, View};
use crate::error::Result;
use crate::ir::{Program, Slot};

/// The assignment of a program's ops to dispatches.
#[derive(Debug)]
pub(in crate::engine::gpu) enum FusionPlan {
    /// No fusion: each op has its own dispatches, and every value can be read.
    Apart,
    /// Each op has its own dispatches, except for fused ones.
    Joined {
        /// Matmuls fused with the surrounding ops.
        joins: Vec<Join>,
        /// A fused step, or the fused last layers of one.
        whole: Option<Box<fused_step::FusedStepPlan>>,
    },
}

/// Plans the fusion of a program.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) if a fused step is required and the program cannot be one.
pub(in crate::engine::gpu) fn prepare(
    gpu: &Gpu,
    program: &Program,
    weights: Option<&PlanWeights>,
    views: &[(Slot, View)],
) -> Result<FusionPlan> {
    let readers = ReadCounts::of(program);
    let whole = fused_step::prepare(gpu, program, &readers, weights, views)?.map(Box::new);
    // Fusing ops could bind two views of one buffer in the same dispatch, which WebGPU may refuse.
    let apart = gpu.choices().fusion == Fusion::Never || !views.is_empty();
    let (mut joins, mut at) = (Vec::new(), 0);
    // With views, the ops outside a fused step are not fused either.
    let span = match (&whole, apart) {
        (None, true) => return Ok(FusionPlan::Apart),
        (Some(_), true) => 0..program.ops().len(),
        (Some(whole), false) => whole.span(),
        (None, false) => program.ops().len()..program.ops().len(),
    };
    while at < program.ops().len() {
        if span.contains(&at) {
            at = span.end;
            continue;
        }
        let end = if at < span.start { span.start } else { program.ops().len() };
        let join = Join::at(gpu, program, &readers, at..end)?;
        at = join.as_ref().map_or(at + 1, |join| join.span().end);
        joins.extend(join);
    }
    Ok(FusionPlan::Joined { joins, whole })
}

impl FusionPlan {
    /// The slots that need no memory.
    pub(crate) fn hidden(&self, program: &Program) -> Vec<Slot> {
        let Self::Joined { joins, whole } = self else { return Vec::new() };
        let mut hidden: Vec<Slot> = joins.iter().flat_map(Join::hidden).collect();
        hidden.extend(whole.iter().flat_map(|whole| whole.hidden(program)));
        hidden
    }

    /// The number of values passed from the first dispatch of a fused step to the last.
    pub(crate) fn partial(&self) -> usize {
        match self {
            Self::Joined { whole: Some(whole), .. } => whole.partial() as usize,
            _ => 0,
        }
    }

    /// The runs of ops that are fused into one dispatch.
    pub(crate) fn runs(&self) -> Vec<Range<usize>> {
        let Self::Joined { joins, whole } = self else { return Vec::new() };
        let joins = joins.iter().map(Join::span);
        joins.chain(whole.iter().map(|whole| whole.span())).collect()
    }
}

impl Lowering<'_> {
    /// Lowers all ops of a program: fused runs together, the others one by one.
    pub(super) fn joined(
        &mut self,
        joins: &[Join],
        whole: Option<&fused_step::FusedStepPlan>,
    ) -> Result<()> {
        let program = self.program;
        let mut joins = joins.iter().peekable();
        let mut until = 0;
        for (number, op) in program.ops().iter().enumerate() {
            self.marks.push(self.jobs.len());
            if number < until || whole.is_some_and(|whole| whole.goes_on(number, op)) {
                self.inside.push(number);
            }
            if let Some(whole) = whole.filter(|whole| whole.covers(number, op)) {
                self.whole(whole, number)?;
            } else if number >= until {
                match joins.next_if(|join| join.span().start == number) {
                    Some(join) => {
                        until = join.span().end;
                        self.join(join)?;
                    }
                    None => op.lower(self)?,
                }
            }
        }
        Ok(())
    }
}
