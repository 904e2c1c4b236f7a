//! The gradients of a layer's parameters: sums over the rows of a block, added to those of the workgroup's blocks before.

use super::run::{Located, Offset};
use super::tile::{TileShape, pairs};
use super::{FusedStep, Layer};
use crate::engine::gpu::kernel::writer::Writer;

/// The sums of a tile of the parameters of a layer.
struct Sums {
    tile: TileShape,
    /// The columns of the layer's input and output.
    sides: [u32; 2],
    /// The offsets of the layer's input and of the gradient with respect to its output in workgroup memory.
    x: Offset,
    grad: Offset,
    weight: Offset,
    bias: Option<Offset>,
    lanes: u32,
}

impl FusedStep {
    /// Writes the gradients of the parameters of a dense layer.
    pub(super) fn parameter_gradients(&self, w: &mut Writer, placed: &Located, grad: Offset) {
        let Located { layer: Layer::Dense { inputs, outputs, bias, .. }, params, x, .. } = *placed
        else {
            return;
        };
        let sums = Sums {
            tile: self.weight_tile(inputs, outputs),
            sides: [inputs as u32, outputs as u32],
            x,
            grad,
            weight: params[0],
            bias: bias.map(|_| params[1]),
            lanes: self.lanes,
        };
        let (tiles, lanes) = (sums.tile.tiles(), self.lanes);
        let iterations = tiles.div_ceil(lanes);
        w.block(format!("for (var round = 0u; round < turns({iterations}u); round++)"), |w| {
            w.line(format!("let tile = lane + round * {lanes}u;"));
            // A mask that no invocation needs costs nothing.
            let masked = !tiles.is_multiple_of(lanes);
            w.block(if masked { format!("if tile < {tiles}u") } else { String::new() }, |w| {
                sums.tile.place(w, sums.tile.cols / 4);
                sums.declare(w);
                sums.add_rows(w, self.block);
                sums.store_weights(w, self.rolls());
                sums.store_bias(w, self.rolls());
            });
        });
    }
}

impl Sums {
    /// The number of fours of a tile's rows.
    fn fours(&self) -> u32 {
        self.tile.rows / 4
    }

    fn wide(&self) -> u32 {
        self.sides[1].div_ceil(4)
    }

    fn declare(&self, w: &mut Writer) {
        for (i, j) in pairs(self.tile.rows, self.tile.cols / 4) {
            w.line(format!("var g{i}_{j} = vec4(0.0);"));
        }
        for q in 0..self.bias.map_or(0, |_| self.fours()) {
            w.line(format!("var bias{q} = vec4(0.0);"));
        }
    }

    /// Writes the loop over the rows of a block. Where the invocations have the same rows of the tile, each loads a four;
    /// together they load those of several rows of the block.
    fn add_rows(&self, w: &mut Writer, block: u32) {
        let fours = self.fours();
        let at_once = if self.tile.broadcasts { (self.lanes / fours).max(1) } else { 1 };
        w.block(format!("for (var r = 0u; r < turns({block}u); r += {at_once}u)"), |w| {
            for i in 0..if self.tile.broadcasts { fours.div_ceil(self.lanes) } else { 0 } {
                let own = match at_once {
                    1 => self.four("r", &format!("{}u + lane", i * self.lanes)),
                    _ => self.four(&format!("r + lane / {fours}u"), &format!("lane % {fours}u")),
                };
                w.line(format!("let own{i} = {own};"));
            }
            for row in 0..at_once {
                w.block("", |w| self.add_row(w, row));
            }
        });
    }

    fn add_row(&self, w: &mut Writer, row: u32) {
        let (x, deep) = (self.x, self.sides[0].div_ceil(4));
        for j in 0..self.tile.cols / 4 {
            let at = format!("min(col + {j}u, {deep}u - 1u)");
            w.line(format!("let x{j} = memory[{x} + (r + {row}u) * {deep}u + {at}];"));
        }
        for q in 0..self.fours() {
            let lane = row * self.fours() + q;
            let value = match self.tile.broadcasts {
                true => {
                    format!("subgroupBroadcast(own{}, {}u)", lane / self.lanes, lane % self.lanes)
                }
                false => self.four("r", &format!("{q}u")),
            };
            w.line(format!("let d{q} = {value};"));
            for (i, j) in pairs(4, self.tile.cols / 4) {
                w.line(format!("g{}_{j} += d{q}[{i}] * x{j};", 4 * q + i));
            }
            if self.bias.is_some() {
                w.line(format!("bias{q} += d{q};"));
            }
        }
    }

    /// A four of the gradient with respect to the layer's output, at an offset from the tile's rows.
    fn four(&self, row: &str, offset: &str) -> String {
        let (grad, wide) = (self.grad, self.wide());
        format!("memory[{grad} + ({row}) * {wide}u + min(row / 4u + {offset}, {wide}u - 1u)]")
    }

    fn store_weights(&self, w: &mut Writer, rolls: Option<&str>) {
        let ([k, n], weight) = (self.sides, self.weight);
        let names = |i| (0..self.tile.cols / 4).map(|j| format!("g{i}_{j}")).collect();
        w.rolled(rolls, self.tile.rows, names, |w, row, names| {
            w.block(format!("if row + {row} < {n}u"), |w| {
                w.line(format!("let at = start + {weight} + (row + {row}) * {k}u + col * 4u;"));
                for (j, name) in (0u32..).step_by(4).zip(names) {
                    if k.is_multiple_of(4) {
                        let line =
                            add(&format!("partial[at / 4u + {}u]", j / 4), "vec4(0.0)", name);
                        w.line(format!("if col * 4u + {j}u < {k}u {{ {line} }}"));
                        continue;
                    }
                    for part in 0..4 {
                        let own = j + part;
                        let place = format!("partial[(at + {own}u) / 4u][(at + {own}u) % 4u]");
                        let line = add(&place, "0.0", &format!("{name}[{part}]"));
                        w.line(format!("if col * 4u + {own}u < {k}u {{ {line} }}"));
                    }
                }
            });
        });
    }

    /// Stores the sums of the gradient, once for all tiles that have the same rows.
    fn store_bias(&self, w: &mut Writer, rolls: Option<&str>) {
        let Some(bias) = self.bias else { return };
        let (wide, fours) = (self.wide(), self.fours());
        let store = |w: &mut Writer, offset: &str, sum: &str| {
            w.line(format!("let at = row / 4u + {offset};"));
            let line = add(&format!("partial[(start + {bias}) / 4u + at]"), "vec4(0.0)", sum);
            w.line(format!("if at < {wide}u {{ {line} }}"));
        };
        if !self.tile.broadcasts {
            let names = |q| vec![format!("bias{q}")];
            w.block("if col == 0u", |w| {
                w.rolled(rolls, fours, names, |w, q, names| {
                    w.block("", |w| store(w, q, &names.concat()));
                });
            });
            return;
        }
        // Every invocation has the sums of all rows of the tile.
        w.block(format!("if tile % {}u == lane", self.tile.across), |w| {
            for begin in (0..fours).step_by(self.lanes as usize) {
                let end = fours.min(begin + self.lanes);
                let own = (begin + 1..end).fold(format!("bias{begin}"), |sum, q| {
                    format!("select({sum}, bias{q}, lane == {}u)", q - begin)
                });
                w.block(format!("if lane < {}u", end - begin), |w| {
                    store(w, &format!("{begin}u + lane"), &own);
                });
            }
        });
    }
}

/// Adds a sum to that of the blocks before.
fn add(place: &str, zero: &str, value: &str) -> String {
    format!("{place} = select({place}, {zero}, fresh) + {value};")
}
