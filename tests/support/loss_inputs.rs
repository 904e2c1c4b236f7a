//! Numbers that suit each loss, among them those that have caused trouble.

use wgrad::__internal::spec::loss::Domain;
use wgrad::Loss;

use super::run::{normal, uniform};

/// Numbers of a domain.
pub fn draw(domain: Domain, seed: u64, len: usize) -> Vec<f32> {
    let normal = normal(seed, len).into_iter();
    match domain {
        Domain::Real => normal.map(|x| 3.0 * x).collect(),
        Domain::Unit => uniform(seed, len),
        Domain::Sign => normal.map(|x| if x < 0.0 { -1.0 } else { 1.0 }).collect(),
        Domain::Positive => normal.map(f32::exp).collect(),
        Domain::AboveMinusOne => normal.map(|x| x.exp() - 1.0).collect(),
    }
}

/// Overwrites the first elements by values that have caused trouble, as far as there is room.
pub fn put(data: &mut [f32], values: &[f32]) {
    data.iter_mut().zip(values).for_each(|(place, value)| *place = *value);
}

/// Rows that add up to 1.
pub fn soft_rows(seed: u64, rows: usize, cols: usize) -> Vec<f32> {
    let mut weights = uniform(seed, rows * cols);
    for row in weights.chunks_mut(cols.max(1)) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|w| *w /= sum);
    }
    weights
}

/// Lists of up to `cols` classes: none, one twice, all.
pub fn class_lists(rows: usize, cols: usize) -> Vec<u32> {
    let mut lists = vec![u32::MAX; rows * cols];
    for (row, list) in lists.chunks_mut(cols.max(1)).enumerate() {
        let listed = match row % 4 {
            0 => cols.min(2),
            1 => 0,
            2 => cols.min(40),
            _ => 1,
        };
        for (place, class) in list.iter_mut().take(listed).enumerate() {
            *class = ((row + 3 * place) % cols) as u32;
        }
        // What follows the end is not read.
        list.iter_mut().skip(listed + 1).for_each(|class| *class = 0);
    }
    lists
}

pub fn put_hard(loss: &Loss, domains: [Domain; 3], [x, t, b]: [&mut [f32]; 3]) {
    match (loss.name(), domains) {
        ("bce", _) => {
            put(x, &[0.0, 1.0, 0.0, 1.0, 0.5, 1e-6, 1e-6, 0.999999, 0.999999]);
            put(t, &[0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        }
        ("msle", _) => {
            put(x, &[-1.0, -1.0, -0.99999994, 0.5, 1e6, 1e-6, -0.5]);
            put(t, &[-1.0, 3.0, 0.0, 0.5, 1e-6, 1e6, -0.50000006]);
        }
        ("mape", _) => {
            put(x, &[1.5, 1e-8, 1.0, 1e4, -1e4]);
            put(t, &[1.5, 0.0, 1e-8, -1e4, -1.0]);
        }
        ("gaussian_nll", _) => {
            put(x, &[1.5, 0.0, 1e3, 1.0, -100.0]);
            put(t, &[1.5, 0.0, -1e3, 1.0, 100.0]);
            put(b, &[0.0, 1e-7, 1.0, 1e-6, 1e4]);
        }
        ("margin_ranking", _) => {
            put(x, &[1.5, 100.0, -100.0, 1e4, 0.0]);
            put(b, &[1.5, -100.0, 100.0, -1e4, 0.75]);
            put(t, &[1.0, 1.0, 1.0, -1.0, -1.0]);
        }
        ("poisson_nll", [Domain::Positive, ..]) => put(x, &[0.0, 1e-6, 1e4, 1.0]),
        (_, [_, Domain::Unit, _]) => {
            put(x, &[0.0, 100.0, -100.0, 1e4, -1e4, 0.0, 100.0, -100.0, 1e4, -1e4]);
            put(t, &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        }
        (_, [_, Domain::Sign, _]) => {
            put(x, &[0.0, 1.0, -1.0, 100.0, -100.0, 1e4, -1e4, 0.0, 1.0, -1.0, 2.5]);
            put(t, &[1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0]);
        }
        (_, [_, Domain::Positive, _]) => {
            put(x, &[0.0, 100.0, -100.0, 20.0, -20.0, 1.0]);
            put(t, &[0.0, 1.0, 3.0, 5e8, 1.0, 1.0000001]);
        }
        _ => {
            put(x, &[1.5, 100.0, -100.0, 1e4, -1e4, 0.0, 1e-3, -1e-4]);
            put(t, &[1.5, -100.0, -100.0, 1e4, 0.0, 1e-6, 0.0, 0.0]);
        }
    }
}

/// The same rows, some turned around, some scaled, the first one moved: so that angles of 0, pi and others occur.
pub fn near_copies(x: &[f32], cols: usize, hard: bool) -> Vec<f32> {
    let noise = normal(77, x.len());
    let pick = |i: usize| match i / cols.max(1) % 4 {
        1 if hard => x[i],
        2 => -2.0 * x[i],
        _ => x[i] + noise[i],
    };
    (0..x.len()).map(pick).collect()
}

pub fn row_predictions(
    loss: &Loss,
    inputs: usize,
    rows: usize,
    cols: usize,
    hard: bool,
) -> Vec<Vec<f32>> {
    let cols = cols.max(1);
    let mut x = draw(Domain::Real, 1, rows * cols);
    match loss.name() {
        "dice" => x = uniform(1, rows * cols),
        "categorical_cross_entropy" if hard => x = soft_rows(1, rows, cols),
        "categorical_cross_entropy" => {
            x = uniform(1, rows * cols).iter().map(|x| 0.1 + 0.8 * x).collect();
        }
        "nll" => x.iter_mut().for_each(|x| *x = -x.abs()),
        _ => {}
    }
    let mut rows = x.chunks_mut(cols);
    match loss.name() {
        _ if !hard => {}
        "categorical_cross_entropy" => {
            rows.next().into_iter().for_each(|row| {
                row.fill(0.0);
                put(row, &[1.0]);
            });
            rows.next().into_iter().for_each(|row| row.fill(1.0 / cols as f32));
        }
        "cross_entropy" => {
            rows.next().into_iter().for_each(|row| row.fill(2.5));
            rows.next().into_iter().for_each(|row| put(row, &[100.0, -100.0, 20.0, -20.0]));
            rows.next().into_iter().for_each(|row| put(row, &[-1e4, 1e4, 9999.0]));
            rows.next().into_iter().for_each(|row| row.fill(-3e38));
            rows.next().into_iter().for_each(|row| put(row, &[1e-8, 0.0, -1e-8, 30.0]));
        }
        "dice" => {
            rows.next().into_iter().for_each(|row| row.fill(0.0));
            rows.next().into_iter().for_each(|row| row.fill(1.0));
        }
        "cosine_similarity_loss"
        | "cosine_embedding"
        | "triplet_margin"
        | "triplet_margin_cosine" => {
            rows.next().into_iter().for_each(|row| row.fill(0.0));
        }
        _ => {
            rows.next().into_iter().for_each(|row| row.fill(2.5));
            rows.next().into_iter().for_each(|row| put(row, &[100.0, -100.0, 20.0, -20.0]));
        }
    }
    let mut all = vec![x.clone()];
    for input in 1..inputs {
        let mut other = near_copies(&x, cols, hard);
        if hard {
            // Rows 0 and 1 coincide with the first input.
            put(&mut other, &x[..x.len().min(2 * cols)]);
        }
        if input == 2 {
            other = draw(Domain::Real, 9, other.len());
            if hard {
                put(&mut other, &x[..x.len().min(cols)]);
            }
        }
        all.push(other);
    }
    all
}
