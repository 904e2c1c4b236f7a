//! The GPU kernels.

use crate::engine::gpu::kernel::parts::{
    INDEX, MATH, NO_SCALARS, RANDOM, STEP, read, shader, whole, with_hyper, write,
};
use crate::engine::gpu::kernel::{Binding, Kernel, Reads, Rows};
use crate::spec::Activation;
use crate::spec::activation::{ActivationKind, ElementwiseKind, Order, Saves, StochasticKind};
use crate::spec::activation::{RowForm, RowKind};

const ROW_FIELDS: [&str; 6] = ["rows", "cols", "inner", "lanes", "key0", "key1"];
const AXIS_RESIZE_FIELDS: [&str; 4] = ["len", "cols", "out_cols", "inner"];
const PARAMETRIC_FIELDS: [&str; 4] = ["len", "cols", "channels", "count"];

const TOP: &str = shader!("template/row_top");

/// `y = f(x)`, with noise if f draws any.
pub(crate) fn forward(f: &Activation, rows: Rows) -> Kernel {
    let (entry, label) = (f.entry(), format!("activation.{}.forward", f.name()));
    match &entry.kind {
        ActivationKind::Elementwise(map) => {
            let parts = [shader!("template/map_apart"), shader!("template/map_forward")];
            with_hyper(self::map(&label, &parts, &[read("x"), write("y")]), entry, map.shader)
        }
        ActivationKind::Row(row) => {
            let parts = [
                (shader!("template/row_apart"), shader!("template/row_four_apart")),
                (shader!("template/row_forward"), shader!("template/row_four_forward")),
            ];
            let bindings = [read("steps"), read("x"), write("y")];
            with_hyper(self::row(&label, row, rows, &parts, &bindings), entry, row.shader)
        }
        ActivationKind::Stochastic(noise) => {
            let bindings = [read("steps"), read("x"), write("y")];
            self::noise(&label, noise, shader!("template/noise_forward"), &bindings)
        }
        ActivationKind::AxisResize(fold) => {
            let bindings = [read("x"), write("y")];
            let kernel =
                self::fold(&label, fold.gated, shader!("template/fold_forward"), &bindings);
            with_hyper(kernel, entry, fold.shader)
        }
        ActivationKind::Parametric(parametric) => {
            let bindings = [read("x"), read("weight"), write("y")];
            let kernel = self::parametric(&label, shader!("template/learned_forward"), &bindings);
            with_hyper(kernel, entry, parametric.shader)
        }
    }
}

/// `f(x)` in place, for functions of one tensor whose backward reads their output.
pub(crate) fn in_place(f: &Activation, rows: Rows) -> Option<Kernel> {
    let (entry, label) = (f.entry(), format!("activation.{}.in_place", f.name()));
    match &entry.kind {
        _ if f.saves() != Saves::Output => None,
        ActivationKind::Elementwise(map) => {
            let parts = [shader!("template/map_in_place"), shader!("template/map_forward")];
            Some(with_hyper(self::map(&label, &parts, &[write("y")]), entry, map.shader))
        }
        ActivationKind::Row(row) => {
            let parts = [
                (shader!("template/row_in_place"), shader!("template/row_four_in_place")),
                (shader!("template/row_forward"), shader!("template/row_four_forward")),
            ];
            let bindings = [read("steps"), write("y")];
            Some(with_hyper(self::row(&label, row, rows, &parts, &bindings), entry, row.shader))
        }
        _ => None,
    }
}

/// `grad_in = f'(saved)^T grad_out`; for parametric functions also the terms of the parameters' gradients.
pub(crate) fn backward(f: &Activation, rows: Rows) -> Kernel {
    let (entry, label) = (f.entry(), format!("activation.{}.backward", f.name()));
    match &entry.kind {
        ActivationKind::Elementwise(map) => derivative(f, map, Order::First),
        ActivationKind::Row(row) => {
            let bindings = [read("steps"), read("saved"), read("grad_out"), write("grad_in")];
            let parts = [(shader!("template/row_backward"), shader!("template/row_four_backward"))];
            let kernel = self::row(&label, row, rows, &parts, &bindings);
            with_hyper(kernel, entry, row.shader)
        }
        ActivationKind::Stochastic(noise) => {
            let bindings = [read("steps"), read("saved"), read("grad_out"), write("grad_in")];
            self::noise(&label, noise, shader!("template/noise_backward"), &bindings)
        }
        ActivationKind::AxisResize(fold) => {
            let bindings = [read("x"), read("grad_out"), write("grad_in")];
            let kernel =
                self::fold(&label, fold.gated, shader!("template/fold_backward"), &bindings);
            with_hyper(kernel, entry, fold.shader)
        }
        ActivationKind::Parametric(parametric) => {
            let bindings =
                [read("x"), read("weight"), read("grad_out"), write("grad_in"), write("terms")];
            let kernel = self::parametric(&label, shader!("template/learned_backward"), &bindings);
            with_hyper(kernel, entry, parametric.shader)
        }
    }
}

/// The names of the saved tensor and of the gradient that is written, in a backward kernel.
pub(crate) fn backward_names(f: &Activation) -> [&'static str; 2] {
    match &f.entry().kind {
        ActivationKind::Elementwise(_) => ["saved", "y"],
        ActivationKind::Row(_) | ActivationKind::Stochastic(_) => ["saved", "grad_in"],
        ActivationKind::AxisResize(_) | ActivationKind::Parametric(_) => ["x", "grad_in"],
    }
}

/// `grad_in = grad_out f''(saved)`, if f has a second derivative.
pub(crate) fn second(f: &Activation) -> Option<Kernel> {
    match &f.entry().kind {
        ActivationKind::Elementwise(map) if map.second.is_some() => {
            Some(derivative(f, map, Order::Second))
        }
        _ => None,
    }
}

fn derivative(f: &Activation, map: &ElementwiseKind, order: Order) -> Kernel {
    let (name, factor) = match order {
        Order::First => ("backward", shader!("template/map_first")),
        Order::Second => ("second", shader!("template/map_second")),
    };
    let bindings = [read("saved"), read("grad_out"), write("y")];
    let label = format!("activation.{}.{name}", f.name());
    let kernel = self::map(&label, &[factor, shader!("template/map_backward")], &bindings);
    with_hyper(kernel, f.entry(), map.shader)
}

fn map(label: &str, parts: &[&'static str], bindings: &[Binding]) -> Kernel {
    let library = [INDEX, MATH, shader!("template/map")];
    whole(label, 64, &[&library, parts].concat(), bindings, &["len"])
}

/// Each part is given as a scalar and as a vec4 version; only the softmax family has both.
fn row(
    label: &str,
    row: &RowKind,
    rows: Rows,
    parts: &[(&'static str, &'static str)],
    bindings: &[Binding],
) -> Kernel {
    let lanes = rows.lanes.texts();
    let library = [INDEX, MATH, STEP, NO_SCALARS, shader!("lib/row"), lanes[0], lanes[1]];
    let exponential = shader!("template/row_exponential");
    if (rows.reads, row.form) == (Reads::Four, RowForm::Softmax) {
        let parts: Vec<&'static str> = parts.iter().map(|(_, four)| *four).collect();
        let parts = [&library[..], &[exponential, shader!("template/row_four")], &parts].concat();
        return whole(&format!("{label}{}", rows.suffix()), 256, &parts, bindings, &ROW_FIELDS);
    }
    let parts: Vec<&'static str> = parts.iter().map(|(one, _)| *one).collect();
    let one = shader!("template/row_one_exponential");
    let form: &[&str] = match row.form {
        RowForm::Softmax => &[exponential, one, shader!("template/row_softmax"), TOP],
        RowForm::Noisy => &[RANDOM, exponential, one, shader!("template/row_argmax"), TOP],
        RowForm::Argmax => &[shader!("template/row_argmax"), TOP],
        RowForm::Own => &[TOP],
    };
    let label = format!("{label}{}", rows.lanes.suffix());
    whole(&label, 256, &[&library, form, &parts[..]].concat(), bindings, &ROW_FIELDS)
}

fn noise(
    label: &str,
    noise: &StochasticKind,
    template: &'static str,
    bindings: &[Binding],
) -> Kernel {
    let parts = [INDEX, MATH, RANDOM, STEP, NO_SCALARS, template, noise.shader];
    let mut kernel = whole(label, 64, &parts, bindings, &["len", "key0", "key1"]);
    kernel.hyper = Some(noise.fields.to_vec());
    kernel
}

fn fold(label: &str, gated: bool, template: &'static str, bindings: &[Binding]) -> Kernel {
    let gate: &[&str] = if gated { &[shader!("template/fold_gate")] } else { &[] };
    let parts = [&[INDEX, MATH, shader!("lib/fold"), template], gate].concat();
    whole(label, 64, &parts, bindings, &AXIS_RESIZE_FIELDS)
}

fn parametric(label: &str, template: &'static str, bindings: &[Binding]) -> Kernel {
    whole(label, 64, &[INDEX, MATH, shader!("lib/learned"), template], bindings, &PARAMETRIC_FIELDS)
}

/// All kernels of an activation.
fn all_of(f: &Activation) -> Vec<Kernel> {
    let of = |rows| [Some(forward(f, rows)), in_place(f, rows), Some(backward(f, rows))];
    let ways = |rows: &Rows| match &f.entry().kind {
        ActivationKind::Row(row) => rows.reads == Reads::One || row.form == RowForm::Softmax,
        _ => *rows == Rows::PLAIN,
    };
    Rows::all().filter(ways).flat_map(of).chain([second(f)]).flatten().collect()
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    Activation::all().flat_map(|f| all_of(&f)).collect()
}
