//! The block of Markdown for BENCHMARKS.md.

use std::fmt::Write as _;

use serde_json::Value;

/// The part of a figure's name after which it is a share of a ceiling.
const SHARE: &str = " of the ceiling";

/// A run's results as a section of BENCHMARKS.md.
pub fn block(all: &Value) -> String {
    let figures = Figures(&all["figures"]);
    let adapter = all["figures"]["adapter"].as_str().unwrap_or_default();
    let date = all["date"].as_str().filter(|date| !date.is_empty());
    let date = date.map(|date| format!(", {date}")).unwrap_or_default();
    let sizes = if all["quick"] == true { " with small sizes and few rounds" } else { "" };
    let seconds = all["seconds"].as_f64().unwrap_or_default();
    let mut text = format!("## {adapter}{date}\n\n");
    let _ = writeln!(
        text,
        "`scripts/device-report`{sizes}, one run of {seconds:.0} s. {}",
        tests(&all["tests"])
    );
    text += &kernels(&figures);
    text += &steps(&figures);
    text += &others(&figures);
    text += &peers(&figures, all["peers"].as_array().map_or(&[], Vec::as_slice));
    text
}

fn tests(tests: &Value) -> String {
    let (passed, seconds) = (&tests["passed"], tests["seconds"].as_f64().unwrap_or_default());
    let failed: Vec<&str> =
        tests["failed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let end = if tests["complete"] == true { "" } else { ", then the time was up" };
    match failed.as_slice() {
        [] => format!("Kernel tests: {passed} passed in {seconds:.0} s{end}."),
        _ => format!("Kernel tests: {passed} passed{end}; **failed: {}**.", failed.join(", ")),
    }
}

/// The figures of the report by name.
struct Figures<'a>(&'a Value);

impl Figures<'_> {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.as_object().into_iter().flat_map(|all| all.keys().map(String::as_str))
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.0[name]["value"].as_f64()
    }

    fn text(&self, name: &str) -> String {
        let unit = self.0[name]["unit"].as_str().unwrap_or_default();
        let unit = if unit == "us" { "µs" } else { unit };
        self.value(name).map(|value| format!("{} {unit}", short(value))).unwrap_or_default()
    }
}

/// Three significant digits, or all before the point.
fn short(value: f64) -> String {
    let digits = (2.0 - value.abs().max(1e-9).log10().floor()).clamp(0.0, 3.0) as usize;
    format!("{value:.digits$}")
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rule = vec!["---"; head.len()].join("|");
    let mut text = format!("\n| {} |\n|{rule}|\n", head.join(" | "));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn kernels(figures: &Figures<'_>) -> String {
    let is_kernel = |name: &&str| {
        let others = ["with checks", "numbers", SHARE];
        !others.iter().any(|other| name.contains(other))
    };
    let kinds = ["ceiling", "matmul", "activation", "cross_entropy", "adam"].into_iter();
    let of_kind = |kind| figures.names().filter(move |name| name.starts_with(kind));
    let row = |name: &str| {
        let share = figures.value(&format!("{name}{SHARE}"));
        let share = share.map(|share| format!("{share:.0} %")).unwrap_or_default();
        vec![name.to_string(), figures.text(name), share]
    };
    let rows: Vec<_> = kinds.flat_map(of_kind).filter(is_kernel).map(row).collect();
    table(&["", "", "of the ceiling"], &rows)
}

fn steps(figures: &Figures<'_>) -> String {
    let names = figures.names().filter_map(|name| name.strip_suffix(" step, fusion Auto"));
    let row = |name: &str| {
        let by_fusion = ["Auto", "Layers", "Never"].map(|fusion| {
            let own = format!("{name} step, fusion {fusion}");
            let dispatches = figures.value(&format!("{own}: dispatches")).unwrap_or_default();
            format!("{} ({dispatches})", figures.text(&own))
        });
        let cpu = figures.text(&format!("{name} step, cpu"));
        [name.to_string()].into_iter().chain(by_fusion).chain([cpu]).collect()
    };
    let rows: Vec<Vec<String>> = names.map(row).collect();
    let head = ["step (dispatches)", "fused", "layers", "op by op", "CPU reference"];
    table(&head, &rows)
}

fn others(figures: &Figures<'_>) -> String {
    let is_other = |name: &&str| {
        ["with checks", "recording", "bare loop", "one row", "small ops"]
            .iter()
            .any(|part| name.contains(part))
    };
    let row = |name: &str| vec![name.to_string(), figures.text(name)];
    let rows: Vec<_> = figures.names().filter(is_other).map(row).collect();
    table(&["", ""], &rows)
}

/// What the report measured in microseconds, by the names that `python.py` has for it.
fn times(figures: &Figures<'_>) -> Vec<(String, f64)> {
    let bytes = |name: &str, bytes: f64| Some(bytes / figures.value(name)? / 1e3);
    let gelu = |millions: u32| {
        bytes("activation.gelu", 8.0 * f64::from(millions) * f64::from(1 << 20))
            .map(|time| (format!("gelu {millions} M"), time))
    };
    let products = figures.names().filter_map(|name| {
        let side: f64 = name.strip_prefix("matmul.nn ")?.parse().ok()?;
        Some((format!("matmul {side}"), 2.0 * side.powi(3) / figures.value(name)? / 1e3))
    });
    let steps = figures.names().filter_map(|name| {
        let step = name.strip_suffix(", fusion Auto")?;
        Some((step.to_string(), figures.value(name)?))
    });
    let adam = [1, 1000].into_iter().filter_map(|tensors| {
        let time = bytes(&format!("adam 1 M parameters in {tensors} tensors"), 28e6)?;
        Some((format!("adam 1 M in {tensors}"), time))
    });
    let entropy = "cross_entropy 4096 x 1000";
    let entropy = bytes(entropy, 8.0 * 4096.0 * 1000.0).map(|time| (entropy.to_string(), time));
    // The rate is that of one size; a GPU's is of 64 Mi numbers.
    let large = figures.value("activation: numbers").is_some_and(|numbers| numbers > 1e7);
    let gelu = gelu(if large { 64 } else { 4 });
    steps.chain(products).chain(adam).chain(entropy).chain(gelu).collect()
}

fn peers(figures: &Figures<'_>, peers: &[Value]) -> String {
    let mut libraries: Vec<&str> = Vec::new();
    for library in peers.iter().filter_map(|figure| figure["library"].as_str()) {
        if !libraries.contains(&library) {
            libraries.push(library);
        }
    }
    if libraries.is_empty() {
        return "\nPyTorch was not there to compare with.\n".to_string();
    }
    let time = |library: &str, name: &str| {
        let mut own = peers.iter().filter(|figure| figure["library"] == library);
        own.find(|figure| figure["name"] == name)?["us"].as_f64()
    };
    let rows = times(figures).into_iter().filter_map(|(name, own)| {
        let other = |library: &&str| match time(library, &name) {
            Some(time) => format!("{} ({} x)", short(time), short(time / own)),
            None => String::new(),
        };
        let others: Vec<String> = libraries.iter().map(other).collect();
        let has_any = others.iter().any(|cell| !cell.is_empty());
        has_any.then(|| [name.clone(), short(own)].into_iter().chain(others).collect())
    });
    let head: Vec<&str> = ["µs", "wgrad"].into_iter().chain(libraries.iter().copied()).collect();
    let rows: Vec<Vec<String>> = rows.collect();
    table(&head, &rows)
}
