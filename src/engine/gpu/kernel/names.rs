//! Names in WGSL source.

/// Appends a suffix to every name that the source declares.
pub(super) fn renamed(text: &str, suffix: &str) -> String {
    let named = declared(text);
    let mut out = String::with_capacity(text.len() + 64);
    let mut before = "";
    for word in tokens(text) {
        out.push_str(word);
        // A name after a dot is a field.
        if before != "." && named.contains(&word) {
            out.push_str(suffix);
        }
        before = word;
    }
    out
}

/// The names that the source declares at module scope.
pub(crate) fn declared(text: &str) -> Vec<&str> {
    let words: Vec<&str> = tokens(text).collect();
    let declares = ["fn", "const", "struct", "alias"];
    let mut named: Vec<&str> = words
        .windows(3)
        .filter_map(|three| match three {
            [keyword, " ", name] if declares.contains(keyword) => Some(*name),
            _ => None,
        })
        .collect();
    // `var<storage, read> x: array<f32>;`
    let variables = text.lines().filter_map(|line| line.split_once("var<")?.1.split_once("> "));
    named.extend(variables.filter_map(|(_, rest)| tokens(rest).next()));
    named
}

/// Splits the source into identifiers and single other characters.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let len = if is_name(first) {
            rest.find(|c| !is_name(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(len);
        rest = after;
        Some(word)
    })
}
