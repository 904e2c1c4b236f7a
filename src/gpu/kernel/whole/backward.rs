//! The layers backward: sums over rows for the parameters, products for what comes before.

use std::fmt::Write as _;

use super::cut::Cut;
use super::layers::{fours, masked, pairs};
use super::text::Names;
use super::{Layer, Placed, Whole};
use crate::spec::activation::Saves;

/// The backward pass: what stands before, inside and after the loop over blocks.
#[derive(Default)]
pub(super) struct Backward {
    pub before: String,
    pub inside: String,
    pub after: String,
}

impl Whole {
    /// The whole backward pass.
    pub(super) fn backward(&self, names: &Names) -> Backward {
        let mut backward = Backward::default();
        let first = self.layers.iter().position(|p| matches!(p.layer, Layer::Dense { .. }));
        let first = if self.emits { 0 } else { first.unwrap_or(0) };
        let mut grad = self.grad;
        let mut budget = if self.lanes == 8 { 224 } else { 24 };
        let mut done = false;
        for (number, placed) in self.layers.iter().enumerate().skip(first).rev() {
            match placed.layer {
                Layer::Activation { .. } if done => done = false,
                Layer::Activation { width, .. } => {
                    let (saved, value) = self.slope(placed, names, &format!("memory[{grad}u + i]"));
                    let value = masked(&value, width as u32);
                    let body = format!("{saved}\n        memory[{grad}u + i] = {value};");
                    backward.inside += &self.over(self.block * fours(width), &body);
                    backward.inside += "    workgroupBarrier();\n";
                }
                Layer::Dense { .. } => {
                    self.weight_gradient(number, placed, grad, &mut budget, &mut backward);
                    backward.inside += "    workgroupBarrier();\n";
                    if number > first || self.emits {
                        // What backward takes from its output stands where the gradient goes.
                        let before =
                            number.checked_sub(1).and_then(|before| self.layers.get(before));
                        let before = before.filter(|before| {
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
        if self.emits {
            backward.inside += &self.emit(grad);
        }
        backward
    }

    /// Writes the gradient by the network's input.
    fn emit(&self, grad: u32) -> String {
        let (k, deep) = (self.inputs, fours(self.inputs as usize));
        let mut body =
            format!("let row = first + i / {deep}u;\n        let four = i % {deep}u;\n        ");
        let _ = writeln!(body, "if row < {}u {{", self.rows);
        if k.is_multiple_of(4) {
            let _ = writeln!(body, "            dx[row * {deep}u + four] = memory[{grad}u + i];");
        } else {
            for part in 0..4 {
                let _ = writeln!(
                    body,
                    "            if 4u * four + {part}u < {k}u {{ dx[row * {k}u + 4u * four + {part}u] = memory[{grad}u + i][{part}]; }}"
                );
            }
        }
        self.over(self.block * deep, &(body + "        }"))
    }

    /// A gradient times the derivative of an activation, four by four at `i`: what comes first, and the product.
    fn slope(&self, placed: &Placed, names: &Names, grad: &str) -> (String, String) {
        let Layer::Activation { f, .. } = placed.layer else { return Default::default() };
        let saved = if f.saves() == Saves::Output { placed.y } else { placed.x };
        let factor = self.each("derivative", &placed.layer, names, "saved");
        (format!("let saved = memory[{saved}u + i];"), format!("{grad} * {factor}"))
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
        let Placed { layer, params, x, .. } = *placed;
        let [weight, bias] = params.map(|at| at.saturating_sub(self.base));
        let Layer::Dense { inputs, outputs, bias: has_bias, .. } = layer else { return };
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
            // What no invocation is masked by costs nothing.
            let guard = match cut.tiles() {
                tiles if tiles.is_multiple_of(self.lanes) => String::new(),
                tiles => format!("if tile < {tiles}u "),
            };
            let head = format!(
                "    {{\n    let tile = lane + {}u;\n    {guard}{{\n{}",
                round * self.lanes,
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
            let [zeros, bias_sums, bias_store] = match has_bias {
                Some(_) => self.bias_gradient(round, cut, bias, n),
                None => Default::default(),
            };
            backward.before += &zeros;
            sums += &bias_sums;
            sums += "    }\n";
            let store = self.weight_store(cut, weight, k, n, keeps, &name);
            let (inside, after) = match keeps {
                true => (String::new(), store),
                false => (store, String::new()),
            };
            backward.inside += &format!("{sums}{inside}    }}\n    }}\n");
            backward.after += &format!("{head}{after}{bias_store}    }}\n    }}\n");
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

    /// Sums of the fours or numbers of the gradient that a tile has loaded, by the tiles that begin a row: what is declared
    /// before, what is added with each row, and what is stored at the end. Rows are added in the order of their numbers.
    fn bias_gradient(&self, round: u32, cut: Cut, bias: u32, n: u32) -> [String; 3] {
        let Cut { rows, down, across, shared, .. } = cut;
        let mut text = [const { String::new() }; 3];
        let begins = round * self.lanes;
        let takes = if shared { begins.is_multiple_of(across) } else { begins < down };
        if !takes {
            return text;
        }
        let by_four = rows.is_multiple_of(4);
        let (zero, end, place) = match by_four {
            true => ("vec4(0.0)", n.div_ceil(4), format!("partial[(start + {bias}u) / 4u + at]")),
            false => ("0.0", n, format!("partial[(start + {bias}u + at) / 4u][at % 4u]")),
        };
        let (count, loaded) = match (shared, by_four) {
            (true, _) => (rows.div_ceil(4 * self.lanes), "own"),
            (false, true) => (rows / 4, "d"),
            (false, false) => (rows, "d"),
        };
        let [before, inside, after] = &mut text;
        for i in 0..count {
            let name = format!("bias{bias}_{round}_{i}");
            let _ = writeln!(before, "    var {name} = {zero};");
            let _ = writeln!(inside, "        {name} += {loaded}{i};");
            let row = if by_four { "row / 4u" } else { "row" };
            let (at, own) = match shared {
                true => {
                    let offset = format!("{}u + lane", i * self.lanes);
                    (format!("{row} + {offset}"), format!("{offset} < {}u", rows / 4))
                }
                false => (format!("{row} + {i}u"), format!("tile < {down}u")),
            };
            let within = format!("at < {end}u && {own}");
            let _ = writeln!(after, "    {{ let at = {at}; if {within} {{ {place} = {name}; }} }}");
        }
        text
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
            let (saved, value) = match before {
                Some(before) => self.slope(before, names, &own),
                None => (String::new(), own),
            };
            let value = masked(&value, k);
            let within = Self::within(&[
                ("row", i, cut.down * cut.rows, self.block),
                ("col", 4 * j, cut.across * cut.cols, 4 * deep),
            ]);
            let _ = writeln!(
                text,
                "    {within}{{ let i = (row + {i}u) * {deep}u + col / 4u + {j}u; {saved} memory[{x}u + i] = {value}; }}"
            );
        }
        text + "    }\n"
    }
}
