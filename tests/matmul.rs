//! Matrix products by every tiling, exact on whole numbers and bounded on others.

use crate::support;

use support::run::{Case, Outcome, count, featured_gpu, folding_gpu, gpu, normal};
use wgrad::embed::{Choices, Class, Gpu, MatMul, Tuning};
use wgrad::ir::{DType, Form, Plan, StepEntry};
use wgrad::random::{Key, Stream};
use wgrad::{Program, Shape};

const SIDES: [u32; 17] = [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129];

/// The device with each tiling, as a GPU whose work is split and as a CPU, with a form each: compiling kernels is what takes
/// time here. With `WGRAD_FULL=1` every tiling takes every form.
fn ways(gpu: &Gpu) -> impl Iterator<Item = (Form, Gpu)> {
    let all = (0..).zip(MatMul::ALL).flat_map(|(number, matmul)| {
        let form = move |round| Form::ALL[(number + round) % 3];
        (0..count(1, 3)).map(move |round| (form(round), matmul))
    });
    let classes = [Class::Discrete, Class::Cpu].into_iter().cycle();
    all.zip(classes).map(|((form, matmul), class)| {
        let checked = class == Class::Cpu;
        (form, gpu.choosing(Choices { class, matmul: Some(matmul), checked, ..gpu.choices() }))
    })
}

/// The shapes of both operands.
fn shapes(form: Form, [m, k, n]: [usize; 3]) -> [[usize; 2]; 2] {
    match form {
        Form::NN => [[m, k], [k, n]],
        Form::NT => [[m, k], [n, k]],
        Form::TN => [[k, m], [k, n]],
    }
}

fn product(gpu: &Gpu, form: Form, sides: [usize; 3], a: &[f32], b: &[f32]) -> Outcome {
    let mut case = Case::new(&format!("{form:?} {sides:?}"));
    let [a_shape, b_shape] = shapes(form, sides);
    let a = case.input(&a_shape, a);
    let b = case.input(&b_shape, b);
    let c = case.program.matmul("c", a, b, form).unwrap();
    case.run(gpu, &[c]).remove(0)
}

/// Whole numbers of magnitude up to 8.
fn whole(seed: u64, len: usize) -> Vec<f32> {
    let key = Key::new(seed, Stream::Data(7));
    (0..len as u32).map(|i| (key.words(0, i)[0] % 17) as f32 - 8.0).collect()
}

fn exact(gpu: &Gpu, form: Form, sides: [usize; 3]) -> usize {
    let [m, k, n] = sides;
    let outcome = product(gpu, form, sides, &whole(1, m * k), &whole(2, k * n));
    let same = outcome.got.iter().zip(&outcome.want).all(|(&a, &b)| f64::from(a) == b);
    assert!(same, "{form:?} {sides:?} by {:?}", gpu.choices());
    outcome.got.len()
}

#[test]
fn products_of_whole_numbers_are_exact_for_sides_of_every_kind() {
    let key = Key::new(11, Stream::Data(0));
    let mut checks = 0;
    for (number, (form, gpu)) in (0..).zip(ways(featured_gpu())) {
        for round in 0..24u32 {
            let side =
                |axis| SIDES[(key.words(number, 3 * round + axis)[0] % 17) as usize] as usize;
            // Every other product has sides that are read by fours.
            let four = if round % 2 == 0 { 4 } else { 1 };
            checks += exact(&gpu, form, [0, 1, 2].map(|axis| side(axis).next_multiple_of(four)));
        }
        // Whole tiles only.
        let [rows, cols] = gpu.choices().matmul.unwrap().tiling().block();
        checks += exact(&gpu, form, [2 * rows as usize, 32, cols as usize]);
    }
    println!("{checks} values");
}

#[test]
fn empty_and_very_deep_products_are_exact() {
    let mut checks = 0;
    let sides = [
        [0, 3, 4],
        [3, 0, 4],
        [3, 4, 0],
        [0, 0, 0],
        [5, 4096, 7],
        [1, 1, 5000],
        [5000, 1, 1],
        // Beyond the longest inner side of one workgroup.
        [3, 16_385, 5],
        [9, 100_001, 13],
    ];
    for (form, gpu) in ways(featured_gpu()) {
        checks += sides.map(|sides| exact(&gpu, form, sides)).iter().sum::<usize>();
    }
    let tall = Choices { matmul: Some(MatMul::Tall), ..gpu().choices() };
    for form in Form::ALL {
        for sides in [[30, 20, 100], [5, 3, 128], [5, 50_000, 65]] {
            checks += exact(&folding_gpu().choosing(tall), form, sides);
        }
        for sides in sides {
            checks += exact(&gpu().choosing(tall), form, sides);
        }
    }
    println!("{checks} values");
}

#[test]
fn products_of_random_numbers_are_within_the_bound_of_a_sum_in_any_order() {
    let (mut checks, mut worst) = (0, 0.0f64);
    // The last scales cancel against each other.
    for (scale_a, scale_b) in [(1.0, 1.0), (1e-20, 1e20)] {
        for (form, gpu) in ways(featured_gpu()) {
            for sides in [[17, 33, 65], [64, 128, 64], [3, 4096, 5], [2, 40_000, 3]] {
                let [m, k, n] = sides;
                let scaled = |seed, len, scale| -> Vec<f32> {
                    normal(seed, len).into_iter().map(|x| x * scale).collect()
                };
                let (a, b) = (scaled(1, m * k, scale_a), scaled(2, k * n, scale_b));
                let magnitude = |x: &[f32]| x.iter().map(|x| x.abs()).collect::<Vec<f32>>();
                let outcome = product(&gpu, form, sides, &a, &b);
                let sizes = product(&gpu, form, sides, &magnitude(&a), &magnitude(&b)).want;
                let half_ulp = 1.0 / f64::from(1 << 24);
                for ((got, want), size) in outcome.got.iter().zip(outcome.want).zip(sizes) {
                    let ratio = (f64::from(*got) - want).abs() / (2.0 * k as f64 * half_ulp * size);
                    assert!(ratio <= 1.0, "{form:?} {sides:?} by {:?}: {ratio}", gpu.choices());
                    worst = worst.max(ratio);
                    checks += 1;
                }
            }
        }
    }
    println!("{checks} values, the worst at {worst:.3} of its bound");
}

#[test]
fn batched_products_broadcast_their_leading_axes() {
    let mut checks = 0;
    let batches: [[&[usize]; 2]; 8] = [
        [&[3], &[3]],
        [&[2, 3], &[3]],
        [&[3], &[2, 1]],
        [&[2, 1, 2], &[3, 1]],
        [&[5], &[]],
        [&[], &[4]],
        [&[2, 1, 3, 1], &[1, 2, 1, 2]],
        [&[0], &[1]],
    ];
    let sides = [[5, 7, 3], [8, 16, 12], [33, 4, 40], [4, 600, 8]];
    for (number, (form, gpu)) in ways(featured_gpu()).enumerate() {
        for (round, [left, right]) in batches.into_iter().enumerate() {
            let sides = sides[(round + number) % count(2, sides.len())];
            let [a_shape, b_shape] = shapes(form, sides);
            let (a_shape, b_shape) = ([left, &a_shape].concat(), [right, &b_shape].concat());
            let mut case = Case::new(&format!("{form:?} {a_shape:?} {b_shape:?}"));
            let a = case.input(&a_shape, &whole(3, a_shape.iter().product()));
            let b = case.input(&b_shape, &whole(4, b_shape.iter().product()));
            let c = case.program.matmul("c", a, b, form).unwrap();
            let outcome = case.run(&gpu, &[c]).remove(0);
            let same = outcome.got.iter().zip(&outcome.want).all(|(&a, &b)| f64::from(a) == b);
            assert!(same, "{form:?} {a_shape:?} {b_shape:?} by {:?}", gpu.choices());
            checks += outcome.got.len();
        }
    }
    println!("{checks} values");
}

#[test]
fn a_batched_product_is_that_of_each_pair_of_matrices() {
    let mut case = Case::new("by hand");
    let (a, b) = (whole(5, 2 * 3 * 4), whole(6, 2 * 4 * 2));
    let (a_slot, b_slot) = (case.input(&[2, 1, 3, 4], &a), case.input(&[2, 4, 2], &b));
    let c = case.program.matmul("c", a_slot, b_slot, Form::NN).unwrap();
    assert_eq!(case.program.shape(c).unwrap().to_vec(), [2, 2, 3, 2]);
    let got = case.run(gpu(), &[c]).remove(0).got;
    let mut want = Vec::new();
    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for (row, col) in (0..3).flat_map(|row| [(row, 0), (row, 1)]) {
            let term = |k: usize| a[i * 12 + row * 4 + k] * b[j * 8 + k * 2 + col];
            want.push((0..4).map(term).sum::<f32>());
        }
    }
    assert_eq!(got, want);
}

/// The kernels of a product of (40, 24) by (24, 33).
fn labels(gpu: &Gpu, program: &Program) -> Vec<String> {
    let rule = |_| StepEntry::rows(usize::MAX);
    let plan = Plan::new(gpu, program.clone(), None, &[], 0, rule).unwrap();
    plan.dispatches().iter().map(|dispatch| dispatch.label.clone()).collect()
}

#[test]
fn a_measured_tiling_is_taken_and_can_be_saved() {
    let mut program = Program::new("tuned", Vec::new());
    let [a, b] = [[40, 24], [24, 33]]
        .map(|shape| program.input("input", Shape::new(&shape).unwrap(), DType::F32));
    program.matmul("c", a, b, Form::NN).unwrap();
    let tuning = gpu().tune(&program).unwrap();
    assert_eq!((tuning.len(), tuning.is_empty()), (1, false));
    let text = tuning.to_string();
    assert_eq!(text.parse::<Tuning>().unwrap(), tuning);
    let (product, _) = text.split_once(": ").unwrap();
    assert_eq!(product, "nn 40 x 24 x 33 x 1");
    for tiling in [MatMul::Small, MatMul::Deep, MatMul::Strip] {
        let tuned = gpu().tuned(format!("{product}: {tiling:?}").parse().unwrap());
        let forced = gpu().choosing(Choices { matmul: Some(tiling), ..gpu().choices() });
        assert_eq!(labels(&tuned, &program), labels(&forced, &program));
        // Other products are the table's.
        assert!(
            exact(&tuned, Form::NN, [40, 24, 33]) > 0 && exact(&tuned, Form::NT, [8, 8, 8]) > 0
        );
    }
    for wrong in ["nn 40 x 24 x 33 x 1: Fast", "nn 40 x 24: Small", "qq 1 x 1 x 1 x 1: Small"] {
        let error = wrong.parse::<Tuning>().unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}
