//! Optimizers of the caller's own, and formulas of his that are wrong.

use crate::support;

use support::nets::{bits, devices, directory, gpu as gpu_device};
use support::run::{gpu, normal};
use support::weights::{Comparison, param, worst};
use wgrad::embed::{StepOptions, Verdict};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::{Error, Program};

const UPDATE: &str =
    "fn corrected(m: f32, decay: f32, t: f32) -> f32 { return m / (1.0 - powp(decay, t)); }
fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let m = 0.9 * state.x + 0.1 * grad;
    let v = max(0.99 * state.y, abs(grad));
    return Updated(s.lr * corrected(m, 0.9, s.step) / (v + 1e-6), vec4(m, v, 0.0, 0.0));
}";

fn formula(_: f64, grad: f64, state: &mut [f64; 4], lr: f64, step: f64) -> f64 {
    state[0] = 0.9 * state[0] + 0.1 * grad;
    state[1] = grad.abs().max(0.99 * state[1]);
    lr * state[0] / (1.0 - 0.9f64.powf(step)) / (state[1] + 1e-6)
}

/// Two moments, the second a decaying maximum.
fn own(name: &str) -> Optimizer {
    Optimizer::custom(name, &["average", "most"], UPDATE, formula).unwrap().learning_rate(0.01)
}

#[test]
fn a_custom_optimizer_follows_its_formula_on_both_engines() {
    let optimizer = own("own_max").weight_decay(0.1).with("decoupled", true).unwrap();
    let params = [param(&[70], 1.0, true), param(&[5, 3], 0.5, false)];
    let mut program = Program::new("own", params.to_vec());
    program.update(optimizer, None, Key::new(0, Stream::Optimizer)).unwrap();
    program.record(&[]).unwrap();
    assert!(program.to_string().contains("own_max"), "{program}");
    let start = [normal(1, 70), normal(2, 15)];
    let mut duel = Comparison::new(gpu(), program, optimizer, &start);
    let mut wanted: Vec<Vec<f64>> =
        start.iter().map(|tensor| tensor.iter().map(|&p| p.into()).collect()).collect();
    let mut states = [vec![[0.0; 4]; 70], vec![[0.0; 4]; 15]];
    for step in 0..50 {
        let grads = [normal(10 + step, 70), normal(100 + step, 15)];
        duel.step(&grads);
        for (tensor, [rate, decay]) in [[1.0, 0.1], [0.5, 0.0]].into_iter().enumerate() {
            let own = wanted[tensor].iter_mut().zip(&mut states[tensor]).zip(&grads[tensor]);
            for ((p, state), g) in own {
                let delta = formula(*p, f64::from(*g), state, 0.01, step as f64 + 1.0);
                *p -= 0.01 * rate * decay * *p + rate * delta;
            }
        }
    }
    for (mut pair, wanted) in duel.params().into_iter().zip(wanted) {
        assert!(pair.want.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-12));
        pair.want = wanted;
        assert!(worst(&pair, |i| pair.want[i].abs().max(1.0)) < 1e-5);
    }
    assert!(duel.state_error() < 1e-5);
}

#[test]
fn a_network_trains_alike_with_a_custom_optimizer_on_both_engines_and_is_saved() {
    let optimizer = own("own_saved");
    let data = data::spiral(20, 3, 0).unwrap();
    let losses = devices().map(|device| {
        let model = || Sequential::new(2).dense(16).activation(Activation::tanh()).dense(3);
        let trainer = |optimizer| Trainer::new(model(), Loss::cross_entropy(), optimizer);
        let mut trained = trainer(optimizer).on(&device).unwrap();
        let loss = trained.fit(&data, Fit::epochs(30)).unwrap().last().unwrap().loss;
        let path = directory("custom_optimizer").join("saved.safetensors");
        trained.save(&path).unwrap();
        let saved = bits(&trained);
        let mut other = trainer(optimizer.learning_rate(0.5)).on(&device).unwrap();
        other.load(&path).unwrap();
        assert_eq!(bits(&other), saved);
        let history = [&mut trained, &mut other].map(|trainer| {
            trainer.fit(&data, Fit::epochs(2)).unwrap();
            bits(trainer)
        });
        assert_eq!(history[0], history[1]);
        // One of another name or with other states is none that it could go on with.
        let one = "fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
            return Updated(s.lr * grad, state); }";
        for (name, states, word) in
            [("other", &["average", "most"][..], "own_saved"), ("own_saved", &["average"], "most")]
        {
            let plain = |_: f64, g: f64, _: &mut [f64; 4], lr: f64, _: f64| lr * g;
            let optimizer = Optimizer::custom(name, states, one, plain).unwrap();
            let error = trainer(optimizer).on(&device).unwrap().load(&path).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        loss
    });
    assert!((losses[0] - losses[1]).abs() < 1e-3 && losses[0] < 1.08, "{losses:?}");
}

#[test]
fn a_custom_optimizer_updates_within_a_hosts_step() {
    let build = || Sequential::new(2).dense(8).activation(Activation::tanh()).dense(1);
    let trainer = Trainer::new(build(), Loss::mse(), own("own_step")).on(&gpu_device()).unwrap();
    let mut step = trainer.into_step(StepOptions::rows(4)).unwrap();
    let host = gpu();
    for _ in 0..3 {
        let mut encoder = host.device().create_command_encoder(&Default::default());
        step.upload_inputs(&mut encoder, &normal(5, 8)).unwrap();
        step.upload_targets(&mut encoder, &normal(6, 4)).unwrap();
        step.encode(&mut encoder, 1).unwrap();
        host.queue().submit([encoder.finish()]);
    }
    assert!(step.plan().explain().contains("optimizer.own_step"), "{}", step.plan().explain());
    assert_eq!(step.into_trainer().step(), 3);
}

#[test]
fn the_self_test_compares_the_languages_of_a_custom_optimizer() {
    let data = data::spiral(4, 3, 0).unwrap();
    let check = |optimizer: Optimizer| {
        let model = Sequential::new(2).dense(8).activation(Activation::tanh()).dense(3);
        let trainer = Trainer::new(model, Loss::cross_entropy(), optimizer).on(&gpu_device());
        trainer.unwrap().self_test(&data, 12).unwrap().verdict
    };
    let passed = check(own("own_tested"));
    assert!(matches!(passed, Verdict::Passed(_)), "{passed:?}");
    let other = |_: f64, g: f64, state: &mut [f64; 4], lr: f64, step: f64| {
        1.5 * formula(0.0, g, state, lr, step)
    };
    let other = Optimizer::custom("own_differs", &["average", "most"], UPDATE, other).unwrap();
    let failed = check(other);
    assert!(matches!(&failed, Verdict::Failed(text) if text.contains("own_differs")), "{failed:?}");
}

fn refused(states: &[&str], text: &str, words: &[&str]) {
    let formula = |_: f64, g: f64, _: &mut [f64; 4], lr: f64, _: f64| lr * g;
    let error = Optimizer::custom("mine", states, text, formula).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{words:?} are not all in: {error}");
}

#[test]
fn a_custom_optimizer_with_a_fault_is_refused_with_the_place() {
    let update = |body: &str| {
        format!(
            "// mine\nfn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {{\n    {body}\n}}"
        )
    };
    let good = update("return Updated(s.lr * grad, state);");
    refused(&[], &update("return Updated(s.rate * grad, state);"), &["mine:3:", "rate"]);
    refused(&[], &update("return s.lr * grad;"), &["mine:2:"]);
    refused(&[], "fn update(p: f32) -> f32 { return p; }", &["s: Scalars) -> Updated`"]);
    let renamed = good.replace("update", "step_of");
    refused(&[], &renamed, &["fn update(param: f32, grad: f32, state: vec4<f32>"]);
    refused(&[], &format!("struct Scalars {{ a: f32 }} {good}"), &["Scalars"]);
    refused(&[], &format!("fn settings() {{ }} {good}"), &["settings"]);
    refused(&["a", "b", "c", "d", "e"], &good, &["5 states", "4"]);
    refused(&["a", "a"], &good, &["two states", "'a'"]);
    refused(&["mean"], &good, &["'mean'", "transforms"]);
    refused(&["No name"], &good, &["No name", "snake_case"]);
    let custom = |name: &str, formula: fn(f64, f64, &mut [f64; 4], f64, f64) -> f64| {
        Optimizer::custom(name, &["one"], &good, formula).unwrap_err().to_string()
    };
    assert!(custom("adam", formula).contains("built-in"));
    let message = custom("mine", formula);
    assert!(message.contains("writes state 1") && message.contains("has 1"), "{message}");
    let message = custom("mine", |_, g, _, lr, step| lr * g / (step - 1.0));
    assert!(message.contains("update 1") && message.contains("inf"), "{message}");
    assert!("own_max".parse::<Optimizer>().is_err(), "custom ops are not found by name");
}

#[test]
fn a_derivative_that_is_wrong_in_both_languages_is_refused() {
    let define = |slope: fn(f64) -> f64| {
        let forward = "fn forward(x: f32) -> f32 { return x * sigmoid(x); }";
        let derivative = "fn derivative(x: f32) -> f32 { return sigmoid(x); }";
        Activation::custom("own_silu", forward, derivative, |x| x / (1.0 + (-x).exp()), slope)
    };
    let error = define(|x| 1.0 / (1.0 + (-x).exp())).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.contains("'own_silu'") && error.contains("at x = "), "{error}");
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    assert!(sigmoid(0.0) == 0.5);
    let right = define(|x| {
        let s = 1.0 / (1.0 + (-x).exp());
        s * (1.0 + x * (1.0 - s))
    });
    assert_eq!(right.unwrap().name(), "own_silu");
    let loss = |slope: fn(f64, f64) -> f64| {
        let value = "fn value(y: f32, t: f32) -> f32 { return (y - t) * (y - t); }";
        let gradient = "fn gradient(y: f32, t: f32) -> f32 { return y - t; }";
        Loss::custom("own_mse", value, gradient, |y, t| (y - t) * (y - t), slope)
    };
    let error = loss(|y, t| y - t).unwrap_err().to_string();
    assert!(error.contains("'own_mse'") && error.contains("t = "), "{error}");
    assert!(loss(|y, t| 2.0 * (y - t)).is_ok());
}

#[test]
fn losses_of_probabilities_and_surrogates_of_steps_are_accepted() {
    let value = "fn value(y: f32, t: f32) -> f32 { return -t * safe_log(max(y, 1e-7)); }";
    let gradient = "fn gradient(y: f32, t: f32) -> f32 { return -t / y; }";
    let entropy =
        Loss::custom("own_nll", value, gradient, |y, t| -t * y.max(1e-7).ln(), |y, t| -t / y);
    assert!(entropy.is_ok(), "{entropy:?}");
    let forward = "fn forward(x: f32) -> f32 { return select(0.0, 1.0, x > 0.0); }";
    let derivative = "fn derivative(x: f32) -> f32 { return 1.0 / (1.0 + x * x); }";
    let spike = |x: f64| if x > 0.0 { 1.0 } else { 0.0 };
    let spike =
        Activation::custom("own_spike", forward, derivative, spike, |x| 1.0 / (1.0 + x * x));
    assert!(spike.is_ok(), "{spike:?}");
}
