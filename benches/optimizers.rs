//! How fast the updates are: bytes moved per parameter as counted, and bandwidth beside the copy kernel's (`identity`), in
//! one run on one adapter. Prints a table. `cargo bench -p wgrad-benches --bench optimizers`; `WGRAD_DEVICE` names the adapter, a number as
//! argument sets the parameters in millions (16 without one, 1 on a software adapter), a name measures that optimizer
//! alone.

use std::time::Instant;

use wgrad::__internal::spec::optimizer::Takes;
use wgrad::embed::Gpu;
use wgrad::ir::{DType, ParamInfo, Plan, PlanWeights, StepEntry, Steps};
use wgrad::random::{Key, Stream};
use wgrad::{Activation, Optimizer, Program, Result, Shape};

/// Steps per submission.
const STEPS: u64 = 4;
/// Submissions, of which the median counts.
const ROUNDS: usize = 7;

/// The seconds of one step of a plan.
fn seconds(gpu: &Gpu, plan: &mut Plan) -> Result<f64> {
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

/// The seconds of a copy of as many numbers.
fn copy(gpu: &Gpu, len: usize) -> Result<f64> {
    let mut program = Program::new("copy", vec![]);
    let x = program.input("x", Shape::new(&[len])?, DType::F32);
    program.activation("y", Activation::identity(), x)?;
    let mut plan = Plan::new(gpu, program, None, &[], 0, |_| StepEntry::rows(usize::MAX))?;
    seconds(gpu, &mut plan)
}

/// The seconds of an update, all but the end of the step in one dispatch, and the bytes that it reads and writes per
/// parameter: gradient, parameter twice, each state value twice.
fn update(gpu: &Gpu, optimizer: Optimizer, len: usize) -> Result<(f64, usize)> {
    let (name, shape) = ("w".to_string(), Shape::new(&[len])?);
    let param = ParamInfo {
        name,
        shape,
        l1: 0.0,
        l2: 0.0,
        multiplier: 1.0,
        decays: true,
        has_gradient: true,
    };
    let mut program = Program::new("update", vec![param]);
    program.update(optimizer, None, Key::new(0, Stream::Optimizer))?;
    program.record(&[])?;
    let weights = PlanWeights::new(gpu, program.params(), Some(&optimizer), 0)?;
    let rule = Steps::new(optimizer, 1);
    let mut plan = Plan::new(gpu, program, Some(&weights), &[], 0, move |step| rule.entry(step))?;
    Ok((seconds(gpu, &mut plan)?, 12 + 8 * optimizer.states().len()))
}

fn main() -> Result<()> {
    let gpu = pollster::block_on(Gpu::named(&std::env::var("WGRAD_DEVICE").unwrap_or_default()))?;
    let millions: usize = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(if gpu.is_software() { 1 } else { 16 });
    let wanted = std::env::args().skip(1).find(|word| word.starts_with(char::is_alphabetic));
    let len = millions << 20;
    println!("{gpu}, {millions} Mi parameters, median of {ROUNDS} times {STEPS} steps");
    let copy = (8 * len) as f64 / copy(&gpu, len)? / 1e9;
    println!("copy: {copy:.1} GB/s\n{:<22} {:>9} {:>9} {:>7}", "", "B / param", "GB/s", "/ copy");
    let named = ["sgd", "momentum"].iter().map(|name| name.parse().expect("a name"));
    let one_dispatch = |optimizer: &Optimizer| {
        let kind = &optimizer.entry().kind;
        let takes = [Takes::Element, Takes::Noise, Takes::Tensor { norms: false }];
        takes.contains(&kind.takes) && !optimizer.takes_loss() && optimizer.name() != "sgd"
    };
    for optimizer in named.chain(Optimizer::all().filter(one_dispatch)) {
        if wanted.as_ref().is_some_and(|wanted| wanted != optimizer.name()) {
            continue;
        }
        let (seconds, bytes) = update(&gpu, optimizer, len)?;
        let rate = (bytes * len) as f64 / seconds / 1e9;
        println!("{:<22} {bytes:>9} {rate:>9.1} {:>7.2}", optimizer.to_string(), rate / copy);
    }
    Ok(())
}
