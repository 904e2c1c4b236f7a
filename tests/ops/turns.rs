//! Sizes at which an invocation that did its part alone would loop for more than 65 535 turns, after which llvmpipe ends its
//! loops: the work is shared or cut, or the size refused.

use wgrad::__internal::spec::activation::ActivationKind;
use wgrad::embed::Class;
use wgrad::ir::{Form, LossInputs, Plan, Slot, StepEntry};
use wgrad::{Activation, Error, Loss, Metric, Normalization, Reduce, Reduction};

use crate::support::run::{Case, gpu, normal};

/// A row's list of as many places as classes, each of every other class twice.
fn every_other_class(cols: usize) -> impl Iterator<Item = u32> {
    (0..cols as u32).map(move |place| place * 14 % cols as u32 / 2 * 2)
}

#[test]
fn long_lists_of_classes_have_the_values_and_gradients_of_short_ones() {
    let loss = Loss::multilabel_margin();
    for (rows, cols) in [(3, 100), (2, 1000), (1, 3000)] {
        let mut case = Case::new(&format!("{loss} [{rows}, {cols}]"));
        let x = case.input(&[rows, cols], &normal(1, rows * cols));
        let lists: Vec<u32> = (0..rows).flat_map(|_| every_other_class(cols)).collect();
        let target = case.indices(&[rows, cols], &lists);
        let inputs = LossInputs::new(x, target);
        let (value, gradients) = case.program.loss_of(loss, Reduction::None, inputs, true).unwrap();
        let name = case.program.name().to_string();
        let outcomes = case.run(gpu(), &[value, gradients[0]]);
        // Sums of cols numbers for each of as many classes.
        outcomes[0].close(&name, 64.0, 0.0);
        outcomes[1].close(&format!("{name}, gradient"), 4.0, 0.0);
    }
}

#[test]
fn a_hundred_thousand_pieces_are_all_looked_at() {
    let f: Activation = "maxout(pieces=100000)".parse().unwrap();
    let mut case = Case::new("maxout");
    let x = case.input(&[2, 400_000], &normal(2, 800_000));
    let y = case.program.activation("y", f, x).unwrap();
    case.run(gpu(), &[y])[0].close("maxout", 0.0, 0.0);
    let f: Activation = "maxout(pieces=70000)".parse().unwrap();
    let mut case = Case::new("maxout backward");
    let mut data = normal(3, 70_000);
    data[69_998] = 9.0;
    let (x, g) = (case.input(&[1, 70_000], &data), case.input(&[1, 1], &[2.0]));
    let dx = case.program.activation_backward("dx", f, (x, x), g).unwrap();
    case.run(gpu(), &[dx])[0].close("maxout backward", 0.0, 0.0);
}

#[test]
fn the_place_of_the_largest_is_found_along_a_long_outer_axis() {
    let (cols, inner) = (140_000, 32);
    let mut data = normal(4, cols * inner);
    data[(cols - 1) * inner + 5] = 20.0;
    data[(cols - 3) * inner + 6] = -20.0;
    for f in [Reduce::Argmax, Reduce::Argmin, Reduce::Amax, Reduce::Logsumexp] {
        let mut case = Case::new(f.name());
        let x = case.input(&[cols, inner], &data);
        let y = case.program.reduce("y", f, x, &[0]).unwrap();
        case.run(gpu(), &[y])[0].close(f.name(), 16.0, 0.0);
    }
}

#[test]
fn a_fault_among_seventeen_million_targets_is_counted() {
    let (rows, fault) = (17_000_000, 16_800_000);
    let mut classes = vec![1; rows];
    classes[fault] = 7;
    let mut case = Case::new("check_classes");
    let target = case.classes(&classes);
    let figures = case.program.check_classes(target, 3, None).unwrap();
    for (outcome, want) in case.run(gpu(), &figures).iter().zip([1.0, fault as f32]) {
        assert_eq!((outcome.got[0], outcome.want[0]), (want, f64::from(want)));
    }
}

#[test]
fn rows_of_half_a_million_numbers_are_normalized_and_projected() {
    let cols = 500_000;
    let mut case = Case::new("long rows");
    let (x, g) = (
        case.input(&[2, cols], &normal(5, 2 * cols)),
        case.input(&[2, cols], &normal(6, 2 * cols)),
    );
    let p = &mut case.program;
    let y = p.activation("y", Activation::sparsemax(), x).unwrap();
    let f = wgrad::Normalization::layer_norm();
    let dx = p.normalize_backward("dx", f, (x, None), g, None).unwrap();
    for outcome in case.run(gpu(), &[y, dx]) {
        outcome.close("long rows", 16.0, 4e-6);
    }
}

/// Adds an op to a case.
type Build<'a> = &'a dyn Fn(&mut Case);

/// Lowers a case's program; gives why it was refused.
fn refusal(case: Case) -> Error {
    let entry = StepEntry::rows(1);
    let plan = Plan::new(gpu(), case.program, None, &[], 0, move |_| entry);
    plan.expect_err("no invocation loops for so long")
}

#[test]
fn what_one_invocation_would_have_to_do_alone_is_refused_where_loops_end() {
    if gpu().choices().class != Class::Cpu {
        return;
    }
    let list = |case: &mut Case, shape: &[usize]| -> Slot {
        case.indices(shape, &vec![u32::MAX; shape.iter().product()])
    };
    let pieces = |case: &mut Case| {
        let x = case.input(&[1, 300_000], &vec![0.0; 300_000]);
        case.program.activation("y", "maxout(pieces=300000)".parse().unwrap(), x).unwrap();
    };
    let classes = |case: &mut Case| {
        let (x, t) = (case.input(&[1, 70_000], &vec![0.0; 70_000]), list(case, &[1, 70_000]));
        let inputs = LossInputs::new(x, t);
        case.program.loss_of(Loss::multilabel_margin(), Reduction::Mean, inputs, false).unwrap();
    };
    let labels = |case: &mut Case| {
        let (x, t) = (case.input(&[1, 1, 2], &[0.0; 2]), list(case, &[1, 70_000]));
        let lengths = case.indices(&[1, 2], &[1, 1]);
        let inputs = LossInputs::new(x, t).lengths(lengths);
        case.program.loss_of(Loss::ctc(), Reduction::Mean, inputs, true).unwrap();
    };
    let columns = |case: &mut Case| {
        let x = case.input(&[1, 9_000_000], &vec![0.0; 9_000_000]);
        case.program.activation("y", Activation::sparsemax(), x).unwrap();
    };
    let refused: [(&str, Build<'_>); 4] = [
        ("maxout", &pieces),
        ("multilabel_margin", &classes),
        ("ctc", &labels),
        ("sparsemax", &columns),
    ];
    for (name, build) in refused {
        let mut case = Case::new(name);
        build(&mut case);
        let error = refusal(case);
        assert!(matches!(&error, Error::Limit { what, .. } if what.contains(name)), "{error}");
    }
}

/// More than 256 invocations of one workgroup can look at, each in as many turns as llvmpipe allows.
const LONG: usize = 17_000_000;

/// Numbers in which a tail that nobody looked at shows: all positive, the last the largest.
fn long() -> Vec<f32> {
    let mut data: Vec<f32> = (0..LONG).map(|i| (i % 1021) as f32 / 1021.0).collect();
    data[LONG - 1] = 2.0;
    data
}

/// Runs a case of long tensors: what it gives is right, or the size is refused as one.
fn walked(name: &str, case: Case, outputs: &[Slot], refused: &mut Vec<String>) {
    let entry = StepEntry::rows(usize::MAX);
    match Plan::new(gpu(), case.program.clone(), None, &[], 0, move |_| entry) {
        Err(Error::Limit { .. }) => refused.push(name.to_string()),
        Err(error) => panic!("{name}: {error}"),
        Ok(plan) => {
            drop(plan);
            for outcome in case.run(gpu(), outputs) {
                let largest = outcome.want.iter().fold(0.0f64, |most, x| most.max(x.abs()));
                outcome.close(name, 64.0, 1e-4 * largest);
            }
        }
    }
}

#[test]
#[ignore = "half a minute: rows and columns of 17 million numbers through every op whose loops grow with them"]
fn every_op_along_an_axis_looks_at_all_of_it_or_refuses() {
    let (data, mut refused) = (long(), Vec::new());
    let ones = vec![1.0; LONG];
    for f in Activation::all().filter(|f| matches!(f.entry().kind, ActivationKind::Row(_))) {
        let mut case = Case::new(f.name());
        let (x, g) = (case.input(&[1, LONG], &data), case.input(&[1, LONG], &ones));
        let f = f.eval_mode();
        if f != Activation::identity() {
            let y = case.program.activation("y", f, x).unwrap();
            let dx = case.program.activation_backward("dx", f, (x, y), g).unwrap();
            walked(&f.to_string(), case, &[y, dx], &mut refused);
        }
    }
    for f in Reduce::ALL {
        for shape in [[1, LONG], [LONG, 1]] {
            let mut case = Case::new(f.name());
            let x = case.input(&shape, &data);
            let dim = if shape[0] == 1 { 1 } else { 0 };
            let y = case.program.reduce("y", f, x, &[dim]).unwrap();
            walked(&format!("{f:?} of {shape:?}"), case, &[y], &mut refused);
        }
    }
    for f in [Normalization::layer_norm(), Normalization::rms_norm()] {
        let mut case = Case::new(f.name());
        let (x, g) = (case.input(&[1, LONG], &data), case.input(&[1, LONG], &ones));
        let y = case.program.normalize("y", f, x, None, None).unwrap();
        let dx = case.program.normalize_backward("dx", f, (x, None), g, None).unwrap();
        walked(f.name(), case, &[y, dx], &mut refused);
    }
    for loss in [Loss::mse(), Loss::cross_entropy(), Loss::nll(), Loss::multi_margin()] {
        let mut case = Case::new(loss.name());
        let x = case.input(&[1, LONG], &data);
        let target = match loss.name() {
            "mse" => case.input(&[1, LONG], &ones),
            _ => case.classes(&[LONG as u32 - 2]),
        };
        let inputs = LossInputs::new(x, target);
        let (value, grads) = case.program.loss_of(loss, Reduction::Mean, inputs, true).unwrap();
        walked(loss.name(), case, &[value, grads[0]], &mut refused);
    }
    for form in [Form::NN, Form::NT, Form::TN] {
        let mut case = Case::new("product");
        let [rows, cols] = [[1, LONG], [LONG, 1]];
        let (a, b) = match form {
            Form::NN => (case.input(&rows, &data), case.input(&cols, &ones)),
            Form::NT => (case.input(&rows, &data), case.input(&rows, &ones)),
            Form::TN => (case.input(&cols, &data), case.input(&cols, &ones)),
        };
        let y = case.program.matmul("y", a, b, form).unwrap();
        walked(&format!("product {form:?}"), case, &[y], &mut refused);
    }
    let mut case = Case::new("sum_rows");
    let (x, sum) = (case.input(&[LONG, 1], &data), case.input(&[1], &[0.0]));
    case.program.sum_rows_into(x, sum).unwrap();
    walked("sum_rows", case, &[sum], &mut refused);
    let mut case = Case::new("accuracy");
    let (x, target) = (case.input(&[1, LONG], &data), case.classes(&[LONG as u32 - 1]));
    let y = case.program.metric(Metric::Accuracy, x, target).unwrap();
    walked("accuracy", case, &[y], &mut refused);
    println!("refused: {refused:?}");
    assert!(refused.len() < 20, "{refused:?}");
}
