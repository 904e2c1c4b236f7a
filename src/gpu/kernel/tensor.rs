//! The kernels that move, combine and reduce tensors.

use super::catalogue::{INDEX, MATH, read, shader, whole, write};
use super::{Field, Kernel, Lanes};
use crate::spec::{Arithmetic, Reduce};

const WALK: &str = shader!("lib/walk");

/// A kernel whose parameters are a walk over several tensors.
fn walking(mut kernel: Kernel) -> Kernel {
    kernel.parts.extend([INDEX, WALK].map(Into::into));
    kernel.fields = ["len", "rank", "alpha"].map(Field::word).to_vec();
    kernel.fields.push(Field::unused(1));
    kernel.fields.extend([Field { name: "starts", words: 4 }, Field { name: "axes", words: 24 }]);
    kernel
}

/// Copies elements.
pub fn copy() -> Kernel {
    walking(whole("tensor.copy", 64, &[shader!("tensor/copy")], &[read("x"), write("y")], &[]))
}

/// One number everywhere.
pub fn fill() -> Kernel {
    whole("tensor.fill", 64, &[INDEX, shader!("tensor/fill")], &[write("y")], &["len", "value"])
}

/// Arithmetic, element by element.
pub fn arithmetic(f: Arithmetic) -> Kernel {
    let op = match f {
        Arithmetic::Add => shader!("arithmetic/add"),
        Arithmetic::Sub => shader!("arithmetic/sub"),
        Arithmetic::Mul => shader!("arithmetic/mul"),
        Arithmetic::Div => shader!("arithmetic/div"),
    };
    let bindings = [read("a"), read("b"), write("y")];
    let parts = [op, shader!("template/arithmetic")];
    walking(whole(&format!("arithmetic.{}", f.name()), 64, &parts, &bindings, &[]))
}

fn reduce_shader(f: Reduce) -> &'static str {
    match f {
        // A mean is a sum that is scaled.
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

/// The gradient of a reduction, element by element; only of those that are no copy.
pub fn reduce_backward(f: Reduce) -> Kernel {
    let parts = [MATH, reduce_shader(f), shader!("template/reduce_backward")];
    let bindings = [read("x"), read("y"), read("grad_out"), write("grad_in")];
    walking(whole(&format!("reduce.{}.backward", f.name()), 64, &parts, &bindings, &[]))
}

/// Rows of a table.
pub fn gather_rows() -> Kernel {
    let bindings = [read("table"), read("indices"), write("y")];
    let parts = [INDEX, shader!("tensor/gather_rows")];
    whole("tensor.gather_rows", 64, &parts, &bindings, &["len", "cols", "rows"])
}

/// Adds rows to those of a table.
pub fn scatter_add() -> Kernel {
    let bindings = [read("x"), read("indices"), write("y")];
    let parts = [INDEX, shader!("tensor/scatter_add")];
    whole("tensor.scatter_add", 64, &parts, &bindings, &["begin", "end", "cols", "rows"])
}

/// Numbers as indices.
pub fn to_index() -> Kernel {
    let parts = [INDEX, MATH, shader!("tensor/to_index")];
    whole("tensor.to_index", 64, &parts, &[read("x"), write("y")], &["len"])
}

/// Every kernel of this file.
pub fn all() -> Vec<Kernel> {
    let mut kernels = vec![copy(), fill(), gather_rows(), scatter_add(), to_index()];
    kernels.extend(Arithmetic::ALL.map(arithmetic));
    let reductions = Reduce::ALL.into_iter().filter(|f| *f != Reduce::Mean);
    kernels.extend(reductions.flat_map(|f| Lanes::ALL.map(|lanes| reduce(f, lanes))));
    kernels.extend(Reduce::WITH_PULL.map(reduce_backward));
    kernels
}
