//! The README's tables of ops are those of the registry.

use std::fmt::Write as _;

use wgrad::spec::{Choice, Kind, initializer, schedule};
use wgrad::{Activation, Loss, Optimizer};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

fn table<K: Kind>(title: &str, ops: impl Iterator<Item = Choice<K>>) -> String {
    let mut text = format!(
        "\n### {title}\n\n| name | also | parameters | formula | source |\n|---|---|---|---|---|\n"
    );
    for op in ops {
        let entry = op.entry();
        let aliases: Vec<&str> = entry.aliases.iter().map(|alias| alias.name).collect();
        let params = entry.params.iter().map(|param| match param.default {
            default if default.is_nan() => format!("{} (required)", param.name),
            default => format!("{} = {default}", param.name),
        });
        let params = params.collect::<Vec<_>>().join(", ");
        let formula = format!("`{}`", entry.formula);
        let cells = [entry.name, &aliases.join(", "), &params, &formula, entry.source];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        writeln!(text, "| {} |", cells.join(" | ")).unwrap();
    }
    text
}

#[test]
fn the_tables_of_ops_in_the_readme_are_those_of_the_registry() {
    let tables = [
        table("Activations", Activation::all()),
        table("Losses", Loss::all()),
        table("Optimizers", Optimizer::all()),
        table("Schedules", Choice::<schedule::ScheduleKind>::all()),
        table("Initializers", Choice::<initializer::InitializerKind>::all()),
    ];
    let readme = std::fs::read_to_string(PATH).unwrap();
    let (head, rest) = readme.split_once("<!-- ops:begin").expect("the README marks its tables");
    let (marker, _) = rest.split_once('\n').expect("the marker ends its line");
    let (_, tail) = rest.split_once("<!-- ops:end -->").expect("the README marks the tables' end");
    let wanted =
        format!("{head}<!-- ops:begin{marker}\n{}\n<!-- ops:end -->{tail}", tables.concat());
    if std::env::var_os("WGRAD_UPDATE").is_some() {
        std::fs::write(PATH, &wanted).unwrap();
    } else {
        assert_eq!(readme, wanted, "run WGRAD_UPDATE=1 cargo test --test readme");
    }
}
