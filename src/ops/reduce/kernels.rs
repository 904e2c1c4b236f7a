//! The GPU kernels.

use crate::gpu::kernel::parts::{INDEX, MATH, read, shader, walking, whole, write};
use crate::gpu::kernel::{Kernel, Lanes};
use crate::spec::Reduce;

fn reduce_shader(f: Reduce) -> &'static str {
    match f {
        // A mean is a scaled sum.
        Reduce::Sum | Reduce::Mean => shader!("reduce/sum"),
        Reduce::Amax => shader!("reduce/amax"),
        Reduce::Amin => shader!("reduce/amin"),
        Reduce::Logsumexp => shader!("reduce/logsumexp"),
        Reduce::L1Norm => shader!("reduce/l1_norm"),
        Reduce::L2Norm => shader!("reduce/l2_norm"),
        Reduce::MaxNorm => shader!("reduce/max_norm"),
        Reduce::Argmax => shader!("reduce/argmax"),
        Reduce::Argmin => shader!("reduce/argmin"),
        Reduce::CountNan => shader!("reduce/count_nan"),
        Reduce::CountInf => shader!("reduce/count_inf"),
    }
}

/// Reduces blocks of rows.
pub fn reduce(f: Reduce, lanes: Lanes) -> Kernel {
    let keys = match lanes {
        Lanes::One => shader!("template/reduce_lanes_one"),
        Lanes::Subgroup => shader!("template/reduce_lanes_subgroup"),
        Lanes::Subgroups => shader!("template/reduce_lanes_subgroups"),
        Lanes::Workgroup => shader!("template/reduce_lanes_workgroup"),
    };
    let own = [INDEX, MATH, reduce_shader(f), shader!("template/reduce_forward"), keys];
    let parts = [&own[..], &lanes.texts()].concat();
    let names = ["items", "cols", "inner", "lanes", "blocks", "size", "scale"];
    let label = format!("reduce.{}.forward{}", f.name(), lanes.suffix());
    whole(&label, 256, &parts, &[read("x"), write("y")], &names)
}

/// The elementwise gradient of a reduction; only for reductions whose gradient is not a copy.
pub fn reduce_backward(f: Reduce) -> Kernel {
    let parts = [MATH, reduce_shader(f), shader!("template/reduce_backward")];
    let bindings = [read("x"), read("y"), read("grad_out"), write("grad_in")];
    walking(whole(&format!("reduce.{}.backward", f.name()), 64, &parts, &bindings, &[]))
}

/// All kernels of the family.
pub fn all() -> Vec<Kernel> {
    let reductions = Reduce::ALL.into_iter().filter(|f| *f != Reduce::Mean);
    let mut kernels: Vec<Kernel> =
        reductions.flat_map(|f| Lanes::ALL.map(|lanes| reduce(f, lanes))).collect();
    kernels.extend(Reduce::WITH_ELEMENT_GRADIENT.map(reduce_backward));
    kernels
}
