//! Times of single ops and of a training step, on the CPU reference and, if there is one, an adapter.
//! `cargo bench -p wgrad-benches --bench families`; `WGRAD_DEVICE` names the adapter.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wgrad::embed::Gpu;
use wgrad::ir::{DType, Form, Interpreter, InterpreterWeights, Plan, StepEntry};
use wgrad::nn::{GradientTransforms, Objective, TargetKind};
use wgrad::prelude::*;
use wgrad::{Program, Shape};

/// The adapter to measure, if there is any.
fn adapter() -> Option<Gpu> {
    let name = std::env::var("WGRAD_DEVICE").unwrap_or_default();
    pollster::block_on(Gpu::named(&name)).ok()
}

/// Runs a program once and waits for it.
fn run(plan: &mut Plan) {
    plan.run(1).expect("the plan runs");
    let wait = wgpu::PollType::wait_indefinitely();
    plan.gpu().device().poll(wait).expect("the device answers");
}

fn measure(criterion: &mut Criterion, group: &str, id: &str, work: u64, program: &Program) {
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(work)).sample_size(20);
    let mut cpu = Interpreter::<f32>::new(program.clone());
    let (mut weights, entry) = (InterpreterWeights::default(), StepEntry::rows(usize::MAX));
    group.bench_function(BenchmarkId::new("cpu", id), |bencher| {
        bencher.iter(|| cpu.run(black_box(&mut weights), &entry).expect("the program runs"));
    });
    if let Some(gpu) = adapter() {
        let plan = Plan::new(&gpu, program.clone(), None, &[], 0, |_| StepEntry::rows(usize::MAX));
        let mut plan = plan.expect("the program is lowered");
        group.bench_function(BenchmarkId::new(&gpu.info().name, id), |bencher| {
            bencher.iter(|| run(&mut plan))
        });
    }
    group.finish();
}

fn matmul(criterion: &mut Criterion) {
    for side in [64, 256, 512] {
        for form in Form::ALL {
            let mut program = Program::new("matmul", vec![]);
            let shape = Shape::new(&[side, side]).expect("a small shape");
            let (a, b) =
                (program.input("a", shape, DType::F32), program.input("b", shape, DType::F32));
            program.matmul("c", a, b, form).expect("square matrices fit");
            measure(
                criterion,
                &format!("matmul.{}", form.name()),
                &side.to_string(),
                2 * (side as u64).pow(3),
                &program,
            );
        }
    }
}

fn activations(criterion: &mut Criterion) {
    let shape = Shape::new(&[1024, 1024]).expect("a small shape");
    for f in Activation::all() {
        let mut program = Program::new("activation", vec![]);
        let x = program.input("x", shape, DType::F32);
        program.activation("y", f, x).expect("default parameters are valid");
        measure(criterion, "activation.forward", f.name(), shape.len() as u64, &program);
    }
}

/// The step of the sine example: 1000 rows, 1-64-64-1, MSE, Adam.
fn sine_step(criterion: &mut Criterion) {
    let relu = Activation::relu;
    let model =
        Sequential::new(1).dense(64).activation(relu()).dense(64).activation(relu()).dense(1);
    let network = model.build().expect("the model is right");
    let metrics = vec![Metric::RegressionAccuracy { tolerance: 0.003 }];
    let objective = Objective {
        loss: Loss::mse(),
        reduction: Reduction::Mean,
        metrics,
        transforms: GradientTransforms {
            clip_value: None,
            clip_norm: None,
            ..GradientTransforms::default()
        },
        weighted: false,
        class_weights: None,
        linear_cross_entropy: false,
        checked: false,
        through: false,
    };
    let io =
        network.training(&objective, Optimizer::adam(), TargetKind::Values(1), (1000, 1000), 0);
    let program = io.expect("the goal fits the model").program;
    let mut group = criterion.benchmark_group("sine step");
    group.sample_size(20);
    let zeros = || {
        network.params().iter().map(|param| vec![0.01f32; param.shape.len()]).collect::<Vec<_>>()
    };
    let mut weights =
        InterpreterWeights::new(network.params(), zeros(), Some(&Optimizer::adam()), 0);
    let mut cpu = Interpreter::<f32>::new(program.clone());
    group.bench_function("cpu", |bencher| {
        bencher.iter(|| cpu.run(&mut weights, &StepEntry::rows(1000)).expect("the program runs"));
    });
    if let Some(gpu) = adapter() {
        let weights =
            wgrad::ir::PlanWeights::new(&gpu, network.params(), Some(&Optimizer::adam()), 0)
                .expect("the weights fit");
        let plan = Plan::new(&gpu, program, Some(&weights), &[], 0, |_| StepEntry::rows(1000));
        let mut plan = plan.expect("the program is lowered");
        group.bench_function(&gpu.info().name, |bencher| bencher.iter(|| run(&mut plan)));
    }
    group.finish();
}

criterion_group!(benches, matmul, activations, sine_step);
criterion_main!(benches);
