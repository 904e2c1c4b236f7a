//! Device identity: the device that a resource is on.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Gpu;
use crate::error::{Error, Result};

/// An id of a [`Gpu`]. wgpu's own ids count per instance, so two devices may have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceId(u64);

impl DeviceId {
    /// Returns an id that is unique in this process.
    pub(crate) fn next() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Gpu {
    /// The id of the device; clones share it.
    pub(crate) fn id(&self) -> DeviceId {
        self.shared.id
    }

    /// Fails if a resource is known to be on another device.
    pub(super) fn check_owner(&self, op: &str, what: &str, owner: Option<DeviceId>) -> Result<()> {
        match owner {
            Some(owner) if owner != self.id() => Err(Error::other_device(op, what)),
            _ => Ok(()),
        }
    }
}
