//! Activations that draw random numbers, and those that change an axis or learn, against the reference.

use wgrad::__internal::spec::activation::{ActivationKind, ParametricKind};
use wgrad::random::{Key, Stream};
use wgrad::{Activation, Shape};

use crate::support::nets;
use crate::support::run::{Case, Outcome, folding_gpu, gpu, normal};
use crate::support::tolerance::Tolerance;

const KEY: Key = Key([3, 5]);

fn near(name: &str, outcome: &Outcome, bound: Tolerance) -> usize {
    assert_eq!(outcome.got.len(), outcome.want.len(), "{name}");
    for (i, (&got, &want)) in outcome.got.iter().zip(&outcome.want).enumerate() {
        assert!(bound.accepts(got, want), "{name}: element {i} is {got:e}, not {want:e}");
    }
    outcome.got.len()
}

fn random(names: &[&str]) -> Vec<Activation> {
    let cases: Vec<Activation> = names.iter().map(|name| name.parse().unwrap()).collect();
    let covered = |f: &Activation| cases.iter().any(|case| case.name() == f.name());
    assert!(Activation::all().filter(Activation::is_random).all(|f| covered(&f)));
    cases
}

/// Forward and backward as while training, on both engines.
fn trained(f: Activation, shape: &[usize], x: &[f32], g: &[f32], key: Key) -> Vec<Outcome> {
    let mut case = Case::new(&f.to_string());
    let slot = case.input(shape, x);
    let upstream = case.input(shape, g);
    let y = case.program.activation_in_training("y", f, key, slot).unwrap();
    let dx = case.program.activation_in_training_backward("dx", f, key, (slot, y), upstream);
    case.run(gpu(), &[y, dx.unwrap()])
}

#[test]
fn random_activations_draw_the_same_on_both_engines() {
    let mut checks = 0;
    for f in random(&[
        "rrelu",
        "rrelu(lower=-0.5, upper=2)",
        "dropout(rate=0.3)",
        "alpha_dropout",
        "alpha_dropout(rate=0.05)",
        "gumbel_softmax",
        "gumbel_softmax(tau=0.3, dim=0)",
        "gumbel_softmax(hard=1)",
        "gumbel_softmax(hard=1, tau=2, dim=1)",
    ]) {
        for shape in [[3, 7, 2], [50, 40, 1], [1, 1000, 3], [0, 5, 2], [2, 3, 700]] {
            let len = shape.iter().product();
            let (x, g) = (normal(1, len), normal(2, len));
            for outcome in trained(f, &shape, &x, &g, KEY) {
                // A softmax takes the error of its scores' differences, up to 20 for noise and tau of 0.3.
                checks += near(&f.to_string(), &outcome, Tolerance::ulps(16.0).floor(1e-5));
            }
        }
        let (x, g) = (normal(1, 100), vec![1.0; 100]);
        let draws = |key| trained(f, &[10, 10], &x, &g, key).remove(0).got;
        assert_eq!(draws(KEY), draws(KEY), "{f}");
        assert_ne!(draws(KEY), draws(Key([3, 6])), "{f}");
    }
    println!("{checks} values");
}

fn mean_and_variance(x: &[f32]) -> (f64, f64) {
    let (n, mean) = (x.len() as f64, x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64);
    (mean, x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n)
}

#[test]
fn alpha_dropout_keeps_mean_0_and_variance_1_and_dropout_the_mean() {
    let n = 200_000;
    let (x, g) = (normal(1, n), vec![1.0; n]);
    for rate in [0.1, 0.5, 0.9] {
        let f = Activation::alpha_dropout().with("rate", rate).unwrap();
        let (mean, variance) = mean_and_variance(&trained(f, &[n], &x, &g, KEY)[0].got);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{f}: {mean} {variance}");
        let f = Activation::dropout().with("rate", rate).unwrap();
        let ones = vec![1.0; n];
        let (mean, _) = mean_and_variance(&trained(f, &[n], &ones, &g, KEY)[0].got);
        assert!((mean - 1.0).abs() < 0.03, "{f}: {mean}");
    }
}

#[test]
fn rrelu_draws_slopes_over_its_whole_range() {
    let n = 100_000;
    let (x, g) = (vec![-1.0; n], vec![1.0; n]);
    let slopes = trained(Activation::rrelu(), &[n], &x, &g, KEY).remove(1).got;
    let (mean, variance) = mean_and_variance(&slopes);
    let (low, high) = (0.125, 1.0 / 3.0);
    assert!((mean - 0.5 * (low + high)).abs() < 1e-3, "{mean}");
    assert!((variance - (high - low) * (high - low) / 12.0).abs() < 1e-4, "{variance}");
    assert!(slopes.iter().all(|&slope| (0.125..=0.333_333_4).contains(&slope)));
}

/// Gumbel's maximum: the hard choice falls on each element as often as its softmax says.
#[test]
fn hard_gumbel_choices_have_the_probabilities_of_the_softmax() {
    let (rows, logits) = (40_000, [0.0f32, 1.0, -1.0, 2.0]);
    let x: Vec<f32> = (0..rows).flat_map(|_| logits).collect();
    let f: Activation = "gumbel_softmax(hard=1, tau=0.7)".parse().unwrap();
    let chosen = trained(f, &[rows, 4], &x, &x, KEY).remove(0).got;
    assert!(chosen.chunks(4).all(|row| row.iter().sum::<f32>() == 1.0));
    let total: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
    for (col, &logit) in logits.iter().enumerate() {
        let fraction = chosen.iter().skip(col).step_by(4).sum::<f32>() / rows as f32;
        let want = f64::from(logit).exp() / total;
        let deviation = (want * (1.0 - want) / rows as f64).sqrt();
        assert!(
            (f64::from(fraction) - want).abs() < 4.0 * deviation,
            "{col}: {fraction}, not {want}"
        );
    }
}

#[test]
fn outside_training_nothing_is_random() {
    for (f, plain) in [
        ("rrelu", "leaky_relu(alpha=0.22916666666666666)"),
        ("dropout", "identity"),
        ("alpha_dropout", "identity"),
        ("gumbel_softmax(tau=2, dim=0)", "softmax(temperature=2, dim=0)"),
        ("gumbel_softmax(hard=1)", "hardmax"),
    ] {
        let (f, plain): (Activation, Activation) = (f.parse().unwrap(), plain.parse().unwrap());
        assert_eq!(f.eval_mode(), plain);
        let mut case = Case::new("evaluated");
        let x = case.input(&[4, 5], &normal(1, 20));
        let (y, z) = (
            case.program.activation("y", f, x).unwrap(),
            case.program.activation("z", plain, x).unwrap(),
        );
        let outcomes = case.run(gpu(), &[y, z]);
        assert_eq!(outcomes[0].got, outcomes[1].got);
    }
}

#[test]
fn activations_that_change_an_axis_are_within_their_bounds() {
    let mut checks = 0;
    let mut folds: Vec<Activation> = Activation::all().collect();
    folds.push("maxout(pieces=3)".parse().unwrap());
    folds.push("maxout(pieces=1)".parse().unwrap());
    folds.push("maxout(pieces=6)".parse().unwrap());
    for f in folds {
        let ActivationKind::AxisResize(fold) = &f.entry().kind else { continue };
        for (gpu, rows, cols) in [
            (gpu(), 1, 6),
            (gpu(), 257, 66),
            (gpu(), 0, 6),
            (gpu(), 3, 60_006),
            (folding_gpu(), 9, 36),
        ] {
            let name = format!("{f} [{rows}, {cols}]");
            let x: Vec<f32> = normal(1, rows * cols).iter().map(|x| 5.0 * x).collect();
            let mut case = Case::new(&name);
            let slot = case.input(&[rows, cols], &x);
            let y = case.program.activation("y", f, slot).unwrap();
            let shape = case.program.shape(y).unwrap();
            assert_eq!(shape, Shape::new(&[rows, f.output_len(cols).unwrap()]).unwrap());
            let upstream = case.input(&shape.to_vec(), &normal(2, shape.len()));
            let dx = case.program.activation_backward("dx", f, (slot, y), upstream).unwrap();
            let outcomes = case.run(gpu, &[y, dx]);
            let bound = Tolerance::ulps(fold.bound.ulps + 1.0).flush_scale(400.0);
            checks += near(&name, &outcomes[0], bound);
            // The slope of a smooth gate crosses zero.
            let floor = if fold.gated { 2e-6 } else { 0.0 };
            checks +=
                near(&name, &outcomes[1], Tolerance::ulps(fold.bound.ulps + 2.0).floor(floor));
        }
    }
    assert!(checks > 1_000_000, "{checks}");
    println!("{checks} values");
}

/// Every activation with learned numbers, with one channel and with one per column, and numbers that differ by channel.
fn parametric() -> Vec<(Activation, &'static ParametricKind)> {
    let mut cases = Vec::new();
    for f in Activation::all() {
        let ActivationKind::Parametric(parametric) = &f.entry().kind else { continue };
        cases.push((f, parametric));
        cases.extend(f.with("per_channel", 1.0).map(|f| (f, parametric)));
    }
    assert_eq!(cases.len(), 5);
    cases
}

#[test]
fn learned_activations_and_their_gradients_are_the_references() {
    let mut checks = 0;
    for (f, kind) in parametric() {
        for (rows, cols) in [(1, 1), (7, 5), (257, 65), (9001, 3), (0, 4), (3, 1000)] {
            let name = format!("{f} [{rows}, {cols}]");
            let first = f.initial_weights(cols).unwrap();
            let weight: Vec<f32> = first
                .iter()
                .zip(normal(3, first.len()))
                .map(|(w, n)| *w as f32 + 0.1 * n)
                .collect();
            let x: Vec<f32> = normal(1, rows * cols).iter().map(|x| 2.0 * x).collect();
            let mut case = Case::new(&name);
            let slot = case.input(&[rows, cols], &x);
            let numbers = case.input(&[weight.len()], &weight);
            let upstream = case.input(&[rows, cols], &normal(2, rows * cols));
            let d_weight = case.input(&[weight.len()], &vec![9.0; weight.len()]);
            let y = case.program.parametric("y", f, slot, numbers).unwrap();
            let dx = case.program.parametric_backward("dx", f, (slot, numbers), upstream, d_weight);
            let outcomes = case.run(gpu(), &[y, dx.unwrap(), d_weight]);
            let bound = Tolerance::ulps(kind.bound.ulps + 8.0).floor(1e-6);
            checks += near(&name, &outcomes[0], bound);
            checks += near(&name, &outcomes[1], bound);
            // A sum over all rows, of terms of both signs.
            let terms = (weight.len().max(1), (rows * cols * kind.names.len()) as f64);
            let size = (terms.1 / terms.0 as f64).sqrt() * 4.0;
            checks += near(&name, &outcomes[2], Tolerance::ulps(16.0).floor(1e-6 * size.max(1.0)));
        }
    }
    assert!(checks > 100_000, "{checks}");
    println!("{checks} values");
}

#[test]
fn single_calls_on_tensors_take_noise_and_learned_numbers_on_both_devices() {
    use wgrad::ndarray::{Array1, Array2, array};
    let results = nets::devices().map(|device| {
        let x = device.tensor(&array![[-2.0f32, 1.0], [3.0, -4.0]]).unwrap();
        let g = device.tensor(&Array2::from_elem((2, 2), 1.0f32)).unwrap();
        let w = device.tensor(&array![0.5f32]).unwrap();
        let y = device.parametric(Activation::prelu(), &x, &w).unwrap();
        let (dx, dw) = device.parametric_backward(Activation::prelu(), &x, &w, &g).unwrap();
        assert_eq!(y.read().unwrap(), array![[-1.0, 1.0], [3.0, -2.0]].into_dyn());
        assert_eq!(dx.read().unwrap(), array![[0.5, 1.0], [1.0, 0.5]].into_dyn());
        assert_eq!(dw.read().unwrap(), array![-6.0].into_dyn());
        let error = device.activation(Activation::prelu(), &x).unwrap_err().to_string();
        assert!(error.contains("prelu") && error.contains("learned"), "{error}");
        let ones = device.tensor(&Array1::from_elem(64, 1.0f32)).unwrap();
        let key = Key::new(7, Stream::Dropout(0));
        let y = device.activation_in_training(Activation::dropout(), key, &ones).unwrap();
        let dx = device
            .activation_in_training_backward(Activation::dropout(), key, &ones, &ones)
            .unwrap();
        assert_eq!(y.read().unwrap(), dx.read().unwrap());
        let crelu = device.activation(Activation::crelu(), &x).unwrap();
        assert_eq!(crelu.shape().to_vec(), [2, 4]);
        y.read().unwrap()
    });
    assert_eq!(results[0], results[1]);
}
