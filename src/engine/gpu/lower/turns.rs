//! The limit on loop iterations: llvmpipe silently ends the loops of an invocation after 65 535 iterations in total. A
//! kernel whose iterations grow with a size distributes them over invocations or dispatches; where it cannot, the size
//! is limited on CPU adapters.

use super::Lowering;
use crate::engine::gpu::Class;
use crate::error::{Error, Result};

/// The maximum number of loop iterations of an invocation; the remainder is reserved for reduction trees over lanes.
pub(in crate::engine::gpu::lower) const MOST: usize = 64_000;

impl Lowering<'_> {
    /// Fails if an invocation would need more loop iterations than a CPU adapter allows.
    pub(crate) fn check_turns(&self, what: &str, turns: usize) -> Result<()> {
        if turns <= MOST || self.gpu.choices().class != Class::Cpu {
            return Ok(());
        }
        let unit = "loop iterations per invocation";
        Err(Error::Limit { what: what.into(), needed: turns as u64, limit: MOST as u64, unit })
    }

    /// The number of steps, of `turns` loop iterations each, that fit into one dispatch.
    pub(crate) fn steps_of(&self, what: &str, turns: usize) -> Result<usize> {
        self.check_turns(what, turns)?;
        Ok((MOST / turns.max(1)).max(1))
    }
}
