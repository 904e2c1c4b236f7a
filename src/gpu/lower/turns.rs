//! How long an invocation loops: llvmpipe ends the loops of one, silently, after 65 535 turns of all of them together. A kernel
//! whose turns grow with a size shares them among invocations or dispatches; where it cannot, its sizes have a limit there.

use super::Lowering;
use crate::error::{Error, Result};
use crate::gpu::Class;

/// The most turns of an invocation; the rest is for trees over lanes.
pub(in crate::gpu::lower) const MOST: usize = 64_000;

impl Lowering<'_> {
    /// Fails if an invocation would take more turns than a CPU adapter lets it.
    pub(crate) fn check_turns(&self, what: &str, turns: usize) -> Result<()> {
        if turns <= MOST || self.gpu.choices().class != Class::Cpu {
            return Ok(());
        }
        let unit = "turns of an invocation's loops";
        Err(Error::Limit { what: what.into(), needed: turns as u64, limit: MOST as u64, unit })
    }

    /// How many steps of so many turns each a dispatch takes.
    pub(crate) fn steps_of(&self, what: &str, turns: usize) -> Result<usize> {
        self.check_turns(what, turns)?;
        Ok((MOST / turns.max(1)).max(1))
    }
}
