//! The text of the first dispatch.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{Figure, Layer, Whole};
use crate::gpu::kernel::names::renamed;
use crate::gpu::kernel::parts::{INDEX, MATH, NO_SCALARS, RANDOM, STEP, read, shader, write};
use crate::gpu::kernel::{Access, Binding, Field, Kernel};
use crate::spec::Activation;
use crate::spec::activation::ActivationKind;
use crate::spec::loss::{LossKind, TargetForm};
use crate::spec::metric::Mode;

impl Whole {
    /// The first dispatch's kernel.
    pub fn kernel(&self) -> Kernel {
        let mut parts = vec![INDEX.into(), MATH.into(), RANDOM.into(), STEP.into()];
        parts.extend([NO_SCALARS.into(), self.text().into()]);
        Kernel {
            label: "whole.step".to_string(),
            parts,
            bindings: self.bindings(),
            fields: vec![Field::unused(1)],
            hyper: None,
            workgroup: self.lanes,
        }
    }

    /// Numbers per workgroup in the partial gradients: those, the figures, and the step's number in two parts.
    pub fn stride(&self) -> u32 {
        (self.params + self.figures.len() as u32 + 2).next_multiple_of(64)
    }

    fn bindings(&self) -> Vec<Binding> {
        let mut bindings =
            vec![read("steps"), read("param"), read("data"), read("targets"), write("partial")];
        bindings.extend(self.weighted.then(|| read("row_weight")));
        bindings.extend(self.emits.then(|| write("dx")));
        bindings
    }

    fn text(&self) -> String {
        let mut text = self.declarations();
        let mut names = Names::new();
        for placed in &self.layers {
            if let Layer::Activation { f, .. } = placed.layer {
                let number = names.len();
                let key = f.to_string();
                names.entry(key).or_insert_with(|| {
                    text += &activation_text(&f, number);
                    number
                });
            }
        }
        text += &self.loss_text();
        for (number, figure) in self.figures.iter().enumerate() {
            text += &self.metric_text(number, figure);
        }
        text + &self.main(&names)
    }

    fn declarations(&self) -> String {
        let mut text = "struct Params {\n    unused: u32,\n}\n\n\
                        @group(0) @binding(0) var<uniform> params: Params;\n"
            .to_string();
        for (number, Binding { name, access }) in (1..).zip(self.bindings()) {
            let access = if access == Access::Read { "read" } else { "read_write" };
            let ty = match name {
                "steps" => "Steps",
                "targets" if self.form == TargetForm::Class => "array<u32>",
                "param" | "partial" => "array<vec4<f32>>",
                "data" | "dx" if self.inputs.is_multiple_of(4) => "array<vec4<f32>>",
                _ => "array<f32>",
            };
            let _ =
                writeln!(text, "@group(0) @binding({number}) var<storage, {access}> {name}: {ty};");
        }
        let Self { block, rows, data_rows, .. } = self;
        let figures = self.figures.len() as u32;
        let _ = writeln!(text, "\nvar<workgroup> memory: array<vec4<f32>, {}>;", self.memory);
        let _ = writeln!(text, "var<workgroup> terms: array<f32, {}>;", block * figures);
        let _ = writeln!(text, "var<workgroup> sources: array<u32, {block}>;");
        // Rows that take no part repeat the last one that does: their gradient is 0, and their numbers stay finite.
        let chosen = match (self.chosen, self.shuffle) {
            (false, _) => "row".to_string(),
            (true, None) => "steps.entries[now].start + row".to_string(),
            (true, Some(key)) => format!(
                "permute(vec2({}u, {}u), steps.entries[now].epoch, steps.entries[now].start + row, steps.entries[now].total)",
                key.0[0], key.0[1]
            ),
        };
        let _ = writeln!(
            text,
            "\nfn source_of(any: u32, now: u32) -> u32 {{\n    \
             let taking = min({rows}u, steps.entries[now].rows);\n    \
             let row = min(any, max(taking, 1u) - 1u);\n    \
             return min({chosen}, {data_rows}u - 1u);\n}}\n\n\
             fn param_at(i: u32) -> f32 {{\n    return param[i / 4u][i % 4u];\n}}"
        );
        text
    }

    /// Columns of the network's output.
    pub fn outputs(&self) -> u32 {
        self.layers.last().map_or(1, |placed| placed.layer.outputs() as u32)
    }

    fn y(&self) -> u32 {
        self.layers.last().map_or(0, |placed| placed.y)
    }

    /// The loss's functions and what they ask for, where row and column are those of the block.
    fn loss_text(&self) -> String {
        let (y, cols) = (self.y(), self.outputs());
        let entry = self.loss.entry();
        let mut text = match self.form {
            TargetForm::Class => CLASS_TARGETS.to_string(),
            _ => format!(
                "\nfn target_weight(row: u32, col: u32) -> f32 {{\n    \
                 return targets[sources[row] * {cols}u + col];\n}}\n\
                 fn is_class(row: u32, number: f32) -> bool {{\n    return false;\n}}\n"
            ),
        };
        let _ = writeln!(
            text,
            "fn score(row: u32, col: u32) -> f32 {{\n    \
             return memory[{y}u + row * {}u + col / 4u][col % 4u];\n}}",
            cols.div_ceil(4)
        );
        text += "fn weight_of(class_index: u32) -> f32 {\n    return 1.0;\n}\n";
        text += "fn column_weight() -> f32 {\n    return 1.0;\n}\n";
        let hyper = constants(self.loss.values(), entry.params.len());
        let own = match &entry.kind {
            LossKind::Elementwise(map) => renamed(map.shader, "_loss"),
            LossKind::Row(row) => {
                let sums = if row.sums == 8 {
                    shader!("template/loss_sums_8")
                } else {
                    shader!("template/loss_sums_4")
                };
                sums.to_string() + &renamed(row.shader, "_loss")
            }
            LossKind::Ctc { .. } => String::new(),
        };
        let own = own.replace("params.cols", &format!("{cols}u"));
        text + &with_hyper(&own, "loss_hyper", "Hyper_loss", &hyper)
    }

    /// The function that gives a row's share of a metric.
    fn metric_text(&self, number: usize, figure: &Figure) -> String {
        let cols = self.outputs();
        let Figure::Metric(metric) = figure else { return String::new() };
        let head = format!("\nfn metric_{number}(row: u32) -> f32 {{\n");
        if let Some(agreement) = metric.agrees() {
            let mode = match agreement.mode {
                Mode::Near => 0.0,
                Mode::Side => 1.0,
                Mode::Explained => 2.0,
                Mode::Outside => 3.0,
            };
            let own = renamed(shader!("metric/agreement"), &format!("_metric{number}"));
            let name = format!("metric_hyper_{number}");
            let values = constants(&[mode, agreement.limit], 2);
            let text = with_hyper(&own, &name, &format!("Hyper_metric{number}"), &values);
            return format!(
                "{text}{head}    var total = 0.0;\n    for (var col = 0u; col < {cols}u; col++) {{\n        \
                 total += value_metric{number}(score(row, col), target_weight(row, col));\n    \
                 }}\n    return total;\n}}\n"
            );
        }
        let k = metric.top().unwrap_or(1).min(cols as usize);
        let class = match self.form {
            TargetForm::Class => format!(
                "    let right = min(targets[sources[row]], {cols}u);\n    let valid = right < {cols}u;\n"
            ),
            _ => format!(
                "    var right = 0u;\n    for (var col = 1u; col < {cols}u; col++) {{\n        \
                 if target_weight(row, col) > target_weight(row, right) {{\n            right = col;\n        }}\n    }}\n    \
                 let valid = true;\n"
            ),
        };
        format!(
            "{head}{class}    let own = score(row, min(right, {cols}u - 1u));\n    \
             var rank = 0u;\n    for (var col = 0u; col < {cols}u; col++) {{\n        \
             let other = score(row, col);\n        \
             rank += select(0u, 1u, other > own || (other == own && col < right));\n    }}\n    \
             return select(0.0, 1.0, valid && !is_nan(own) && rank < {k}u);\n}}\n"
        )
    }

    fn main(&self, names: &Names) -> String {
        let Self { block, lanes, groups, inputs, rows, .. } = self;
        let figures = self.figures.len();
        let blocks = rows.div_ceil(*block);
        let stride = self.stride();
        let mut text = format!(
            "\n@compute @workgroup_size({lanes})\nfn main(\n    \
             @builtin(workgroup_id) group: vec3<u32>,\n    \
             @builtin(num_workgroups) groups: vec3<u32>,\n    \
             @builtin(local_invocation_index) lane: u32,\n) {{\n    \
             let mine = flat_workgroup(group, groups);\n    \
             if mine >= {groups}u {{\n        return;\n    }}\n    \
             let now = steps.counter % steps.capacity;\n    \
             let taking = min({rows}u, steps.entries[now].rows);\n    \
             let start = mine * {stride}u;\n    var total = 0.0;\n"
        );
        let backward = self.backward(names);
        text += &backward.before;
        let _ = write!(
            text,
            "    for (var block = mine; block < {blocks}u; block += {groups}u) {{\n    \
             let first = block * {block}u;\n    let fresh = block == mine;\n"
        );
        text += &self.over(*block, "sources[i] = source_of(first + i, now);");
        text += "    workgroupBarrier();\n";
        let fours = inputs.div_ceil(4);
        let row = match self.apart {
            true => format!("min(first + i / {fours}u, max(taking, 1u) - 1u)"),
            false => format!("sources[i / {fours}u]"),
        };
        let four = match inputs.is_multiple_of(4) {
            true => format!("data[{row} * {fours}u + i % {fours}u]"),
            false => {
                let number = |part| {
                    let col = format!("i % {fours}u * 4u + {part}u");
                    let number = format!("data[{row} * {inputs}u + min({col}, {inputs}u - 1u)]");
                    format!("select(0.0, {number}, {col} < {inputs}u)")
                };
                format!("vec4({})", [0, 1, 2, 3].map(number).join(", "))
            }
        };
        text += &self.over(block * fours, &format!("memory[i] = {four};"));
        text += "    workgroupBarrier();\n";
        for (number, placed) in self.layers.iter().enumerate() {
            let code = self.forward(number, placed, names);
            if !code.is_empty() {
                text += &code;
                text += "    workgroupBarrier();\n";
            }
        }
        text += &format!(
            "    for (var i = lane; i < {block}u; i += {lanes}u) {{\n{}    }}\n",
            self.loss_row()
        );
        text += "    workgroupBarrier();\n";
        let _ = writeln!(
            text,
            "    if lane < {figures}u {{\n        for (var row = 0u; row < {block}u; row++) {{\n            \
             total += terms[lane * {block}u + row];\n        }}\n    }}"
        );
        text += &backward.inside;
        text += "    }\n";
        text += &backward.after;
        let end = self.params;
        let place = |at: String| format!("partial[(start + {at}) / 4u][(start + {at}) % 4u]");
        let _ = writeln!(
            text,
            "    if lane < {figures}u {{\n        {} = total;\n    }}\n    \
             if lane == 0u {{\n        \
             // Whole numbers that a float holds exactly.\n        \
             {} = f32(steps.counter & 0xffffu);\n        \
             {} = f32(steps.counter >> 16u);\n    }}\n}}",
            place(format!("{end}u + lane")),
            place(format!("{}u", end + figures as u32)),
            place(format!("{}u", end + figures as u32 + 1)),
        );
        text
    }

    /// A row's terms and its gradient by the network's output.
    fn loss_row(&self) -> String {
        let (cols, block, grad) = (self.outputs(), self.block, self.grad);
        let fours = cols.div_ceil(4);
        let share = match self.terms {
            0 => "1.0".to_string(),
            terms => format!("1.0 / f32(max(taking, 1u) * {terms}u)"),
        };
        let own = if self.weighted { "row_weight[sources[i]]" } else { "1.0" };
        let mut text = format!(
            "        let is_active = first + i < taking;\n        let own = {own};\n        \
             let scale = {} * ({share}) * own;\n        \
             memory[{grad}u + i * {fours}u + {fours}u - 1u] = vec4(0.0);\n",
            number(self.upstream)
        );
        let each = format!("for (var col = 0u; col < {cols}u; col++) {{");
        let place = format!("memory[{grad}u + i * {fours}u + col / 4u][col % 4u]");
        match &self.loss.entry().kind {
            LossKind::Row(row) => {
                let top = if row.peak {
                    format!(
                        "        var top = -3.4028234e38;\n        {each}\n            \
                         top = max(top, candidate_loss(score(i, col), i, col));\n        }}\n"
                    )
                } else {
                    "        let top = 0.0;\n".to_string()
                };
                let _ = write!(
                    text,
                    "{top}        var sums = Sums();\n        {each}\n            \
                     let y = score(i, col);\n            \
                     let part = accumulate_loss(y, i, col, top);\n            \
                     sums = sums + marked(part, keep_nan(y, target_weight(i, col)));\n        }}\n        \
                     let term = keep_nan(mark(sums), term_loss(i, top, sums));\n        \
                     terms[i] = select(0.0, own * term, is_active);\n        {each}\n            \
                     let slope = slope_loss(score(i, col), i, col, top, sums);\n            \
                     {place} = select(0.0, scale * keep_nan(mark(sums), slope), is_active);\n        }}\n"
                );
            }
            _ => {
                let _ = write!(
                    text,
                    "        var sum = 0.0;\n        {each}\n            \
                     let y = score(i, col);\n            let t = target_weight(i, col);\n            \
                     sum += own * keep_nan(y, keep_nan(t, value_loss(y, t)));\n            \
                     let slope = keep_nan(y, keep_nan(t, gradient_loss(y, t)));\n            \
                     {place} = select(0.0, scale * slope, is_active);\n        }}\n        \
                     terms[i] = select(0.0, sum, is_active);\n"
                );
            }
        }
        for number in 1..self.figures.len() {
            let _ = writeln!(
                text,
                "        terms[{}u + i] = select(0.0, metric_{number}(i), is_active);",
                number as u32 * block
            );
        }
        text
    }

    /// `body` for each i below a count, shared by the lanes.
    pub(super) fn over(&self, count: u32, body: &str) -> String {
        let lanes = self.lanes;
        format!("    for (var i = lane; i < {count}u; i += {lanes}u) {{\n        {body}\n    }}\n")
    }
}

/// The number of each activation's functions, by the activation's text.
pub(super) type Names = HashMap<String, usize>;

const CLASS_TARGETS: &str = "
fn target_weight(row: u32, col: u32) -> f32 {
    return select(0.0, 1.0, targets[sources[row]] == col);
}

fn is_class(row: u32, number: f32) -> bool {
    return number != -1.0 && i32(targets[sources[row]]) == i32(number);
}
";

/// The numbers of a struct of parameters as text.
fn constants(values: &[f64], count: usize) -> String {
    values.iter().take(count).map(|value| number(*value as f32)).collect::<Vec<_>>().join(", ")
}

/// A number as WGSL: one that is not finite is no constant there, and of a subnormal one a compiler may make 0.
fn number(value: f32) -> String {
    if value.is_normal() || value.to_bits() == 0 {
        format!("{value:?}")
    } else {
        format!("from_bits({:#x}u)", value.to_bits())
    }
}

/// Puts an op's parameters where its text looks for them: behind a function, since not every number is a constant.
fn with_hyper(text: &str, name: &str, ty: &str, values: &str) -> String {
    let text = text.replace("params.hyper", &format!("{name}()"));
    if !text.contains(&format!("struct {ty} ")) {
        return format!("{text}\n");
    }
    format!("{text}\nfn {name}() -> {ty} {{\n    return {ty}({values});\n}}\n")
}

fn activation_text(f: &Activation, number: usize) -> String {
    let entry = f.entry();
    let (shader, values) = match &entry.kind {
        ActivationKind::Elementwise(map) => (map.shader, constants(f.values(), entry.params.len())),
        ActivationKind::Stochastic(noise) => {
            let values = (noise.prepare)(f.values());
            (noise.shader, constants(&values, noise.fields.len()))
        }
        _ => return String::new(),
    };
    let suffix = format!("_{number}");
    let own = renamed(shader, &suffix);
    with_hyper(&own, &format!("hyper{suffix}"), &format!("Hyper{suffix}"), &values)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn every_number_is_written_so_that_its_bits_come_back() {
        for bits in (0..=u32::MAX).step_by(65_521).chain([0x8000_0000, 1, 0x7f80_0000, 0xff80_0000])
        {
            let text = number(f32::from_bits(bits));
            let own = text.strip_prefix("from_bits(0x").and_then(|rest| rest.strip_suffix("u)"));
            let back = own.map_or_else(
                || text.parse::<f32>().unwrap().to_bits(),
                |digits| u32::from_str_radix(digits, 16).unwrap(),
            );
            assert_eq!(back, bits, "{text}");
            assert!(own.is_some() || text.contains('.') || text.contains('e'), "{text}");
        }
    }
}
