//! The kernels of normalizations.

use super::catalogue::{INDEX, NO_SCALARS, REDUCE, STEP, read, shader, whole, write};
use super::{Binding, Kernel};
use crate::spec::norm::NormalizationKind;

/// What a kernel of a whole normalization takes; the names are those of its `Hyper`.
const HYPER: [&str; 5] = ["eps", "weights", "biases", "per_sample", "momentum"];

fn lines(
    kind: NormalizationKind,
    what: &str,
    template: &'static str,
    bindings: &[Binding],
) -> Kernel {
    let op = match kind {
        NormalizationKind::LayerNorm => shader!("norm/layer_norm"),
        NormalizationKind::RmsNorm => shader!("norm/rms_norm"),
        NormalizationKind::BatchNorm => shader!("norm/batch_norm"),
    };
    let common = [INDEX, REDUCE, STEP, NO_SCALARS, shader!("lib/row"), shader!("template/norm")];
    let parts = [&common[..], &[op, template]].concat();
    let bindings = [&[read("steps")], bindings].concat();
    let names = ["rows", "cols", "inner", "lanes", "key0", "key1"];
    let label = format!("norm.{}.{what}", kind.name());
    Kernel { hyper: Some(HYPER.to_vec()), ..whole(&label, 256, &parts, &bindings, &names) }
}

/// The normalized numbers.
pub fn forward(kind: NormalizationKind) -> Kernel {
    let bindings = [read("x"), read("weight"), read("bias"), write("y")];
    lines(kind, "forward", shader!("template/norm_forward"), &bindings)
}

/// The gradient, and each element's share of the weights' gradients.
pub fn backward(kind: NormalizationKind) -> Kernel {
    let bindings = [read("x"), read("weight"), read("grad_out"), write("grad_in"), write("shares")];
    lines(kind, "backward", shader!("template/norm_backward"), &bindings)
}

/// Moves running means.
pub fn track(kind: NormalizationKind) -> Kernel {
    let bindings = [read("x"), write("mean"), write("variance")];
    lines(kind, "track", shader!("template/norm_track"), &bindings)
}

/// By a given mean and variance.
pub fn evaluate() -> Kernel {
    let names = ["x", "mean", "variance", "weight", "bias"];
    let bindings = [&names.map(read)[..], &[write("y")]].concat();
    let parts = [INDEX, shader!("norm/evaluate")];
    let kernel = whole("norm.batch_norm.evaluate", 64, &parts, &bindings, &["len", "cols"]);
    Kernel { hyper: Some(vec!["eps", "weights", "biases"]), ..kernel }
}

/// Every kernel of this file.
pub fn all() -> Vec<Kernel> {
    let mut kernels = vec![evaluate(), track(NormalizationKind::BatchNorm)];
    kernels.extend(NormalizationKind::ALL.map(forward));
    kernels.extend(NormalizationKind::ALL.map(backward));
    kernels
}
