//! Matrix products by both kernels, exact on whole numbers and bounded on others.

mod support;

use support::run::{Case, Outcome, folding_gpu, gpu, normal};
use wgrad::gpu::{Choices, Gpu, MatMul};
use wgrad::program::Form;
use wgrad::random::{Key, Stream};

const SIDES: [u32; 17] = [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129];

/// The device with each kernel.
fn kernels(gpu: &Gpu) -> impl Iterator<Item = (MatMul, Gpu)> {
    MatMul::ALL.into_iter().map(|matmul| (matmul, gpu.choosing(Choices { matmul })))
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
    for (number, form) in (0..).zip(Form::ALL) {
        for triple in 0..300u32 {
            let side =
                |axis| SIDES[(key.words(number, 3 * triple + axis)[0] % 17) as usize] as usize;
            // Each kernel gets every other triple.
            let (_, gpu) = kernels(gpu()).nth(triple as usize % 2).unwrap();
            checks += exact(&gpu, form, [side(0), side(1), side(2)]);
        }
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
        [33, 4096, 34],
        [1, 1, 5000],
        [5000, 1, 1],
        // Beyond the longest inner side of one product.
        [3, 16_384, 5],
        [3, 16_385, 5],
        [9, 100_001, 33],
    ];
    for form in Form::ALL {
        for sides in sides {
            for (_, gpu) in kernels(gpu()) {
                checks += exact(&gpu, form, sides);
            }
        }
        for sides in [[30, 20, 100], [5, 3, 128], [5, 50_000, 65]] {
            for (_, gpu) in kernels(folding_gpu()) {
                checks += exact(&gpu, form, sides);
            }
        }
    }
    println!("{checks} values");
}

#[test]
fn products_of_random_numbers_are_within_the_bound_of_a_sum_in_any_order() {
    let (mut checks, mut worst) = (0, 0.0f64);
    // The last scales cancel against each other.
    for (scale_a, scale_b) in [(1.0, 1.0), (1e-20, 1e20)] {
        for form in Form::ALL {
            for sides in [[17, 33, 65], [64, 128, 64], [3, 4096, 5], [129, 1, 127], [2, 40_000, 3]]
            {
                let [m, k, n] = sides;
                let scaled = |seed, len, scale| -> Vec<f32> {
                    normal(seed, len).into_iter().map(|x| x * scale).collect()
                };
                let (a, b) = (scaled(1, m * k, scale_a), scaled(2, k * n, scale_b));
                let magnitude = |x: &[f32]| x.iter().map(|x| x.abs()).collect::<Vec<f32>>();
                for (matmul, gpu) in kernels(gpu()) {
                    let outcome = product(&gpu, form, sides, &a, &b);
                    let sizes = product(&gpu, form, sides, &magnitude(&a), &magnitude(&b)).want;
                    let half_ulp = 1.0 / f64::from(1 << 24);
                    for ((got, want), size) in outcome.got.iter().zip(outcome.want).zip(sizes) {
                        let share =
                            (f64::from(*got) - want).abs() / (2.0 * k as f64 * half_ulp * size);
                        assert!(share <= 1.0, "{form:?} {sides:?} by {matmul:?}: {share}");
                        worst = worst.max(share);
                        checks += 1;
                    }
                }
            }
        }
    }
    println!("{checks} values, the worst at {worst:.3} of its bound");
}
