//! Threads, where the target has them: a browser has none for the library.
//!
//! With the feature `threads`, large ops of the CPU engine run on rayon's current pool. How an op is cut never changes its
//! results: no number depends on the number of threads.

use std::ops::Range;

#[cfg(not(target_family = "wasm"))]
pub(crate) use cores::on_all_cores;

/// The work, in elements of a simple op, below which a second thread costs more than it saves.
const GRAIN: usize = 1 << 17;

/// Calls `work` on pieces of `count` items, of which each costs as much as `cost` elements of a simple op: with the number
/// of the first item and the items' part of the output, which holds equally many elements for each.
pub(crate) fn split<A: Send>(
    count: usize,
    cost: usize,
    output: &mut [A],
    work: impl Fn(usize, &mut [A]) + Sync,
) {
    split_both(count, cost, (output, &mut [(); 0]), |first, output, _| work(first, output));
}

/// As [`split`] for two outputs.
pub(crate) fn split_both<A: Send, B: Send>(
    count: usize,
    cost: usize,
    outputs: (&mut [A], &mut [B]),
    work: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    let least = GRAIN.div_ceil(cost.max(1));
    let most = count.div_ceil(4 * workers());
    if count / least < least_pieces() {
        return work(0, outputs.0, outputs.1);
    }
    let units = [outputs.0.len() / count, outputs.1.len() / count];
    halves(0..count, least.max(most), units, outputs, &work);
}

fn halves<A: Send, B: Send>(
    items: Range<usize>,
    most: usize,
    units: [usize; 2],
    (a, b): (&mut [A], &mut [B]),
    work: &(impl Fn(usize, &mut [A], &mut [B]) + Sync),
) {
    if items.len() <= most {
        return work(items.start, a, b);
    }
    // Whole cache lines, so that no two threads write to the same.
    let half = items.len() / 2;
    let half = if half > 16 { half.next_multiple_of(16) } else { half };
    let (first, second) = (items.start..items.start + half, items.start + half..items.end);
    let (a_first, a_second) = a.split_at_mut(half * units[0]);
    let (b_first, b_second) = b.split_at_mut(half * units[1]);
    join(
        || halves(first, most, units, (a_first, b_first), work),
        || halves(second, most, units, (a_second, b_second), work),
    );
}

#[cfg(all(feature = "threads", not(target_family = "wasm")))]
mod pool {
    /// The number of pieces of work from which on [`join`] is worth it. From outside the pool it waits until a thread has
    /// woken, and then until its own has.
    pub(crate) fn least_pieces() -> usize {
        match (workers(), rayon::current_thread_index()) {
            (1, _) => usize::MAX,
            (_, Some(_)) => 2,
            (_, None) => 8,
        }
    }

    /// The number of threads that [`join`] uses.
    pub(crate) fn workers() -> usize {
        rayon::current_num_threads()
    }

    /// Runs both, at the same time if a thread is free.
    pub(crate) fn join(a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
        rayon::join(a, b);
    }

    /// Does work that uses [`join`] often, so that only its begin and its end wait for a thread.
    pub(crate) fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        rayon::scope(|_| work())
    }
}

#[cfg(not(all(feature = "threads", not(target_family = "wasm"))))]
mod pool {
    pub(crate) fn least_pieces() -> usize {
        usize::MAX
    }

    pub(crate) fn workers() -> usize {
        1
    }

    pub(crate) fn join(a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
        a();
        b();
    }

    pub(crate) fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        work()
    }
}

pub(crate) use pool::{in_pool, join, least_pieces, workers};

#[cfg(not(target_family = "wasm"))]
mod cores {
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
}
