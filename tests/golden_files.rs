//! The golden files are there, whole, and say what can be worked out by hand.

use crate::support;

use std::collections::BTreeSet;

use support::golden::{Case, load};
use wgrad::Loss;

fn find<'a>(cases: &'a [Case], name: &str) -> &'a Case {
    cases.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}"))
}

fn ops(cases: &[Case]) -> Vec<&str> {
    cases.iter().map(|case| case.op.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * b.abs().max(1e-3)
}

/// The entry of a result that belongs to an input value.
fn at(case: &Case, x: f64, role: &str) -> f64 {
    let place = case.tensor("x").values.iter().position(|&value| value == x).unwrap();
    case.tensor(role).values[place]
}

#[test]
fn every_file_has_its_cases() {
    let activations = load("activations");
    assert_eq!(activations.len(), 57);
    assert_eq!(ops(&activations).len(), 43);
    assert_eq!(load("activations_jax").len(), 11);
    assert_eq!(load("algebra").len(), 82);
    let losses = load("losses");
    assert_eq!(losses.len(), 472);
    let losses = [losses, load("losses_formulas")].concat();
    let names: BTreeSet<&str> = Loss::all().map(|loss| loss.name()).collect();
    assert_eq!(ops(&losses), names.into_iter().collect::<Vec<_>>());
    let optimizers = load("optimizers");
    assert_eq!(optimizers.len(), 141);
    let names = [
        "adadelta", "adagrad", "adam", "adamax", "adamw", "asgd", "nadam", "radam", "rmsprop",
        "rprop", "sgd",
    ];
    assert_eq!(ops(&optimizers), names);
    for stream in ["random", "sparse", "scaled"] {
        let of_stream = |case: &&Case| case.stream.as_deref() == Some(stream);
        assert_eq!(optimizers.iter().filter(of_stream).count(), 47, "{stream}");
    }
}

#[test]
fn a_missing_file_fails_with_the_command_that_makes_it() {
    let message = support::golden::try_load("no_such_file").unwrap_err();
    assert!(message.contains("python tools/golden/make.py"), "{message}");
}

#[test]
fn inputs_are_exact_in_f32_and_everything_is_finite() {
    let outputs =
        ["y", "grad_in", "grad_second", "grad_third", "grad_learned", "param_1", "param_100"];
    let mut inputs = 0;
    for case in ["activations", "activations_jax", "losses", "losses_formulas", "optimizers"]
        .iter()
        .flat_map(|name| load(name))
    {
        for role in case.roles() {
            let tensor = case.tensor(role);
            assert!(tensor.values.iter().all(|x| x.is_finite()), "{} {role}", case.name);
            assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len());
            if !outputs.contains(&role) && !role.starts_with("state.") {
                inputs += 1;
                let exact = |&x: &f64| f64::from(x as f32) == x;
                assert!(tensor.values.iter().all(exact), "{} {role}", case.name);
            }
        }
    }
    assert!(inputs > 250, "{inputs}");
}

#[test]
fn activations_have_their_values_at_0_and_their_limits() {
    let cases = load("activations");
    for (name, value, slope) in [
        ("identity", 0.0, 1.0),
        ("relu", 0.0, 0.0),
        ("leaky_relu", 0.0, 0.01),
        ("leaky_relu_0.2", 0.0, 0.2),
        ("sigmoid", 0.5, 0.25),
        ("tanh", 0.0, 1.0),
        ("softplus", 2f64.ln(), 0.5),
        ("softplus_3", 2f64.ln() / 3.0, 0.5),
        ("silu", 0.0, 0.5),
        ("gelu", 0.0, 0.5),
    ] {
        let case = find(&cases, name);
        assert_eq!(case.tensor("x").shape, [64]);
        assert!(close(at(case, 0.0, "y"), value), "{name}");
        let grad_in = slope * at(case, 0.0, "grad_out");
        assert!(close(at(case, 0.0, "grad_in"), grad_in), "{name}");
    }
    assert!(close(at(find(&cases, "leaky_relu_0.2"), -100.0, "y"), -20.0));
    assert_eq!(at(find(&cases, "softplus"), -100.0, "y"), (-100f64).exp());
    assert_eq!(at(find(&cases, "gelu"), 100.0, "y"), 100.0);
    let tanh = find(&cases, "tanh");
    let slope = 4.0 * (-40f64).exp() * at(tanh, 20.0, "grad_out");
    assert!((at(tanh, 20.0, "grad_in") / slope - 1.0).abs() < 1e-12);
}

#[test]
fn softmax_rows_sum_to_1_and_their_gradients_to_0() {
    let cases = load("activations");
    let (softmax, log) = (find(&cases, "softmax"), find(&cases, "log_softmax"));
    for row in 0..5 {
        assert!(close(softmax.tensor("y").row(row).iter().sum(), 1.0));
        assert!(softmax.tensor("grad_in").row(row).iter().sum::<f64>().abs() < 1e-12);
        assert!(log.tensor("grad_in").row(row).iter().sum::<f64>().abs() < 1e-12);
    }
    assert!(softmax.tensor("y").row(1).iter().all(|&y| close(y, 1.0 / 7.0)));
    assert!(log.tensor("y").row(1).iter().all(|&y| close(y, -(7f64.ln()))));
}

#[test]
fn mean_and_sum_reduce_what_none_gives() {
    let cases = [load("losses"), load("losses_formulas")].concat();
    for none in cases.iter().filter(|case| case.reduction.as_deref() == Some("none")) {
        let other = |reduction| find(&cases, &none.name.replace(".none", reduction));
        let (y, sum, mean) = (none.tensor("y"), other(".sum"), other(".mean"));
        assert!(sum.tensor("y").shape.is_empty() && mean.tensor("y").shape.is_empty());
        let total = y.values.iter().sum::<f64>();
        assert!(close(sum.tensor("y").values[0], total), "{}", none.name);
        assert_eq!(sum.tensor("grad_in"), none.tensor("grad_in"));
        let labels = none.get("labels").map(|labels| labels.values.clone()).unwrap_or_default();
        let ignored = |label: &&f64| none.option("ignore_index") == Some(**label);
        // Margins are divided by how many there are, whatever their weights.
        let by_weight = matches!(none.op.as_str(), "cross_entropy" | "nll") && !labels.is_empty();
        let weighted = none.get("class_weight").filter(|_| by_weight);
        if none.op == "ctc" {
            // The mean divides each sequence by the length of its target first.
            continue;
        }
        let count = match weighted {
            None => (y.values.len() - labels.iter().filter(ignored).count()) as f64,
            Some(weight) => {
                let of_label = |label: &f64| weight.values[*label as usize];
                labels.iter().filter(|label| !ignored(label)).map(of_label).sum()
            }
        };
        assert!(close(mean.tensor("y").values[0], total / count), "{}", none.name);
    }
}

#[test]
fn losses_have_the_values_of_their_formulas() {
    let cases = load("losses");
    let mse = find(&cases, "mse.plain.none");
    let (x, t) = (mse.tensor("x"), mse.tensor("target"));
    assert_eq!(x.shape, [6, 5]);
    for (i, (x, t)) in x.values.iter().zip(&t.values).enumerate() {
        assert!(close(mse.tensor("y").values[i], (x - t).powi(2)));
        assert!(close(mse.tensor("grad_in").values[i], 2.0 * (x - t)));
    }
    assert_eq!(find(&cases, "l1.plain.none").tensor("grad_in").row(0)[..3], [0.0; 3]);
    // p = 0, 1, 0, 1, 0.5 for the targets 0, 1, 1, 0, 1: logarithms end at -100.
    let bce = find(&cases, "bce.plain.none");
    assert_eq!(bce.tensor("y").row(0), [0.0, 0.0, 100.0, 100.0, 2f64.ln()]);
    let grad = bce.tensor("grad_in").row(0);
    assert_eq!((grad[0], grad[1], grad[4]), (0.0, 0.0, -2.0));
    // PyTorch's least divisor is the float32 nearest to 1e-12, in float64 too.
    assert!((grad[2] / -1e12 - 1.0).abs() < 1e-8 && (grad[3] / 1e12 - 1.0).abs() < 1e-8);
    let logits = find(&cases, "bce_with_logits.plain.none");
    assert_eq!(logits.tensor("y").row(0)[3..], [100.0, (-100f64).exp()]);
    let clipped = find(&cases, "categorical_cross_entropy.labels.none");
    assert!(close(clipped.tensor("y").values[1], -(1e-7f64.ln())));
    let entropy = find(&cases, "cross_entropy.labels.none");
    assert!(close(entropy.tensor("y").values[0], 5f64.ln()));
    assert!(close(entropy.tensor("y").values[1], 200.0));
    let ignored = find(&cases, "cross_entropy.ignore_index.none");
    assert_eq!(ignored.tensor("labels").labels()[3], 3);
    assert_eq!(ignored.tensor("y").values[3], 0.0);
    assert_eq!(ignored.tensor("grad_in").row(3), [0.0; 5]);
}

#[test]
fn first_optimizer_steps_are_those_of_the_formulas() {
    let cases = load("optimizers");
    type First = fn(f64, f64) -> f64;
    let first: [(&str, First); 8] = [
        ("sgd.default", |p, g| p - 1e-3 * g),
        ("sgd.dampening", |p, g| p - 1e-3 * g),
        ("sgd.nesterov", |p, g| p - 1.9e-3 * g),
        ("sgd.maximize", |p, g| p + 1e-3 * (g - 0.1 * p)),
        ("adagrad.default", |p, g| p - 1e-2 * g / (g.abs() + 1e-10)),
        ("rmsprop.default", |p, g| p - 1e-2 * g / (0.1 * g.abs() + 1e-8)),
        ("adam.default", |p, g| p - 1e-3 * g / (g.abs() + 1e-8)),
        ("adamw.default", |p, g| p * (1.0 - 1e-5) - 1e-3 * g / (g.abs() + 1e-8)),
    ];
    for (name, formula) in first {
        for stream in ["random", "sparse", "scaled"] {
            let case = find(&cases, &format!("{name}.{stream}"));
            assert_eq!(case.tensor("grads").shape, [100, 16]);
            let (start, grads) = (case.tensor("param_0"), case.tensor("grads").row(0));
            for (i, (&p, &g)) in start.values.iter().zip(grads).enumerate() {
                let param = case.tensor("param_1").values[i];
                assert!((param - formula(p, g)).abs() < 1e-12, "{name} {stream} {i}: {param}");
            }
        }
    }
    let adam = find(&cases, "adam.default.random");
    let step = adam.tensor("param_0").values[0] - adam.tensor("param_1").values[0];
    assert!((step - 1e-3 * adam.tensor("grads").values[0].signum()).abs() < 1e-9);
}

#[test]
fn optimizer_cases_carry_their_state_and_options() {
    let cases = load("optimizers");
    for (name, roles) in [
        ("sgd.default", &[][..]),
        ("sgd.momentum", &["momentum_buffer"]),
        ("adagrad.default", &["sum"]),
        ("rmsprop.centered_momentum", &["square_avg", "momentum_buffer", "grad_avg"]),
        ("adam.default", &["exp_avg", "exp_avg_sq"]),
        ("adam.amsgrad", &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"]),
    ] {
        let case = find(&cases, &format!("{name}.sparse"));
        let state: BTreeSet<_> = case.roles().filter_map(|r| r.strip_prefix("state.")).collect();
        assert_eq!(state, roles.iter().copied().collect(), "{name}");
    }
    let nesterov = find(&cases, "sgd.nesterov.scaled");
    assert!(nesterov.flag("nesterov") && !nesterov.flag("maximize"));
    assert_eq!((nesterov.option("momentum"), nesterov.option("dampening")), (Some(0.9), None));
    assert_eq!(find(&cases, "adam.betas.random").option("beta2"), Some(0.95));
    assert_eq!(
        find(&cases, "adagrad.initial_accumulator.random").option("initial_accumulator"),
        Some(0.1)
    );
    let sparse = find(&cases, "adam.default.sparse");
    assert_eq!(sparse.tensor("param_100").values[0], sparse.tensor("param_0").values[0]);
}
