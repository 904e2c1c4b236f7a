//! The host's own buffers and textures in the place of ours.

use std::slice::from_ref;
use std::sync::atomic::Ordering;

use wgrad::__internal::Place;
use wgrad::embed::{Fusion, Region, StepOptions, TextureCopy, View};
use wgrad::ir::{DType, Plan, Slot, StepEntry};
use wgrad::prelude::*;
use wgrad::{Program, Shape, Tensor};

use super::host::{Host, ROWS, binding, floats, simulated, trainer, trainer_with, ways};
use crate::support::kernel::read_back;
use crate::support::nets::bits;

fn read(host: &Host, region: &Region, len: usize) -> Vec<f32> {
    let bytes = 4 * len as u64;
    floats(&read_back(&host.device, &host.queue, &region.buffer, region.offset, bytes))
}

fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents).unwrap()
}

/// Inputs, targets, outputs, dL/dy and dL/dx one after the other in one buffer would be bound twice by some kernels, so
/// each has its own, at an offset of its own.
fn views(host: &Host) -> [View; 5] {
    let offsets = [0, 256, 512, 1024, 2048];
    let cols = [2, 1, 1, 1, 2];
    std::array::from_fn(|at| {
        let buffer = host.buffer(2048, wgpu::BufferUsages::COPY_DST);
        View::new(&buffer, offsets[at], shape(&[ROWS, cols[at]])).unwrap()
    })
}

fn write(host: &Host, view: &View, numbers: &[f32]) {
    host.queue.write_buffer(&view.region.buffer, view.region.offset, bytemuck::cast_slice(numbers));
}

#[test]
fn a_step_over_buffers_of_the_host_computes_what_one_over_ours_does() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let [x, target, y, grad, grad_x] = views(&host);
    let data = simulated();
    write(&host, &x, data.inputs().as_slice().unwrap());
    write(&host, &target, data.targets().values().unwrap().as_slice().unwrap());
    let options = StepOptions::rows(ROWS)
        .inputs(x)
        .targets(target)
        .outputs(y.clone())
        .gradients(grad.clone())
        .input_gradients(grad_x.clone());
    let mut step = trainer(&gpu).into_step(options).unwrap();
    let mut encoder = host.device.create_command_encoder(&Default::default());
    step.encode(&mut encoder, 7).unwrap();
    host.queue.submit([encoder.finish()]);
    let outputs = read(&host, &y.region, ROWS);
    let gradients = read(&host, &grad.region, ROWS);
    // mse: dL/dy = 2 (y - t) / n.
    for (row, (y, gradient)) in outputs.iter().zip(&gradients).enumerate() {
        let want = 2.0 * (y - ((row % 3) as f32 - 0.5)) / ROWS as f32;
        assert!((gradient - want).abs() < 1e-6, "{row}: {gradient} and {want}");
    }
    assert!(read(&host, &grad_x.region, 2 * ROWS).iter().all(|g| g.is_finite() && *g != 0.0));
    let trained = step.into_trainer();
    let mut plain = trainer(&gpu);
    plain.fit(&data, Fit::epochs(7)).unwrap();
    assert_eq!(bits(&trained), bits(&plain));
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn the_gradient_by_the_inputs_is_the_slope_of_the_loss() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let data = simulated();
    let network = || {
        let model = Sequential::new(2).activation(Activation::gelu()).dense(8);
        let model = model.activation(Activation::tanh()).dense(1);
        let still = Optimizer::sgd().learning_rate(1e-30);
        Trainer::new(model, Loss::mse(), still).on(&gpu.clone().into()).unwrap()
    };
    let mut step = network().into_step(StepOptions::rows(ROWS).through()).unwrap();
    let values = data.targets().values().unwrap();
    let mut run = |x: &[f32]| {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        step.upload_inputs(&mut encoder, x).unwrap();
        step.upload_targets(&mut encoder, values.as_slice().unwrap()).unwrap();
        step.encode(&mut encoder, 1).unwrap();
        host.wait_for(Some(host.queue.submit([encoder.finish()])));
        let loss = step.metrics().try_latest().unwrap().expect("it is done").loss;
        (loss, read(&host, step.input_gradients().unwrap(), x.len()))
    };
    let x = data.inputs().as_slice().unwrap().to_vec();
    let (_, slope) = run(&x);
    for at in [0, 1, 17, 30, 47] {
        let moved = |by: f32| {
            let mut x = x.clone();
            x[at] += by;
            x
        };
        let (above, _) = run(&moved(0.03));
        let (below, _) = run(&moved(-0.03));
        let difference = (above - below) / 0.06;
        let error = (difference - f64::from(slope[at])).abs();
        assert!(error < 2e-4 + 0.02 * difference.abs(), "{at}: {difference} and {}", slope[at]);
    }
    let plain = network().into_step(ROWS).unwrap();
    assert!(plain.input_gradients().unwrap_err().to_string().contains("through"));
}

#[test]
fn a_step_in_three_parts_in_three_encoders_is_a_step() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let data = simulated();
    let mut step = trainer(&gpu).into_step(ROWS).unwrap();
    let values = data.targets().values().unwrap();
    let mut encoder = host.device.create_command_encoder(&Default::default());
    step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
    step.upload_targets(&mut encoder, values.as_slice().unwrap()).unwrap();
    host.queue.submit([encoder.finish()]);
    for turn in 0..30 {
        let part = |record: &mut dyn FnMut(&mut wgpu::CommandEncoder)| {
            let mut encoder = host.device.create_command_encoder(&Default::default());
            record(&mut encoder);
            encoder.finish()
        };
        let mut forward = part(&mut |encoder| step.encode_forward(encoder).unwrap());
        if turn % 3 == 0 {
            // Dropped, and recorded again.
            drop(forward);
            forward = part(&mut |encoder| step.encode_forward(encoder).unwrap());
        }
        let backward = part(&mut |encoder| step.encode_backward(encoder).unwrap());
        assert!(step.encode_backward(&mut host.encoder()).is_err());
        let update = part(&mut |encoder| step.encode_update(encoder).unwrap());
        if turn % 5 == 0 {
            // The whole step once more after its update was dropped.
            host.queue.submit([forward, backward]);
            drop(update);
            let again = part(&mut |encoder| step.encode(encoder, 1).unwrap());
            host.frame(again);
        } else {
            host.queue.submit([forward]);
            host.queue.submit([backward]);
            host.frame(update);
        }
    }
    let trained = step.into_trainer();
    let mut plain = trainer(&gpu);
    plain.fit(&data, Fit::epochs(30)).unwrap();
    assert_eq!(trained.step(), 30);
    assert_eq!(bits(&trained), bits(&plain));
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn gradients_of_small_batches_are_gathered_across_frames() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let model = || Sequential::new(2).dense(16).activation(Activation::tanh()).dense(1);
    let data = simulated();
    let (x, y) = (data.inputs().as_slice().unwrap(), data.targets().values().unwrap().clone());
    let y = y.as_slice().unwrap();
    let gathering = Trainer::new(model(), Loss::mse(), Optimizer::adam())
        .accumulate(4)
        .on(&gpu.clone().into())
        .unwrap();
    let mut step = gathering.into_step(6).unwrap();
    for frame in 0..40 {
        let part = frame % 4;
        let mut encoder = host.encoder();
        step.upload_inputs(&mut encoder, &x[12 * part..12 * (part + 1)]).unwrap();
        step.upload_targets(&mut encoder, &y[6 * part..6 * (part + 1)]).unwrap();
        step.encode(&mut encoder, 1).unwrap();
        host.frame(encoder.finish());
    }
    let gathered = step.into_trainer().parameters().unwrap();
    let mut whole =
        Trainer::new(model(), Loss::mse(), Optimizer::adam()).on(&gpu.clone().into()).unwrap();
    whole.fit(&data, Fit::epochs(10)).unwrap();
    for ((name, ours), (_, theirs)) in gathered.into_iter().zip(whole.parameters().unwrap()) {
        let far = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 2e-5, "{name}: {far}");
    }
}

#[test]
fn buffers_are_swapped_between_recordings_without_a_new_step() {
    let host = Host::new();
    for gpu in ways(&host) {
        swapped(&host, &gpu);
    }
}

fn swapped(host: &Host, gpu: &Gpu) {
    let trainer = |gpu: &Gpu| trainer_with(gpu, gpu.choices().fusion);
    let data = simulated();
    let mut step = trainer(gpu).into_step(StepOptions::rows(ROWS).fused()).unwrap();
    let [x, target, ..] = views(host);
    write(host, &x, data.inputs().as_slice().unwrap());
    write(host, &target, data.targets().values().unwrap().as_slice().unwrap());
    step.set_inputs(&x).unwrap();
    step.set_targets(&target).unwrap();
    let mut encoder = host.encoder();
    step.encode(&mut encoder, 3).unwrap();
    // Zeros for the steps to come; those that are recorded keep what they had.
    let other = host.buffer(2048, wgpu::BufferUsages::COPY_DST);
    step.set_targets(&View::new(&other, 0, shape(&[ROWS, 1])).unwrap()).unwrap();
    let wrong = step.set_targets(&View::new(&other, 0, shape(&[ROWS, 2])).unwrap()).unwrap_err();
    assert!(wrong.to_string().contains("[24, 2]"), "{wrong}");
    step.encode(&mut encoder, 2).unwrap();
    host.queue.submit([encoder.finish()]);
    let mut plain = trainer(gpu);
    plain.fit(&data, Fit::epochs(3)).unwrap();
    let zeros = Dataset::new(data.inputs().clone(), wgrad::ndarray::Array2::zeros((ROWS, 1)));
    plain.fit(&zeros.unwrap(), Fit::epochs(2)).unwrap();
    assert_eq!(bits(&step.into_trainer()), bits(&plain));
}

#[test]
fn a_single_op_and_a_prediction_are_recorded_over_views() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let numbers: Vec<f32> = (0..48).map(|i| 0.25 * i as f32 - 6.0).collect();
    let (a, b) = (
        host.buffer(256, wgpu::BufferUsages::COPY_DST),
        host.buffer(256, wgpu::BufferUsages::empty()),
    );
    let x = View::new(&a, 256, shape(&[24, 2])).unwrap();
    let y = View::new(&b, 512, shape(&[24, 2])).unwrap();
    write(&host, &x, &numbers);
    let mut gelu = Plan::over(&gpu, from_ref(&x), from_ref(&y), |program, inputs| {
        inputs.iter().map(|x| program.activation("y", Activation::gelu(), *x)).collect()
    })
    .unwrap();
    let trainer = trainer(&gpu);
    let outputs = View::new(&host.buffer(64, wgpu::BufferUsages::empty()), 0, shape(&[24, 1]));
    let mut inference = trainer
        .inference(StepOptions::rows(24).inputs(y.clone()).outputs(outputs.unwrap()))
        .unwrap();
    let mut encoder = host.encoder();
    gelu.encode(&mut encoder, 1).unwrap();
    inference.encode(&mut encoder).unwrap();
    host.queue.submit([encoder.finish()]);

    let device: Device = gpu.into();
    let array = wgrad::ndarray::Array2::from_shape_vec((24, 2), numbers).unwrap();
    let x: Tensor = device.tensor(&array).unwrap();
    let want = device.activation(Activation::gelu(), &x).unwrap().read().unwrap();
    let got = read(&host, &y.region, 48);
    assert_eq!(got, want.iter().copied().collect::<Vec<_>>());
    let mut trainer = trainer;
    let hidden = want.into_dimensionality().unwrap();
    let predicted = trainer.predict(hidden.view()).unwrap();
    assert_eq!(read(&host, inference.outputs(), 24), predicted.iter().copied().collect::<Vec<_>>());
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn views_that_do_not_fit_are_refused_in_words() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let buffer = host.buffer(128, wgpu::BufferUsages::empty());
    let says = |outcome: wgrad::Result<View>, words: &[&str]| {
        let message = outcome.unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    says(View::new(&buffer, 0, shape(&[129])), &["528", "512", "bytes"]);
    says(View::new(&buffer, 4, shape(&[1])), &["256"]);
    says(View::new(&buffer, u64::MAX - 255, shape(&[1])), &["bytes"]);
    let plain = host.filled(&[0.0; 64]);
    says(View::new(&plain, 0, shape(&[1])), &["STORAGE"]);
    let small = View::new(&buffer, 0, shape(&[ROWS, 1])).unwrap();
    let error = trainer(&gpu).into_step(StepOptions::rows(ROWS).inputs(small.clone())).unwrap_err();
    assert!(error.to_string().contains("[24, 2]"), "{error}");
    let error =
        trainer(&gpu).into_gradient_step(StepOptions::rows(ROWS).targets(small)).unwrap_err();
    assert!(error.to_string().contains("targets"), "{error}");
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn a_view_of_another_shape_of_a_slot_is_a_view_of_that_slot() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let place = |floats| host.buffer(floats, wgpu::BufferUsages::COPY_DST);
    let flat = View::new(&place(64), 0, shape(&[48])).unwrap();
    let y = View::new(&place(64), 0, shape(&[48])).unwrap();
    let numbers: Vec<f32> = (0..48).map(|i| i as f32 - 20.0).collect();
    write(&host, &flat, &numbers);
    let mut program = Program::new("reshaped", Vec::new());
    let x = program.input("x", shape(&[24, 2]), DType::F32);
    let reshaped = program.reshape("flat x", x, shape(&[48])).unwrap();
    let relu = program.activation("relu", Activation::relu(), x).unwrap();
    let end = program.reshape("end", relu, shape(&[48])).unwrap();
    let plan = |views: &[(Slot, View)]| {
        Plan::new(&gpu, program.clone(), None, views, 0, |_| StepEntry::rows(usize::MAX))
    };
    let mut reading = plan(&[(reshaped, flat.clone()), (end, y.clone())]).unwrap();
    reading.run(1).unwrap();
    assert_eq!(read(&host, &y.region, 48), numbers.iter().map(|x| x.max(0.0)).collect::<Vec<_>>());
    // The next run writes elsewhere.
    let other = View::new(&place(64), 0, shape(&[48])).unwrap();
    reading.rebind(None, end, &other).unwrap();
    reading.run(1).unwrap();
    assert_eq!(read(&host, &other.region, 48), read(&host, &y.region, 48));

    let twice = View { shape: shape(&[24, 2]), ..flat.clone() };
    let error = plan(&[(reshaped, flat), (x, twice)]).unwrap_err().to_string();
    assert!(error.contains("two views of 'x'"), "{error}");
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn a_slot_without_memory_of_its_own_says_where_it_is_instead() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let step = trainer_with(&gpu, Fusion::Whole).into_step(StepOptions::rows(ROWS).fused());
    let plan = step.unwrap();
    let plan = plan.plan();
    let program = plan.program();
    let ops = program.ops().iter();
    let slots: Vec<Slot> = ops.flat_map(|op| [op.inputs(), op.outputs()].concat()).collect();
    let (mut arenas, mut within) = (0, 0);
    for slot in slots.iter().filter(|slot| plan.region(**slot).is_none()) {
        let info = program.slot(*slot).unwrap();
        let error = pollster::block_on(plan.read(*slot)).unwrap_err().to_string();
        assert!(error.contains(&format!("'{}'", info.name)), "{error}");
        let (count, words) = match info.place {
            Place::Param(_) | Place::Grad(_) => (&mut arenas, "lies among the"),
            _ => (&mut within, "not stored by a fused dispatch"),
        };
        assert!(error.contains(words), "{error}");
        *count += 1;
    }
    assert!(arenas >= 8 && within > 4, "{arenas} and {within}");
    let is_weight = |slot: &&Slot| program.slot(**slot).unwrap().place == Place::Param(0);
    let weight = *slots.iter().find(is_weight).unwrap();
    let buffer = host.buffer(64, wgpu::BufferUsages::empty());
    let views = [(weight, View::new(&buffer, 0, program.shape(weight).unwrap()).unwrap())];
    let rule = |_| StepEntry::rows(ROWS);
    let error = Plan::new(&gpu, program.clone(), None, &views, 0, rule).unwrap_err().to_string();
    assert!(error.contains("0.weight") && error.contains("move_parameters"), "{error}");
}

fn texture(host: &Host, format: wgpu::TextureFormat, usage: wgpu::TextureUsages) -> wgpu::Texture {
    host.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("host"),
        size: wgpu::Extent3d { width: 13, height: 9, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    })
}

#[test]
fn textures_become_tensors_and_tensors_textures() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let both = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::STORAGE_BINDING;
    // How exact a format is, and how many channels it has.
    let formats = [
        (wgpu::TextureFormat::Rgba8Unorm, 0.5 / 255.0 + 1e-6, 4),
        (wgpu::TextureFormat::R32Float, 0.0, 1),
        (wgpu::TextureFormat::Rgba16Float, 5e-4, 4),
        (wgpu::TextureFormat::Rgba32Float, 0.0, 4),
    ];
    for (format, error, has) in formats {
        for channels in 1..=4 {
            let image = texture(&host, format, both);
            let numbers: Vec<f32> =
                (0..117 * channels).map(|i| (i * 37 % 256) as f32 / 255.0).collect();
            let from = View::new(
                &host.buffer(512, wgpu::BufferUsages::COPY_DST),
                0,
                shape(&[9, 13, channels]),
            );
            let to =
                View::new(&host.buffer(512, wgpu::BufferUsages::COPY_DST), 0, shape(&[9, 13, 4]));
            let (from, to) = (from.unwrap(), to.unwrap());
            write(&host, &from, &numbers);
            let mut encoder = host.encoder();
            let out = TextureCopy::new(&gpu, &image, &from).unwrap();
            let back = TextureCopy::new(&gpu, &image, &to).unwrap();
            out.to_texture(&mut encoder).unwrap();
            back.to_tensor(&mut encoder).unwrap();
            host.queue.submit([encoder.finish()]);
            let got = read(&host, &to.region, 117 * 4);
            for (place, texel) in got.chunks(4).enumerate() {
                for (channel, &value) in texel.iter().enumerate() {
                    let missing = if channel == 3 { 1.0 } else { 0.0 };
                    let want = if channel < channels.min(has) {
                        numbers[place * channels + channel]
                    } else {
                        missing
                    };
                    let far = (value - want).abs();
                    assert!(
                        far <= error,
                        "{format:?} {channels}: {place}.{channel} {value} {want}"
                    );
                }
            }
        }
    }
    let tensor = View::new(&host.buffer(512, wgpu::BufferUsages::COPY_DST), 0, shape(&[9, 13, 4]));
    let refused = |format, usage, tensor: &View| {
        let copy = TextureCopy::new(&gpu, &texture(&host, format, usage), tensor);
        copy.and_then(|copy| copy.to_texture(&mut host.encoder())).unwrap_err().to_string()
    };
    let tensor = tensor.unwrap();
    let binding = wgpu::TextureUsages::TEXTURE_BINDING;
    let message = refused(wgpu::TextureFormat::Rgba32Float, binding, &tensor);
    assert!(message.contains("STORAGE_BINDING"), "{message}");
    let message = refused(wgpu::TextureFormat::Rgba8UnormSrgb, binding, &tensor);
    assert!(message.contains("Rgba8UnormSrgb"), "{message}");
    let flat = View::new(&tensor.region.buffer, 0, shape(&[117, 4])).unwrap();
    let message = refused(wgpu::TextureFormat::Rgba32Float, both, &flat);
    assert!(message.contains("[9, 13, channels]"), "{message}");
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn parameters_and_outputs_are_bound_in_the_hosts_pipelines() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let step = trainer(&gpu).into_step(ROWS).unwrap();
    let weight = step.parameter(2).unwrap();
    let out = host.buffer(64, wgpu::BufferUsages::empty());
    const SUM: &str = "
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(16) fn main(@builtin(global_invocation_id) id: vec3u) { out[id.x] = weight[id.x]; }";
    let mut encoder = host.encoder();
    let whole = wgpu::BufferBinding { buffer: &out, offset: 0, size: None };
    host.pass(&mut encoder, SUM, [binding(&weight), whole], 1);
    host.queue.submit([encoder.finish()]);
    let got = floats(&read_back(&host.device, &host.queue, &out, 0, 64));
    assert_eq!(got, step.into_trainer().parameters().unwrap()[2].1.as_slice().unwrap());
}
