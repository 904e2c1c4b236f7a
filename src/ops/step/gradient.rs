//! The gradient's rule: there is none by the rows of a data set.

use super::StepOp;
use crate::error::Result;
use crate::program::{Gradients, Program};

impl StepOp {
    /// Fails if a gradient by a data set is asked for.
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
