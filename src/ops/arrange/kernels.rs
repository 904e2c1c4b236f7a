//! The GPU kernels.

use crate::engine::gpu::kernel::Kernel;
use crate::engine::gpu::kernel::parts::{INDEX, read, shader, walking, whole, write};

/// Copies elements.
pub(crate) fn copy() -> Kernel {
    walking(whole("tensor.copy", 64, &[shader!("tensor/copy")], &[read("x"), write("y")], &[]))
}

/// Fills a tensor with one value.
pub(crate) fn fill() -> Kernel {
    whole("tensor.fill", 64, &[INDEX, shader!("tensor/fill")], &[write("y")], &["len", "value"])
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    vec![copy(), fill()]
}
