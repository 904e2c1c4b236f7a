//! Loops over what an invocation keeps in registers.

use std::fmt::Write as _;

/// What `body` says of each row of numbers in registers: their names, and which row it is.
///
/// With `most` it is a loop, whose text stands once however many rows there are: it says what it does of the names of the
/// first row, after which each row's numbers move up to the row before. Compilers of CPU adapters need long for each access to
/// memory, which they write out for every component of every invocation. The loop ends after `rows` turns or after `most`,
/// an expression whose value no compiler knows: a loop with a known number of turns is unrolled.
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
