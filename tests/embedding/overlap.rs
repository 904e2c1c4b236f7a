//! Views of the host's that share bytes.

use std::sync::atomic::Ordering;

use wgrad::embed::{Region, StepOptions, TrainingStep, View};
use wgrad::ir::{DType, Plan, Slot, StepEntry};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::{Error, Program, Result, Shape};

use super::host::{Host, ROWS, floats, simulated, trainer};
use crate::support::kernel::read_back;
use crate::support::nets::bits;

fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents).unwrap()
}

/// Bytes between the places that a view may begin at.
const UNIT: u64 = 256;

fn view(buffer: &wgpu::Buffer, unit: u64, cols: usize) -> View {
    View::new(buffer, unit * UNIT, shape(&[ROWS, cols])).unwrap()
}

fn shares(a: &View, b: &View) -> bool {
    let bytes = |view: &View| view.region.offset..view.region.offset + view.region.bytes;
    let (left, right) = (bytes(a), bytes(b));
    a.region.buffer == b.region.buffer && left.start < right.end && right.start < left.end
}

#[track_caller]
fn refused<T>(outcome: Result<T>, words: &[&str]) {
    let Err(error) = outcome else { panic!("accepted, though {words:?}") };
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not all in: {text}");
}

/// Trains some steps on the data that the host writes to the step's places.
fn trained(host: &Host, mut step: TrainingStep) -> Trainer {
    let data = simulated();
    let write = |region: &Region, numbers: &[f32]| {
        host.queue.write_buffer(&region.buffer, region.offset, bytemuck::cast_slice(numbers));
    };
    write(step.inputs(), data.inputs().as_slice().unwrap());
    write(step.targets().unwrap(), data.targets().values().unwrap().as_slice().unwrap());
    let mut encoder = host.encoder();
    step.encode(&mut encoder, 3).unwrap();
    host.queue.submit([encoder.finish()]);
    step.into_trainer()
}

#[test]
fn of_views_at_random_places_those_that_a_step_would_write_over_each_other_are_refused() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let mut plain = trainer(&gpu);
    plain.fit(&simulated(), Fit::epochs(3)).unwrap();
    let want = bits(&plain);
    let buffers: [wgpu::Buffer; 5] =
        std::array::from_fn(|_| host.buffer(1024, wgpu::BufferUsages::COPY_DST));
    let key = Key::new(1616, Stream::Data(6));
    let cols = [2, 1, 1, 1, 2];
    let (mut accepted, mut overlapping) = (0, 0);
    for turn in 0..160 {
        // Most of the time each in a buffer of its own, and up to two of them moved to another one's.
        let mut place: [usize; 5] = std::array::from_fn(|at| at);
        for (draw, moved) in (0..2).zip([turn % 3 > 0, turn % 3 > 1]) {
            let [what, to] = key.words(turn, draw);
            if moved {
                place[what as usize % 5] = to as usize % 5;
            }
        }
        let views: Vec<View> = (0..5)
            .map(|at| {
                view(
                    &buffers[place[at]],
                    u64::from(key.words(turn, 10 + at as u32)[0] % 3),
                    cols[at],
                )
            })
            .collect();
        let [x, target, y, grad, grad_x] = &views[..] else { unreachable!() };
        let written = [y, grad, grad_x];
        let over = written
            .iter()
            .any(|own| views.iter().any(|other| !std::ptr::eq(*own, other) && shares(own, other)));
        let apart = (0..5).all(|a| (0..a).all(|b| place[a] != place[b]));
        let options = StepOptions::rows(ROWS)
            .inputs(x.clone())
            .targets(target.clone())
            .outputs(y.clone())
            .gradients(grad.clone())
            .input_gradients(grad_x.clone());
        let outcome = trainer(&gpu).into_step(options);
        overlapping += usize::from(over);
        match outcome {
            Ok(step) => {
                assert!(!over, "turn {turn}: accepted at {place:?}");
                accepted += 1;
                // Inputs that are the targets hold something else than the reference's.
                if !shares(x, target) {
                    assert_eq!(bits(&trained(&host, step)), want, "turn {turn}");
                }
            }
            Err(error) => {
                assert!(!apart, "turn {turn}: {error}");
                assert!(matches!(error, Error::Unsupported { .. }), "turn {turn}: {error}");
                assert!(error.to_string().contains("share"), "turn {turn}: {error}");
            }
        }
    }
    assert!(accepted > 50 && overlapping > 20, "{accepted} and {overlapping}");
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn each_pair_of_a_steps_places_is_refused_where_the_step_writes_one_of_them() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let buffer = host.buffer(1024, wgpu::BufferUsages::COPY_DST);
    let (one, two) = (view(&buffer, 0, 1), view(&buffer, 0, 2));
    let rows = || StepOptions::rows(ROWS);
    let into = |options: StepOptions| trainer(&gpu).into_step(options);
    refused(into(rows().inputs(two.clone()).outputs(one.clone())), &["'x'", "'", "share"]);
    refused(into(rows().targets(one.clone()).outputs(one.clone())), &["target", "share"]);
    refused(into(rows().inputs(two.clone()).input_gradients(two.clone())), &["'x'", "share"]);
    refused(into(rows().outputs(one.clone()).input_gradients(two.clone())), &["share"]);
    refused(into(rows().outputs(one.clone()).gradients(one.clone())), &["share"]);
    refused(
        trainer(&gpu).into_gradient_step(rows().outputs(one.clone()).gradients(one.clone())),
        &["share"],
    );
    refused(
        trainer(&gpu).inference(rows().inputs(two.clone()).outputs(one.clone())),
        &["'x'", "share"],
    );
    let mut step = into(rows().outputs(one.clone()).targets(view(&buffer, 1, 1))).unwrap();
    refused(step.set_inputs(&two), &["'x'", "share"]);
    refused(step.set_targets(&one), &["target", "share"]);
    // What lies in memory of wgrad's is no better a place.
    let outputs = View { region: step.outputs().unwrap().clone(), ..one.clone() };
    refused(step.set_targets(&outputs), &["target", "share"]);
    let own = trainer(&gpu).into_step(ROWS).unwrap();
    let mut own = own;
    let outputs = View { region: own.outputs().unwrap().clone(), ..one };
    refused(own.set_targets(&outputs), &["target", "share"]);
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn views_among_the_parameters_are_read_by_passes_and_refused_by_steps() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let bytes = trainer(&gpu).network().param_bytes();
    let buffer = host.buffer(bytes / 4 + 1024, wgpu::BufferUsages::COPY_DST);
    let inside = view(&buffer, 1, 2);
    let options = || StepOptions::rows(ROWS).parameters(&buffer, 0);
    refused(trainer(&gpu).into_step(options().inputs(inside.clone())), &["'x'", "parameters"]);
    let mut moved = trainer(&gpu);
    moved.move_parameters(&buffer, 0).unwrap();
    moved.inference(StepOptions::rows(ROWS).inputs(inside)).unwrap();
    let outputs = view(&buffer, 0, 1);
    refused(moved.inference(StepOptions::rows(ROWS).outputs(outputs)), &["parameters"]);
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn outputs_of_one_step_are_inputs_of_another_and_inputs_are_targets() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    // An autoencoder: what goes in is to come out.
    let model = || Sequential::new(2).dense(4).activation(Activation::tanh()).dense(2);
    let on = || {
        let builder = Trainer::new(model(), Loss::mse(), Optimizer::adam());
        builder
            .on(&gpu
                .choosing(wgrad::embed::Choices {
                    fusion: wgrad::embed::Fusion::Never,
                    ..gpu.choices()
                })
                .into())
            .unwrap()
    };
    let data = simulated();
    let x = data.inputs().as_slice().unwrap();
    let place = view(&host.buffer(256, wgpu::BufferUsages::COPY_DST), 0, 2);
    let options = StepOptions::rows(ROWS).inputs(place.clone()).targets(place.clone());
    let mut step = on().into_step(options).unwrap();
    host.queue.write_buffer(&place.region.buffer, 0, bytemuck::cast_slice(x));
    let mut encoder = host.encoder();
    step.encode(&mut encoder, 4).unwrap();
    // Then what comes out goes into another step of the same kind.
    let between = View { region: step.outputs().unwrap().clone(), ..place.clone() };
    let options = StepOptions::rows(ROWS).inputs(between.clone()).targets(place);
    let mut next = on().into_step(options).unwrap();
    next.encode(&mut encoder, 1).unwrap();
    host.queue.submit([encoder.finish()]);
    let same = Dataset::new(data.inputs().clone(), data.inputs().clone()).unwrap();
    let mut plain = on();
    plain.fit(&same, Fit::epochs(4)).unwrap();
    assert_eq!(bits(&step.into_trainer()), bits(&plain));
    let bytes = 8 * ROWS as u64;
    let region = &between.region;
    let outputs = read_back(&host.device, &host.queue, &region.buffer, region.offset, bytes);
    let outputs = wgrad::ndarray::Array2::from_shape_vec((ROWS, 2), floats(&outputs)).unwrap();
    let mut chained = on();
    let pairs = Dataset::new(outputs, data.inputs().clone()).unwrap();
    chained.fit(&pairs, Fit::epochs(1)).unwrap();
    assert_eq!(bits(&next.into_trainer()), bits(&chained));
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn in_single_ops_over_views_what_is_only_read_may_lie_together() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let [input, output] = [(); 2].map(|()| host.buffer(1024, wgpu::BufferUsages::COPY_DST));
    let twice = |program: &mut Program, slots: &[Slot]| {
        let first = program.activation("first", Activation::relu(), slots[0])?;
        let second = program.activation("second", Activation::tanh(), slots[1])?;
        Ok(vec![first, second])
    };
    let x = view(&input, 0, 2);
    let over = |inputs: &[View], outputs: &[View]| Plan::over(&gpu, inputs, outputs, twice);
    let (first, second) = (view(&output, 0, 2), view(&output, 1, 2));
    over(&[x.clone(), x.clone()], &[first.clone(), second.clone()]).unwrap();
    over(&[x.clone(), view(&input, 0, 1)], &[first.clone(), view(&output, 1, 1)]).unwrap();
    refused(
        over(&[x.clone(), x.clone()], &[first.clone(), first.clone()]),
        &["'first'", "'second'"],
    );
    // No dispatch binds these two together.
    refused(over(&[x.clone(), first.clone()], &[first]), &["'input'", "'first'", "share"]);
    let mut program = Program::new("in place", Vec::new());
    let slot = program.input("x", shape(&[ROWS, 2]), DType::F32);
    let flat = program.reshape("flat", slot, shape(&[2 * ROWS])).unwrap();
    program.activation_in_place(Activation::sigmoid(), flat).unwrap();
    let views = [(slot, x)];
    // One slot under two names is one place.
    Plan::new(&gpu, program, None, &views, 0, |_| StepEntry::rows(ROWS)).unwrap();
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}
