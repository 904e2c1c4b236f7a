//! Checks that every case lowers, so that each kernel gets all bindings it names. Needs no GPU.

use super::{cases, fused};
use crate::engine::gpu::{Choices, Fusion, Gpu, requirements};
use crate::error::Result;

fn devices() -> [Result<Gpu>; 2] {
    let classes = [wgpu::DeviceType::DiscreteGpu, wgpu::DeviceType::Cpu];
    classes.map(|class| requirements::noop_gpu(class, &wgpu::Limits::default()))
}

#[test]
fn every_case_lowers_on_a_device_that_computes_nothing() {
    for gpu in devices() {
        let gpu = gpu.unwrap();
        let gpu = gpu.choosing(Choices { fusion: Fusion::Never, ..gpu.choices() });
        for case in cases::all().unwrap() {
            let dispatches = requirements::dispatches(&gpu, &case.program);
            assert!(dispatches.unwrap() > 0, "{}", case.name);
        }
    }
}

#[test]
fn every_fused_case_lowers_on_a_device_that_computes_nothing() {
    for gpu in devices() {
        for (gpu, case) in fused::all(&gpu.unwrap()).unwrap() {
            let dispatches = requirements::dispatches(&gpu, &case.program);
            assert!(dispatches.unwrap() > 0, "{}", case.name);
        }
    }
}
