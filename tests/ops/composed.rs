//! Losses put together of several ops: against the f64 reference of the plain ops and of themselves.

use wgrad::ir::{Form, LinearInputs, LossInputs, Plan, Slot, StepEntry, TripletDistances};
use wgrad::{Loss, Reduction};

use crate::support::run::{Case, Outcome, folding_gpu, gpu, normal, uniform};

const ROWS: usize = 23;
const FEATURES: usize = 5;
const CLASSES: usize = 11;

/// A linear layer and what its outputs are compared with.
struct Layer {
    rows: usize,
    with_bias: bool,
    with_weight: bool,
    active: usize,
}

impl Layer {
    fn case(&self, name: &str) -> (Case, LinearInputs) {
        let mut case = Case::new(name);
        case.entry = StepEntry::rows(self.active);
        let x = case.input(&[self.rows, FEATURES], &normal(1, self.rows * FEATURES));
        let weight = case.input(&[CLASSES, FEATURES], &normal(2, CLASSES * FEATURES));
        let labels: Vec<u32> = (0..self.rows).map(|row| (row * 7 % CLASSES) as u32).collect();
        let target = case.classes(&labels);
        let bias = self.with_bias.then(|| case.input(&[CLASSES], &normal(3, CLASSES)));
        let class_weight = self.with_weight.then(|| case.input(&[CLASSES], &uniform(4, CLASSES)));
        let row_weight = self.with_weight.then(|| case.input(&[self.rows], &uniform(5, self.rows)));
        let inputs = LinearInputs::new(x, weight, target);
        (case, LinearInputs { bias, row_weight, class_weight, upstream: -1.5, ..inputs })
    }

    fn in_parts(
        &self,
        loss: Loss,
        reduction: Reduction,
        at_once: Option<usize>,
    ) -> (Case, Vec<Slot>) {
        let (mut case, inputs) = self.case("linear_cross_entropy");
        let inputs = LinearInputs { rows_at_once: at_once, ..inputs };
        let found = case.program.linear_cross_entropy(loss, reduction, &inputs, true).unwrap();
        (case, std::iter::once(found.value).chain(found.gradients).collect())
    }

    /// A matrix product, the loss of its result, and the products of the gradients.
    fn plain(&self, loss: Loss, reduction: Reduction) -> (Case, Vec<Slot>) {
        let (mut case, inputs) = self.case("matmul and cross_entropy");
        let LinearInputs { x, weight, bias, target, class_weight, upstream, .. } = inputs;
        let row_weight = inputs.row_weight;
        let program = &mut case.program;
        let logits = program.matmul("logits", x, weight, Form::NT).unwrap();
        bias.into_iter().for_each(|bias| program.add_row(bias, logits).unwrap());
        let inputs = LossInputs {
            weight: row_weight,
            class_weight,
            upstream,
            ..LossInputs::new(logits, target)
        };
        let (value, by) = program.loss_of(loss, reduction, inputs, true).unwrap();
        let mut slots = vec![value];
        slots.extend(program.matmul_backward("d", Form::NT, (x, weight), by[0]).unwrap());
        let sums = bias.map(|_| program.reduce("d bias", wgrad::Reduce::Sum, by[0], &[0]).unwrap());
        slots.extend(sums);
        (case, slots)
    }
}

fn same(name: &str, outcomes: &[Outcome], wanted: &[Vec<f64>]) -> usize {
    assert_eq!(outcomes.len(), wanted.len(), "{name}");
    let mut checks = 0;
    for (number, (outcome, wanted)) in outcomes.iter().zip(wanted).enumerate() {
        assert_eq!(outcome.got.len(), wanted.len(), "{name}, {number}");
        let size = wanted.iter().fold(0.0f64, |size, x| size.max(x.abs()));
        for (i, (&got, &plain)) in outcome.got.iter().zip(wanted).enumerate() {
            let want = outcome.want[i];
            let far = (want - plain).abs();
            assert!(
                far <= 1e-13 * size.max(1.0),
                "{name}, {number}, {i}: {want:e}, plain {plain:e}"
            );
            let far = (f64::from(got) - plain).abs();
            assert!(far <= 2e-6 * size, "{name}, {number}, {i}: {got:e}, not {plain:e}");
            checks += 1;
        }
    }
    checks
}

#[test]
fn a_linear_cross_entropy_in_parts_is_that_of_the_whole_product() {
    let mut checks = 0;
    let losses = [
        "cross_entropy",
        "cross_entropy(ignore_index=3)",
        "cross_entropy(label_smoothing=0.125, ignore_index=0)",
    ];
    for name in losses {
        let loss: Loss = name.parse().unwrap();
        for (number, reduction) in Reduction::ALL.into_iter().enumerate() {
            for (with_bias, with_weight) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                for active in [ROWS, 9, 0] {
                    let layer = Layer { rows: ROWS, with_bias, with_weight, active };
                    let (case, slots) = layer.plain(loss, reduction);
                    let cpu = case.run_cpu(&mut Default::default());
                    let wanted: Vec<Vec<f64>> =
                        slots.iter().map(|&slot| cpu.read(slot).unwrap().to_vec()).collect();
                    let at_once =
                        [None, Some(1), Some(4), Some(8), Some(100)][(active + number) % 5];
                    let (case, slots) = layer.in_parts(loss, reduction, at_once);
                    let gpu = if number == 0 { folding_gpu() } else { gpu() };
                    let name = format!("{loss} {reduction:?}, {active} rows, {at_once:?} at once");
                    checks += same(&name, &case.run(gpu, &slots), &wanted);
                }
            }
        }
    }
    let none = Layer { rows: 0, with_bias: true, with_weight: false, active: 0 };
    let (case, slots) = none.in_parts(Loss::cross_entropy(), Reduction::Mean, None);
    for outcome in case.run(gpu(), &slots) {
        assert!(outcome.got.iter().all(|&x| x == 0.0) && outcome.want.iter().all(|&x| x == 0.0));
    }
    println!("{checks} values");
}

#[test]
fn a_linear_cross_entropy_in_parts_takes_a_fraction_of_the_memory() {
    let (rows, features, classes) = (1024, 16, 2048);
    let bytes = |in_parts: bool| {
        let mut case = Case::new("memory");
        let x = case.input(&[rows, features], &vec![0.0; rows * features]);
        let weight = case.input(&[classes, features], &vec![0.0; classes * features]);
        let target = case.classes(&vec![0; rows]);
        let program = &mut case.program;
        if in_parts {
            let inputs = LinearInputs::new(x, weight, target);
            program
                .linear_cross_entropy(Loss::cross_entropy(), Reduction::Mean, &inputs, true)
                .unwrap();
        } else {
            let logits = program.matmul("logits", x, weight, Form::NT).unwrap();
            let (_, by) = program
                .loss(Loss::cross_entropy(), Reduction::Mean, (logits, target), true)
                .unwrap();
            program.matmul_backward("d", Form::NT, (x, weight), by.unwrap()).unwrap();
        }
        let plan = Plan::new(gpu(), case.program, None, &[], 0, |_| StepEntry::rows(1024)).unwrap();
        plan.memory().bytes("values") + plan.memory().bytes("scratch")
    };
    let (plain, parts) = (bytes(false), bytes(true));
    println!("{plain} bytes, in parts {parts}");
    // Logits and their gradient are 16 MiB of the plain one.
    assert!(plain > 16 << 20, "{plain}");
    assert!(parts < 2 << 20, "{parts}");
}

#[test]
fn a_triplet_of_distances_of_ones_own_is_the_reference() {
    for shape in [&[1][..], &[7], &[5, 13], &[0]] {
        let len = shape.iter().product();
        for swap in [false, true] {
            for reduction in Reduction::ALL {
                let mut case = Case::new("triplet_margin_with_distance");
                let mut distance = |seed| case.input(shape, &uniform(seed, len));
                let (positive, negative) = (distance(1), distance(2));
                let swapped = swap.then(|| distance(3));
                let distances = TripletDistances { positive, negative, swapped };
                let (value, by) =
                    case.program.triplet_margin_with_distance(reduction, 0.5, distances).unwrap();
                assert_eq!(by.len(), if swap { 3 } else { 2 });
                let slots: Vec<Slot> = std::iter::once(value).chain(by).collect();
                for outcome in case.run(gpu(), &slots) {
                    for (&got, &want) in outcome.got.iter().zip(&outcome.want) {
                        let near = (f64::from(got) - want).abs() <= 1e-6 * want.abs().max(1e-2);
                        assert!(near, "{shape:?} {reduction:?}, swap {swap}: {got}, not {want}");
                    }
                }
            }
        }
    }
}
