//! Arithmetic, reductions, normalizations and embeddings of both engines against PyTorch's golden vectors.

use crate::support;

use support::golden::{Case as Golden, load};
use support::run::{Case, gpu};
use support::tolerance::Tolerance;
use wgrad::ir::{Form, Interpreter, InterpreterWeights, Slot, StepEntry};
use wgrad::nn::{AdaptiveLogSoftmax, GradientTransforms, Objective, TargetKind};
use wgrad::{Arithmetic, Loss, Normalization, Optimizer, Reduce, Reduction, Sequential, Shape};

/// A case under test: inputs by role, and the results to be compared.
struct Trial<'a> {
    golden: &'a Golden,
    case: Case,
    results: Vec<(Slot, String)>,
}

impl<'a> Trial<'a> {
    fn new(golden: &'a Golden) -> Self {
        Self { golden, case: Case::new(&golden.name), results: Vec::new() }
    }

    fn input(&mut self, role: &str) -> Slot {
        let tensor = self.golden.tensor(role);
        self.case.input(&tensor.shape, &tensor.f32())
    }

    fn optional(&mut self, role: &str) -> Option<Slot> {
        self.golden.get(role).is_some().then(|| self.input(role))
    }

    /// The slot should hold the tensor of this role.
    fn expect(&mut self, slot: Slot, role: &str) {
        let own = self.case.program.copy("own", slot).unwrap_or(slot);
        self.results.push((own, role.to_string()));
    }

    /// Compares; gives how many numbers.
    fn run(self) -> usize {
        let slots: Vec<Slot> = self.results.iter().map(|(slot, _)| *slot).collect();
        let outcomes = self.case.run(gpu(), &slots);
        let mut count = 0;
        for ((_, role), outcome) in self.results.iter().zip(outcomes) {
            let golden = self.golden.tensor(role);
            let name = format!("{} {role}", self.golden.name);
            assert_eq!(outcome.got.len(), golden.values.len(), "{name}");
            let size = golden.values.iter().fold(0.0f64, |size, value| size.max(value.abs()));
            let bound = Tolerance::ulps(8.0).floor(4e-6 * size.max(1.0));
            for ((got, want), golden) in outcome.got.iter().zip(&outcome.want).zip(&golden.values) {
                assert!(
                    (want - golden).abs() <= 1e-12 * size.max(1.0),
                    "{name}: {want:e}, PyTorch {golden:e}"
                );
                assert!(bound.accepts(*got, *golden), "{name}: {got:e}, PyTorch {golden:e}");
                count += 1;
            }
        }
        count
    }
}

fn arithmetic(golden: &Golden, f: Arithmetic) -> usize {
    let mut trial = Trial::new(golden);
    let [a, b, grad_out] = ["a", "b", "grad_out"].map(|role| trial.input(role));
    let y = trial.case.program.arithmetic("y", f, a, b).unwrap();
    let [by_a, by_b] = trial.case.program.arithmetic_backward("dx", f, (a, b), grad_out).unwrap();
    trial.expect(y, "y");
    trial.expect(by_a, "grad.a");
    trial.expect(by_b, "grad.b");
    trial.run()
}

fn product(golden: &Golden, form: Form) -> usize {
    let mut trial = Trial::new(golden);
    let [a, b, grad_out] = ["a", "b", "grad_out"].map(|role| trial.input(role));
    let y = trial.case.program.matmul("y", a, b, form).unwrap();
    let p = &mut trial.case.program;
    let [by_a, by_b] = p.matmul_backward("dx", form, (a, b), grad_out).unwrap();
    trial.expect(y, "y");
    trial.expect(by_a, "grad.a");
    trial.expect(by_b, "grad.b");
    trial.run()
}

fn reduce(golden: &Golden, f: Reduce) -> usize {
    let mut trial = Trial::new(golden);
    let dims: Vec<isize> = golden.tensor("dims").values.iter().map(|dim| *dim as isize).collect();
    let x = trial.input("x");
    let y = trial.case.program.reduce("y", f, x, &dims).unwrap();
    trial.expect(y, "y");
    if let Some(grad_out) = trial.optional("grad_out") {
        let p = &mut trial.case.program;
        let grad = p.reduce_backward("dx", f, (x, y), grad_out, &dims).unwrap();
        trial.expect(grad, "grad.x");
    }
    trial.run()
}

fn normalize(golden: &Golden, f: Normalization) -> usize {
    let mut trial = Trial::new(golden);
    let (x, weight, bias) = (trial.input("x"), trial.optional("weight"), trial.optional("bias"));
    if golden.get("later").is_some() {
        return track(trial, f, x, (weight, bias));
    }
    let grad_out = trial.input("grad_out");
    let p = &mut trial.case.program;
    let y = p.normalize("y", f, x, weight, bias).unwrap();
    let row = Shape::new(&[6]).unwrap();
    let [by_weight, by_bias] = ["d weight", "d bias"].map(|name| p.fill(name, row, 0.0));
    let operands = (x, weight);
    let grad = p.normalize_backward("dx", f, operands, grad_out, Some(by_weight)).unwrap();
    p.sum_rows_into(grad_out, by_bias).unwrap();
    trial.expect(y, "y");
    trial.expect(grad, "grad.x");
    for (slot, role) in [(by_weight, "grad.weight"), (by_bias, "grad.bias")] {
        if golden.get(role).is_some() {
            trial.expect(slot, role);
        }
    }
    trial.run()
}

/// One step of training moves the running means; then they normalize other rows.
fn track(
    mut trial: Trial<'_>,
    f: Normalization,
    x: Slot,
    affine: (Option<Slot>, Option<Slot>),
) -> usize {
    let later = trial.input("later");
    let row = Shape::new(&[6]).unwrap();
    let p = &mut trial.case.program;
    let running = [p.fill("mean", row, 0.0), p.fill("variance", row, 1.0)];
    p.track_norm(f, x, running).unwrap();
    let y = p.normalize_by("y", f, later, running, affine).unwrap();
    trial.expect(running[0], "running_mean");
    trial.expect(running[1], "running_var");
    trial.expect(y, "y");
    trial.run()
}

fn embedding(golden: &Golden) -> usize {
    let mut trial = Trial::new(golden);
    let (table, grad_out) = (trial.input("table"), trial.input("grad_out"));
    let index = golden.tensor("index");
    let index = trial.case.indices(&index.shape, &index.labels());
    let p = &mut trial.case.program;
    let y = p.gather_rows("y", table, index).unwrap();
    let shape = p.shape(table).unwrap();
    let grad = p.gather_rows_backward("dx", shape, index, grad_out).unwrap();
    trial.expect(y, "y");
    trial.expect(grad, "grad.table");
    trial.run()
}

/// Log-probabilities, and the gradients of their loss, in the reference: the device runs the same ops.
fn adaptive(golden: &Golden) -> usize {
    let numbers = |role: &str| golden.tensor(role).values.clone();
    let count = golden.roles().filter(|role| role.starts_with("param.")).count();
    let params: Vec<Vec<f64>> = (0..count).map(|i| numbers(&format!("param.{i}"))).collect();
    let layer = AdaptiveLogSoftmax::new(11, &[3, 7]).div_value(2.0);
    let layer = if count == 6 { layer.head_bias() } else { layer };
    let network = Sequential::new(8).layer(layer).build().unwrap();
    let objective = Objective {
        loss: Loss::nll(),
        reduction: Reduction::Mean,
        metrics: Vec::new(),
        transforms: GradientTransforms::default(),
        weighted: false,
        class_weights: None,
        linear_cross_entropy: false,
        checked: false,
        through: false,
    };
    let optimizer = Optimizer::sgd();
    let io = network.training(&objective, optimizer, TargetKind::Class, (5, 5), 0).unwrap();
    let mut cpu = Interpreter::<f64>::new(io.program);
    cpu.write(io.x, &numbers("x")).unwrap();
    cpu.write_indices(io.target.unwrap(), &golden.tensor("index").labels()).unwrap();
    let mut weights = InterpreterWeights::new(network.params(), params, None, 0);
    cpu.run(&mut weights, &StepEntry::rows(5)).unwrap();
    let close = |got: &[f64], role: &str| {
        let want = numbers(role);
        assert_eq!(got.len(), want.len(), "{} {role}", golden.name);
        for (got, want) in got.iter().zip(want) {
            assert!(
                (got - want).abs() < 1e-12,
                "{} {role}: {got:e}, PyTorch {want:e}",
                golden.name
            );
        }
        got.len()
    };
    let grads = weights.grads.iter().enumerate().map(|(i, grad)| close(grad, &format!("grad.{i}")));
    let loss = f64::from(cpu.take_records()[0][0]);
    assert!((loss - numbers("loss")[0]).abs() < 1e-6, "{loss}");
    grads.sum::<usize>() + close(cpu.read(io.y).unwrap(), "y")
}

#[test]
fn tensors_are_combined_reduced_and_normalized_as_by_pytorch() {
    let cases = load("algebra");
    assert_eq!(cases.len(), 82);
    let mut count = 0;
    for golden in &cases {
        let op = golden.op.as_str();
        let option = |name: &str, otherwise| golden.options.get(name).copied().unwrap_or(otherwise);
        let of = |f: Normalization| f.eps(option("eps", 1e-5)).momentum(option("momentum", 0.1));
        count += match op {
            "layer_norm" => normalize(golden, of(Normalization::layer_norm())),
            "rms_norm" => normalize(golden, of(Normalization::rms_norm())),
            "batch_norm" => normalize(golden, of(Normalization::batch_norm())),
            "embedding" => embedding(golden),
            "matmul.nn" => product(golden, Form::NN),
            "matmul.nt" => product(golden, Form::NT),
            "matmul.tn" => product(golden, Form::TN),
            "adaptive_log_softmax" => adaptive(golden),
            _ => match Arithmetic::ALL.into_iter().find(|f| f.name() == op) {
                Some(f) => arithmetic(golden, f),
                None => reduce(golden, Reduce::ALL.into_iter().find(|f| f.name() == op).unwrap()),
            },
        };
    }
    println!("{} cases, {count} numbers", cases.len());
}
