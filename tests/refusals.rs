//! Bad input is an error that names the op, the shapes or values and the limit, and leaves everything as it was.

use crate::support;

use support::nets::{self, bits, devices};
use support::run;
use wgrad::__internal::spec::loss::TargetForm;
use wgrad::data::{CsvOptions, Targets, read_csv_from};
use wgrad::device::LossTensors;
use wgrad::ir::{DType, Form, LinearInputs, LossInputs, Slot, TripletDistances};
use wgrad::ndarray::{Array2, ArrayD, array};
use wgrad::prelude::*;
use wgrad::train::EarlyStopping;
use wgrad::{Error, Program, Result, Shape, Tensor};

/// The message of an error, which must have each of the words in it.
#[track_caller]
fn says<T>(result: Result<T>, words: &[&str]) -> Error {
    let Err(error) = result else { panic!("accepted, though {words:?}") };
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not all in: {text}");
    error
}

fn classes(labels: &[u32], classes: usize) -> Dataset {
    let inputs = Array2::zeros((labels.len(), 2));
    Dataset::new(inputs, Targets::Classes { labels: labels.to_vec(), classes }).unwrap()
}

#[test]
fn data_that_does_not_fit_the_network_is_refused_and_nothing_changes() {
    for device in devices() {
        let mut trainer = nets::spiral().on(&device);
        let before = bits(&trainer);
        let wide = Dataset::new(Array2::zeros((4, 3)), Array2::zeros((4, 3))).unwrap();
        let narrow = Dataset::new(Array2::zeros((4, 2)), Array2::zeros((4, 2))).unwrap();
        let fifth = classes(&[0, 1, 4], 5);
        let none = classes(&[], 3);
        let good = classes(&[0, 1, 2, 0], 3);

        for (data, words) in [
            (&wide, &["3 features", "takes 2"][..]),
            (&narrow, &["2 columns", "gives 3"]),
            (&fifth, &["row 2", "class 4", "3 scores"]),
            (&none, &["no rows"]),
        ] {
            let fit = || Fit::epochs(3);
            says(trainer.fit(data, fit()), &[words, &["fit"]].concat());
            says(trainer.fit(&good, fit().validate(data)), &[words, &["validation"]].concat());
            says(trainer.evaluate(data), &[words, &["evaluate"]].concat());
        }
        says(trainer.predict(Array2::zeros((4, 3)).view()), &["predict", "3 features", "takes 2"]);
        says(trainer.fit(&good, Fit::epochs(1).batch(0)), &["batch", "at least 1"]);
        for fraction in [0.0, 1.0, -0.5, f64::NAN] {
            let fit = Fit::epochs(1).validation_split(fraction);
            says(trainer.fit(&good, fit), &["validation_split", "between 0 and 1"]);
        }
        // One row is not enough for two parts.
        let one = good.rows(0..1).unwrap();
        says(trainer.fit(&one, Fit::epochs(1).validation_split(0.5)), &["no rows"]);
        assert_eq!((bits(&trainer), trainer.step(), trainer.epoch()), (before, 0, 0));
        assert_eq!(trainer.predict(Array2::zeros((0, 2)).view()).unwrap().dim(), (0, 3));

        let mut regression = nets::sine().on(&device);
        let labels = Dataset::new(
            Array2::zeros((2, 1)),
            Targets::Classes { labels: vec![0, 0], classes: 1 },
        );
        says(regression.fit(&labels.unwrap(), Fit::epochs(1)), &["mse", "[rows, 1]", "class"]);
    }
}

#[test]
fn an_error_of_two_shapes_has_both() {
    let shape = |axes: &[usize]| Shape::new(axes).unwrap();
    let mut program = Program::new("pairs", vec![]);
    let a = program.input("a", shape(&[2, 3]), DType::F32);
    let b = program.input("b", shape(&[4, 5]), DType::F32);
    let product = program.matmul("y", a, b, Form::NN).map(drop);
    let sum = program.arithmetic("y", Arithmetic::Add, a, b).map(drop);
    let scores = program.reshape("y", a, shape(&[4, 5])).map(drop);
    for result in [product, sum, scores] {
        let error = says(result, &["[2, 3]", "[4, 5]"]);
        let Error::Shape { shapes: Some(shapes), .. } = &error else { panic!("{error}") };
        assert_eq!(**shapes, [vec![2, 3], vec![4, 5]], "{error}");
    }
}

#[test]
fn networks_that_cannot_be_are_refused_by_layer() {
    let refused = |model: Sequential, words| says(model.build(), words);
    refused(Sequential::new(2), &["at least one layer"]);
    refused(Sequential::new(0).dense(3), &["at least one input feature"]);
    refused(Sequential::new(2).activation(Activation::relu()), &["layer with parameters"]);
    refused(Sequential::new(2).dense(4).dense(0), &["layer 1", "dense(0)", "4 inputs"]);
    let with = |f: &str| Sequential::new(2).dense(3).activation(f.parse().unwrap());
    refused(with("glu"), &["layer 1", "glu", "axis of 3", "even"]);
    refused(with("softmax(dim=0)"), &["layer 1", "softmax", "dim"]);
    refused(with("hard_tanh(min=2)"), &["layer 1", "hard_tanh", "at least min"]);
    for rate in [1.0, -0.1, f64::NAN] {
        refused(Sequential::new(2).dense(4).dropout(rate), &["layer 1", "dropout", "rate"]);
    }
    let penalty = Dense::new(4).l2(f64::NAN, 0.0);
    refused(Sequential::new(2).layer(penalty), &["layer 0", "l2 = NaN"]);
    let huge = refused(Sequential::new(usize::MAX).dense(usize::MAX), &["layer 0", "limit of"]);
    assert!(matches!(huge, Error::Limit { .. }), "{huge}");
}

#[test]
fn settings_outside_their_range_are_refused_by_name() {
    says(Initializer::normal().with("std", f64::NAN), &["normal", "std = NaN"]);
    says(Activation::leaky_relu().with("alpha", f64::INFINITY), &["leaky_relu", "inf"]);
    let crossed: Activation = "hard_tanh(min=2, max=1)".parse().unwrap();
    says(crossed.validate(), &["hard_tanh", "max = 1", "at least min = 2"]);
    let crossed: Activation = "rrelu(lower=0.5)".parse().unwrap();
    says(crossed.validate(), &["rrelu", "upper", "at least lower = 0.5"]);
    says("softmax(dim=6)".parse::<Activation>(), &["softmax", "dim = 6", "whole number"]);
    says("maxout(pieces=2.5)".parse::<Activation>(), &["maxout", "pieces", "whole number"]);
    says(Schedule::inverse_time(f64::NAN), &["inverse_time", "decay = NaN"]);
    says(Optimizer::adam().with("beta3", 0.5), &["adam", "beta3"]);
    let model = || Sequential::new(2).dense(3);
    let on = |optimizer| Trainer::new(model(), Loss::mse(), optimizer).on(&Device::cpu());
    for rate in [f64::NAN, f64::INFINITY, -1.0] {
        says(on(Optimizer::adam().learning_rate(rate)), &["adam", "lr = "]);
        says(on(Optimizer::sgd().weight_decay(rate)), &["sgd", "weight_decay = "]);
    }
    for limit in [0.0, -1.0, f64::NAN] {
        let trainer = || Trainer::new(model(), Loss::mse(), Optimizer::sgd());
        says(trainer().clip_value(limit).on(&Device::cpu()), &["clip_value"]);
        says(trainer().clip_norm(limit).on(&Device::cpu()), &["clip_norm"]);
        let none = trainer().reduction(Reduction::None);
        says(none.on(&Device::cpu()), &["Reduction::Mean"]);
    }
    let metrics = [Metric::Mse; 13];
    let many = Trainer::new(model(), Loss::mse(), Optimizer::sgd()).metrics(&metrics);
    says(many.on(&Device::cpu()), &["figures", "limit of 16"]);
}

#[test]
fn metrics_that_a_recorded_step_has_no_room_for_are_refused_before_anything_is_built() {
    let build = |metrics: usize, skips: bool| {
        let model = Sequential::new(1).embedding(4, 3).dense(3);
        let trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::sgd())
            .metrics(&vec![Metric::Accuracy; metrics]);
        if skips { trainer.skip_not_finite() } else { trainer }.on(&Device::cpu())
    };
    let words = ["11 metrics", "4 numbers about invalid data", "17 figures", "limit of 16"];
    says(build(11, false), &words);
    says(build(10, true), &["10 metrics", "1 about skipped updates", "17 figures"]);
    for (metrics, skips) in [(10, false), (9, true)] {
        let step = build(metrics, skips).unwrap().into_step(4);
        says(step, &["into_step", "recorded on a GPU"]);
    }
}

#[test]
fn whatever_the_loss_a_step_records_as_many_metrics_as_its_builder_accepts() {
    for loss in Loss::all() {
        let metric = if loss.takes_classes() { Metric::Accuracy } else { Metric::Mse };
        for embeds in [false, true] {
            let model = Sequential::new(1);
            let model = if embeds { model.embedding(4, 3) } else { model.dense(3) };
            for metrics in [0, 8, 9, 10, 11, 12, 13] {
                let trainer = Trainer::new(model.clone().dense(3), loss, Optimizer::sgd())
                    .metrics(&vec![metric; metrics])
                    .skip_not_finite();
                match trainer.on(&Device::cpu()).and_then(|trainer| trainer.into_step(4)) {
                    Err(Error::Limit { what, .. }) => {
                        assert!(what.contains(" metrics"), "{loss} fails late: {what}")
                    }
                    Err(_) => {}
                    Ok(_) => panic!("{loss} was recorded without a GPU"),
                }
            }
        }
    }
}

#[test]
fn unknown_names_are_refused_with_near_ones() {
    says("gelo".parse::<Activation>(), &["activation", "'gelo'", "did you mean", "gelu"]);
    says("adma".parse::<Optimizer>(), &["optimizer", "'adma'", "adam"]);
    says("cross_entropie".parse::<Loss>(), &["loss", "cross_entropy"]);
    says("kaiming_unifrom".parse::<Initializer>(), &["initializer", "kaiming_uniform"]);
    says(Device::named("no such adapter"), &["no GPU adapter", "'no such adapter'"]);
}

#[test]
fn a_network_over_the_limits_of_a_device_is_refused_and_the_device_still_works() {
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: 1 << 20,
        max_buffer_size: 1 << 20,
        ..wgpu::Limits::default()
    };
    let device: Device = run::open(limits).into();
    let on = |model: Sequential| Trainer::new(model, Loss::mse(), Optimizer::sgd()).on(&device);
    let weight = ["0.weight", "[1024, 512]", "2097152 bytes", "limit of 1048576"];
    says(on(Sequential::new(512).dense(1024)), &weight);
    // Inputs that fit no binding, with a network that does.
    let mut trainer = on(Sequential::new(8).dense(1)).unwrap();
    let data = Dataset::new(Array2::zeros((40_000, 8)), Array2::zeros((40_000, 1))).unwrap();
    says(trainer.fit(&data, Fit::epochs(1)), &["1280000 bytes", "limit of 1048576"]);
    let small = Dataset::new(array![[1.0; 8]], array![[1.0]]).unwrap();
    assert_eq!(trainer.fit(&small, Fit::epochs(2)).unwrap().epochs.len(), 2);
}

#[test]
fn a_last_layer_goes_together_with_cross_entropy_over_classes_only() {
    let on = |model: Sequential, loss: Loss| {
        Trainer::new(model, loss, Optimizer::sgd()).linear_cross_entropy().on(&Device::cpu())
    };
    let dense = || Sequential::new(2).dense(3);
    let soft = dense().activation(Activation::tanh());
    let named = "linear_cross_entropy";
    says(on(soft, Loss::cross_entropy()), &[named, "last layer", "dense", "tanh"]);
    says(on(dense(), Loss::mse()), &[named, "mse"]);
    let mut trainer = on(dense(), Loss::cross_entropy()).unwrap();
    let soft = Dataset::new(Array2::zeros((4, 2)), Array2::zeros((4, 3))).unwrap();
    says(trainer.fit(&soft, Fit::epochs(1)), &[named, "4 rows", "class index"]);
    let step = Trainer::new(dense(), Loss::cross_entropy(), Optimizer::sgd())
        .linear_cross_entropy()
        .on(&nets::gpu())
        .and_then(|trainer| trainer.into_step(4));
    says(step, &["into_step", named, "outputs"]);
}

#[test]
fn steps_for_a_host_need_a_gpu_and_rows() {
    says(nets::spiral().on(&Device::cpu()).into_step(8), &["into_step", "GPU"]);
    says(nets::spiral().on(&nets::gpu()).into_step(0), &["into_step", "at least one row"]);
}

#[test]
fn a_cell_that_is_no_number_is_refused_by_line_and_column() {
    let options = CsvOptions::values(["y"]);
    for (text, words) in [
        ("x,y\n1,2\n3,\n", &["line 3", "y"][..]),
        ("x,y\n1,2\nthree,4\n", &["line 3", "x", "three"]),
        ("x,y\n1,2\n3\n", &["line 3"]),
    ] {
        says(
            read_csv_from(text.as_bytes(), "table.csv", &options),
            &[words, &["table.csv"]].concat(),
        );
    }
}

/// What a loss is given in the test below: each field a shape, or `None` for nothing.
struct Given {
    predictions: Vec<(Vec<usize>, DType)>,
    target: Option<(Vec<usize>, DType)>,
    weight: Option<(Vec<usize>, DType)>,
    class_weight: Option<(Vec<usize>, DType)>,
    lengths: Option<(Vec<usize>, DType)>,
    upstream: f64,
}

impl Given {
    /// What suits the loss: four rows of three, or two sequences.
    fn right(loss: &Loss) -> Self {
        let sequence = loss.is_sequence();
        let shape = if sequence { vec![5, 2, 4] } else { vec![4, 3] };
        let target = match loss.target_forms()[0] {
            _ if sequence => Some((vec![2, 3], DType::U32)),
            TargetForm::Values => Some((shape.clone(), DType::F32)),
            TargetForm::Class => Some((vec![4], DType::U32)),
            TargetForm::ClassList => Some((shape.clone(), DType::U32)),
            TargetForm::Number => Some((vec![4], DType::F32)),
            TargetForm::Nothing => None,
        };
        Self {
            predictions: vec![(shape, DType::F32); loss.inputs()],
            target,
            weight: None,
            class_weight: None,
            lengths: sequence.then(|| (vec![2, 2], DType::U32)),
            upstream: 1.0,
        }
    }

    fn build(&self, loss: Loss) -> Result<Slot> {
        let mut program = Program::new("refused", Vec::new());
        let mut input = |(extents, dtype): &(Vec<usize>, DType)| {
            program.input("given", Shape::new(extents).unwrap(), *dtype)
        };
        let inputs = LossInputs {
            predictions: self.predictions.iter().map(&mut input).collect(),
            target: self.target.as_ref().map(&mut input),
            weight: self.weight.as_ref().map(&mut input),
            class_weight: self.class_weight.as_ref().map(&mut input),
            lengths: self.lengths.as_ref().map(&mut input),
            upstream: self.upstream,
        };
        let ops = program.ops().len();
        let outcome = program.loss_of(loss, Reduction::Mean, inputs, true);
        assert_eq!(program.ops().len() - ops, usize::from(outcome.is_ok()), "{loss}");
        outcome.map(|(value, _)| value)
    }
}

#[test]
fn every_loss_refuses_what_it_does_not_take_and_names_it() {
    use DType::{F32, U32};
    let mut refused = 0;
    for loss in Loss::all() {
        let op = format!("loss.{loss}");
        Given::right(&loss).build(loss).unwrap();
        let mut no = |change: &dyn Fn(&mut Given), words: &[&str]| {
            let mut given = Given::right(&loss);
            change(&mut given);
            says(given.build(loss), &[&[op.as_str()], words].concat());
            refused += 1;
        };
        let sequence = loss.is_sequence();
        no(&|given| given.predictions.clear(), &["no prediction"]);
        let count =
            format!("{} inputs are needed, {} were given", loss.inputs(), loss.inputs() + 1);
        no(&|given| given.predictions.push(given.predictions[0].clone()), &[&count]);
        no(&|given| given.predictions[0].1 = U32, &["indices, not numbers"]);
        no(&|given| given.upstream = f64::NAN, &["upstream = NaN", "finite"]);
        if loss.inputs() > 1 {
            no(&|given| given.predictions[1].0 = vec![4, 2], &["[4, 2]", "[4, 3]"]);
            no(&|given| given.predictions[1].1 = U32, &["indices, not numbers"]);
        }
        if sequence {
            no(&|given| given.target = None, &["targets (samples, places)", "[5, 2, 4]"]);
            no(&|given| given.target = Some((vec![3, 3], U32)), &["2 samples", "[3, 3]"]);
            no(&|given| given.target = Some((vec![2, 3], F32)), &["class indices", "[2, 3]"]);
            no(&|given| given.lengths = None, &["lengths (samples, 2)"]);
            no(&|given| given.lengths = Some((vec![3, 2], U32)), &["[2, 2]", "[3, 2]"]);
            no(&|given| given.weight = Some((vec![2], F32)), &["no weights"]);
            no(&|given| given.class_weight = Some((vec![4], F32)), &["no weights"]);
            no(
                &|given| given.predictions[0].0 = vec![5, 8],
                &["(time, samples, classes)", "[5, 8]"],
            );
            continue;
        }
        no(&|given| given.lengths = Some((vec![4, 2], U32)), &["no lengths"]);
        let forms = loss.target_forms();
        if forms == [TargetForm::Nothing] {
            no(&|given| given.target = Some((vec![4, 3], F32)), &["take no target", "[4, 3]"]);
        } else {
            no(&|given| given.target = None, &["needs a target"]);
            no(
                &|given| given.target = Some((vec![5], U32)),
                &["[4, 3]", "class indices of shape [5]"],
            );
            no(
                &|given| given.target = Some((vec![3, 4], F32)),
                &["[4, 3]", "numbers of shape [3, 4]"],
            );
        }
        if !loss.takes_classes() && !forms.contains(&TargetForm::Nothing) {
            no(
                &|given| given.target = Some((vec![4], U32)),
                &["[4, 3]", "class indices of shape [4]"],
            );
        }
        no(&|given| given.weight = Some((vec![5], F32)), &["[4, 3]", "4 weights", "[5]"]);
        no(&|given| given.weight = Some((vec![4], U32)), &["indices, not numbers"]);
        if loss.takes_class_weight() {
            no(&|given| given.class_weight = Some((vec![4], F32)), &["3 classes", "[4]"]);
            no(&|given| given.class_weight = Some((vec![3], U32)), &["indices, not numbers"]);
        } else {
            no(&|given| given.class_weight = Some((vec![3], F32)), &["no weight per class"]);
        }
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn a_class_out_of_range_is_refused_at_once_by_every_loss_and_metric_of_classes() {
    let ignoring = "cross_entropy(ignore_index=7)".parse().unwrap();
    for device in devices() {
        let scores = device.tensor(&Array2::zeros((4, 3))).unwrap();
        let wrong = device.classes(&[0, 2, 7, 1]).unwrap();
        let mut refused = 0;
        for loss in Loss::all().filter(Loss::takes_classes) {
            let outcome = device.loss(loss, Reduction::Mean, &scores, &wrong);
            let error = says(outcome, &[&format!("loss.{loss}"), "class 7", "3 classes"]);
            assert!(matches!(error, Error::Target { .. }), "{error}");
            refused += 1;
        }
        assert!(refused >= 5, "{refused}");
        device.loss(ignoring, Reduction::Mean, &scores, &wrong).unwrap();
        says(device.metric(Metric::Accuracy, &scores, &wrong), &["metric.accuracy", "class 7"]);
        says(device.confusion_matrix(&scores, &wrong), &["confusion_matrix", "class 7"]);
        let few = device.classes(&[0, 1]).unwrap();
        says(device.confusion_matrix(&scores, &few), &["confusion_matrix", "[4, 3]", "[2]"]);
        let weight = device.tensor(&Array2::zeros((5, 3))).unwrap();
        let inputs = LinearInputs::new(&scores, &weight, &wrong);
        let linear = device.linear_cross_entropy(Loss::cross_entropy(), Reduction::Mean, &inputs);
        says(linear, &["linear_cross_entropy", "class 7", "5 classes"]);
        let log_probs = device.tensor(&wgrad::ndarray::Array3::zeros((5, 1, 3))).unwrap();
        let list = device.classes_of(&[1, 2], &[1, 3]).unwrap();
        let lengths = device.classes_of(&[1, 2], &[5, 2]).unwrap();
        let predictions = [&log_probs];
        let inputs = LossTensors::of(&predictions, Some(&list));
        let inputs = LossTensors { lengths: Some(&lengths), ..inputs };
        says(device.loss_of(Loss::ctc(), Reduction::Mean, inputs), &["loss.ctc", "class 3"]);
    }
}

#[test]
fn losses_put_together_of_ops_refuse_what_does_not_fit() {
    let device = Device::cpu();
    let tensor = |extents: &[usize]| device.tensor(&ArrayD::<f32>::zeros(extents)).unwrap();
    let classes = |count: usize| device.classes(&vec![0; count]).unwrap();
    let (x, weight, target) = (tensor(&[4, 2]), tensor(&[3, 2]), classes(4));
    let right = LinearInputs::new(&x, &weight, &target);
    let no = |loss: Loss, inputs: LinearInputs<&Tensor>, words: &[&str]| {
        let outcome = device.linear_cross_entropy(loss, Reduction::Mean, &inputs);
        says(outcome, &[&["linear_cross_entropy"], words].concat());
    };
    let loss = Loss::cross_entropy();
    device.linear_cross_entropy(loss, Reduction::Mean, &right).unwrap();
    no(Loss::nll(), right.clone(), &["nll is not cross_entropy"]);
    let (flat, wide, few) = (tensor(&[4]), tensor(&[3, 5]), classes(3));
    no(loss, LinearInputs { x: &flat, ..right.clone() }, &["[4]", "matrices"]);
    no(loss, LinearInputs { x: &target, ..right.clone() }, &["indices, not numbers"]);
    no(loss, LinearInputs { weight: &wide, ..right.clone() }, &["2 features", "[3, 5]", "takes 5"]);
    no(loss, LinearInputs { target: &few, ..right.clone() }, &["4 rows", "[3]"]);
    no(loss, LinearInputs { target: &flat, ..right.clone() }, &["4 rows", "F32 [4]"]);
    no(loss, right.clone().bias(&flat), &["3 classes need a bias each", "[4]"]);
    no(loss, right.clone().class_weight(&flat), &["3 classes need a class weight each", "[4]"]);
    no(loss, LinearInputs { rows_at_once: Some(0), ..right.clone() }, &["rows_at_once = 0"]);
    let steep = LinearInputs { upstream: f64::INFINITY, ..right };
    let outcome = device.linear_cross_entropy(loss, Reduction::Mean, &steep);
    says(outcome, &["cross_entropy", "upstream = inf"]);

    let no = |margin: f64, distances: TripletDistances<&Tensor>, words: &[&str]| {
        let outcome = device.triplet_margin_with_distance(Reduction::Mean, margin, distances);
        says(outcome, &[&["triplet_margin_with_distance"], words].concat());
    };
    let right = TripletDistances { positive: &flat, negative: &flat, swapped: None };
    device.triplet_margin_with_distance(Reduction::Mean, 1.0, right).unwrap();
    no(0.0, right, &["margin = 0", "greater than 0"]);
    no(f64::NAN, right, &["margin = NaN"]);
    no(1.0, TripletDistances { negative: &x, ..right }, &["[4, 2]", "[4]"]);
    no(1.0, TripletDistances { swapped: Some(&x), ..right }, &["[4, 2]", "[4]"]);
    no(1.0, TripletDistances { negative: &target, ..right }, &["indices, not numbers"]);
}

#[test]
fn class_weights_that_do_not_fit_are_refused_when_the_trainer_is_made() {
    let on = |loss: Loss, weights: &[f32]| {
        let model = Sequential::new(2).dense(3);
        Trainer::new(model, loss, Optimizer::sgd()).class_weights(weights).on(&Device::cpu())
    };
    on(Loss::cross_entropy(), &[1.0, 0.0, 2.0]).unwrap();
    on(Loss::bce_with_logits(), &[1.0, 0.5, 2.0]).unwrap();
    says(on(Loss::cross_entropy(), &[1.0; 4]), &["cross_entropy", "3 classes", "[4]"]);
    says(on(Loss::mse(), &[1.0; 3]), &["mse", "no weight per class"]);
    for wrong in [f32::NAN, f32::INFINITY, -1.0] {
        let weights = [1.0, wrong, 1.0];
        says(
            on(Loss::cross_entropy(), &weights),
            &["Trainer", "weight of class 1", "0 or greater"],
        );
    }
}

#[test]
fn a_schedule_that_leaves_its_parameters_range_is_refused_in_the_step_that_it_does() {
    let data = data::spiral(4, 3, 0).unwrap();
    let adam = Optimizer::adam();
    for device in devices() {
        for (wrong, shown) in
            [(f64::NAN, "NaN"), (-1.0, "-1"), (f64::INFINITY, "inf"), (1e39, "10")]
        {
            let at = move |first: u64| {
                Schedule::custom("odd", move |step, lr| if step < first { lr } else { wrong })
            };
            let builder = || Trainer::new(linear(), Loss::cross_entropy(), adam);
            let mut trainer = builder().schedule(at(3)).on(&device).unwrap();
            trainer.fit(&data, Fit::epochs(3)).unwrap();
            let words = ["schedule", "lr in update 3", shown, "0 or greater"];
            says(trainer.fit(&data, Fit::epochs(2)), &words);
            let trainer = builder().schedule_of("beta1", at(0)).on(&device);
            says(
                trainer.unwrap().fit(&data, Fit::epochs(1)),
                &["schedule", "beta1 in update 0", shown],
            );
        }
        // A rate that single precision takes for 0 is one that has come to its end.
        let fades = Schedule::custom("fades", |_, _| 1e-60);
        let builder = Trainer::new(linear(), Loss::cross_entropy(), adam).schedule(fades);
        builder.on(&device).unwrap().fit(&data, Fit::epochs(2)).unwrap();
    }
}

fn linear() -> Sequential {
    Sequential::new(2).dense(3)
}

#[test]
fn early_stopping_without_a_number_to_compare_by_is_refused() {
    let data = data::spiral(4, 3, 0).unwrap();
    for min_delta in [f64::NAN, f64::INFINITY] {
        let trainer = Trainer::new(linear(), Loss::cross_entropy(), Optimizer::adam());
        let mut trainer = trainer.on(&Device::cpu()).unwrap();
        let early = EarlyStopping { patience: 1, min_delta, restore_best: false };
        let fit = Fit::epochs(3).early_stopping(early);
        says(trainer.fit(&data, fit), &["early_stopping", "min_delta", "finite"]);
    }
}

#[test]
fn indices_are_refused_where_an_op_takes_numbers() {
    for device in devices() {
        let numbers = device.tensor(&array![0.5, -1.0, 2.0]).unwrap();
        let indices = device.classes(&[0, 1, 2]).unwrap();
        let words = ["holds indices, not numbers"];
        for f in [Activation::relu(), Activation::softmax(), Activation::dropout()] {
            says(device.activation(f, &indices), &words);
            says(device.activation_backward(f, &indices, &numbers), &words);
            says(device.activation_backward(f, &numbers, &indices), &words);
        }
        let one = device.tensor(&array![0.5]).unwrap();
        says(device.parametric(Activation::prelu(), &indices, &one), &words);
        let accuracy = Metric::BinaryAccuracy { threshold: 0.5 };
        says(device.metric(accuracy, &indices, &numbers), &words);
        says(device.metric(accuracy, &numbers, &indices), &["class indices"]);
        let matrix = device.classes_of(&[3, 1], &[0, 1, 2]).unwrap();
        let row = device.tensor(&array![[1.0, 2.0]]).unwrap();
        says(device.matmul(&matrix, &row, Form::NN), &words);
    }
}
