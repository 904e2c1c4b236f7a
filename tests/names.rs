//! The language of the library's sources: type names and doc lines. Reads the sources; needs no GPU.

use std::collections::BTreeMap;
use std::path::Path;

/// All lines of the sources below a folder, each with its file.
fn lines(folder: &Path) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lines.extend(self::lines(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let (text, file) =
                (std::fs::read_to_string(&path).unwrap(), path.display().to_string());
            lines.extend(text.lines().map(|line| (file.clone(), line.to_string())));
        }
    }
    lines
}

/// The type that a line defines, if any; a private `type` within a block is an associated one.
fn defined(line: &str) -> Option<&str> {
    let public = line.trim_start().strip_prefix("pub");
    let item = match public.map(|rest| (rest.starts_with('('), rest)) {
        Some((true, rest)) => rest.split_once(") ")?.1,
        Some((false, rest)) => rest.trim_start(),
        None => line.trim_start(),
    };
    let (kind, name) = item.split_once(' ')?;
    let is_alias = kind == "type" && (public.is_some() || !line.starts_with(' '));
    let is_definition = ["struct", "enum", "trait", "union"].contains(&kind) || is_alias;
    let name = name.split(|letter: char| !letter.is_alphanumeric()).next()?;
    Some(name).filter(|name| is_definition && name.starts_with(char::is_uppercase))
}

#[test]
fn a_definition_is_told_from_an_associated_type() {
    let cases = [
        ("pub struct Plan<'a> {", Some("Plan")),
        ("pub(in crate::engine::gpu) enum Arena {", Some("Arena")),
        ("    pub(crate) type Goal = Objective;", Some("Goal")),
        ("type Key = (u32, bool);", Some("Key")),
        ("struct Recent(u32);", Some("Recent")),
        ("    type Target = str;", None),
        ("    let enumerated = 1;", None),
        ("/// The struct Plan", None),
    ];
    cases.into_iter().for_each(|(line, name)| assert_eq!(defined(line), name, "{line}"));
}

#[test]
fn no_two_types_have_the_same_name() {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, line) in lines(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src")) {
        if let Some(name) = defined(&line) {
            files.entry(name.to_string()).or_default().push(file);
        }
    }
    assert!(files.len() > 300, "{} types", files.len());
    // The layer that a user adds to a network, and the layer that a fused step computes.
    files.remove("Layer");
    files.retain(|_, files| files.len() > 1);
    assert!(files.is_empty(), "{files:#?}");
}

#[test]
fn no_doc_comment_begins_as_a_question() {
    let words = ["What ", "How ", "Whether ", "Which ", "Where ", "Who ", "Why "];
    let all = lines(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"));
    let mut before = "";
    let mut found = Vec::new();
    for (file, line) in &all {
        let doc = ["/// ", "//! "].iter().find_map(|mark| line.trim_start().strip_prefix(mark));
        let begins = !before.trim_start().starts_with("//");
        if begins && doc.is_some_and(|doc| words.iter().any(|word| doc.starts_with(word))) {
            found.push(format!("{file}: {line}"));
        }
        before = line;
    }
    assert!(found.is_empty(), "{found:#?}");
}
