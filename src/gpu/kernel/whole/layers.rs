//! The layers forward and backward. A tensor in workgroup memory has rows of fours, the last one padded with zeros. Each
//! product is cut so that an invocation loads few numbers for many multiplications: on a CPU adapter a number loaded costs
//! as much as five multiplications.

use std::fmt::Write as _;

use super::text::{Names, tokens};
use super::{Layer, Placed, Whole, is_noise};
use crate::spec::Activation;
use crate::spec::activation::{ActivationKind, Saves};

/// The backward pass: what stands before, inside and after the loop over blocks.
#[derive(Default)]
pub(super) struct Backward {
    pub before: String,
    pub inside: String,
    pub after: String,
}

/// A cut of a product: rows and columns of the result per invocation and turn.
#[derive(Clone, Copy)]
struct Cut {
    rows: u32,
    cols: u32,
    down: u32,
    across: u32,
    /// The invocations of a turn have the same rows: they read their numbers together and tell each other.
    shared: bool,
}

impl Cut {
    fn tiles(self) -> u32 {
        self.down * self.across
    }

    /// Where the tile with number `tile` lies.
    fn place(self, cols: u32) -> String {
        let Self { rows, down, across, .. } = self;
        let (row, col) = match self.shared {
            true => (format!("tile / {across}u"), format!("tile % {across}u")),
            false => (format!("tile % {down}u"), format!("tile / {down}u")),
        };
        format!("    let row = {row} * {rows}u;\n    let col = {col} * {cols}u;\n")
    }
}

const SIZES: [u32; 7] = [64, 32, 16, 8, 4, 2, 1];
/// How many multiplications a number loaded costs as much as, on adapters that run on a CPU.
const LOAD: u32 = 16;

impl Whole {
    /// The cut that costs least, of at most so many results.
    fn cut(&self, rows: u32, cols: u32, least_cols: u32, most: u32) -> Cut {
        let most_cols = cols.next_multiple_of(least_cols);
        let sizes = SIZES.into_iter().filter(|r| *r <= rows);
        let cuts = sizes.flat_map(|r| SIZES.map(|c| (r, c)));
        let cuts = cuts.filter(|(r, c)| *c >= least_cols && *c <= most_cols && r * c <= most);
        let cut = |(r, c): (u32, u32), shared: bool| Cut {
            rows: r,
            cols: c,
            down: rows.div_ceil(r),
            across: match shared {
                true => cols.div_ceil(c).next_multiple_of(self.lanes),
                false => cols.div_ceil(c),
            },
            shared,
        };
        let cost = |cut: &Cut| {
            let loads = if cut.shared { cut.rows.div_ceil(8) } else { cut.rows } + cut.cols;
            cut.tiles().div_ceil(self.lanes) * (cut.rows * cut.cols + LOAD * loads)
        };
        let ways = |(rows, _): (u32, u32)| {
            let both = self.shares && rows.is_multiple_of(8);
            [false, true].into_iter().filter(move |shared| both || !shared)
        };
        let all = cuts.flat_map(|size| ways(size).map(move |shared| cut(size, shared)));
        all.min_by_key(cost).unwrap_or_else(|| cut((1, least_cols), false))
    }

    /// The cut of a product whose results pass through workgroup memory.
    fn small_cut(&self, rows: u32, cols: u32, least_cols: u32) -> Cut {
        self.cut(rows, cols, least_cols, 256)
    }

    /// The loop over tiles, which sets row and col.
    fn tiles(&self, cut: Cut) -> String {
        format!(
            "    for (var tile = lane; tile < {}u; tile += {}u) {{\n{}",
            cut.tiles(),
            self.lanes,
            cut.place(cut.cols)
        )
    }

    /// The condition that places are within their sides, where tiles reach beyond them: each a name, an offset, how far
    /// the tiles reach, and the side.
    fn within(places: &[(&str, u32, u32, u32)]) -> String {
        let beyond = places.iter().filter(|(_, _, covered, len)| covered != len);
        let tests: Vec<String> =
            beyond.map(|(name, offset, _, len)| format!("{name} + {offset}u < {len}u")).collect();
        if tests.is_empty() { String::new() } else { format!("if {} ", tests.join(" && ")) }
    }

    /// Names fours of consecutive rows of a tensor in workgroup memory, at `at`, by a letter and their number.
    fn rows(&self, cut: Cut, letter: char, tensor: u32, (wide, at): (u32, &str)) -> String {
        let last = self.block - 1;
        let four =
            |row: String| format!("memory[{tensor}u + min({row}, {last}u) * {wide}u + {at}]");
        let mut text = String::new();
        if !cut.shared {
            for i in 0..cut.rows {
                let _ =
                    writeln!(text, "        let {letter}{i} = {};", four(format!("row + {i}u")));
            }
            return text;
        }
        let lanes = self.lanes;
        for i in 0..cut.rows.div_ceil(lanes) {
            let own = four(format!("row + {}u + lane", i * lanes));
            let _ = writeln!(text, "        let own{i} = {own};");
        }
        for i in 0..cut.rows {
            let (own, lane) = (i / lanes, i % lanes);
            let _ =
                writeln!(text, "        let {letter}{i} = subgroupBroadcast(own{own}, {lane}u);");
        }
        text
    }

    /// Four parameters from `at` on; `inside` is how many of them there are.
    fn params(&self, at: &str, col: &str, cols: u32, last: u32) -> String {
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
            Layer::Activation { f, .. } if self.joins(number) && is_light(&f) => String::new(),
            Layer::Activation { width, .. } => {
                let value = self.each("forward", &layer, names, &[&format!("memory[{x}u + i]")]);
                let value = masked(&value, width as u32);
                self.over(self.block * fours(width), &format!("memory[{y}u + i] = {value};"))
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
    fn each(&self, function: &str, layer: &Layer, names: &Names, arguments: &[&str]) -> String {
        let Layer::Activation { f, key, width } = layer else { return String::new() };
        let number = names.get(&f.to_string()).copied().unwrap_or(0);
        let parts = [0, 1, 2, 3].map(|part| {
            let own = arguments.iter().map(|argument| format!("{argument}[{part}]"));
            let mut own: Vec<String> = own.collect();
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
        let Placed { layer, params: [weight, bias], x, y } = *placed;
        let Layer::Dense { bias: has_bias, inputs, outputs, .. } = layer else {
            return String::new();
        };
        let (k, n, deep, wide) = (inputs as u32, outputs as u32, fours(inputs), fours(outputs));
        let least = if n < 4 { n } else { 4 };
        let cut = self.small_cut(self.block, n, least);
        let mut text = self.tiles(cut);
        for (i, j) in pairs(cut.rows, cut.cols) {
            let _ = writeln!(text, "    var s{i}_{j} = 0.0;");
        }
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
        text += "    }\n";
        let next = self.layers.get(number + 1);
        let joined = next.filter(|_| self.joins(number + 1)).map(|next| next.layer);
        let activation =
            joined.filter(|layer| matches!(layer, Layer::Activation { f, .. } if is_light(f)));
        let column = |j: u32| {
            let bias = match has_bias {
                Some(_) => format!(" + param_at({bias}u + min(col + {j}u, {n}u - 1u))"),
                None => String::new(),
            };
            move |i: u32| format!("s{i}_{j}{bias}")
        };
        for i in 0..cut.rows {
            let row = ("row", i, cut.down * cut.rows, self.block);
            text += "    {\n";
            for j in (0..cut.cols).step_by(4) {
                let four: Vec<String> = (j..j + 4)
                    .map(|j| if j < cut.cols { column(j)(i) } else { "0.0".into() })
                    .collect();
                let _ = writeln!(text, "        let v{j} = vec4({});", four.join(", "));
                let name = format!("v{j}");
                let value = match &activation {
                    Some(layer) => self.each("forward", layer, names, &[&name]),
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

    /// The whole backward pass.
    pub(super) fn backward(&self, names: &Names) -> Backward {
        let mut backward = Backward::default();
        let first = self.layers.iter().position(|p| matches!(p.layer, Layer::Dense { .. }));
        let first = first.unwrap_or(0);
        let mut grad = self.grad;
        let mut budget = if self.lanes == 8 { 224 } else { 24 };
        let mut done = false;
        for (number, placed) in self.layers.iter().enumerate().skip(first).rev() {
            match placed.layer {
                Layer::Activation { .. } if done => done = false,
                Layer::Activation { width, .. } => {
                    let value = self.slope(placed, names, &format!("memory[{grad}u + i]"));
                    let value = masked(&value, width as u32);
                    let body = format!("memory[{grad}u + i] = {value};");
                    backward.inside += &self.over(self.block * fours(width), &body);
                    backward.inside += "    workgroupBarrier();\n";
                }
                Layer::Dense { bias, outputs, .. } => {
                    self.weight_gradient(number, placed, grad, &mut budget, &mut backward);
                    if bias.is_some() {
                        self.bias_gradient(number, placed, grad, outputs, &mut backward);
                    }
                    backward.inside += "    workgroupBarrier();\n";
                    if number > first {
                        // What backward takes from its output stands where the gradient goes.
                        let before = self.layers.get(number - 1).filter(|before| {
                            matches!(before.layer, Layer::Activation { f, .. } if f.saves() == Saves::Output)
                        });
                        backward.inside += &self.input_gradient(placed, grad, before, names);
                        backward.inside += "    workgroupBarrier();\n";
                        done = before.is_some();
                        grad = placed.x;
                    }
                }
            }
        }
        backward
    }

    /// A gradient times the derivative of an activation, four by four at `i`.
    fn slope(&self, placed: &Placed, names: &Names, grad: &str) -> String {
        let Layer::Activation { f, .. } = placed.layer else { return grad.to_string() };
        let saved = if f.saves() == Saves::Output { placed.y } else { placed.x };
        let factor =
            self.each("derivative", &placed.layer, names, &[&format!("memory[{saved}u + i]")]);
        format!("{grad} * {factor}")
    }

    /// Sums over the rows of all blocks, in registers if there are enough.
    fn weight_gradient(
        &self,
        number: usize,
        placed: &Placed,
        grad: u32,
        budget: &mut u32,
        backward: &mut Backward,
    ) {
        let Placed { layer, params: [weight, _], x, .. } = *placed;
        let Layer::Dense { inputs, outputs, .. } = layer else { return };
        let (k, n, deep, wide) = (inputs as u32, outputs as u32, fours(inputs), fours(outputs));
        let cut = self.cut(n, deep * 4, 4, 512);
        let rounds = cut.tiles().div_ceil(self.lanes);
        let accumulators = rounds * cut.rows * cut.cols / 4;
        let keeps = accumulators <= *budget;
        if keeps {
            *budget -= accumulators;
        }
        for round in 0..rounds {
            let name = |i: u32, j: u32| format!("g{number}_{round}_{i}_{j}");
            let places = || pairs(cut.rows, cut.cols / 4);
            let zeros: String =
                places().map(|(i, j)| format!("    var {} = vec4(0.0);\n", name(i, j))).collect();
            let head = format!(
                "    {{\n    let tile = lane + {}u;\n    if tile < {}u {{\n{}",
                round * self.lanes,
                cut.tiles(),
                cut.place(cut.cols / 4),
            );
            let mut sums = head.clone();
            if keeps {
                backward.before += &zeros;
            } else {
                sums += &zeros;
            }
            let _ = writeln!(sums, "    for (var r = 0u; r < {}u; r++) {{", self.block);
            for j in 0..cut.cols / 4 {
                let _ = writeln!(
                    sums,
                    "        let x{j} = memory[{x}u + r * {deep}u + min(col + {j}u, {deep}u - 1u)];"
                );
            }
            for i in 0..cut.rows.div_ceil(4 * self.lanes) {
                if cut.shared {
                    let _ = writeln!(
                        sums,
                        "        let own{i} = memory[{grad}u + r * {wide}u + min(row / 4u + {}u + lane, {wide}u - 1u)];",
                        i * self.lanes
                    );
                }
            }
            for i in 0..cut.rows {
                let at = format!("min(row + {i}u, {n}u - 1u)");
                if cut.rows.is_multiple_of(4) {
                    if i.is_multiple_of(4) {
                        let four = match cut.shared {
                            true => format!(
                                "subgroupBroadcast(own{}, {}u)",
                                i / 4 / self.lanes,
                                i / 4 % self.lanes
                            ),
                            false => format!(
                                "memory[{grad}u + r * {wide}u + min((row + {i}u) / 4u, {wide}u - 1u)]"
                            ),
                        };
                        let _ = writeln!(sums, "        let d{} = {four};", i / 4);
                    }
                } else {
                    let _ = writeln!(
                        sums,
                        "        let d{i} = memory[{grad}u + r * {wide}u + {at} / 4u][{at} % 4u];"
                    );
                }
                for j in 0..cut.cols / 4 {
                    let factor = if cut.rows.is_multiple_of(4) {
                        format!("d{}[{}]", i / 4, i % 4)
                    } else {
                        format!("d{i}")
                    };
                    let _ = writeln!(sums, "        {} += {factor} * x{j};", name(i, j));
                }
            }
            sums += "    }\n";
            let store = self.weight_store(cut, weight, k, n, keeps, &name);
            if keeps {
                backward.inside += &sums;
                backward.inside += "    }\n    }\n";
                backward.after += &head;
                backward.after += &store;
                backward.after += "    }\n    }\n";
            } else {
                backward.inside += &sums;
                backward.inside += &store;
                backward.inside += "    }\n    }\n";
            }
        }
    }

    fn weight_store(
        &self,
        cut: Cut,
        weight: u32,
        k: u32,
        n: u32,
        keeps: bool,
        name: &dyn Fn(u32, u32) -> String,
    ) -> String {
        let mut text = String::new();
        for i in 0..cut.rows {
            let _ = writeln!(text, "    if row + {i}u < {n}u {{");
            for j in 0..cut.cols / 4 {
                let at = format!("start + {weight}u + (row + {i}u) * {k}u + (col + {j}u) * 4u");
                let own = name(i, j);
                if k.is_multiple_of(4) {
                    let place = format!("partial[({at}) / 4u]");
                    let before = if keeps {
                        String::new()
                    } else {
                        format!("select({place}, vec4(0.0), fresh) + ")
                    };
                    let _ = writeln!(
                        text,
                        "        if (col + {j}u) * 4u < {k}u {{ {place} = {before}{own}; }}"
                    );
                    continue;
                }
                for part in 0..4 {
                    let place = format!("partial[({at} + {part}u) / 4u][({at} + {part}u) % 4u]");
                    let before = if keeps {
                        String::new()
                    } else {
                        format!("select({place}, 0.0, fresh) + ")
                    };
                    let _ = writeln!(
                        text,
                        "        if (col + {j}u) * 4u + {part}u < {k}u {{ {place} = {before}{own}[{part}]; }}"
                    );
                }
            }
            text += "    }\n";
        }
        text
    }

    fn bias_gradient(
        &self,
        number: usize,
        placed: &Placed,
        grad: u32,
        outputs: usize,
        backward: &mut Backward,
    ) {
        let (bias, wide) = (placed.params[1], fours(outputs));
        for round in 0..wide.div_ceil(self.lanes) {
            let at = format!("(lane + {}u)", round * self.lanes);
            let name = format!("bias{number}_{round}");
            let _ = writeln!(backward.before, "    var {name} = vec4(0.0);");
            let _ = write!(
                backward.inside,
                "    if {at} < {wide}u {{\n        for (var r = 0u; r < {}u; r++) {{\n            \
                 {name} += memory[{grad}u + r * {wide}u + {at}];\n        }}\n    }}\n",
                self.block
            );
            // A tensor's padding may be written: it takes no part.
            let _ = writeln!(
                backward.after,
                "    if {at} < {wide}u {{ partial[(start + {bias}u) / 4u + {at}] = {name}; }}"
            );
        }
    }

    /// The gradient by a layer's input, into the input's own place, times the derivative of the activation before.
    fn input_gradient(
        &self,
        placed: &Placed,
        grad: u32,
        before: Option<&Placed>,
        names: &Names,
    ) -> String {
        let Placed { layer, params: [weight, _], x, .. } = *placed;
        let Layer::Dense { inputs, outputs, .. } = layer else { return String::new() };
        let (k, n, deep, wide) = (inputs as u32, outputs as u32, fours(inputs), fours(outputs));
        let cut = self.small_cut(self.block, deep * 4, 4);
        let mut text = self.tiles(cut);
        for (i, j) in pairs(cut.rows, cut.cols / 4) {
            let _ = writeln!(text, "    var s{i}_{j} = vec4(0.0);");
        }
        let _ = writeln!(text, "    for (var n = 0u; n < {wide}u; n++) {{");
        text += &self.rows(cut, 'a', grad, (wide, "n"));
        // Padding of the gradient is 0: any weight will do there.
        for (part, j) in pairs(4.min(n), cut.cols / 4) {
            let line = format!("min(n * 4u + {part}u, {n}u - 1u)");
            let col = format!("min(col / 4u + {j}u, {deep}u - 1u) * 4u");
            let four = self.params(
                &format!("{weight}u + {line} * {k}u + {col}"),
                &col,
                k,
                weight + n * k - 1,
            );
            let _ = writeln!(text, "        let b{part}_{j} = {four};");
            for i in 0..cut.rows {
                let _ = writeln!(text, "        s{i}_{j} += a{i}[{part}] * b{part}_{j};");
            }
        }
        text += "    }\n";
        for (i, j) in pairs(cut.rows, cut.cols / 4) {
            let own = format!("s{i}_{j}");
            let value = match before {
                Some(before) => self.slope(before, names, &own),
                None => own,
            };
            let value = masked(&value, k);
            let within = Self::within(&[
                ("row", i, cut.down * cut.rows, self.block),
                ("col", 4 * j, cut.across * cut.cols, 4 * deep),
            ]);
            let _ = writeln!(
                text,
                "    {within}{{ let i = (row + {i}u) * {deep}u + col / 4u + {j}u; memory[{x}u + i] = {value}; }}"
            );
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
                    + (over(weights) + over(wide)) * u64::from(self.block)
            }
            Layer::Activation { width, .. } => 2 * over(self.block * fours(width)),
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
}

fn pairs(rows: u32, cols: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..rows).flat_map(move |i| (0..cols).map(move |j| (i, j)))
}

/// How many fours hold a row.
pub(super) fn fours(width: usize) -> u32 {
    width.div_ceil(4) as u32
}

/// Zeros beyond a row's end, where `i` counts fours.
fn masked(value: &str, width: u32) -> String {
    if width.is_multiple_of(4) {
        return value.to_string();
    }
    let wide = width.div_ceil(4);
    format!(
        "select(vec4(0.0), {value}, vec4(i % {wide}u * 4u) + vec4(0u, 1u, 2u, 3u) < vec4({width}u))"
    )
}

/// Whether a function is so short that it can stand wherever a result is stored.
fn is_light(f: &Activation) -> bool {
    let ActivationKind::Map(map) = &f.entry().kind else { return false };
    let words: Vec<&str> = tokens(map.shader).collect();
    let known = ["forward", "derivative", "second", "select", "max", "min", "abs", "clamp", "f32"];
    let calls = words.windows(2).filter(|two| matches!(two, [_, "("]));
    let is_word = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    calls
        .map(|two| two.first().copied().unwrap_or(""))
        .all(|name| !is_word(name) || known.contains(&name))
}
