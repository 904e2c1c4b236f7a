//! How long an invocation loops: llvmpipe ends the loops of one, silently, after 65 535 turns of all of them together.

use crate::error::{Error, Result};

/// The most turns of an invocation, some left for trees over its lanes.
const MOST: usize = 65_000;

/// How many steps of so many turns each an invocation takes.
///
/// # Errors
/// [`Error::Limit`] if one is too long.
pub(super) fn steps(what: &str, turns: usize) -> Result<usize> {
    check(what, turns)?;
    Ok(MOST / turns.max(1))
}

/// Fails if an invocation would have to take more turns than it can.
pub(super) fn check(what: &str, turns: usize) -> Result<()> {
    if turns <= MOST {
        return Ok(());
    }
    let (needed, limit) = (turns as u64, MOST as u64);
    Err(Error::Limit { what: what.into(), needed, limit, unit: "turns of an invocation's loops" })
}
