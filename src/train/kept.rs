//! The executors of earlier calls, for further calls of equal shapes.

use std::fmt;

use super::Trainer;
use crate::device::{Device, Executor, Weights};
use crate::error::Result;
use crate::ir::{Program, StepRule};

/// The most executors that a trainer keeps: those of a loop of `fit`, `predict` and `evaluate`, and one more.
const MOST: usize = 4;

/// The most bytes that they have in all.
const MOST_BYTES: u64 = 64 << 20;

/// The executors of the last calls, in order of use.
#[derive(Default)]
pub(super) struct KeptExecutors(Vec<Executor>);

impl KeptExecutors {
    /// Takes the executor of a program over these weights, if there is one.
    fn take(&mut self, program: &Program, weights: &Weights, device: &Device) -> Option<Executor> {
        let is_own = |executor: &Executor| executor.is_of(program, weights, device);
        let place = self.0.iter().rposition(is_own)?;
        Some(self.0.remove(place))
    }

    /// Keeps an executor, and drops the least recently used ones that are too many.
    fn give(&mut self, executor: Executor) {
        self.0.push(executor);
        let bytes = |all: &[Executor]| all.iter().map(Executor::bytes).sum::<u64>();
        while self.0.len() > MOST || bytes(&self.0) > MOST_BYTES {
            self.0.remove(0);
        }
    }
}

impl fmt::Debug for KeptExecutors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeptExecutors").field(&self.0.len()).finish()
    }
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
        if let Some(mut kept) = self.kept.take(program, &self.weights, &self.device)
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
    use super::{MOST, MOST_BYTES};
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
            assert_eq!(trainer.kept.0.len(), 3);
        }
        for rows in 1..2 * MOST {
            trainer.predict(data.rows(0..rows).unwrap().inputs().view()).unwrap();
        }
        assert_eq!(trainer.kept.0.len(), MOST);
        let io = trainer.settings.network.inference(2 * MOST - 1).unwrap();
        let rule = |_| StepEntry::rows(1);
        assert!(trainer.kept.take(&io.program, &trainer.weights, &trainer.device).is_some());
        let executor = trainer.executor(&io.program, 0, rule).unwrap();
        trainer.keep(executor);
        assert_eq!(trainer.kept.0.len(), MOST);
    }

    #[test]
    fn executors_of_much_memory_are_not_kept() {
        let mut trainer = trainer(1024);
        for rows in [4096, 4095, 4094, 4097 + 8192, 4093] {
            let io = trainer.settings.network.inference(rows).unwrap();
            let executor = trainer.executor(&io.program, 0, |_| StepEntry::rows(1)).unwrap();
            let fits = executor.bytes() <= MOST_BYTES;
            trainer.keep(executor);
            let bytes: u64 = trainer.kept.0.iter().map(|executor| executor.bytes()).sum();
            assert!(bytes <= MOST_BYTES, "{bytes}");
            assert_eq!(trainer.kept.0.is_empty(), !fits, "{rows} rows");
        }
    }
}
