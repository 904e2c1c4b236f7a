//! The declarations that a function needs of the shader library, under names of its own.

use crate::engine::gpu::kernel::names::{declared, tokens};

/// A declaration at module scope with the comment over it.
struct Declaration<'a> {
    name: &'a str,
    text: &'a str,
}

/// The declarations of a source. A declaration ends with a line that begins with a brace or, of one line, ends with a
/// semicolon.
fn declarations(source: &str) -> Vec<Declaration<'_>> {
    let mut found = Vec::new();
    let (mut start, mut at, mut is_open) = (0, 0, false);
    for line in source.split_inclusive('\n') {
        let is_first = !is_open && !declared(line).is_empty() && !line.starts_with("//");
        let begins = is_first && !line.starts_with(' ');
        at += line.len();
        is_open |= begins;
        let ends = line.starts_with('}') || begins && line.trim_end().ends_with([';', '}']);
        if is_open && ends {
            let text = source.get(start..at).unwrap_or_default().trim();
            let name = declared(text).first().copied().unwrap_or_default();
            found.push(Declaration { name, text });
            (start, is_open) = (at, false);
        } else if !is_open && line.trim().is_empty() {
            // A comment that an empty line follows belongs to nothing.
            start = at;
        }
    }
    found
}

/// The declarations of a source, and of the library that it calls, that some of its names need, directly or by others; each
/// name changed as `rename` says, given whether the library declares it.
pub(super) fn needed(
    [own, library]: [&str; 2],
    roots: &[&str],
    rename: &dyn Fn(&str, bool) -> String,
) -> Vec<String> {
    let sides = [(own, false), (library, true)];
    let all: Vec<(Declaration<'_>, bool)> = sides
        .into_iter()
        .flat_map(|(text, is_library)| declarations(text).into_iter().map(move |d| (d, is_library)))
        .collect();
    // What a word in the text of one side means; the library knows its own names only.
    let find = |word: &str, inside_library: bool| {
        let known = |(d, is_library): &&(Declaration<'_>, bool)| {
            d.name == word && (*is_library || !inside_library)
        };
        all.iter().position(|declaration| known(&declaration))
    };
    let mut wanted: Vec<usize> = roots.iter().filter_map(|root| find(root, false)).collect();
    let mut next = 0;
    while let Some((declaration, inside)) = wanted.get(next).and_then(|index| all.get(*index)) {
        next += 1;
        for index in tokens(declaration.text).filter_map(|word| find(word, *inside)) {
            if !wanted.contains(&index) {
                wanted.push(index);
            }
        }
    }
    let renamed = |line: &str, inside: bool| -> String {
        if line.trim_start().starts_with("//") {
            return line.to_string();
        }
        let mut before = "";
        let word = |word| {
            // A name after a dot is a field.
            let meaning = if before == "." { None } else { find(word, inside) };
            before = word;
            let meaning = meaning.and_then(|index| all.get(index));
            meaning.map_or(word.to_string(), |(_, is_library)| rename(word, *is_library))
        };
        tokens(line).map(word).collect()
    };
    let used = (0..).zip(&all).filter(|(index, _)| wanted.contains(index));
    let text = |(_, (declaration, inside)): (usize, &(Declaration<'_>, bool))| {
        let lines = declaration.text.lines().map(|line| renamed(line, *inside));
        lines.collect::<Vec<_>>().join("\n")
    };
    used.map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::needed;

    const SOURCE: &str = "// The file.

const A: f32 = 1.0;
// Twice.
fn twice(x: f32) -> f32 {
    return 2.0 * x * A;
}

struct Two {
    twice: f32,
}

fn of(pair: Two) -> f32 {
    return twice(pair.twice);
}
";

    #[test]
    fn what_a_name_needs_comes_with_its_comment_under_another_name() {
        let rename = |name: &str, is_library: bool| {
            if is_library { format!("net_{name}") } else { format!("net_own_{name}") }
        };
        let found = needed(["", SOURCE], &["twice"], &rename);
        let twice = "// Twice.\nfn net_twice(x: f32) -> f32 {\n    return 2.0 * x * net_A;\n}";
        assert_eq!(found, ["const net_A: f32 = 1.0;", twice]);
        assert_eq!(needed(["", SOURCE], &["of"], &rename).len(), 4);
        // The library does not mean another's names.
        let own = "fn A() -> f32 {\n    return twice(1.0);\n}\n";
        let found = needed([own, SOURCE], &["A"], &rename);
        assert_eq!(found[0], "fn net_own_A() -> f32 {\n    return net_twice(1.0);\n}");
        assert_eq!(found[1..], ["const net_A: f32 = 1.0;", twice]);
    }
}
