//! The GPU kernels.

use crate::engine::gpu::kernel::parts::{
    INDEX, MATH, NO_SCALARS, STEP, read, shader, whole, write,
};
use crate::engine::gpu::kernel::{Kernel, Lanes, Text};
use crate::ops::loss::kernels::{LossParts, elementwise, row_target};
use crate::spec::loss::TargetForm;

/// Writes 1 for each element where prediction and target agree, else 0.
pub(crate) fn agreement(lanes: Lanes) -> Kernel {
    let with = LossParts { gradient: false, ..LossParts::PLAIN };
    let label = format!("metric.agreement{}", lanes.suffix());
    let mut kernel = elementwise(&label, &[shader!("metric/per_element")], None, lanes, with);
    kernel.parts.push(Text::file(shader!("metric/agreement")));
    kernel.hyper = Some(vec!["mode", "limit"]);
    kernel
}

/// Writes 1 for each row whose class is among the k largest scores, else 0.
pub(crate) fn accuracy(form: TargetForm, lanes: Lanes) -> Kernel {
    let (kind, right) = match form {
        TargetForm::Class => ("class", shader!("metric/right_class")),
        _ => ("values", shader!("metric/right_values")),
    };
    let (text, target) = row_target(form);
    let library = [INDEX, MATH, STEP, NO_SCALARS, shader!("metric/accuracy"), text, right];
    let parts = [&library[..], &lanes.texts()].concat();
    let bindings = [read("steps"), read("prediction"), target, write("terms")];
    let names = ["rows", "cols", "k", "lanes"];
    whole(&format!("metric.accuracy.{kind}{}", lanes.suffix()), 256, &parts, &bindings, &names)
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    let forms = [TargetForm::Class, TargetForm::Values];
    let of = |lanes| forms.map(|form| accuracy(form, lanes));
    Lanes::ALL.into_iter().flat_map(of).chain(Lanes::OF_BLOCKS.map(agreement)).collect()
}
