//! How fast the kernels of activations are: every elementwise one beside the copy kernel (`identity`), in one run on one
//! adapter, and row-wise ones over short and long rows. Prints a table. `cargo bench -p wgrad-benches --bench activations`;
//! `WGRAD_DEVICE` names the adapter, a number as argument sets the elements in millions (32 without one, 1 on a software
//! adapter), a name measures that op alone.

use std::time::Instant;

use wgrad::__internal::spec::activation::ActivationKind;
use wgrad::embed::Gpu;
use wgrad::ir::{DType, Plan, StepEntry};
use wgrad::{Activation, Program, Result, Shape};

/// Dispatches per submission.
const STEPS: u64 = 4;
/// Submissions, of which the median counts.
const ROUNDS: usize = 7;

/// The seconds that one dispatch over a tensor takes.
fn seconds(gpu: &Gpu, f: Activation, shape: &[usize], backward: bool) -> Result<f64> {
    let mut program = Program::new("bench", vec![]);
    let x = program.input("x", Shape::new(shape)?, DType::F32);
    if backward {
        let out = program.input("y", Shape::new(shape)?, DType::F32);
        let g = program.input("g", Shape::new(shape)?, DType::F32);
        program.activation_backward("dx", f, (x, out), g)?;
    } else {
        program.activation("y", f, x)?;
    }
    let mut plan = Plan::new(gpu, program, None, &[], 0, |_| StepEntry::rows(usize::MAX))?;
    let numbers: Vec<f32> =
        (0..Shape::new(shape)?.len()).map(|i| ((i * 7919 % 1000) as f32 - 500.0) / 125.0).collect();
    plan.write(x, &numbers)?;
    let mut round = || -> Result<f64> {
        let start = Instant::now();
        plan.run(STEPS)?;
        gpu.device().poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
        Ok(start.elapsed().as_secs_f64() / STEPS as f64)
    };
    round()?;
    let mut times = (0..ROUNDS).map(|_| round()).collect::<Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}

fn main() -> Result<()> {
    let gpu = pollster::block_on(Gpu::named(&std::env::var("WGRAD_DEVICE").unwrap_or_default()))?;
    let millions: usize = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(if gpu.is_software() { 1 } else { 32 });
    let wanted = std::env::args().skip(1).find(|word| word.starts_with(char::is_alphabetic));
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let len = millions << 20;
    println!("{gpu}, {millions} Mi elements, median of {ROUNDS} times {STEPS} dispatches");
    let copy =
        [false, true].map(|backward| seconds(&gpu, Activation::identity(), &[len], backward));
    let [copy, copy_back] = copy;
    let (copy, copy_back) = (copy?, copy_back?);
    let rate = |bytes: usize, seconds: f64| (bytes * len) as f64 / seconds / 1e9;
    println!("{:<18} {:>9} {:>7} {:>9} {:>7}", "", "GB/s", "/ copy", "backward", "/ copy");
    let mut least = f64::INFINITY;
    for f in Activation::all().filter(|f| is_wanted(f.name())) {
        if !matches!(f.entry().kind, ActivationKind::Elementwise(_)) {
            continue;
        }
        let (there, back) = (seconds(&gpu, f, &[len], false)?, seconds(&gpu, f, &[len], true)?);
        least = least.min(copy / there);
        println!(
            "{:<18} {:>9.1} {:>7.2} {:>9.1} {:>7.2}",
            f.name(),
            rate(8, there),
            copy / there,
            rate(12, back),
            copy_back / back
        );
    }
    println!("the slowest forward has {least:.2} of the copy's bandwidth\n");
    println!("{:<18} {:>18} {:>11} {:>11} {:>9}", "", "shape", "us forward", "us backward", "GB/s");
    for name in
        ["softmax", "log_softmax", "sparsemax", "hardmax"].into_iter().filter(|f| is_wanted(f))
    {
        let f: Activation = name.parse()?;
        for (rows, cols) in [(1000, 3), (100_000, 10), (4096, 256), (1024, 4096), (1, 1 << 20)] {
            let shape = [rows, cols];
            let there = seconds(&gpu, f, &shape, false)?;
            let back = seconds(&gpu, f, &shape, true)?;
            println!(
                "{name:<18} {:>18} {:>11.1} {:>11.1} {:>9.1}",
                format!("{shape:?}"),
                there * 1e6,
                back * 1e6,
                (8 * rows * cols) as f64 / there / 1e9
            );
        }
    }
    Ok(())
}
