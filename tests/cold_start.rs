//! What a first step waits for: kernels of bounded size, warmed without computing anything.

use ndarray::Array2;
use wgpu::DeviceType;
use wgpu::naga::valid::Capabilities;
use wgrad::embed::{Choices, Class, Fusion, Gpu, StepOptions, TrainingStep};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};

use crate::support::adapter::noop;
use crate::support::reflect::validated;
use crate::support::run::featured_gpu;

const SUBGROUPS: wgpu::Features = wgpu::Features::SUBGROUP.union(wgpu::Features::SUBGROUP_BARRIER);

/// A CPU adapter with the least limits that computes nothing.
fn nothing() -> Gpu {
    noop(DeviceType::Cpu, SUBGROUPS).1
}

fn step(gpu: Gpu, sizes: &[usize], f: Activation, rows: usize) -> TrainingStep {
    let [inputs, hidden @ .., outputs] = sizes else { panic!("{sizes:?}") };
    let layer = |model: Sequential, width: &usize| model.dense(*width).activation(f);
    let model = hidden.iter().fold(Sequential::new(*inputs), layer).dense(*outputs);
    let trainer = Trainer::new(model, Loss::mse(), Optimizer::adam()).on(&gpu.into()).unwrap();
    trainer.into_step(StepOptions::rows(rows).fused()).unwrap()
}

/// The generated text of a step's first kernel, which follows the files.
fn generated(step: &TrainingStep) -> String {
    let sources = step.plan().sources();
    let (label, source) = &sources[0];
    let at = source.find("const LANES").unwrap();
    format!("// {label}\n{}", &source[at..])
}

#[test]
fn no_kernel_of_a_cpu_adapter_keeps_or_loads_much() {
    let gpu = nothing();
    let mut most = [0, 0];
    for case in 0..60 {
        let words = |word| Key::new(18, Stream::Data(0)).words(case, word)[0] as usize;
        let hidden = (0..1 + words(0) % 6).map(|layer| 1 + words(2 + layer as u32) % 128);
        let sizes: Vec<usize> = [1 + words(20) % 128].into_iter().chain(hidden).collect();
        let sizes = [sizes, vec![1 + words(21) % 12]].concat();
        for (fusion, subgroups) in
            [(Fusion::Auto, true), (Fusion::Auto, false), (Fusion::Never, true)]
        {
            let choices = Choices { fusion, subgroups, class: Class::Cpu, ..gpu.choices() };
            let step =
                step(gpu.choosing(choices), &sizes, Activation::tanh(), 1 + words(22) % 1000);
            for kernel in step.plan().cold().kernels {
                let (size, label) = (kernel.size, &kernel.label);
                // Products have up to 64 vec4; rows of no multiple of four are loaded value by value.
                let bounds =
                    if label.starts_with("matmul.") { [4 * 80, 1000] } else { [4 * 32, 192] };
                let fits = size.registers <= bounds[0] && size.accesses <= bounds[1];
                assert!(fits, "{label} of {sizes:?}: {size:?}");
                most = [most[0].max(size.registers), most[1].max(size.accesses)];
            }
        }
    }
    println!("at most {} registers and {} accesses", most[0], most[1]);
    assert!(most[0] >= 64 && most[1] >= 8, "nothing was counted");
}

#[test]
fn the_generated_text_of_a_fused_step_is_that_of_the_snapshots() {
    let gpu = nothing();
    for (name, class, subgroups) in [
        ("fused_step_cpu.wgsl", Class::Cpu, true),
        ("fused_step_portable_cpu.wgsl", Class::Cpu, false),
        ("fused_step_gpu.wgsl", Class::Discrete, false),
    ] {
        let choices = Choices { class, subgroups, fusion: Fusion::Whole, ..gpu.choices() };
        let step = step(gpu.choosing(choices), &[2, 8, 3], Activation::tanh(), 16);
        for (label, source) in step.plan().sources() {
            validated(&label, &source, Capabilities::SUBGROUP | Capabilities::SUBGROUP_BARRIER);
        }
        crate::snapshots::compare(name, &generated(&step));
    }
}

#[test]
fn warming_computes_nothing_and_measures_every_kernel() {
    let x = Array2::from_shape_fn((16, 2), |(i, j)| (i * 2 + j) as f32 / 32.0);
    let trained = |warm: bool| {
        let gpu = featured_gpu().choosing(featured_gpu().choices());
        let mut step = step(gpu.clone(), &[2, 5, 1], Activation::relu(), 16);
        if warm {
            pollster::block_on(step.plan().warm_async()).unwrap();
            step.plan().warm().unwrap();
            let cold = step.plan().cold();
            assert!(cold.kernels.iter().all(|kernel| kernel.first_dispatch.is_some()), "{cold}");
            assert_eq!(cold.kernels.len(), step.plan().sources().len());
        }
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        step.upload_inputs(&mut encoder, x.as_slice().unwrap()).unwrap();
        step.upload_targets(&mut encoder, &[0.5; 16]).unwrap();
        step.encode(&mut encoder, 3).unwrap();
        gpu.queue().submit([encoder.finish()]);
        let trainer = step.into_trainer();
        trainer.parameters().unwrap()
    };
    assert_eq!(trained(true), trained(false));
}
