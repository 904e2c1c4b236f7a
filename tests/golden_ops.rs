//! Both engines against PyTorch's golden vectors.

use crate::support;

use support::golden::{Case as Golden, load};
use support::run::{Case, Outcome, gpu};
use support::tolerance::Tolerance;
use support::weights::{Comparison, Pair, bounds, param, worst};
use wgrad::__internal::spec::activation::{ActivationKind, Saves};
use wgrad::ir::{DType, LinearInputs, LossInputs, Slot, TripletDistances};
use wgrad::random::{Key, Stream};
use wgrad::{Activation, Loss, Optimizer, Program, Reduction, Shape};

fn shape(case: &Golden, role: &str) -> Vec<usize> {
    case.tensor(role).shape.clone()
}

/// Fails unless the reference has the golden numbers, up to rounding in `f64` of `scale`.
fn check_reference(name: &str, want: &[f64], golden: &[f64], relative: f64, scale: f64) {
    assert_eq!(want.len(), golden.len(), "{name}");
    for (i, (&want, &golden)) in want.iter().zip(golden).enumerate() {
        let bound = relative * golden.abs() + 1e-13 * scale;
        assert!((want - golden).abs() <= bound, "{name}, {i}: {want:e}, PyTorch {golden:e}");
    }
}

fn check_gpu(name: &str, got: &[f32], golden: &[f64], bound: impl Fn(usize) -> Tolerance) {
    assert_eq!(got.len(), golden.len(), "{name}");
    for (i, (&got, &golden)) in got.iter().zip(golden).enumerate() {
        assert!(bound(i).accepts(got, golden), "{name}, {i}: {got:e}, PyTorch {golden:e}");
    }
}

#[test]
fn activations_and_their_gradients_are_pytorchs() {
    let cases = load("activations");
    assert_eq!(cases.len(), 57);
    cases.iter().for_each(check_activation);
    println!("{} cases", cases.len());
}

#[test]
fn activations_that_pytorch_lacks_are_those_of_jax_and_keras() {
    let cases = load("activations_jax");
    assert_eq!(cases.len(), 11);
    cases.iter().for_each(check_activation);
    println!("{} cases", cases.len());
}

fn chosen(golden: &Golden) -> Activation {
    let with = |f: Activation, (option, value): (&String, &f64)| f.with(option, *value).unwrap();
    golden.options.iter().fold(golden.op.parse().unwrap(), with)
}

fn check_activation(golden: &Golden) {
    let (name, f) = (&golden.name, chosen(golden).eval_mode());
    if f.is_parametric() {
        return check_parametric(golden, f);
    }
    let (forward, backward, saves) = match &f.entry().kind {
        ActivationKind::Elementwise(map) => (map.forward, map.derivative, map.saves),
        ActivationKind::Row(row) => (row.forward, row.backward, row.saves),
        // A slope that crosses zero: the floor.
        ActivationKind::AxisResize(fold) => (fold.bound, fold.bound.or(2e-6), Saves::Input),
        _ => panic!("{name}"),
    };
    let (x, g) = (golden.tensor("x"), golden.tensor("grad_out"));
    let mut case = Case::new(name);
    let slot = case.input(&shape(golden, "x"), &x.f32());
    let upstream = case.input(&shape(golden, "grad_out"), &g.f32());
    let y = case.program.activation("y", f, slot).unwrap();
    let dx = case.program.activation_backward("dx", f, (slot, y), upstream).unwrap();
    let [values, grads] = &case.run(gpu(), &[y, dx])[..] else { panic!("two outputs") };
    // From a rounded output the derivative is known up to that rounding; so is the end of a long tail.
    let from_output = saves == Saves::Output;
    let (wanted, wanted_grad) = (&golden.tensor("y").values, &golden.tensor("grad_in").values);
    let [value, slope] = match golden.op.as_str() {
        // PyTorch's slope is the float32 next to 1/6.
        "hard_sigmoid" => [1e-7; 2],
        // The sum that the others take cancels on the left.
        "squareplus" => [1e-11; 2],
        _ => [1e-12, 1e-11],
    };
    let row_wise = f.dim().is_some();
    let scale = if row_wise { 1.0 } else { 0.0 };
    check_reference(name, &values.want, wanted, value, scale);
    check_reference(name, &grads.want, wanted_grad, slope, 1.0);
    // For a row, the exponent is at most this far below the largest element.
    let at = |i: usize| {
        let x = x.values.get(i).copied().unwrap_or(0.0);
        if row_wise { (2.0 * x).abs().min(200.0) } else { x }
    };
    check_gpu(name, &values.got, wanted, |i| {
        // A row's logarithm of a sum is about 2, whatever is left of a difference with it.
        let floor = if golden.op == "log_softmax" { 1e-6 } else { forward.floor };
        Tolerance::ulps(forward.at(f.values(), at(i))).floor(floor).flush_scale(200.0)
    });
    check_gpu(&format!("{name}, gradient"), &grads.got, wanted_grad, |i| {
        let g = g.values.get(i).map_or(1.0, |g| g.abs());
        let size = g.max(if from_output || row_wise { 4.0 } else { 0.0 });
        let floor = if from_output { 4e-7 } else { backward.floor };
        Tolerance::ulps(backward.at(f.values(), at(i)) + 1.0).floor(floor * size).flush_scale(200.0)
    });
}

fn check_parametric(golden: &Golden, f: Activation) {
    let name = &golden.name;
    let mut case = Case::new(name);
    let x = case.input(&shape(golden, "x"), &golden.tensor("x").f32());
    let weight = case.input(&shape(golden, "learned"), &golden.tensor("learned").f32());
    let upstream = case.input(&shape(golden, "x"), &golden.tensor("grad_out").f32());
    let d_weight = golden.tensor("learned").values.iter().map(|_| 0.0).collect::<Vec<f32>>();
    let d_weight = case.input(&shape(golden, "learned"), &d_weight);
    let y = case.program.parametric("y", f, x, weight).unwrap();
    let dx = case.program.parametric_backward("dx", f, (x, weight), upstream, d_weight).unwrap();
    let outcomes = case.run(gpu(), &[y, dx, d_weight]);
    for (outcome, role) in outcomes.iter().zip(["y", "grad_in", "grad_learned"]) {
        let wanted = &golden.tensor(role).values;
        check_reference(&format!("{name}, {role}"), &outcome.want, wanted, 1e-12, 10.0);
        let bound = Tolerance::ulps(16.0).floor(4e-6);
        check_gpu(&format!("{name}, {role}"), &outcome.got, wanted, |_| bound);
    }
}

#[test]
fn losses_and_their_gradients_are_pytorchs() {
    let cases = load("losses");
    assert_eq!(cases.len(), 472);
    cases.iter().for_each(check_loss);
    println!("{} cases", cases.len());
}

#[test]
fn losses_of_no_package_and_their_gradients_are_their_formulas() {
    let cases = load("losses_formulas");
    assert_eq!(cases.len(), 24);
    cases.iter().for_each(check_loss);
}

#[test]
fn every_loss_has_a_dozen_golden_cases_with_each_reduction_and_option_among_them() {
    let cases = [load("losses"), load("losses_formulas")].concat();
    for loss in Loss::all() {
        let own: Vec<&Golden> = cases.iter().filter(|case| case.op == loss.name()).collect();
        assert!(own.len() >= 12, "{loss}: {} cases", own.len());
        for wanted in [Reduction::None, Reduction::Mean, Reduction::Sum] {
            assert!(own.iter().any(|case| reduction(case) == wanted), "{loss}: no {wanted:?}");
        }
        for option in loss.entry().params.iter().map(|param| param.name) {
            let has =
                |case: &&Golden| case.options.contains_key(option) || case.get(option).is_some();
            assert!(own.iter().any(has), "{loss}: nothing about {option}");
        }
    }
}

#[test]
fn losses_put_together_of_ops_are_pytorchs() {
    let cases = load("losses_composed");
    assert_eq!(cases.len(), 30);
    for golden in &cases {
        let (case, slots) = match golden.op.as_str() {
            "linear_cross_entropy" => linear(golden),
            _ => triplets(golden),
        };
        let leaves = ["x", "linear_weight", "bias", "positive", "negative", "swapped"];
        let wanted = leaves.iter().filter(|role| golden.get(role).is_some());
        let wanted: Vec<String> = wanted.map(|role| format!("grad_{role}")).collect();
        let roles = std::iter::once("y").chain(wanted.iter().map(String::as_str));
        let outcomes = case.run(gpu(), &slots);
        assert_eq!(outcomes.len(), 1 + wanted.len(), "{}", golden.name);
        for (outcome, role) in outcomes.iter().zip(roles) {
            let wanted = &golden.tensor(role).values;
            let name = format!("{}, {role}", golden.name);
            let size = wanted.iter().fold(1.0f64, |size, value| size.max(value.abs()));
            check_reference(&name, &outcome.want, wanted, 1e-12, size);
            check_gpu(&name, &outcome.got, wanted, |_| Tolerance::ulps(32.0).floor(2e-6 * size));
        }
    }
    println!("{} cases", cases.len());
}

fn reduction(golden: &Golden) -> Reduction {
    match golden.reduction.as_deref() {
        Some("none") => Reduction::None,
        Some("sum") => Reduction::Sum,
        Some("batchmean") => Reduction::BatchMean,
        _ => Reduction::Mean,
    }
}

fn linear(golden: &Golden) -> (Case, Vec<Slot>) {
    let with = |loss: Loss, (option, value): (&String, &f64)| loss.with(option, *value).unwrap();
    let loss = golden.options.iter().fold(Loss::cross_entropy(), with);
    let mut case = Case::new(&golden.name);
    let target = case.classes(&golden.tensor("labels").labels());
    let mut input =
        |role: &str| golden.get(role).map(|tensor| case.input(&tensor.shape, &tensor.f32()));
    let (x, weight) = (input("x").unwrap(), input("linear_weight").unwrap());
    let inputs = LinearInputs {
        bias: input("bias"),
        class_weight: input("class_weight"),
        rows_at_once: Some(3),
        ..LinearInputs::new(x, weight, target)
    };
    let found = case.program.linear_cross_entropy(loss, reduction(golden), &inputs, true).unwrap();
    (case, std::iter::once(found.value).chain(found.gradients).collect())
}

fn triplets(golden: &Golden) -> (Case, Vec<Slot>) {
    let mut case = Case::new(&golden.name);
    let mut input =
        |role: &str| golden.get(role).map(|tensor| case.input(&tensor.shape, &tensor.f32()));
    let (positive, negative) = (input("positive").unwrap(), input("negative").unwrap());
    let distances = TripletDistances { positive, negative, swapped: input("swapped") };
    let margin = golden.options.get("margin").copied().unwrap_or(1.0);
    let program = &mut case.program;
    let (value, by) =
        program.triplet_margin_with_distance(reduction(golden), margin, distances).unwrap();
    (case, std::iter::once(value).chain(by).collect())
}

/// The loss and its gradient through log_softmax: PyTorch's by the log-probabilities themselves is not their derivative.
fn run_sequences(golden: &Golden, loss: Loss, (extents, x): (&[usize], &[f32])) -> [Outcome; 2] {
    let mut case = Case::new(&golden.name);
    let x = case.input(extents, x);
    let mut indices =
        |role: &str| case.indices(&shape(golden, role), &golden.tensor(role).labels());
    let (target, lengths) = (indices("lists"), indices("lengths"));
    let log_softmax = Activation::log_softmax();
    let log_probs = case.program.activation("log p", log_softmax, x).unwrap();
    let inputs = LossInputs::new(log_probs, target).lengths(lengths);
    let (value, gradients) = case.program.loss_of(loss, reduction(golden), inputs, true).unwrap();
    let saved = (x, log_probs);
    let dx = case.program.activation_backward("dx", log_softmax, saved, gradients[0]).unwrap();
    let mut outcomes = case.run(gpu(), &[value, dx]).into_iter();
    [outcomes.next().unwrap(), outcomes.next().unwrap()]
}

fn check_sequences(golden: &Golden, loss: Loss) {
    let (name, x) = (&golden.name, golden.tensor("x"));
    let outcomes = run_sequences(golden, loss, (&x.shape, &x.f32()));
    for (outcome, role) in outcomes.iter().zip(["y", "grad_in"]) {
        let wanted = &golden.tensor(role).values;
        check_reference(&format!("{name}, {role}"), &outcome.want, wanted, 1e-12, 1.0);
        check_gpu(name, &outcome.got, wanted, |_| Tolerance::ulps(32.0).floor(2e-6));
    }
}

/// The logits that `tools/golden/ctc_long.py` makes by a recipe.
fn logits(recipe: &[f64], extents: &[usize]) -> Vec<f32> {
    let [seed, deviation, shift] = recipe else { panic!("{recipe:?}") };
    let word = |i: u64| {
        let z = (i + 1 + ((*seed as u64) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let parts = |i: u64| (0..4).map(move |part| (word(i) >> (16 * part)) & 0xffff);
    let number = |i: usize| {
        let sum: u64 = (3 * i as u64..3 * i as u64 + 3).flat_map(parts).sum();
        let x = (sum as f64 / 65536.0 - 6.0) * deviation;
        (if i.is_multiple_of(extents[2]) { x + shift } else { x }) as f32
    };
    (0..extents.iter().product()).map(number).collect()
}

#[test]
fn sequences_as_long_as_speech_have_pytorchs_values_and_gradients() {
    let cases = load("ctc_long");
    assert_eq!(cases.len(), 15);
    for golden in &cases {
        let extents: Vec<usize> =
            golden.tensor("extents").labels().iter().map(|&extent| extent as usize).collect();
        let x = logits(&golden.tensor("recipe").values, &extents);
        let [value, gradient] = run_sequences(golden, Loss::ctc(), (&extents, &x));
        let (name, wanted) = (&golden.name, &golden.tensor("y").values);
        check_reference(name, &value.want, wanted, 1e-12, 1.0);
        // A few roundings a time step.
        let steps = extents[0] as f64;
        check_gpu(name, &value.got, wanted, |i| {
            Tolerance::ulps(0.0).floor(6e-8 * steps * (1.0 + wanted[i].abs()))
        });
        let wanted = &golden.tensor("grad_in").values;
        let largest = wanted.iter().fold(0.0_f64, |most, want| most.max(want.abs()));
        let places = golden.tensor("places").labels();
        let (mut want, mut got) = (Vec::new(), Vec::new());
        for place in places {
            want.push(gradient.want[place as usize]);
            got.push(gradient.got[place as usize]);
        }
        check_reference(name, &want, wanted, 1e-9, largest);
        check_gpu(name, &got, wanted, |_| Tolerance::ulps(0.0).floor(4e-7 * steps * largest));
    }
}

fn check_loss(golden: &Golden) {
    let name = &golden.name;
    let mut loss: Loss = golden.op.parse().unwrap();
    for (option, value) in &golden.options {
        loss = loss.with(option, *value).unwrap();
    }
    let reduction = reduction(golden);
    if loss.is_sequence() {
        return check_sequences(golden, loss);
    }
    let mut case = Case::new(name);
    let mut input =
        |role: &str| golden.get(role).map(|tensor| case.input(&tensor.shape, &tensor.f32()));
    let roles = ["x", "second", "third"].map(&mut input);
    let predictions: Vec<_> = roles.into_iter().flatten().collect();
    let [values, number, weight] = ["target", "number", "weight"].map(&mut input);
    let class_weight = input("class_weight").or(input("pos_weight"));
    // PyTorch's -1 ends a list.
    let indices = golden.get("labels").or(golden.get("lists")).map(|labels| {
        let classes: Vec<u32> = labels.values.iter().map(|&class| class as i64 as u32).collect();
        case.indices(&labels.shape, &classes)
    });
    let target = values.or(number).or(indices);
    let inputs = LossInputs { weight, class_weight, ..LossInputs::of(&predictions, target) };
    let (value, gradients) = case.program.loss_of(loss, reduction, inputs, true).unwrap();
    let slots: Vec<_> = std::iter::once(value).chain(gradients).collect();
    let outcomes = case.run(gpu(), &slots);
    let [values, gradients @ ..] = &outcomes[..] else { panic!("no value") };
    let wanted = &golden.tensor("y").values;
    let size = wanted.iter().fold(1.0f64, |size, value| size.max(value.abs()));
    check_reference(name, &values.want, wanted, 1e-12, size);
    check_gpu(name, &values.got, wanted, |_| Tolerance::ulps(16.0).floor(3e-7 * size));
    // Where a norm is below eps, PyTorch's gradient is that of the norm all the same; ours is the value's derivative.
    let clamps = golden.op.contains("cosine") && golden.options.contains_key("eps");
    let gradients = if clamps { &[][..] } else { gradients };
    for (role, gradient) in ["grad_in", "grad_second", "grad_third"].into_iter().zip(gradients) {
        let wanted = &golden.tensor(role).values;
        let name = format!("{name}, {role}");
        // PyTorch's least divisor in bce is the float32 next to 1e-12.
        let relative = if golden.op == "bce" { 1e-7 } else { 1e-12 };
        let size = wanted.iter().fold(0.0f64, |size, value| size.max(value.abs()));
        check_reference(&name, &gradient.want, wanted, relative, size.max(1.0));
        // A triplet's gradient is a difference of two directions, each off by the roots of its distance.
        let fraction = if golden.op == "triplet_margin" { 1e-6 } else { 2.5e-7 };
        check_gpu(&name, &gradient.got, wanted, |_| Tolerance::ulps(24.0).floor(fraction * size));
    }
}

#[test]
fn optimizers_follow_pytorchs_optaxs_and_their_papers() {
    let files = [
        "optimizers",
        "optimizers_lbfgs",
        "optimizers_matrix",
        "optimizers_optax",
        "optimizers_papers",
    ];
    let cases: Vec<_> = files.iter().flat_map(|file| load(file)).collect();
    assert_eq!(cases.len(), 141 + 12 + 141 + 168 + 56);
    let mut worst_of_all = [0.0f64; 3];
    for golden in &cases {
        let errors = check_optimizer(golden);
        worst_of_all.iter_mut().zip(errors).for_each(|(worst, error)| *worst = worst.max(error));
    }
    let [first, last, state] = worst_of_all;
    println!(
        "{} cases: {first:.1e} after 1 step, {last:.1e} after 100, state {state:.1e}",
        cases.len()
    );
}

/// Runs 100 steps and gives the largest errors of the GPU: parameters after 1 and 100 steps, state.
fn check_optimizer(golden: &Golden) -> [f64; 3] {
    let name = &golden.name;
    let mut optimizer: Optimizer = golden.op.parse().unwrap();
    for (option, value) in &golden.options {
        let option = match option.as_str() {
            "initial_accumulator" => "initial_accumulator_value",
            other => other,
        };
        optimizer = optimizer.with(option, *value).unwrap();
    }
    let start = golden.tensor("param_0");
    let [bound, state_bound] = bounds(optimizer.name(), 1e-5);
    let mut program = Program::new(name.as_str(), vec![param(&start.shape, 1.0, true)]);
    let one = Shape::new(&[1]).unwrap();
    let [root, zero] = ["root", "zero"].map(|name| program.input(name, one, DType::F32));
    let (loss, _) = program.loss(Loss::mse(), Reduction::Sum, (root, zero), false).unwrap();
    program.update(optimizer, Some(loss), Key::new(0, Stream::Optimizer)).unwrap();
    program.record(&[]).unwrap();
    let mut duel = Comparison::new(gpu(), program, optimizer, &[start.f32()]);
    let mut peak = vec![0.0f64; start.values.len()];
    let mut errors = [0.0; 3];
    let grads = golden.tensor("grads");
    for step in 0..100 {
        if let Some(roots) = golden.get("loss_roots") {
            duel.input(root, &[roots.values[step] as f32]);
        }
        duel.step(&[grads.row(step).iter().map(|&g| g as f32).collect()]);
        for (i, peak) in peak.iter_mut().enumerate() {
            let now = duel.on_cpu.params[0][i];
            *peak = peak.max(now.abs()).max((now - start.values[i]).abs());
        }
        if step == 0 || step == 99 {
            let wanted = &golden.tensor(&format!("param_{}", step + 1)).values;
            let pair = duel.params().remove(0);
            check_reference(name, &pair.want, wanted, 1e-9, 1.0);
            // With gradients of 1e6 a parameter comes back from far away: its error is that of the journey.
            let error = worst(&Pair { want: wanted.clone(), ..pair }, |i| peak[i]);
            let (place, bound) = if step == 0 { (0, 1e-5) } else { (1, bound) };
            assert!(error <= bound, "{name}, step {step}: off by {error:e}");
            errors[place] = error;
        }
    }
    for (number, state) in optimizer.states().iter().enumerate() {
        let Some(wanted) = golden.get(&format!("state.{state}")) else {
            // PyTorch keeps no momentum buffer without momentum; ours is there but unused. Its sparse gradients know
            // which rows they have, and its history is a list, not a ring.
            let own = [
                ("rmsprop", "momentum_buffer"),
                ("sparse_adam", "present"),
                // Of adamw, which its vectors take.
                ("muon", "exp_avg_sq"),
                ("lbfgs", "old_stps"),
                ("lbfgs", "old_dirs"),
            ];
            assert!(own.contains(&(golden.op.as_str(), *state)), "{name} has no {state}");
            continue;
        };
        let peaks = &duel.peaks[number][0];
        for (i, (want, golden)) in
            duel.on_cpu.states[number][0].iter().zip(&wanted.values).enumerate()
        {
            assert!(
                (want - golden).abs() <= 1e-9 * peaks[i],
                "{name}.{state}: {want:e}, PyTorch {golden:e}"
            );
        }
    }
    errors[2] = duel.state_error();
    assert!(errors[2] <= state_bound, "{name}: state is off by {:e}", errors[2]);
    errors
}
