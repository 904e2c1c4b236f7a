//! Times of the CPU engine, without any adapter: `cargo bench -p wgrad-benches --bench cpu`, with a part of a name for the
//! rows that contain it, and `--json` for a line of JSON per row as benches/peers/python.py prints them.

mod networks;

use std::time::{Duration, Instant};

use clap::Parser;
use networks::networks;
use serde_json::json;
use wgrad::ir::{DType, Form, Interpreter, InterpreterWeights, ParamInfo, Slot, StepEntry, Steps};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::{Program, Result, Shape};

/// Measures the CPU engine
#[derive(Parser)]
struct Options {
    /// A line of JSON per row
    #[arg(long)]
    json: bool,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// A part of the names of the rows to measure
    #[arg(default_value = "")]
    only: String,
}

impl Options {
    /// Prints the median time of a call over rounds of at least 100 ms.
    fn measure(&self, name: &str, mut work: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let mut timed = |calls: u64| -> Result<Duration> {
            let begin = Instant::now();
            work(calls)?;
            Ok(begin.elapsed() / calls as u32)
        };
        timed(1)?;
        let calls = (0.1 / timed(1)?.as_secs_f64().max(1e-6)).clamp(1.0, 10_000.0) as u64;
        let mut times = (0..9).map(|_| timed(calls)).collect::<Result<Vec<_>>>()?;
        times.sort();
        let us = times[times.len() / 2].as_secs_f64() * 1e6;
        if self.json {
            println!("{}", json!({ "library": "wgrad cpu", "name": name, "us": us }));
        } else {
            println!("{name:<40} {us:>12.1} us");
        }
        Ok(())
    }

    /// Measures a program with its slots filled by small numbers of either sign.
    fn program(&self, name: &str, params: Vec<ParamInfo>, build: Build<'_>) -> Result<()> {
        if !name.contains(&self.only) {
            return Ok(());
        }
        let mut program = Program::new(name, params.clone());
        let inputs = build(&mut program)?;
        let mut cpu = Interpreter::<f32>::new(program.clone());
        for slot in inputs {
            let info = program.slot(slot)?;
            let numbers = 0..info.shape.len();
            match info.dtype {
                DType::F32 => {
                    let values: Vec<f32> = numbers.map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
                    cpu.write(slot, &values)?;
                }
                DType::U32 => {
                    let values: Vec<u32> = numbers.map(|i| (i * 7 % 10) as u32).collect();
                    cpu.write_indices(slot, &values)?;
                }
            }
        }
        let values = params.iter().map(|param| vec![0.1; param.shape.len()]).collect();
        let optimizer = Optimizer::adam();
        let mut weights = InterpreterWeights::new(&params, values, Some(&optimizer), 0);
        let steps = Steps::new(optimizer, 1);
        let rule = |step| StepEntry { rows: u32::MAX, ..steps.entry(step) };
        self.measure(name, |calls| cpu.run_steps(calls, &mut weights, rule))
    }
}

/// Adds ops to a program; returns its inputs.
type Build<'a> = &'a dyn Fn(&mut Program) -> Result<Vec<Slot>>;

fn ops(options: &Options) -> Result<()> {
    for side in [64, 256, 512, 1024] {
        for form in Form::ALL {
            let name = match form {
                Form::NN => format!("matmul {side}"),
                _ => format!("matmul.{} {side}", form.name()),
            };
            options.program(&name, vec![], &|program| {
                let shape = Shape::new(&[side, side])?;
                let [a, b] = ["a", "b"].map(|name| program.input(name, shape, DType::F32));
                program.matmul("c", a, b, form)?;
                Ok(vec![a, b])
            })?;
        }
    }
    let large = Shape::new(&[4 << 20])?;
    for f in Activation::all().filter(|f| !f.is_random() && !f.is_parametric() && f.dim().is_none())
    {
        options.program(&format!("{} 4 M", f.name()), vec![], &|program| {
            let x = program.input("x", large, DType::F32);
            program.activation("y", f, x)?;
            Ok(vec![x])
        })?;
    }
    for loss in [Loss::mse(), Loss::bce_with_logits(), Loss::huber()] {
        options.program(&format!("{} 4 M", loss.name()), vec![], &|program| {
            let [x, target] = ["x", "target"].map(|name| program.input(name, large, DType::F32));
            program.loss(loss, Reduction::Mean, (x, target), true)?;
            Ok(vec![x, target])
        })?;
    }
    let scores = Shape::new(&[4096, 1000])?;
    options.program("cross_entropy 4096 x 1000", vec![], &|program| {
        let x = program.input("x", scores, DType::F32);
        let target = program.input("target", Shape::new(&[4096])?, DType::U32);
        program.loss(Loss::cross_entropy(), Reduction::Mean, (x, target), true)?;
        Ok(vec![x, target])
    })?;
    options.program("softmax 4096 x 1000", vec![], &|program| {
        let x = program.input("x", scores, DType::F32);
        program.activation("y", Activation::softmax(), x)?;
        Ok(vec![x])
    })?;
    for tensors in [1, 1000] {
        let param = |number: usize| {
            let (name, shape) = (format!("{number}.weight"), Shape::new(&[(1 << 20) / tensors])?);
            let (l1, l2, multiplier, decays, has_gradient) = (0.0, 0.0, 1.0, true, true);
            Ok(ParamInfo { name, shape, l1, l2, multiplier, decays, has_gradient })
        };
        let params = (0..tensors).map(param).collect::<Result<Vec<_>>>()?;
        options.program(&format!("adam 1 M in {tensors}"), params, &|program| {
            program.update(Optimizer::adam(), None, Key::new(0, Stream::Optimizer))?;
            Ok(vec![])
        })?;
    }
    Ok(())
}

/// The training steps of the examples, and a wide one.
fn steps(options: &Options) -> Result<()> {
    for (name, network, io, batch) in networks(false)? {
        let name = &format!("{name} step");
        if !name.contains(&options.only) {
            continue;
        }
        let x_rows = io.program.shape(io.x)?;
        let rule = Steps { batch, ..Steps::new(Optimizer::adam(), x_rows.rows()) };
        let mut cpu = Interpreter::<f32>::new(io.program);
        let values: Vec<f32> = (0..x_rows.len()).map(|i| (i as f32 * 0.7).sin()).collect();
        cpu.write(io.x, &values)?;
        let initial = network.initial(0);
        let mut weights =
            InterpreterWeights::new(network.params(), initial, Some(&Optimizer::adam()), 0);
        options.measure(name, |calls| {
            cpu.run_steps(calls, &mut weights, |step| rule.entry(step))?;
            cpu.take_records();
            Ok(())
        })?;
    }
    Ok(())
}

fn main() -> Result<()> {
    let options = Options::parse();
    steps(&options)?;
    ops(&options)
}
