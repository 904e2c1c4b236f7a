//! Softmax and log-softmax over rows of every kind.

use wgrad::Activation;
use wgrad::spec::activation::ActivationKind;
use wgrad::spec::row::RowKind;

use crate::support::run::{Case, folding_gpu, gpu, normal};
use crate::support::tolerance::{Tolerance, ulp};

fn rows() -> Vec<(Activation, &'static RowKind)> {
    let mut cases = Vec::new();
    for f in Activation::all() {
        let ActivationKind::Row(row) = &f.entry().kind else { continue };
        cases.push((f, row));
        if let Some(param) = f.entry().params.first() {
            cases.push((f.with(param.name, 2.5).unwrap(), row));
        }
    }
    assert!(cases.len() >= 3);
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
            _ => {}
        }
    }
    x
}

/// The worst error as a share of its bound.
fn share(name: &str, got: &[f32], want: &[f64], bound: impl Fn(usize) -> Tolerance) -> f64 {
    let mut worst = 0.0f64;
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        assert!(bound(i).accepts(got, want), "{name}: element {i} is {got:e}, not {want:e}");
        worst = worst.max((f64::from(got) - want).abs() / bound(i).limit(want));
    }
    worst
}

fn check(gpu: &wgrad::gpu::Gpu, (rows, cols): (usize, usize)) -> usize {
    let mut checks = 0;
    for (f, kind) in self::rows() {
        let name = format!("{f} [{rows}, {cols}]");
        let x = logits(rows, cols);
        let scale = f.get("temperature").unwrap_or(1.0);
        let mut case = Case::new(&name);
        let slot = case.input(&[rows, cols], &x);
        let y = case.program.activation("y", f, slot).unwrap();
        let forward = case.run(gpu, &[y]).remove(0);
        // How far below its row's largest logit each lies: the exponent.
        let tops: Vec<f32> =
            x.chunks(cols.max(1)).map(|row| row.iter().copied().fold(f32::MIN, f32::max)).collect();
        let below = |i: usize| ((f64::from(tops[i / cols]) - f64::from(x[i])) / scale).min(200.0);
        let roundings = if scale == 1.0 { 1.0 } else { 2.0 };
        // log_softmax is a difference of the exponent and a logarithm of about log(cols).
        let log = f.name() == "log_softmax";
        let size = ulp((cols as f64).ln()) * kind.forward.ulps;
        let worst = share(&name, &forward.got, &forward.want, |i| {
            let floor = if log { size } else { 0.0 };
            Tolerance::ulps(kind.forward.ulps + roundings * below(i)).floor(floor).flush_scale(2.0)
        });

        let g = normal(4, rows * cols);
        let saved: Vec<f32> = forward.want.iter().map(|&y| y as f32).collect();
        let mut case = Case::new(&name);
        let slot = case.input(&[rows, cols], &saved);
        let upstream = case.input(&[rows, cols], &g);
        let out = case.program.activation_backward("dx", f, (slot, slot), upstream).unwrap();
        let backward = case.run(gpu, &[out]).remove(0);
        // The result is a difference; its error counts against its terms, among them a sum over the row.
        let part = |i: usize| f64::from(if log { g[i] } else { saved[i] * g[i] }).abs();
        let totals: Vec<f64> =
            (0..rows).map(|row| (row * cols..(row + 1) * cols).map(part).sum()).collect();
        let terms = |i: usize| {
            let (y, g, total) = (f64::from(saved[i]), f64::from(g[i]).abs(), totals[i / cols]);
            if log { g + y.exp() * total } else { y * (g + total) / scale }
        };
        let worst_back = share(&name, &backward.got, &backward.want, |i| {
            Tolerance::ulps(0.0).floor(kind.backward.ulps * ulp(terms(i))).flush_scale(4.0)
        });
        checks += forward.got.len() + backward.got.len();
        println!("{name}: {worst:.2} and {worst_back:.2} of the bound");
    }
    checks
}

#[test]
fn row_wise_activations_are_within_their_bounds_for_rows_of_every_kind() {
    let shapes = [(1, 1), (1, 9), (7, 1), (0, 5), (5, 7), (257, 65), (3, 100_003), (1000, 3)];
    let checks: usize = shapes.into_iter().map(|shape| check(gpu(), shape)).sum();
    let folded: usize =
        [(1, 5), (13, 70)].into_iter().map(|shape| check(folding_gpu(), shape)).sum();
    println!("{} values", checks + folded);
}
