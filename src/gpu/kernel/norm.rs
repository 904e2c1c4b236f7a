//! The kernels of normalizations.

use super::catalogue::{INDEX, NO_SCALARS, STEP, read, shader, whole, write};
use super::{Binding, Kernel, Lanes};
use crate::spec::norm::NormalizationKind;

/// What a kernel of a whole normalization takes; the names are those of its `Hyper`.
const HYPER: [&str; 5] = ["eps", "weights", "biases", "per_sample", "momentum"];

fn lines(
    kind: NormalizationKind,
    lanes: Lanes,
    what: &str,
    template: &'static str,
    bindings: &[Binding],
) -> Kernel {
    let op = match kind {
        NormalizationKind::LayerNorm => shader!("norm/layer_norm"),
        NormalizationKind::RmsNorm => shader!("norm/rms_norm"),
        NormalizationKind::BatchNorm => shader!("norm/batch_norm"),
    };
    let common = [INDEX, STEP, NO_SCALARS, shader!("lib/row"), shader!("template/norm")];
    let parts = [&common[..], &lanes.texts(), &[op, template]].concat();
    let bindings = [&[read("steps")], bindings].concat();
    let names = ["rows", "cols", "inner", "lanes", "key0", "key1"];
    let label = format!("norm.{}.{what}{}", kind.name(), lanes.suffix());
    Kernel { hyper: Some(HYPER.to_vec()), ..whole(&label, 256, &parts, &bindings, &names) }
}

/// The normalized numbers.
pub fn forward(kind: NormalizationKind, lanes: Lanes) -> Kernel {
    let bindings = [read("x"), read("weight"), read("bias"), write("y")];
    lines(kind, lanes, "forward", shader!("template/norm_forward"), &bindings)
}

/// The gradient, and each element's share of the weights' gradients.
pub fn backward(kind: NormalizationKind, lanes: Lanes) -> Kernel {
    let bindings = [read("x"), read("weight"), read("grad_out"), write("grad_in"), write("shares")];
    lines(kind, lanes, "backward", shader!("template/norm_backward"), &bindings)
}

/// Moves running means.
pub fn track(kind: NormalizationKind, lanes: Lanes) -> Kernel {
    let bindings = [read("x"), write("mean"), write("variance")];
    lines(kind, lanes, "track", shader!("template/norm_track"), &bindings)
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
    let of = |lanes| {
        let track = track(NormalizationKind::BatchNorm, lanes);
        let both = NormalizationKind::ALL.map(|kind| [forward(kind, lanes), backward(kind, lanes)]);
        both.into_iter().flatten().chain([track])
    };
    Lanes::ALL.into_iter().flat_map(of).chain([evaluate()]).collect()
}
