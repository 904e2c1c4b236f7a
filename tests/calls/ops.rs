//! Single ops over a few tensors.

use wgrad::__internal::spec::activation::ActivationKind;
use wgrad::__internal::spec::initializer::InitializerKind;
use wgrad::__internal::spec::loss::LossKind;
use wgrad::__internal::spec::optimizer::OptimizerKind;
use wgrad::__internal::spec::schedule::ScheduleKind;
use wgrad::device::LossTensors;
use wgrad::ir::{Form, LinearInputs, TripletDistances};
use wgrad::ndarray::{ArrayD, IxDyn};
use wgrad::random::{Key, Stream};
use wgrad::spec::{Choice, Kind};
use wgrad::{
    Activation, Arithmetic, Device, Loss, Metric, Normalization, Reduce, Reduction, Result, Shape,
    Tensor,
};

use super::draw::Draw;
use super::outcome::Outcome;
use crate::support::loss_inputs;

/// How far sums and functions of the engines may be apart.
const NEAR: f64 = 1e-4;

/// The tensors of a sequence. Some shapes are those of others, so that they fit together.
struct Pool(Vec<Tensor>);

impl Pool {
    fn any(&self, draw: &mut Draw) -> Tensor {
        draw.pick(&self.0)
    }

    /// A tensor, most often of a certain shape: made anew if there is none.
    fn like(&self, draw: &mut Draw, device: &Device, shape: &[usize]) -> Tensor {
        let own = draw.array(shape);
        match device.tensor(&own) {
            Ok(tensor) if !draw.one_in(8) => tensor,
            _ => self.any(draw),
        }
    }
}

type Made = Result<Vec<Tensor>>;

fn one(result: Result<Tensor>) -> Made {
    Ok(vec![result?])
}

fn two(result: Result<(Tensor, Tensor)>) -> Made {
    let (a, b) = result?;
    Ok(vec![a, b])
}

fn several((first, rest): (Tensor, Vec<Tensor>)) -> Vec<Tensor> {
    std::iter::once(first).chain(rest).collect()
}

pub fn play(draw: &mut Draw, device: &Device, outcome: &mut Outcome) {
    let mut pool = Pool(Vec::new());
    for _ in 0..3 {
        let shape = draw.shape();
        let array = draw.array(&shape);
        outcome.begun = format!("tensor of {shape:?}");
        pool.0.extend(outcome.tensors(0.0, one(device.tensor(&array))));
    }
    let (len, classes) = (draw.extent(), draw.extent());
    let labels = draw.labels(len, classes);
    outcome.begun = format!("classes of {len}");
    pool.0.extend(outcome.tensors(0.0, one(device.classes(&labels))));
    if draw.one_in(8) {
        names(draw, outcome);
    }
    for _ in 0..6 {
        match draw.below(8) {
            0 => arithmetic(draw, device, &pool, outcome),
            1 => sums(draw, device, &pool, outcome),
            2 => moves(draw, device, &mut pool, outcome),
            3 => rows(draw, device, &pool, outcome),
            4 => products(draw, device, &pool, outcome),
            5 => activations(draw, device, &pool, outcome),
            6 => losses(draw, device, &pool, outcome),
            _ => judged(draw, device, &pool, outcome),
        }
    }
}

fn names(draw: &mut Draw, outcome: &mut Outcome) {
    fn parse<K: Kind>(draw: &mut Draw, outcome: &mut Outcome) {
        let name = draw.name::<K>();
        outcome.begun = format!("parse of {name:?}");
        outcome.note(None, name.parse::<Choice<K>>().map(|_| Vec::new()));
    }
    parse::<ActivationKind>(draw, outcome);
    parse::<LossKind>(draw, outcome);
    parse::<OptimizerKind>(draw, outcome);
    parse::<InitializerKind>(draw, outcome);
    parse::<ScheduleKind>(draw, outcome);
}

fn arithmetic(draw: &mut Draw, device: &Device, pool: &Pool, outcome: &mut Outcome) {
    let f = draw.pick(&Arithmetic::ALL);
    let a = pool.any(draw);
    let b = pool.like(draw, device, &a.shape().to_vec());
    let (b, number) = (if draw.one_in(3) { pool.any(draw) } else { b }, draw.number());
    let of = format!("of {} and {}, {number}", a.shape(), b.shape());
    let g = pool.like(draw, device, &a.shape().to_vec());
    let kind = draw.below(5);
    let name = ["arithmetic", "arithmetic_backward", "axpy", "scale", "dot"][kind];
    outcome.begun = format!("{name} {} {of}", f.name());
    let made = match kind {
        0 => one(device.arithmetic(f, &a, &b)),
        1 => two(device.arithmetic_backward(f, (&a, &b), &g)),
        2 => one(device.axpy(number, &a, &b)),
        3 => one(device.scale(&a, number)),
        _ => one(device.dot(&a, &b)),
    };
    outcome.tensors(NEAR, made);
}

fn sums(draw: &mut Draw, device: &Device, pool: &Pool, outcome: &mut Outcome) {
    let f = draw.pick(&Reduce::ALL);
    let x = pool.any(draw);
    let rank = x.shape().rank();
    let dims: Vec<isize> = (0..draw.below(3)).map(|_| draw.axis(rank)).collect();
    outcome.begun = format!("reduce {} of {} over {dims:?}", f.name(), x.shape());
    let y = outcome.tensors(NEAR, one(device.reduce(f, &x, &dims)));
    if let Some(y) = y.first() {
        let g = pool.like(draw, device, &y.shape().to_vec());
        outcome.begun = format!("reduce_backward {} of {} over {dims:?}", f.name(), x.shape());
        outcome.tensors(NEAR, one(device.reduce_backward(f, &x, &g, &dims)));
    }
}

fn moves(draw: &mut Draw, device: &Device, pool: &mut Pool, outcome: &mut Outcome) {
    let x = pool.any(draw);
    let (rank, extents) = (x.shape().rank(), x.shape().to_vec());
    let (dim, count) = (draw.axis(rank), draw.count());
    let start = draw.below(4);
    let range = if draw.one_in(6) { count..start } else { start..start + draw.below(5) };
    let mut order: Vec<usize> = (0..rank).rev().collect();
    if draw.one_in(4) {
        order.push(draw.count());
    }
    let others: Vec<Tensor> =
        (0..draw.below(4)).map(|_| pool.like(draw, device, &extents)).collect();
    let mut target = if draw.one_in(4) { draw.shape() } else { extents.clone() };
    if draw.one_in(4) {
        target.insert(0, draw.count());
    }
    let value = draw.number();
    let Ok(shape) = Shape::new(&target) else {
        outcome.begun = format!("shape of {target:?}");
        outcome.note(None, Shape::new(&target).map(|_| Vec::new()));
        return;
    };
    let kind = draw.below(12);
    outcome.begun =
        format!("move {kind} of {extents:?}, {dim}, {range:?}, {count}, {order:?}, {target:?}");
    let made = match kind {
        0 => one(device.permute(&x, &order)),
        1 => one(device.transpose(&x)),
        2 => one(device.slice(&x, dim, range)),
        3 => one(device.slice_backward(shape, dim, range, &x)),
        4 => one(device.concatenate(&others.iter().collect::<Vec<_>>(), dim)),
        5 => one(device.broadcast_to(&x, shape)),
        6 => one(device.sum_to(&x, shape)),
        7 => one(device.repeat(&x, dim, count)),
        8 => one(device.repeat_backward(&x, dim, count)),
        9 => one(device.full(shape, value)),
        10 => one(x.reshape(&target)),
        _ => one(device.classes_of(&target, &[0, 1, 2, 3])),
    };
    let made = outcome.tensors(NEAR, made);
    pool.0.extend(made.into_iter().filter(|tensor| tensor.shape().len() < 1 << 14));
}

fn rows(draw: &mut Draw, device: &Device, pool: &Pool, outcome: &mut Outcome) {
    let x = pool.any(draw);
    let cols = x.shape().cols();
    let table = [draw.extent(), cols];
    let table = pool.like(draw, device, &table);
    let labels = draw.labels(x.shape().rows().min(4096), table.shape().rows());
    let index = device.classes(&labels).unwrap_or_else(|_| x.clone());
    let index = if draw.one_in(8) { pool.any(draw) } else { index };
    let eps = draw.number();
    let f = draw.pick(&[
        Normalization::layer_norm(),
        Normalization::rms_norm(),
        Normalization::batch_norm(),
        Normalization::layer_norm().eps(eps),
    ]);
    let [weight, bias] = [(); 2].map(|()| pool.like(draw, device, &[cols]));
    let g = pool.like(draw, device, &x.shape().to_vec());
    let [weighted, biased] = [draw.one_in(2), draw.one_in(2)];
    let weight = weighted.then_some(&weight);
    let kind = draw.below(4);
    let name = ["gather_rows", "scatter_add", "normalize", "normalize_backward"][kind];
    outcome.begun = format!("{name} of {} and {}, {f:?}", x.shape(), table.shape());
    let made = match kind {
        0 => one(device.gather_rows(&table, &index)),
        1 => one(device.scatter_add(&table, &x, &index)),
        2 => one(device.normalize(f, &x, weight, biased.then_some(&bias))),
        _ => device.normalize_backward(f, &x, weight, &g).map(Vec::from),
    };
    outcome.tensors(1e-3, made);
}

fn products(draw: &mut Draw, device: &Device, pool: &Pool, outcome: &mut Outcome) {
    let form = draw.pick(&[Form::NN, Form::NT, Form::TN]);
    let [m, n, k] = [(); 3].map(|()| draw.extent());
    let (sides_a, sides_b) = match form {
        Form::NN => ([m, k], [k, n]),
        Form::NT => ([m, k], [n, k]),
        Form::TN => ([k, m], [k, n]),
    };
    let a = pool.like(draw, device, &sides_a);
    let b = pool.like(draw, device, &sides_b);
    let g = pool.like(draw, device, &[m, n]);
    outcome.begun = format!("matmul of {} {form:?} {}", a.shape(), b.shape());
    outcome.tensors(NEAR, one(device.matmul(&a, &b, form)));
    outcome.begun = format!("matmul_backward of {} {form:?} {}", a.shape(), b.shape());
    outcome.tensors(NEAR, two(device.matmul_backward(form, (&a, &b), &g)));
}

fn activations(draw: &mut Draw, device: &Device, pool: &Pool, outcome: &mut Outcome) {
    let f: Activation = draw.entry();
    let x = pool.any(draw);
    let shape = x.shape().to_vec();
    let g = pool.like(draw, device, &shape);
    let (seed, number) = (draw.below(100) as u64, draw.below(5) as u32);
    let key = Key::new(seed, Stream::Dropout(number));
    let weight = [draw.pick(&[1, x.shape().cols(), 4 * x.shape().cols()])];
    let weight = pool.like(draw, device, &weight);
    let kind = draw.below(7);
    let names = [
        "",
        "backward",
        "in training",
        "in training backward",
        "second",
        "learned",
        "learned backward",
    ];
    outcome.begun = format!("activation {f} {} of {}", names[kind], x.shape());
    let made = match kind {
        0 => one(device.activation(f, &x)),
        1 => one(device.activation_backward(f, &x, &g)),
        2 => one(device.activation_in_training(f, key, &x)),
        3 => one(device.activation_in_training_backward(f, key, &x, &g)),
        4 => one(device.activation_second(f, &x, &g)),
        5 => one(device.parametric(f, &x, &weight)),
        _ => two(device.parametric_backward(f, &x, &weight, &g)),
    };
    outcome.tensors(1e-3, made);
}

fn losses(draw: &mut Draw, device: &Device, pool: &Pool, outcome: &mut Outcome) {
    let loss: Loss = draw.entry();
    let reduction = draw.pick(&Reduction::ALL);
    let x = pool.any(draw);
    let shape = x.shape().to_vec();
    let count = if draw.one_in(8) { draw.below(4) } else { loss.inputs() };
    let others: Vec<Tensor> = (1..count).map(|_| pool.like(draw, device, &shape)).collect();
    let seed = draw.below(1 << 16) as u64;
    let [x, values] = match &loss.entry().kind {
        // Numbers that the loss is defined for.
        LossKind::Elementwise(map) if !draw.hostile => [0, 1].map(|input| {
            let numbers =
                loss_inputs::draw(map.domain[input], seed + input as u64, x.shape().len());
            let array = ArrayD::from_shape_vec(IxDyn(&shape), numbers).unwrap();
            device.tensor(&array).unwrap_or_else(|_| x.clone())
        }),
        _ => [x.clone(), pool.like(draw, device, &shape)],
    };
    let predictions: Vec<&Tensor> = std::iter::once(&x).chain(&others).take(count).collect();
    let labels = draw.labels(x.shape().rows(), x.shape().cols());
    let classes = device.classes(&labels).unwrap_or_else(|_| x.clone());
    let target = if loss.takes_classes() && draw.one_in(2) { classes } else { values };
    let target = if draw.one_in(8) { pool.any(draw) } else { target };
    let weight = [draw.pick(&[x.shape().rows(), x.shape().len(), x.shape().cols()])];
    let weight = pool.like(draw, device, &weight);
    let upstream = if draw.one_in(4) { draw.number() } else { 1.0 };
    let inputs = LossTensors {
        weight: draw.one_in(4).then_some(&weight),
        class_weight: draw.one_in(6).then_some(&weight),
        lengths: draw.one_in(16).then_some(&target),
        upstream,
        ..LossTensors::of(&predictions, (!draw.one_in(12)).then_some(&target))
    };
    outcome.begun =
        format!("loss {loss} {reduction:?} of {} and {}, {upstream}", x.shape(), target.shape());
    outcome.tensors(1e-3, device.loss_of(loss, reduction, inputs).map(several));
}

fn judged(draw: &mut Draw, device: &Device, pool: &Pool, outcome: &mut Outcome) {
    let x = pool.any(draw);
    let (rows, cols) = (x.shape().rows(), x.shape().cols());
    let labels = draw.labels(rows, cols);
    let classes = device.classes(&labels).unwrap_or_else(|_| x.clone());
    let target = pool.like(draw, device, &x.shape().to_vec());
    let target = if draw.one_in(2) { classes } else { target };
    let number = draw.number();
    let metric = draw.pick(&[
        Metric::Accuracy,
        Metric::TopK { k: number as usize },
        Metric::TopK { k: 2 },
        Metric::R2 { variance: number },
        Metric::BinaryAccuracy { threshold: number },
        Metric::RegressionAccuracy { tolerance: number },
        Metric::Mse,
        Metric::Mae,
    ]);
    let (outputs, reduction) = (draw.extent(), draw.pick(&Reduction::ALL));
    let weight = pool.like(draw, device, &[outputs, cols]);
    let few = draw.labels(rows, outputs);
    let few = device.classes(&few).unwrap_or_else(|_| x.clone());
    let swapped = draw.one_in(2).then_some(&x);
    let kind = draw.below(4);
    let name = ["metric", "confusion_matrix", "linear_cross_entropy", "triplet"][kind];
    outcome.begun = format!(
        "{name} {metric} {reduction:?} of {} and {}, {}",
        x.shape(),
        target.shape(),
        weight.shape()
    );
    let made = match kind {
        0 => one(device.metric(metric, &x, &target)),
        1 => one(device.confusion_matrix(&x, &target)),
        2 => {
            let inputs = LinearInputs::new(&x, &weight, &few);
            let made = device.linear_cross_entropy(Loss::cross_entropy(), reduction, &inputs);
            made.map(|loss| several((loss.value, loss.gradients)))
        }
        _ => {
            let distances = TripletDistances { positive: &x, negative: &target, swapped };
            device.triplet_margin_with_distance(reduction, number, distances).map(several)
        }
    };
    outcome.tensors(1e-3, made);
}
