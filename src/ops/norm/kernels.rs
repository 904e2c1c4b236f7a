//! The GPU kernels.

use crate::engine::gpu::kernel::parts::{
    INDEX, NO_SCALARS, STEP, accessor, only, read, shader, switches, whole, write,
};
use crate::engine::gpu::kernel::{Binding, Kernel, Lanes};
use crate::spec::norm::NormalizationKind;

/// The hyper-parameters of the normalization kernels, named as the fields of their `Hyper` struct.
const HYPER: [&str; 3] = ["eps", "per_sample", "momentum"];

/// The scale and shift of the normalized values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Affine {
    /// True for a weight per column.
    pub weight: bool,
    /// True for a bias per column.
    pub bias: bool,
}

impl Affine {
    const BOTH: Self = Self { weight: true, bias: true };
    const NONE: Self = Self { weight: false, bias: false };

    fn texts(self) -> [&'static str; 2] {
        [
            accessor!(self.weight, 3, "weight", "weight_of", "1.0"),
            accessor!(self.bias, 4, "bias", "bias_of", "0.0"),
        ]
    }

    fn bindings(self) -> [Binding; 2] {
        [only(self.weight, read("weight")), only(self.bias, read("bias"))]
    }

    fn suffix(self) -> String {
        let parts = [(self.weight, ".no_weight"), (self.bias, ".no_bias")];
        parts.iter().filter(|(there, _)| !there).map(|(_, name)| *name).collect()
    }
}

fn lines(
    kind: NormalizationKind,
    lanes: Lanes,
    what: &str,
    templates: &[&'static str],
    bindings: &[Binding],
) -> Kernel {
    let op = match kind {
        NormalizationKind::LayerNorm => switches!(CENTRED: true, ACROSS_ROWS: false),
        NormalizationKind::RmsNorm => switches!(CENTRED: false, ACROSS_ROWS: false),
        NormalizationKind::BatchNorm => switches!(CENTRED: true, ACROSS_ROWS: true),
    };
    let common = [INDEX, STEP, NO_SCALARS, shader!("lib/row"), shader!("template/norm")];
    let parts = [&common[..], &lanes.texts(), &[op], templates].concat();
    let bindings = [&[read("steps")], bindings].concat();
    let names = ["rows", "cols", "inner", "lanes", "key0", "key1"];
    let label = format!("norm.{}.{what}{}", kind.name(), lanes.suffix());
    Kernel { hyper: Some(HYPER.to_vec()), ..whole(&label, 256, &parts, &bindings, &names) }
}

/// Writes the normalized values.
pub(crate) fn forward(kind: NormalizationKind, lanes: Lanes, affine: Affine) -> Kernel {
    let [weight, bias] = affine.bindings();
    let [weight_text, bias_text] = affine.texts();
    let templates = [shader!("template/norm_forward"), weight_text, bias_text];
    let what = format!("forward{}", affine.suffix());
    lines(kind, lanes, &what, &templates, &[read("x"), weight, bias, write("y")])
}

/// Writes the gradient, and each element's term of the weights' gradients.
pub(crate) fn backward(kind: NormalizationKind, lanes: Lanes, weighted: bool) -> Kernel {
    let affine = Affine { weight: weighted, bias: true };
    let ([weight, _], [text, _]) = (affine.bindings(), affine.texts());
    let bindings = [read("x"), weight, read("grad_out"), write("grad_in"), write("terms")];
    let what = format!("backward{}", affine.suffix());
    lines(kind, lanes, &what, &[shader!("template/norm_backward"), text], &bindings)
}

/// Updates the running means.
pub(crate) fn track(kind: NormalizationKind, lanes: Lanes) -> Kernel {
    let bindings = [read("x"), write("mean"), write("variance")];
    lines(kind, lanes, "track", &[shader!("template/norm_track")], &bindings)
}

/// Normalizes by a given mean and variance.
pub(crate) fn evaluate(affine: Affine) -> Kernel {
    let [weight, bias] = affine.bindings();
    let bindings = [read("x"), read("mean"), weight, bias, read("variance"), write("y")];
    let parts = [&[INDEX, shader!("norm/evaluate")], &affine.texts()[..]].concat();
    let label = format!("norm.batch_norm.evaluate{}", affine.suffix());
    let kernel = whole(&label, 64, &parts, &bindings, &["len", "cols"]);
    Kernel { hyper: Some(vec!["eps"]), ..kernel }
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    let of = |lanes| {
        let track = track(NormalizationKind::BatchNorm, lanes);
        let both = NormalizationKind::ALL
            .map(|kind| [forward(kind, lanes, Affine::BOTH), backward(kind, lanes, true)]);
        both.into_iter().flatten().chain([track])
    };
    let (kind, lanes) = (NormalizationKind::LayerNorm, Lanes::One);
    let bare = [forward(kind, lanes, Affine::NONE), backward(kind, lanes, false)];
    let evaluating = [Affine::BOTH, Affine::NONE].map(evaluate);
    Lanes::ALL.into_iter().flat_map(of).chain(bare).chain(evaluating).collect()
}
