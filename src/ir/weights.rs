//! Checks that weights belong to the program that runs on them.

use super::{Op, Program};
use crate::error::{Error, Result};
use crate::ops::UpdateOp;
use crate::spec::optimizer::Layout;

impl Op {
    /// The state values that the op uses, each with its layout.
    fn states(&self) -> Vec<(usize, Layout)> {
        let Self::Update(op) = self else { return Vec::new() };
        match op {
            UpdateOp::Update { optimizer, .. } | UpdateOp::Direction { optimizer } => (0
                ..optimizer.states().len())
                .map(|state| (state, optimizer.layout(state)))
                .collect(),
            UpdateOp::Accumulate { state, .. } | UpdateOp::Average { state, .. } => {
                vec![(*state, Layout::Elements)]
            }
            _ => Vec::new(),
        }
    }

    /// The number of further values that the op carries from step to step.
    fn carried(&self) -> usize {
        let Self::Update(UpdateOp::Update { optimizer, .. }) = self else { return 0 };
        optimizer.initial_carried().iter().map(|(_, values)| values.len()).sum()
    }
}

impl Program {
    /// Fails unless the weights belong to the program: parameters of the right lengths, every state value that an op
    /// uses, and the right number of carried values.
    pub(crate) fn check_weights(
        &self,
        lens: impl Iterator<Item = usize>,
        has_state: impl Fn(usize, Layout) -> bool,
        carried: usize,
    ) -> Result<()> {
        let refuse = |message| Err(Error::unsupported(&self.name, message));
        if !lens.eq(self.params.iter().map(|param| param.shape.len())) {
            let count = self.params.len();
            return refuse(format!("the weights are not those of its {count} parameters"));
        }
        for op in &self.ops {
            let lacking =
                op.states().into_iter().find(|(state, layout)| !has_state(*state, *layout));
            if let Some((state, _)) = lacking {
                let op = op.name();
                return refuse(format!(
                    "the weights have no such state value {state} as {op} needs"
                ));
            }
            if ![0, carried].contains(&op.carried()) {
                let (op, needed) = (op.name(), op.carried());
                return refuse(format!("{op} carries {needed} numbers, the weights {carried}"));
            }
        }
        Ok(())
    }
}
