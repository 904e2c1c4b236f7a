//! Arithmetic with broadcasting, moves, reductions and indices, against the reference.

use wgrad::embed::{Choices, Class, Gpu};
use wgrad::ir::{Plan, Slot};
use wgrad::{Arithmetic, Loss, Program, Reduce, Reduction, Shape};

use crate::support::run::{Case, Outcome, folding_gpu, gpu, gpus, normal, open};

fn data(seed: u64, extents: &[usize]) -> Vec<f32> {
    normal(seed, extents.iter().product())
}

/// What a sum of this many terms near 1 may be off.
fn sum_bound(terms: f64) -> f64 {
    (terms.max(1.0).log2() + 4.0) * 2f64.powi(-24) * terms
}

fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents).unwrap()
}

/// Pairs of shapes that repeat to a common one.
const PAIRS: [(&[usize], &[usize]); 16] = [
    (&[], &[]),
    (&[1], &[]),
    (&[7], &[7]),
    (&[1031], &[1]),
    (&[5, 7], &[7]),
    (&[5, 7], &[5, 1]),
    (&[5, 1], &[1, 7]),
    (&[1], &[13, 17]),
    (&[3, 1, 5], &[2, 1]),
    (&[2, 3, 5, 7], &[3, 1, 7]),
    (&[2, 1, 3, 1, 2, 1], &[1, 5, 1, 2, 1, 3]),
    (&[0], &[1]),
    (&[3, 0], &[1, 1]),
    (&[0, 5], &[5]),
    (&[257, 64], &[257, 64]),
    (&[64, 3], &[64, 1]),
];

fn arithmetic(gpu: &Gpu, f: Arithmetic, (a, b): (&[usize], &[usize])) -> usize {
    let name = format!("{} of {a:?} and {b:?}", f.name());
    let mut case = Case::new(&name);
    let left = case.input(a, &data(1, a));
    // Divisors stay away from 0.
    let right: Vec<f32> =
        data(2, b).iter().map(|x| if f == Arithmetic::Div { x.signum() + x } else { *x }).collect();
    let right = case.input(b, &right);
    let y = case.program.arithmetic("y", f, left, right).unwrap();
    let out = case.program.shape(y).unwrap().to_vec();
    let data = data(3, &out);
    let grad_out = case.input(&out, &data);
    let grads = case.program.arithmetic_backward("dx", f, (left, right), grad_out).unwrap();
    // A gradient that is passed on unchanged is no slot of its own.
    let [by_a, by_b] = grads.map(|grad| case.program.copy("own", grad).unwrap());
    let outcomes = case.run(gpu, &[y, by_a, by_b]);
    let exact = if f == Arithmetic::Div { 3.0 } else { 0.5 };
    let gradient = |outcome: &Outcome, by: &str| {
        // A sum of terms of both signs may cancel.
        let terms = (data.len() / outcome.got.len().max(1)) as f64;
        outcome.close(&format!("{name}, by {by}"), 8.0, 4.0 * sum_bound(terms))
    };
    outcomes[0].close(&name, exact, 0.0) + gradient(&outcomes[1], "a") + gradient(&outcomes[2], "b")
}

#[test]
fn arithmetic_repeats_its_operands_and_sums_their_gradients() {
    let mut checks = 0;
    for f in Arithmetic::ALL {
        for pair in PAIRS {
            checks += arithmetic(gpu(), f, pair) + arithmetic(gpu(), f, (pair.1, pair.0));
        }
        checks += arithmetic(folding_gpu(), f, (&[3, 5, 17], &[5, 1]));
    }
    // 65 537 workgroups.
    checks += arithmetic(gpu(), Arithmetic::Add, (&[4097, 1024], &[1024]));
    assert!(checks > 100_000, "only {checks} values");
    println!("{checks} values");
}

/// Every move of one tensor, and its backward.
fn moves(gpu: &Gpu, extents: &[usize]) -> usize {
    let mut case = Case::new(&format!("moves of {extents:?}"));
    let x = case.input(extents, &data(4, extents));
    let rank = extents.len();
    let reversed: Vec<usize> = (0..rank).rev().collect();
    let rotated: Vec<usize> = (0..rank).map(|axis| (axis + 1) % rank).collect();
    let p: &mut Program = &mut case.program;
    let mut outputs = vec![
        p.copy("copy", x).unwrap(),
        p.scale("scale", x, -0.25).unwrap(),
        p.permute("reversed", x, &reversed).unwrap(),
        p.permute("rotated", x, &rotated).unwrap(),
    ];
    for dim in 0..rank as isize {
        let long = extents[dim as usize];
        let range = long / 3..long - long / 4;
        let part = p.slice("part", x, dim, range.clone()).unwrap();
        let back = p.slice_backward("back", shape(extents), dim, range, part).unwrap();
        let both = p.concatenate("both", &[x, part, x], dim).unwrap();
        let three = p.repeat("three", x, dim, 3).unwrap();
        outputs.extend([part, back, both, three]);
    }
    if rank > 1 {
        outputs.push(p.transpose("transposed", x).unwrap());
    }
    let mut wide = vec![2];
    wide.extend(extents);
    if rank < 6 {
        outputs.push(p.broadcast_to("wide", x, shape(&wide)).unwrap());
    }
    let name = case.program.name().to_string();
    case.run(gpu, &outputs).iter().map(|outcome| outcome.close(&name, 0.0, 0.0)).sum()
}

#[test]
fn moved_elements_keep_every_bit() {
    let shapes: [&[usize]; 9] = [
        &[1],
        &[7],
        &[5, 7],
        &[11, 1, 13],
        &[2, 3, 4, 5],
        &[2, 3, 1, 2, 3, 2],
        &[0, 4],
        &[3, 0, 2],
        &[257, 129],
    ];
    let mut checks = 0;
    for extents in shapes {
        checks += moves(gpu(), extents);
    }
    checks += moves(folding_gpu(), &[9, 11]) + moves(gpu(), &[2053, 2049]);
    println!("{checks} values");

    let mut case = Case::new("bits");
    let odd = [f32::NAN, f32::INFINITY, -0.0, 1e-42, f32::MIN_POSITIVE, -1e-45, f32::MAX];
    let x = case.input(&[7], &odd);
    let y = case.program.copy("y", x).unwrap();
    let got = &case.run(gpu(), &[y])[0].got;
    assert!(got.iter().zip(odd).all(|(a, b)| a.to_bits() == b.to_bits()), "{got:?}");
}

#[test]
fn repetitions_are_summed_backward() {
    for (extents, dim, times) in [(&[6][..], 0, 2), (&[2, 6, 3], 1, 3), (&[2, 6, 3], -3, 1)] {
        let mut case = Case::new("repeat backward");
        let x = case.input(extents, &data(5, extents));
        let y = case.program.repeat_backward("dx", x, dim, times).unwrap();
        let y = case.program.copy("own", y).unwrap();
        case.run(gpu(), &[y])[0].close("repeat backward", 2.0, 1e-7);
    }
}

const REDUCED: [(&[usize], &[isize]); 18] = [
    (&[], &[]),
    (&[1], &[]),
    (&[1009], &[0]),
    (&[7, 11], &[]),
    (&[7, 11], &[0]),
    (&[7, 11], &[-1]),
    (&[3, 5, 7], &[1]),
    (&[3, 5, 7], &[0, 2]),
    (&[3, 5, 7], &[2, 1]),
    (&[2, 3, 2, 5, 2, 3], &[0, 2, 3, 5]),
    (&[300, 40], &[0]),
    (&[2000, 33], &[0]),
    (&[5, 20_000], &[1]),
    (&[3, 70_000], &[]),
    (&[37, 101], &[1]),
    (&[3, 61, 7], &[1]),
    (&[300, 1025], &[1]),
    (&[0, 3], &[1]),
];

fn reduce(gpu: &Gpu, f: Reduce, extents: &[usize], dims: &[isize]) -> usize {
    let name = format!("{} of {extents:?} along {dims:?}", f.name());
    let mut case = Case::new(&name);
    // Some equals, so that there are several largest.
    let data: Vec<f32> =
        data(6, extents).iter().map(|x| (x * 64.0).round() / 64.0 + 0.001).collect();
    let x = case.input(extents, &data);
    let Ok(y) = case.program.reduce("y", f, x, dims) else {
        let side_by_side = !matches!(dims, [0, 2] | [0, 2, 3, 5]);
        assert!(!side_by_side && f.over_parts().is_none() && f != Reduce::Mean, "{name}");
        return 0;
    };
    let mut outputs = vec![y];
    let out = case.program.shape(y).unwrap().to_vec();
    let grad_out = case.input(&out, &normal(7, out.iter().product()));
    let gradient = case.program.reduce_backward("dx", f, (x, y), grad_out, dims);
    outputs.extend(gradient.ok());
    let outcomes = case.run(gpu, &outputs);
    let terms = (data.len() / outcomes[0].want.len().max(1)) as f64;
    // A sum of terms of both signs may cancel.
    let floor = match f {
        Reduce::Sum => sum_bound(terms),
        Reduce::Mean => sum_bound(terms) / terms.max(1.0),
        _ => 0.0,
    };
    let backward = outcomes
        .get(1)
        .map_or(0, |outcome| outcome.close(&format!("{name}, backward"), 24.0, 1e-7));
    outcomes[0].close(&name, 8.0, floor.max(1e-30)) + backward
}

#[test]
fn reductions_take_every_element_along_any_axes() {
    let mut checks = 0;
    for f in Reduce::ALL {
        for (extents, dims) in REDUCED {
            checks += gpus().map(|gpu| reduce(gpu, f, extents, dims)).iter().sum::<usize>();
        }
        checks += reduce(folding_gpu(), f, &[23, 41], &[1]);
        checks += reduce(folding_gpu(), f, &[41, 23], &[0]);
    }
    println!("{checks} values");
}

#[test]
fn lanes_meet_as_a_subgroup_where_the_device_has_them() {
    for gpu in gpus() {
        let mut case = Case::new("rows");
        let x = case.input(&[300, 1101], &data(13, &[300, 1101]));
        let loss = case.program.loss(Loss::mse(), Reduction::Mean, (x, x), false).unwrap();
        let sum = case.program.reduce("y", Reduce::Sum, x, &[1]).unwrap();
        let largest = case.program.reduce("z", Reduce::Amax, x, &[1]).unwrap();
        let (program, entry) = (case.program.clone(), case.entry);
        let text = Plan::new(gpu, program, None, &[], 0, move |_| entry).unwrap().explain();
        let Choices { subgroups, class, .. } = gpu.choices();
        let several = subgroups && class != Class::Cpu;
        for kernel in ["loss.mse", "tensor.sum", "reduce.sum.forward", "reduce.amax.forward"] {
            assert!(text.contains(kernel), "{text}");
            assert_eq!(text.contains(&format!("{kernel}.subgroup")), subgroups, "{text}");
            assert_eq!(text.contains(&format!("{kernel}.subgroups")), several, "{text}");
        }
        let outcomes = case.run(gpu, &[loss.0, sum, largest]);
        assert!(outcomes.iter().all(|outcome| outcome.close("rows", 8.0, sum_bound(1101.0)) > 0));
    }
}

#[test]
fn nothing_reduces_to_what_the_entry_says() {
    for (f, gpu) in Reduce::ALL.into_iter().flat_map(|f| gpus().map(|gpu| (f, gpu))) {
        let mut case = Case::new(f.name());
        let x = case.input(&[3, 0], &[]);
        let reduced = case.program.reduce("y", f, x, &[1]);
        assert_eq!(reduced.is_ok(), f.takes_nothing(), "{}", f.name());
        match reduced {
            Ok(y) => {
                let want = if f == Reduce::Logsumexp { f32::NEG_INFINITY } else { 0.0 };
                assert_eq!(case.run(gpu, &[y])[0].got, [want; 3], "{}", f.name());
            }
            Err(error) => assert!(error.to_string().contains("[3, 0]"), "{error}"),
        }
    }
}

#[test]
fn extreme_numbers_and_nan_reduce_as_the_reference_does() {
    let rows = [
        [1e30f32, -1e30, 3e30, 2.0],
        [1e-30, 2e-30, -3e-30, 0.0],
        [f32::NAN, 1.0, f32::INFINITY, 0.0],
        [f32::INFINITY, 1.0, 2.0, 3.0],
        [f32::NEG_INFINITY; 4],
        [-0.0, 0.0, -0.0, 0.0],
        [88.0, 89.0, 1e4, -1e4],
        [f32::MAX, 1.0, f32::MIN, 0.5],
    ];
    let mut checks = 0;
    // A row by one lane, and by several.
    let ways = [1, 10].into_iter().flat_map(|times| gpus().map(|gpu| (times, gpu)));
    let others = Reduce::ALL.into_iter().filter(|f| !matches!(f, Reduce::Sum | Reduce::Mean));
    for (f, (times, gpu)) in others.flat_map(|f| ways.clone().map(move |way| (f, way))) {
        let mut case = Case::new(f.name());
        let data: Vec<f32> = rows.iter().flat_map(|row| row.repeat(times)).collect();
        let x = case.input(&[rows.len(), 4 * times], &data);
        let y = case.program.reduce("y", f, x, &[1]).unwrap();
        let Outcome { got, want } = &case.run(gpu, &[y])[0];
        for (row, (got, want)) in rows.iter().zip(got.iter().zip(want)) {
            let want = *want as f32;
            let near = (got - want).abs() <= want.abs() * 1e-6;
            let same = *got == want || near || (got.is_nan() && want.is_nan());
            assert!(same, "{} of {row:?} is {got}, not {want}", f.name());
            checks += 1;
        }
    }
    println!("{checks} values");
}

#[test]
fn a_sum_of_sixteen_million_numbers_stays_within_its_bound() {
    let len = 1 << 24;
    let mixed = normal(8, len);
    let equal = vec![0.1f32; len];
    for (name, data) in [("mixed", &mixed), ("equal", &equal)] {
        let absolute: f64 = data.iter().map(|x| f64::from(x.abs())).sum();
        let exact: f64 = data.iter().map(|x| f64::from(*x)).sum();
        for (extents, dims) in
            [(&[len][..], &[][..]), (&[len / 64, 64], &[]), (&[4096, 4096], &[0, 1])]
        {
            let array = ndarray::ArrayD::from_shape_vec(extents, data.clone()).unwrap();
            for gpu in gpus() {
                let device = wgrad::Device::from(gpu.clone());
                let x = device.tensor(&array).unwrap();
                let read = || device.reduce(Reduce::Sum, &x, dims).unwrap().read().unwrap().sum();
                let sum = read();
                let error = (f64::from(sum) - exact).abs();
                let bound = (24.0 + 4.0) * 2f64.powi(-24) * absolute;
                assert!(error <= bound, "{name} {extents:?}: {error:e} over {bound:e}");
                assert_eq!(sum.to_bits(), read().to_bits(), "{name}: another run, other bits");
                println!("{name} {extents:?}: {:.3} of the bound", error / bound);
            }
        }
    }
}

/// The places of rows: each several times, some never.
fn places(count: usize, rows: usize) -> Vec<u32> {
    normal(9, count).iter().map(|x| ((x.abs() * 1e4) as u32) % rows.max(1) as u32).collect()
}

fn rows_by_index(gpu: &Gpu, rows: usize, cols: usize, count: usize) -> usize {
    let name = format!("{count} rows of [{rows}, {cols}]");
    let mut case = Case::new(&name);
    let table = case.input(&[rows, cols], &data(10, &[rows, cols]));
    let mut index = places(count, rows);
    // One beyond the table is 0 and adds nothing.
    index.iter_mut().take(1).for_each(|index| *index = rows as u32);
    let index = case.indices(&[count], &index);
    let y = case.program.gather_rows("y", table, index).unwrap();
    let grad_out = case.input(&[count, cols], &data(11, &[count, cols]));
    let grad =
        case.program.gather_rows_backward("dx", shape(&[rows, cols]), index, grad_out).unwrap();
    let outcomes = case.run(gpu, &[y, grad]);
    let floor = sum_bound(count as f64 / rows as f64);
    outcomes[0].close(&name, 0.0, 0.0) + outcomes[1].close(&format!("{name}, backward"), 8.0, floor)
}

#[test]
fn rows_are_gathered_and_added_by_their_indices() {
    let mut checks = 0;
    for (rows, cols, count) in
        [(1, 1, 1), (7, 5, 23), (10, 64, 100), (3, 65, 1000), (257, 129, 40), (5, 3, 0), (4, 0, 3)]
    {
        checks += rows_by_index(gpu(), rows, cols, count);
    }
    // More than are added at once, and more workgroups than one dimension holds.
    checks += rows_by_index(gpu(), 11, 2, 40_000) + rows_by_index(gpu(), 50, 300, 14_000);
    checks += rows_by_index(folding_gpu(), 5, 7, 13);
    println!("{checks} values");
}

#[test]
fn only_whole_numbers_become_indices() {
    let mut case = Case::new("to_index");
    let numbers = [0.0, -0.0, 1.0, 16_777_215.0, 16_777_216.0, 0.5, -1.0, 1e-42, 3e38];
    let others = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let x = case.input(&[12], &[&numbers[..], &others].concat());
    let y = case.program.to_index("y", x).unwrap();
    let Outcome { got, want } = &case.run(gpu(), &[y])[0];
    let none = u32::MAX as f32;
    let expected = [&[0.0, 0.0, 1.0, 16_777_215.0][..], &[none; 8]].concat();
    assert_eq!(*got, expected);
    assert!(got.iter().zip(want).all(|(got, want)| f64::from(*got) == *want as f32 as f64));
}

#[test]
fn a_reshaped_slot_is_the_same_memory_under_another_shape() {
    let mut case = Case::new("reshape");
    let x = case.input(&[2, 6], &data(12, &[2, 6]));
    let seen = case.program.reshape("seen", x, shape(&[3, 4])).unwrap();
    let again = case.program.reshape("again", seen, shape(&[12])).unwrap();
    let y: [Slot; 2] = [
        case.program.reduce("y", Reduce::Sum, seen, &[1]).unwrap(),
        case.program.slice("z", again, 0, 5..9).unwrap(),
    ];
    for outcome in case.run(gpu(), &y) {
        outcome.close("reshape", 4.0, 1e-6);
    }
}

#[test]
fn small_limits_fold_every_reduction() {
    let limits =
        wgpu::Limits { max_compute_workgroups_per_dimension: 2, ..wgpu::Limits::default() };
    let gpu = open(limits);
    assert!(reduce(&gpu, Reduce::Amax, &[3, 64], &[1]) > 0);
}
