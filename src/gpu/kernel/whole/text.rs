//! The text of the first dispatch.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{Figure, Layer, Placed, Whole};
use crate::gpu::kernel::catalogue::{INDEX, MATH, NO_SCALARS, RANDOM, STEP, read, shader, write};
use crate::gpu::kernel::{Access, Binding, Field, Kernel};
use crate::spec::Activation;
use crate::spec::activation::{ActivationKind, Saves};
use crate::spec::loss::{LossKind, TargetForm};
use crate::spec::metric::Mode;

/// How a loop over results is cut: rows and columns of the result per invocation and turn.
type Cut = (u32, u32);

impl Whole {
    /// The first dispatch's kernel.
    pub fn kernel(&self) -> Kernel {
        let mut parts = vec![INDEX.into(), MATH.into(), RANDOM.into(), STEP.into()];
        parts.extend([NO_SCALARS.into(), self.text().into()]);
        Kernel {
            label: "whole.step".to_string(),
            parts,
            bindings: self.bindings(),
            fields: ["unused"].map(|name| Field { name, words: 1 }).to_vec(),
            hyper: None,
            workgroup: self.lanes,
        }
    }

    /// How many turns of loops an invocation takes for a block, at most.
    pub fn turns(&self) -> u64 {
        let over = |count: u32| u64::from(count.div_ceil(self.lanes));
        let product = |rows: u32, cols: u32, depth: u32| {
            let (r, c) = self.cut(rows, cols);
            let tiles = over(rows.div_ceil(r) * cols.div_ceil(c));
            tiles * (1 + u64::from(if depth.is_multiple_of(4) { depth / 4 } else { depth }))
        };
        let layer = |placed: &Placed| match placed.layer {
            Layer::Dense { inputs, outputs, .. } => {
                let (k, n, rows) = (inputs as u32, outputs as u32, self.block);
                product(rows, n, k) + product(n, k, rows) + product(rows, k, n) + over(n)
            }
            Layer::Activation { width, .. } => 2 * over(self.block * width as u32),
        };
        let rows = over(self.block) * u64::from(4 * self.outputs() + 4);
        let head = u64::from(self.block) + over(self.block * self.inputs) + 200;
        self.layers.iter().map(layer).sum::<u64>() + rows * self.figures.len() as u64 + head
    }

    /// Floating-point operations of a step's products.
    pub fn flops(&self) -> u64 {
        let layer = |placed: &Placed| match placed.layer {
            Layer::Dense { inputs, outputs, .. } => 6 * (inputs * outputs) as u64,
            Layer::Activation { .. } => 0,
        };
        u64::from(self.rows) * self.layers.iter().map(layer).sum::<u64>()
    }

    /// Numbers per workgroup in the partial gradients: those, the figures, and the step's number in two parts.
    pub fn stride(&self) -> u32 {
        (self.params + self.figures.len() as u32 + 2).next_multiple_of(64)
    }

    fn bindings(&self) -> Vec<Binding> {
        let mut bindings =
            vec![read("steps"), read("param"), read("data"), read("targets"), write("partial")];
        bindings.extend(self.weighted.then(|| read("row_weight")));
        bindings
    }

    fn text(&self) -> String {
        let mut text = self.declarations();
        let mut names = HashMap::new();
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
                _ => "array<f32>",
            };
            let _ =
                writeln!(text, "@group(0) @binding({number}) var<storage, {access}> {name}: {ty};");
        }
        let Self { block, rows, data_rows, .. } = self;
        let figures = self.figures.len() as u32;
        let _ = writeln!(text, "\nvar<workgroup> memory: array<f32, {}>;", self.memory);
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
             return min({chosen}, {data_rows}u - 1u);\n}}"
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
            "fn score_place(row: u32, col: u32) -> u32 {{\n    return {y}u + row * {cols}u + col;\n}}"
        );
        text += "fn weight_of(class_index: u32) -> f32 {\n    return 1.0;\n}\n";
        text += "fn column_weight() -> f32 {\n    return 1.0;\n}\n";
        let hyper = constants("loss_hyper", self.loss.values(), entry.params.len());
        let renames = |tokens: &str| {
            Some(match tokens {
                "prediction" => "memory".to_string(),
                "at" => "score_place".to_string(),
                "target_values" => "targets".to_string(),
                _ => return None,
            })
        };
        let own = match &entry.kind {
            LossKind::Map(map) => renamed(map.shader, "_loss", &renames),
            LossKind::Row(row) => {
                let sums = if row.sums == 8 {
                    shader!("template/loss_sums_8")
                } else {
                    shader!("template/loss_sums_4")
                };
                sums.to_string() + &renamed(row.shader, "_loss", &renames)
            }
            LossKind::Ctc { .. } => String::new(),
        };
        let own = own.replace("params.cols", &format!("{cols}u"));
        text + &with_hyper(&own, "loss_hyper", "Hyper_loss", &hyper)
    }

    /// The function that gives a row's share of a metric.
    fn metric_text(&self, number: usize, figure: &Figure) -> String {
        let (y, cols) = (self.y(), self.outputs());
        let Figure::Metric(metric) = figure else { return String::new() };
        let head = format!("\nfn metric_{number}(row: u32) -> f32 {{\n");
        if let Some(agreement) = metric.agrees() {
            let mode = match agreement.mode {
                Mode::Near => 0.0,
                Mode::Side => 1.0,
                Mode::Explained => 2.0,
            };
            let own = renamed(shader!("metric/agreement"), &format!("_metric{number}"), &|_| None);
            let name = format!("metric_hyper_{number}");
            let values = format!("{:?}, {:?}", mode, agreement.limit as f32);
            let text = with_hyper(&own, &name, &format!("Hyper_metric{number}"), &values);
            return format!(
                "{text}{head}    var total = 0.0;\n    for (var col = 0u; col < {cols}u; col++) {{\n        \
                 total += value_metric{number}(memory[{y}u + row * {cols}u + col], target_weight(row, col));\n    \
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
            "{head}{class}    let score = memory[{y}u + row * {cols}u + min(right, {cols}u - 1u)];\n    \
             var rank = 0u;\n    for (var col = 0u; col < {cols}u; col++) {{\n        \
             let other = memory[{y}u + row * {cols}u + col];\n        \
             rank += select(0u, 1u, other > score || (other == score && col < right));\n    }}\n    \
             return select(0.0, 1.0, valid && !is_nan(score) && rank < {k}u);\n}}\n"
        )
    }

    fn main(&self, names: &HashMap<String, usize>) -> String {
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
             let start = mine * {stride}u;\n    var total = 0.0;\n    \
             for (var block = mine; block < {blocks}u; block += {groups}u) {{\n    \
             let first = block * {block}u;\n    let fresh = block == mine;\n"
        );
        let each = |count: u32, body: &str| {
            format!("    for (var i = lane; i < {count}u; i += {lanes}u) {{\n{body}    }}\n")
        };
        text += &each(*block, "        sources[i] = source_of(first + i, now);\n");
        text += "    workgroupBarrier();\n";
        text += &each(
            block * inputs,
            &format!(
                "        memory[i] = data[sources[i / {inputs}u] * {inputs}u + i % {inputs}u];\n"
            ),
        );
        text += "    workgroupBarrier();\n";
        for placed in &self.layers {
            text += &self.forward(placed, names);
            text += "    workgroupBarrier();\n";
        }
        text += &each(*block, &self.loss_row());
        text += "    workgroupBarrier();\n";
        let _ = writeln!(
            text,
            "    if lane < {figures}u {{\n        for (var row = 0u; row < {block}u; row++) {{\n            \
             total += terms[lane * {block}u + row];\n        }}\n    }}"
        );
        let mut from = 0;
        let first = self.layers.iter().position(|p| matches!(p.layer, Layer::Dense { .. }));
        for (number, placed) in self.layers.iter().enumerate().skip(first.unwrap_or(0)).rev() {
            let (code, moves) = self.backward(placed, names, from, Some(number) == first);
            text += &code;
            text += "    workgroupBarrier();\n";
            from = if moves { 1 - from } else { from };
        }
        text += "    }\n";
        let end = format!("start + {}u", self.params);
        let _ = writeln!(
            text,
            "    if lane < {figures}u {{\n        partial[{end} + lane] = total;\n    }}\n    \
             if lane == 0u {{\n        \
             // Whole numbers that a float holds exactly.\n        \
             partial[{end} + {figures}u] = f32(steps.counter & 0xffffu);\n        \
             partial[{end} + {figures}u + 1u] = f32(steps.counter >> 16u);\n    }}\n}}"
        );
        text
    }

    /// A row's terms and its gradient by the network's output.
    fn loss_row(&self) -> String {
        let (y, cols, block, grads) = (self.y(), self.outputs(), self.block, self.grads[0]);
        let share = match self.terms {
            0 => "1.0".to_string(),
            terms => format!("1.0 / f32(max(taking, 1u) * {terms}u)"),
        };
        let own = if self.weighted { "row_weight[sources[i]]" } else { "1.0" };
        let mut text = format!(
            "        let is_active = first + i < taking;\n        let own = {own};\n        \
             let scale = {:?} * ({share}) * own;\n",
            self.upstream
        );
        match &self.loss.entry().kind {
            LossKind::Row(row) => {
                let top = if row.peak {
                    format!(
                        "        var top = -3.4028234e38;\n        for (var col = 0u; col < {cols}u; col++) {{\n            \
                         top = max(top, candidate_loss(i, col));\n        }}\n"
                    )
                } else {
                    "        let top = 0.0;\n".to_string()
                };
                let _ = write!(
                    text,
                    "{top}        var sums = Sums();\n        for (var col = 0u; col < {cols}u; col++) {{\n            \
                     sums = sums + accumulate_loss(i, col, top);\n        }}\n        \
                     terms[i] = select(0.0, own * term_loss(i, top, sums), is_active);\n        \
                     for (var col = 0u; col < {cols}u; col++) {{\n            \
                     memory[{grads}u + i * {cols}u + col] = select(0.0, scale * slope_loss(i, col, top, sums), is_active);\n        }}\n"
                );
            }
            _ => {
                let _ = write!(
                    text,
                    "        var sum = 0.0;\n        for (var col = 0u; col < {cols}u; col++) {{\n            \
                     let y = memory[{y}u + i * {cols}u + col];\n            let t = target_weight(i, col);\n            \
                     sum += own * value_loss(y, t);\n            \
                     memory[{grads}u + i * {cols}u + col] = select(0.0, scale * gradient_loss(y, t), is_active);\n        }}\n        \
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

    /// The largest cut that still gives every invocation something to do.
    fn cut(&self, rows: u32, cols: u32) -> Cut {
        let tiles = |(r, c): Cut| rows.div_ceil(r) * cols.div_ceil(c);
        let cuts = [8, 4, 2, 1].into_iter().flat_map(|r| [8, 4, 2, 1].map(|c| (r, c)));
        let busy = cuts.filter(|cut| tiles(*cut) >= self.lanes && cut.0 <= rows && cut.1 <= cols);
        // The turns that take longest, then the fewest loads.
        let cost = |cut: &Cut| {
            let (r, c) = *cut;
            tiles(*cut).div_ceil(self.lanes) * (r * c + 2 * (r + c))
        };
        busy.min_by_key(cost).unwrap_or((1, 1))
    }

    /// A product of what `a` and `b` give for a row or column and an inner index, by tiles; `store` takes the sum.
    fn product(
        &self,
        [rows, cols, depth]: [u32; 3],
        a: impl Fn(&str, &str) -> String,
        b: impl Fn(&str, &str) -> String,
        store: impl Fn(&str, &str, &str) -> String,
    ) -> String {
        let (r, c) = self.cut(rows, cols);
        let (down, across) = (rows.div_ceil(r), cols.div_ceil(c));
        let mut text = format!(
            "    for (var tile = lane; tile < {}u; tile += {}u) {{\n        \
             let row = tile % {down}u * {r}u;\n        let col = tile / {down}u * {c}u;\n",
            down * across,
            self.lanes
        );
        // Beyond an edge the last row or column is taken again, and its sum not stored.
        let edge = |name: &str, i: u32, each: u32, side: u32| match side.is_multiple_of(each) {
            true => format!("{name} + {i}u"),
            false => format!("min({name} + {i}u, {side}u - 1u)"),
        };
        for i in 0..r {
            let _ = writeln!(text, "        let row{i} = {};", edge("row", i, r, rows));
        }
        for j in 0..c {
            let _ = writeln!(text, "        let col{j} = {};", edge("col", j, c, cols));
        }
        for (i, j) in pairs(r, c) {
            let _ = writeln!(text, "        var s{i}_{j} = 0.0;");
        }
        let unroll = if depth.is_multiple_of(4) { 4 } else { 1 };
        let _ = writeln!(text, "        for (var k = 0u; k < {depth}u; k += {unroll}u) {{");
        for step in 0..unroll {
            let k = format!("(k + {step}u)");
            for i in 0..r {
                let _ =
                    writeln!(text, "            let a{i}_{step} = {};", a(&format!("row{i}"), &k));
            }
            for j in 0..c {
                let _ =
                    writeln!(text, "            let b{j}_{step} = {};", b(&format!("col{j}"), &k));
            }
            for (i, j) in pairs(r, c) {
                let _ = writeln!(text, "            s{i}_{j} += a{i}_{step} * b{j}_{step};");
            }
        }
        text += "        }\n";
        for (i, j) in pairs(r, c) {
            let inside = [(rows, r, "row", i), (cols, c, "col", j)]
                .into_iter()
                .filter(|(side, each, ..)| !side.is_multiple_of(*each))
                .map(|(side, _, name, i)| format!("{name} + {i}u < {side}u"))
                .collect::<Vec<_>>()
                .join(" && ");
            let code = store(&format!("row{i}"), &format!("col{j}"), &format!("s{i}_{j}"));
            let _ = match inside.is_empty() {
                true => writeln!(text, "        {code}"),
                false => writeln!(text, "        if {inside} {{ {code} }}"),
            };
        }
        text + "    }\n"
    }

    fn forward(&self, placed: &Placed, names: &HashMap<String, usize>) -> String {
        let Placed { layer, params: [weight, bias], x, y } = *placed;
        let block = self.block;
        match layer {
            Layer::Dense { bias: has_bias, inputs, outputs, .. } => {
                let (k, n) = (inputs as u32, outputs as u32);
                self.product(
                    [block, n, k],
                    |row, inner| format!("memory[{x}u + {row} * {k}u + {inner}]"),
                    |col, inner| format!("param[{weight}u + {col} * {k}u + {inner}]"),
                    |row, col, sum| {
                        let add = match has_bias {
                            Some(_) => format!(" + param[{bias}u + {col}]"),
                            None => String::new(),
                        };
                        format!("memory[{y}u + {row} * {n}u + {col}] = {sum}{add};")
                    },
                )
            }
            Layer::Activation { f, width, .. } => {
                let number = names.get(&f.to_string()).copied().unwrap_or(0);
                let noise = self.noise(&layer);
                let x = format!("memory[{x}u + i]");
                let call = format!("forward_{number}({x}{noise})");
                self.over(block * width as u32, &format!("memory[{y}u + i] = {call};"))
            }
        }
    }

    /// The random number of an element, as a further argument.
    fn noise(&self, layer: &Layer) -> String {
        match layer {
            Layer::Activation { key: Some(key), width, f } if super::is_noise(f) => format!(
                ", unit(random_words(vec2({}u, {}u), steps.counter, first * {width}u + i).x)",
                key.0[0], key.0[1]
            ),
            _ => String::new(),
        }
    }

    fn over(&self, count: u32, body: &str) -> String {
        let lanes = self.lanes;
        let unroll = if count.is_multiple_of(4 * lanes) { 4 } else { 1 };
        let mut text =
            format!("    for (var at = lane; at < {count}u; at += {}u) {{\n", unroll * lanes);
        for step in 0..unroll {
            let _ = writeln!(text, "        {{ let i = at + {}u; {body} }}", step * lanes);
        }
        text + "    }\n"
    }

    /// The code, and whether the gradient moves to the other place.
    fn backward(
        &self,
        placed: &Placed,
        names: &HashMap<String, usize>,
        from: usize,
        is_first: bool,
    ) -> (String, bool) {
        let Placed { layer, params: [weight, bias], x, y } = *placed;
        let [grad, other] = if from == 0 { self.grads } else { [self.grads[1], self.grads[0]] };
        let block = self.block;
        match layer {
            Layer::Activation { f, width, .. } => {
                let number = names.get(&f.to_string()).copied().unwrap_or(0);
                let saved = if f.saves() == Saves::Output { y } else { x };
                let noise = self.noise(&layer);
                let call = format!("derivative_{number}(memory[{saved}u + i]{noise})");
                (self.over(block * width as u32, &format!("memory[{grad}u + i] *= {call};")), false)
            }
            Layer::Dense { bias: has_bias, inputs, outputs, .. } => {
                let (k, n) = (inputs as u32, outputs as u32);
                let keep = |at: String, sum: &str| {
                    format!("partial[{at}] = select(partial[{at}], 0.0, fresh) + {sum};")
                };
                let mut text = self.product(
                    [n, k, block],
                    |row, inner| format!("memory[{grad}u + {inner} * {n}u + {row}]"),
                    |col, inner| format!("memory[{x}u + {inner} * {k}u + {col}]"),
                    |row, col, sum| keep(format!("start + {weight}u + {row} * {k}u + {col}"), sum),
                );
                if has_bias.is_some() {
                    let sum = (0..block)
                        .map(|row| format!("memory[{}u + i]", grad + row * n))
                        .collect::<Vec<_>>()
                        .join(" + ");
                    let body = keep(format!("start + {bias}u + i"), &format!("({sum})"));
                    text += &self.over(n, &body);
                }
                if !is_first {
                    text += &self.product(
                        [block, k, n],
                        |row, inner| format!("memory[{grad}u + {row} * {n}u + {inner}]"),
                        |col, inner| format!("param[{weight}u + {inner} * {k}u + {col}]"),
                        |row, col, sum| format!("memory[{other}u + {row} * {k}u + {col}] = {sum};"),
                    );
                }
                (text, !is_first)
            }
        }
    }
}

const CLASS_TARGETS: &str = "
fn target_weight(row: u32, col: u32) -> f32 {
    return select(0.0, 1.0, targets[sources[row]] == col);
}

fn is_class(row: u32, number: f32) -> bool {
    return number >= 0.0 && targets[sources[row]] == u32(number);
}
";

fn pairs(rows: u32, cols: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..rows).flat_map(move |i| (0..cols).map(move |j| (i, j)))
}

/// The numbers of a struct of parameters as text.
fn constants(_: &str, values: &[f64], count: usize) -> String {
    values
        .iter()
        .take(count)
        .map(|value| format!("{:?}", *value as f32))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Puts an op's parameters where its text looks for them.
fn with_hyper(text: &str, name: &str, ty: &str, values: &str) -> String {
    let text = text.replace("params.hyper", name);
    if !text.contains(&format!("struct {ty} ")) {
        return format!("{text}\n");
    }
    format!("{text}\nconst {name} = {ty}({values});\n")
}

fn activation_text(f: &Activation, number: usize) -> String {
    let entry = f.entry();
    let (shader, values) = match &entry.kind {
        ActivationKind::Map(map) => (map.shader, constants("", f.values(), entry.params.len())),
        ActivationKind::Noise(noise) => {
            let values = (noise.prepare)(f.values());
            (noise.shader, constants("", &values, noise.fields.len()))
        }
        _ => return String::new(),
    };
    let suffix = format!("_{number}");
    let own = renamed(shader, &suffix, &|_| None);
    with_hyper(&own, &format!("hyper{suffix}"), &format!("Hyper{suffix}"), &values)
}

/// The text with every name that it declares made its own by a suffix, and others as `other` says.
fn renamed(text: &str, suffix: &str, other: &dyn Fn(&str) -> Option<String>) -> String {
    let words: Vec<&str> = tokens(text).collect();
    let declares = ["fn", "const", "struct", "alias"];
    let named: Vec<&str> = words
        .windows(3)
        .filter_map(|three| match three {
            [keyword, " ", name] if declares.contains(keyword) => Some(*name),
            _ => None,
        })
        .collect();
    let mut out = String::with_capacity(text.len() + 64);
    let mut before = "";
    for word in words {
        // What follows a dot is a field.
        if before != "." && named.contains(&word) {
            out.push_str(word);
            out.push_str(suffix);
        } else {
            match other(word).filter(|_| before != ".") {
                Some(name) => out.push_str(&name),
                None => out.push_str(word),
            }
        }
        before = word;
    }
    out
}

/// Identifiers, and every other character by itself.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let len = if is_name(first) {
            rest.find(|c| !is_name(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(len);
        rest = after;
        Some(word)
    })
}
