//! The registry of all kernels.

use super::parts::{NO_SCALARS, STEP, blocks, read, shader, write};
use super::{Kernel, Lanes};
use crate::ops;
use crate::spec::Kind as _;

/// The kernel that sums blocks of 1024 elements.
pub fn sum(lanes: Lanes) -> Kernel {
    let parts = [STEP, NO_SCALARS, shader!("tensor/sum")];
    let bindings = [read("steps"), read("x"), write("y")];
    blocks("tensor.sum", lanes, &parts, &bindings, &["offset", "square", "terms_per_row", "rows"])
}

/// Returns every kernel of the library.
pub fn all() -> Vec<Kernel> {
    let mut kernels = written();
    kernels.extend(super::super::choice::kernels());
    kernels
}

/// Returns the kernels whose source is in `shaders/`, not generated.
pub(super) fn written() -> Vec<Kernel> {
    let mut kernels = ops::kernels();
    kernels.extend(Lanes::OF_BLOCKS.map(sum));
    kernels
}

/// The names of the scalars that an optimizer's shader takes, for comparison with its `Scalars` struct.
pub fn scalar_names(name: &str) -> Option<&'static [&'static str]> {
    let entries = crate::spec::optimizer::OptimizerKind::all();
    entries.iter().find(|entry| entry.name == name).map(|entry| entry.kind.scalars)
}
