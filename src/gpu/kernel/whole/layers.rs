//! The layers forward. A tensor in workgroup memory has rows of fours, the last one padded with zeros. Each
//! product is cut so that an invocation loads few numbers for many multiplications.

use std::fmt::Write as _;

use super::cut::Cut;
use super::text::Names;
use super::{Layer, Placed, Whole, is_noise};
use crate::gpu::kernel::names::tokens;
use crate::spec::Activation;
use crate::spec::activation::ActivationKind;

impl Whole {
    /// Four parameters from `at` on; `inside` is how many of them there are.
    pub(super) fn params(&self, at: &str, col: &str, cols: u32, last: u32) -> String {
        if cols.is_multiple_of(4) {
            return format!("param[({at}) / 4u]");
        }
        let parts = [0, 1, 2, 3].map(|part| {
            format!(
                "select(0.0, param_at(min({at} + {part}u, {last}u)), {col} + {part}u < {cols}u)"
            )
        });
        format!("vec4({})", parts.join(", "))
    }

    pub(super) fn forward(&self, number: usize, placed: &Placed, names: &Names) -> String {
        let Placed { layer, x, y, .. } = *placed;
        match layer {
            Layer::Dense { .. } => self.dense(number, placed, names),
            // Done where the dense layer before stores its results.
            Layer::Activation { f, .. } if self.joins(number) && is_cheap_to_inline(&f) => {
                String::new()
            }
            Layer::Activation { width, .. } => {
                let value = masked(&self.each("forward", &layer, names, "v"), width as u32);
                let body =
                    format!("let v = memory[{x}u + i];\n        memory[{y}u + i] = {value};");
                self.over(self.block * fours(width), &body)
            }
        }
    }

    /// Whether a layer is an activation in the place of the dense layer's output before it.
    fn joins(&self, number: usize) -> bool {
        match (
            number.checked_sub(1).and_then(|before| self.layers.get(before)),
            self.layers.get(number),
        ) {
            (Some(before), Some(own)) => {
                let is_dense = matches!(before.layer, Layer::Dense { .. });
                is_dense && matches!(own.layer, Layer::Activation { .. }) && own.x == own.y
            }
            _ => false,
        }
    }

    /// A function of each of four numbers, which stand at `i` in units of four.
    pub(super) fn each(&self, function: &str, layer: &Layer, names: &Names, four: &str) -> String {
        let Layer::Activation { f, key, width } = layer else { return String::new() };
        let number = names.get(&f.to_string()).copied().unwrap_or(0);
        let parts = [0, 1, 2, 3].map(|part| {
            let mut own = vec![format!("{four}[{part}]")];
            if let (Some(key), true) = (key, is_noise(f)) {
                let wide = fours(*width);
                own.push(format!(
                    "unit(random_words(vec2({}u, {}u), steps.counter, (first + i / {wide}u) * {width}u + i % {wide}u * 4u + {part}u).x)",
                    key.0[0], key.0[1]
                ));
            }
            format!("{function}_{number}({})", own.join(", "))
        });
        format!("vec4({})", parts.join(", "))
    }

    /// Both operands run along the inner side: dot products of fours.
    fn dense(&self, number: usize, placed: &Placed, names: &Names) -> String {
        let Placed { layer, params: [_, bias], y, .. } = *placed;
        let Layer::Dense { bias: has_bias, inputs, outputs, .. } = layer else {
            return String::new();
        };
        let (k, n, wide) = (inputs as u32, outputs as u32, fours(outputs));
        let least = if n < 4 { n } else { 4 };
        let cut = self.small_cut(self.block, n, least);
        let mut text = self.tiles(cut);
        for (i, j) in pairs(cut.rows, cut.cols) {
            let _ = writeln!(text, "    var s{i}_{j} = 0.0;");
        }
        text += &match k {
            0..4 => self.narrow(cut, placed, k, n),
            _ => self.wide(cut, placed, k, n),
        };
        for j in (0..cut.cols).step_by(4) {
            let four = match has_bias {
                Some(_) => {
                    format!("param[{}u + min(col / 4u + {}u, {wide}u - 1u)]", bias / 4, j / 4)
                }
                None => "vec4(0.0)".to_string(),
            };
            let _ = writeln!(text, "    let bias{j} = {four};");
        }
        let next = self.layers.get(number + 1);
        let joined = next.filter(|_| self.joins(number + 1)).map(|next| next.layer);
        let activation = joined
            .filter(|layer| matches!(layer, Layer::Activation { f, .. } if is_cheap_to_inline(f)));
        for i in 0..cut.rows {
            let row = ("row", i, cut.down * cut.rows, self.block);
            text += "    {\n";
            for j in (0..cut.cols).step_by(4) {
                let sum = |j| if j < cut.cols { format!("s{i}_{j}") } else { "0.0".into() };
                let four: Vec<String> = (j..j + 4).map(sum).collect();
                let _ = writeln!(text, "        let v{j} = vec4({}) + bias{j};", four.join(", "));
                let name = format!("v{j}");
                let value = match &activation {
                    Some(layer) => self.each("forward", layer, names, &name),
                    None => name,
                };
                let value = if n.is_multiple_of(4) {
                    value
                } else {
                    format!(
                        "select(vec4(0.0), {value}, vec4(col + {j}u) + vec4(0u, 1u, 2u, 3u) < vec4({n}u))"
                    )
                };
                // A cut of fewer columns than four is of a result that has no more.
                let col = ("col", j, cut.across * cut.cols, 4 * wide);
                let (within, at) = match cut.cols >= 4 {
                    true => (
                        Self::within(&[row, col]),
                        format!("(row + {i}u) * {wide}u + (col + {j}u) / 4u"),
                    ),
                    false => (Self::within(&[row]), format!("row + {i}u")),
                };
                let _ = writeln!(text, "        {within}{{ memory[{y}u + {at}] = {value}; }}");
            }
            text += "    }\n";
        }
        text + "    }\n"
    }

    /// The products of a tile along an inner side of less than four: whole fours of weights, which are those of several
    /// columns.
    fn narrow(&self, cut: Cut, placed: &Placed, k: u32, n: u32) -> String {
        let Placed { params: [weight, _], x, .. } = *placed;
        let (first, last) = (weight / 4, (weight + n * k - 1) / 4);
        let mut text = self.rows(cut, 'a', x, (1, "0u"));
        for q in 0..(cut.cols * k).div_ceil(4) {
            let _ = writeln!(
                text,
                "    let b{q} = param[min({first}u + col / 4u * {k}u + {q}u, {last}u)];"
            );
        }
        for (i, j) in pairs(cut.rows, cut.cols) {
            for part in 0..k {
                let at = j * k + part;
                let _ = writeln!(text, "    s{i}_{j} += a{i}[{part}] * b{}[{}];", at / 4, at % 4);
            }
        }
        text
    }

    /// The products of a tile along the inner side, four by four.
    fn wide(&self, cut: Cut, placed: &Placed, k: u32, n: u32) -> String {
        let Placed { params: [weight, _], x, .. } = *placed;
        let deep = k.div_ceil(4);
        let mut text = String::new();
        for j in 0..cut.cols {
            let _ = writeln!(text, "    let w{j} = min(col + {j}u, {n}u - 1u) * {k}u;");
        }
        let _ = writeln!(text, "    for (var k = 0u; k < {deep}u; k++) {{");
        text += &self.rows(cut, 'a', x, (deep, "k"));
        for j in 0..cut.cols {
            let at = format!("{weight}u + w{j} + k * 4u");
            let four = self.params(&at, "k * 4u", k, weight + n * k - 1);
            let _ = writeln!(text, "        let b{j} = {four};");
            for i in 0..cut.rows {
                let _ = writeln!(text, "        s{i}_{j} += dot(a{i}, b{j});");
            }
        }
        text + "    }\n"
    }

    /// How many turns of loops an invocation takes for a block, at most.
    pub fn turns(&self) -> u64 {
        let over = |count: u32| u64::from(count.div_ceil(self.lanes));
        let layer = |placed: &Placed| match placed.layer {
            Layer::Dense { inputs, outputs, .. } => {
                let (deep, wide) = (fours(inputs), fours(outputs));
                let least = (outputs as u32).min(4);
                let forward = self.small_cut(self.block, outputs as u32, least).tiles();
                let back = self.small_cut(self.block, deep * 4, 4).tiles();
                let weights = self.cut(outputs as u32, deep * 4, 4, 512).tiles();
                over(forward) * u64::from(deep + 1)
                    + over(back) * u64::from(wide + 1)
                    + over(weights) * u64::from(self.block)
            }
            Layer::Activation { width, .. } => 2 * over(self.block * fours(width)),
        };
        let rows = over(self.block) * u64::from(4 * self.outputs() + 4);
        let head = u64::from(self.block) + over(self.block * self.inputs) + 200;
        self.layers.iter().map(layer).sum::<u64>() + rows * self.figures.len() as u64 + head
    }

    /// How many fours of sums an invocation has in the text of its weights' gradients.
    pub fn sums(&self) -> u32 {
        let layer = |placed: &Placed| match placed.layer {
            Layer::Dense { inputs, outputs, .. } => {
                let cut = self.cut(outputs as u32, fours(inputs) * 4, 4, 512);
                cut.tiles().div_ceil(self.lanes) * cut.rows * cut.cols / 4
            }
            Layer::Activation { .. } => 0,
        };
        self.layers.iter().map(layer).sum()
    }

    /// Floating-point operations of a step's products.
    pub fn flops(&self) -> u64 {
        let layer = |placed: &Placed| match placed.layer {
            Layer::Dense { inputs, outputs, .. } => 6 * (inputs * outputs) as u64,
            Layer::Activation { .. } => 0,
        };
        u64::from(self.rows) * self.layers.iter().map(layer).sum::<u64>()
    }
}

pub(super) fn pairs(rows: u32, cols: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..rows).flat_map(move |i| (0..cols).map(move |j| (i, j)))
}

/// How many fours hold a row.
pub(super) fn fours(width: usize) -> u32 {
    width.div_ceil(4) as u32
}

/// Zeros beyond a row's end, where `i` counts fours.
pub(super) fn masked(value: &str, width: u32) -> String {
    if width.is_multiple_of(4) {
        return value.to_string();
    }
    let wide = width.div_ceil(4);
    format!(
        "select(vec4(0.0), {value}, vec4(i % {wide}u * 4u) + vec4(0u, 1u, 2u, 3u) < vec4({width}u))"
    )
}

/// Whether a function is so short that it can stand wherever a result is stored.
pub fn is_cheap_to_inline(f: &Activation) -> bool {
    let ActivationKind::Elementwise(map) = &f.entry().kind else { return false };
    let code = map.shader.lines().filter(|line| !line.trim_start().starts_with("//"));
    let words: Vec<&str> = code.flat_map(tokens).collect();
    let known = ["forward", "derivative", "second", "select", "max", "min", "abs", "clamp", "f32"];
    let calls = words.windows(2).filter(|two| matches!(two, [_, "("]));
    let is_word = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    calls
        .map(|two| two.first().copied().unwrap_or(""))
        .all(|name| !is_word(name) || known.contains(&name))
}
