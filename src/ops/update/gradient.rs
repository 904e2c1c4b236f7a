//! Gradient rules: ops over gradients and parameters have no gradient.

use super::UpdateOp;
use crate::error::{Error, Result};
use crate::ir::{Gradients, Program};

impl UpdateOp {
    /// Fails: the results of these ops cannot be differentiated.
    pub(crate) fn gradient(&self, _: &mut Program, _: &mut Gradients) -> Result<()> {
        Err(Error::unsupported(self.name(), "it has no gradient"))
    }
}
