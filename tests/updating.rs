//! A bare optimizer over tensors of the caller's: in place, on both engines, and within a host's encoder.

use crate::support;

use std::slice::from_ref;

use support::kernel::read_back;
use support::nets::{devices, gpu as gpu_device};
use support::run::{gpu, normal};
use wgrad::device::Updater;
use wgrad::embed::View;
use wgrad::ir::{Interpreter, InterpreterWeights, ParamInfo, Steps};
use wgrad::ndarray::{Array1, ArrayD, IxDyn};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::{Error, Program, Shape, Tensor};

const SHAPES: [&[usize]; 3] = [&[7, 5], &[66], &[]];

fn tensors(device: &Device, seed: u64) -> Vec<Tensor> {
    let array = |(seed, extents): (u64, &&[usize])| {
        let values = normal(seed, extents.iter().product());
        device.tensor(&ArrayD::from_shape_vec(IxDyn(extents), values).unwrap()).unwrap()
    };
    (seed..).zip(&SHAPES).map(array).collect()
}

fn numbers(tensors: &[Tensor]) -> Vec<Vec<f32>> {
    tensors.iter().map(|tensor| tensor.read().unwrap().into_iter().collect()).collect()
}

fn refs(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}

/// Ten steps with the `f64` reference beside; gives the largest error relative to the parameters.
fn error(device: &Device, optimizer: Optimizer) -> f64 {
    let params = tensors(device, 1);
    let mut updater = device.updater(optimizer, &refs(&params)).unwrap();
    let info = SHAPES.map(|extents| {
        let (name, shape) = ("p".to_string(), Shape::new(extents).unwrap());
        let rates = [1.0, 0.0, 0.0];
        let [multiplier, l1, l2] = rates;
        ParamInfo { name, shape, l1, l2, multiplier, decays: true, has_gradient: true }
    });
    let mut program = Program::new("reference", info.to_vec());
    let loss = optimizer
        .takes_loss()
        .then(|| program.input("loss", Shape::scalar(), wgrad::ir::DType::F32));
    program.update(optimizer, loss, Key::new(0, Stream::Optimizer)).unwrap();
    program.record(&[]).unwrap();
    let wide = |values: Vec<Vec<f32>>| -> Vec<Vec<f64>> {
        values.into_iter().map(|values| values.into_iter().map(f64::from).collect()).collect()
    };
    let start = wide(numbers(&params));
    let mut weights = InterpreterWeights::new(program.params(), start, Some(&optimizer), 0);
    let mut reference = Interpreter::<f64>::new(program);
    let rule = Steps::new(optimizer, 1);
    for step in 0..10 {
        let value = 1.0 + step as f32;
        updater.set_loss(value);
        let grads = tensors(device, 10 + 10 * step);
        updater.step(&refs(&grads)).unwrap();
        weights.grads = wide(numbers(&grads));
        loss.into_iter().for_each(|slot| reference.write(slot, &[value.into()]).unwrap());
        reference.run(&mut weights, &rule.entry(step)).unwrap();
    }
    let got = wide(numbers(&params)).into_iter().flatten();
    let errors = got
        .zip(weights.params.into_iter().flatten())
        .map(|(got, want)| (got - want).abs() / want.abs().max(1.0));
    errors
        .fold(0.0, |most, error| if error.is_nan() { f64::INFINITY } else { f64::max(most, error) })
}

#[test]
fn every_optimizer_updates_tensors_in_place_as_on_the_reference() {
    for device in devices() {
        for optimizer in Optimizer::all() {
            // Their steps grow without bound on gradients that have nothing to do with each other.
            let optimizer = match optimizer.name() {
                "lbfgs" | "santa_e" => optimizer.learning_rate(1e-4),
                _ => optimizer,
            };
            let error = error(&device, optimizer);
            assert!(error < 1e-4, "{optimizer} on {device}: off by {error:e}");
        }
    }
}

#[test]
fn a_tensor_that_an_updater_changes_changes_under_every_shape() {
    for device in devices() {
        let p = device.tensor(&Array1::from(vec![1.0, 2.0])).unwrap();
        let (other, before) =
            (p.reshape(&[2, 1]).unwrap(), device.activation(Activation::identity(), &p));
        let mut updater = device.updater(Optimizer::sgd().learning_rate(0.5), &[&p]).unwrap();
        updater.step(&[&p]).unwrap();
        updater.set_optimizer("lr", 1.0).unwrap();
        updater.step(&[&device.tensor(&Array1::from(vec![0.25, -1.0])).unwrap()]).unwrap();
        assert_eq!(numbers(&[p, other]), [[0.25, 2.0], [0.25, 2.0]]);
        assert_eq!(numbers(&[before.unwrap()]), [[1.0, 2.0]]);
    }
}

fn of_seed(device: &Device, seed: u64) -> Vec<Vec<f32>> {
    let params = tensors(device, 1);
    let santa = Optimizer::santa_sss().learning_rate(1e-3);
    let mut updater = device.updater(santa, &refs(&params)).unwrap().seed(seed).unwrap();
    (0..3).for_each(|step| updater.step(&refs(&tensors(device, 10 * step))).unwrap());
    numbers(&params)
}

#[test]
fn random_numbers_of_an_updater_follow_its_seed() {
    for device in devices() {
        assert_eq!(of_seed(&device, 3), of_seed(&device, 3));
        assert_ne!(of_seed(&device, 3), of_seed(&device, 4));
    }
}

#[test]
fn an_updater_runs_as_many_steps_as_asked_for() {
    for device in devices() {
        let p = device.tensor(&Array1::from(vec![1.0])).unwrap();
        let g = device.tensor(&Array1::from(vec![1.0])).unwrap();
        let mut updater = device.updater(Optimizer::sgd().learning_rate(1.0), &[&p]).unwrap();
        (0..1500).for_each(|_| updater.step(&[&g]).unwrap());
        assert_eq!(numbers(from_ref(&p)), [[1.0 - 1500.0]]);
    }
}

fn refused<T>(result: wgrad::Result<T>, words: &[&str]) {
    let Err(error) = result else { panic!("accepted, though {words:?}") };
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not all in: {text}");
    assert!(!matches!(error, Error::Internal(_)), "{error:?}");
}

#[test]
fn what_an_updater_cannot_take_is_refused_by_name() {
    for device in devices() {
        let params = tensors(&device, 1);
        let new = |params: &[&Tensor]| device.updater(Optimizer::adam(), params);
        let mut updater = new(&refs(&params)).unwrap();
        refused(updater.step(&refs(&params[..2])), &["updater", "[7, 5]", "[66]"]);
        refused(updater.step(&[&params[1], &params[0], &params[2]]), &["updater", "shapes"]);
        let mut others = refs(&params);
        let other = match device.gpu() {
            Some(_) => Device::cpu(),
            None => gpu_device(),
        };
        let foreign = tensors(&other, 1);
        others[1] = &foreign[1];
        refused(updater.step(&others), &["another device"]);
        refused(new(&others), &["another device"]);
        refused(
            new(&[&params[1], &params[1].reshape(&[6, 11]).unwrap()]),
            &["parameter 0", "memory"],
        );
        refused(new(&[&device.classes(&[1, 2]).unwrap()]), &["indices"]);
        refused(updater.set_optimizer("amsgrad", true), &["keeps other state"]);
        refused(updater.set_optimizer("lr", f64::NAN), &["lr"]);
        refused(updater.set_optimizer("rate", 1.0), &["rate"]);
        refused(device.updater(Optimizer::adam().learning_rate(-1.0), &[]), &["lr"]);
        let mut eve = device.updater(Optimizer::eve(), &refs(&params)).unwrap();
        refused(eve.step(&refs(&params)), &["loss"]);
        eve.set_loss(1.0);
        eve.step(&refs(&params)).unwrap();
    }
    let mut cpu = Device::cpu().updater(Optimizer::sgd(), &[]).unwrap();
    let mut encoder = gpu().device().create_command_encoder(&Default::default());
    refused(cpu.encode(&mut encoder, &[]), &["CPU reference"]);
    cpu.step(&[]).unwrap();
}

const COPIED: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_SRC)
    .union(wgpu::BufferUsages::COPY_DST);

fn buffer(contents: &[f32], usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let buffer = gpu().device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("host"),
        size: 4 * contents.len() as u64,
        usage,
        mapped_at_creation: true,
    });
    buffer.get_mapped_range_mut(..).unwrap().copy_from_slice(bytemuck::cast_slice(contents));
    buffer.unmap();
    buffer
}

/// The steps of an updater over tensors of the library's, and what lies in the host's buffer after the same.
#[test]
fn an_updater_records_into_a_hosts_encoder_over_the_hosts_own_buffers() {
    let (device, host) = (gpu_device(), gpu());
    let shape = Shape::new(&[3, 11]).unwrap();
    let (start, grads) = (normal(1, 128), normal(2, 128));
    let [param, grad] = [&start, &grads].map(|contents| buffer(contents, COPIED));
    let over = |buffer: &wgpu::Buffer| {
        device.tensor_over(&View::new(buffer, 256, shape).unwrap()).unwrap()
    };
    let (p, g) = (over(&param), over(&grad));
    let mut updater: Updater = device.updater(Optimizer::lamb(), from_ref(&&p)).unwrap();
    let own = |values: &[f32]| {
        let values = ArrayD::from_shape_vec(IxDyn(&[3, 11]), values[64..97].to_vec()).unwrap();
        device.tensor(&values).unwrap()
    };
    let (own_p, own_g) = (own(&start), own(&grads));
    let mut other = device.updater(Optimizer::lamb(), &[&own_p]).unwrap();
    for steps in [1, 3] {
        let mut encoder = host.device().create_command_encoder(&Default::default());
        for _ in 0..steps {
            updater.encode(&mut encoder, &[&g]).unwrap();
            other.step(&[&own_g]).unwrap();
        }
        let before = p.read().unwrap();
        host.queue().submit([encoder.finish()]);
        assert_ne!(p.read().unwrap(), before, "nothing is submitted before the host does");
    }
    let bytes = read_back(host.device(), host.queue(), &param, 0, 512);
    let after: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
    assert_eq!(after[64..97], numbers(&[own_p])[0]);
    assert_eq!(after[..64], start[..64]);
    assert_eq!(after[97..], start[97..], "elements beyond the tensor stay");
    // A recording that is dropped never was.
    let mut dropped = host.device().create_command_encoder(&Default::default());
    updater.encode(&mut dropped, &[&g]).unwrap();
    drop(dropped);
    assert_eq!(p.read().unwrap().into_iter().collect::<Vec<f32>>(), after[64..97]);
}

#[test]
fn buffers_that_cannot_be_copied_are_refused_with_the_usage() {
    let device = gpu_device();
    let shape = Shape::new(&[8]).unwrap();
    let of = |usage| {
        let buffer = buffer(&[0.0; 64], usage);
        device.tensor_over(&View::new(&buffer, 0, shape).unwrap()).unwrap()
    };
    let (copied, fixed) = (of(COPIED), of(wgpu::BufferUsages::STORAGE));
    let read = of(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
    for (p, g, words) in [
        (&read, &copied, &["a parameter", "COPY_DST"][..]),
        (&copied, &fixed, &["a gradient", "COPY_SRC"]),
    ] {
        let mut updater = device.updater(Optimizer::sgd(), &[p]).unwrap();
        refused(updater.step(&[g]), words);
    }
    let mut updater = device.updater(Optimizer::sgd(), &[&copied]).unwrap();
    updater.step(&[&read]).unwrap();
    let view = copied.view().unwrap();
    refused(Device::cpu().tensor_over(view), &["tensor_over", "CPU reference"]);
}
