//! The GPU kernels.

use crate::engine::gpu::kernel::Kernel;
use crate::engine::gpu::kernel::parts::{INDEX, read, shader, whole, write};

/// Sums the partial results of a split inner dimension: of a product, and of the column sums computed with it.
pub(crate) fn sum_parts() -> Kernel {
    let bindings = [read("x"), write("y")];
    let parts = [INDEX, shader!("matmul/sum_parts")];
    whole("matmul.sum_parts", 64, &parts, &bindings, &["len", "parts"])
}

/// Adds one row to every row.
pub(crate) fn add_row() -> Kernel {
    let bindings = [read("row"), write("y")];
    whole("tensor.add_row", 64, &[INDEX, shader!("tensor/add_row")], &bindings, &["len", "cols"])
}

/// Sums the rows of each block.
pub(crate) fn sum_rows() -> Kernel {
    let bindings = [read("x"), write("y")];
    whole(
        "tensor.sum_rows",
        256,
        &[INDEX, shader!("tensor/sum_rows")],
        &bindings,
        &["rows", "cols", "block"],
    )
}

/// All kernels of the family but the products, whose source depends on the device.
pub(crate) fn all() -> Vec<Kernel> {
    vec![sum_parts(), add_row(), sum_rows()]
}
