//! The layers backward: the gradients of the parameters, and the gradient with respect to the input of each layer.

use super::forward::masked;
use super::text::Names;
use super::tile::{RowLoads, fours, pairs, within};
use super::{FusedStep, Layer, PlacedLayer};
use crate::engine::gpu::kernel::writer::Writer;
use crate::spec::activation::Saves;

impl FusedStep {
    /// Writes the function of the backward pass of a block.
    pub(super) fn backward(&self, w: &mut Writer, names: &Names) {
        let first = self.layers.iter().position(|p| matches!(p.layer, Layer::Dense { .. }));
        let first = if self.emits { 0 } else { first.unwrap_or(0) };
        let mut grad = self.grad;
        let mut done = false;
        w.block("fn backward(lane: u32, first: u32, start: u32, fresh: bool)", |w| {
            for (number, placed) in self.layers.iter().enumerate().skip(first).rev() {
                match placed.layer {
                    Layer::Activation { .. } if done => {
                        done = false;
                        continue;
                    }
                    Layer::Activation { width, .. } => {
                        self.each_of(w, self.block * fours(width), |w| {
                            let value =
                                self.slope(w, placed, names, &format!("memory[{grad}u + i]"));
                            w.line(format!(
                                "memory[{grad}u + i] = {};",
                                masked(&value, width as u32)
                            ));
                        });
                    }
                    Layer::Dense { .. } => {
                        self.parameter_gradients(w, placed, grad);
                        if number > first || self.emits {
                            w.line("barrier();");
                            let before = self.overwritten(number);
                            self.input_gradient(w, placed, grad, before, names);
                            done = before.is_some();
                            grad = placed.x;
                        }
                    }
                }
                w.line("barrier();");
            }
            if self.emits {
                self.emit(w, grad);
            }
        });
    }

    /// The activation before a layer, if its backward pass needs only its output, which the gradient overwrites.
    fn overwritten(&self, number: usize) -> Option<&PlacedLayer> {
        let before = self.layers.get(number.checked_sub(1)?)?;
        let saves_output =
            |layer| matches!(layer, Layer::Activation { f, .. } if f.saves() == Saves::Output);
        saves_output(before.layer).then_some(before)
    }

    /// Writes the gradient with respect to the input of the network.
    fn emit(&self, w: &mut Writer, grad: u32) {
        let deep = fours(self.inputs as usize);
        self.each_of(w, self.block * deep, |w| {
            w.line(format!("let row = first + i / {deep}u;"));
            w.block("if row < params.rows", |w| {
                w.line(format!("emit(row, i % {deep}u, memory[{grad}u + i]);"));
            });
        });
    }

    /// A gradient times the derivative of an activation, four by four at `i`.
    fn slope(&self, w: &mut Writer, placed: &PlacedLayer, names: &Names, grad: &str) -> String {
        let Layer::Activation { f, .. } = placed.layer else { return String::new() };
        let saved = if f.saves() == Saves::Output { placed.y } else { placed.x };
        w.line(format!("let saved = memory[{saved}u + i];"));
        format!("{grad} * {}", self.each("derivative", &placed.layer, names, "saved"))
    }

    /// Writes the gradient with respect to a layer's input, in place of the input, times the derivative of the activation
    /// before.
    fn input_gradient(
        &self,
        w: &mut Writer,
        placed: &PlacedLayer,
        grad: u32,
        before: Option<&PlacedLayer>,
        names: &Names,
    ) {
        let PlacedLayer { layer: Layer::Dense { inputs, outputs, .. }, x, .. } = *placed else {
            return;
        };
        let (k, deep, wide) = (inputs as u32, fours(inputs), fours(outputs));
        let tile = self.input_tile(inputs);
        let rows = RowLoads { tile, tensor: grad, wide, lanes: self.lanes };
        self.tiles(w, tile, |w| {
            for (i, j) in pairs(tile.rows, tile.cols / 4) {
                w.line(format!("var s{i}_{j} = vec4(0.0);"));
            }
            w.block(format!("for (var n = 0u; n < turns({wide}u); n++)"), |w| {
                self.transposed_products(w, &rows, placed);
            });
            let sums = |i| (0..tile.cols / 4).map(|j| format!("s{i}_{j}")).collect();
            w.rolled(self.rolls(), tile.rows, sums, |w, row, sums| {
                for (j, own) in (0..).zip(sums) {
                    w.block(within(tile, 4 * j, 4 * deep), |w| {
                        w.line(format!("let i = (row + {row}) * {deep}u + col / 4u + {j}u;"));
                        let value = match before {
                            Some(before) => self.slope(w, before, names, own),
                            None => own.clone(),
                        };
                        w.line(format!("memory[{x}u + i] = {};", masked(&value, k)));
                    });
                }
            });
        });
    }

    /// Writes the products of four columns of a gradient with the rows of a weight. The padding of the gradient is 0: it is
    /// multiplied by any weight.
    fn transposed_products(&self, w: &mut Writer, rows: &RowLoads, placed: &PlacedLayer) {
        let PlacedLayer {
            layer: Layer::Dense { inputs, outputs, .. }, params: [weight, _], ..
        } = *placed
        else {
            return;
        };
        let (k, n, deep, tile) = (inputs as u32, outputs as u32, fours(inputs), rows.tile);
        rows.load(w, "n");
        for (part, j) in pairs(4.min(n), tile.cols / 4) {
            let line = format!("min(n * 4u + {part}u, {n}u - 1u)");
            let col = format!("min(col / 4u + {j}u, {deep}u - 1u) * 4u");
            let at = format!("{weight}u + {line} * {k}u + {col}");
            let four = self.params(&at, &col, k, weight + n * k - 1);
            w.line(format!("let b{part}_{j} = {four};"));
        }
        for i in 0..tile.rows {
            rows.name(w, i, "n");
            for (part, j) in pairs(4.min(n), tile.cols / 4) {
                w.line(format!("s{i}_{j} += a{i}[{part}] * b{part}_{j};"));
            }
        }
    }
}
