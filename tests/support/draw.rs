//! Random choices of tests.

use wgrad::random::{Key, Stream};

/// Draws choices, the same in every run.
pub struct Draw {
    key: Key,
    next: u32,
}

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self { key: Key::new(seed, Stream::Data(3)), next: 0 }
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.next += 1;
        self.key.words(0, self.next)[0] as usize % n
    }

    pub fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}
