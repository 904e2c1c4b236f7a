//! Axes that hold nothing: on both engines a sum of nothing is 0, a mean of no terms is 0, and a row without columns is
//! still a row.

use wgrad::__internal::spec::loss::TargetForm;
use wgrad::ir::{Form, LossInputs, Slot};
use wgrad::{Activation, Loss, Metric, Normalization, Reduce, Reduction, Shape};

use crate::support::run::{Case, gpu, normal};

const SHAPES: [&[usize]; 7] = [&[3, 0], &[0, 3], &[0, 0], &[0], &[2, 3, 0], &[2, 0, 3], &[0, 2, 3]];

fn data(shape: &[usize]) -> Vec<f32> {
    normal(1, shape.iter().product())
}

/// Runs a case on both engines; no result of the reference may be NaN.
fn check(case: Case, slots: &[Slot]) -> usize {
    let name = case.program.name().to_string();
    let outcomes = case.run(gpu(), slots);
    assert!(outcomes.iter().all(|o| o.want.iter().all(|x| !x.is_nan())), "{name}");
    outcomes.iter().map(|outcome| outcome.close(&name, 4.0, 0.0)).sum()
}

fn target(case: &mut Case, form: TargetForm, shape: &[usize]) -> Option<Slot> {
    let (cols, rows) = shape.split_last().unwrap();
    let rows: usize = rows.iter().product();
    Some(match form {
        TargetForm::Values => case.input(shape, &data(shape)),
        TargetForm::Number => case.input(&[rows], &vec![1.0; rows]),
        TargetForm::ClassList => case.indices(shape, &vec![u32::MAX; rows * cols]),
        TargetForm::Class => {
            let axis = usize::from(shape.len() > 1);
            let without: Vec<usize> = [&shape[..axis], &shape[axis + 1..]].concat();
            case.indices(&without, &vec![0; without.iter().product()])
        }
        TargetForm::Nothing => return None,
    })
}

fn loss(loss: Loss, form: TargetForm, reduction: Reduction, shape: &[usize]) -> usize {
    let mut case = Case::new(&format!("{loss} {reduction:?} {shape:?} {form:?}"));
    let inputs: Vec<Slot> = (0..loss.inputs()).map(|_| case.input(shape, &data(shape))).collect();
    let target = target(&mut case, form, shape);
    let built = case.program.loss_of(loss, reduction, LossInputs::of(&inputs, target), true);
    // Without classes no index is one.
    let Ok((value, mut slots)) = built else {
        assert_eq!(form, TargetForm::Class, "{}", case.program.name());
        return 0;
    };
    slots.push(value);
    check(case, &slots)
}

#[test]
fn losses_of_rows_without_columns_and_of_no_rows_agree() {
    let mut checks = 0;
    for f in Loss::all().filter(|loss| !loss.is_sequence()) {
        for shape in SHAPES {
            for reduction in Reduction::ALL {
                let forms = f.target_forms().iter();
                checks += forms.map(|form| loss(f, *form, reduction, shape)).sum::<usize>();
            }
        }
    }
    assert!(checks > 600, "{checks}");
}

/// The terms and the mean of a row-wise loss over three vectors of no numbers.
fn of_nothing(name: &str) -> [Vec<f32>; 2] {
    [Reduction::None, Reduction::Mean].map(|reduction| {
        let loss: Loss = name.parse().unwrap();
        let mut case = Case::new(name);
        let inputs: Vec<Slot> = (0..loss.inputs()).map(|_| case.input(&[3, 0], &[])).collect();
        let target = target(&mut case, loss.target_forms()[0], &[3, 0]);
        let inputs = LossInputs::of(&inputs, target);
        let (value, _) = case.program.loss_of(loss, reduction, inputs, false).unwrap();
        case.run(gpu(), &[value]).remove(0).got
    })
}

/// What `torch.nn.functional` gives for tensors of shape [3, 0].
#[test]
fn distances_of_empty_vectors_are_those_of_pytorch() {
    for (name, term) in [
        ("triplet_margin", 1.0),
        ("triplet_margin(margin=0.25)", 0.25),
        ("triplet_margin_cosine(margin=0.5)", 0.5),
        // 1 - cos, and the cosine of nothing is 0.
        ("cosine_embedding", 1.0),
        ("cosine_similarity_loss", 1.0),
    ] {
        assert_eq!(of_nothing(name), [vec![term; 3], vec![term]], "{name}");
    }
}

fn reduce(f: Reduce, shape: &[usize], dims: &[isize]) -> usize {
    let mut case = Case::new(&format!("{} {shape:?} along {dims:?}", f.name()));
    let x = case.input(shape, &data(shape));
    let Ok(y) = case.program.reduce("y", f, x, dims) else {
        assert!(!f.takes_nothing(), "{}", case.program.name());
        return 0;
    };
    let out = case.program.shape(y).unwrap().to_vec();
    let g = case.input(&out, &data(&out));
    let dx = case.program.reduce_backward("dx", f, (x, y), g, dims);
    check(case, &[Some(y), dx.ok()].into_iter().flatten().collect::<Vec<_>>())
}

#[test]
fn reductions_of_nothing_agree() {
    let mut checks = 0;
    for f in Reduce::ALL {
        for shape in SHAPES {
            for dims in [&[-1][..], &[0], &[]] {
                checks += reduce(f, shape, dims);
            }
        }
    }
    assert!(checks > 100, "{checks}");
}

#[test]
fn products_sums_and_normalizations_of_nothing_agree() {
    for shape in [[3, 0], [0, 3], [0, 0]] {
        let [_, cols] = shape;
        let mut case = Case::new(&format!("{shape:?}"));
        let x = case.input(&shape, &data(&shape));
        let weight = case.input(&[cols], &normal(2, cols));
        let row = Shape::new(&[cols]).unwrap();
        let p = &mut case.program;
        let sums = p.fill("sums", row, 0.0);
        p.sum_rows_into(x, sums).unwrap();
        let mut slots = vec![
            sums,
            p.matmul("gram", x, x, Form::NT).unwrap(),
            p.matmul("other gram", x, x, Form::TN).unwrap(),
        ];
        // Of rows without columns a normalization is refused.
        let norms =
            [Normalization::layer_norm(), Normalization::rms_norm(), Normalization::batch_norm()];
        for f in norms.into_iter().filter(|_| cols > 0) {
            let by_weight = p.fill("d weight", row, 0.0);
            slots.push(p.normalize("y", f, x, Some(weight), None).unwrap());
            slots.push(
                p.normalize_backward("dx", f, (x, Some(weight)), x, Some(by_weight)).unwrap(),
            );
            slots.push(by_weight);
        }
        let f = Activation::prelu();
        let slope = p.fill("slope", Shape::new(&[1]).unwrap(), 0.25);
        slots.push(p.parametric("prelu", f, x, slope).unwrap());
        let by_slope = p.fill("d slope", Shape::new(&[1]).unwrap(), 3.0);
        slots.push(p.parametric_backward("dx", f, (x, slope), x, by_slope).unwrap());
        slots.push(by_slope);
        check(case, &slots);
    }
}

#[test]
fn metrics_of_nothing_agree() {
    for metric in [
        Metric::Accuracy,
        Metric::TopK { k: 3 },
        Metric::R2 { variance: 2.0 },
        Metric::BinaryAccuracy { threshold: 0.5 },
        Metric::RegressionAccuracy { tolerance: 0.3 },
        Metric::Mse,
        Metric::Mae,
    ] {
        for shape in [[3, 0], [0, 3], [0, 0]] {
            let mut case = Case::new(&format!("{metric} {shape:?}"));
            let (x, t) = (case.input(&shape, &[]), case.input(&shape, &[]));
            let value = case.program.metric(metric, x, t).unwrap();
            let outcome = case.run(gpu(), &[value]).remove(0);
            assert_eq!((&outcome.got[..], &outcome.want[..]), (&[0.0][..], &[0.0][..]), "{metric}");
        }
    }
}
