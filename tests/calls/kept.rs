//! A trainer keeps what it made for earlier calls of equal shapes: with it each call does the same as without.

use wgrad::embed::Gpu;
use wgrad::prelude::*;
use wgrad::{Arithmetic, Result, Tensor};

use super::draw::Draw;
use super::nets::{builder, fit, model, rows, suited};
use crate::support::adapter;
use crate::support::nets::{bits, devices, spiral};
use crate::support::run::count;

/// The result of a call, as text that tells any two apart.
type Outcome = Result<String>;

fn call(draw: &mut Draw, trainer: &mut Trainer, data: &Dataset) -> Outcome {
    match draw.below(8) {
        0..4 => trainer.fit(data, fit(draw, data)).map(|history| format!("{history:?}")),
        4 => trainer.predict(data.inputs().view()).map(|y| format!("{:?}", y.mapv(f32::to_bits))),
        5 => trainer.evaluate(data).map(|figures| format!("{figures:?}")),
        6 => trainer.confusion_matrix(data).map(|matrix| format!("{matrix:?}")),
        _ => trainer
            .find_learning_rate(data, 1 + draw.below(4), 1e-4..=1e-1, 3)
            .map(|curve| format!("{curve:?}")),
    }
}

/// A new trainer with everything that another one has but what it keeps.
fn renewed(trainer: &Trainer, new: Result<Trainer>, changes: &[(&str, f64)]) -> Result<Trainer> {
    let mut new = new?;
    changes.iter().try_for_each(|(name, value)| new.set_optimizer(name, *value))?;
    new.load_bytes(&trainer.to_bytes()?)?;
    Ok(new)
}

/// Rows, some with weights.
fn weighted(draw: &mut Draw, inputs: usize, outputs: usize) -> Result<Dataset> {
    let data = rows(draw, inputs, outputs)?;
    if draw.one_in(3) {
        let weights = (0..data.len()).map(|_| draw.below(3) as f32).collect();
        return data.weighted(weights);
    }
    Ok(data)
}

/// Plays a seed's sequence on a device; returns the number of calls that gave something.
fn play(seed: u64, device: &Device) -> usize {
    let mut draw = Draw::new(seed);
    let inputs = 1 + draw.below(5);
    let model = model(&mut draw, inputs);
    let device = &suited(&mut draw, device);
    let Ok(network) = model.build() else { return 0 };
    let builder = builder(&mut draw, model);
    let sets: Vec<Dataset> =
        (0..3).filter_map(|_| weighted(&mut draw, inputs, network.outputs()).ok()).collect();
    let Ok(mut trainer) = builder.clone().on(device) else { return 0 };
    let mut changes = Vec::new();
    let mut given = 0;
    for number in 0..8 {
        if sets.is_empty() {
            break;
        }
        let data = draw.pick(&sets);
        let change = (draw.pick(&["lr", "weight_decay", "beta1"]), draw.number());
        if draw.one_in(4) && trainer.set_optimizer(change.0, change.1).is_ok() {
            changes.push(change);
        }
        let Ok(mut new) = renewed(&trainer, builder.clone().on(device), &changes) else { break };
        let mut same = draw.clone();
        let [kept, fresh] =
            [call(&mut draw, &mut trainer, &data), call(&mut same, &mut new, &data)];
        let at = format!("seed {seed}, call {number} on {device} of {builder:?}");
        assert_eq!(format!("{kept:?}"), format!("{fresh:?}"), "{at}");
        assert_eq!(bits(&trainer), bits(&new), "{at}");
        let [kept_bytes, fresh_bytes] = [&trainer, &new].map(|trainer| trainer.to_bytes().unwrap());
        assert!(kept_bytes == fresh_bytes, "{at}");
        given += usize::from(kept.is_ok());
    }
    given
}

#[test]
fn calls_in_any_order_give_the_same_bits_with_and_without_what_earlier_calls_left() {
    for device in devices() {
        let wanted = count(if device.gpu().is_some() { 120 } else { 600 }, 6000);
        let mut given = 0;
        for seed in 0.. {
            given += play(seed, &device);
            if given >= wanted {
                break;
            }
        }
    }
}

/// Trains, evaluates and predicts, as often as given, in shapes of two kinds in turns.
fn alternate(trainer: &mut Trainer, data: &Dataset, times: usize) -> Vec<String> {
    let parts = [data.rows(0..1).unwrap(), data.rows(3..10).unwrap()];
    let mut all = Vec::new();
    for part in parts.iter().cycle().take(times) {
        all.push(format!("{:?}", trainer.fit(part, Fit::epochs(1)).unwrap()));
        all.push(format!("{:?}", trainer.evaluate(part).unwrap()));
        all.push(format!("{:?}", trainer.predict(part.inputs().view()).unwrap()));
    }
    all
}

#[test]
fn what_is_kept_follows_the_parameters_to_another_buffer() {
    let host = adapter::fresh();
    let device = Device::from(Gpu::from_wgpu(&host.device, &host.queue));
    let net = spiral();
    let [mut moved, mut other] = [net.on(&device), net.on(&device)];
    assert_eq!(alternate(&mut moved, &net.data, 2), alternate(&mut other, &net.data, 2));
    let buffer = host.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("weights"),
        size: moved.network().param_bytes(),
        usage: wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    moved.move_parameters(&buffer, 0).unwrap();
    assert_eq!(alternate(&mut moved, &net.data, 2), alternate(&mut other, &net.data, 2));
    assert_eq!(bits(&moved), bits(&other));
}

#[test]
fn a_new_learning_rate_applies_to_the_next_call_of_equal_shape() {
    for device in devices() {
        let net = spiral();
        let mut trainer = net.on(&device);
        net.train(&mut trainer, 1);
        trainer.set_optimizer("lr", 0.0).unwrap();
        let before = bits(&trainer);
        net.train(&mut trainer, 1);
        assert_eq!(bits(&trainer), before);
        trainer.set_optimizer("lr", 0.1).unwrap();
        net.train(&mut trainer, 1);
        assert_ne!(bits(&trainer), before);
    }
}

#[test]
fn the_first_nan_is_found_after_calls_of_equal_shape() {
    for device in devices() {
        let net = spiral();
        let mut trainer = net.on(&device);
        let row = net.data.rows(0..1).unwrap();
        (0..3).for_each(|_| drop(trainer.fit(&row, Fit::epochs(1)).unwrap()));
        trainer.set_optimizer("lr", 1e38).unwrap();
        let (mut before, mut error) = (bits(&trainer), None);
        for _ in 0..20 {
            before = bits(&trainer);
            let result = trainer.fit(&row, Fit::epochs(1));
            error = result.err();
            if error.is_some() {
                break;
            }
        }
        assert!(matches!(error, Some(wgrad::Error::NotANumber { .. })), "{error:?}");
        assert_eq!(bits(&trainer), before, "as before the step of the first NaN");
    }
}

/// The results of an op that rounds on no device, drawn from a few, on tensors of one shape.
fn exact(draw: &mut Draw, device: &Device, [a, b]: [&Tensor; 2]) -> Vec<Tensor> {
    let two = |swapped: bool| {
        let [first, second] = device
            .compute([a, b], |program, [a, b]| {
                let sum = program.arithmetic("y", Arithmetic::Add, a, b)?;
                let turned = program.scale("z", a, -1.0)?;
                Ok(if swapped { [turned, sum] } else { [sum, turned] })
            })
            .unwrap();
        vec![first, second]
    };
    match draw.below(6) {
        0 => vec![device.activation(Activation::relu(), a).unwrap()],
        1 => vec![device.arithmetic(Arithmetic::Sub, a, b).unwrap()],
        2 => vec![device.arithmetic(Arithmetic::Add, a, a).unwrap()],
        3 => vec![device.transpose(&device.transpose(a).unwrap()).unwrap()],
        4 => two(false),
        _ => two(true),
    }
}

#[test]
fn ops_over_memory_that_was_used_before_give_what_the_reference_gives() {
    let [cpu, gpu] = devices();
    for seed in 0..count(6, 60) as u64 {
        let mut draw = Draw::new(2 * seed);
        let shape = [1 + draw.below(9), 1 + draw.below(9)];
        let first = draw.array(&shape).mapv(f32::round);
        let mut live: Vec<[Tensor; 2]> =
            vec![[&cpu, &gpu].map(|device| device.tensor(&first).unwrap())];
        for number in 0..120 {
            let (a, b) = (draw.pick(&live), draw.pick(&live));
            let mut same = draw.clone();
            let on_cpu = exact(&mut draw, &cpu, [&a[0], &b[0]]);
            let on_gpu = exact(&mut same, &gpu, [&a[1], &b[1]]);
            for (own, other) in on_cpu.into_iter().zip(on_gpu) {
                if draw.one_in(4) {
                    let got = other.read().unwrap();
                    assert_eq!(got, own.read().unwrap(), "seed {seed}, op {number}");
                }
                if draw.one_in(16) {
                    // A recording could see its memory from now on.
                    assert!(other.view().is_some());
                }
                live.push([own, other]);
            }
            while live.len() > 4 {
                live.remove(draw.below(live.len()));
            }
        }
        for [own, other] in &live {
            assert_eq!(other.read().unwrap(), own.read().unwrap(), "seed {seed}");
        }
    }
}
