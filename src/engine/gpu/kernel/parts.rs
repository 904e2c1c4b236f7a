//! The building blocks of kernels: shader sources, bindings and fields.

use super::{Access, Binding, Field, Kernel, Lanes, Text};
use crate::spec::Kind;
use crate::spec::registry::Entry;

/// Includes the source of a file of `shaders/`.
macro_rules! shader {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $path, ".wgsl"))
    };
}
pub(crate) use shader;

/// A function that gives an element of a binding or, in a kernel without that binding, a constant.
macro_rules! accessor {
    ($has:expr, $place:literal, $variable:literal, $function:literal, $otherwise:literal) => {
        if $has {
            concat!(
                "@group(0) @binding(",
                $place,
                ") var<storage, read> ",
                $variable,
                ": array<f32>;\n\n",
                "fn ",
                $function,
                "(i: u32) -> f32 {\n    return ",
                $variable,
                "[i];\n}\n"
            )
        } else {
            concat!("fn ", $function, "(i: u32) -> f32 {\n    return ", $otherwise, ";\n}\n")
        }
    };
}
pub(crate) use accessor;

/// A function that sets an element of a binding or, in a kernel without that binding, does nothing.
macro_rules! setter {
    ($has:expr, $place:literal, $variable:literal, $function:literal) => {
        if $has {
            concat!(
                "@group(0) @binding(",
                $place,
                ") var<storage, read_write> ",
                $variable,
                ": array<f32>;\n\n",
                "fn ",
                $function,
                "(i: u32, value: f32) {\n    ",
                $variable,
                "[i] = value;\n}\n"
            )
        } else {
            concat!("fn ", $function, "(i: u32, value: f32) {\n}\n")
        }
    };
}
pub(crate) use setter;

/// The values of a kernel's switches, which its text reads as constants.
macro_rules! switches {
    ($($name:ident: $value:expr),+ $(,)?) => {
        concat!($("const ", stringify!($name), " = ", $value, ";\n"),+)
    };
}
pub(crate) use switches;

pub(crate) const INDEX: &str = shader!("lib/index");
pub(crate) const MATH: &str = shader!("lib/math");
pub(crate) const RANDOM: &str = shader!("lib/random");
pub(crate) const REDUCE: &str = shader!("lib/reduce");
pub(crate) const STEP: &str = shader!("lib/step");
pub(crate) const NO_SCALARS: &str = shader!("lib/no_scalars");
pub(crate) const OPTIMIZER_TYPES: &str = shader!("template/optimizer_types");
pub(crate) const NORMAL: &str = shader!("lib/normal");
pub(crate) const NO_HYPER: &str = shader!("lib/no_hyper");

pub(crate) const fn read(name: &'static str) -> Binding {
    Binding { name, access: Access::Read }
}

pub(crate) const fn write(name: &'static str) -> Binding {
    Binding { name, access: Access::ReadWrite }
}

fn fields(names: &[&'static str]) -> Vec<Field> {
    names.iter().copied().map(Field::word).collect()
}

/// Adds an op's shader source and, if the op has no parameters, the empty `Hyper`.
pub(crate) fn with_hyper<K: Kind>(
    mut kernel: Kernel,
    entry: &Entry<K>,
    shader: &'static str,
) -> Kernel {
    kernel.parts.push(text_of(entry, shader));
    if entry.params.is_empty() {
        kernel.parts.push(Text::file(NO_HYPER));
    }
    kernel.hyper = Some(entry.params.iter().map(|param| param.name).collect());
    kernel
}

/// A shader source of an op, which may be user-defined.
pub(crate) fn text_of<K: Kind>(entry: &Entry<K>, shader: &'static str) -> Text {
    if entry.is_builtin() { Text::file(shader) } else { Text::user(shader) }
}

pub(crate) fn whole(
    label: &str,
    workgroup: u32,
    parts: &[&'static str],
    bindings: &[Binding],
    names: &[&'static str],
) -> Kernel {
    let parts = parts.iter().copied().map(Text::file).collect();
    let bindings = bindings.to_vec();
    Kernel {
        label: label.to_string(),
        parts,
        bindings,
        fields: fields(names),
        hyper: None,
        workgroup,
    }
}

/// Returns the binding, marked as absent unless `is_there`.
pub(crate) fn only(is_there: bool, binding: Binding) -> Binding {
    let access = if is_there { binding.access } else { Access::Absent };
    Binding { access, ..binding }
}

const WALK: &str = shader!("lib/walk");

/// Adds the parameters of a strided walk over several tensors.
pub(crate) fn walking(mut kernel: Kernel) -> Kernel {
    kernel.parts.extend([INDEX, WALK].map(Text::file));
    kernel.fields = ["len", "rank", "alpha"].map(Field::word).to_vec();
    kernel.fields.push(Field::unused(1));
    kernel.fields.extend([Field { name: "starts", words: 4 }, Field { name: "axes", words: 24 }]);
    kernel
}

/// A kernel that computes one sum per 1024 elements, of the terms defined in `parts`.
pub(crate) fn blocks(
    label: &str,
    lanes: Lanes,
    parts: &[&'static str],
    bindings: &[Binding],
    names: &[&'static str],
) -> Kernel {
    let parts = [&[INDEX, shader!("lib/blocks")], parts, &lanes.texts()].concat();
    let label = format!("{label}{}", lanes.suffix());
    whole(&label, 256, &parts, bindings, &[&["len", "lanes"], names].concat())
}
