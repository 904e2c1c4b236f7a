//! How a product is cut for the invocations of a workgroup.

use std::fmt::Write as _;

use super::Whole;

/// A cut of a product: rows and columns of the result per invocation and turn.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub rows: u32,
    pub cols: u32,
    pub down: u32,
    pub across: u32,
    /// The invocations of a turn have the same rows: they read their numbers together and tell each other.
    pub shared: bool,
}

impl Cut {
    pub(super) fn tiles(self) -> u32 {
        self.down * self.across
    }

    /// Where the tile with number `tile` lies.
    pub(super) fn place(self, cols: u32) -> String {
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
    pub(super) fn cut(&self, rows: u32, cols: u32, least_cols: u32, most: u32) -> Cut {
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
            let loads =
                if cut.shared { cut.rows.div_ceil(self.lanes) } else { cut.rows } + cut.cols;
            cut.tiles().div_ceil(self.lanes) * (cut.rows * cut.cols + LOAD * loads)
        };
        let ways = |(rows, _): (u32, u32)| {
            let both = self.shares && rows.is_multiple_of(self.lanes);
            [false, true].into_iter().filter(move |shared| both || !shared)
        };
        let all = cuts.flat_map(|size| ways(size).map(move |shared| cut(size, shared)));
        all.min_by_key(cost).unwrap_or_else(|| cut((1, least_cols), false))
    }

    /// The cut of a product whose results pass through workgroup memory.
    pub(super) fn small_cut(&self, rows: u32, cols: u32, least_cols: u32) -> Cut {
        self.cut(rows, cols, least_cols, 256)
    }

    /// The loop over tiles, which sets row and col.
    pub(super) fn tiles(&self, cut: Cut) -> String {
        format!(
            "    for (var tile = lane; tile < {}u; tile += {}u) {{\n{}",
            cut.tiles(),
            self.lanes,
            cut.place(cut.cols)
        )
    }

    /// The condition that places are within their sides, where tiles reach beyond them: each a name, an offset, how far
    /// the tiles reach, and the side.
    pub(super) fn within(places: &[(&str, u32, u32, u32)]) -> String {
        let beyond = places.iter().filter(|(_, _, covered, len)| covered != len);
        let tests: Vec<String> =
            beyond.map(|(name, offset, _, len)| format!("{name} + {offset}u < {len}u")).collect();
        if tests.is_empty() { String::new() } else { format!("if {} ", tests.join(" && ")) }
    }

    /// Names fours of consecutive rows of a tensor in workgroup memory, at `at`, by a letter and their number.
    pub(super) fn rows(
        &self,
        cut: Cut,
        letter: char,
        tensor: u32,
        (wide, at): (u32, &str),
    ) -> String {
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
}
