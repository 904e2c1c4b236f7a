//! The GPU kernels.

use crate::engine::gpu::kernel::parts::{
    INDEX, MATH, read, shader, switches, walking, whole, write,
};
use crate::engine::gpu::kernel::{Kernel, Lanes};
use crate::spec::Reduce;

/// The source of a reduction, and its switches.
fn reduce_shader(f: Reduce) -> [&'static str; 2] {
    let extremum = shader!("reduce/extremum");
    match f {
        // A mean is a scaled sum.
        Reduce::Sum | Reduce::Mean => [shader!("reduce/sum"), ""],
        Reduce::Amax => [extremum, switches!(LARGEST: true, HAS_PLACE: false)],
        Reduce::Amin => [extremum, switches!(LARGEST: false, HAS_PLACE: false)],
        Reduce::Argmax => [extremum, switches!(LARGEST: true, HAS_PLACE: true)],
        Reduce::Argmin => [extremum, switches!(LARGEST: false, HAS_PLACE: true)],
        Reduce::Logsumexp => [shader!("reduce/logsumexp"), ""],
        Reduce::L1Norm => [shader!("reduce/l1_norm"), ""],
        Reduce::L2Norm => [shader!("reduce/l2_norm"), ""],
        Reduce::MaxNorm => [shader!("reduce/max_norm"), ""],
        Reduce::CountNan => [shader!("reduce/count"), switches!(COUNTS_NAN: true)],
        Reduce::CountInf => [shader!("reduce/count"), switches!(COUNTS_NAN: false)],
    }
}

/// Reduces blocks of rows.
pub(crate) fn reduce(f: Reduce, lanes: Lanes) -> Kernel {
    let keys = match lanes {
        Lanes::One => shader!("template/reduce_lanes_one"),
        Lanes::Subgroup => shader!("template/reduce_lanes_subgroup"),
        Lanes::Subgroups => shader!("template/reduce_lanes_subgroups"),
        Lanes::Workgroup => shader!("template/reduce_lanes_workgroup"),
    };
    let [own, switches] = reduce_shader(f);
    let own = [INDEX, MATH, switches, own, shader!("template/reduce_forward"), keys];
    let parts = [&own[..], &lanes.texts()].concat();
    let names = ["items", "cols", "inner", "lanes", "blocks", "size", "scale"];
    let label = format!("reduce.{}.forward{}", f.name(), lanes.suffix());
    whole(&label, 256, &parts, &[read("x"), write("y")], &names)
}

/// The elementwise gradient of a reduction; only for reductions whose gradient is not a copy.
pub(crate) fn reduce_backward(f: Reduce) -> Kernel {
    let [own, switches] = reduce_shader(f);
    let parts = [MATH, switches, own, shader!("template/reduce_backward")];
    let bindings = [read("x"), read("y"), read("grad_out"), write("grad_in")];
    walking(whole(&format!("reduce.{}.backward", f.name()), 64, &parts, &bindings, &[]))
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    let reductions = Reduce::ALL.into_iter().filter(|f| *f != Reduce::Mean);
    let mut kernels: Vec<Kernel> =
        reductions.flat_map(|f| Lanes::ALL.map(|lanes| reduce(f, lanes))).collect();
    kernels.extend(Reduce::WITH_ELEMENT_GRADIENT.map(reduce_backward));
    kernels
}
