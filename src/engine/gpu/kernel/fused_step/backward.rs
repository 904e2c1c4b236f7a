//! The layers backward: the gradients of the parameters, and the gradient with respect to the input of each layer.

use super::forward::masked;
use super::run::{Located, Offset, Run};
use super::text::Names;
use super::tile::{RowLoads, fours, pairs, within};
use super::{FusedStep, Layer};
use crate::engine::gpu::kernel::writer::Writer;
use crate::spec::activation::Saves;

/// The state of the backward pass between layers.
struct State {
    /// The number of the first layer whose parameters have gradients.
    first: usize,
    /// The offset of the gradient with respect to the output of the next layer to come.
    grad: Offset,
    /// True if the derivative of that layer, an activation, is part of its gradient already.
    done: bool,
}

impl FusedStep {
    /// Writes the function of the backward pass of a block.
    pub(super) fn backward(&self, w: &mut Writer, names: &Names) {
        let first = self.layers.iter().position(|p| matches!(p.layer, Layer::Dense { .. }));
        let first = if self.emits { 0 } else { first.unwrap_or(0) };
        let mut state = State { first, grad: Offset::fixed(self.grad), done: false };
        w.block("fn backward(lane: u32, first: u32, start: u32, fresh: bool)", |w| {
            for run in self.runs().into_iter().rev().filter(|run| run.start >= first) {
                if !run.is_loop() {
                    self.backward_layer(w, run.start, run, &mut state, names);
                    continue;
                }
                let count = run.count;
                w.block(format!("for (var u = 0u; u < {count}u; u++)"), |w| {
                    w.line(format!("let l = {count}u - 1u - u;"));
                    let last = run.start + run.period - 1;
                    state.grad = self.located(last, run).map_or(state.grad, |last| last.y);
                    for number in (run.start..=last).rev() {
                        self.backward_layer(w, number, run, &mut state, names);
                    }
                });
                let before = self.layers.get(run.start).map_or(0, |layer| layer.x);
                state.grad = Offset::fixed(before);
            }
            if self.emits {
                self.emit(w, state.grad);
            }
        });
    }

    fn backward_layer(
        &self,
        w: &mut Writer,
        number: usize,
        run: Run,
        state: &mut State,
        names: &Names,
    ) {
        let Some(own) = self.located(number, run) else { return };
        let grad = state.grad;
        match own.layer {
            Layer::Activation { .. } if state.done => {
                state.done = false;
                return;
            }
            Layer::Activation { width, .. } => {
                self.each_of(w, self.block * fours(width), |w| {
                    let value = self.slope(w, &own, names, &format!("memory[{grad} + i]"));
                    w.line(format!("memory[{grad} + i] = {};", masked(&value, width as u32)));
                });
            }
            Layer::Dense { .. } => {
                self.parameter_gradients(w, &own, grad);
                if number > state.first || self.emits {
                    w.line("barrier();");
                    let before = self.overwritten(number, run);
                    self.input_gradient(w, &own, grad, before.as_ref(), names);
                    state.done = before.is_some();
                    state.grad = own.x;
                }
            }
        }
        w.line("barrier();");
    }

    /// The activation before a layer, if its backward pass needs only its output, which the gradient overwrites.
    fn overwritten(&self, number: usize, run: Run) -> Option<Located> {
        let before = self.located(number.checked_sub(1)?, run)?;
        let saves_output =
            |layer| matches!(layer, Layer::Activation { f, .. } if f.saves() == Saves::Output);
        saves_output(before.layer).then_some(before)
    }

    /// Writes the gradient with respect to the input of the network.
    fn emit(&self, w: &mut Writer, grad: Offset) {
        let deep = fours(self.inputs as usize);
        self.each_of(w, self.block * deep, |w| {
            w.line(format!("let row = first + i / {deep}u;"));
            w.block("if row < params.rows", |w| {
                w.line(format!("emit(row, i % {deep}u, memory[{grad} + i]);"));
            });
        });
    }

    /// A gradient times the derivative of an activation, four by four at `i`.
    fn slope(&self, w: &mut Writer, placed: &Located, names: &Names, grad: &str) -> String {
        let Layer::Activation { f, .. } = placed.layer else { return String::new() };
        let saved = if f.saves() == Saves::Output { placed.y } else { placed.x };
        w.line(format!("let saved = memory[{saved} + i];"));
        format!("{grad} * {}", self.each("derivative", &placed.layer, names, "saved"))
    }

    /// Writes the gradient with respect to a layer's input, in place of the input, times the derivative of the activation
    /// before.
    fn input_gradient(
        &self,
        w: &mut Writer,
        placed: &Located,
        grad: Offset,
        before: Option<&Located>,
        names: &Names,
    ) {
        let Located { layer: Layer::Dense { inputs, outputs, .. }, x, .. } = *placed else {
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
                        w.line(format!("memory[{x} + i] = {};", masked(&value, k)));
                    });
                }
            });
        });
    }

    /// Writes the products of four columns of a gradient with the rows of a weight. The padding of the gradient is 0: it is
    /// multiplied by any weight.
    fn transposed_products(&self, w: &mut Writer, rows: &RowLoads, placed: &Located) {
        let Located { layer: Layer::Dense { inputs, outputs, .. }, params: [weight, _], .. } =
            *placed
        else {
            return;
        };
        let (k, n, deep, tile) = (inputs as u32, outputs as u32, fours(inputs), rows.tile);
        rows.load(w, "n");
        for (part, j) in pairs(4.min(n), tile.cols / 4) {
            let line = format!("min(n * 4u + {part}u, {n}u - 1u)");
            let col = format!("min(col / 4u + {j}u, {deep}u - 1u) * 4u");
            let at = format!("{weight} + {line} * {k}u + {col}");
            let four = self.params(&at, &col, k, weight.plus(n * k - 1));
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
