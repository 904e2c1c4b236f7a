//! Things that are kept for later, the most recently used of them.

use std::collections::VecDeque;
use std::fmt;

/// As many things as a number and their bytes allow, in order of use.
pub(crate) struct RecentlyUsed<T> {
    items: VecDeque<T>,
    most: usize,
    most_bytes: u64,
    bytes: fn(&T) -> u64,
}

impl<T> RecentlyUsed<T> {
    pub(crate) const fn new(most: usize, most_bytes: u64, bytes: fn(&T) -> u64) -> Self {
        Self { items: VecDeque::new(), most, most_bytes, bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The bytes of all.
    pub(crate) fn bytes(&self) -> u64 {
        self.items.iter().map(self.bytes).sum()
    }

    /// Takes out the most recently used thing that is wanted.
    pub(crate) fn take(&mut self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let place = self.items.iter().rposition(wanted)?;
        self.items.remove(place)
    }

    /// Keeps a thing, and drops the least recently used ones that are too many.
    pub(crate) fn give(&mut self, item: T) {
        self.items.push_back(item);
        while self.len() > self.most || self.bytes() > self.most_bytes {
            self.items.pop_front();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
    }
}

impl<T> fmt::Debug for RecentlyUsed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecentlyUsed").field(&self.len()).finish()
    }
}
