//! The cache of compiled kernels, shared by plans.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Weak};

/// An LRU cache that also finds evicted values as long as they are in use.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    made: HashMap<K, Weak<V>>,
    /// In order of use, the most recent last.
    kept: VecDeque<Arc<V>>,
    most: usize,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Creates an empty cache that keeps the `most` last used values alive.
    pub(crate) fn new(most: usize) -> Self {
        Self { made: HashMap::new(), kept: VecDeque::new(), most }
    }

    /// Returns the value of a key, unless it was dropped.
    pub(crate) fn get(&mut self, key: &K) -> Option<Arc<V>> {
        let value = self.made.get(key)?.upgrade()?;
        self.kept.retain(|other| !Arc::ptr_eq(other, &value));
        self.keep(value.clone());
        Some(value)
    }

    /// Adds a value, and evicts the least recently used one if the cache is full.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        self.keep(value.clone());
        self.made.retain(|_, value| value.strong_count() > 0);
        self.made.insert(key, Arc::downgrade(&value));
        value
    }

    /// Forgets the value of a key.
    pub(crate) fn remove(&mut self, key: &K) {
        let value = self.made.remove(key).and_then(|value| value.upgrade());
        self.kept.retain(|other| !value.as_ref().is_some_and(|value| Arc::ptr_eq(other, value)));
    }

    fn keep(&mut self, value: Arc<V>) {
        self.kept.push_back(value);
        if self.kept.len() > self.most {
            self.kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Recent;

    #[test]
    fn the_least_recently_used_is_dropped_unless_it_is_in_use() {
        let mut recent = Recent::new(2);
        let first = recent.insert(1, "one");
        recent.insert(2, "two");
        assert!(recent.get(&1).is_some());
        recent.insert(3, "three");
        assert!(recent.get(&2).is_none() && recent.get(&3).is_some());
        recent.insert(4, "four");
        assert!(Arc::ptr_eq(&first, &recent.get(&1).unwrap()), "it is still in use");
        drop(first);
        recent.remove(&4);
        assert!(recent.get(&4).is_none() && recent.kept.len() == 1);
        (5..100).for_each(|key| drop(recent.insert(key, "more")));
        assert_eq!((recent.kept.len(), recent.made.len()), (2, 2));
    }
}
