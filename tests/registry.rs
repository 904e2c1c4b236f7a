//! Look-up, parameters, text forms, schedules and initializers.

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use support::golden::load;
use wgrad::spec::activation::ActivationKind;
use wgrad::spec::initializer::InitializerKind;
use wgrad::spec::loss::LossKind;
use wgrad::spec::optimizer::OptimizerKind;
use wgrad::spec::schedule::ScheduleKind;
use wgrad::spec::{Choice, Kind, Param};
use wgrad::{Activation, Dense, Initializer, Loss, Optimizer, Schedule, Sequential};

/// Runs a generic check for every family and adds up what it counts.
macro_rules! every_family {
    ($check:ident) => {
        [
            $check::<ActivationKind>(),
            $check::<LossKind>(),
            $check::<OptimizerKind>(),
            $check::<ScheduleKind>(),
            $check::<InitializerKind>(),
        ]
        .into_iter()
        .sum::<usize>()
    };
}

/// Every entry with its required parameters given.
fn complete<K: Kind>() -> Vec<Choice<K>> {
    let fill = |op: Choice<K>| {
        let required = op.entry().params.iter().filter(|param| param.default.is_nan());
        let valid = |param: &Param| if param.range.contains(0.5) { 0.5 } else { 8.5 };
        required.fold(op, |op, param| op.with(param.name, valid(param)).unwrap())
    };
    Choice::<K>::all().map(fill).collect()
}

fn names<K: Kind>() -> Vec<&'static str> {
    let of_entry = |entry: &&'static wgrad::spec::Entry<K>| {
        std::iter::once(entry.name).chain(entry.aliases.iter().map(|alias| alias.name)).collect()
    };
    K::all().iter().flat_map(|entry| -> Vec<&'static str> { of_entry(entry) }).collect()
}

fn lookup<K: Kind>() -> usize {
    let plain: BTreeSet<String> = names::<K>().iter().map(|name| name.replace('_', "")).collect();
    assert_eq!(plain.len(), names::<K>().len(), "two {}s share a name", K::FAMILY);
    for name in names::<K>() {
        let op = Choice::<K>::named(name).unwrap();
        for other in [
            name.to_uppercase(),
            name.replace('_', "-"),
            name.replace('_', " "),
            name.replace('_', ""),
        ] {
            // As text, since a required parameter that is not there yet equals nothing.
            assert_eq!(Choice::<K>::named(&other).unwrap().to_string(), op.to_string(), "{other}");
        }
    }
    names::<K>().len()
}

#[test]
fn every_name_and_alias_is_found_whatever_its_case_and_separators() {
    println!("{} names", every_family!(lookup));
}

fn misspelt<K: Kind>() -> usize {
    let long = names::<K>().into_iter().filter(|name| name.len() >= 6);
    let mut count = 0;
    for name in long {
        let wrong = format!("{}x{}", &name[..3], &name[4..]);
        let Err(error) = Choice::<K>::named(&wrong) else { continue };
        let message = error.to_string();
        assert!(message.contains(&wrong) && message.contains(K::FAMILY), "{message}");
        assert!(message.contains(name), "'{wrong}' does not lead to '{name}': {message}");
        count += 1;
    }
    assert!(Choice::<K>::named("").is_err() && Choice::<K>::named("no such thing").is_err());
    count
}

#[test]
fn an_unknown_name_is_answered_with_the_names_near_it() {
    println!("{} misspelt names", every_family!(misspelt));
}

fn swapped<K: Kind>() -> usize {
    let mut count = 0;
    for name in names::<K>().into_iter().filter(|name| name.len() >= 3) {
        for place in 0..name.len() - 1 {
            let mut letters: Vec<char> = name.chars().collect();
            letters.swap(place, place + 1);
            let wrong: String = letters.into_iter().collect();
            let Err(error) = Choice::<K>::named(&wrong) else { continue };
            let message = error.to_string();
            assert!(message.contains(name), "'{wrong}' does not lead to '{name}': {message}");
            count += 1;
        }
    }
    count
}

#[test]
fn two_letters_in_each_others_place_lead_to_the_name() {
    println!("{} names with two letters swapped", every_family!(swapped));
    let message = "SDG".parse::<Optimizer>().unwrap_err().to_string();
    let near = message.split_once("did you mean").map_or("", |(_, near)| near);
    assert!(near.trim_start().starts_with("sgd"), "{message}");
}

#[test]
fn the_class_names_of_pytorch_and_the_names_of_textbooks_are_found() {
    for (name, loss) in [
        ("L1Loss", Loss::l1()),
        ("MSELoss", Loss::mse()),
        ("BCELoss", Loss::bce()),
        ("BCEWithLogitsLoss", Loss::bce_with_logits()),
        ("CTCLoss", Loss::ctc()),
        ("CosineEmbeddingLoss", Loss::cosine_embedding()),
        ("CrossEntropyLoss", Loss::cross_entropy()),
        ("GaussianNLLLoss", Loss::gaussian_nll()),
        ("HingeEmbeddingLoss", Loss::hinge_embedding()),
        ("HuberLoss", Loss::huber()),
        ("KLDivLoss", Loss::kl_div()),
        ("MarginRankingLoss", Loss::margin_ranking()),
        ("MultiLabelMarginLoss", Loss::multilabel_margin()),
        ("MultiLabelSoftMarginLoss", Loss::multilabel_soft_margin()),
        ("MultiMarginLoss", Loss::multi_margin()),
        ("NLLLoss", Loss::nll()),
        ("PoissonNLLLoss", Loss::poisson_nll()),
        ("SmoothL1Loss", Loss::smooth_l1()),
        ("SoftMarginLoss", Loss::soft_margin()),
        ("TripletMarginLoss", Loss::triplet_margin()),
        ("TripletMarginWithDistanceLoss", Loss::triplet_margin()),
        ("Square", Loss::squared_error()),
        ("Binary", Loss::bce()),
        ("Cross", Loss::cross_entropy()),
    ] {
        assert_eq!(name.parse::<Loss>().unwrap(), loss, "{name}");
    }
    let smoothed = "CrossEntropyLoss(label_smoothing=0.1)".parse::<Loss>().unwrap();
    assert_eq!(smoothed, Loss::cross_entropy().with("label_smoothing", 0.1).unwrap());
    for name in "ELU Hardshrink Hardsigmoid Hardtanh Hardswish LeakyReLU LogSigmoid PReLU ReLU ReLU6 RReLU SELU CELU GELU \
        Sigmoid SiLU Mish Softplus Softshrink Softsign Tanh Tanhshrink Threshold GLU Softmin Softmax Softmax2d LogSoftmax \
        Identity Dropout AlphaDropout"
        .split_whitespace()
    {
        assert!(name.parse::<Activation>().is_ok(), "{name}");
    }
    for name in "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS Muon NAdam RAdam RMSprop Rprop SGD SparseAdam".split(' ')
    {
        assert!(name.parse::<Optimizer>().is_ok(), "{name}");
    }
    assert_eq!("amsbound".parse::<Optimizer>().unwrap().to_string(), "adabound(amsgrad=1)");
    assert_eq!("Softmax2d".parse::<Activation>().unwrap().dim(), Some(-3));
}

fn ranges<K: Kind>() -> usize {
    let mut count = 0;
    let values = [-1e300, -1e39, -2.0, -1.0, -0.0, 0.0, 1e-300, 0.5, 1.0, 2.0, 1e39, 1e300];
    let never = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for op in complete::<K>() {
        for param in op.entry().params {
            for value in values.into_iter().chain(never) {
                let accepted = op.with(param.name, value);
                assert_eq!(accepted.is_ok(), param.range.contains(value), "{op} {value}");
                let seen = f64::from(value as f32);
                assert!(accepted.is_err() || param.range.contains(seen), "{op} {seen}");
                if let Err(error) = accepted {
                    let message = error.to_string();
                    let parts = [op.name(), param.name, &param.range.to_string()];
                    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
                }
                count += 1;
            }
            assert!(never.iter().all(|value| !param.range.contains(*value)));
        }
        let message = op.with("no_such", 1.0).unwrap_err().to_string();
        assert!(message.contains("no_such"), "{message}");
    }
    count
}

#[test]
fn a_parameter_outside_its_range_is_refused_with_the_range() {
    println!("{} values", every_family!(ranges));
    let message = Optimizer::adam().with("beta1", 1.0).unwrap_err().to_string();
    assert_eq!(
        message,
        "adam: beta1 = 1 is not valid: it must be a finite number, 0 or greater, less than 1"
    );
}

#[test]
fn a_parameter_is_checked_as_the_number_that_a_device_sees() {
    let refused = [
        "leaky_relu(alpha=1e39)",
        "elu(alpha=-1e39)",
        "softmax(temperature=1e-46)",
        "softmax(temperature=1e39)",
    ];
    assert!(refused.into_iter().all(|text| text.parse::<Activation>().is_err()));
    let refused = ["huber(delta=1e39)", "poisson_nll(eps=1e-46)", "bce(eps=0.49999999999)"];
    assert!(refused.into_iter().all(|text| text.parse::<Loss>().is_err()));
    let refused =
        ["sgd(lr=1e39)", "adam(eps=1e-46)", "adam(beta2=0.999999999999)", "sgd(weight_decay=1e39)"];
    assert!(refused.into_iter().all(|text| text.parse::<Optimizer>().is_err()));
    assert!(Optimizer::sgd().learning_rate(1e39).validate().is_err());
    assert!("normal(std=1e39)".parse::<Initializer>().is_err());
    // What single precision rounds, but not out of the range, stays.
    assert!("adam(eps=1e-44, beta2=0.9999999)".parse::<Optimizer>().is_ok());
    assert!("leaky_relu(alpha=3.4e38)".parse::<Activation>().is_ok());
    assert!("adam(eps=0)".parse::<Optimizer>().is_ok());
}

#[test]
fn a_required_parameter_must_be_given() {
    assert!("exponential".parse::<Schedule>().is_err());
    assert!("exponential(gamma=0.9)".parse::<Schedule>().is_ok());
    assert!(Optimizer::sgd().learning_rate(f64::NAN).validate().is_err());
    assert!(Optimizer::sgd().weight_decay(-1.0).validate().is_err());
}

fn round_trips<K: Kind>() -> usize {
    let mut count = 0;
    for op in complete::<K>() {
        let values = [0.0, 1.0, 0.25, 1e-7, 0.1 + 0.2, 1e22, -3.75];
        let changed = op.entry().params.iter().flat_map(|param| {
            values.iter().filter_map(move |&value| op.with(param.name, value).ok())
        });
        for op in std::iter::once(op).chain(changed) {
            let text = op.to_string();
            assert_eq!(text.parse::<Choice<K>>().unwrap(), op, "{text}");
            count += 1;
        }
    }
    count
}

#[test]
fn every_op_reads_back_what_it_prints() {
    println!("{} texts", every_family!(round_trips));
}

#[test]
fn aliases_set_their_parameters() {
    for (alias, op) in [
        ("nag", "sgd(momentum=0.9, nesterov=1)"),
        ("msgd", "sgd(momentum=0.9, dampening=0.9, zero_init=1)"),
        ("amsgrad", "adam(amsgrad=1)"),
    ] {
        assert_eq!(alias.parse::<Optimizer>().unwrap().to_string(), op);
        let changed: Optimizer = format!("{alias}(lr=0.5)").parse().unwrap();
        assert_eq!(changed.get("lr"), Some(0.5));
    }
    assert_eq!("Swish".parse::<Activation>().unwrap(), Activation::silu());
    assert_eq!("mean squared error".parse::<Loss>().unwrap(), Loss::mse());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,40}", name in "[a-z_]{1,8}", value in ".{0,8}") {
        for text in [text, format!("sgd({name}={value})"), format!("gelu({value}"), format!("step{value})")] {
            let _ = text.parse::<Activation>();
            let _ = text.parse::<Loss>();
            let _ = text.parse::<Optimizer>();
            let _ = text.parse::<Schedule>();
            let _ = text.parse::<Initializer>();
        }
    }

    #[test]
    fn every_number_survives_the_round_trip(wide in any::<u64>(), narrow in any::<u32>()) {
        let narrow = f64::from(f32::from_bits(narrow));
        for value in [f64::from_bits(wide), narrow, narrow * (1.0 + 1e-12)] {
            let op = Activation::leaky_relu().with("alpha", value);
            let single = value as f32;
            let fits = single.is_finite() && (single == 0.0) == (value == 0.0);
            prop_assert_eq!(op.is_ok(), fits, "{}", value);
            let Ok(op) = op else { continue };
            let back: Activation = op.to_string().parse().unwrap();
            prop_assert_eq!(back.get("alpha").map(f64::to_bits), op.get("alpha").map(f64::to_bits));
        }
    }
}

#[test]
fn schedules_have_their_known_values() {
    let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-15, "{a} {b}");
    assert_eq!(Schedule::constant().rate(1000, 0.3), 0.3);
    let step = Schedule::step(10.0, 0.5).unwrap();
    assert_eq!([0, 9, 10, 19, 20].map(|t| step.rate(t, 1.0)), [1.0, 1.0, 0.5, 0.5, 0.25]);
    near(Schedule::exponential(0.9).unwrap().rate(3, 2.0), 1.458);
    assert_eq!(Schedule::inverse_time(1e-3).unwrap().rate(1000, 0.1), 0.05);
    let cosine = Schedule::cosine(100.0, 0.1).unwrap();
    near(cosine.rate(0, 1.0), 1.0);
    near(cosine.rate(50, 1.0), 0.55);
    near(cosine.rate(100, 1.0), 0.1);
    let custom = Schedule::custom("half", |step, lr| if step < 5 { lr } else { lr / 2.0 });
    assert_eq!((custom.rate(4, 1.0), custom.rate(5, 1.0)), (1.0, 0.5));
    assert!(Schedule::step(0.0, 0.5).is_err() && Schedule::exponential(-1.0).is_err());
}

#[test]
fn schedules_follow_pytorchs() {
    let cases = load("schedules");
    assert_eq!(cases.len(), 18);
    for case in &cases {
        let choice = Choice::<ScheduleKind>::named(&case.op).unwrap();
        let with = |choice: Choice<ScheduleKind>, (name, value): (&String, &f64)| {
            choice.with(name, *value).unwrap()
        };
        let schedule = Schedule::of(case.options.iter().fold(choice, with)).unwrap();
        let base = if case.op.ends_with("momentum") { 0.95 } else { 0.1 };
        for (step, want) in case.tensor("rates").values.iter().enumerate() {
            let got = schedule.rate(step as u64, base);
            assert!(
                (got - want).abs() <= 1e-12,
                "{}, step {step}: {got}, PyTorch {want}",
                case.name
            );
        }
    }
}

#[test]
fn schedules_are_put_together() {
    let rate = |schedule: &Schedule, steps: &[u64]| -> Vec<f64> {
        steps.iter().map(|step| schedule.rate(*step, 1.0)).collect()
    };
    let warm = Schedule::inverse_time(1.0).unwrap().after_warmup(4);
    assert_eq!(rate(&warm, &[0, 1, 3, 4, 5]), [0.25, 0.5, 1.0, 1.0, 0.5]);
    let parts = vec![(2, Schedule::constant()), (3, Schedule::exponential(0.5).unwrap())];
    let sequence = Schedule::sequential(parts, Schedule::custom("end", |_, lr| lr / 16.0));
    assert_eq!(
        rate(&sequence, &[0, 1, 2, 3, 4, 5, 99]),
        [1.0, 1.0, 1.0, 0.5, 0.25, 0.0625, 0.0625]
    );
    let halves = Schedule::exponential(0.5).unwrap();
    assert_eq!(rate(&halves.clone().chained(halves.clone()), &[0, 1, 2]), [1.0, 0.25, 0.0625]);
    assert_eq!(rate(&halves.every(10), &[0, 9, 10, 25]), [1.0, 1.0, 0.5, 0.25]);
    let steps = Schedule::multistep(&[3, 5], 0.5).unwrap();
    assert_eq!(rate(&steps, &[2, 3, 4, 5, 9]), [1.0, 0.5, 0.5, 0.25, 0.25]);
    assert_eq!(rate(&"halve(step_size=3)".parse().unwrap(), &[2, 3, 6]), [1.0, 0.5, 0.25]);
    assert!(Schedule::multistep(&[1], f64::NAN).is_err());
    let momentum: Schedule = "growing_momentum".parse().unwrap();
    assert_eq!([0, 250, 750].map(|t| momentum.rate(t, 0.9)), [0.5, 0.75, 0.875]);
    assert_eq!(momentum.rate(1_000_000, 0.9), 0.9);
    let noam: Schedule = "noam(model_size=4, warmup=4)".parse().unwrap();
    assert_eq!([0, 3, 15].map(|t| noam.rate(t, 2.0)), [0.125, 0.5, 0.25]);
}

/// Mean, standard deviation, least and largest.
fn statistics(draws: &[f32]) -> [f64; 4] {
    let n = draws.len() as f64;
    let numbers = || draws.iter().map(|&x| f64::from(x));
    let mean = numbers().sum::<f64>() / n;
    let deviation = (numbers().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    [mean, deviation, numbers().fold(f64::MAX, f64::min), numbers().fold(f64::MIN, f64::max)]
}

#[test]
fn initializers_have_their_mean_deviation_and_bounds() {
    let (fan_in, fan_out, len) = (200, 100, 100_000);
    let uniform = |bound: f64| (0.0, bound / 3f64.sqrt(), bound);
    for (name, (mean, deviation, bound)) in [
        ("zeros", (0.0, 0.0, 0.0)),
        ("normal", (0.0, 1.0, f64::MAX)),
        ("normal(mean=3, std=0.5)", (3.0, 0.5, f64::MAX)),
        ("uniform", (0.5, 1.0 / 12f64.sqrt(), 1.0)),
        ("uniform(low=-2, high=2)", uniform(2.0)),
        ("xavier_uniform", uniform((6.0f64 / 300.0).sqrt())),
        ("xavier_uniform(gain=2)", uniform(2.0 * (6.0f64 / 300.0).sqrt())),
        ("xavier_normal", (0.0, (2.0f64 / 300.0).sqrt(), f64::MAX)),
        ("kaiming_uniform", uniform((6.0f64 / 200.0).sqrt())),
        ("kaiming_uniform(fan_out=1, gain=1)", uniform((3.0f64 / 100.0).sqrt())),
        ("kaiming_normal", (0.0, (2.0f64 / 200.0).sqrt(), f64::MAX)),
        ("ones", (1.0, 0.0, 1.0)),
        ("constant(value=0.25)", (0.25, 0.0, 0.25)),
        ("truncated_normal", (0.0, 0.879_625_66, 2.0)),
        ("truncated_normal(mean=5, std=0.1, low=-1, high=1)", (1.0, 0.0, 1.0)),
        ("lecun_uniform", uniform((3.0f64 / 200.0).sqrt())),
        ("lecun_normal", (0.0, (1.0f64 / 200.0).sqrt(), 2.0 / 0.879_625_66 / 200f64.sqrt())),
        ("variance_scaling(scale=2, mode=1)", (0.0, (2.0f64 / 100.0).sqrt(), f64::MAX)),
        ("variance_scaling(mode=2, distribution=1)", (0.0, (1.0f64 / 150.0).sqrt(), f64::MAX)),
        ("variance_scaling(mode=1, distribution=2)", uniform((3.0f64 / 100.0).sqrt())),
        ("torch_linear", uniform(1.0 / 200f64.sqrt())),
        ("siren", uniform((6.0f64 / 200.0).sqrt() / 30.0)),
        ("siren(first=1)", uniform(1.0 / 200.0)),
    ] {
        let initializer: Initializer = name.parse().unwrap();
        let draws = initializer.draw(1, 0, fan_in, fan_out, len);
        let [got_mean, got_deviation, low, high] = statistics(&draws);
        // Five standard errors of 100 000 draws.
        assert!((got_mean - mean).abs() <= 0.016 * deviation, "{name}: mean {got_mean}");
        let error = (got_deviation - deviation).abs();
        assert!(error <= 0.012 * deviation, "{name}: deviation {got_deviation}");
        assert!(low >= -bound * 1.000001 && high <= bound * 1.000001, "{name}: {low} to {high}");
        if bound < f64::MAX && bound > 0.0 {
            assert!(high > 0.999 * bound, "{name}: {high} is far below {bound}");
        }
    }
}

#[test]
fn initializers_of_matrices_give_matrices() {
    let draw = |name: &str, rows: usize, cols: usize| {
        let initializer: Initializer = name.parse().unwrap();
        initializer.draw(5, 0, cols, rows, rows * cols)
    };
    assert_eq!(draw("eye(gain=2)", 2, 3), [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    for (rows, cols) in [(5, 17), (17, 5), (8, 8), (1, 1)] {
        let m = draw("orthogonal(gain=3)", rows, cols);
        let (count, length) = (rows.min(cols), rows.max(cols));
        let at = |vector: usize, place: usize| {
            f64::from(if rows <= cols {
                m[vector * cols + place]
            } else {
                m[place * cols + vector]
            })
        };
        for a in 0..count {
            for b in 0..count {
                let product: f64 = (0..length).map(|place| at(a, place) * at(b, place)).sum();
                let want = if a == b { 9.0 } else { 0.0 };
                assert!((product - want).abs() < 1e-5, "{rows} x {cols}: {a}.{b} = {product}");
            }
        }
    }
    let m = draw("sparse(sparsity=0.3)", 10, 50);
    for col in 0..50 {
        let zeros = (0..10).filter(|row| m[row * 50 + col] == 0.0).count();
        assert_eq!(zeros, 3, "column {col}");
    }
    let deviation = statistics(&m)[1];
    assert!((deviation - 0.01 * 0.7f64.sqrt()).abs() < 0.0015, "{deviation}");
    let wide = Sequential::new(2).layer(Dense::new(2).biases(Initializer::eye())).build();
    let message = wide.unwrap_err().to_string();
    assert!(message.contains("layer 0") && message.contains("eye"), "{message}");
}

#[test]
fn gains_are_pytorchs() {
    let gains = [("tanh", 5.0 / 3.0), ("relu", 2f64.sqrt()), ("selu", 0.75), ("sigmoid", 1.0)];
    for (name, gain) in gains {
        assert_eq!(Initializer::gain(&name.parse().unwrap()), gain, "{name}");
    }
    let leaky = Initializer::gain(&"leaky_relu(alpha=0.5)".parse().unwrap());
    assert!((leaky - (2.0f64 / 1.25).sqrt()).abs() < 1e-15);
}

/// The weights that a dense layer of 40 outputs draws from 30 inputs.
fn drawn(initializer: &str) -> Vec<f32> {
    initializer.parse::<Initializer>().unwrap().draw(7, 0, 30, 40, 1200)
}

#[test]
fn every_activation_has_the_initializer_that_suits_it() {
    let kaiming = "relu relu6 relu_squared thresholded_relu crelu elu celu gelu gelu_tanh quick_gelu silu mish tanh_exp \
        hard_swish squareplus softplus reglu geglu swiglu";
    let gain =
        |slope: f64| format!("kaiming_uniform(gain={})", (2.0 / (1.0 + slope * slope)).sqrt());
    for f in Activation::all() {
        let wanted = match f.name() {
            name if kaiming.split_whitespace().any(|other| other == name) => {
                "kaiming_uniform".into()
            }
            "leaky_relu" => gain(0.01),
            "prelu" => gain(0.25),
            "rrelu" => gain(0.5 * (1.0 / 8.0 + 1.0 / 3.0)),
            "srelu" => gain(0.2),
            "selu" => "lecun_normal".into(),
            "sine" => "siren(omega=1, first=1)".into(),
            _ => "xavier_uniform".to_string(),
        };
        let network = Sequential::new(30).dense(40).activation(f);
        let first = &network.build().unwrap().initial(7)[0];
        assert_eq!(*first, drawn(&wanted), "{f}: not {wanted}");
        // Norms and dropout keep the scale.
        let through = Sequential::new(30).dense(40).batch_norm().dropout(0.5).activation(f);
        let first = &through.build().unwrap().initial(7)[0];
        assert_eq!(*first, drawn(&wanted), "{f} past a norm and dropout: not {wanted}");
    }
    let plain = Sequential::new(30).dense(40).layer_norm().dense(1).activation(Activation::relu());
    assert_eq!(plain.build().unwrap().initial(7)[0], drawn("xavier_uniform"));
}

#[test]
fn layers_of_sines_begin_as_sirens() {
    let sine = Activation::sine().with("omega", 30.0).unwrap();
    let network = Sequential::new(2).dense(64).activation(sine).dense(64).activation(sine).dense(1);
    let initial = network.build().unwrap().initial(0);
    let largest = |values: &[f32]| values.iter().fold(0f32, |most, x| most.max(x.abs()));
    let hidden = (6f32 / 64.0).sqrt() / 30.0;
    for (values, bound) in [(&initial[0], 0.5), (&initial[2], hidden)] {
        let most = largest(values);
        assert!(most <= bound && most > 0.95 * bound, "{most} for {bound}");
    }
    let still = Activation::sine().with("omega", 0.0).unwrap();
    assert!(Sequential::new(2).dense(4).activation(still).build().is_ok());
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_or_parameter_others() {
    let constant = ["zeros", "ones", "constant", "eye"];
    for initializer in complete::<InitializerKind>() {
        if constant.contains(&initializer.name()) {
            continue;
        }
        let draw = |seed, index| initializer.draw(seed, index, 10, 10, 50);
        assert_eq!(draw(7, 3), draw(7, 3), "{initializer}");
        assert_ne!(draw(7, 3), draw(8, 3), "{initializer}");
        assert_ne!(draw(7, 3), draw(7, 4), "{initializer}");
        // A longer tensor begins with the same numbers.
        if !initializer.needs_matrix() {
            assert_eq!(initializer.draw(7, 3, 10, 10, 20), draw(7, 3)[..20]);
        }
        assert!(initializer.draw(7, 3, 0, 0, 4).iter().all(|x| x.is_finite()), "{initializer}");
    }
}
