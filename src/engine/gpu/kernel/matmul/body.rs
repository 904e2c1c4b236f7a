//! The results of a workgroup: their places, and their stores.

use std::fmt::Write as _;

use super::{Tiling, Variant, Via};
use crate::engine::gpu::kernel::writer::Writer;

impl Tiling {
    /// The row and the column of an invocation within its workgroup.
    fn lane_places(self) -> [String; 2] {
        let [down, across, deep] = self.lanes;
        // A workgroup without lanes along an axis has the same place in every invocation, and a compiler can see that.
        let deeper = if deep > 1 { format!("lane / {deep}u") } else { "lane".to_string() };
        let lane_row = match (down, across) {
            (1, _) => "0u".to_string(),
            (_, 1) => deeper.clone(),
            _ => format!("{deeper} / {across}u"),
        };
        let lane_col = match (down, across) {
            (_, 1) => "0u".to_string(),
            (1, _) => deeper,
            _ => format!("{deeper} % {across}u"),
        };
        [lane_row, lane_col]
    }
}

impl Variant {
    /// Names of the results of an invocation: row within its rows, four columns.
    pub(super) fn accumulators(&self) -> Vec<(u32, u32)> {
        let [rows, cols] = self.tiling.each;
        (0..rows).flat_map(|row| (0..cols / 4).map(move |col| (row, col))).collect()
    }

    /// The values of which the lanes along the inner side have partial sums.
    pub(super) fn partial(&self) -> Vec<String> {
        let results = self.accumulators().into_iter().map(|(row, col)| format!("c{row}_{col}"));
        let sums = if self.sums { self.summed().len() } else { 0 };
        results.chain((0..sums).map(|i| format!("sum{i}"))).collect()
    }

    /// The entry point, which calls `product`.
    pub(super) fn entry(&self, body: &str) -> String {
        format!("\n@compute @workgroup_size({})\n{MAIN}{body}}}\n", self.tiling.workgroup())
    }

    pub(super) fn product(&self) -> String {
        let Tiling { each: [rows, cols], lanes: [down, across, deep], via } = self.tiling;
        let [block_rows, block_cols] = self.tiling.block();
        let mut text = "\nfn product(index: u32, lane: u32) {\n".to_string();
        let _ =
            writeln!(text, "    let across = (params.n + {0}u) / {block_cols}u;", block_cols - 1);
        let _ = writeln!(
            text,
            "    let tiles = (params.m + {0}u) / {block_rows}u * across;",
            block_rows - 1
        );
        let _ = writeln!(text, "    let top = index % tiles / across * {block_rows}u;");
        let _ = writeln!(text, "    let left = index % across * {block_cols}u;");
        text += if self.split { SPLIT } else { WHOLE };
        if self.batched {
            text += BATCHED;
        } else {
            // The folded grid can have more workgroups than there are tiles.
            text += "    if which >= 1u {\n        return;\n    }\n";
        }
        let [lane_row, lane_col] = self.tiling.lane_places();
        for i in 0..rows / 4 {
            let _ = writeln!(text, "    let row{i} = top + ({}u + {lane_row}) * 4u;", i * down);
        }
        for i in 0..cols / 4 {
            let _ = writeln!(text, "    let col{i} = left + ({}u + {lane_col}) * 4u;", i * across);
        }
        for (row, col) in self.accumulators() {
            let _ = writeln!(text, "    var c{row}_{col} = vec4(0.0);");
        }
        if self.sums {
            // One column of invocations of one column of workgroups sums what all of them load; where an invocation loads for
            // its subgroup, each sums what it loads.
            let place =
                if via == Via::Subgroup { "left".into() } else { format!("left + {lane_col}") };
            let _ = writeln!(text, "    let is_first = {place} == 0u;");
            for (i, _) in self.summed().iter().enumerate() {
                let _ = writeln!(text, "    var sum{i} = vec4(0.0);");
            }
        }
        text += &match via {
            Via::Memory => self.direct_loop(),
            Via::Workgroup => self.staged_loop(&lane_row, &lane_col),
            Via::Subgroup => self.shared_loop(),
        };
        if deep > 1 {
            text += &self.combine();
        }
        text += &self.stores();
        text + "}\n"
    }

    /// The stores of the results and of the sums. A turn of a loop stores four rows, or one where columns are not stored by
    /// fours.
    fn stores(&self) -> String {
        let Tiling { each: [rows, cols], lanes: [down, ..], .. } = self.tiling;
        let (step, each) = (4 * down, if self.writes_fours() { 4 } else { 1 });
        let most = format!("(params.m - top + {}u) / {each}u", each - 1);
        let names = |turn| {
            let rows = each * turn..each * (turn + 1);
            rows.flat_map(|row| (0..cols / 4).map(move |col| format!("c{row}_{col}"))).collect()
        };
        let mut w = Writer::within(1);
        w.rolled(self.tiling.rolls().then_some(&most), rows / each, names, |w, turn, names| {
            let first = match each {
                1 => format!("row0 + {turn} / 4u * {step}u + {turn} % 4u"),
                _ => format!("row0 + {turn} * {step}u"),
            };
            for (row, names) in names.chunks(cols as usize / 4).enumerate() {
                for (col, name) in names.iter().enumerate() {
                    w.line(format!("store(start, {first} + {row}u, col{col}, {name});"));
                }
            }
        });
        if self.sums {
            w.block("if is_first", |w| {
                for (i, row) in self.summed().iter().enumerate() {
                    w.line(format!("store_sums(part, {row}, sum{i});"));
                }
            });
        }
        w.finish()
    }

    /// The first row of every four whose sum an invocation has: of those that it loads.
    pub(super) fn summed(&self) -> Vec<String> {
        let Tiling { each: [rows, _], lanes: [_, across, _], via } = self.tiling;
        match via {
            Via::Subgroup => (0..rows / 4 / across).map(|i| self.shared_row(i)).collect(),
            _ => (0..rows / 4).map(|i| format!("row{i}")).collect(),
        }
    }

    /// The first of the rows that an invocation loads for its subgroup.
    pub(super) fn shared_row(&self, block: u32) -> String {
        format!("top + ({}u + lane) * 4u", block * self.tiling.lanes[1])
    }

    /// Adds the partial sums of the lanes along the inner side, by a fixed tree.
    pub(super) fn combine(&self) -> String {
        let (deep, workgroup) = (self.tiling.lanes[2], self.tiling.workgroup());
        let places = self.partial();
        let mut text = String::new();
        for (i, place) in (0u32..).zip(&places) {
            let _ = writeln!(text, "    partials[{}u + lane] = {place};", i * workgroup);
        }
        let _ = writeln!(text, "    for (var width = {}u; width > 0u; width /= 2u) {{", deep / 2);
        text += "        workgroupBarrier();\n";
        let _ = writeln!(text, "        if lane % {deep}u < width {{");
        for (i, _) in (0u32..).zip(&places) {
            let at = i * workgroup;
            let _ = writeln!(
                text,
                "            partials[{at}u + lane] += partials[{at}u + lane + width];"
            );
        }
        text += "        }\n    }\n";
        let _ = writeln!(text, "    if lane % {deep}u != 0u {{\n        return;\n    }}");
        for (i, place) in (0u32..).zip(&places) {
            let _ = writeln!(text, "    {place} = partials[{}u + lane];", i * workgroup);
        }
        text
    }
}

const MAIN: &str = "fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
";

const WHOLE: &str = "    let which = index / tiles;
    let part = 0u;
    let begin = 0u;
    let end = params.k;
    let start = which * params.m * params.n;
";

const SPLIT: &str = "    let parts = (params.k + params.depth - 1u) / params.depth;
    let count = params.batch.x * params.batch.y * params.batch.z * params.batch.w;
    let which = index / tiles % count;
    let part = index / tiles / count;
    let begin = part * params.depth;
    if part >= parts {
        return;
    }
    let end = min(begin + params.depth, params.k);
    let start = (part * count + which) * params.m * params.n;
";

const BATCHED: &str =
    "    if which >= params.batch.x * params.batch.y * params.batch.z * params.batch.w {
        return;
    }
    let place = vec4(
        which / params.batch.w / params.batch.z / params.batch.y,
        which / params.batch.w / params.batch.z % params.batch.y,
        which / params.batch.w % params.batch.z,
        which % params.batch.w,
    );
    let a_place = place * params.a_batch;
    let b_place = place * params.b_batch;
    a_start = a_place.x + a_place.y + a_place.z + a_place.w;
    b_start = b_place.x + b_place.y + b_place.z + b_place.w;
";
