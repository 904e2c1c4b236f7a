//! The tiles of a product: how its result is distributed over the invocations of a workgroup.

use super::FusedStep;
use super::run::Offset;
use crate::engine::gpu::kernel::writer::Writer;

/// The results of an invocation and iteration, and how many tiles there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TileShape {
    pub rows: u32,
    pub cols: u32,
    /// The number of tiles down the rows.
    pub down: u32,
    /// The number of tiles across the columns.
    pub across: u32,
    /// True if the invocations of an iteration have the same rows: each loads some and broadcasts them.
    pub broadcasts: bool,
}

impl TileShape {
    pub(crate) fn tiles(self) -> u32 {
        self.down * self.across
    }

    /// Declares the row and the column of the tile with the number `tile`; `cols` is the unit of columns.
    pub(crate) fn place(self, w: &mut Writer, cols: u32) {
        let Self { rows, down, across, .. } = self;
        let (row, col) = match self.broadcasts {
            true => (format!("tile / {across}u"), format!("tile % {across}u")),
            false => (format!("tile % {down}u"), format!("tile / {down}u")),
        };
        w.line(format!("let row = {row} * {rows}u;\nlet col = {col} * {cols}u;"));
    }
}

const SIDES: [u32; 7] = [64, 32, 16, 8, 4, 2, 1];
/// The maximum number of results per invocation and iteration of a product and of a weight's gradient. Compilers of CPU
/// adapters are slow for many values in registers.
const MOST_RESULTS: [u32; 2] = [256, 512];
const MOST_RESULTS_ON_CPU: [u32; 2] = [32, 64];
/// The number of parameters that a uniform buffer of WebGPU's default limit holds.
const MOST_UNIFORM: u32 = 16_384;
/// The name of a value that exceeds the length of every loop; see `shaders/fused_step/turns.wgsl`.
pub(super) const UNKNOWN: &str = "unknown";

/// The cost of loading four values relative to a dot product of fours.
struct LoadCost {
    /// From workgroup or storage memory. llvmpipe loads value by value and invocation by invocation, with a branch each.
    memory: u32,
    /// Of parameters. llvmpipe gathers from uniform buffers without branches.
    param: u32,
}

impl FusedStep {
    /// The cost of loads. It does not depend on whether this step's parameters are bound as a uniform buffer, so that
    /// parameters in a buffer of the host give the same bits as those in one of the library.
    fn load_cost(&self) -> LoadCost {
        match self.is_on_cpu() {
            false => LoadCost { memory: 16, param: 16 },
            true if self.params <= MOST_UNIFORM => LoadCost { memory: 88, param: 7 },
            true => LoadCost { memory: 88, param: 88 },
        }
    }

    fn most_results(&self) -> [u32; 2] {
        if self.is_on_cpu() { MOST_RESULTS_ON_CPU } else { MOST_RESULTS }
    }

    /// The cheapest tile with at most `most` results for a product of `rows` x `cols`.
    fn tile(&self, [rows, cols]: [u32; 2], least: [u32; 2], most: u32, col_cost: u32) -> TileShape {
        let most_cols = cols.next_multiple_of(least[1]);
        let sides = SIDES.into_iter().filter(|r| (least[0]..=rows).contains(r));
        let shapes = sides.flat_map(|r| SIDES.map(|c| (r, c)));
        let shapes = shapes.filter(|(r, c)| (least[1]..=most_cols).contains(c) && r * c <= most);
        let shape = |(r, c): (u32, u32), broadcasts: bool| TileShape {
            rows: r,
            cols: c,
            down: rows.div_ceil(r),
            across: match broadcasts {
                true => cols.div_ceil(c).next_multiple_of(self.lanes),
                false => cols.div_ceil(c),
            },
            broadcasts,
        };
        let row_cost = self.load_cost().memory;
        let cost = |tile: &TileShape| {
            let rows = if tile.broadcasts { tile.rows.div_ceil(self.lanes) } else { tile.rows };
            let loads = row_cost * rows + col_cost * tile.cols;
            tile.tiles().div_ceil(self.lanes) * (tile.rows * tile.cols + loads)
        };
        let ways = |(rows, _): (u32, u32)| {
            let both = self.broadcasts && rows.is_multiple_of(self.lanes);
            [false, true].into_iter().filter(move |broadcasts| both || !broadcasts)
        };
        let all = shapes.flat_map(|sides| ways(sides).map(move |way| shape(sides, way)));
        all.min_by_key(cost).unwrap_or_else(|| shape((least[0], least[1]), false))
    }

    /// The tiles of a layer's product forward, whose rows are those of a block.
    pub(super) fn forward_tile(&self, outputs: usize) -> TileShape {
        let n = outputs as u32;
        self.tile([self.block, n], [1, n.min(4)], self.most_results()[0], self.load_cost().param)
    }

    /// The tiles of the gradient with respect to a layer's input.
    pub(super) fn input_tile(&self, inputs: usize) -> TileShape {
        let sides = [self.block, 4 * fours(inputs)];
        self.tile(sides, [1, 4], self.most_results()[0], self.load_cost().param)
    }

    /// The tiles of the gradient with respect to a layer's weight.
    pub(super) fn weight_tile(&self, inputs: usize, outputs: usize) -> TileShape {
        let sides = [4 * fours(outputs), 4 * fours(inputs)];
        self.tile(sides, [4, 4], self.most_results()[1], self.load_cost().memory)
    }

    /// The bound of loops over registers, if they are loops.
    pub(super) fn rolls(&self) -> Option<&'static str> {
        self.is_on_cpu().then_some(UNKNOWN)
    }

    /// True on CPU adapters, whose compilers are slow for many values in registers and for memory accesses.
    pub(super) fn is_on_cpu(&self) -> bool {
        self.lanes == 8
    }

    /// Writes the loop over tiles, which declares `row` and `col`.
    pub(super) fn tiles(&self, w: &mut Writer, tile: TileShape, body: impl FnOnce(&mut Writer)) {
        let (count, lanes) = (tile.tiles(), self.lanes);
        w.block(format!("for (var tile = lane; tile < {count}u; tile += {lanes}u)"), |w| {
            tile.place(w, tile.cols);
            body(w);
        });
    }

    /// Writes `body` for each i below a count, distributed over the invocations.
    pub(super) fn each_of(&self, w: &mut Writer, count: u32, body: impl FnOnce(&mut Writer)) {
        let lanes = self.lanes;
        w.block(format!("for (var i = lane; i < {count}u; i += {lanes}u)"), body);
    }
}

/// The head of a statement for the columns from `col` + `offset` on, if the tiles reach beyond them.
pub(super) fn within(tile: TileShape, offset: u32, cols: u32) -> String {
    match tile.across * tile.cols {
        covered if covered == cols => String::new(),
        _ => format!("if col + {offset}u < {cols}u"),
    }
}

/// Fours of the rows of a tile in a tensor of `wide` fours a row in workgroup memory.
pub(super) struct RowLoads {
    pub tile: TileShape,
    pub tensor: Offset,
    pub wide: u32,
    pub lanes: u32,
}

impl RowLoads {
    fn four(&self, row: &str, at: &str) -> String {
        let Self { tensor, wide, .. } = self;
        format!("memory[{tensor} + (row + {row}) * {wide}u + {at}]")
    }

    /// Loads the rows that are broadcast.
    pub(crate) fn load(&self, w: &mut Writer, at: &str) {
        let own = if self.tile.broadcasts { self.tile.rows.div_ceil(self.lanes) } else { 0 };
        for i in 0..own {
            w.line(format!(
                "let own{i} = {};",
                self.four(&format!("{}u + lane", i * self.lanes), at)
            ));
        }
    }

    /// Names a four of row `i`: `a{i}`.
    pub(crate) fn name(&self, w: &mut Writer, i: u32, at: &str) {
        let value = match self.tile.broadcasts {
            true => format!("subgroupBroadcast(own{}, {}u)", i / self.lanes, i % self.lanes),
            false => self.four(&format!("{i}u"), at),
        };
        w.line(format!("let a{i} = {value};"));
    }
}

pub(super) fn pairs(rows: u32, cols: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..rows).flat_map(move |i| (0..cols).map(move |j| (i, j)))
}

/// The number of fours of a row.
pub(super) fn fours(width: usize) -> u32 {
    width.div_ceil(4) as u32
}
