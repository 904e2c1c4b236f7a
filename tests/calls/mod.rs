//! Random calls of the public interface, valid and hostile, on both engines: none panics, none is an internal error, both
//! refuse the same with the same kind of error, and what both give is the same.

use crate::support;

mod draw;
mod kept;
mod nets;
mod ops;
mod outcome;

use std::collections::BTreeMap;

use draw::Draw;
use outcome::{Outcome, faults, run};
use support::nets::devices;
use support::run::count;
use wgrad::Device;

/// Runs sequences of calls until there are enough, each on both engines.
fn compare(name: &str, wanted: usize, play: fn(&mut Draw, &Device, &mut Outcome)) {
    let only = std::env::var("WGRAD_CALLS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..u64::MAX, |seed: u64| seed..seed + 1);
    let devices = devices();
    let (mut calls, mut refused) = (0, 0);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seed in seeds {
        let [cpu, gpu] = devices.each_ref().map(|device| run(seed, device, play));
        calls += cpu.calls.len();
        refused += cpu.calls.iter().filter(|call| call.result.is_err()).count();
        for (what, detail) in faults(&cpu, &gpu) {
            found.entry(what).or_default().push(format!("seed {seed}: {detail}"));
        }
        if calls >= wanted {
            break;
        }
    }
    println!("{name}: {calls} calls, {refused} of them refused");
    for (what, details) in &found {
        println!(
            "{} x {what}\n    {}",
            details.len(),
            details.iter().take(2).cloned().collect::<Vec<_>>().join("\n    ")
        );
    }
    assert!(found.is_empty(), "{} kinds of faults", found.len());
    // Enough of either for the comparison to mean something.
    assert!(
        only.is_some() || (refused * 10 > calls && refused * 10 < calls * 9),
        "{refused} of {calls}"
    );
}

#[test]
fn single_ops_in_any_order_agree_on_both_engines() {
    compare("ops", count(1700, 90_000), ops::play);
}

#[test]
fn networks_and_trainers_in_any_order_of_calls_agree_on_both_engines() {
    compare("trainers", count(300, 10_000), nets::play);
}
