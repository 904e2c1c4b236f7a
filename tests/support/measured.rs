//! Measured errors of the kernels, committed in `tests/measured/activations.csv`: op, which derivative, adapter, the worst
//! error in units in the last place. `WGRAD_MEASURE=1 cargo test -p wgrad-tests --test suite ops activation` measures this run's adapter anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/measured/activations.csv");
const HEAD: &str = "op,derivative,adapter,ulp";

/// The worst error by op, number of the derivative and adapter.
pub type Errors = BTreeMap<(String, usize, String), f64>;

/// What is committed.
pub fn load() -> Errors {
    let text = std::fs::read_to_string(Path::new(PATH)).expect("tests/measured/activations.csv");
    let row = |line: &str| {
        let mut cells = line.split(',').map(str::to_string);
        let mut cell = || cells.next().unwrap_or_else(|| panic!("{line}"));
        ((cell(), cell().parse().unwrap(), cell()), cell().parse().unwrap())
    };
    text.lines().skip(1).map(row).collect()
}

/// Writes the errors of this run's adapter, if `WGRAD_MEASURE=1` asks for it.
pub fn note(adapter: &str, derivative: usize, errors: &[(String, f64)]) {
    static WRITING: Mutex<()> = Mutex::new(());
    if !std::env::var("WGRAD_MEASURE").is_ok_and(|value| value == "1") {
        return;
    }
    let _guard = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = load();
    // An adapter's name may hold a comma.
    let adapter = adapter.replace(',', ";");
    for (op, ulps) in errors {
        all.insert((op.clone(), derivative, adapter.clone()), *ulps);
    }
    let rows = all.iter().map(|((op, derivative, adapter), ulps)| {
        format!("{op},{derivative},{adapter},{ulps:.2}\n")
    });
    let text = format!("{HEAD}\n{}", rows.collect::<String>());
    std::fs::write(PATH, text).expect("tests/measured is there");
}
