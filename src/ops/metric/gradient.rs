//! Gradient rules: metrics have no gradient.

use super::MetricOp;
use crate::error::Result;
use crate::ir::{Gradients, Program};

impl MetricOp {
    /// Fails if a gradient is needed.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        grads.take(program, self.value)?;
        grads.refuse(program, &self.name(), &[self.prediction, self.target])
    }
}
