//! The kernels of losses and metrics.

use super::catalogue::{
    INDEX, MATH, NO_SCALARS, REDUCE, STEP, read, shader, whole, with_hyper, write,
};
use super::{Binding, Kernel};
use crate::spec::Loss;
use crate::spec::loss::{LossKind, MapKind, RowKind, TargetForm};

const MAP_FIELDS: [&str; 8] =
    ["len", "cols", "terms_per_row", "writes", "weights", "class_weights", "input", "upstream"];

const ROW_FIELDS: [&str; 10] = [
    "rows",
    "cols",
    "inner",
    "lanes",
    "terms_per_sample",
    "writes",
    "scaled",
    "class_weights",
    "input",
    "upstream",
];

const CTC_FIELDS: [&str; 8] =
    ["time", "samples", "classes", "places", "per_label", "mean", "writes", "upstream"];

fn ctc(label: &str, shader: &'static str) -> Kernel {
    let bindings = [
        read("steps"),
        read("prediction"),
        read("target_list"),
        read("lengths"),
        write("work"),
        write("values"),
        write("grad"),
    ];
    let parts = [INDEX, MATH, REDUCE, STEP, NO_SCALARS, shader];
    whole(label, 64, &parts, &bindings, &CTC_FIELDS)
}

/// A loss's terms or partial sums, and its gradient by one input; `form` says what the target of a row-wise one is.
pub fn loss(loss: &Loss, form: TargetForm) -> Kernel {
    let entry = loss.entry();
    match &entry.kind {
        LossKind::Map(map) => {
            with_hyper(map_kernel(&format!("loss.{}", entry.name), map), entry, map.shader)
        }
        LossKind::Ctc { shader } => Kernel {
            hyper: Some(entry.params.iter().map(|param| param.name).collect()),
            ..ctc(&format!("loss.{}", entry.name), shader)
        },
        LossKind::Row(row) => {
            let suffix = match form {
                _ if row.targets.len() == 1 => "",
                TargetForm::Class => ".class",
                _ => ".values",
            };
            let label = format!("loss.{}{suffix}", entry.name);
            with_hyper(row_kernel(&label, row, form), entry, row.shader)
        }
    }
}

fn map_kernel(label: &str, map: &MapKind) -> Kernel {
    let (access, last) = match map {
        MapKind { inputs: 2, .. } => (shader!("template/loss_map_two"), Some("second")),
        MapKind { column_weight: true, .. } => {
            (shader!("template/loss_map_column"), Some("class_weight"))
        }
        _ => (shader!("template/loss_map_one"), None),
    };
    elementwise(label, access, last)
}

fn elementwise(label: &str, access: &'static str, last: Option<&'static str>) -> Kernel {
    let parts = [INDEX, MATH, REDUCE, STEP, NO_SCALARS, shader!("template/loss_map"), access];
    let mut bindings = vec![
        read("steps"),
        read("prediction"),
        read("target_values"),
        read("weight"),
        write("values"),
        write("grad"),
    ];
    bindings.extend(last.map(read));
    whole(label, 256, &parts, &bindings, &MAP_FIELDS)
}

/// The text that reads a row's target, and its binding.
fn row_target(form: TargetForm) -> (&'static str, Binding) {
    match form {
        TargetForm::Values => (shader!("template/loss_row_values"), read("target_values")),
        TargetForm::Class => (shader!("template/loss_row_class"), read("target_class")),
        TargetForm::ClassList => (shader!("template/loss_row_class_list"), read("target_list")),
        TargetForm::Number => (shader!("template/loss_row_number"), read("target_values")),
        TargetForm::Nothing => (shader!("template/loss_row_nothing"), read("second")),
    }
}

fn row_kernel(label: &str, row: &RowKind, form: TargetForm) -> Kernel {
    let (text, target) = row_target(form);
    let peak = if row.peak {
        shader!("template/loss_row_peak")
    } else {
        shader!("template/loss_row_no_peak")
    };
    let sums = if row.sums == 8 {
        shader!("template/loss_sums_8")
    } else {
        shader!("template/loss_sums_4")
    };
    let mut parts =
        vec![INDEX, MATH, REDUCE, STEP, NO_SCALARS, shader!("template/loss_row"), sums, peak, text];
    let mut bindings = vec![
        read("steps"),
        read("prediction"),
        target,
        read("row_scale"),
        write("values"),
        write("grad"),
    ];
    match form {
        TargetForm::Number => bindings.push(read("second")),
        TargetForm::Nothing => bindings.push(read("third")),
        _ if row.class_weight => {
            parts.push(shader!("template/loss_row_class_weight"));
            bindings.push(read("class_weight"));
        }
        _ => {}
    }
    whole(label, 256, &parts, &bindings, &ROW_FIELDS)
}

/// The class weight of each target.
pub fn target_weight() -> Kernel {
    let parts = [INDEX, STEP, NO_SCALARS, shader!("tensor/target_weight")];
    let bindings = [read("steps"), read("target_class"), read("class_weight"), write("y")];
    let names = ["rows", "cols", "inner", "ignored", "class_weights"];
    whole("tensor.target_weight", 64, &parts, &bindings, &names)
}

/// Numbers divided by one number.
pub fn divide() -> Kernel {
    let bindings = [read("x"), read("divisor"), write("y")];
    whole("tensor.divide", 64, &[INDEX, shader!("tensor/divide")], &bindings, &["len"])
}

/// 1 at each row's class.
pub fn one_hot() -> Kernel {
    let parts = [INDEX, STEP, NO_SCALARS, shader!("tensor/one_hot")];
    let bindings = [read("steps"), read("target_class"), write("y")];
    whole("tensor.one_hot", 64, &parts, &bindings, &["len", "cols"])
}

/// How many targets are no class.
pub fn check_classes() -> Kernel {
    let parts = [STEP, NO_SCALARS, shader!("tensor/check_classes")];
    let bindings = [read("steps"), read("target_class"), write("count"), write("first_row")];
    whole("tensor.check_classes", 256, &parts, &bindings, &["rows", "cols", "ignored", "per_row"])
}

/// 1 or 0 per element: whether prediction and target agree.
pub fn agreement() -> Kernel {
    let mut kernel = elementwise("metric.agreement", shader!("template/loss_map_one"), None);
    kernel.parts.push(shader!("metric/agreement").into());
    kernel.hyper = Some(vec!["mode", "limit"]);
    kernel
}

/// 1 or 0 per row: whether the largest score is the target's class.
pub fn accuracy(classes: bool) -> Kernel {
    let (form, kind, right) = match classes {
        true => (TargetForm::Class, "class", shader!("metric/right_class")),
        false => (TargetForm::Values, "values", shader!("metric/right_values")),
    };
    let (text, target) = row_target(form);
    let parts = [INDEX, MATH, REDUCE, STEP, NO_SCALARS, shader!("metric/accuracy"), text, right];
    let bindings = [read("steps"), read("prediction"), target, write("terms")];
    let names = ["rows", "cols", "k", "lanes"];
    whole(&format!("metric.accuracy.{kind}"), 256, &parts, &bindings, &names)
}

/// Every kernel of this module.
pub fn all() -> Vec<Kernel> {
    let mut kernels: Vec<Kernel> = Loss::all()
        .flat_map(|entry| entry.target_forms().iter().map(move |form| loss(&entry, *form)))
        .collect();
    kernels.extend([true, false].map(accuracy));
    kernels.extend([agreement(), one_hot(), check_classes(), target_weight(), divide()]);
    kernels
}
