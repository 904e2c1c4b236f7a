//! Dense layers: loops over fours of outputs, each a sum of products of fours of inputs.

use super::{Four, RowBody, RowFunction, WeightSource, component};
use crate::engine::gpu::kernel::writer::Writer;
use crate::error::Result;
use crate::ir::Slot;

/// The most fours of an input that a dense layer keeps in variables of their own; compilers slow down beyond.
const MOST_VARIABLES: usize = 32;

/// The most products of fours that are written one by one where a loop could do it.
const MOST_WRITTEN: usize = 32;

impl RowBody<'_> {
    pub(super) fn dense(&mut self, a: Slot, b: Slot, bias: Option<Slot>, out: Slot) -> Result<()> {
        let function = self.function;
        let (inputs, outputs) = (function.len(a)?, function.len(out)?);
        let weight = function.param(b)?;
        let [bias] = function.params([bias])?;
        let (x, y) = (self.variable(a)?, self.declare(out)?);
        let dense = DenseRows { function, inputs: inputs as u32, weight, bias, x: &x, y: &y };
        let is_literal = matches!(function.weights, WeightSource::Literals(_));
        let fours = inputs.div_ceil(4);
        if fours > MOST_VARIABLES && !is_literal {
            self.reads_words |= !inputs.is_multiple_of(4) || !outputs.is_multiple_of(4);
            return self.wide_dense(&dense, outputs as u32);
        }
        let (full, rest) = (outputs as u32 / 4, outputs as u32 % 4);
        let is_loop = !is_literal && full > 1 && full as usize * 4 * fours > MOST_WRITTEN;
        self.w.block("", |w| {
            for k in 0..fours {
                w.line(format!("let x{k} = {x}[{k}u];"));
            }
            if is_loop {
                w.block(format!("for (var i = 0u; i < {full}u; i++)"), |w| {
                    w.line(format!("let w = {}u + i * {inputs}u;", function.start(weight) / 4));
                    dense.rows(w, Four::Loop, 4);
                });
            } else {
                (0..full).for_each(|four| dense.rows(w, Four::Known(four), 4));
            }
            if rest > 0 {
                dense.rows(w, Four::Known(full), rest);
            }
        });
        Ok(())
    }

    /// A dense layer of more inputs than variables: a loop over them for each four of outputs.
    fn wide_dense(&mut self, dense: &DenseRows<'_>, outputs: u32) -> Result<()> {
        let DenseRows { function, inputs, weight, bias, x, y } = *dense;
        let start = function.start(weight);
        let (full, rest) = (outputs / 4, outputs % 4);
        let first = bias.map_or("vec4(0.0)".into(), |bias| function.four(bias, Four::Loop));
        let name = function.name;
        let by_fours = inputs.is_multiple_of(4);
        self.w.block(format!("for (var i = 0u; i < {full}u; i++)"), |w| {
            w.line(format!("var sum = {first};"));
            if by_fours {
                let side = inputs / 4;
                w.line(format!("let w = {}u + i * {inputs}u;", start / 4));
                w.block(format!("for (var k = 0u; k < {side}u; k++)"), |w| {
                    let row = |r: u32| format!("dot({name}_weights[w + {}u + k], x)", r * side);
                    w.line(format!(
                        "let x = {x}[k];\nsum += vec4({});",
                        [0, 1, 2, 3].map(row).join(", ")
                    ));
                });
            } else {
                w.line(format!("let w = {start}u + i * {}u;", 4 * inputs));
                w.block(format!("for (var k = 0u; k < {inputs}u; k++)"), |w| {
                    let row = |r: u32| format!("{name}_weight(w + {}u + k)", r * inputs);
                    let rows = [0, 1, 2, 3].map(row).join(", ");
                    w.line(format!("sum += {x}[k / 4u][k % 4u] * vec4({rows});"));
                });
            }
            w.line(format!("{y}[i] = sum;"));
        });
        for row in 4 * full..4 * full + rest {
            let to = format!("{y}[{full}u].{}", component(row));
            let first = bias.map_or("0.0".into(), |bias| function.word(bias, row));
            self.w.line(format!("{to} = {first};"));
            self.w.block(format!("for (var k = 0u; k < {inputs}u; k++)"), |w| {
                let at = start + row * inputs;
                w.line(format!("{to} += {x}[k / 4u][k % 4u] * {name}_weight({at}u + k);"));
            });
        }
        Ok(())
    }
}

/// A dense layer of an input whose fours are in variables.
#[derive(Clone, Copy)]
struct DenseRows<'a> {
    function: &'a RowFunction<'a>,
    inputs: u32,
    weight: usize,
    bias: Option<usize>,
    x: &'a str,
    y: &'a str,
}

impl DenseRows<'_> {
    /// Writes the first rows of a four of outputs.
    fn rows(&self, w: &mut Writer, four: Four, rows: u32) {
        let parts = (0..4).map(|row| match row < rows {
            true => self.row(four, row),
            false => "0.0".to_string(),
        });
        let sum = format!("vec4(\n    {},\n)", parts.collect::<Vec<_>>().join(",\n    "));
        let bias =
            self.bias.map_or(String::new(), |b| format!(" + {}", self.function.four(b, four)));
        w.line(format!("{}[{four}] = {sum}{bias};", self.y));
    }

    /// A row's sum of products.
    fn row(&self, four: Four, row: u32) -> String {
        let inputs = self.inputs;
        let terms = if inputs.is_multiple_of(4) {
            let side = inputs / 4;
            let term = |k: u32| format!("dot({}, x{k})", self.weights(four, row * side + k));
            (0..side).map(term).collect::<Vec<_>>()
        } else {
            let term = |k: u32| {
                let at = row * inputs + k;
                let weight = match four {
                    Four::Known(number) => {
                        self.function.word(self.weight, number * 4 * inputs + at)
                    }
                    Four::Loop => format!("{}.{}", self.weights(four, at / 4), component(at)),
                };
                format!("{weight} * x{}.{}", k / 4, component(k))
            };
            (0..inputs).map(term).collect()
        };
        terms.join(" + ")
    }

    /// Four weights, counted from those of the first row.
    fn weights(&self, four: Four, at: u32) -> String {
        match four {
            Four::Known(number) => {
                self.function.four(self.weight, Four::Known(number * self.inputs + at))
            }
            Four::Loop => format!("{}_weights[w + {at}u]", self.function.name),
        }
    }
}
