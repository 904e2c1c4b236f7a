//! The GPU kernels.

use crate::engine::gpu::kernel::parts::{
    INDEX, NO_SCALARS, RANDOM, STEP, read, shader, whole, write,
};
use crate::engine::gpu::kernel::{Field, Kernel};
use crate::ir::Op;

/// Gathers rows of a data set.
pub(crate) fn gather() -> Kernel {
    let parts = [INDEX, RANDOM, STEP, NO_SCALARS, shader!("tensor/gather")];
    let names = ["rows", "cols", "key0", "key1", "shuffle"];
    whole("tensor.gather", 64, &parts, &[read("steps"), read("data"), write("y")], &names)
}

/// Ends a step.
pub(crate) fn record() -> Kernel {
    let parts = [STEP, NO_SCALARS, shader!("tensor/record")];
    let bindings = [write("steps"), read("scalars"), write("ring")];
    let mut kernel = whole("tensor.record", 1, &parts, &bindings, &["count", "capacity"]);
    kernel.fields.extend([Field::unused(2), Field { name: "places", words: Op::MAX_RECORDED }]);
    kernel
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    vec![gather(), record()]
}
