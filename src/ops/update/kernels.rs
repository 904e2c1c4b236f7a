//! The GPU kernels.

use crate::engine::gpu::kernel::parts::{
    INDEX, MATH, NO_SCALARS, NORMAL, OPTIMIZER_TYPES, RANDOM, REDUCE, STEP, blocks, read, shader,
    text_of, whole, write,
};
use crate::engine::gpu::kernel::{Access, Binding, Kernel, Lanes, Text};
use crate::spec::Optimizer;
use crate::spec::optimizer::Takes;

/// The variable names of an optimizer's state values.
const STATES: [&str; 4] = ["state_a", "state_b", "state_c", "state_d"];

/// The variable names of all state of an optimizer, in the order of its state values.
pub(crate) fn state_names(optimizer: &Optimizer) -> impl Iterator<Item = &'static str> {
    let lines = matches!(optimizer.entry().kind.takes, Takes::Lines { .. });
    let own = optimizer.states().len() - usize::from(lines);
    STATES.into_iter().take(own).chain(lines.then_some("lines"))
}

/// One update of an arena segment.
pub(crate) fn optimizer(optimizer: &Optimizer) -> Kernel {
    let takes = optimizer.entry().kind.takes;
    let random: &[_] = if takes == Takes::Noise { &[RANDOM, NORMAL] } else { &[] };
    let mut kernel = optimizer_kernel(optimizer, "states", shader!("template/optimizer"));
    kernel.parts.extend([shader!("template/optimizer_four"), formula(takes)].map(Text::file));
    kernel.parts.extend(random.iter().copied().map(Text::file));
    kernel
}

/// The source that applies an optimizer's formula in a kernel.
pub(crate) const fn formula(takes: Takes) -> &'static str {
    match takes {
        Takes::Element => shader!("template/optimizer_element"),
        Takes::Tensor { .. } | Takes::Orthogonal => shader!("template/optimizer_tensor"),
        Takes::Noise => shader!("template/optimizer_noise"),
        Takes::Lines { .. } => shader!("template/optimizer_of_lines"),
        // Its kernels are those of [`history`].
        Takes::History => "",
    }
}

/// Computes the partial sums of each block, for an optimizer that needs sums over tensors.
pub(crate) fn optimizer_measure(optimizer: &Optimizer) -> Kernel {
    let mut kernel =
        optimizer_kernel(optimizer, "measure_states", shader!("template/optimizer_measure"));
    let terms = match optimizer.entry().kind.takes {
        Takes::Lines { .. } => shader!("template/optimizer_measure_lines"),
        _ => shader!("template/optimizer_measure_tensor"),
    };
    kernel.parts.push(Text::file(terms));
    for binding in &mut kernel.bindings {
        match binding.name {
            "blocks" => binding.access = Access::ReadWrite,
            "param" => binding.access = Access::Read,
            _ => {}
        }
    }
    kernel
}

/// Computes the values of each row and column.
pub(crate) fn optimizer_lines(optimizer: &Optimizer) -> Kernel {
    let kind = &optimizer.entry().kind;
    let label = format!("optimizer.{}.lines", optimizer.name());
    let template = shader!("template/optimizer_lines");
    let common = [shader!("template/optimizer_lines_of"), kind.shader];
    let parts = [&[INDEX, MATH, STEP, OPTIMIZER_TYPES, template], &common[..]].concat();
    let tables = ["steps", "blocks", "grad", "param", "strips", "lines"].map(read);
    whole(&label, 256, &parts, &[&tables[..], &[write("next")]].concat(), &["strips"])
}

/// Stores the new values of rows and columns.
pub(crate) fn settle_lines() -> Kernel {
    let parts = [INDEX, REDUCE, STEP, NO_SCALARS, OPTIMIZER_TYPES, shader!("tensor/settle_lines")];
    let tables = ["steps", "blocks", "tensors", "next"].map(read);
    let bindings = [&tables[..], &[write("lines")]].concat();
    whole("tensor.settle_lines", 256, &parts, &bindings, &["tensors"])
}

/// The declaration of the values of rows and columns, bound behind the state values.
macro_rules! lines_at {
    ($place:literal) => {
        concat!("@group(0) @binding(", $place, ") var<storage, read> lines: array<f32>;\n")
    };
}

fn optimizer_kernel(optimizer: &Optimizer, what: &str, template: &'static str) -> Kernel {
    let kind = &optimizer.entry().kind;
    let takes_lines = matches!(kind.takes, Takes::Lines { .. });
    let states = optimizer.states().len() - usize::from(takes_lines);
    let access = match states {
        0 => shader!("template/optimizer_states_0"),
        1 => shader!("template/optimizer_states_1"),
        2 => shader!("template/optimizer_states_2"),
        3 => shader!("template/optimizer_states_3"),
        _ => shader!("template/optimizer_states_4"),
    };
    let common = shader!("template/optimizer_parts");
    let mut parts = vec![INDEX, MATH, STEP, OPTIMIZER_TYPES, common, template, access, kind.shader];
    let mut bindings = vec![read("steps"), read("blocks"), read("grad"), write("param")];
    bindings.extend(STATES.into_iter().take(states).map(write));
    if takes_lines {
        bindings.push(read("lines"));
        parts.push(shader!("template/optimizer_lines_of"));
        parts.push(match states {
            0 => lines_at!(5),
            1 => lines_at!(6),
            _ => lines_at!(7),
        });
    }
    let label = format!("optimizer.{}.{what}_{states}", optimizer.name());
    let mut kernel =
        whole(&label, 64, &parts, &bindings, &["len", "first", "key0", "key1", "turns"]);
    let own = kernel.parts.iter_mut().filter(|part| ***part == *kind.shader);
    own.for_each(|part| *part = text_of(optimizer.entry(), kind.shader));
    kernel
}

/// Replaces the gradients by the momentum to orthogonalize.
pub(crate) fn direction(optimizer: &Optimizer) -> Kernel {
    let label = format!("optimizer.{}.direction", optimizer.name());
    let template = shader!("template/optimizer_direction");
    let parts = [INDEX, STEP, OPTIMIZER_TYPES, template, optimizer.entry().kind.shader];
    let bindings = [read("steps"), read("blocks"), write("grad"), write("state")];
    whole(&label, 64, &parts, &bindings, &["len"])
}

/// The kernels of an optimizer with a history: gather, dots, solve, apply.
pub(crate) fn history(optimizer: &Optimizer) -> [Kernel; 4] {
    let make = |what: &str,
                own: &'static str,
                (workgroup, last): (u32, &[Binding]),
                tables: &[&'static str],
                fields: &[&'static str]| {
        let label = format!("optimizer.{}.{what}", optimizer.name());
        let kind = &optimizer.entry().kind;
        let parts = [INDEX, MATH, REDUCE, STEP, OPTIMIZER_TYPES, kind.shader, own];
        let tables: Vec<Binding> = tables.iter().map(|name| read(name)).collect();
        whole(&label, workgroup, &parts, &[&tables[..], last].concat(), fields)
    };
    let [gather, dots, solve, apply] = [
        shader!("template/lbfgs_gather"),
        shader!("template/lbfgs_dots"),
        shader!("template/lbfgs_solve"),
        shader!("template/lbfgs_apply"),
    ];
    let history = ["param", "prev", "s", "y"].map(write);
    [
        make(
            "gather",
            gather,
            (64, &[write("g")]),
            &["steps", "blocks", "grad", "param"],
            &["len"],
        ),
        make(
            "dots",
            dots,
            (256, &[write("partial")]),
            &["steps", "g", "prev", "s", "y", "numbers"],
            &["len", "slots", "chunks"],
        ),
        make(
            "solve",
            solve,
            (256, &[write("numbers")]),
            &["steps", "partial"],
            &["slots", "chunks"],
        ),
        make("apply", apply, (64, &history), &["steps", "g", "numbers"], &["len", "slots"]),
    ]
}

/// Computes the scalars that the device completes.
pub(crate) fn carry(optimizer: &Optimizer) -> Kernel {
    let kind = &optimizer.entry().kind;
    let label = format!("optimizer.{}.carry", optimizer.name());
    let mut parts =
        vec![MATH, STEP, OPTIMIZER_TYPES, shader!("template/optimizer_carry"), kind.shader];
    parts.extend(kind.carried.as_ref().map(|carried| carried.shader));
    let bindings = [write("steps"), read("scalars"), write("numbers")];
    whole(&label, 1, &parts, &bindings, &["loss"])
}

/// Computes the partial sum of each block for the squared norm of its tensor's gradient.
pub(crate) fn squares() -> Kernel {
    let bindings = [read("grad"), write("blocks")];
    whole(
        "tensor.squares",
        64,
        &[INDEX, OPTIMIZER_TYPES, shader!("tensor/squares")],
        &bindings,
        &["blocks"],
    )
}

/// Clips each tensor's gradient by its norm.
pub(crate) fn clip_each() -> Kernel {
    let bindings = [read("blocks"), write("grad")];
    let parts = [INDEX, MATH, OPTIMIZER_TYPES, shader!("tensor/clip_each")];
    whole("tensor.clip_each", 64, &parts, &bindings, &["len", "max_norm"])
}

/// Adds noise to the gradients.
pub(crate) fn gradient_noise() -> Kernel {
    let parts =
        [INDEX, MATH, RANDOM, NORMAL, STEP, NO_SCALARS, OPTIMIZER_TYPES, shader!("tensor/noise")];
    let fields = ["len", "first", "key0", "key1"];
    whole(
        "tensor.gradient_noise",
        64,
        &parts,
        &[read("steps"), read("blocks"), write("grad")],
        &fields,
    )
}

/// Accumulates the gradients of a group of steps.
pub(crate) fn accumulate() -> Kernel {
    let parts = [INDEX, STEP, NO_SCALARS, shader!("tensor/accumulate")];
    let bindings = [read("steps"), write("grad"), write("sum")];
    whole("tensor.accumulate", 64, &parts, &bindings, &["len"])
}

/// Counts the gradients that are NaN or infinite.
pub(crate) fn count_not_finite(lanes: Lanes) -> Kernel {
    let parts = [shader!("tensor/count_not_finite")];
    let bindings = [read("grad"), write("partial")];
    blocks("tensor.count_not_finite", lanes, &parts, &bindings, &["offset"])
}

/// Skips the update if any gradient is NaN or infinite.
pub(crate) fn skip() -> Kernel {
    let parts = [REDUCE, STEP, NO_SCALARS, shader!("tensor/skip")];
    let bindings = [read("partial"), write("steps"), write("skipped")];
    whole("tensor.skip", 256, &parts, &bindings, &["len"])
}

/// Moves a mean of the parameters.
pub(crate) fn average() -> Kernel {
    let parts = [INDEX, STEP, NO_SCALARS, OPTIMIZER_TYPES, shader!("tensor/average")];
    let bindings = [read("steps"), read("blocks"), write("param"), write("mean")];
    whole("tensor.average", 64, &parts, &bindings, &["len", "follows"])
}

/// Sums over each tensor, from the partial sums of its blocks.
pub(crate) fn norms() -> Kernel {
    let bindings = [read("tensors"), write("blocks")];
    whole(
        "tensor.norms",
        256,
        &[INDEX, REDUCE, OPTIMIZER_TYPES, shader!("tensor/norms")],
        &bindings,
        &["tensors"],
    )
}

/// The L1 and L2 penalties of an arena segment.
pub(crate) fn penalty(lanes: Lanes) -> Kernel {
    let parts = [MATH, OPTIMIZER_TYPES, shader!("tensor/penalty")];
    let bindings = [read("blocks"), read("param"), write("grad"), write("partial")];
    blocks("tensor.penalty", lanes, &parts, &bindings, &["offset", "backward"])
}

/// Clamps gradients.
pub(crate) fn clip_value() -> Kernel {
    whole(
        "tensor.clip_value",
        64,
        &[INDEX, MATH, shader!("tensor/clip_value")],
        &[write("grad")],
        &["len", "limit"],
    )
}

/// Scales gradients by their norm.
pub(crate) fn clip_norm() -> Kernel {
    let bindings = [read("squares"), write("grad"), write("norm")];
    whole(
        "tensor.clip_norm",
        64,
        &[INDEX, MATH, shader!("tensor/clip_norm")],
        &bindings,
        &["len", "max_norm"],
    )
}

/// One kernel per number of state values that some configuration keeps.
fn optimizer_variants(optimizer: &Optimizer) -> Vec<Kernel> {
    let flags = ["momentum", "centered", "amsgrad"];
    let kind = &optimizer.entry().kind;
    if kind.takes == Takes::History {
        return history(optimizer).into();
    }
    let mut kernels = vec![self::optimizer(optimizer)];
    if kind.takes == Takes::Orthogonal {
        kernels.push(direction(optimizer));
    }
    if kind.takes.norms() {
        kernels.push(optimizer_measure(optimizer));
    }
    if matches!(kind.takes, Takes::Lines { .. }) {
        kernels.push(optimizer_lines(optimizer));
    }
    if kind.carried.is_some() {
        kernels.push(carry(optimizer));
    }
    for variant in flags.iter().filter_map(|flag| optimizer.with(flag, 1.0).ok()) {
        let kernel = self::optimizer(&variant);
        if kernels.iter().all(|other| other.label != kernel.label) {
            kernels.push(kernel);
        }
    }
    kernels
}

/// All kernels of the family.
pub(crate) fn all() -> Vec<Kernel> {
    let mut kernels: Vec<Kernel> =
        Optimizer::all().flat_map(|entry| optimizer_variants(&entry)).collect();
    let of_blocks = |lanes| [penalty(lanes), count_not_finite(lanes)];
    kernels.extend(Lanes::OF_BLOCKS.into_iter().flat_map(of_blocks));
    kernels.extend([clip_value(), clip_norm(), norms(), settle_lines()]);
    kernels.extend([squares(), clip_each(), gradient_noise(), accumulate(), average(), skip()]);
    kernels
}
