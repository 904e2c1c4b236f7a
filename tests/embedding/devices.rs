//! What lies on one device is never taken for something on another.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use wgrad::device::LossTensors;
use wgrad::embed::{Choices, Fusion, StepOptions, TextureCopy, View};
use wgrad::ir::{DType, Form, LinearInputs, Plan, PlanWeights, Slot, StepEntry, TripletDistances};
use wgrad::ndarray::{Array2, array};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::{Error, Program, Result, Shape, Tensor};

use super::host::{Host, ROWS, one_by_one, simulated, trainer};
use crate::support::nets::bits;

fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents).unwrap()
}

#[track_caller]
fn elsewhere<T>(outcome: Result<T>, words: &[&str]) {
    let Err(error) = outcome else { panic!("accepted, though {words:?}") };
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let text = error.to_string();
    let words = [&["another device"], words].concat();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not all in: {text}");
}

/// The tensors that the calls below take: numbers by shape, indices by shape.
struct Tensors<'a> {
    of: &'a dyn Fn() -> Device,
}

impl Tensors<'_> {
    fn numbers(&self, extents: &[usize]) -> Tensor {
        let len: usize = extents.iter().product();
        let values = (0..len).map(|i| 0.1 + 0.8 * (i * 7 % 10) as f32 / 10.0).collect();
        let array = wgrad::ndarray::ArrayD::from_shape_vec(extents.to_vec(), values).unwrap();
        (self.of)().tensor(&array).unwrap()
    }

    fn matrix(&self) -> Tensor {
        self.numbers(&[4, 2])
    }

    fn indices(&self, extents: &[usize]) -> Tensor {
        let len: usize = extents.iter().product();
        let labels: Vec<u32> = (0..len as u32).map(|i| i % 2).collect();
        (self.of)().classes_of(extents, &labels).unwrap()
    }
}

type Call = fn(&Device, &Tensors<'_>) -> Result<()>;

/// Every call of [`Device`] that takes tensors, by its name and a word of the op that it runs first or last.
const CALLS: &[(&str, Call)] = &[
    ("arithmetic", |on, t| on.arithmetic(Arithmetic::Add, &t.matrix(), &t.matrix()).map(drop)),
    ("compute", |on, t| {
        let (a, b) = (t.matrix(), t.matrix());
        let add = |program: &mut wgrad::Program, [a, b]: [wgrad::ir::Slot; 2]| {
            Ok([program.arithmetic("sum", Arithmetic::Add, a, b)?])
        };
        on.compute([&a, &b], add).map(drop)
    }),
    ("arithmetic_backward", |on, t| {
        let (a, b) = (t.matrix(), t.matrix());
        on.arithmetic_backward(Arithmetic::Mul, (&a, &b), &t.matrix()).map(drop)
    }),
    ("matmul", |on, t| on.matmul(&t.matrix(), &t.matrix(), Form::NT).map(drop)),
    ("matmul_backward", |on, t| {
        let (a, b) = (t.matrix(), t.matrix());
        on.matmul_backward(Form::NT, (&a, &b), &t.numbers(&[4, 4])).map(drop)
    }),
    ("axpy", |on, t| on.axpy(2.0, &t.matrix(), &t.matrix()).map(drop)),
    ("scale", |on, t| on.scale(&t.matrix(), 2.0).map(drop)),
    ("dot", |on, t| on.dot(&t.matrix(), &t.matrix()).map(drop)),
    ("reduce", |on, t| on.reduce(Reduce::Sum, &t.matrix(), &[0]).map(drop)),
    ("reduce_backward", |on, t| {
        on.reduce_backward(Reduce::Sum, &t.matrix(), &t.numbers(&[2]), &[0]).map(drop)
    }),
    ("permute", |on, t| on.permute(&t.matrix(), &[1, 0]).map(drop)),
    ("transpose", |on, t| on.transpose(&t.matrix()).map(drop)),
    ("slice", |on, t| on.slice(&t.matrix(), 0, 1..3).map(drop)),
    ("slice_backward", |on, t| {
        on.slice_backward(shape(&[4, 2]), 0, 1..3, &t.numbers(&[2, 2])).map(drop)
    }),
    ("concatenate", |on, t| on.concatenate(&[&t.matrix(), &t.matrix(), &t.matrix()], 0).map(drop)),
    ("broadcast_to", |on, t| on.broadcast_to(&t.matrix(), shape(&[3, 4, 2])).map(drop)),
    ("sum_to", |on, t| on.sum_to(&t.matrix(), shape(&[2])).map(drop)),
    ("repeat", |on, t| on.repeat(&t.matrix(), 0, 2).map(drop)),
    ("repeat_backward", |on, t| on.repeat_backward(&t.matrix(), 0, 2).map(drop)),
    ("gather_rows", |on, t| on.gather_rows(&t.matrix(), &t.indices(&[3])).map(drop)),
    ("scatter_add", |on, t| {
        on.scatter_add(&t.matrix(), &t.numbers(&[3, 2]), &t.indices(&[3])).map(drop)
    }),
    ("normalize", |on, t| {
        let (weight, bias) = (t.numbers(&[2]), t.numbers(&[2]));
        on.normalize(Normalization::layer_norm(), &t.matrix(), Some(&weight), Some(&bias)).map(drop)
    }),
    ("normalize_backward", |on, t| {
        let weight = t.numbers(&[2]);
        let f = Normalization::layer_norm();
        on.normalize_backward(f, &t.matrix(), Some(&weight), &t.matrix()).map(drop)
    }),
    ("activation", |on, t| on.activation(Activation::tanh(), &t.matrix()).map(drop)),
    ("activation_backward", |on, t| {
        on.activation_backward(Activation::tanh(), &t.matrix(), &t.matrix()).map(drop)
    }),
    ("activation_in_training", |on, t| {
        let key = Key::new(0, Stream::Dropout(0));
        on.activation_in_training(Activation::dropout(), key, &t.matrix()).map(drop)
    }),
    ("activation_in_training_backward", |on, t| {
        let (f, key) = (Activation::dropout(), Key::new(0, Stream::Dropout(0)));
        on.activation_in_training_backward(f, key, &t.matrix(), &t.matrix()).map(drop)
    }),
    ("activation_second", |on, t| {
        on.activation_second(Activation::tanh(), &t.matrix(), &t.matrix()).map(drop)
    }),
    ("parametric", |on, t| {
        on.parametric(Activation::prelu(), &t.matrix(), &t.numbers(&[1])).map(drop)
    }),
    ("parametric_backward", |on, t| {
        let (x, weight) = (t.matrix(), t.numbers(&[1]));
        on.parametric_backward(Activation::prelu(), &x, &weight, &t.matrix()).map(drop)
    }),
    ("loss", |on, t| on.loss(Loss::mse(), Reduction::Sum, &t.matrix(), &t.matrix()).map(drop)),
    ("loss_of", |on, t| {
        let (scores, target) = (t.matrix(), t.indices(&[4]));
        let (rows, classes) = (t.numbers(&[4]), t.numbers(&[2]));
        let predictions = [&scores];
        let inputs = LossTensors {
            weight: Some(&rows),
            class_weight: Some(&classes),
            ..LossTensors::of(&predictions, Some(&target))
        };
        on.loss_of(Loss::cross_entropy(), Reduction::Mean, inputs).map(drop)
    }),
    ("metric", |on, t| on.metric(Metric::Accuracy, &t.matrix(), &t.indices(&[4])).map(drop)),
    ("confusion_matrix", |on, t| on.confusion_matrix(&t.matrix(), &t.indices(&[4])).map(drop)),
    ("linear_cross_entropy", |on, t| {
        let (x, weight, target) = (t.matrix(), t.numbers(&[3, 2]), t.indices(&[4]));
        let inputs = LinearInputs::new(&x, &weight, &target);
        on.linear_cross_entropy(Loss::cross_entropy(), Reduction::Mean, &inputs).map(drop)
    }),
    ("triplet_margin_with_distance", |on, t| {
        let (positive, negative) = (t.numbers(&[3]), t.numbers(&[3]));
        let swapped = t.numbers(&[3]);
        let (positive, negative, swapped) = (&positive, &negative, Some(&swapped));
        let distances = TripletDistances { positive, negative, swapped };
        on.triplet_margin_with_distance(Reduction::Sum, 1.0, distances).map(drop)
    }),
];

/// The public calls of `src/device` that take tensors, as the source says.
fn declared() -> BTreeSet<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/device");
    let files = ["activation.rs", "algebra.rs", "loss.rs", "tensor.rs"];
    let texts = files.map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
    let calls = texts.iter().flat_map(|text| text.split("    pub fn ").skip(1));
    let taking = calls.filter(|call| {
        let head = call.split("{\n").next().unwrap_or_default();
        let arguments = head.split("->").next().unwrap_or_default();
        arguments.contains("Tensor")
    });
    let name = |call: &str| call.split(['(', '<']).next().unwrap_or_default().to_string();
    taking.map(name).filter(|name| name != "of").collect()
}

#[test]
fn a_tensor_of_another_device_is_refused_by_every_call_and_at_every_place() {
    let names: BTreeSet<String> = CALLS.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, declared());
    let hosts = [Host::new(), Host::new()];
    let [a, b] =
        [0, 1].map(|i: usize| Device::from(Gpu::from_wgpu(&hosts[i].device, &hosts[i].queue)));
    // Twice the same device, each time borrowed anew: two devices to wgrad.
    let again = Device::from(Gpu::from_wgpu(&hosts[0].device, &hosts[0].queue));
    let pairs = [[&a, &b], [&b, &a], [&a, &Device::Cpu], [&Device::Cpu, &a], [&a, &again]];
    for (name, call) in CALLS {
        let count = RefCell::new(0);
        let of = || {
            *count.borrow_mut() += 1;
            a.clone()
        };
        call(&a, &Tensors { of: &of }).unwrap_or_else(|error| panic!("{name}: {error}"));
        let count = count.into_inner();
        // Where it is drawn to lie elsewhere.
        let key = Key::new(16, Stream::Data(name.len() as u32));
        for (turn, [home, away]) in pairs.iter().enumerate() {
            let odd = key.words(turn as u32, 0)[0] as usize % count;
            let at = RefCell::new(0);
            let of = || {
                let own = *at.borrow() != odd;
                *at.borrow_mut() += 1;
                if own { (*home).clone() } else { (*away).clone() }
            };
            elsewhere(call(home, &Tensors { of: &of }), &[]);
        }
    }
    let [x, y] = [&a, &b].map(|device| device.tensor(&array![[1.0f32, 2.0]]).unwrap());
    elsewhere(a.arithmetic(Arithmetic::Add, &x, &y), &["add"]);
    elsewhere(a.activation(Activation::softmax(), &y), &["softmax"]);
    for host in hosts {
        assert_eq!(host.errors.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn clones_and_other_choices_of_a_device_are_the_same_device() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let choices = Choices { fusion: Fusion::Never, ..gpu.choices() };
    let same = [gpu.clone(), gpu.choosing(choices), gpu.tuned(gpu.tuning().clone())];
    let x = Device::from(gpu.clone()).tensor(&array![[1.0f32, 2.0]]).unwrap();
    let network = Sequential::new(2).dense(3).build().unwrap();
    let weights = PlanWeights::new(&gpu, network.params(), None, 0).unwrap();
    for other in same {
        let device = Device::from(other.clone());
        let sum = device.arithmetic(Arithmetic::Add, &x, &x).unwrap();
        assert_eq!(sum.read().unwrap(), array![[2.0, 4.0]].into_dyn());
        let program = network.inference(1).unwrap().program;
        let rule = |_| StepEntry::rows(1);
        Plan::new(&other, program, Some(&weights), &[], 0, rule).unwrap();
    }
}

#[test]
fn weights_regions_and_views_of_another_device_are_refused() {
    let hosts = [Host::new(), Host::new()];
    let [a, b] =
        [0, 1].map(|i: usize| one_by_one(&Gpu::from_wgpu(&hosts[i].device, &hosts[i].queue)));
    let network = Sequential::new(2).dense(1).build().unwrap();
    let of = |gpu: &Gpu| PlanWeights::new(gpu, network.params(), None, 0).unwrap();
    let (own, foreign) = (of(&a), of(&b));
    let program = || network.inference(ROWS).unwrap();
    let rule = |_| StepEntry::rows(ROWS);
    elsewhere(Plan::new(&a, program().program, Some(&foreign), &[], 0, rule), &["weights"]);
    let mut plan = Plan::new(&a, program().program, Some(&own), &[], 0, rule).unwrap();
    elsewhere(plan.change(Some(&foreign), program().program), &["weights"]);
    let x = program().x;
    let place = View::new(&hosts[0].buffer(64, wgpu::BufferUsages::COPY_DST), 0, shape(&[ROWS, 2]));
    elsewhere(plan.rebind(Some(&foreign), x, &place.unwrap()), &["weights"]);

    // What a call of wgrad's gave knows where it lies; a buffer of the host's does not.
    let tensor = |gpu: &Gpu, cols| {
        Device::from(gpu.clone()).tensor(&Array2::<f32>::zeros((ROWS, cols))).unwrap()
    };
    let view = |gpu: &Gpu, cols| tensor(gpu, cols).view().unwrap().clone();
    let relu = |program: &mut Program, slots: &[Slot]| {
        slots.iter().map(|x| program.activation("y", Activation::relu(), *x)).collect()
    };
    elsewhere(Plan::over(&a, &[view(&b, 2)], &[], relu), &["input"]);
    elsewhere(Plan::over(&a, &[view(&a, 2)], &[view(&b, 2)], relu), &["'y'"]);
    Plan::over(&a, &[view(&a, 2)], &[view(&a, 2)], relu).unwrap();
    elsewhere(plan.rebind(Some(&own), x, &view(&b, 2)), &["another device"]);
    plan.rebind(Some(&own), x, &view(&a, 2)).unwrap();
    let weight =
        View { region: foreign.param(0).unwrap(), shape: shape(&[1, 2]), dtype: DType::F32 };
    elsewhere(Plan::over(&a, &[weight], &[], relu), &["input"]);
    let image = hosts[0].device.create_texture(&wgpu::TextureDescriptor {
        label: Some("host"),
        size: wgpu::Extent3d { width: 2, height: ROWS as u32, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::R32Float,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    });
    let tall = |gpu: &Gpu| View { shape: shape(&[ROWS, 2, 1]), ..view(gpu, 2) };
    elsewhere(TextureCopy::new(&a, &image, &tall(&b)), &["texture copy"]);
    TextureCopy::new(&a, &image, &tall(&a)).unwrap();
    for host in hosts {
        assert_eq!(host.errors.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn steps_over_what_lies_on_another_device_are_refused_and_train_on_as_they_were() {
    let hosts = [Host::new(), Host::new()];
    let [a, b] = [0, 1].map(|i: usize| Gpu::from_wgpu(&hosts[i].device, &hosts[i].queue));
    let foreign = trainer(&b).into_step(StepOptions::rows(ROWS).through()).unwrap();
    let view = |region: &wgrad::embed::Region, cols| View {
        region: region.clone(),
        shape: shape(&[ROWS, cols]),
        dtype: DType::F32,
    };
    let inputs = view(foreign.inputs(), 2);
    let targets = view(foreign.targets().unwrap(), 1);
    let outputs = view(foreign.outputs().unwrap(), 1);
    let gradients = view(foreign.gradients().unwrap(), 1);
    let by_inputs = view(foreign.input_gradients().unwrap(), 2);
    let rows = || StepOptions::rows(ROWS);
    let all = [
        rows().inputs(inputs.clone()),
        rows().targets(targets.clone()),
        rows().outputs(outputs.clone()),
        rows().gradients(gradients.clone()),
        rows().input_gradients(by_inputs.clone()),
    ];
    for options in all {
        elsewhere(trainer(&a).into_step(options), &["train"]);
    }
    elsewhere(trainer(&a).into_gradient_step(rows().gradients(gradients)), &["train"]);
    elsewhere(trainer(&a).inference(rows().inputs(inputs.clone())), &["predict"]);
    elsewhere(trainer(&a).inference(rows().outputs(outputs.clone())), &["predict"]);
    let mut step = trainer(&a).into_step(ROWS).unwrap();
    elsewhere(step.set_inputs(&inputs), &["another device"]);
    elsewhere(step.set_targets(&targets), &["another device"]);
    elsewhere(step.inference(rows().outputs(outputs)), &["predict"]);
    let next = rows().inputs(inputs);
    elsewhere(step.restore_over(&hosts[0].device, &hosts[0].queue, next), &["train"]);
    let data = simulated();
    let mut encoder = hosts[0].encoder();
    step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
    let values = data.targets().values().unwrap();
    step.upload_targets(&mut encoder, values.as_slice().unwrap()).unwrap();
    step.encode(&mut encoder, 3).unwrap();
    hosts[0].queue.submit([encoder.finish()]);
    let mut plain = trainer(&a);
    plain.fit(&data, Fit::epochs(3)).unwrap();
    assert_eq!(bits(&step.into_trainer()), bits(&plain));
    for host in hosts {
        assert_eq!(host.errors.load(Ordering::SeqCst), 0);
    }
}
