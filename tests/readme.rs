//! The README's tables of ops are those of the registry, and the guide shows what there is.

use crate::support;

use std::collections::BTreeSet;

use support::golden::load;
use support::measured::{self, Errors};
use wgrad::__internal::spec::activation::{ActivationKind, Saves};
use wgrad::__internal::spec::{initializer, schedule};
use wgrad::spec::{Choice, Kind, ParamKind};
use wgrad::{Activation, Loss, Optimizer};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

fn names<K: Kind>(op: &Choice<K>) -> [String; 3] {
    let entry = op.entry();
    let aliases: Vec<&str> = entry.aliases.iter().map(|alias| alias.name).collect();
    let params = entry.params.iter().map(|param| match (param.default, param.kind) {
        (default, _) if default.is_nan() => format!("{} (required)", param.name),
        (_, ParamKind::Choice([first, others @ ..])) => {
            format!("{} = {first} (or {})", param.name, others.join(", "))
        }
        (default, _) => format!("{} = {}", param.name, param.text(default)),
    });
    let params = params.collect::<Vec<_>>().join(", ");
    [entry.name.to_string(), aliases.join(", "), params]
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn table<K: Kind>(title: &str, ops: impl Iterator<Item = Choice<K>>) -> String {
    let mut text = format!(
        "\n### {title}\n\n| name | also | parameters | formula | source |\n|---|---|---|---|---|\n"
    );
    for op in ops {
        let rest = [format!("`{}`", op.entry().formula), op.entry().source.to_string()];
        text += &row(names(&op).into_iter().chain(rest));
    }
    text
}

/// A number in as few characters as its first four digits take.
fn short(x: f64) -> String {
    match x {
        _ if x.is_nan() => "NaN".to_string(),
        _ if x.is_infinite() => if x > 0.0 { "∞" } else { "−∞" }.to_string(),
        _ => format!("{}", (x * 1e4).round() / 1e4).replace('-', "−"),
    }
}

/// An elementwise activation's value and derivative at minus and plus infinity and the derivative at NaN, as the
/// reference has them.
fn limits(f: &Activation) -> String {
    if !matches!(f.entry().kind, ActivationKind::Elementwise(_)) {
        return String::new();
    }
    let at = |x: f64| {
        let (mut y, mut slope) = ([0.0], [0.0]);
        f.forward(1, &[x], &mut y);
        let saved = if f.saves() == Saves::Output { y } else { [x] };
        f.backward(1, &saved, &[1.0], &mut slope);
        (short(y[0]), short(slope[0]))
    };
    let [left, right, nan] = [f64::NEG_INFINITY, f64::INFINITY, f64::NAN].map(at);
    assert_eq!(nan.0, "NaN", "{f}");
    format!("{}, {}; {}, {}, {}", left.0, right.0, left.1, right.1, nan.1)
}

/// The absolute errors that always pass, of the value, the derivative and the second derivative.
fn floors(f: &Activation) -> [f64; 3] {
    let ActivationKind::Elementwise(map) = &f.entry().kind else { return [0.0; 3] };
    let second = map.second.as_ref().map_or(0.0, |second| second.bound.floor);
    [map.forward.floor, map.derivative.floor, second]
}

/// The measured errors, by adapter the value, the derivative and the second derivative, each with its floor.
fn measured(f: &Activation, errors: &Errors) -> String {
    let floors = floors(f);
    let cell = |(ulp, floor): (f64, f64)| match floor {
        0.0 => format!("{ulp:.1}"),
        floor => format!("{ulp:.1} or {floor:e}"),
    };
    let adapters: BTreeSet<&String> = errors.keys().map(|(_, _, adapter)| adapter).collect();
    let of = |adapter: &String| {
        let error = |order| errors.get(&(f.name().to_string(), order, adapter.clone()));
        let found = (0..3).zip(floors).filter_map(|(order, floor)| Some((*error(order)?, floor)));
        found.map(cell).collect::<Vec<_>>().join(", ")
    };
    let cells: Vec<String> = adapters.into_iter().map(of).collect();
    if cells.iter().all(String::is_empty) {
        return String::new();
    }
    let shown = cells.iter().map(|cell| if cell.is_empty() { "–" } else { cell });
    shown.collect::<Vec<_>>().join(" / ")
}

fn activations() -> String {
    let errors = measured::load();
    let adapters: BTreeSet<&String> = errors.keys().map(|(_, _, adapter)| adapter).collect();
    assert!(adapters.len() >= 2, "errors measured on {adapters:?} only");
    let golden = |name| load(name).into_iter().map(|case| case.op).collect::<BTreeSet<_>>();
    let (torch, jax) = (golden("activations"), golden("activations_jax"));
    let adapters = adapters.into_iter().map(String::as_str).collect::<Vec<_>>().join(" / ");
    let mut text = format!(
        "\n### Activations\n\nLimits: the value at −∞ and ∞; the derivative at −∞, ∞ and NaN. The value at NaN is NaN. \
         Error: the worst in units in the last\nplace of the value, the derivative and, if there is one, the second \
         derivative, on {adapters}.\nWhere a result crosses zero by cancellation, absolute errors up to the number \
         behind \"or\" are not among them: near a zero they are\nany number of units (the derivative of silu near -1.28 \
         is up to 660 units off, which is 2e-8). Row-wise and other activations: their\nbounds are in the tests. \
         Checked against, beside the `f64` reference and its finite differences: golden vectors of these packages.\n\n| name | also | \
         parameters | formula | limits | error | checked against | source |\n|---|---|---|---|---|---|---|---|\n"
    );
    for f in Activation::all() {
        let sources = [("PyTorch", &torch), ("JAX", &jax)];
        let oracles = sources.iter().filter(|(_, ops)| ops.contains(f.name()));
        let oracles: Vec<&str> = oracles.map(|(name, _)| *name).collect();
        let oracles = if oracles.is_empty() { "none".to_string() } else { oracles.join(", ") };
        let formula = format!("`{}`", f.entry().formula);
        let source = f.entry().source.to_string();
        let rest = [formula, limits(&f), measured(&f, &errors), oracles, source];
        text += &row(names(&f).into_iter().chain(rest));
    }
    text
}

/// The initializers that dense layers draw their weights from, and before which activations.
fn default_initializers() -> String {
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    for f in Activation::all() {
        let Some(initializer) = f.initializer() else { continue };
        match rows.iter_mut().find(|(name, _)| *name == initializer.to_string()) {
            Some((_, activations)) => activations.push(f.name()),
            None => rows.push((initializer.to_string(), vec![f.name()])),
        }
    }
    let keep: Vec<&str> =
        Activation::all().filter(|f| f.initializer().is_none()).map(|f| f.name()).collect();
    let mut text = format!(
        "\nA dense layer without an initializer of its own draws its weights as suits the activation that follows, past norms and\n\
         what keeps the scale ({}), and from `xavier_uniform` if none follows:\n\n| initializer | before |\n|---|---|\n",
        keep.join(", ")
    );
    for (initializer, activations) in rows {
        text += &row([format!("`{initializer}`"), activations.join(", ")]);
    }
    text
}

#[test]
fn the_tables_of_ops_in_the_readme_are_those_of_the_registry() {
    let tables = [
        activations(),
        table("Losses", Loss::all()),
        table("Optimizers", Optimizer::all()),
        table("Schedules", Choice::<schedule::ScheduleKind>::all()),
        table("Initializers", Choice::<initializer::InitializerKind>::all()),
        default_initializers(),
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
        let differs = readme.lines().zip(wanted.lines()).find(|(have, want)| have != want);
        assert!(
            readme == wanted,
            "{differs:?}: run WGRAD_UPDATE=1 cargo test -p wgrad-tests --test suite readme"
        );
    }
}

#[test]
fn the_guide_shows_the_files_as_they_are() {
    let read = |path: &str| {
        let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let lines = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let guide = read("docs/adding-an-op.md");
    // A block of code after a line that ends with the name of a file.
    let parts: Vec<&str> = guide.split("`:\n\n```").collect();
    for pair in parts.windows(2) {
        let path = pair[0].rsplit('`').next().unwrap();
        let (_, code) = pair[1].split_once('\n').unwrap();
        let (code, _) = code.split_once("```").unwrap();
        assert!(lines(&read(path)).contains(&lines(code)), "{path} has no\n{code}");
    }
    assert_eq!(parts.len(), 7, "an activation, a loss and an optimizer, each two files");
}
