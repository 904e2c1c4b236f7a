//! What the library says of the device it runs on.

use wgrad::embed::{Choices, Class, Fusion, MatMul, StepOptions, Verdict};
use wgrad::prelude::*;

use super::host::{Host, ROWS, simulated, trainer, trainer_with};
use crate::support::adapter;
use crate::support::nets::bits;

#[test]
fn a_device_passes_the_self_test() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let report = wgrad::self_test(&gpu).unwrap();
    println!("{report}");
    assert!(report.passed(), "{report}");
    assert_eq!(report.refusals().count(), 0, "{report}");
    let wanted = Activation::all().count() + Loss::all().count() + Optimizer::all().count();
    assert!(report.checks.len() > wanted, "{} checks", report.checks.len());
    for fused in ["matmul, ", "fused layers, ", "whole step"] {
        let count = report.checks.iter().filter(|check| check.name.starts_with(fused)).count();
        assert!(count >= 3, "{count} of '{fused}'");
    }
}

#[test]
fn with_downlevel_limits_what_is_not_refused_passes() {
    let host = Host::with(wgpu::Limits::downlevel_defaults());
    let report = wgrad::self_test(&Gpu::from_wgpu(&host.device, &host.queue)).unwrap();
    println!("{report}");
    assert!(report.passed(), "{report}");
    let refused = report.refusals().count();
    assert!(refused > 0 && refused < report.checks.len() / 2 + 20, "{report}");
    for check in report.refusals() {
        let Verdict::Refused(reason) = &check.verdict else { unreachable!() };
        assert!(reason.contains("storage buffers"), "{reason}");
    }
}

#[test]
fn a_steps_self_test_passes_and_leaves_the_run_alone() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let step = trainer(&gpu).into_step(ROWS).unwrap();
    let check = pollster::block_on(step.self_test()).unwrap();
    assert!(matches!(check.verdict, Verdict::Passed(error) if error < 1e-5), "{check:?}");
    assert_eq!(bits(&step.into_trainer()), bits(&trainer(&gpu)));
}

#[test]
fn products_that_exchange_numbers_in_subgroups_are_tested_where_the_device_has_them() {
    let descriptor = wgpu::DeviceDescriptor {
        required_features: wgpu::Features::SUBGROUP,
        ..adapter::descriptor()
    };
    let Some(host) = adapter::try_fresh_with(&descriptor).map(Host::on) else {
        println!("the adapter has no subgroups");
        return;
    };
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let report = wgrad::self_test(&gpu).unwrap();
    assert!(report.passed() && report.refusals().count() == 0, "{report}");
    let shared = report.checks.iter().filter(|check| check.name.contains("Shared")).count();
    let Choices { subgroups, class, .. } = gpu.choices();
    assert_eq!(shared > 0, subgroups && class == Class::Cpu);
}

#[test]
fn a_trainers_self_test_runs_the_kernels_that_its_fit_would() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    for fusion in [Fusion::Whole, Fusion::Layers, Fusion::Never] {
        let own = trainer_with(&gpu, fusion);
        for batch in [ROWS, 7] {
            let check = own.self_test(&simulated(), batch).unwrap();
            assert!(matches!(check.verdict, Verdict::Passed(error) if error < 1e-5), "{check:?}");
        }
        assert_eq!(bits(&own), bits(&trainer(&gpu)));
        assert!(own.self_test(&data::sine(5).unwrap(), 5).is_err());
        assert!(own.self_test(&simulated(), 0).is_err());
    }
}

#[test]
fn an_op_that_computes_something_else_than_its_reference_fails_by_name() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    // The kernel's derivative is twice the reference's, as on a driver that is wrong.
    let wrong = Activation::custom(
        "wrong_slope",
        "fn forward(x: f32) -> f32 { return 3.0 * x; }",
        "fn derivative(x: f32) -> f32 { return 6.0; }",
        |x| 3.0 * x,
        |_| 3.0,
    )
    .unwrap();
    for fusion in [Fusion::Never, Fusion::Layers] {
        let gpu = gpu.choosing(Choices { fusion, ..gpu.choices() });
        let model = Sequential::new(2).dense(4).activation(wrong).dense(1);
        let trainer = Trainer::new(model, Loss::mse(), Optimizer::sgd()).on(&gpu.into()).unwrap();
        let step = trainer.into_step(StepOptions::rows(ROWS).fused()).unwrap();
        let check = pollster::block_on(step.self_test()).unwrap();
        let Verdict::Failed(message) = check.verdict else { panic!("{check:?}") };
        println!("{fusion:?}: {message}");
        assert!(message.contains("wrong_slope.backward,"), "{message}");
    }
}

#[test]
fn layers_that_go_together_on_gpus_only_pass_there_too() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let (class, matmul) = (Class::Discrete, Some(MatMul::Small));
    let gpu = gpu.choosing(Choices { class, matmul, ..gpu.choices() });
    let model = Sequential::new(132).dense(40).activation(Activation::relu()).dense(20);
    let model = model.activation(Activation::tanh()).dense(3);
    let x = ndarray::Array2::zeros((520, 132));
    let targets = data::Targets::Values(ndarray::Array2::zeros((520, 3)));
    let trainer = Trainer::new(model, Loss::mse(), Optimizer::adam()).on(&gpu.into()).unwrap();
    let check = trainer.self_test(&Dataset::new(x, targets).unwrap(), 520).unwrap();
    assert!(matches!(check.verdict, Verdict::Passed(error) if error < 1e-5), "{check:?}");
}
