//! The reference's derivatives against central differences of its own values, all in `f64`.

mod support;

use support::losses::{Target, Trial, losses, trials};
use support::run::{Case, normal};
use wgrad::cpu::{Interpreter, Weights};
use wgrad::program::{DType, StepEntry};
use wgrad::spec::activation::{ActivationKind, Saves};
use wgrad::spec::loss::LossKind;
use wgrad::{Activation, Program, Reduction, Shape};

/// (f(x + h) - f(x - h)) / 2h with a step of 2e-5: truncation and rounding both near 1e-10.
fn slope(x: f64, f: impl Fn(f64) -> f64) -> f64 {
    let h = 2e-5;
    let (right, left) = (x + h, x - h);
    (f(right) - f(left)) / (right - left)
}

/// Fails unless the derivative is the slope; `size` is that of the values differenced, whose rounding the step magnifies.
fn check(name: &str, at: f64, derivative: f64, slope: f64, size: f64) {
    let bound = 1e-7 * derivative.abs() + 1e-9 * size.max(1.0);
    let error = (derivative - slope).abs();
    assert!(error <= bound, "{name} at {at}: derivative {derivative:e}, slope {slope:e}");
}

/// The op with its defaults and, if it has parameters, with another first one.
fn with_other(f: Activation) -> Vec<Activation> {
    let first = f.entry().params.first();
    let other = first.and_then(|param| f.with(param.name, 2.0 * param.example() + 0.5).ok());
    [Some(f), other].into_iter().flatten().collect()
}

fn forward(f: &Activation, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; f.output_len(x.len()).unwrap()];
    f.forward(x.len(), x, &mut y);
    y
}

/// The derivative in direction g by the reference's backward pass.
fn backward(f: &Activation, x: &[f64], g: &[f64]) -> Vec<f64> {
    let saved = match f.saves() {
        Saves::Output => forward(f, x),
        _ => x.to_vec(),
    };
    let mut out = vec![0.0; x.len()];
    f.backward(x.len(), &saved, g, &mut out);
    out
}

#[test]
fn derivatives_of_elementwise_activations_are_the_slopes_of_their_values() {
    let mut checks = 0;
    for f in Activation::all().flat_map(with_other) {
        let ActivationKind::Map(map) = &f.entry().kind else { continue };
        let near_zero = (-60..=0).flat_map(|e| [1.0, -1.0].map(|sign| sign * 2f64.powi(e)));
        let line = (-4000..=4000).map(|i| f64::from(i) * 0.01 + 0.0031);
        for x in line.chain(near_zero) {
            if (map.kinks)(f.values()).iter().any(|kink| (x - kink).abs() < 1e-3) {
                continue;
            }
            let value = |x: f64| forward(&f, &[x])[0];
            check(
                &f.to_string(),
                x,
                backward(&f, &[x], &[1.0])[0],
                slope(x, value),
                value(x).abs() / x.abs().max(1.0),
            );
            checks += 1;
        }
    }
    assert!(checks > 80_000);
    println!("{checks} slopes");
}

#[test]
fn at_a_kink_the_derivative_is_the_one_that_the_entry_states() {
    for (f, at_zero) in [(Activation::relu(), 0.0), (Activation::leaky_relu(), 0.01)] {
        assert_eq!(backward(&f, &[0.0], &[1.0]), [at_zero], "{f}");
        assert_eq!(backward(&f, &[-0.0], &[1.0]), [at_zero], "{f}");
    }
}

fn numbers(data: Vec<f32>) -> Vec<f64> {
    data.into_iter().map(f64::from).collect()
}

/// The same x with one element moved.
fn moved(x: &[f64], index: usize, value: f64) -> Vec<f64> {
    let mut x = x.to_vec();
    x[index] = value;
    x
}

#[test]
fn gradients_of_row_wise_activations_are_the_slopes_of_a_weighted_sum() {
    let mut checks = 0;
    let others = ["maxout(pieces=4)", "softmin(temperature=0.5)", "gumbel_softmax(tau=3)"];
    let others = others.iter().map(|name| name.parse().unwrap());
    for f in Activation::all().flat_map(with_other).chain(others) {
        if f.dim().is_none() {
            continue;
        }
        for (seed, cols) in [(1, 1), (2, 2), (3, 8), (4, 40)] {
            let Ok(out) = f.output_len(cols) else { continue };
            let x: Vec<f64> = numbers(normal(seed, cols)).iter().map(|x| 1.5 * x).collect();
            let g = numbers(normal(seed + 100, out));
            let dot = |x: &[f64]| forward(&f, x).iter().zip(&g).map(|(y, g)| y * g).sum::<f64>();
            let gradient = backward(&f, &x, &g);
            for i in 0..cols {
                let slope = slope(x[i], |value| dot(&moved(&x, i, value)));
                check(&format!("{f} of {cols}"), x[i], gradient[i], slope, dot(&x).abs());
                checks += 1;
            }
        }
    }
    assert!(checks >= 700, "{checks}");
    println!("{checks} slopes");
}

/// A program of one activation with learned numbers: the weighted sum of its output, and both gradients.
fn learned(f: Activation, x: &[f64], weight: &[f64], g: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
    let mut program = Program::new("learned", vec![]);
    let shape = Shape::new(&[x.len() / 3, 3]).unwrap();
    let numbers = Shape::new(&[weight.len()]).unwrap();
    let [x_slot, g_slot] = ["x", "g"].map(|name| program.input(name, shape, DType::F32));
    let [w_slot, d_slot] = ["w", "dw"].map(|name| program.input(name, numbers, DType::F32));
    let y = program.learned("y", f, x_slot, w_slot).unwrap();
    let dx = program.learned_backward("dx", f, (x_slot, w_slot), g_slot, d_slot).unwrap();
    let mut cpu = Interpreter::<f64>::new(program);
    for (slot, data) in [(x_slot, x), (w_slot, weight), (g_slot, g)] {
        cpu.write(slot, data).unwrap();
    }
    cpu.run(&mut Weights::default(), &StepEntry::rows(usize::MAX)).unwrap();
    let sum = cpu.read(y).unwrap().iter().zip(g).map(|(y, g)| y * g).sum();
    (sum, cpu.read(dx).unwrap().to_vec(), cpu.read(d_slot).unwrap().to_vec())
}

#[test]
fn gradients_of_learned_activations_are_the_slopes_by_input_and_by_learned_number() {
    let mut checks = 0;
    for f in Activation::all().filter(Activation::is_learned) {
        for f in [Some(f), f.with("per_channel", 1.0).ok()].into_iter().flatten() {
            let first = f.first_weights(3).unwrap();
            let weight: Vec<f64> =
                (0..).zip(&first).map(|(i, w)| w + 0.07 * f64::from(i)).collect();
            let x: Vec<f64> = numbers(normal(1, 12)).iter().map(|x| 2.0 * x).collect();
            let g = numbers(normal(2, 12));
            let (_, dx, dw) = learned(f, &x, &weight, &g);
            for i in 0..x.len() {
                let slope = slope(x[i], |at| learned(f, &moved(&x, i, at), &weight, &g).0);
                check(&format!("{f} by x"), x[i], dx[i], slope, 10.0);
            }
            for i in 0..weight.len() {
                let slope = slope(weight[i], |at| learned(f, &x, &moved(&weight, i, at), &g).0);
                check(&format!("{f} by number {i}"), weight[i], dw[i], slope, 10.0);
            }
            checks += x.len() + weight.len();
        }
    }
    assert!(checks >= 60, "{checks}");
    println!("{checks} slopes");
}

#[test]
fn derivatives_of_random_activations_are_the_slopes_for_the_same_draw() {
    let mut checks = 0;
    for f in Activation::all() {
        let ActivationKind::Noise(noise) = &f.entry().kind else { continue };
        let values = (noise.prepare)(f.values());
        for x in [-3.0, -0.4, 0.2, 5.0] {
            for u in [0.0, 0.3, 0.6, 0.999] {
                let slope = slope(x, |x| (noise.passes.f64.forward)(&values, x, u));
                let derivative = (noise.passes.f64.derivative)(&values, x, u);
                check(&format!("{f} at u = {u}"), x, derivative, slope, 1.0);
                checks += 1;
            }
        }
    }
    assert_eq!(checks, 3 * 16);
}

#[test]
fn second_derivatives_are_the_slopes_of_the_first() {
    let mut checks = 0;
    for f in Activation::all().filter(Activation::has_second).flat_map(with_other) {
        for x in (-1200..=1200).map(|i| f64::from(i) * 0.01 + 0.0031) {
            let saved = if f.saves() == Saves::Output { forward(&f, &[x])[0] } else { x };
            let mut second = [0.0];
            f.second(&[saved], &[1.0], &mut second).unwrap();
            let first = |x: f64| backward(&f, &[x], &[1.0])[0];
            check(&f.to_string(), x, second[0], slope(x, first), 1.0);
            checks += 1;
        }
    }
    assert!(checks >= 9 * 2401, "{checks}");
    println!("{checks} slopes");
}

/// The summed value of a loss and its gradient by every input, on the reference.
fn run(trial: &Trial, reduction: Reduction) -> (f64, Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let inputs: Vec<Vec<f64>> = trial.predictions.iter().map(|x| numbers(x.clone())).collect();
    let (value, gradients) = run_at(trial, reduction, &inputs);
    (value, gradients, inputs)
}

/// The same at other predictions.
fn run_at(trial: &Trial, reduction: Reduction, x: &[Vec<f64>]) -> (f64, Vec<Vec<f64>>) {
    let mut case = Case::new("loss");
    let (value, gradients) = trial.build(&mut case, reduction);
    // One row takes no part.
    case.entry = StepEntry::rows(trial.shape[0] - 1);
    let mut cpu = case.interpreter();
    for (number, x) in x.iter().enumerate() {
        cpu.write(case.slot(number), x).unwrap();
    }
    cpu.run(&mut Weights::default(), &case.entry).unwrap();
    let read = |slot| cpu.read(slot).unwrap().to_vec();
    (read(value).iter().sum(), gradients.into_iter().map(read).collect())
}

/// Whether a prediction lies so near a kink that the difference quotient would straddle it.
fn near_kink(trial: &Trial, i: usize) -> bool {
    let LossKind::Map(map) = &trial.loss.entry().kind else { return false };
    let Target::Values(t) = &trial.target else { return false };
    let at = |input: usize| trial.predictions.get(input).map_or(0.0, |x| f64::from(x[i]));
    let kinks = (map.kinks)(trial.loss.values(), [f64::from(t[i]), at(1)]);
    kinks.iter().any(|kink| (at(0) - kink).abs() < 1e-3)
}

#[test]
fn gradients_of_losses_are_the_slopes_of_their_values_along_every_input() {
    let mut checks = 0;
    for loss in losses() {
        for mut trial in trials(loss, &[4, 5], false) {
            trial.upstream = 1.0;
            let mut variants = vec![trial.clone(), trial.clone().weighted()];
            if loss.takes_class_weight() {
                variants.push(trial.class_weighted());
            }
            for (trial, reduction) in variants.iter().flat_map(|t| Reduction::ALL.map(|r| (t, r))) {
                let (value, gradients, x) = run(trial, reduction);
                for (input, gradient) in gradients.iter().enumerate() {
                    for (i, &derivative) in gradient.iter().enumerate() {
                        // PyTorch's convention at the clamp of the variance is tested in tests/ops.
                        if near_kink(trial, i) {
                            continue;
                        }
                        let slope = slope(x[input][i], |at| {
                            let mut x = x.clone();
                            x[input][i] = at;
                            run_at(trial, reduction, &x).0
                        });
                        let name = format!("{}, input {input}, {i}", trial.name(reduction));
                        check(&name, x[input][i], derivative, slope, value.abs());
                        checks += 1;
                    }
                }
            }
        }
    }
    assert!(checks >= 10_000, "{checks}");
    println!("{checks} slopes");
}
