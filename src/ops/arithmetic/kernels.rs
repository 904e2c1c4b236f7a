//! The GPU kernels.

use crate::engine::gpu::kernel::Kernel;
use crate::engine::gpu::kernel::parts::{read, shader, switches, walking, whole, write};
use crate::spec::Arithmetic;

/// Elementwise arithmetic.
pub(crate) fn arithmetic(f: Arithmetic) -> Kernel {
    let op = match f {
        Arithmetic::Add => switches!(OP: "ADD"),
        Arithmetic::Sub => switches!(OP: "SUB"),
        Arithmetic::Mul => switches!(OP: "MUL"),
        Arithmetic::Div => switches!(OP: "DIV"),
    };
    let bindings = [read("a"), read("b"), write("y")];
    let parts = [op, shader!("template/arithmetic")];
    walking(whole(&format!("arithmetic.{}", f.name()), 64, &parts, &bindings, &[]))
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    Arithmetic::ALL.map(arithmetic).to_vec()
}
