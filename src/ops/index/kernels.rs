//! The GPU kernels.

use crate::engine::gpu::kernel::Kernel;
use crate::engine::gpu::kernel::parts::{INDEX, MATH, read, shader, whole, write};

/// Gathers rows of a table.
pub(crate) fn gather_rows() -> Kernel {
    let bindings = [read("table"), read("indices"), write("y")];
    let parts = [INDEX, shader!("tensor/gather_rows")];
    whole("tensor.gather_rows", 64, &parts, &bindings, &["len", "cols", "rows"])
}

/// Adds rows to rows of a table.
pub(crate) fn scatter_add() -> Kernel {
    let bindings = [read("x"), read("indices"), write("y")];
    let parts = [INDEX, shader!("tensor/scatter_add")];
    whole("tensor.scatter_add", 64, &parts, &bindings, &["begin", "end", "cols", "rows"])
}

/// Converts values to indices.
pub(crate) fn to_index() -> Kernel {
    let parts = [INDEX, MATH, shader!("tensor/to_index")];
    whole("tensor.to_index", 64, &parts, &[read("x"), write("y")], &["len"])
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    vec![gather_rows(), scatter_add(), to_index()]
}
