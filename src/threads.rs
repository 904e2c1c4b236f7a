//! Threads, which the target may not have: a browser has none for the library.

use crate::error::Result;

/// Does work on all cores, at most in `most` threads; what they give, in no order.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn on_all_cores<T: Send>(
    most: usize,
    work: &(impl Fn() -> Vec<T> + Sync),
) -> Result<Vec<T>> {
    use std::num::NonZero;
    use std::thread;

    let count = thread::available_parallelism().map_or(1, NonZero::get).min(most);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        let panicked = |_| crate::Error::Internal("a thread of the sweep panicked".into());
        let done = threads.into_iter().map(|thread| thread.join().map_err(panicked));
        Ok(done.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })
}

/// Does the work here.
#[cfg(target_family = "wasm")]
pub(crate) fn on_all_cores<T: Send>(
    _: usize,
    work: &(impl Fn() -> Vec<T> + Sync),
) -> Result<Vec<T>> {
    Ok(work())
}
