//! The matrix-product generator: one text for every tiling, unrolled, with named scalars. The forms NN, NT and TN differ only
//! in how a block of 4 x 4 elements is loaded.

use std::fmt::Write as _;

use super::catalogue::{INDEX, MATH, NO_HYPER, read, write};
use super::{Access, Binding, Field, Kernel};
use crate::program::Form;
use crate::spec::activation::ActivationKind;
use crate::spec::{Activation, Kind as _};

/// How a workgroup shares the work of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Rows and columns of the result that an invocation computes, multiples of 4.
    pub each: [u32; 2],
    /// Invocations along the rows, the columns and the inner side.
    pub lanes: [u32; 3],
    /// How the operands come to the invocations.
    pub via: Via,
}

/// How the operands of a product come to the invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// Each invocation reads what it needs.
    Memory,
    /// Through workgroup memory.
    Workgroup,
    /// The invocations of a workgroup, which are one subgroup beside each other, read the rows of the left operand
    /// together and hand them to each other.
    Subgroup,
}

/// How much of the inner side a staged workgroup takes at a time.
const STAGE: u32 = 16;

impl Tiling {
    /// Rows and columns of the result that a workgroup computes.
    pub const fn block(self) -> [u32; 2] {
        [self.each[0] * self.lanes[0], self.each[1] * self.lanes[1]]
    }

    /// Invocations per workgroup.
    pub const fn workgroup(self) -> u32 {
        self.lanes[0] * self.lanes[1] * self.lanes[2]
    }
}

/// What happens to a result before it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epilogue {
    /// A number per column is added.
    pub bias: bool,
    /// Then a function is applied.
    pub activation: Option<Activation>,
    /// The function's input is stored as well.
    pub keeps: bool,
    /// In place of that: the result is multiplied by the derivative of a function, from what its forward pass saved.
    pub derivative: Option<Activation>,
}

impl Epilogue {
    /// Whether the function can be part of an epilogue: it looks at one element at a time and draws no random numbers.
    pub fn takes(f: &Activation) -> bool {
        // A text of the caller's own was checked beside the texts of the templates only.
        let known = ActivationKind::all().iter().any(|entry| std::ptr::eq(*entry, f.entry()));
        known && matches!(f.entry().kind, ActivationKind::Map(_))
    }

    fn function(&self) -> Option<Activation> {
        self.activation.or(self.derivative)
    }

    /// The parameters of the function.
    pub fn values(&self) -> crate::spec::registry::Values {
        self.function().map(|f| *f.values()).unwrap_or_default()
    }

    fn name(&self) -> String {
        let mut name = String::new();
        let parts = [(self.bias, ".bias"), (self.keeps, ".keep")];
        parts.iter().filter(|(on, _)| *on).for_each(|(_, part)| name += part);
        if let Some(f) = self.activation {
            let _ = write!(name, ".{}", f.name());
        }
        if let Some(f) = self.derivative {
            let _ = write!(name, ".d_{}", f.name());
        }
        name
    }

    fn bindings(&self) -> impl Iterator<Item = Binding> {
        let parts = [
            self.bias.then(|| read("bias")),
            self.keeps.then(|| write("kept")),
            self.derivative.map(|_| read("saved")),
        ];
        parts.into_iter().flatten()
    }
}

/// A kernel of the generator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// Which operand is transposed.
    pub form: Form,
    /// Who computes what.
    pub tiling: Tiling,
    /// Whether m, k and n are multiples of 4: rows of such a length are read and written by fours.
    pub fours: [bool; 3],
    /// Some workgroup reaches over an edge.
    pub edge: bool,
    /// There is more than one product.
    pub batched: bool,
    /// The inner side is shared by several workgroups; their partial products lie one after the other in c.
    pub split: bool,
    /// Column sums of the left operand's rows along the inner side are stored as well: the gradient of a bias.
    pub sums: bool,
    /// What happens to a result before it is stored.
    pub epilogue: Epilogue,
}

const FIELDS: [(&str, usize); 7] =
    [("m", 1), ("k", 1), ("n", 1), ("depth", 1), ("batch", 4), ("a_batch", 4), ("b_batch", 4)];

impl Variant {
    /// One product whose sides are what they may be, without an epilogue.
    pub fn plain(form: Form, tiling: Tiling) -> Self {
        Self {
            form,
            tiling,
            fours: [false; 3],
            edge: false,
            batched: false,
            split: false,
            sums: false,
            epilogue: Epilogue::default(),
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> Kernel {
        let mut parts = vec![INDEX.into(), self.text().into()];
        let mut hyper = None;
        if let Some(f) = self.epilogue.function()
            && let ActivationKind::Map(map) = &f.entry().kind
        {
            parts.extend([MATH.into(), map.shader.into()]);
            if f.entry().params.is_empty() {
                parts.push(NO_HYPER.into());
            }
            hyper = Some(f.entry().params.iter().map(|param| param.name).collect());
        }
        Kernel {
            label: self.label(),
            parts,
            bindings: self.bindings(),
            fields: FIELDS.map(|(name, words)| Field { name, words }).to_vec(),
            hyper,
            workgroup: self.tiling.workgroup(),
        }
    }

    fn label(&self) -> String {
        let Tiling { each: [rows, cols], lanes: [down, across, deep], via } = self.tiling;
        let way = match via {
            Via::Memory => "direct",
            Via::Workgroup => "staged",
            Via::Subgroup => "shared",
        };
        let mut label =
            format!("matmul.{}.{way}_{rows}x{cols}_{down}x{across}x{deep}", self.form.name());
        let [m, k, n] = self.fours;
        let flags = [
            (m, ".m4"),
            (k, ".k4"),
            (n, ".n4"),
            (self.edge, ".edge"),
            (self.batched, ".batched"),
            (self.split, ".split"),
            (self.sums, ".sums"),
        ];
        flags.iter().filter(|(on, _)| *on).for_each(|(_, name)| label += name);
        label + &self.epilogue.name()
    }

    fn bindings(&self) -> Vec<Binding> {
        let sums = self.sums.then(|| write("sums"));
        let first = [read("a"), read("b"), write("c")];
        first.into_iter().chain(self.epilogue.bindings()).chain(sums).collect()
    }

    fn text(&self) -> String {
        let mut text = self.declarations();
        text += &self.load("a", self.form != Form::TN);
        text += &self.load("b", self.form == Form::NT);
        text += &self.finish();
        text += &self.store();
        if self.sums {
            text += STORE_SUMS;
        }
        text += &self.main();
        text
    }

    fn declarations(&self) -> String {
        let mut text =
            "struct Params {\n    m: u32,\n    k: u32,\n    n: u32,\n    depth: u32,\n    \
                        batch: vec4<u32>,\n    a_batch: vec4<u32>,\n    b_batch: vec4<u32>,\n"
                .to_string();
        if self.epilogue.function().is_some() {
            text += "    @align(16) hyper: Hyper,\n";
        }
        text += "}\n\n@group(0) @binding(0) var<uniform> params: Params;\n";
        for (number, Binding { name, access }) in (1..).zip(self.bindings()) {
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
        if self.tiling.via == Via::Workgroup {
            let [rows, cols] = self.tiling.block();
            for (name, len) in [("a_tile", rows), ("b_tile", cols)] {
                let len = len / 4 * STAGE;
                let _ = writeln!(text, "var<workgroup> {name}: array<vec4<f32>, {len}>;");
            }
        }
        if self.tiling.lanes[2] > 1 {
            let len = self.tiling.workgroup() * self.shared().len() as u32;
            let _ = writeln!(text, "var<workgroup> shares: array<vec4<f32>, {len}>;");
        }
        text
    }

    /// Whether the rows of an operand are multiples of 4 long: they run along the inner side or along another one.
    fn reads_fours(&self, along: bool, side: usize) -> bool {
        self.fours.get(if along { 1 } else { side }).is_some_and(|four| *four)
    }

    fn writes_fours(&self) -> bool {
        let [.., n] = self.fours;
        n
    }

    fn has_edge(&self) -> bool {
        self.edge || self.fours != [true; 3]
    }

    /// The function that loads a block of four rows of a, or columns of b, by four of the inner side: a column of the
    /// result per inner index. `along` says that memory runs along the inner side.
    fn load(&self, name: &str, along: bool) -> String {
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

    /// The function that turns four results of a row into what is stored.
    fn finish(&self) -> String {
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

    fn store(&self) -> String {
        let edge = self.has_edge();
        let mut text = four("c", "", self.writes_fours());
        if self.epilogue.keeps {
            text += &four("kept", "_kept", self.writes_fours());
        }
        text += "\nfn store(start: u32, row: u32, col: u32, value: vec4<f32>) {\n";
        if edge {
            text += "    if row >= params.m || col >= params.n {\n        return;\n    }\n";
        }
        text + "    let at = start + row * params.n + col;\n    \
                store_four(at, col, finish(value, at, col));\n}\n"
    }

    /// Names of the results of an invocation: row within its rows, four columns.
    fn accumulators(&self) -> Vec<(u32, u32)> {
        let [rows, cols] = self.tiling.each;
        (0..rows).flat_map(|row| (0..cols / 4).map(move |col| (row, col))).collect()
    }

    /// What the lanes along the inner side have shares of.
    fn shared(&self) -> Vec<String> {
        let results = self.accumulators().into_iter().map(|(row, col)| format!("c{row}_{col}"));
        let sums = if self.sums { self.tiling.each[0] / 4 } else { 0 };
        results.chain((0..sums).map(|i| format!("sum{i}"))).collect()
    }

    fn main(&self) -> String {
        let Tiling { each: [rows, cols], lanes: [down, across, deep], via } = self.tiling;
        let [block_rows, block_cols] = self.tiling.block();
        let workgroup = self.tiling.workgroup();
        let mut text = format!("\n@compute @workgroup_size({workgroup})\n{MAIN}");
        let _ =
            writeln!(text, "    let across = (params.n + {0}u) / {block_cols}u;", block_cols - 1);
        let _ = writeln!(
            text,
            "    let tiles = (params.m + {0}u) / {block_rows}u * across;",
            block_rows - 1
        );
        text += PLACE;
        let _ = writeln!(text, "    let top = index % tiles / across * {block_rows}u;");
        let _ = writeln!(text, "    let left = index % across * {block_cols}u;");
        text += if self.split { SPLIT } else { WHOLE };
        if self.batched {
            text += BATCHED;
        } else {
            // The folded grid can have more workgroups than there are tiles.
            text += "    if product >= 1u {\n        return;\n    }\n";
        }
        // A workgroup without lanes along an axis has the same place in every invocation, and a compiler can see that.
        let deeper = if deep > 1 { format!("lane / {deep}u") } else { "lane".to_string() };
        let lane_row = match (down, across) {
            (1, _) => "0u".to_string(),
            (_, 1) => deeper.clone(),
            _ => format!("{deeper} / {across}u"),
        };
        let lane_col = match (down, across) {
            (_, 1) => "0u".to_string(),
            (1, _) => deeper,
            _ => format!("{deeper} % {across}u"),
        };
        for i in 0..rows / 4 {
            let _ = writeln!(text, "    let row{i} = top + ({}u + {lane_row}) * 4u;", i * down);
        }
        for i in 0..cols / 4 {
            let _ = writeln!(text, "    let col{i} = left + ({}u + {lane_col}) * 4u;", i * across);
        }
        for (row, col) in self.accumulators() {
            let _ = writeln!(text, "    var c{row}_{col} = vec4(0.0);");
        }
        if self.sums {
            // One column of invocations of one column of workgroups sums what all of them load.
            let _ = writeln!(text, "    let is_first = left + {lane_col} == 0u;");
            for i in 0..rows / 4 {
                let _ = writeln!(text, "    var sum{i} = vec4(0.0);");
            }
        }
        text += &match via {
            Via::Memory => self.direct_loop(),
            Via::Workgroup => self.staged_loop(&lane_row, &lane_col),
            Via::Subgroup => self.shared_loop(),
        };
        if deep > 1 {
            text += &self.combine();
        }
        for (row, col) in self.accumulators() {
            let _ = writeln!(
                text,
                "    store(start, row{} + {}u, col{col}, c{row}_{col});",
                row / 4,
                row % 4
            );
        }
        if self.sums {
            text += "    if is_first {\n";
            for i in 0..rows / 4 {
                let _ = writeln!(text, "        store_sums(part, row{i}, sum{i});");
            }
            text += "    }\n";
        }
        text + "}\n"
    }

    fn direct_loop(&self) -> String {
        let [rows, cols] = self.tiling.each;
        let deep = self.tiling.lanes[2];
        let first = if deep > 1 { format!("begin + lane % {deep}u * 4u") } else { "begin".into() };
        let mut text =
            format!("    for (var inner = {first}; inner < end; inner += {}u) {{\n", 4 * deep);
        for i in 0..rows / 4 {
            let _ = writeln!(text, "        let a{i} = load_a(row{i}, inner, end);");
        }
        for i in 0..cols / 4 {
            let _ = writeln!(text, "        let b{i} = load_b(col{i}, inner, end);");
        }
        for inner in 0..4 {
            let names = |letter: &'static str| move |i| format!("{letter}{i}[{inner}]");
            text += &self.multiply(names("a"), names("b"));
        }
        text + "    }\n"
    }

    /// Each invocation reads four rows of every 32 and tells the others.
    fn shared_loop(&self) -> String {
        let [rows, cols] = self.tiling.each;
        let across = self.tiling.lanes[1];
        let mut text = "    for (var inner = begin; inner < end; inner += 4u) {\n".to_string();
        for i in 0..rows / 4 / across {
            let first = i * across;
            let _ = writeln!(
                text,
                "        let a{i} = load_a(top + ({first}u + lane) * 4u, inner, end);"
            );
        }
        for i in 0..cols / 4 {
            let _ = writeln!(text, "        let b{i} = load_b(col{i}, inner, end);");
        }
        for inner in 0..4 {
            for i in 0..rows / 4 {
                let (block, lane) = (i / across, i % across);
                let _ = writeln!(
                    text,
                    "        let s{i}_{inner} = subgroupBroadcast(a{block}[{inner}], {lane}u);"
                );
            }
            text += &self.multiply(|i| format!("s{i}_{inner}"), |i| format!("b{i}[{inner}]"));
        }
        text + "    }\n"
    }

    /// The products of one inner index.
    fn multiply(&self, a: impl Fn(u32) -> String, b: impl Fn(u32) -> String) -> String {
        let mut text = String::new();
        for (row, col) in self.accumulators() {
            let part = row % 4;
            let _ = writeln!(text, "        c{row}_{col} += {}[{part}] * {};", a(row / 4), b(col));
        }
        if self.sums {
            text += "        if is_first {\n";
            for i in 0..self.tiling.each[0] / 4 {
                let _ = writeln!(text, "            sum{i} += {};", a(i));
            }
            text += "        }\n";
        }
        text
    }

    fn staged_loop(&self, lane_row: &str, lane_col: &str) -> String {
        let [block_rows, block_cols] = self.tiling.block();
        let [rows, cols] = self.tiling.each;
        let [down, across, _] = self.tiling.lanes;
        let mut text = format!("    for (var stage = begin; stage < end; stage += {STAGE}u) {{\n");
        text += &self.stage();
        text += "        workgroupBarrier();\n";
        let _ = writeln!(text, "        for (var step = 0u; step < {STAGE}u; step += 4u) {{");
        for inner in 0..4 {
            for (name, count, lanes, lane, block) in [
                ("a", rows / 4, down, lane_row, block_rows / 4),
                ("b", cols / 4, across, lane_col, block_cols / 4),
            ] {
                for i in 0..count {
                    let _ = writeln!(
                        text,
                        "        let {name}{i}_{inner} = {name}_tile[(step + {inner}u) * {block}u + {}u + {lane}];",
                        i * lanes
                    );
                }
            }
            let names = |letter: &'static str| move |i| format!("{letter}{i}_{inner}");
            text += &self.multiply(names("a"), names("b"));
        }
        text + "        }\n        workgroupBarrier();\n    }\n"
    }

    /// Every invocation brings blocks of 4 x 4 elements to workgroup memory: those of a first, then those of b.
    fn stage(&self) -> String {
        let [block_rows, block_cols] = self.tiling.block();
        let workgroup = self.tiling.workgroup();
        let (deep, total) = (STAGE / 4, (block_rows + block_cols) / 4 * (STAGE / 4));
        let a_blocks = block_rows / 4 * deep;
        let bring = |name: &str, at: &str, along: bool| {
            let (corner, count) =
                if name == "a" { ("top", block_rows / 4) } else { ("left", block_cols / 4) };
            // Neighbours read neighbouring memory.
            let (outer, inner) = match along {
                true => (format!("({at}) / {deep}u"), format!("({at}) % {deep}u")),
                false => (format!("({at}) % {count}u"), format!("({at}) / {count}u")),
            };
            let mut text = format!(
                "            let outer = {outer};\n            let inner = {inner} * 4u;\n            \
                 let block = load_{name}({corner} + outer * 4u, stage + inner, end);\n"
            );
            for i in 0..4 {
                let _ = writeln!(
                    text,
                    "            {name}_tile[(inner + {i}u) * {count}u + outer] = block[{i}];"
                );
            }
            text
        };
        let (a_along, b_along) = (self.form != Form::TN, self.form == Form::NT);
        let mut text = String::new();
        for first in (0..total).step_by(workgroup as usize) {
            let from_b = |first: u32| format!("{}u + lane", first - a_blocks);
            if first + workgroup <= a_blocks {
                let _ = write!(
                    text,
                    "        {{\n{}        }}\n",
                    bring("a", &format!("{first}u + lane"), a_along)
                );
            } else if first >= a_blocks {
                let _ =
                    write!(text, "        {{\n{}        }}\n", bring("b", &from_b(first), b_along));
            } else {
                let _ = write!(
                    text,
                    "        if lane < {0}u {{\n{1}        }} else {{\n{2}        }}\n",
                    a_blocks - first,
                    bring("a", &format!("{first}u + lane"), a_along),
                    bring("b", &format!("lane - {}u", a_blocks - first), b_along)
                );
            }
        }
        text
    }

    /// The lanes along the inner side add their shares up, by a fixed tree.
    fn combine(&self) -> String {
        let (deep, workgroup) = (self.tiling.lanes[2], self.tiling.workgroup());
        let places = self.shared();
        let mut text = String::new();
        for (i, place) in (0u32..).zip(&places) {
            let _ = writeln!(text, "    shares[{}u + lane] = {place};", i * workgroup);
        }
        let _ = writeln!(text, "    for (var width = {}u; width > 0u; width /= 2u) {{", deep / 2);
        text += "        workgroupBarrier();\n";
        let _ = writeln!(text, "        if lane % {deep}u < width {{");
        for (i, _) in (0u32..).zip(&places) {
            let at = i * workgroup;
            let _ =
                writeln!(text, "            shares[{at}u + lane] += shares[{at}u + lane + width];");
        }
        text += "        }\n    }\n";
        let _ = writeln!(text, "    if lane % {deep}u != 0u {{\n        return;\n    }}");
        for (i, place) in (0u32..).zip(&places) {
            let _ = writeln!(text, "    {place} = shares[{}u + lane];", i * workgroup);
        }
        text
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

const STORE_SUMS: &str = "
fn store_sums(part: u32, row: u32, value: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) {
        if row + i < params.m {
            sums[part * params.m + row + i] = value[i];
        }
    }
}
";

const MAIN: &str = "fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
";

const PLACE: &str = "    let index = flat_workgroup(group, groups);
";

const WHOLE: &str = "    let product = index / tiles;
    let part = 0u;
    let begin = 0u;
    let end = params.k;
    let start = product * params.m * params.n;
";

const SPLIT: &str = "    let parts = (params.k + params.depth - 1u) / params.depth;
    let count = params.batch.x * params.batch.y * params.batch.z * params.batch.w;
    let product = index / tiles % count;
    let part = index / tiles / count;
    let begin = part * params.depth;
    if part >= parts {
        return;
    }
    let end = min(begin + params.depth, params.k);
    let start = (part * count + product) * params.m * params.n;
";

const BATCHED: &str =
    "    if product >= params.batch.x * params.batch.y * params.batch.z * params.batch.w {
        return;
    }
    let place = vec4(
        product / params.batch.w / params.batch.z / params.batch.y,
        product / params.batch.w / params.batch.z % params.batch.y,
        product / params.batch.w % params.batch.z,
        product % params.batch.w,
    );
    let a_place = place * params.a_batch;
    let b_place = place * params.b_batch;
    a_start = a_place.x + a_place.y + a_place.z + a_place.w;
    b_start = b_place.x + b_place.y + b_place.z + b_place.w;
";
