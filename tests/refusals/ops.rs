//! Operands that ops and losses refuse.

use wgrad::__internal::spec::loss::TargetForm;
use wgrad::device::LossTensors;
use wgrad::ir::{DType, Form, LinearInputs, LossInputs, Slot, TripletDistances};
use wgrad::ndarray::{Array2, ArrayD, array};
use wgrad::prelude::*;
use wgrad::{Error, Program, Result, Shape, Tensor};

use super::says;
use crate::support::nets::devices;

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
