//! The size of the public interface, as its documentation lists it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use wgrad::spec::{Choice, Kind};
use wgrad::{Activation, Initializer, Loss, Optimizer};

/// The maximum number of public items. Whoever makes another one public either closes one or raises this on purpose.
const MOST: usize = 567;

/// Documents the crate; warnings, such as links to what is not public, are errors.
fn documentation() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["doc", "--quiet", "--no-deps", "--package", "wgrad"]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("RUSTDOCFLAGS", "-Dwarnings");
    assert!(cargo.status().unwrap().success(), "{cargo:?}");
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("doc").join("wgrad")
}

/// The parts of `text` between `open` and the next `"`.
fn quoted<'a>(text: &'a str, open: &str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(|rest| rest.split('"').next())
}

/// The names of a family's entries.
fn entries<K: Kind>() -> impl Iterator<Item = &'static str> {
    Choice::<K>::all().map(|choice| choice.name())
}

/// The names of the registry, whose constructors are counted by its own tables.
fn registry() -> Vec<&'static str> {
    use wgrad::__internal::spec::schedule::ScheduleKind;
    let named = Activation::all().map(|f| f.name()).chain(Loss::all().map(|loss| loss.name()));
    let named = named.chain(Optimizer::all().map(|optimizer| optimizer.name()));
    let named = named.chain(Initializer::all().map(|initializer| initializer.name()));
    named.chain(entries::<ScheduleKind>()).collect()
}

/// The methods and constants on the page of a type, without those of traits and of what it dereferences to.
fn members(page: &str) -> Vec<String> {
    let own = page.split("id=\"deref-methods").next().unwrap();
    let own = own.split("id=\"trait-implementations\"").next().unwrap();
    let own = own.split("id=\"synthetic-implementations\"").next().unwrap();
    let ids = ["method.", "tymethod.", "associatedconstant."];
    let ids = ids.iter().flat_map(|kind| quoted(own, &format!("id=\"{kind}")).collect::<Vec<_>>());
    // A number after the name tells apart members that several `impl` blocks have.
    ids.map(|id| id.split('-').next().unwrap().to_string()).collect()
}

/// The members of each type, function and constant by its page, such as `ir/struct.Program.html`, a page of each name
/// only, and the modules.
fn items(documentation: &Path) -> BTreeMap<String, Vec<String>> {
    let (list, registry) = (documentation.join("all.html"), registry());
    let list = std::fs::read_to_string(list).unwrap();
    let mut items = BTreeMap::new();
    for page in quoted(&list, "<li><a href=\"").filter(|link| link.ends_with(".html")) {
        let (module, item) = page.rsplit_once('/').unwrap_or(("", page));
        let text = std::fs::read_to_string(documentation.join(page)).unwrap();
        // The members of a type alias are on the page of the type.
        let alias = item.starts_with("type.");
        let mut members = if alias { vec![] } else { members(&text) };
        if ["struct.Choice.html", "struct.Schedule.html"].contains(&item) {
            members.retain(|member| !registry.contains(&member.as_str()));
        }
        items.insert(module.to_string(), vec![]);
        items.insert(item.to_string(), members);
    }
    items
}

/// Modules, types, traits, functions, methods and constants count; fields and variants do not, nor what is hidden or
/// deprecated, nor the constructors of the registry's entries.
#[test]
fn the_documentation_builds_without_warnings_and_lists_no_more_items_than_agreed() {
    let items = items(&documentation());
    let count = items.values().map(|members| 1 + members.len()).sum::<usize>();
    assert!(items.contains_key("struct.Program.html") && items.contains_key("embed"), "{items:?}");
    assert!(items["struct.Shape.html"].contains(&"len".to_string()), "{items:?}");
    assert!(count <= MOST, "{count} public items, at most {MOST}: {items:#?}");
}
