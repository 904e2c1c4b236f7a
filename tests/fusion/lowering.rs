//! What fused steps are lowered to: dispatches, pipelines and memory.

use ndarray::Array2;
use wgpu::DeviceType;
use wgrad::data::Targets;
use wgrad::embed::{Choices, Class, Fusion, MatMul, StepOptions};
use wgrad::ir::Form;
use wgrad::prelude::*;

use super::device;
use crate::support::adapter::{Adapter, fresh, noop};
use crate::support::run::{featured_gpu, normal, uniform};

#[test]
fn values_that_are_no_longer_needed_lend_their_memory() {
    let layers = |model: Sequential, _| model.dense(48).activation(Activation::gelu());
    let model = (0..4).fold(Sequential::new(6), layers).dense(2);
    let x = Array2::from_shape_vec((16, 6), normal(1, 96)).unwrap();
    let y = Array2::from_shape_vec((16, 2), uniform(2, 32)).unwrap();
    let data = Dataset::new(x, Targets::Values(y)).unwrap();
    let [few, all] = [Fusion::Layers, Fusion::Never].map(|fusion| {
        let builder = Trainer::new(model.clone(), Loss::mse(), Optimizer::adam());
        let mut trainer = builder.on(&device(fusion, 2)).unwrap();
        let losses = trainer.fit(&data, Fit::epochs(20)).unwrap();
        let step = trainer.into_step(StepOptions::rows(16).fused()).unwrap();
        (step.plan().memory().bytes("values"), losses.last().unwrap().loss)
    });
    assert!((few.1 - all.1).abs() < 1e-3 * all.1, "losses {} and {}", few.1, all.1);
    assert!(3 * few.0 < 2 * all.0, "{} bytes of {}", few.0, all.0);
}

/// How many compute pipelines there are.
fn pipelines(instance: &wgpu::Instance) -> usize {
    instance.generate_report().unwrap().hub_report().compute_pipelines.num_allocated
}

#[test]
fn a_batch_of_another_size_compiles_nothing() {
    let Adapter { instance, device, queue, .. } = fresh();
    let gpu = Gpu::from_wgpu(&device, &queue);
    let gpu = gpu.choosing(Choices { fusion: Fusion::Whole, ..gpu.choices() });
    let model = Sequential::new(1).dense(2).activation(Activation::tanh()).dense(1);
    let mut trainer = Trainer::new(model, Loss::mse(), Optimizer::sgd()).on(&gpu.into()).unwrap();
    let mut counts = Vec::new();
    for rows in 1..=40 {
        let x = Array2::from_elem((rows, 1), 0.5);
        let data = Dataset::new(x.clone(), x).unwrap();
        trainer.fit(&data, Fit::epochs(1)).unwrap();
        counts.push(pipelines(&instance));
    }
    println!("{counts:?}");
    // Sizes that are cut into blocks of as many rows share both kernels.
    assert_eq!(counts[0], counts[39], "{counts:?}");
}

#[test]
fn every_kernel_of_a_product_stays_whatever_steps_there_are() {
    let (instance, gpu) = noop(DeviceType::Cpu, wgpu::Features::empty());
    let products = || {
        for matmul in MatMul::ALL {
            let gpu = gpu.choosing(Choices { matmul: Some(matmul), ..gpu.choices() });
            let device = Device::from(gpu);
            let x = device.tensor(&Array2::from_elem((8, 8), 0.5).into_dyn()).unwrap();
            for form in [Form::NN, Form::NT, Form::TN] {
                drop(device.matmul(&x, &x, form));
            }
        }
        pipelines(&instance)
    };
    // More than there may be of whole steps.
    let count = products();
    assert!(count > 32, "{count}");
    let whole = gpu.choosing(Choices { fusion: Fusion::Whole, ..gpu.choices() });
    for width in 1..=40 {
        let trainer = Trainer::new(Sequential::new(1).dense(width), Loss::mse(), Optimizer::sgd());
        let trainer = trainer.on(&whole.clone().into()).unwrap();
        trainer.into_step(StepOptions::rows(8).fused()).unwrap();
    }
    let with_steps = pipelines(&instance);
    assert!(with_steps >= count + 32, "{with_steps} and {count}");
    assert_eq!(products(), with_steps);
}

/// The dispatches of a step of a regression, or why it is refused.
fn lowered(class: Class, fusion: Fusion, widths: &[usize]) -> Result<usize, String> {
    let (_, gpu) = noop(DeviceType::Cpu, wgpu::Features::empty());
    let device = gpu.choosing(Choices { class, fusion, ..gpu.choices() }).into();
    let hidden =
        |model: Sequential, width: &usize| model.dense(*width).activation(Activation::tanh());
    let model = widths.iter().fold(Sequential::new(2), hidden).dense(1);
    let trainer = Trainer::new(model, Loss::mse(), Optimizer::adam()).on(&device).unwrap();
    let step = trainer.into_step(StepOptions::rows(16).fused());
    step.map(|step| step.plan().dispatches().len()).map_err(|error| error.to_string())
}

#[test]
fn a_whole_step_has_at_most_eight_different_layers_with_parameters() {
    let widths = [3, 4, 5, 6, 7, 8, 9, 10];
    for fusion in [Fusion::Whole, Fusion::Auto] {
        assert_eq!(lowered(Class::Cpu, fusion, &widths[..7]), Ok(2), "{fusion:?}");
        assert_eq!(lowered(Class::Cpu, fusion, &[3; 30]), Ok(2), "{fusion:?}");
    }
    let message = lowered(Class::Cpu, Fusion::Whole, &widths).unwrap_err();
    assert!(message.contains("9 layers; the most is 8"), "{message}");
    assert!(lowered(Class::Cpu, Fusion::Auto, &widths).unwrap() > 2);
}

#[test]
fn a_step_of_three_thousand_layers_is_lowered() {
    let hidden = |model: Sequential, _| model.dense(2).activation(Activation::tanh());
    let model = (0..3000).fold(Sequential::new(2), hidden).dense(1);
    for class in [DeviceType::Cpu, DeviceType::DiscreteGpu] {
        let device = noop(class, wgpu::Features::empty()).1.into();
        let trainer =
            Trainer::new(model.clone(), Loss::mse(), Optimizer::adam()).on(&device).unwrap();
        let step = trainer.into_step(StepOptions::rows(16).fused()).unwrap();
        let dispatches = step.plan().dispatches().len();
        assert!((6000..40_000).contains(&dispatches), "{dispatches}");
    }
}

#[test]
fn a_step_records_more_metrics_than_a_fused_step_has_invocations() {
    let x = Array2::from_shape_fn((24, 2), |(i, j)| ((i * 7 + j * 5) % 11) as f32 / 11.0);
    let y = Array2::from_shape_fn((24, 1), |(i, _)| (i % 5) as f32 / 5.0);
    let data = Dataset::new(x, y).unwrap();
    let metrics = [Metric::Mse, Metric::Mae].repeat(6);
    let trained = |device: Device| {
        let model = Sequential::new(2).dense(4).activation(Activation::tanh()).dense(1);
        let trainer = Trainer::new(model, Loss::mse(), Optimizer::sgd()).metrics(&metrics);
        let mut trainer = trainer.on(&device).unwrap();
        let first = trainer.fit(&data, Fit::epochs(3)).unwrap().last().unwrap().accuracy;
        let all = trainer.evaluate(&data).unwrap().metrics;
        all.into_iter().map(|(_, value)| value).chain([first]).collect::<Vec<f64>>()
    };
    let [cpu, gpu] = [Device::cpu(), featured_gpu().clone().into()].map(trained);
    assert_eq!(cpu.len(), 13);
    for (own, wanted) in gpu.iter().zip(&cpu) {
        assert!((own - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{gpu:?} for {cpu:?}");
    }
}
