//! The GPU kernels.

use crate::engine::gpu::kernel::parts::{
    INDEX, MATH, NO_SCALARS, REDUCE, STEP, accessor, only, read, setter, shader, whole, with_hyper,
    write,
};
use crate::engine::gpu::kernel::{Binding, Kernel, Lanes, Reads, Rows};
use crate::spec::Loss;
use crate::spec::loss::{ElementwiseLoss, LossKind, RowLoss, TargetForm};

const MAP_FIELDS: [&str; 8] =
    ["len", "lanes", "cols", "terms_per_row", "writes", "weights", "input", "upstream"];

const ROW_FIELDS: [&str; 9] =
    ["rows", "cols", "inner", "lanes", "terms_per_sample", "writes", "scaled", "input", "upstream"];

const CTC_FIELDS: [&str; 10] = [
    "time",
    "samples",
    "classes",
    "places",
    "per_label",
    "mean",
    "phase",
    "upstream",
    "begin",
    "end",
];

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

/// The bindings of a loss kernel in addition to its predictions and target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LossParts {
    /// A weight per row or element, or a divisor.
    pub weight: bool,
    /// A weight per class or column.
    pub class_weight: bool,
    /// The terms or their partial sums.
    pub value: bool,
    /// The gradient with respect to one input.
    pub gradient: bool,
}

impl LossParts {
    /// Value and gradient without weights.
    pub(crate) const PLAIN: Self =
        Self { weight: false, class_weight: false, value: true, gradient: true };

    /// The suffix that the parts add to a kernel's label.
    fn suffix(self) -> String {
        let names = [
            (self.weight, ".weighted"),
            (self.class_weight, ".by_class"),
            (!self.gradient, ".value"),
            (!self.value, ".gradient"),
        ];
        names.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect()
    }

    fn texts(self) -> [&'static str; 2] {
        [
            accessor!(self.weight, 4, "weight", "weight_number", "1.0"),
            setter!(self.value, 5, "values", "put_value"),
        ]
    }

    /// The bindings after the target.
    fn bindings(self) -> [Binding; 3] {
        [
            only(self.weight, read("weight")),
            only(self.value, write("values")),
            only(self.gradient, write("grad")),
        ]
    }
}

/// The terms or partial sums of a loss, and its gradient with respect to one input; `form` is the form of a row-wise
/// loss's target. A loss of several inputs without a target reads one element at a time.
pub(crate) fn loss(loss: &Loss, form: TargetForm, rows: Rows, with: LossParts) -> Kernel {
    let entry = loss.entry();
    match &entry.kind {
        LossKind::Elementwise(map) => {
            let label = format!("loss.{}{}{}", entry.name, rows.lanes.suffix(), with.suffix());
            with_hyper(map_kernel(&label, map, rows.lanes, with), entry, map.shader)
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
            let reads = if form == TargetForm::Nothing { Reads::One } else { rows.reads };
            let rows = Rows { reads, lanes: reduction_scope(row, rows.lanes) };
            let label = format!("loss.{}{suffix}{}{}", entry.name, rows.suffix(), with.suffix());
            with_hyper(row_kernel(&label, row, form, rows, with), entry, row.shader)
        }
    }
}

/// The weight of a class or column; 1 without such weights.
const fn class_weight(has: bool) -> &'static str {
    accessor!(has, 7, "class_weight", "class_weight_at", "1.0")
}

fn map_kernel(label: &str, map: &ElementwiseLoss, lanes: Lanes, with: LossParts) -> Kernel {
    let weight = class_weight(with.class_weight);
    let (access, last) = match map {
        ElementwiseLoss { inputs: 2, .. } => {
            (vec![shader!("template/loss_map_two")], Some(read("second")))
        }
        ElementwiseLoss { column_weight: true, .. } => {
            let last = only(with.class_weight, read("class_weight"));
            (vec![shader!("template/loss_map_column"), weight], Some(last))
        }
        _ => (vec![shader!("template/loss_map_one")], None),
    };
    elementwise(label, &access, last, lanes, with)
}

pub(crate) fn elementwise(
    label: &str,
    access: &[&'static str],
    last: Option<Binding>,
    lanes: Lanes,
    with: LossParts,
) -> Kernel {
    let gradient = setter!(with.gradient, 6, "grad", "put_slope");
    let library = [INDEX, MATH, STEP, NO_SCALARS, shader!("template/loss_map"), gradient];
    let parts = [&library[..], &lanes.texts(), &with.texts(), access].concat();
    let mut bindings = vec![read("steps"), read("prediction"), read("target_values")];
    bindings.extend(with.bindings().into_iter().chain(last));
    whole(label, 256, &parts, &bindings, &MAP_FIELDS)
}

/// The source that reads a row's target, and its binding.
pub(crate) fn row_target(form: TargetForm) -> (&'static str, Binding) {
    match form {
        TargetForm::Values => (shader!("template/loss_row_values"), read("target_values")),
        TargetForm::Class => (shader!("template/loss_row_class"), read("target_class")),
        TargetForm::ClassList => (shader!("template/loss_row_class_list"), read("pairs")),
        TargetForm::Number => (shader!("template/loss_row_number"), read("target_values")),
        TargetForm::Nothing => (shader!("template/loss_row_nothing"), read("second")),
    }
}

/// The variable name of a row's target.
pub(crate) fn target_name(form: TargetForm) -> &'static str {
    row_target(form).1.name
}

fn row_kernel(label: &str, row: &RowLoss, form: TargetForm, rows: Rows, with: LossParts) -> Kernel {
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
    let (width, gradient) = match rows.reads {
        Reads::One => (shader!("template/loss_row_one"), shader!("template/loss_row_one_gradient")),
        Reads::Four => {
            (shader!("template/loss_row_four"), shader!("template/loss_row_four_gradient"))
        }
    };
    let gradient = if with.gradient { gradient } else { shader!("template/loss_row_no_gradient") };
    let template = shader!("template/loss_row");
    let library =
        [INDEX, MATH, STEP, NO_SCALARS, template, width, gradient, lanes_text(rows.lanes)];
    let own = [sums, peak, text];
    let mut parts = [&library[..], &rows.lanes.texts(), &own, &with.texts()].concat();
    let mut bindings = vec![read("steps"), read("prediction"), target];
    bindings.extend(with.bindings());
    match form {
        TargetForm::Number => bindings.push(read("second")),
        TargetForm::Nothing => bindings.push(read("third")),
        _ if row.class_weight => {
            parts.push(shader!("template/loss_row_class_weight"));
            parts.push(class_weight(with.class_weight));
            bindings.push(only(with.class_weight, read("class_weight")));
        }
        _ => {}
    }
    whole(label, 256, &parts, &bindings, &ROW_FIELDS)
}

/// The reduction scope of a loss's rows: eight sums per lane do not form a vector that a subgroup could add.
fn reduction_scope(row: &RowLoss, lanes: Lanes) -> Lanes {
    match lanes {
        Lanes::Subgroup | Lanes::Subgroups if row.sums == 8 => Lanes::Workgroup,
        lanes => lanes,
    }
}

/// The source that sums across the lanes of a row.
const fn lanes_text(lanes: Lanes) -> &'static str {
    match lanes {
        Lanes::One => shader!("template/loss_lanes_one"),
        Lanes::Subgroup => shader!("template/loss_lanes_subgroup"),
        Lanes::Subgroups => shader!("template/loss_lanes_subgroups"),
        Lanes::Workgroup => shader!("template/loss_lanes_workgroup"),
    }
}

/// The weight of each target: that of its class, or 1.
pub(crate) fn target_weight(by_class: bool) -> Kernel {
    let suffix = if by_class { ".by_class" } else { "" };
    let weight = accessor!(by_class, 3, "class_weight", "weight_of", "1.0");
    let parts = [INDEX, STEP, NO_SCALARS, shader!("tensor/target_weight"), weight];
    let class_weight = only(by_class, read("class_weight"));
    let bindings = [read("steps"), read("target_class"), class_weight, write("y")];
    let names = ["rows", "cols", "inner", "ignored"];
    whole(&format!("tensor.target_weight{suffix}"), 64, &parts, &bindings, &names)
}

/// Divides values by one value.
pub(crate) fn divide() -> Kernel {
    let bindings = [read("x"), read("divisor"), write("y")];
    whole("tensor.divide", 64, &[INDEX, shader!("tensor/divide")], &bindings, &["len"])
}

/// Writes 1 at each row's class.
pub(crate) fn one_hot() -> Kernel {
    let parts = [INDEX, STEP, NO_SCALARS, shader!("tensor/one_hot")];
    let bindings = [read("steps"), read("target_class"), write("y")];
    whole("tensor.one_hot", 64, &parts, &bindings, &["len", "cols"])
}

/// Counts how often each class occurs in its row's list.
pub(crate) fn times_listed() -> Kernel {
    let bindings = [read("target_list"), write("times")];
    let parts = [INDEX, shader!("tensor/times_listed")];
    whole("tensor.times_listed", 64, &parts, &bindings, &["len", "cols"])
}

/// Sums, for each class, over the pairs of a listed and an unlisted class within the margin.
pub(crate) fn margin_pairs() -> Kernel {
    let bindings = [read("prediction"), read("target_list"), read("times"), write("pairs")];
    let parts = [INDEX, shader!("tensor/margin_pairs")];
    whole("tensor.margin_pairs", 64, &parts, &bindings, &["len", "cols"])
}

/// Counts the targets that are not a class.
pub(crate) fn check_classes() -> Kernel {
    let parts = [STEP, NO_SCALARS, shader!("tensor/check_classes")];
    let bindings = [read("steps"), read("target_class"), write("count"), write("first_row")];
    whole("tensor.check_classes", 256, &parts, &bindings, &["rows", "cols", "ignored", "per_row"])
}

/// The kernels of a loss that cover the presence and the absence of every part.
fn variants(loss: &Loss, form: TargetForm) -> Vec<Kernel> {
    let weighted =
        LossParts { weight: true, class_weight: loss.takes_class_weight(), ..LossParts::PLAIN };
    let parts = [
        LossParts::PLAIN,
        LossParts { gradient: false, ..LossParts::PLAIN },
        LossParts { value: false, ..LossParts::PLAIN },
        weighted,
    ];
    let plain = |rows, parts: &[LossParts]| -> Vec<Kernel> {
        parts.iter().map(|with| self::loss(loss, form, rows, *with)).collect()
    };
    let mut kernels = match loss.is_sequence() {
        true => return plain(Rows::PLAIN, &[LossParts::PLAIN]),
        false => plain(Rows::PLAIN, &parts),
    };
    let LossKind::Row(row) = &loss.entry().kind else {
        for lanes in [Lanes::Subgroup, Lanes::Subgroups] {
            kernels.extend(plain(Rows { lanes, ..Rows::PLAIN }, &[LossParts::PLAIN]));
        }
        return kernels;
    };
    // Some variants fall back to others.
    let ways = Rows::all().skip(1).filter(|rows| {
        let is_one = rows.reads == Reads::Four && form == TargetForm::Nothing;
        !is_one && reduction_scope(row, rows.lanes) == rows.lanes
    });
    kernels.extend(ways.flat_map(|rows| match rows.reads {
        Reads::One => plain(rows, &[LossParts { value: false, ..LossParts::PLAIN }]),
        Reads::Four => {
            plain(rows, &[LossParts::PLAIN, LossParts { value: false, ..LossParts::PLAIN }])
        }
    }));
    kernels
}

/// All kernels of this module: of each loss, variants that together include every source.
pub(crate) fn all() -> Vec<Kernel> {
    let mut kernels: Vec<Kernel> = Loss::all()
        .flat_map(|entry| entry.target_forms().iter().flat_map(move |form| variants(&entry, *form)))
        .collect();
    kernels.extend([one_hot(), check_classes(), divide(), times_listed(), margin_pairs()]);
    kernels.extend([true, false].map(target_weight));
    kernels
}
