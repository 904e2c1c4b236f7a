//! Look-up, parameters, text forms, schedules and initializers.

mod initializers;
mod schedules;

use std::collections::BTreeSet;

use proptest::prelude::*;
use wgrad::__internal::spec::activation::ActivationKind;
use wgrad::__internal::spec::initializer::InitializerKind;
use wgrad::__internal::spec::loss::LossKind;
use wgrad::__internal::spec::optimizer::OptimizerKind;
use wgrad::__internal::spec::schedule::ScheduleKind;
use wgrad::spec::{Choice, Kind, Param, ParamKind};
use wgrad::{Activation, Initializer, Loss, Optimizer, Schedule};

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
        let valid = |param: &Param| if param.kind.contains(0.5) { 0.5 } else { 8.5 };
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
    assert_eq!("amsbound".parse::<Optimizer>().unwrap().to_string(), "adabound(amsgrad=true)");
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
                assert_eq!(accepted.is_ok(), param.kind.contains(value), "{op} {value}");
                let seen = f64::from(value as f32);
                assert!(accepted.is_err() || param.kind.contains(seen), "{op} {seen}");
                if let Err(error) = accepted {
                    let message = error.to_string();
                    let parts = [op.name(), param.name, &param.kind.to_string()];
                    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
                }
                count += 1;
            }
            assert!(never.iter().all(|value| !param.kind.contains(*value)));
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
fn flags_and_choices_are_given_by_value_or_as_text() {
    let sgd = Optimizer::sgd().with("momentum", 0.9).unwrap();
    let nesterov = sgd.with("nesterov", true).unwrap();
    assert_eq!(nesterov.get("nesterov"), Some(1.0));
    assert_eq!(nesterov, sgd.with("nesterov", 1.0).unwrap());
    for text in ["true", "1"] {
        assert_eq!(nesterov, format!("sgd(momentum=0.9, nesterov={text})").parse().unwrap());
    }
    assert_eq!(nesterov.with("nesterov", false).unwrap(), sgd);
    assert_eq!(sgd.maximize(true).to_string(), "sgd(maximize=true, momentum=0.9)");
    let muon = Optimizer::muon().with("adjust_lr", "match_rms_adamw").unwrap();
    assert_eq!(muon.to_string(), "muon(adjust_lr=match_rms_adamw)");
    assert_eq!(muon, "muon(adjust_lr=1)".parse().unwrap());
    assert_eq!(Activation::softmax().with("dim", -2).unwrap().dim(), Some(-2));

    let message = |text: &str| text.parse::<Optimizer>().unwrap_err().to_string();
    let flag = "sgd: nesterov = 'maybe' is not valid: it must be true or false";
    assert_eq!(message("sgd(nesterov=maybe)"), flag);
    let choice = message("muon(adjust_lr=3)");
    assert!(
        choice.contains("adjust_lr = 3") && choice.contains("original, match_rms_adamw"),
        "{choice}"
    );
    assert!(message("muon(ns_steps=2.5)").contains("a whole number, 1 or greater, at most 99"));
    assert!(message("sgd(lr=true)").contains("a finite number"));
    assert!(Optimizer::sgd().with("lr", true).is_err());
}

#[test]
fn every_kind_of_parameter_reads_back_what_it_writes() {
    let mut seen = BTreeSet::new();
    for op in Initializer::all()
        .map(|op| op.entry().params)
        .chain(Optimizer::all().map(|op| op.entry().params))
        .chain(Activation::all().map(|op| op.entry().params))
    {
        for param in op {
            seen.insert(format!("{:?}", param.kind).split('(').next().unwrap().to_string());
            let written = param.text(param.example());
            let number = match param.kind {
                ParamKind::Choice(names) => {
                    names.iter().position(|name| *name == written).map(|index| index as f64)
                }
                ParamKind::Flag => Some(f64::from(written == "true")),
                _ => written.parse().ok(),
            };
            assert_eq!(number, Some(param.example()), "{}", param.name);
        }
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
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
        ("nag", "sgd(momentum=0.9, nesterov=true)"),
        ("msgd", "sgd(momentum=0.9, dampening=0.9, zero_init=true)"),
        ("amsgrad", "adam(amsgrad=true)"),
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

fn shaders_of_entries<K: Kind>() -> usize {
    let folder = format!("{}/../shaders/{}", env!("CARGO_MANIFEST_DIR"), K::FAMILY);
    let mut files: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let count = files.len();
    for entry in K::all() {
        let file = format!("{}.wgsl", entry.name);
        // Entries of one formula share the shader of the first of them.
        if !files.remove(&file) {
            continue;
        }
        let text = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
        let comments = text.lines().map_while(|line| line.strip_prefix("// "));
        let head = comments.collect::<Vec<_>>().join(" ");
        let wanted = format!("{}: {}", entry.name, entry.formula);
        assert!(head.starts_with(&wanted), "{file} begins with '{head}', not with '{wanted}'");
    }
    files.retain(|file| *file != "santa.wgsl");
    assert!(files.is_empty(), "no entry is called {files:?}");
    count
}

#[test]
fn a_shader_begins_with_the_formula_of_its_entry() {
    let counts = [
        shaders_of_entries::<ActivationKind>(),
        shaders_of_entries::<LossKind>(),
        shaders_of_entries::<OptimizerKind>(),
    ];
    assert!(counts.iter().sum::<usize>() > 100, "{counts:?}");
}

#[test]
fn the_learning_rate_is_a_parameter_by_its_whole_name() {
    let short = Optimizer::adam().with("lr", 0.25).unwrap();
    assert_eq!(Optimizer::adam().with("learning_rate", 0.25).unwrap(), short);
    assert_eq!("adam(learning_rate=0.25)".parse::<Optimizer>().unwrap(), short);
    assert_eq!(short.get("learning_rate"), Some(0.25));
    let error = short.with("rate", 0.5).unwrap_err();
    assert!(error.to_string().starts_with("there is no parameter named 'adam.rate'"), "{error}");
    assert_eq!(format!("{error:?}"), error.to_string());
}
