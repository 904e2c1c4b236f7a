//! Loops over the values that an invocation keeps in registers.

use std::fmt::Write as _;

/// The statements of `body` for each row of registers; `body` gets the names of a row's registers and its index.
///
/// With `most`, they are one loop whose body is written once for any number of rows: it names the registers of the first
/// row, and after each iteration every row moves to the one before it. Compilers of CPU adapters are slow for each memory
/// access, which they expand per component and invocation. The loop ends after `rows` iterations or after `most`, an
/// expression whose value no compiler knows, since a loop with a known count would be unrolled.
pub(super) fn by_turns(
    most: Option<&str>,
    rows: u32,
    names: impl Fn(u32) -> Vec<String>,
    body: impl Fn(&str, &[String]) -> String,
) -> String {
    let Some(most) = most else {
        return (0..rows).map(|row| body(&format!("{row}u"), &names(row))).collect();
    };
    let mut text = format!("    for (var turn = 0u; turn < min({rows}u, {most}); turn++) {{\n");
    text += &body("turn", &names(0));
    for row in 1..rows {
        for (to, from) in names(row - 1).iter().zip(names(row)) {
            let _ = writeln!(text, "        {to} = {from};");
        }
    }
    text + "    }\n"
}
