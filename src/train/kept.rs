//! The executors of earlier calls, for further calls of equal shapes.

use super::Trainer;
use crate::device::Executor;
use crate::error::Result;
use crate::ir::{Program, StepRule};
use crate::recent_use::RecentlyUsed;

/// The most executors that a trainer keeps: those of a loop of `fit`, `predict` and `evaluate`, and one more.
const MOST: usize = 4;

/// The most bytes that they have in all.
const MOST_BYTES: u64 = 64 << 20;

/// The executors of the last calls.
pub(super) type KeptExecutors = RecentlyUsed<Executor>;

/// Room for executors.
pub(super) fn no_executors() -> KeptExecutors {
    RecentlyUsed::new(MOST, MOST_BYTES, Executor::bytes)
}

impl Trainer {
    /// An executor of the program over the trainer's weights from step `first` on: that of an earlier call if it would be
    /// lowered to the same, else a new one. Its inputs hold anything.
    pub(super) fn executor(
        &mut self,
        program: &Program,
        first: u64,
        rule: impl StepRule + Clone + Send + Sync + 'static,
    ) -> Result<Executor> {
        let is_own = |kept: &Executor| kept.is_of(program, &self.weights, &self.device);
        if let Some(mut kept) = self.kept.take(is_own)
            && kept.restart(first, rule.clone())?
        {
            return Ok(kept);
        }
        Executor::new(program.clone(), &self.weights, &self.device, first, rule)
    }

    /// Keeps the executor of a call that has ended well.
    pub(super) fn keep(&mut self, executor: Executor) {
        self.kept.give(executor);
    }
}

#[cfg(test)]
mod tests {
    use super::{Executor, MOST, MOST_BYTES};
    use crate::ir::StepEntry;
    use crate::prelude::*;

    fn trainer(width: usize) -> Trainer {
        let model = Sequential::new(2).dense(width).dense(3);
        Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).on(&Device::cpu()).unwrap()
    }

    #[test]
    fn calls_of_equal_shapes_share_an_executor_and_there_are_never_many() {
        let mut trainer = trainer(8);
        let data = data::spiral(10, 3, 0).unwrap();
        for _ in 0..3 {
            trainer.fit(&data, Fit::epochs(1)).unwrap();
            trainer.evaluate(&data).unwrap();
            trainer.predict(data.inputs().view()).unwrap();
            assert_eq!(trainer.kept.len(), 3);
        }
        for rows in 1..2 * MOST {
            trainer.predict(data.rows(0..rows).unwrap().inputs().view()).unwrap();
        }
        assert_eq!(trainer.kept.len(), MOST);
        let io = trainer.settings.network.inference(2 * MOST - 1).unwrap();
        let rule = |_| StepEntry::rows(1);
        let is_own = |kept: &Executor| kept.is_of(&io.program, &trainer.weights, &trainer.device);
        assert!(trainer.kept.take(is_own).is_some());
        let executor = trainer.executor(&io.program, 0, rule).unwrap();
        trainer.keep(executor);
        assert_eq!(trainer.kept.len(), MOST);
    }

    #[test]
    fn executors_of_much_memory_are_not_kept() {
        let mut trainer = trainer(1024);
        for rows in [4096, 4095, 4094, 4097 + 8192, 4093] {
            let io = trainer.settings.network.inference(rows).unwrap();
            let executor = trainer.executor(&io.program, 0, |_| StepEntry::rows(1)).unwrap();
            let fits = executor.bytes() <= MOST_BYTES;
            trainer.keep(executor);
            let bytes = trainer.kept.bytes();
            assert!(bytes <= MOST_BYTES, "{bytes}");
            assert_eq!(trainer.kept.len() == 0, !fits, "{rows} rows");
        }
    }
}
