//! The layers forward. A tensor in workgroup memory has rows of fours, the last one padded with zeros. The tiles of a product
//! are such that an invocation loads few values for many multiplications.

use super::run::{Located, Offset, Run};
use super::text::Names;
use super::tile::{RowLoads, TileShape, fours, pairs, within};
use super::{FusedStep, Layer, is_stochastic};
use crate::engine::gpu::kernel::names::tokens;
use crate::engine::gpu::kernel::writer::Writer;
use crate::spec::Activation;
use crate::spec::activation::ActivationKind;

impl FusedStep {
    /// Writes the function that computes the layers of a block.
    pub(super) fn forward(&self, w: &mut Writer, names: &Names) {
        w.block("fn forward(lane: u32, first: u32)", |w| {
            for run in self.runs() {
                let unit = run.start..run.start + run.period;
                if !run.is_loop() {
                    self.forward_layer(w, run.start, run, names);
                    continue;
                }
                w.block(format!("for (var l = 0u; l < {}u; l++)", run.count), |w| {
                    unit.for_each(|number| self.forward_layer(w, number, run, names));
                });
            }
        });
    }

    fn forward_layer(&self, w: &mut Writer, number: usize, run: Run, names: &Names) {
        let Some(own) = self.located(number, run) else { return };
        match own.layer {
            Layer::Dense { .. } => self.dense(w, number, &own, names),
            // Part of the stores of the layer before.
            Layer::Activation { .. } if self.inlined(number).is_some() => return,
            Layer::Activation { width, .. } => {
                let Located { layer, x, y, .. } = own;
                let value = masked(&self.each("forward", &layer, names, "v"), width as u32);
                self.each_of(w, self.block * fours(width), |w| {
                    w.line(format!("let v = memory[{x} + i];\nmemory[{y} + i] = {value};"));
                });
            }
        }
        w.line("barrier();");
    }

    /// The activation with this number, if it is short and computed in place after a dense layer.
    fn inlined(&self, number: usize) -> Option<&Layer> {
        let own = self.layers.get(number)?;
        let before = self.layers.get(number.checked_sub(1)?)?;
        let Layer::Activation { f, .. } = &own.layer else { return None };
        let follows = matches!(before.layer, Layer::Dense { .. }) && own.x == own.y;
        (follows && is_cheap_to_inline(f)).then_some(&own.layer)
    }

    /// Four parameters from `at` on, of which `col` is the column and `last` the last parameter of the tensor.
    pub(super) fn params(&self, at: &str, col: &str, cols: u32, last: Offset) -> String {
        if cols.is_multiple_of(4) {
            return format!("param[({at}) / 4u]");
        }
        let parts = [0, 1, 2, 3].map(|part| {
            let value = format!("param_at(min({at} + {part}u, {last}))");
            format!("select(0.0, {value}, {col} + {part}u < {cols}u)")
        });
        format!("vec4({})", parts.join(", "))
    }

    /// A function of each of four values, which are at `i` in units of four.
    pub(super) fn each(&self, function: &str, layer: &Layer, names: &Names, four: &str) -> String {
        let Layer::Activation { f, key, width } = layer else { return String::new() };
        let number = names.get(&f.to_string()).copied().unwrap_or(0);
        let parts = [0, 1, 2, 3].map(|part| {
            let mut own = vec![format!("{four}[{part}]")];
            if let (Some(key), true) = (key, is_stochastic(f)) {
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

    /// Writes a dense layer: both operands run along the inner side.
    fn dense(&self, w: &mut Writer, number: usize, placed: &Located, names: &Names) {
        let Layer::Dense { inputs, outputs, .. } = placed.layer else { return };
        let tile = self.forward_tile(outputs);
        let inner = if inputs < 4 { 1 } else { fours(inputs) };
        let rows = RowLoads { tile, tensor: placed.x, wide: inner, lanes: self.lanes };
        self.tiles(w, tile, |w| {
            for (i, j) in pairs(tile.rows, tile.cols) {
                w.line(format!("var s{i}_{j} = 0.0;"));
            }
            match inputs {
                0..4 => self.short_products(w, &rows, placed),
                _ => self.products(w, &rows, placed),
            }
            self.store_results(w, number, placed, tile, names);
        });
    }

    /// Writes the products of a tile along an inner side of less than four: a load of four weights holds several columns.
    fn short_products(&self, w: &mut Writer, rows: &RowLoads, placed: &Located) {
        let Located { layer: Layer::Dense { inputs, outputs, .. }, params: [weight, _], .. } =
            *placed
        else {
            return;
        };
        let (k, tile) = (inputs as u32, rows.tile);
        let first = weight.fours();
        let last = weight.plus((inputs * outputs) as u32 - 1).fours();
        rows.load(w, "0u");
        for q in 0..(tile.cols * k).div_ceil(4) {
            w.line(format!("let b{q} = param[min({first} + col / 4u * {k}u + {q}u, {last})];"));
        }
        for i in 0..tile.rows {
            rows.name(w, i, "0u");
            for (j, part) in pairs(tile.cols, k) {
                let at = j * k + part;
                w.line(format!("s{i}_{j} += a{i}[{part}] * b{}[{}];", at / 4, at % 4));
            }
        }
    }

    /// Writes the products of a tile along the inner side, four by four.
    fn products(&self, w: &mut Writer, rows: &RowLoads, placed: &Located) {
        let Located { layer: Layer::Dense { inputs, outputs, .. }, params: [weight, _], .. } =
            *placed
        else {
            return;
        };
        let (k, n, tile) = (inputs as u32, outputs as u32, rows.tile);
        for j in 0..tile.cols {
            w.line(format!("let w{j} = min(col + {j}u, {n}u - 1u) * {k}u;"));
        }
        w.block(format!("for (var k = 0u; k < turns({}u); k++)", k.div_ceil(4)), |w| {
            rows.load(w, "k");
            for j in 0..tile.cols {
                let at = format!("{weight} + w{j} + k * 4u");
                let four = self.params(&at, "k * 4u", k, weight.plus(n * k - 1));
                w.line(format!("let b{j} = {four};"));
            }
            for i in 0..tile.rows {
                rows.name(w, i, "k");
                for j in 0..tile.cols {
                    w.line(format!("s{i}_{j} += dot(a{i}, b{j});"));
                }
            }
        });
    }

    /// Stores the sums of a tile with their bias, and the activation of them if it is short.
    fn store_results(
        &self,
        w: &mut Writer,
        number: usize,
        placed: &Located,
        tile: TileShape,
        names: &Names,
    ) {
        let Located { layer, params: [_, bias], y, .. } = *placed;
        let bias = bias.fours();
        let Layer::Dense { bias: has_bias, outputs, .. } = layer else { return };
        let (n, wide) = (outputs as u32, fours(outputs));
        for j in (0..tile.cols).step_by(4) {
            let at = format!("{bias} + min(col / 4u + {}u, {wide}u - 1u)", j / 4);
            let four = has_bias.map_or("vec4(0.0)".into(), |_| format!("param[{at}]"));
            w.line(format!("let bias{j} = {four};"));
        }
        let activation = self.inlined(number + 1);
        let sums = |i| (0..tile.cols).map(|j| format!("s{i}_{j}")).collect();
        w.rolled(self.rolls(), tile.rows, sums, |w, row, sums| {
            for (j, sums) in (0..).step_by(4).zip(sums.chunks(4)) {
                let mut four = sums.to_vec();
                four.resize(4, "0.0".to_string());
                let value = match activation {
                    Some(layer) => self.each("forward", layer, names, "v"),
                    None => "v".to_string(),
                };
                let value = padded(&value, &format!("col + {j}u"), n);
                w.block(within(tile, j, n), |w| {
                    w.line(format!("let v = vec4({}) + bias{j};", four.join(", ")));
                    let at = format!("(row + {row}) * {wide}u + (col + {j}u) / 4u");
                    w.line(format!("memory[{y} + {at}] = {value};"));
                });
            }
        });
    }
}

/// Zeros beyond a row's end, where `i` counts fours.
pub(super) fn masked(value: &str, width: u32) -> String {
    padded(value, &format!("i % {}u * 4u", width.div_ceil(4)), width)
}

/// Four values of a row from the column `col` on, zeros beyond its end.
fn padded(value: &str, col: &str, width: u32) -> String {
    if width.is_multiple_of(4) {
        return value.to_string();
    }
    format!("select(vec4(0.0), {value}, vec4({col}) + vec4(0u, 1u, 2u, 3u) < vec4({width}u))")
}

/// Returns whether a function is so short that it can be computed wherever a result is stored.
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
