//! Threads, where the target has them: a browser has none for the library.

use std::num::NonZero;
use std::thread;

use crate::error::{Error, Result};

/// Does work on all cores, at most in `most` threads; what they give, in no order.
pub(crate) fn on_all_cores<T: Send>(
    most: usize,
    work: &(impl Fn() -> Vec<T> + Sync),
) -> Result<Vec<T>> {
    let count = thread::available_parallelism().map_or(1, NonZero::get).min(most);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        let panicked = |_| Error::Internal("a thread of the sweep panicked".into());
        let done = threads.into_iter().map(|thread| thread.join().map_err(panicked));
        Ok(done.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })
}
