//! The gradient's rule: there is none through what happens to gradients and parameters.

use super::UpdateOp;
use crate::error::{Error, Result};
use crate::program::{Gradients, Program};

impl UpdateOp {
    /// Fails: what it makes is nothing to differentiate.
    pub(crate) fn gradient(&self, _: &mut Program, _: &mut Gradients) -> Result<()> {
        Err(Error::unsupported(self.name(), "it has no gradient"))
    }
}
