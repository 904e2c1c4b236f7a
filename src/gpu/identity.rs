//! Which device something lies on.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Gpu;
use crate::error::{Error, Result};

/// A device of ours: wgpu's own ids count per instance, so that two devices may have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceId(u64);

impl DeviceId {
    /// One that no other device of this process has.
    pub fn next() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Gpu {
    /// Which device it is; clones are the same.
    pub(crate) fn id(&self) -> DeviceId {
        self.shared.id
    }

    /// Fails if something is known to lie on another device.
    pub(super) fn check_owner(&self, op: &str, what: &str, owner: Option<DeviceId>) -> Result<()> {
        match owner {
            Some(owner) if owner != self.id() => Err(Error::elsewhere(op, what)),
            _ => Ok(()),
        }
    }
}
