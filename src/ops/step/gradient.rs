//! Gradient rules: there is no gradient with respect to the rows of a data set.

use super::StepOp;
use crate::error::Result;
use crate::ir::{Gradients, Program};

impl StepOp {
    /// Fails if a gradient with respect to a data set is needed.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match self {
            Self::Gather { data, out, .. } => {
                grads.take(program, *out)?;
                grads.refuse(program, &self.name(), &[*data])
            }
            Self::Record { .. } => Ok(()),
        }
    }
}
