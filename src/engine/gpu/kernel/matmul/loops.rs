//! The loops along the inner side, by how the operands come to the invocations.

use std::fmt::Write as _;

use super::{STAGE, Variant};
use crate::ir::Form;

impl Variant {
    /// Each invocation reads what it needs.
    pub(super) fn direct_loop(&self) -> String {
        let [rows, _] = self.tiling.each;
        let deep = self.tiling.lanes[2];
        let first = if deep > 1 { format!("begin + lane % {deep}u * 4u") } else { "begin".into() };
        let rows = (0..rows / 4).map(|i| format!("row{i}"));
        let mut text = self.loads(&first, self.inner_each() * deep, rows);
        for inner in 0..self.inner_each() {
            let names = |letter: &'static str| move |i| self.loaded(letter, i, inner);
            text += &self.multiply(names("a"), names("b"));
            text += &self.add_sums(names("a"));
        }
        text + "    }\n"
    }

    /// Each invocation reads four rows of every 32 and tells the others.
    pub(super) fn shared_loop(&self) -> String {
        let [rows, _] = self.tiling.each;
        let across = self.tiling.lanes[1];
        let mut text = self.loads("begin", self.inner_each(), self.summed().into_iter());
        for inner in 0..self.inner_each() {
            for i in 0..rows / 4 {
                let (from, lane) = (self.loaded("a", i / across, inner), i % across);
                let _ = writeln!(
                    text,
                    "        let s{i}_{inner} = subgroupBroadcast({from}, {lane}u);"
                );
            }
            text += &self.multiply(|i| format!("s{i}_{inner}"), |i| self.loaded("b", i, inner));
            for (i, _) in (0u32..).zip(self.summed()).filter(|_| self.sums) {
                let _ = writeln!(text, "        sum{i} += {};", self.loaded("a", i, inner));
            }
        }
        text + "    }\n"
    }

    /// The head of a loop along the inner side, and what a turn loads: blocks of four inner indices, or lines of one.
    fn loads(&self, first: &str, step: u32, rows: impl Iterator<Item = String>) -> String {
        let [_, cols] = self.tiling.each;
        let (load, end) = if self.loads_lines() { ("line", "") } else { ("load", ", end") };
        let mut text = format!("    for (var inner = {first}; inner < end; inner += {step}u) {{\n");
        for (i, row) in rows.enumerate() {
            let _ = writeln!(text, "        let a{i} = {load}_a({row}, inner{end});");
        }
        for i in 0..cols / 4 {
            let _ = writeln!(text, "        let b{i} = {load}_b(col{i}, inner{end});");
        }
        text
    }

    /// The number of inner indices of an iteration.
    const fn inner_each(&self) -> u32 {
        if self.loads_lines() { 1 } else { 4 }
    }

    /// The expression for a loaded operand at an inner index of the iteration.
    fn loaded(&self, operand: &str, i: u32, inner: u32) -> String {
        if self.loads_lines() { format!("{operand}{i}") } else { format!("{operand}{i}[{inner}]") }
    }

    /// The products of one inner index.
    fn multiply(&self, a: impl Fn(u32) -> String, b: impl Fn(u32) -> String) -> String {
        let mut text = String::new();
        for (row, col) in self.accumulators() {
            let part = row % 4;
            let _ = writeln!(text, "        c{row}_{col} += {}[{part}] * {};", a(row / 4), b(col));
        }
        text
    }

    /// The sums of one inner index.
    fn add_sums(&self, a: impl Fn(u32) -> String) -> String {
        if !self.sums {
            return String::new();
        }
        let mut text = "        if is_first {\n".to_string();
        for (i, _) in (0u32..).zip(self.summed()) {
            let _ = writeln!(text, "            sum{i} += {};", a(i));
        }
        text + "        }\n"
    }

    pub(super) fn staged_loop(&self, lane_row: &str, lane_col: &str) -> String {
        let [block_rows, block_cols] = self.tiling.block();
        let [rows, cols] = self.tiling.each;
        let [down, across, _] = self.tiling.lanes;
        let mut text = format!("    for (var stage = begin; stage < end; stage += {STAGE}u) {{\n");
        text += &self.stage();
        text += "        workgroupBarrier();\n";
        let _ = writeln!(text, "        for (var step = 0u; step < {STAGE}u; step += 4u) {{");
        for inner in 0..4 {
            for (name, count, lanes, lane, block) in [
                ("a", rows / 4, down, lane_row, block_rows / 4),
                ("b", cols / 4, across, lane_col, block_cols / 4),
            ] {
                for i in 0..count {
                    let _ = writeln!(
                        text,
                        "        let {name}{i}_{inner} = {name}_tile[(step + {inner}u) * {block}u + {}u + {lane}];",
                        i * lanes
                    );
                }
            }
            let names = |letter: &'static str| move |i| format!("{letter}{i}_{inner}");
            text += &self.multiply(names("a"), names("b"));
            text += &self.add_sums(names("a"));
        }
        text + "        }\n        workgroupBarrier();\n    }\n"
    }

    /// Every invocation brings blocks of 4 x 4 elements to workgroup memory: those of a first, then those of b.
    pub(super) fn stage(&self) -> String {
        let [block_rows, block_cols] = self.tiling.block();
        let workgroup = self.tiling.workgroup();
        let (deep, total) = (STAGE / 4, (block_rows + block_cols) / 4 * (STAGE / 4));
        let a_blocks = block_rows / 4 * deep;
        let bring = |name: &str, at: &str, along: bool| {
            let (corner, count) =
                if name == "a" { ("top", block_rows / 4) } else { ("left", block_cols / 4) };
            // Neighbours read neighbouring memory.
            let (outer, inner) = match along {
                true => (format!("({at}) / {deep}u"), format!("({at}) % {deep}u")),
                false => (format!("({at}) % {count}u"), format!("({at}) / {count}u")),
            };
            let mut text = format!(
                "            let outer = {outer};\n            let inner = {inner} * 4u;\n            \
                 let block = load_{name}({corner} + outer * 4u, stage + inner, end);\n"
            );
            for i in 0..4 {
                let _ = writeln!(
                    text,
                    "            {name}_tile[(inner + {i}u) * {count}u + outer] = block[{i}];"
                );
            }
            text
        };
        let (a_along, b_along) = (self.form != Form::TN, self.form == Form::NT);
        let mut text = String::new();
        for first in (0..total).step_by(workgroup as usize) {
            let from_b = |first: u32| format!("{}u + lane", first - a_blocks);
            if first + workgroup <= a_blocks {
                let _ = write!(
                    text,
                    "        {{\n{}        }}\n",
                    bring("a", &format!("{first}u + lane"), a_along)
                );
            } else if first >= a_blocks {
                let _ =
                    write!(text, "        {{\n{}        }}\n", bring("b", &from_b(first), b_along));
            } else {
                let _ = write!(
                    text,
                    "        if lane < {0}u {{\n{1}        }} else {{\n{2}        }}\n",
                    a_blocks - first,
                    bring("a", &format!("{first}u + lane"), a_along),
                    bring("b", &format!("lane - {}u", a_blocks - first), b_along)
                );
            }
        }
        text
    }
}
