//! The forms of textbooks, chosen by parameters, against their formulas written out in `f64`.

use wgrad::ir::Steps;
use wgrad::random::{Key, Stream};
use wgrad::{Activation, Optimizer, Program, Schedule};

use crate::support::run::{Case, gpu, normal};
use crate::support::weights::{Comparison, bounds, param, worst};

const STEPS: u64 = 100;
const LEN: usize = 70;

/// Up to three states, the parameter, its gradient, the number of the update from 1, and its learning rate.
type Formula = fn(&mut [f64; 3], f64, f64, f64, f64) -> f64;

fn moments(state: &mut [f64; 3], g: f64) {
    state[0] = 0.9 * state[0] + 0.1 * g;
    state[1] = 0.999 * state[1] + 0.001 * g * g;
}

fn corrected(state: &[f64; 3], t: f64) -> [f64; 2] {
    [state[0] / (1.0 - 0.9f64.powf(t)), state[1] / (1.0 - 0.999f64.powf(t))]
}

/// The step size of adabound between bounds that follow a rate of `share` times 0.01.
fn bounded(size: f64, t: f64, [last, gamma]: [f64; 2], share: f64) -> f64 {
    let bounds = [1.0 - 1.0 / (gamma * t + 1.0), 1.0 + 1.0 / (gamma * t)];
    size.clamp(share * last * bounds[0], share * last * bounds[1])
}

const FORMS: [(&str, Formula); 14] = [
    ("sgd(lr=0.1, momentum=0.9, rate_in_velocity=true)", |v, p, g, _, lr| {
        v[0] = 0.9 * v[0] - lr * g;
        p + v[0]
    }),
    ("sgd(lr=0.1, momentum=0.9, nesterov=true, rate_in_velocity=true)", |v, p, g, _, lr| {
        v[0] = 0.9 * v[0] - lr * g;
        p + 0.9 * v[0] - lr * g
    }),
    (
        "sgd(lr=0.1, momentum=0.8, dampening=0.5, zero_init=true, rate_in_velocity=true)",
        |v, p, g, _, lr| {
            v[0] = 0.8 * v[0] - 0.5 * lr * g;
            p + v[0]
        },
    ),
    ("sgd(lr=0.1, rate_in_velocity=true)", |_, p, g, _, lr| p - lr * g),
    ("adam(lr=0.01, eps=0, eps_root=0.001)", |state, p, g, t, lr| {
        moments(state, g);
        let [m, v] = corrected(state, t);
        p - lr * m / (v + 1e-3).sqrt()
    }),
    ("adam(lr=0.01, bias_correction=false)", |state, p, g, _, lr| {
        moments(state, g);
        p - lr * state[0] / (state[1].sqrt() + 1e-8)
    }),
    ("adamw(lr=0.01, eps_root=0.001, bias_correction=false)", |state, p, g, _, lr| {
        moments(state, g);
        p - lr * 0.01 * p - lr * state[0] / ((state[1] + 1e-3).sqrt() + 1e-8)
    }),
    ("amsgrad(lr=0.01, eps_root=0.001)", |state, p, g, t, lr| {
        moments(state, g);
        state[2] = state[2].max(state[1]);
        let [m, _] = corrected(state, t);
        let v = state[2] / (1.0 - 0.999f64.powf(t));
        p - lr * m / ((v + 1e-3).sqrt() + 1e-8)
    }),
    ("rmsprop(lr=0.01, eps=0, eps_root=0.001)", |v, p, g, _, lr| {
        v[0] = 0.99 * v[0] + 0.01 * g * g;
        p - lr * g / (v[0] + 1e-3).sqrt()
    }),
    ("rmsprop(lr=0.01, centered=true, momentum=0.5, eps_root=0.001)", |state, p, g, _, lr| {
        state[0] = 0.99 * state[0] + 0.01 * g * g;
        state[1] = 0.99 * state[1] + 0.01 * g;
        let variance = state[0] - state[1] * state[1];
        state[2] = 0.5 * state[2] + g / ((variance + 1e-3).sqrt() + 1e-8);
        p - lr * state[2]
    }),
    ("smorms3(lr=0.01, eps_root=0.001)", |state, p, g, t, lr| {
        let memory = if t == 1.0 { 1.0 } else { state[2] };
        let r = 1.0 / (memory + 1.0);
        state[0] = (1.0 - r) * state[0] + r * g;
        state[1] = (1.0 - r) * state[1] + r * g * g;
        let x = state[0] * state[0] / (state[1] + 1e-16);
        state[2] = 1.0 + memory * (1.0 - x);
        p - lr.min(x) * g / ((state[1] + 1e-3).sqrt() + 1e-16)
    }),
    ("adabound(lr=0.01, bias_correction=false)", |state, p, g, t, lr| {
        moments(state, g);
        let size = lr / (state[1].sqrt() + 1e-8);
        p - bounded(size, t, [0.1, 1e-3], lr / 0.01) * state[0]
    }),
    (
        "adabound(lr=0.01, final_lr=0.05, gamma=0.1, bias_correction=false, sqrt_decay=true)",
        |state, p, g, t, lr| {
            moments(state, g);
            let size = lr / (state[1].sqrt() + 1e-8);
            p - bounded(size, t, [0.05, 0.1], lr / 0.01) / t.sqrt() * state[0]
        },
    ),
    ("adagrad(lr=0.1, eps=0)", |sum, p, g, _, lr| {
        sum[0] += g * g;
        if sum[0] == 0.0 { p } else { p - lr * g / sum[0].sqrt() }
    }),
];

/// The rates of the steps: 0.5 % less each.
fn falling(base: f64, step: u64) -> f64 {
    base / (1.0 + 5e-3 * step as f64)
}

/// Random gradients; of the first element always 0, of the second at first.
fn gradients(step: u64) -> Vec<f32> {
    let mut grads = normal(100 + step, LEN);
    grads[0] = 0.0;
    if step < 10 {
        grads[1] = 0.0;
    }
    grads
}

/// Both engines after all steps at falling rates.
fn run(optimizer: Optimizer) -> Comparison {
    let mut program = Program::new("textbook", vec![param(&[LEN], 1.0, true)]);
    program.update(optimizer, None, Key::new(0, Stream::Optimizer)).unwrap();
    program.record(&[]).unwrap();
    let schedule = Schedule::custom("falling", |step, lr| falling(lr, step));
    let rule = Steps { schedule, ..Steps::new(optimizer, 1) };
    let mut duel = Comparison::following(gpu(), program, rule, &[normal(1, LEN)]);
    (0..STEPS).for_each(|step| duel.step(&[gradients(step)]));
    duel
}

#[test]
fn optimizers_of_textbooks_follow_their_formulas() {
    for (name, formula) in FORMS {
        let optimizer: Optimizer = name.parse().unwrap();
        let duel = run(optimizer);
        let base = optimizer.get("lr").unwrap();
        let mut params: Vec<f64> = normal(1, LEN).into_iter().map(f64::from).collect();
        let mut states = vec![[0.0; 3]; LEN];
        for step in 0..STEPS {
            let lr = falling(base, step);
            let t = step as f64 + 1.0;
            for ((p, state), g) in params.iter_mut().zip(&mut states).zip(gradients(step)) {
                *p = formula(state, *p, g.into(), t, lr);
            }
        }
        let mut pair = duel.params().remove(0);
        for (i, (got, want)) in pair.want.iter().zip(&params).enumerate() {
            assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{name}, {i}: {got} {want}");
        }
        pair.want = params;
        let error = worst(&pair, |i| pair.want[i].abs().max(1.0));
        let [bound, _] = bounds(optimizer.name(), 1e-4);
        assert!(error <= bound, "{name}: the device is off by {error:e}");
    }
}

#[test]
fn a_rate_within_the_velocity_differs_once_the_rate_changes_only() {
    let of = |inside: bool, falls: bool| {
        let optimizer = Optimizer::sgd().with("momentum", 0.9).unwrap().learning_rate(0.1);
        let optimizer = optimizer.with("rate_in_velocity", inside).unwrap();
        let mut program = Program::new("velocity", vec![param(&[LEN], 1.0, true)]);
        program.update(optimizer, None, Key::new(0, Stream::Optimizer)).unwrap();
        program.record(&[]).unwrap();
        let schedule = Schedule::custom(
            "halved",
            move |step, lr| {
                if falls && step > 4 { lr / 2.0 } else { lr }
            },
        );
        let rule = Steps { schedule, ..Steps::new(optimizer, 1) };
        let mut duel = Comparison::following(gpu(), program, rule, &[normal(1, LEN)]);
        (0..6).for_each(|step| duel.step(&[gradients(step)]));
        duel.on_cpu.params.remove(0)
    };
    let distance = |falls: bool| {
        let [a, b] = [of(true, falls), of(false, falls)];
        a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(distance(false) < 1e-12);
    assert!(distance(true) > 1e-2);
}

#[test]
fn an_adagrad_without_eps_leaves_what_never_had_a_gradient() {
    let duel = run("adagrad(eps=0, lr=0.1)".parse().unwrap());
    let pair = duel.params().remove(0);
    let start = normal(1, LEN);
    assert_eq!((pair.got[0], pair.want[0]), (start[0], f64::from(start[0])));
    assert!(pair.got.iter().all(|p| p.is_finite()) && pair.got[1] != start[1]);
}

#[test]
fn constants_of_selu_and_the_threshold_of_step_are_parameters() {
    let x: Vec<f32> =
        normal(3, 200).into_iter().chain([0.0, -0.0, 0.5, 1e-45, -1e-45, 0.49999997]).collect();
    type Passes = [fn(f64) -> f64; 2];
    let cases: [(&str, Passes); 3] = [
        (
            "selu(alpha=0.5, scale=2)",
            [
                |x| 2.0 * if x > 0.0 { x } else { 0.5 * x.exp_m1() },
                |x| 2.0 * if x > 0.0 { 1.0 } else { 0.5 * x.exp() },
            ],
        ),
        ("step(threshold=0.5)", [|x| f64::from(u8::from(x > 0.5)), |_| 0.0]),
        ("step(threshold=-0.25)", [|x| f64::from(u8::from(x > -0.25)), |_| 0.0]),
    ];
    for (name, passes) in cases {
        let f: Activation = name.parse().unwrap();
        let mut case = Case::new(name);
        let slot = case.input(&[x.len()], &x);
        let ones = case.input(&[x.len()], &vec![1.0; x.len()]);
        let y = case.program.activation("y", f, slot).unwrap();
        let dx = case.program.activation_backward("dx", f, (slot, y), ones).unwrap();
        for (outcome, pass) in case.run(gpu(), &[y, dx]).iter().zip(passes) {
            for ((got, want), x) in outcome.got.iter().zip(&outcome.want).zip(&x) {
                let wanted = pass(f64::from(*x));
                assert_eq!(*want, wanted, "{name} at {x:e}");
                let error = (f64::from(*got) - wanted).abs();
                assert!(
                    error <= 4e-7 * wanted.abs() + 2e-38,
                    "{name} at {x:e}: {got}, not {wanted}"
                );
            }
        }
    }
}
