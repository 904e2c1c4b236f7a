//! Checks of every gradient rule against central differences in `f64`, over the cases of all ops.

use std::collections::BTreeSet;

use super::case::Case;
use super::cases;
use crate::engine::cpu::{Interpreter, InterpreterWeights};
use crate::error::{Error, Result};
use crate::ir::{DType, Program, Slot};
use crate::random::{Key, Stream};
use crate::spec::{Arithmetic, Reduce};

/// The number of elements checked per tensor.
const TRIED: u32 = 4;

/// The inputs of a run, which may be perturbed.
#[derive(Clone)]
struct Data {
    numbers: Vec<(Slot, Vec<f64>)>,
    params: Vec<Vec<f64>>,
}

impl Data {
    fn of(case: &Case) -> Self {
        let wide = |numbers: &Vec<f32>| numbers.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let numbers = case.numbers.iter().map(|(slot, numbers)| (*slot, wide(numbers))).collect();
        Self { numbers, params: case.params.iter().map(wide).collect() }
    }

    fn tensor(&mut self, place: Wrt) -> Option<&mut Vec<f64>> {
        match place {
            Wrt::Input(number) => self.numbers.get_mut(number).map(|(_, numbers)| numbers),
            Wrt::Param(number) => self.params.get_mut(number),
        }
    }

    /// The values of a slot after the case's first step.
    fn run(&self, case: &Case, program: &Program, read: Slot) -> Result<Vec<f64>> {
        let optimizer = Case::optimizer(&case.program);
        let mut weights =
            InterpreterWeights::new(program.params(), self.params.clone(), optimizer, 2);
        let mut cpu = Interpreter::<f64>::new(program.clone());
        for (slot, numbers) in &self.numbers {
            cpu.write(*slot, numbers)?;
        }
        for (slot, indices) in &case.indices {
            cpu.write_indices(*slot, indices)?;
        }
        cpu.run(&mut weights, &case.rule.entry(0))?;
        cpu.read(read).map(<[f64]>::to_vec)
    }
}

/// The variable that a gradient is taken with respect to.
#[derive(Clone, Copy)]
enum Wrt {
    Input(usize),
    Param(usize),
}

/// Compares a gradient with central differences; returns a message if they differ.
fn compare(
    case: &Case,
    data: &Data,
    (before, after): (&Program, &Program),
    (loss, grad, wrt): (Slot, Slot, Wrt),
) -> Result<Option<String>> {
    let found = data.run(case, after, grad)?;
    let largest = found.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let key = Key::new(5, Stream::Data(1));
    for number in 0..TRIED.min(found.len() as u32) {
        let place = key.words(0, number)[0] as usize % found.len();
        let moved = |by: f64| -> Result<f64> {
            let mut data = data.clone();
            let number = data.tensor(wrt).and_then(|tensor| tensor.get_mut(place));
            let Some(number) = number else { return Ok(f64::NAN) };
            *number += by;
            Ok(data.run(case, before, loss)?.first().copied().unwrap_or(f64::NAN))
        };
        let step = 1e-5;
        let want = (moved(step)? - moved(-step)?) / (2.0 * step);
        let got = found.get(place).copied().unwrap_or(f64::NAN);
        if (got - want).abs() > 1e-6 * (1.0 + want.abs() + largest) {
            return Ok(Some(format!("element {place} is {got}, not {want}")));
        }
    }
    Ok(None)
}

/// Checks the gradients of a case's op with respect to everything it reads. Returns a message per fault, and adds the
/// ops without the gradient to `refused`.
fn check(case: &Case, op: usize, refused: &mut BTreeSet<String>) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let program = case.program.until(op + 1);
    let outputs = program.ops().last().map(|op| op.outputs()).unwrap_or_default();
    for out in outputs {
        if program.slot(out)?.dtype == DType::U32 || program.shape(out)?.is_empty() {
            continue;
        }
        let mut before = program.clone();
        let shape = before.shape(out)?;
        let factors = before.input("factors", shape, DType::F32);
        let key = Key::new(9, Stream::Data(2));
        let mut data = Data::of(case);
        data.numbers.push((factors, (0..shape.len() as u32).map(|i| key.normal(0, i)).collect()));
        let products = before.arithmetic("products", Arithmetic::Mul, out, factors)?;
        let loss = before.reduce("loss", Reduce::Sum, products, &[])?;
        let inputs = (0..case.numbers.len()).map(Wrt::Input);
        for wrt in inputs.chain((0..case.params.len()).map(Wrt::Param)) {
            let mut after = before.clone();
            let slot = match wrt {
                Wrt::Input(number) => case.numbers.get(number).map(|(slot, _)| *slot),
                Wrt::Param(number) => after.param(number).ok(),
            };
            let Some(slot) = slot else { continue };
            let grad = match after.gradients(loss, &[slot]) {
                Ok(grads) => grads.first().copied(),
                Err(Error::Unsupported { op, .. }) => {
                    refused.insert(kind(&op));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some(grad) = grad else { continue };
            let difference = compare(case, &data, (&before, &after), (loss, grad, wrt))?;
            if let Some(text) = difference {
                let op = program.ops().last().map(|op| op.name()).unwrap_or_default();
                let (out, by) = (&program.slot(out)?.name, &after.slot(slot)?.name);
                faults.push(format!("{}: d '{out}' of {op} by '{by}': {text}", case.name));
            }
        }
    }
    Ok(faults)
}

/// The family of an op's name and its variant: `activation.backward`.
fn kind(op: &str) -> String {
    if let Some((before, _)) = op.split_once("the gradient of ") {
        return format!("{before}the gradient of.");
    }
    let plain = op.split('(').next().unwrap_or_default();
    let does = op.rsplit(')').next().filter(|rest| rest.len() < op.len()).unwrap_or(plain);
    let (family, does) = (plain.split('.').next(), does.rsplit('.').next());
    [family, does].map(Option::unwrap_or_default).join(".")
}

/// The ops without a gradient, or without one with respect to every operand: with respect to targets and their weights,
/// running statistics, the rows of a data set, and gradients of gradients.
const REFUSED: [&str; 23] = [
    "activation.backward",
    "activation.second",
    "clip_norm.",
    "count_inf.count_inf",
    "count_nan.count_nan",
    "gather.in_order",
    "gather.shuffled",
    "loss.backward",
    "loss.mean",
    "loss.none",
    "metric.",
    "metric.accuracy",
    "metric.mae",
    "metric.outside_unit",
    "norm.backward",
    "norm.evaluate",
    "norm.track",
    "optimizer.direction",
    "penalty.penalty",
    "reduce.backward",
    "row_term_weights.mean",
    "skip_not_finite.skip_not_finite",
    // A value that the rule reads was overwritten.
    "the gradient of.",
];

#[test]
fn gradients_are_those_of_central_differences() {
    let (mut faults, mut refused, mut checked) = (Vec::new(), BTreeSet::new(), 0);
    for case in cases().unwrap() {
        for op in 0..case.program.ops().len() {
            faults.extend(check(&case, op, &mut refused).unwrap());
            checked += 1;
        }
    }
    println!("{checked} ops");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(refused.iter().map(String::as_str).eq(REFUSED), "{refused:?}");
}
