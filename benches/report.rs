//! Measures in one run what a device can do and what wgrad makes of it: the device's own ceilings, kernels as a fraction of
//! them, training steps. `cargo bench -p wgrad-benches --bench report -- --help` lists sections and options.

mod networks;

use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use networks::networks;
use serde_json::{Map, Value, json};
use wgrad::embed::{Choices, Fusion, Gpu};
use wgrad::ir::{DType, Form, Interpreter, Plan, PlanWeights, StepEntry, Steps};
use wgrad::prelude::*;
use wgrad::{Program, Result, Shape};

/// Measures a device, and the library on it
#[derive(Parser)]
struct Options {
    /// Fewer rounds and smaller sizes
    #[arg(long)]
    quick: bool,
    /// One JSON object in place of lines
    #[arg(long)]
    json: bool,
    /// A part of the adapter's name, or gpu for any; without it WGRAD_DEVICE
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// The sections, all without any
    #[arg(value_enum)]
    sections: Vec<Section>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Section {
    Matmul,
    Elementwise,
    Adam,
    Steps,
    Checks,
    Recording,
    Rows,
}

/// The figures so far.
struct Report {
    gpu: Gpu,
    options: Options,
    figures: Map<String, Value>,
}

impl Report {
    fn add(&mut self, name: &str, value: f64, unit: &str) {
        if !self.options.json {
            println!("{name:<48} {value:>12.2} {unit}");
        }
        self.figures.insert(name.to_string(), json!({ "value": value, "unit": unit }));
    }

    fn wants(&self, section: Section) -> bool {
        let sections = &self.options.sections;
        sections.is_empty() || sections.contains(&section)
    }

    /// The median of the seconds per call of several rounds, each as long as it takes to be measured; `work` does so many calls.
    fn seconds(&self, mut work: impl FnMut(u64) -> Result<()>) -> Result<f64> {
        let (rounds, moment) = if self.options.quick { (3, 20) } else { (7, 100) };
        let moment = Duration::from_millis(moment).as_secs_f64();
        let mut timed = |calls: u64| -> Result<f64> {
            let begin = Instant::now();
            work(calls)?;
            Ok(begin.elapsed().as_secs_f64() / calls as f64)
        };
        timed(1)?;
        let calls = (moment / timed(1)?).clamp(1.0, 2000.0) as u64;
        let mut times = (0..rounds).map(|_| timed(calls)).collect::<Result<Vec<_>>>()?;
        times.sort_by(f64::total_cmp);
        Ok(times[rounds / 2])
    }

    fn plan_seconds(&self, plan: &mut Plan) -> Result<f64> {
        self.seconds(|calls| {
            let mut left = calls;
            while left > 0 {
                let steps = left.min(64).min(plan.most_steps().max(1));
                plan.run(steps)?;
                left -= steps;
                if left.is_multiple_of(256) {
                    wait(plan.gpu());
                }
            }
            wait(plan.gpu());
            Ok(())
        })
    }
}

fn wait(gpu: &Gpu) {
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
}

/// A shader of its own over one buffer, for what the device itself can do.
fn bare(report: &Report, source: &str, bytes: u64, groups: u32) -> Result<f64> {
    let device = report.gpu.device();
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("bare"),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("bare"),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let buffers = [0, 1].map(|_| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("bare"),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    });
    let entries = [0, 1].map(|number| wgpu::BindGroupEntry {
        binding: number,
        resource: buffers[number as usize].as_entire_binding(),
    });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("bare"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    report.seconds(|calls| {
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        (0..calls)
            .for_each(|_| pass.dispatch_workgroups(groups.min(65_535), groups.div_ceil(65_535), 1));
        drop(pass);
        report.gpu.queue().submit([encoder.finish()]);
        wait(&report.gpu);
        Ok(())
    })
}

const BINDINGS: &str = "@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
";

/// Copy bandwidth, multiply-adds per second, and what an empty dispatch costs.
fn ceilings(report: &mut Report) -> Result<[f64; 2]> {
    let len: u64 = if report.gpu.is_software() { 4 << 20 } else { 64 << 20 };
    let copy = format!(
        "{BINDINGS}@compute @workgroup_size(64)\nfn main(@builtin(workgroup_id) g: vec3<u32>, \
         @builtin(num_workgroups) n: vec3<u32>, @builtin(local_invocation_index) l: u32) {{\n    \
         let i = (g.y * n.x + g.x) * 64u + l;\n    if i < arrayLength(&y) {{\n        y[i] = x[i];\n    }}\n}}"
    );
    let bytes = len * 4 / 2;
    let bandwidth = 2.0 * bytes as f64 / bare(report, &copy, bytes, (bytes / 1024) as u32)? / 1e9;
    report.add("ceiling: copy", bandwidth, "GB/s");
    let turns = 256;
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let start = names
        .map(|n| format!("    var {n} = x[l % 64u] + {:.1};\n", f64::from(n.as_bytes()[0])))
        .concat();
    let body = names.map(|n| format!("        {n} = fma({n}, m, m);\n")).concat();
    let multiply = format!(
        "{BINDINGS}@compute @workgroup_size(64)\nfn main(@builtin(local_invocation_index) l: u32) {{\n{start}    \
         let m = vec4(0.5);\n    for (var i = 0u; i < {turns}u; i++) {{\n{body}    }}\n    \
         if a.x + b.x + c.x + d.x + e.x + f.x + g.x + h.x == 12345.0 {{\n        y[l] = a;\n    }}\n}}"
    );
    let groups = if report.gpu.is_software() { 64 } else { 8192 };
    let flops = f64::from(groups) * 64.0 * f64::from(turns) * 8.0 * 4.0 * 2.0;
    let rate = flops / bare(report, &multiply, 1 << 16, groups)? / 1e9;
    report.add("ceiling: multiply-add", rate, "GFLOP/s");
    let empty =
        format!("{BINDINGS}@compute @workgroup_size(1)\nfn main() {{\n    y[0] = x[0];\n}}");
    let each = bare(report, &empty, 1 << 16, 1)? * 1e6;
    report.add("ceiling: a dispatch of one workgroup", each, "us");
    Ok([bandwidth, rate])
}

fn single(gpu: &Gpu, build: impl FnOnce(&mut Program) -> Result<()>) -> Result<Plan> {
    let mut program = Program::new("bench", vec![]);
    build(&mut program)?;
    Plan::new(gpu, program, None, &[], 0, |_| StepEntry::rows(usize::MAX))
}

fn matmul(report: &mut Report, ceiling: f64) -> Result<()> {
    let sides: &[usize] = match (report.options.quick, report.gpu.is_software()) {
        (true, _) => &[256, 512],
        (false, true) => &[64, 256, 512, 1024],
        (false, false) => &[256, 512, 1024, 2048, 4096],
    };
    for (&side, form) in sides.iter().flat_map(|side| Form::ALL.map(|form| (side, form))) {
        let shape = Shape::new(&[side, side])?;
        let mut plan = single(&report.gpu, |program| {
            let [a, b] = ["a", "b"].map(|name| program.input(name, shape, DType::F32));
            program.matmul("c", a, b, form).map(drop)
        })?;
        let rate = 2.0 * (side as f64).powi(3) / report.plan_seconds(&mut plan)? / 1e9;
        report.add(&format!("matmul.{} {side}", form.name()), rate, "GFLOP/s");
        report.add(
            &format!("matmul.{} {side} of the ceiling", form.name()),
            100.0 * rate / ceiling,
            "%",
        );
    }
    Ok(())
}

fn elementwise(report: &mut Report, ceiling: f64) -> Result<()> {
    let len = if report.gpu.is_software() { 4 << 20 } else { 64 << 20 }
        >> usize::from(report.options.quick);
    report.add("activation: numbers", len as f64, "");
    for f in [Activation::identity(), Activation::relu(), Activation::gelu(), Activation::tanh()] {
        let mut plan = single(&report.gpu, |program| {
            let x = program.input("x", Shape::new(&[len])?, DType::F32);
            program.activation("y", f, x).map(drop)
        })?;
        let rate = 8.0 * len as f64 / report.plan_seconds(&mut plan)? / 1e9;
        report.add(&format!("activation.{f}"), rate, "GB/s");
        report.add(&format!("activation.{f} of the ceiling"), 100.0 * rate / ceiling, "%");
    }
    let (rows, cols) = (4096 >> usize::from(report.options.quick), 1000);
    let mut plan = single(&report.gpu, |program| {
        let x = program.input("x", Shape::new(&[rows, cols])?, DType::F32);
        let target = program.input("target", Shape::new(&[rows])?, DType::U32);
        program.loss(Loss::cross_entropy(), Reduction::Mean, (x, target), true).map(drop)
    })?;
    let rate = 8.0 * (rows * cols) as f64 / report.plan_seconds(&mut plan)? / 1e9;
    report.add(&format!("cross_entropy {rows} x {cols}"), rate, "GB/s");
    Ok(())
}

/// Adam on as many parameters in as many tensors.
fn adam(report: &mut Report, ceiling: f64) -> Result<()> {
    let millions = if report.options.quick { vec![1] } else { vec![1, 16] };
    for (millions, tensors) in millions.iter().flat_map(|&m| [(m, 1usize), (m, 1000)]) {
        let len = millions * 1_000_000;
        let param = |number: usize| {
            let (name, shape) = (format!("{number}.weight"), Shape::new(&[len / tensors])?);
            let (l1, l2, multiplier, decays, has_gradient) = (0.0, 0.0, 1.0, true, true);
            Ok(wgrad::ir::ParamInfo { name, shape, l1, l2, multiplier, decays, has_gradient })
        };
        let params = (0..tensors).map(param).collect::<Result<Vec<_>>>()?;
        let optimizer = Optimizer::adam();
        let weights = PlanWeights::new(&report.gpu, &params, Some(&optimizer), 0)?;
        let mut program = Program::new("adam", params);
        let key = wgrad::random::Key::new(0, wgrad::random::Stream::Optimizer);
        program.update(optimizer, None, key)?;
        let steps = Steps::new(optimizer, 1);
        let mut plan =
            Plan::new(&report.gpu, program, Some(&weights), &[], 0, move |step| steps.entry(step))?;
        let rate = 28.0 * len as f64 / report.plan_seconds(&mut plan)? / 1e9;
        let name = format!("adam {millions} M parameters in {tensors} tensors");
        report.add(&name, rate, "GB/s");
        report.add(&format!("{name} of the ceiling"), 100.0 * rate / ceiling, "%");
    }
    Ok(())
}

fn steps(report: &mut Report) -> Result<()> {
    for (name, network, io, batch) in networks(true)? {
        let rows = io.program.shape(io.x)?.rows();
        let rule = Steps { batch, ..Steps::new(Optimizer::adam(), rows) };
        for fusion in [Fusion::Auto, Fusion::Layers, Fusion::Never] {
            let gpu = report.gpu.choosing(Choices { fusion, ..report.gpu.choices() });
            let weights = PlanWeights::new(&gpu, network.params(), Some(&Optimizer::adam()), 0)?;
            let (program, rule) = (io.program.clone(), rule.clone());
            let mut plan =
                Plan::new(&gpu, program, Some(&weights), &[], 0, move |step| rule.entry(step))?;
            let each = report.plan_seconds(&mut plan)? * 1e6;
            report.add(&format!("{name} step, fusion {fusion:?}"), each, "us");
            let dispatches = plan.dispatches().len() as f64;
            report.add(&format!("{name} step, fusion {fusion:?}: dispatches"), dispatches, "");
        }
        let mut cpu = Interpreter::<f32>::new(io.program);
        let mut weights = wgrad::ir::InterpreterWeights::new(
            network.params(),
            network.initial(0),
            Some(&Optimizer::adam()),
            0,
        );
        let each = report.seconds(|calls| {
            (0..calls).try_for_each(|_| {
                let entry = rule.entry(cpu.step());
                cpu.run(&mut weights, &entry)?;
                cpu.take_records();
                Ok(())
            })
        })?;
        report.add(&format!("{name} step, cpu"), each * 1e6, "us");
    }
    Ok(())
}

/// Calls of a trainer with a single row each, as a loop that learns row by row makes them, and ops on small tensors.
fn rows(report: &mut Report) -> Result<()> {
    for device in [Device::cpu(), Device::from(report.gpu.clone())] {
        let name = if device.gpu().is_some() { "" } else { ", cpu" };
        let model = Sequential::new(2).dense(32).activation(Activation::relu()).dense(3);
        let mut trainer =
            Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).on(&device)?;
        let data = data::spiral(100, 3, 0)?;
        let row = data.rows([7])?;
        let each = report.seconds(|calls| {
            (0..calls).try_for_each(|_| trainer.fit(&row, Fit::epochs(1)).map(drop))
        })?;
        report.add(&format!("fit of one row{name}"), each * 1e6, "us");
        let each = report.seconds(|calls| {
            (0..calls).try_for_each(|_| trainer.predict(&[[0.5, -0.25]][..]).map(drop))
        })?;
        report.add(&format!("predict of one row{name}"), each * 1e6, "us");
        let each = report
            .seconds(|calls| (0..calls).try_for_each(|_| trainer.evaluate(&row).map(drop)))?;
        report.add(&format!("evaluate of one row{name}"), each * 1e6, "us");
        let x = device.tensor(&wgrad::ndarray::Array2::from_elem((8, 16), 0.5))?;
        let each = report.seconds(|calls| {
            for _ in 0..calls {
                let mut y = x.clone();
                for _ in 0..15 {
                    y = device.activation(Activation::tanh(), &y)?;
                }
                y.read()?;
            }
            Ok(())
        })?;
        report.add(&format!("15 small ops and a read{name}"), each * 1e6, "us");
    }
    Ok(())
}

/// What WebGPU's run-time checks cost: the same work with them and without.
fn checks(report: &mut Report) -> Result<()> {
    // In turns, for a machine's speed may change: the median of the ratios.
    let time = |report: &Report, build: &dyn Fn(&Gpu) -> Result<Plan>| {
        let of = |checked| {
            let choices = Choices { checked, ..report.gpu.choices() };
            build(&report.gpu.choosing(choices))
        };
        let (mut with, mut without) = (of(true)?, of(false)?);
        let mut ratio = || {
            Ok::<f64, wgrad::Error>(
                report.plan_seconds(&mut with)? / report.plan_seconds(&mut without)?,
            )
        };
        let mut ratios = (0..5).map(|_| ratio()).collect::<Result<Vec<f64>>>()?;
        ratios.sort_by(f64::total_cmp);
        Ok::<f64, wgrad::Error>(ratios.get(2).copied().unwrap_or_default())
    };
    let side = Shape::new(&[512, 512])?;
    let product = |gpu: &Gpu| {
        single(gpu, |program| {
            let [a, b] = ["a", "b"].map(|name| program.input(name, side, DType::F32));
            program.matmul("c", a, b, Form::NN).map(drop)
        })
    };
    let elementwise = |gpu: &Gpu| {
        single(gpu, |program| {
            let x = program.input("x", Shape::new(&[1 << 20])?, DType::F32);
            program.activation("y", Activation::gelu(), x).map(drop)
        })
    };
    let (name, network, io, rows) = networks(true)?.swap_remove(0);
    let step = |gpu: &Gpu| {
        let weights = PlanWeights::new(gpu, network.params(), Some(&Optimizer::adam()), 0)?;
        let rule = Steps::new(Optimizer::adam(), rows);
        let program = io.program.clone();
        Plan::new(gpu, program, Some(&weights), &[], 0, move |step| rule.entry(step))
    };
    let ratio = time(report, &product)?;
    report.add("matmul.nn 512: with checks by without", ratio, "x");
    let ratio = time(report, &elementwise)?;
    report.add("activation.gelu 1 Mi: with checks by without", ratio, "x");
    let ratio = time(report, &step)?;
    report.add(&format!("{name} step: with checks by without"), ratio, "x");
    Ok(())
}

/// What recording a step costs the host per dispatch: through a plan, and by a bare loop over the same pipelines and bind
/// groups.
fn recording(report: &mut Report) -> Result<()> {
    const STEPS: u64 = 64;
    let (name, network, io, rows) = networks(true)?.swap_remove(0);
    let fusion = Fusion::Never;
    let gpu = report.gpu.choosing(Choices { fusion, ..report.gpu.choices() });
    let optimizer = Optimizer::adam();
    let weights = PlanWeights::new(&gpu, network.params(), Some(&optimizer), 0)?;
    let rule = Steps::new(optimizer, rows);
    let mut plan =
        Plan::new(&gpu, io.program, Some(&weights), &[], 0, move |step| rule.entry(step))?;
    let rounds = if report.options.quick { 10 } else { 50 };
    let per_round = (STEPS as usize * plan.dispatches().len()) as f64;
    let mut least = [f64::INFINITY; 2];
    for _ in 0..rounds {
        for (way, least) in least.iter_mut().enumerate() {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            let begin = Instant::now();
            if way == 0 {
                plan.encode(&mut encoder, STEPS)?;
            } else {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                for _ in 0..STEPS {
                    for dispatch in plan.dispatches() {
                        pass.set_pipeline(dispatch.pipeline());
                        pass.set_bind_group(0, dispatch.bind_group(), &[]);
                        pass.dispatch_workgroups(dispatch.grid[0], dispatch.grid[1], 1);
                    }
                }
            }
            let commands = encoder.finish();
            *least = least.min(begin.elapsed().as_secs_f64() / per_round);
            // Done in their order, so that the device counts its steps as the plan does.
            if way == 0 {
                gpu.queue().submit([commands]);
                wait(&gpu);
            }
        }
    }
    let [plan, bare] = least.map(|seconds| seconds * 1e9);
    report.add(&format!("{name} step: recording per dispatch"), plan, "ns");
    report.add(&format!("{name} step: the same by a bare loop"), bare, "ns");
    Ok(())
}

fn main() -> Result<()> {
    let options = Options::parse();
    let device = options.device.clone().or_else(|| std::env::var("WGRAD_DEVICE").ok());
    let gpu = pollster::block_on(Gpu::named(&device.unwrap_or_default()))?;
    let mut report = Report { gpu, options, figures: Map::new() };
    if !report.options.json {
        println!("{}", report.gpu);
    }
    report.figures.insert("adapter".into(), json!(report.gpu.to_string()));
    let [bandwidth, rate] = ceilings(&mut report)?;
    if report.wants(Section::Matmul) {
        matmul(&mut report, rate)?;
    }
    if report.wants(Section::Elementwise) {
        elementwise(&mut report, bandwidth)?;
    }
    if report.wants(Section::Adam) {
        adam(&mut report, bandwidth)?;
    }
    if report.wants(Section::Steps) {
        steps(&mut report)?;
    }
    if report.wants(Section::Checks) {
        checks(&mut report)?;
    }
    if report.wants(Section::Recording) {
        recording(&mut report)?;
    }
    if report.wants(Section::Rows) {
        rows(&mut report)?;
    }
    if report.options.json {
        println!("{}", Value::Object(report.figures));
    }
    Ok(())
}
