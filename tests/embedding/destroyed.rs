//! A device that is gone before anybody has noticed: every call says so, and the host hears nothing of it.

use std::sync::atomic::Ordering;

use wgrad::__internal::kernel::{Text, registry};
use wgrad::embed::{Budget, StepOptions, TextureCopy, TrainingStep, View};
use wgrad::ir::{Plan, PlanWeights, Slot, StepEntry};
use wgrad::ndarray::{Array2, array};
use wgrad::prelude::*;
use wgrad::{Error, Program, Result, Shape, Tensor};

use super::host::{Host, one_by_one};
use crate::support::adapter;
use crate::support::nets::directory;

const ROWS: usize = 4;

/// What the calls are made on, all of it made while the device lived.
struct Things {
    gpu: Gpu,
    device: Device,
    trainer: Trainer,
    step: TrainingStep,
    plan: Plan,
    x: Slot,
    weights: PlanWeights,
    tensor: Tensor,
    view: View,
    image: wgpu::Texture,
    copy: TextureCopy,
    place: std::path::PathBuf,
    /// One that was begun before the device went.
    encoder: wgpu::CommandEncoder,
}

fn line() -> Dataset {
    Dataset::new(Array2::ones((ROWS, 2)), Array2::zeros((ROWS, 1))).unwrap()
}

fn model() -> Sequential {
    Sequential::new(2).dense(1)
}

fn builder() -> wgrad::train::TrainerBuilder {
    Trainer::new(model(), Loss::mse(), Optimizer::adam())
}

fn relu(program: &mut Program, slots: &[Slot]) -> Result<Vec<Slot>> {
    slots.iter().map(|x| program.activation("y", Activation::relu(), *x)).collect()
}

impl Things {
    fn new(gpu: &Gpu, name: &str) -> Self {
        let gpu = one_by_one(gpu);
        let device = Device::from(gpu.clone());
        let mut trainer = builder().on(&device).unwrap();
        trainer.fit(&line(), Fit::epochs(1)).unwrap();
        let place = directory(&format!("destroyed_{name}")).join("net.safetensors");
        trainer.save(&place).unwrap();
        let options = StepOptions::rows(ROWS).through().snapshot_every(1);
        let step = builder().on(&device).unwrap().into_step(options).unwrap();
        let network = model().build().unwrap();
        let optimizer = Optimizer::adam();
        let weights = PlanWeights::new(&gpu, network.params(), Some(&optimizer), 0).unwrap();
        let io = network.inference(ROWS).unwrap();
        let rule = |_| StepEntry::rows(ROWS);
        let plan = Plan::new(&gpu, io.program, Some(&weights), &[], 0, rule).unwrap();
        let tensor = device.tensor(&Array2::<f32>::ones((ROWS, 2))).unwrap();
        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("host"),
            size: 1024,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let view = View::new(&buffer, 0, Shape::new(&[ROWS, 2]).unwrap()).unwrap();
        let image = gpu.device().create_texture(&wgpu::TextureDescriptor {
            label: Some("host"),
            size: wgpu::Extent3d { width: 2, height: ROWS as u32, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::R32Float,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::STORAGE_BINDING,
            view_formats: &[],
        });
        let copy = TextureCopy::new(&gpu, &image, &tall(&view)).unwrap();
        let encoder = gpu.device().create_command_encoder(&Default::default());
        let x = io.x;
        Self {
            gpu,
            device,
            trainer,
            step,
            plan,
            x,
            weights,
            tensor,
            view,
            image,
            copy,
            place,
            encoder,
        }
    }
}

fn tall(view: &View) -> View {
    View { shape: Shape::new(&[ROWS, 2, 1]).unwrap(), ..view.clone() }
}

fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<()> {
    pollster::block_on(future).map(drop)
}

type Call = fn(&mut Things) -> Result<()>;

/// Calls that ask something of the device.
const CALLS: &[(&str, Call)] = &[
    ("parameters", |t| t.trainer.parameters().map(drop)),
    ("gradients", |t| wait(t.trainer.gradients_async())),
    ("save", |t| t.trainer.save(&t.place)),
    ("load", |t| t.trainer.load(&t.place)),
    ("fit", |t| t.trainer.fit(&line(), Fit::epochs(2)).map(drop)),
    ("evaluate", |t| t.trainer.evaluate(&line()).map(drop)),
    ("predict", |t| t.trainer.predict(line().inputs().view()).map(drop)),
    ("on", |t| builder().on(&t.device).map(drop)),
    ("inference", |t| t.trainer.inference(ROWS).map(drop)),
    ("move_parameters", |t| t.trainer.move_parameters(&t.view.region.buffer, 0)),
    ("self_test", |t| t.trainer.self_test(&line(), ROWS).map(drop)),
    ("tune", |t| t.trainer.tune(&line(), ROWS)),
    ("records", |t| wait(t.step.records(0..0))),
    ("profile", |t| wait(t.step.profile(1))),
    ("set_inputs", |t| t.step.set_inputs(&t.view)),
    ("step.inference", |t| t.step.inference(ROWS).map(drop)),
    ("step.self_test", |t| wait(t.step.self_test())),
    ("tensor", |t| t.device.tensor(&array![[1.0f32]]).map(drop)),
    ("classes", |t| t.device.classes(&[1, 2, 3]).map(drop)),
    ("read", |t| t.tensor.read().map(drop)),
    ("arithmetic", |t| t.device.arithmetic(Arithmetic::Add, &t.tensor, &t.tensor).map(drop)),
    ("reduce", |t| t.device.reduce(Reduce::Sum, &t.tensor, &[]).map(drop)),
    ("full", |t| t.device.full(Shape::new(&[3]).unwrap(), 2.0).map(drop)),
    ("weights", |t| PlanWeights::new(&t.gpu, t.trainer.network().params(), None, 0).map(drop)),
    ("read_state", |t| wait(t.weights.read_state(0))),
    ("plan", |t| Plan::over(&t.gpu, std::slice::from_ref(&t.view), &[], relu).map(drop)),
    ("run", |t| t.plan.run(1)),
    ("write", |t| t.plan.write(t.x, &[1.0])),
    ("plan.read", |t| wait(t.plan.read(t.x))),
    ("rebind", |t| t.plan.rebind(Some(&t.weights), t.x, &t.view)),
    ("compile", |t| {
        let kernels = registry::all();
        t.gpu.compile(kernels.iter().find(|kernel| kernel.label == "tensor.fill").unwrap())
    }),
    ("texture", |t| TextureCopy::new(&t.gpu, &t.image, &tall(&t.view)).map(drop)),
];

/// Calls that only record, into an encoder of before or of after: what they record is lost with the device.
const RECORDING: &[(&str, Call)] = &[
    ("encode", |t| t.step.encode(&mut t.encoder, 2)),
    ("encode_within", |t| t.step.encode_within(&mut t.encoder, Budget::millis(2)).map(drop)),
    ("encode_forward", |t| t.step.encode_forward(&mut t.encoder)),
    ("upload_inputs", |t| t.step.upload_inputs(&mut t.encoder, &[1.0; 2 * ROWS])),
    ("encode_snapshot", |t| t.step.encode_snapshot(&mut t.encoder)),
    ("plan.encode", |t| t.plan.encode(&mut t.encoder, 1)),
    ("plan.upload", |t| t.plan.upload(&mut t.encoder, t.x, &[1.0])),
    ("to_tensor", |t| t.copy.to_tensor(&mut t.encoder)),
    ("to_texture", |t| t.copy.to_texture(&mut t.encoder)),
    ("copy_from", |t| t.step.inputs().copy_from(&mut t.encoder, &t.view.region.buffer, 32)),
];

/// How the host goes on once the device is destroyed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Nothing,
    Polls,
}

#[track_caller]
fn is_lost(name: &str, then: Then, outcome: Result<()>) {
    let Err(error) = outcome else { panic!("{name}, {then:?}: nothing was noticed") };
    assert!(matches!(error, Error::DeviceLost(_)), "{name}, {then:?}: {error}");
}

fn destroyed(host: &Host, things: &mut [Things], then: Then) {
    host.device.destroy();
    if then == Then::Polls {
        let _ = host.device.poll(wgpu::PollType::Poll);
    }
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
    let mut calls = CALLS.iter().chain(RECORDING).chain(RECORDING).enumerate();
    for things in things {
        let (number, (name, call)) = calls.next().unwrap();
        let outcome = if number < CALLS.len() {
            call(things)
        } else {
            if number >= CALLS.len() + RECORDING.len() {
                things.encoder = host.encoder();
            }
            let outcome = call(things);
            let encoder = std::mem::replace(&mut things.encoder, host.encoder());
            host.queue.submit([encoder.finish()]);
            if let Err(error) = &outcome {
                assert!(matches!(error, Error::DeviceLost(_)), "{name}, {then:?}: {error}");
            }
            // What is recorded next knows of it, once this was submitted.
            let figures = things.step.metrics().try_all().map(drop);
            match outcome.and(figures) {
                Ok(()) => things.trainer.parameters().map(drop),
                lost => lost,
            }
        };
        is_lost(name, then, outcome);
        // It stays lost.
        is_lost(name, then, things.trainer.parameters().map(drop));
        is_lost(name, then, things.step.encode(&mut host.encoder(), 1));
        assert_eq!(host.errors.load(Ordering::SeqCst), 0, "{name}, {then:?}: the host heard of it");
    }
    assert!(calls.next().is_none());
}

#[test]
fn every_call_after_a_borrowed_device_is_destroyed_says_that_it_is_lost_and_the_host_hears_nothing()
{
    for then in [Then::Nothing, Then::Polls] {
        let host = Host::new();
        // Each call meets a loss that nobody has noticed: its device is borrowed anew.
        let count = CALLS.len() + 2 * RECORDING.len();
        let things = (0..count).map(|number| {
            let gpu = Gpu::from_wgpu(&host.device, &host.queue);
            Things::new(&gpu, &format!("{then:?}_{number}"))
        });
        destroyed(&host, &mut things.collect::<Vec<_>>(), then);
    }
}

#[test]
fn every_call_after_a_device_of_our_own_is_destroyed_says_that_it_is_lost() {
    let wanted = std::env::var("WGRAD_DEVICE").unwrap_or_default();
    let wanted = if wanted == "gpu" { String::new() } else { wanted };
    for name in ["parameters", "save", "fit", "predict", "on", "tensor", "read", "records"] {
        let limits = wgpu::Limits::default();
        let gpu = pollster::block_on(Gpu::with_limits(&wanted, limits)).unwrap();
        let mut things = Things::new(&gpu, &format!("own_{name}"));
        gpu.device().destroy();
        let (_, call) = CALLS.iter().find(|(own, _)| *own == name).unwrap();
        is_lost(name, Then::Nothing, call(&mut things));
        is_lost(name, Then::Nothing, things.trainer.parameters().map(drop));
    }
}

#[test]
fn a_mistake_of_the_hosts_device_that_lives_is_not_taken_for_a_loss() {
    let host = Host::on(adapter::fresh());
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let mut things = Things::new(&gpu, "alive");
    let kernels = registry::all();
    let mut kernel = kernels.into_iter().find(|kernel| kernel.label == "tensor.fill").unwrap();
    kernel.parts.push(Text::user("fn oops() -> f32 { return 1u; }"));
    let error = gpu.compile(&kernel).unwrap_err();
    assert!(!matches!(error, Error::DeviceLost(_)), "{error}");
    things.trainer.parameters().unwrap();
    things.trainer.fit(&line(), Fit::epochs(1)).unwrap();
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}
