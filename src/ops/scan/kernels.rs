//! The GPU kernels.

use crate::engine::gpu::kernel::Kernel;
use crate::engine::gpu::kernel::parts::{INDEX, read, shader, whole, write};

/// Running sums of blocks, from the sums of the blocks before them.
pub(crate) fn scan() -> Kernel {
    let bindings = [read("x"), read("sums"), write("y")];
    let fields = ["items", "along", "inner", "blocks", "size", "reversed"];
    whole("scan.sum", 64, &[INDEX, shader!("scan/sum")], &bindings, &fields)
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    vec![scan()]
}
