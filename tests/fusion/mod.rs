//! Training steps in few dispatches do what the ops do one by one, over random architectures.

mod lowering;
mod not_finite;

use crate::support;

use ndarray::Array2;
use safetensors::SafeTensors;
use support::draw::Draw;
use support::run::{count, featured_gpu, normal, uniform};
use wgrad::data::Targets;
use wgrad::embed::{Choices, Class, Fusion, MatMul};
use wgrad::prelude::*;
use wgrad::train::TrainerBuilder;

/// Every other seed cuts the work as for a GPU with memory of its own, whatever the adapter; of the others every other does
/// without subgroups; every third keeps WebGPU's run-time checks.
fn device(fusion: Fusion, seed: u64) -> Device {
    let own = featured_gpu().choices();
    let class = if seed.is_multiple_of(2) { own.class } else { Class::Discrete };
    let subgroups = own.subgroups && !seed.is_multiple_of(4);
    let checked = seed.is_multiple_of(3);
    featured_gpu().choosing(Choices { fusion, class, subgroups, checked, ..own }).into()
}

/// The same of a GPU, whose steps have few dispatches, with tiles that compile in no time.
fn launching(fusion: Fusion, seed: u64) -> Device {
    let matmul = Some(if seed.is_multiple_of(2) { MatMul::Small } else { MatMul::Cached });
    let gpu = featured_gpu();
    let (class, checked) = (Class::Discrete, seed.is_multiple_of(3));
    gpu.choosing(Choices { fusion, class, matmul, checked, ..gpu.choices() }).into()
}

/// A network with what it learns from, and the rows of a batch.
struct Case {
    seed: u64,
    name: String,
    builder: TrainerBuilder,
    data: Dataset,
    batch: usize,
    /// The most dispatches of a step in which as much as possible goes together.
    most: Option<usize>,
}

/// Smooth functions, whose steps do not jump where two sums round differently, and relu.
fn activations() -> Vec<Activation> {
    use Activation as A;
    vec![
        A::relu(),
        A::tanh(),
        A::gelu(),
        A::sigmoid(),
        A::silu(),
        A::softplus(),
        A::elu(),
        A::mish(),
        A::gelu_tanh(),
        A::leaky_relu(),
    ]
}

/// No more rows than give a few batches, the last of them not full.
fn few(data: Dataset, batch: usize) -> Dataset {
    let rows = data.len();
    if batch == rows { data } else { data.rows(0..rows.min(3 * batch + batch / 2)).unwrap() }
}

fn model(draw: &mut Draw, inputs: usize, outputs: usize) -> (Sequential, String) {
    let mut model = Sequential::new(inputs);
    let mut name = inputs.to_string();
    for layer in 0..draw.below(4) {
        let width = draw.one_of(&[1, 3, 8, 10, 16, 17, 33, 64]);
        let dense = Dense::new(width);
        model = model.layer(if draw.below(4) == 0 { dense.no_bias() } else { dense });
        let f = draw.one_of(&activations());
        name += &format!("-{width} {f}");
        model = model.activation(f);
        if draw.below(4) == 0 {
            model = model.dropout(0.25);
            name += " dropout";
        }
        if layer == 1 && draw.below(3) == 0 {
            model = model.activation(Activation::tanh());
            name += " tanh";
        }
    }
    (model.dense(outputs), format!("{name}-{outputs}"))
}

fn case(seed: u64) -> Case {
    let mut draw = Draw::new(seed);
    let rows = draw.one_of(&[1, 7, 8, 40, 61, 100, 390, 780]);
    let inputs = draw.one_of(&[1, 2, 5, 8, 64]);
    let classes = draw.below(2) == 0;
    let outputs = if classes { draw.one_of(&[2, 3, 10]) } else { draw.one_of(&[1, 2, 4, 9]) };
    let (model, mut name) = model(&mut draw, inputs, outputs);
    let x = Array2::from_shape_vec((rows, inputs), normal(seed, rows * inputs)).unwrap();
    let (loss, targets) = if classes {
        let labels = (0..rows).map(|_| draw.below(outputs) as u32).collect();
        let smooth = Loss::cross_entropy().with("label_smoothing", 0.1).unwrap();
        let losses = [Loss::cross_entropy(), smooth];
        (draw.one_of(&losses), Targets::Classes { labels, classes: outputs })
    } else {
        let values = uniform(seed + 1, rows * outputs);
        let values = Array2::from_shape_vec((rows, outputs), values).unwrap();
        let losses = [Loss::mse(), Loss::huber(), Loss::log_cosh(), Loss::bce_with_logits()];
        (draw.one_of(&losses), Targets::Values(values))
    };
    let optimizers = [
        Optimizer::sgd(),
        Optimizer::sgd().with("momentum", 0.9).unwrap(),
        Optimizer::adamw().with("eps", 1e-2).unwrap(),
        Optimizer::rmsprop().with("eps", 1e-2).unwrap(),
        Optimizer::adam().with("amsgrad", 1.0).unwrap().with("eps", 1e-2).unwrap(),
        Optimizer::lamb().with("eps", 1e-2).unwrap(),
    ];
    let optimizer = draw.one_of(&optimizers).learning_rate(0.01);
    let mut builder = Trainer::new(model, loss, optimizer).seed(seed);
    if draw.below(3) == 0 {
        builder = builder.clip_norm(0.5);
        name += " clipped";
    }
    if draw.below(4) == 0 {
        builder = builder.reduction(Reduction::Sum);
        name += " sum";
    }
    let batch = draw.one_of(&[rows, rows, 16, 3]).min(rows);
    let name = format!("{seed}: {name}, {loss}, {optimizer}, {rows} rows by {batch}");
    let data = few(Dataset::new(x, targets).unwrap(), batch);
    Case { seed, name, builder, data, batch, most: None }
}

/// The losses, the accuracies, the gradients and the parameters after some epochs.
fn train(case: &Case, device: &Device) -> (Vec<[f64; 2]>, Vec<Vec<f32>>, usize) {
    let mut trainer = case.builder.clone().on(device).unwrap();
    let history = trainer.fit(&case.data, Fit::epochs(3).batch(case.batch)).unwrap();
    let figures = history.epochs.iter().map(|epoch| [epoch.loss, epoch.accuracy]).collect();
    let gradients = pollster::block_on(trainer.gradients_async()).unwrap();
    let tensors = trainer.parameters().unwrap().into_iter().chain(gradients);
    let tensors = tensors.map(|(_, numbers)| numbers.into_iter().collect()).collect();
    (figures, tensors, trainer.dispatches_per_step().unwrap())
}

/// The largest difference as a fraction of the largest number of the tensor.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let size = b.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    f64::from(differences.fold(0.0f32, f32::max) / size)
}

fn compare(fusion: Fusion, device: fn(Fusion, u64) -> Device, cases: impl Iterator<Item = Case>) {
    let (mut worst, mut least) = (0.0f64, usize::MAX);
    for case in cases {
        let (figures, tensors, dispatches) = train(&case, &device(fusion, case.seed));
        let (want_figures, want_tensors, others) = train(&case, &device(Fusion::Never, case.seed));
        assert!(dispatches < others, "{}: {dispatches} of {others}", case.name);
        println!("{dispatches} of {others}: {}", case.name);
        if let Some(most) = case.most {
            assert!(dispatches <= most, "{}: {dispatches}, at most {most}", case.name);
        }
        for (got, want) in figures.iter().zip(&want_figures) {
            let off = (got[0] - want[0]).abs() / want[0].abs().max(1e-3);
            assert!(off < 1e-4, "{}: loss {} of {}", case.name, got[0], want[0]);
            // A score that two sums round differently can change its rank.
            let rows = case.data.len() as f64;
            assert!((got[1] - want[1]).abs() <= 1.01 / rows, "{}: {got:?} {want:?}", case.name);
        }
        for (number, (got, want)) in tensors.iter().zip(&want_tensors).enumerate() {
            assert_eq!(got.len(), want.len());
            let off = distance(got, want);
            assert!(off < 1e-3, "{} tensor {number}: {off}", case.name);
            worst = worst.max(off);
        }
        least = least.min(dispatches);
    }
    println!("at worst {worst:.2e} apart; at least {least} dispatches");
}

#[test]
fn whole_steps_do_what_the_ops_do_one_by_one() {
    compare(Fusion::Whole, device, (0..count(8, 200) as u64).map(case));
}

#[test]
fn layers_in_one_dispatch_do_what_the_ops_do_one_by_one() {
    compare(Fusion::Layers, device, (200..200 + count(8, 200) as u64).map(case));
}

/// A network too wide for a whole step: its last layers are one dispatch, and those before take one forward and one
/// backward each.
fn wide(seed: u64) -> Case {
    let mut draw = Draw::new(seed);
    // Sums over many rows come in parts.
    let rows = draw.one_of(&[9, 1100, 1100]);
    let inputs = draw.one_of(&[132, 137]);
    let mut model = Sequential::new(inputs);
    let mut name = inputs.to_string();
    let hidden = 1 + draw.below(3);
    for _ in 0..hidden {
        let width = draw.one_of(&[24, 33, 132, 160]);
        let f = draw.one_of(&activations());
        let dense = Dense::new(width);
        model = model.layer(if draw.below(4) == 0 { dense.no_bias() } else { dense });
        model = model.activation(f);
        name += &format!("-{width} {f}");
    }
    let x = Array2::from_shape_vec((rows, inputs), normal(seed, rows * inputs)).unwrap();
    let (loss, targets, outputs) = if draw.below(2) == 0 {
        let labels = (0..rows).map(|_| draw.below(10) as u32).collect();
        (Loss::cross_entropy(), Targets::Classes { labels, classes: 10 }, 10)
    } else {
        let values = Array2::from_shape_vec((rows, 7), uniform(seed + 1, rows * 7)).unwrap();
        (Loss::mse(), Targets::Values(values), 7)
    };
    let adam = Optimizer::adamw().with("eps", 1e-2).unwrap();
    let lamb = Optimizer::lamb().with("eps", 1e-2).unwrap();
    let optimizer = draw.one_of(&[Optimizer::sgd(), adam, lamb]).learning_rate(0.01);
    let mut builder = Trainer::new(model.dense(outputs), loss, optimizer).seed(seed);
    let clips = draw.below(5) == 4;
    if clips {
        builder = builder.clip_norm(0.5);
        name += " clipped";
    }
    let batch = draw.one_of(&[rows, rows, 16]).min(rows);
    let plain = !clips && optimizer.name() != "lamb";
    let chosen = usize::from(batch < rows);
    let most = plain.then_some(2 * (hidden + 1) + 1 + chosen);
    let name = format!("{seed}: {name}-{outputs}, {loss}, {optimizer}, {rows} rows by {batch}");
    let data = few(Dataset::new(x, targets).unwrap(), batch);
    Case { seed, name, builder, data, batch, most }
}

#[test]
fn steps_whose_last_layers_are_one_dispatch_do_what_the_ops_do_one_by_one() {
    compare(Fusion::Auto, launching, (300..300 + count(10, 200) as u64).map(wide));
}

/// A residual block before the last layers, with or without a norm, so that ops of every kind lie beside the chain.
fn residual(seed: u64) -> Case {
    let mut draw = Draw::new(seed);
    let rows = draw.one_of(&[9, 40, 600]);
    let width = draw.one_of(&[8, 17, 24]);
    let (f, norm) = (draw.one_of(&activations()), draw.below(3));
    let model = Sequential::new(5).dense(width).residual(|branch| {
        let branch = match norm {
            0 => branch,
            1 => branch.layer_norm(),
            _ => branch.rms_norm(),
        };
        branch.dense(16).activation(f).dense(width)
    });
    let model = model.dense(12).activation(draw.one_of(&activations())).dense(3);
    let x = Array2::from_shape_vec((rows, 5), normal(seed, rows * 5)).unwrap();
    let labels = (0..rows).map(|_| draw.below(3) as u32).collect();
    let adam = Optimizer::adamw().with("eps", 1e-2).unwrap();
    let optimizer = draw.one_of(&[Optimizer::sgd(), adam]).learning_rate(0.01);
    let builder = Trainer::new(model, Loss::cross_entropy(), optimizer).seed(seed);
    let data = Dataset::new(x, Targets::Classes { labels, classes: 3 }).unwrap();
    let batch = draw.one_of(&[rows, 16]).min(rows);
    let name = format!("{seed}: residual {width} {f}, norm {norm}, {rows} rows by {batch}");
    Case { seed, name, builder, data, batch, most: None }
}

#[test]
fn steps_with_a_residual_block_before_the_last_layers_do_what_the_ops_do_one_by_one() {
    compare(Fusion::Auto, launching, (400..400 + count(4, 100) as u64).map(residual));
}

#[test]
fn a_frozen_layers_state_stays_however_a_step_is_fused() {
    let x = Array2::from_shape_vec((16, 3), normal(1, 48)).unwrap();
    let y = Array2::from_shape_vec((16, 2), uniform(2, 32)).unwrap();
    let data = Dataset::new(x, Targets::Values(y)).unwrap();
    for fusion in [Fusion::Whole, Fusion::Layers, Fusion::Never] {
        let model = Sequential::new(3).layer(Dense::new(8).frozen());
        let model = model.activation(Activation::tanh()).dense(2);
        let trainer = Trainer::new(model, Loss::mse(), Optimizer::adam());
        let mut trainer = trainer.on(&device(fusion, 1)).unwrap();
        trainer.fit(&data, Fit::epochs(3)).unwrap();
        let place = support::nets::directory(&format!("frozen_{fusion:?}"));
        trainer.save(place.join("net.safetensors")).unwrap();
        let bytes = std::fs::read(place.join("net.state.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for (name, tensor) in file.tensors() {
            let moved = tensor.data().iter().any(|byte| *byte != 0);
            assert_eq!(moved, !name.contains("/0."), "{fusion:?}: {name}");
        }
        assert!(file.len() > 4, "{:?}", file.names());
        std::fs::remove_dir_all(place).unwrap();
    }
}

#[test]
fn runs_of_equal_layers_do_what_the_ops_do_one_by_one() {
    let mut draw = Draw::new(77);
    for seed in 0..16 {
        let width = 1 + draw.below(9);
        let count = 3 + draw.below(5);
        let f = draw.one_of(&[
            Some(Activation::tanh()),
            Some(Activation::relu()),
            Some(Activation::gelu()),
            Some(Activation::softplus()),
            None,
        ]);
        let bias = draw.below(3) > 0;
        let layer = |model: Sequential, width: usize| {
            let dense = Dense::new(width);
            let model = model.layer(if bias { dense } else { dense.no_bias() });
            f.into_iter().fold(model, Sequential::activation)
        };
        let first = f.filter(|_| draw.below(2) == 0);
        let model = Sequential::new(1 + draw.below(6)).dense(width);
        let model = first.into_iter().fold(model, Sequential::activation);
        let model = (0..count).fold(model, |model, _| layer(model, width));
        let model =
            if draw.below(2) == 0 { model } else { layer(layer(model, width + 1), width + 1) };
        let model = if draw.below(3) == 0 { model } else { model.dense(1 + draw.below(4)) };
        let name = format!("{seed}: {model:?}");
        let network = model.clone().build().unwrap();
        let rows = 5 + draw.below(40);
        let (inputs, outputs) = (network.inputs(), network.outputs());
        let x = Array2::from_shape_vec((rows, inputs), uniform(seed, rows * inputs)).unwrap();
        let y =
            Array2::from_shape_vec((rows, outputs), uniform(seed + 99, rows * outputs)).unwrap();
        let data = Dataset::new(x, y).unwrap();
        let trained = |fusion| {
            let trainer = Trainer::new(model.clone(), Loss::mse(), Optimizer::sgd()).seed(seed);
            let mut trainer = trainer.on(&device(fusion, seed)).unwrap();
            trainer.fit(&data, Fit::epochs(3)).unwrap();
            assert_eq!(trainer.dispatches_per_step() == Some(2), fusion == Fusion::Whole, "{name}");
            trainer.parameters().unwrap()
        };
        let (fused, apart) = (trained(Fusion::Whole), trained(Fusion::Never));
        for ((parameter, own), (_, wanted)) in fused.iter().zip(&apart) {
            for (own, wanted) in own.iter().zip(wanted.iter()) {
                let near = (own - wanted).abs() <= 2e-5 * wanted.abs().max(1.0);
                assert!(near, "{name}, {parameter}: {own} for {wanted}");
            }
        }
    }
}
