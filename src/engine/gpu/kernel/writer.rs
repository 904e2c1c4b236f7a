//! A writer of generated WGSL.

/// Lines of WGSL, indented by the blocks around them.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    /// Begins within blocks that something else writes.
    pub(crate) fn within(depth: usize) -> Self {
        Self { depth, ..Self::default() }
    }

    /// Writes lines.
    pub(crate) fn line(&mut self, lines: impl AsRef<str>) {
        for line in lines.as_ref().lines() {
            self.text.extend(std::iter::repeat_n("    ", self.depth));
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// Writes a block after its head, which may be empty; an empty line separates those at the outside.
    pub(crate) fn block(&mut self, head: impl AsRef<str>, body: impl FnOnce(&mut Self)) {
        let head = head.as_ref();
        if self.depth == 0 {
            self.text.push('\n');
        }
        self.line(if head.is_empty() { "{".to_string() } else { format!("{head} {{") });
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("}");
    }

    /// Writes the statements of `body` for each row of registers; `body` gets the names of a row's registers and its index.
    ///
    /// With `most`, they are one loop whose body is written once for any number of rows: it names the registers of the
    /// first row, and after each iteration every row moves to the one before it. Compilers of CPU adapters are slow for
    /// each memory access, which they expand per component and invocation. The loop ends after `rows` iterations or after
    /// `most`, an expression whose value no compiler knows, since a loop with a known count would be unrolled.
    pub(crate) fn rolled(
        &mut self,
        most: Option<&str>,
        rows: u32,
        names: impl Fn(u32) -> Vec<String>,
        body: impl Fn(&mut Self, &str, &[String]),
    ) {
        let Some(most) = most else {
            return (0..rows).for_each(|row| body(self, &format!("{row}u"), &names(row)));
        };
        let head = format!("for (var turn = 0u; turn < min({rows}u, {most}); turn++)");
        self.block(head, |w| {
            body(w, "turn", &names(0));
            for row in 1..rows {
                for (to, from) in names(row - 1).iter().zip(names(row)) {
                    w.line(format!("{to} = {from};"));
                }
            }
        });
    }

    /// The text written.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::Writer;

    fn rolled(most: Option<&str>) -> String {
        let mut w = Writer::default();
        let names = |row| vec![format!("a{row}"), format!("b{row}")];
        w.rolled(most, 2, names, |w, row, names| w.line(format!("{row} {}", names.join(" "))));
        w.finish()
    }

    #[test]
    fn lines_are_indented_by_the_blocks_around_them() {
        let mut w = Writer::default();
        w.block("if a", |w| w.block("", |w| w.line("b;\nc;")));
        assert_eq!(w.finish(), "\nif a {\n    {\n        b;\n        c;\n    }\n}\n");
    }

    #[test]
    fn rows_of_registers_are_written_out_or_move_in_a_loop() {
        assert_eq!(rolled(None), "0u a0 b0\n1u a1 b1\n");
        let lines = [
            "",
            "for (var turn = 0u; turn < min(2u, n); turn++) {",
            "turn a0 b0",
            "a0 = a1;",
            "b0 = b1;",
            "}",
        ];
        assert_eq!(rolled(Some("n")).lines().map(str::trim).collect::<Vec<_>>(), lines);
    }
}
