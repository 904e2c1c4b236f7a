//! Bindings, loads of blocks of 4 x 4 elements, and stores of results.

use std::fmt::Write as _;

use super::{Epilogue, FIELDS, STAGE, Variant, Via};
use crate::engine::gpu::kernel::writer::Writer;
use crate::engine::gpu::kernel::{Access, Binding};
use crate::ir::Form;

impl Variant {
    /// The parameters, with those of another kernel after them.
    pub(super) fn params(&self, others: &[(&str, usize)]) -> String {
        let mut text = "struct Params {\n".to_string();
        for (name, words) in FIELDS.iter().chain(others) {
            let ty = if *words == 4 { "vec4<u32>" } else { "u32" };
            let _ = writeln!(text, "    {name}: {ty},");
        }
        if self.epilogue.function().is_some() {
            text += "    @align(16) hyper: Hyper,\n";
        }
        text + "}\n\n@group(0) @binding(0) var<uniform> params: Params;\n"
    }

    /// The storage bindings, from a number on, and the memory of a workgroup.
    pub(super) fn bound(&self, first: u32) -> String {
        let mut text = String::new();
        for (number, Binding { name, access }) in (first..).zip(self.bindings()) {
            let access = if access == Access::Read { "read" } else { "read_write" };
            let vector = match name {
                "a" => self.reads_fours(self.form != Form::TN, 0),
                "b" => self.reads_fours(self.form == Form::NT, 2),
                "sums" => false,
                _ => self.writes_fours(),
            };
            let element = if vector { "vec4<f32>" } else { "f32" };
            let _ = writeln!(
                text,
                "@group(0) @binding({number}) var<storage, {access}> {name}: array<{element}>;"
            );
        }
        text += "\n// Where the operands of this product begin.\nvar<private> a_start: u32;\n\
                 var<private> b_start: u32;\n";
        for (name, len) in self.workgroup_arrays() {
            let _ = writeln!(text, "var<workgroup> {name}: array<vec4<f32>, {len}>;");
        }
        text
    }

    /// The arrays in workgroup memory, each with its number of fours.
    fn workgroup_arrays(&self) -> Vec<(&'static str, u32)> {
        let mut arrays = Vec::new();
        if self.tiling.via == Via::Workgroup {
            let [rows, cols] = self.tiling.block();
            arrays.extend([("a_tile", rows / 4 * STAGE), ("b_tile", cols / 4 * STAGE)]);
        }
        if self.tiling.lanes[2] > 1 {
            arrays.push(("partials", self.tiling.workgroup() * self.partial().len() as u32));
        }
        arrays
    }

    /// Bytes of workgroup memory.
    pub(super) fn workgroup_bytes(&self) -> u32 {
        self.workgroup_arrays().iter().map(|(_, fours)| 16 * fours).sum()
    }

    /// Returns whether the rows of an operand are multiples of 4 long: they run along the inner side or along another one.
    pub(super) fn reads_fours(&self, along: bool, side: usize) -> bool {
        self.fours.get(if along { 1 } else { side }).is_some_and(|four| *four)
    }

    pub(super) fn writes_fours(&self) -> bool {
        let [.., n] = self.fours;
        n
    }

    pub(super) fn has_edge(&self) -> bool {
        self.edge || self.fours != [true; 3]
    }

    /// The function that loads a block of four rows of a, or columns of b, by four of the inner side: a column of the
    /// result per inner index. `along` says that memory runs along the inner side.
    pub(super) fn load(&self, name: &str, along: bool) -> String {
        let (number, side) = if name == "a" { (0, "params.m") } else { (2, "params.n") };
        let [_, inner_fours, _] = self.fours;
        let stride = if along { "params.k" } else { side };
        // Rows beyond the edge repeat the last one, whose results are not stored; beyond the inner side all is 0.
        let edge = self.has_edge();
        let outer = |i: usize| {
            if edge { format!("min(outer + {i}u, {side} - 1u)") } else { format!("(outer + {i}u)") }
        };
        let mut text =
            format!("\nfn load_{name}(outer: u32, inner: u32, end: u32) -> mat4x4<f32> {{\n");
        if self.reads_fours(along, number) {
            if edge && self.tiling.via == Via::Workgroup {
                text += "    if inner >= end {\n        return mat4x4<f32>();\n    }\n";
            }
            let outer_fours =
                if edge { format!("min(outer, {side} - 4u)") } else { "outer".into() };
            let at = |i: usize| match along {
                true => format!("{name}[({name}_start + {} * {stride} + inner) / 4u]", outer(i)),
                false if inner_fours => {
                    format!(
                        "{name}[({name}_start + (inner + {i}u) * {stride} + {outer_fours}) / 4u]"
                    )
                }
                false => format!(
                    "select(vec4(0.0), {name}[({name}_start + min(inner + {i}u, end - 1u) * {stride} + {outer_fours}) / 4u], inner + {i}u < end)"
                ),
            };
            let columns = [0, 1, 2, 3].map(at).join(", ");
            let block = format!("mat4x4<f32>({columns})");
            let block = if along { format!("transpose({block})") } else { block };
            let _ = writeln!(text, "    return {block};\n}}");
            return text;
        }
        for i in 0..4 {
            let (inner, outer) = (format!("min(inner + {i}u, end - 1u)"), outer(i));
            let [far, near] = if along { ["1u", stride] } else { [stride, "1u"] };
            let _ = writeln!(text, "    let i{i} = {name}_start + {inner} * {far};");
            let _ = writeln!(text, "    let o{i} = {outer} * {near};");
        }
        let column = |i: usize| {
            let at = |j: usize| format!("{name}[i{i} + o{j}]");
            let column = [0, 1, 2, 3].map(at).join(", ");
            format!("select(vec4(0.0), vec4({column}), inner + {i}u < end)")
        };
        let columns = [0, 1, 2, 3].map(column).join(",\n        ");
        let _ = writeln!(
            text,
            "    if inner >= end {{\n        return mat4x4<f32>();\n    }}\n    return mat4x4<f32>(\n        {columns},\n    );\n}}"
        );
        text
    }

    /// The function that loads four rows of a, or columns of b, at one inner index.
    pub(super) fn line(&self, name: &str, along: bool) -> String {
        let (number, side) = if name == "a" { (0, "params.m") } else { (2, "params.n") };
        let head = format!("\nfn line_{name}(outer: u32, inner: u32) -> vec4<f32> {{\n");
        if !along && self.reads_fours(along, number) {
            let outer =
                if self.has_edge() { format!("min(outer, {side} - 4u)") } else { "outer".into() };
            let at = format!("{name}_start + inner * {side} + {outer}");
            return head + &format!("    return {name}[({at}) / 4u];\n}}\n");
        }
        let [far, near] = if along { ["", " * params.k"] } else { [&*format!(" * {side}"), ""] };
        let part = |i| format!("{name}[start + min(outer + {i}u, {side} - 1u){near}]");
        let parts = [0, 1, 2, 3].map(part).join(", ");
        head + &format!(
            "    let start = {name}_start + inner{far};\n    return vec4({parts});\n}}\n"
        )
    }

    /// The function that turns four results of a row into what is stored.
    pub(super) fn finish(&self) -> String {
        let Epilogue { bias, activation, keeps, derivative } = self.epilogue;
        let fours = |name: &str, at: &str| match self.writes_fours() {
            true => format!("{name}[({at}) / 4u]"),
            false => {
                let last = format!("arrayLength(&{name}) - 1u");
                let parts = [0, 1, 2, 3].map(|i| format!("{name}[min({at} + {i}u, {last})]"));
                format!("vec4({})", parts.join(", "))
            }
        };
        let each = |function: &str, x: &str| {
            let parts = ["x", "y", "z", "w"].map(|part| format!("{function}({x}.{part})"));
            format!("vec4({})", parts.join(", "))
        };
        let mut text =
            "\nfn finish(value: vec4<f32>, at: u32, col: u32) -> vec4<f32> {\n    var result = value;\n"
                .to_string();
        if bias {
            let _ = writeln!(text, "    result += {};", fours("bias", "col"));
        }
        if keeps {
            text += "    store_four_kept(at, col, result);\n";
        }
        if activation.is_some() {
            let _ = writeln!(text, "    result = {};", each("forward", "result"));
        }
        if derivative.is_some() {
            let _ = writeln!(text, "    let before = {};", fours("saved", "at"));
            let _ = writeln!(text, "    result *= {};", each("derivative", "before"));
        }
        text + "    return result;\n}\n"
    }

    pub(super) fn store(&self) -> String {
        let edge = self.has_edge();
        let mut text = four("c", "", self.writes_fours());
        if self.epilogue.keeps {
            text += &four("kept", "_kept", self.writes_fours());
        }
        text += "\nfn store(start: u32, row: u32, col: u32, value: vec4<f32>) {\n";
        let mut w = Writer::within(1);
        let body = |w: &mut Writer| {
            w.line("let at = start + row * params.n + col;");
            w.line("store_four(at, col, finish(value, at, col));");
        };
        // The stores are unrolled, and each branch doubles the time that SwiftShader takes to compile them: one condition
        // that does not short-circuit, and no early return.
        match edge {
            true => w.block("if (row < params.m) & (col < params.n)", body),
            false => body(&mut w),
        }
        text + &w.finish() + "}\n"
    }
}

/// The function that stores four results of a row.
fn four(name: &str, suffix: &str, vector: bool) -> String {
    let head = format!("\nfn store_four{suffix}(at: u32, col: u32, value: vec4<f32>) {{\n");
    if vector {
        return head + &format!("    {name}[at / 4u] = value;\n}}\n");
    }
    let mut text = head;
    for i in 0..4 {
        let _ = writeln!(
            text,
            "    if col + {i}u < params.n {{\n        {name}[at + {i}u] = value[{i}];\n    }}"
        );
    }
    text + "}\n"
}

pub(super) const STORE_SUMS: &str = "
fn store_sums(part: u32, row: u32, value: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) {
        if row + i < params.m {
            sums[part * params.m + row + i] = value[i];
        }
    }
}
";
