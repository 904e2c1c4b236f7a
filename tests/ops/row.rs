//! Row-wise activations over rows of every kind, along every axis.

use wgrad::__internal::spec::activation::{ActivationKind, RowKind};
use wgrad::{Activation, Shape};

use crate::support::run::{Case, count, folding_gpu, gpu, normal};
use crate::support::tolerance::{Tolerance, ulp};

fn rows() -> Vec<(Activation, &'static RowKind)> {
    let mut cases = Vec::new();
    for f in Activation::all() {
        let ActivationKind::Row(row) = &f.entry().kind else { continue };
        if f.is_random() {
            continue;
        }
        cases.push((f, row));
        cases.extend(f.with("temperature", 2.5).map(|f| (f, row)));
    }
    assert!(cases.len() >= 8);
    cases
}

/// Logits of every kind: random, equal, huge, far below zero, saturated.
fn logits(rows: usize, cols: usize) -> Vec<f32> {
    let mut x = normal(3, rows * cols);
    for (row, x) in x.chunks_mut(cols.max(1)).enumerate() {
        match row % 7 {
            1 => x.fill(2.5),
            2 => x.fill(-3e38),
            3 => x.iter_mut().step_by(2).for_each(|x| *x = 1e4),
            4 => x.iter_mut().step_by(3).for_each(|x| *x = -1e4),
            5 => x.iter_mut().for_each(|x| *x *= 20.0),
            6 => x.iter_mut().zip(0..).for_each(|(x, col)| *x = 0.01 * col as f32),
            _ => {}
        }
    }
    x
}

/// The worst error as a ratio of its bound.
fn ratio(name: &str, got: &[f32], want: &[f64], bound: impl Fn(usize) -> Tolerance) -> f64 {
    let mut worst = 0.0f64;
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        assert!(bound(i).accepts(got, want), "{name}: element {i} is {got:e}, not {want:e}");
        worst = worst.max((f64::from(got) - want).abs() / bound(i).limit(want));
    }
    worst
}

fn check(gpu: &wgrad::embed::Gpu, (rows, cols): (usize, usize)) -> usize {
    let mut checks = 0;
    for (f, kind) in self::rows() {
        let name = format!("{f} [{rows}, {cols}]");
        let x = logits(rows, cols);
        let scale = f.get("temperature").unwrap_or(1.0);
        let mut case = Case::new(&name);
        let slot = case.input(&[rows, cols], &x);
        let y = case.program.activation("y", f, slot).unwrap();
        let forward = case.run(gpu, &[y]).remove(0);
        // How far below its row's largest score each lies: the exponent.
        let sign = if f.name() == "softmin" { -1.0 } else { 1.0 };
        let least = if f.name() == "quiet_softmax" { 0.0 } else { f32::MIN };
        let scores: Vec<f32> = x.iter().map(|x| sign * x).collect();
        let tops: Vec<f32> = scores
            .chunks(cols.max(1))
            .map(|row| row.iter().copied().fold(least, f32::max))
            .collect();
        let below =
            |i: usize| ((f64::from(tops[i / cols]) - f64::from(scores[i])) / scale).min(200.0);
        // log_softmax is a difference of the exponent and a logarithm of about log(cols).
        let log = f.name() == "log_softmax";
        let size =
            if log { ulp((cols as f64).ln()) * kind.forward.ulps } else { kind.forward.floor };
        let worst = ratio(&name, &forward.got, &forward.want, |i| {
            Tolerance::ulps(kind.forward.at(f.values(), below(i))).floor(size).flush_scale(2.0)
        });

        let g = normal(4, rows * cols);
        let saved: Vec<f32> = forward.want.iter().map(|&y| y as f32).collect();
        let mut case = Case::new(&name);
        let slot = case.input(&[rows, cols], &saved);
        let upstream = case.input(&[rows, cols], &g);
        let out = case.program.activation_backward("dx", f, (slot, slot), upstream).unwrap();
        let backward = case.run(gpu, &[out]).remove(0);
        // The result is a difference; its error counts against its terms, among them a sum over the row.
        let part = |i: usize| match f.name() {
            "log_softmax" => f64::from(g[i]).abs(),
            // The mean over those that are not 0.
            "sparsemax" => f64::from(g[i]).abs() * f64::from(saved[i] > 0.0),
            _ => f64::from(saved[i] * g[i]).abs(),
        };
        let totals: Vec<f64> =
            (0..rows).map(|row| (row * cols..(row + 1) * cols).map(part).sum()).collect();
        let terms = |i: usize| {
            let (y, g, total) = (f64::from(saved[i]), f64::from(g[i]).abs(), totals[i / cols]);
            match f.name() {
                "log_softmax" => g + y.exp() * total,
                "sparsemax" => g + total,
                _ => y * (g + total) / scale,
            }
        };
        let worst_back = ratio(&name, &backward.got, &backward.want, |i| {
            Tolerance::ulps(0.0).floor(kind.backward.ulps * ulp(terms(i))).flush_scale(4.0)
        });
        checks += forward.got.len() + backward.got.len();
        println!("{name}: {worst:.2} and {worst_back:.2} of the bound");
    }
    checks
}

#[test]
fn row_wise_activations_are_within_their_bounds_for_rows_of_every_kind() {
    let shapes = [
        (1, 1),
        (1, 9),
        (7, 1),
        (0, 5),
        (5, 0),
        (5, 7),
        (257, 65),
        (9, 257),
        (3, 100_003),
        (1000, 3),
        (0, 4),
        (9, 4),
        (65, 36),
        (257, 256),
        (3, 20_000),
    ];
    let checks: usize = shapes.into_iter().map(|shape| check(gpu(), shape)).sum();
    let folded: usize = [(1, 5), (13, 70), (700, 3), (13, 72)]
        .into_iter()
        .map(|shape| check(folding_gpu(), shape))
        .sum();
    println!("{} values", checks + folded);
}

#[test]
fn rows_of_a_million_elements_and_more_are_within_their_bounds() {
    let lengths = &[1_000_000, 2_100_000][..count(1, 2)];
    let checks: usize = lengths.iter().map(|&cols| check(gpu(), (1, cols))).sum();
    println!("{checks} values");
}

/// Every activation along an axis, all axes of some tensors: both engines, and the same rows laid out one after the other.
#[test]
fn activations_work_along_any_axis() {
    let mut checks = 0;
    let along = Activation::all().filter(|f| f.dim().is_some());
    for f in along {
        for shape in
            [&[4, 6, 8][..], &[2, 34, 2, 2], &[2, 300, 6], &[1, 2, 70, 4], &[12], &[600, 2]]
        {
            let rank = shape.len() as isize;
            for dim in -rank..rank {
                let [_, len, _] = Shape::new(shape).unwrap().split(dim).unwrap();
                if f.output_len(len).is_err() {
                    continue;
                }
                checks += check_axis(f.with("dim", dim as f64).unwrap(), shape, dim);
            }
        }
    }
    assert!(checks > 500_000, "{checks}");
    println!("{checks} values");
}

fn check_axis(f: Activation, shape: &[usize], dim: isize) -> usize {
    let name = format!("{f} {shape:?}");
    let x = normal(5, shape.iter().product());
    let mut case = Case::new(&name);
    let slot = case.input(shape, &x);
    let y = case.program.activation("y", f, slot).unwrap();
    let out = case.program.shape(y).unwrap();
    let g = normal(6, out.len());
    let upstream = case.input(&out.to_vec(), &g);
    let dx = case.program.activation_backward("dx", f, (slot, y), upstream).unwrap();
    let before = Shape::new(shape).unwrap().split(dim).unwrap();
    let after = out.split(dim).unwrap();
    let outcomes = case.run(gpu(), &[y, dx]);
    for outcome in &outcomes {
        ratio(&name, &outcome.got, &outcome.want, |_| Tolerance::ulps(8.0).floor(4e-6));
    }
    // The same by hand: the rows one after the other.
    let f = f.with("dim", -1.0).unwrap();
    let (rows, numbers) = (gathered(&x, before), |x: Vec<f32>| -> Vec<f64> {
        x.into_iter().map(f64::from).collect()
    });
    let (x, mut wanted) = (numbers(rows), vec![0.0; out.len()]);
    f.eval_mode().forward(before[1], &x, &mut wanted);
    let want: Vec<f64> = gathered(&outcomes[0].want, after);
    assert!(wanted.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12), "{name}");
    outcomes.iter().map(|outcome| outcome.got.len()).sum()
}

/// The rows of an axis, each in one piece.
fn gathered<T: Copy>(x: &[T], [outer, len, inner]: [usize; 3]) -> Vec<T> {
    let rows = (0..outer).flat_map(|o| (0..inner).map(move |i| o * len * inner + i));
    rows.flat_map(|start| (0..len).map(move |col| x[start + col * inner])).collect()
}
