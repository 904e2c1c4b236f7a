//! Every op over tensors, on shapes that end between workgroups, fold the grid or hold nothing.

use wgrad::embed::Gpu;
use wgrad::ir::{Slot, StepEntry};
use wgrad::random::{Key, Stream};
use wgrad::{Activation, Loss, Reduction};

use crate::support::run::{Case, Outcome, folding_gpu, gpu, normal};

const LENGTHS: [usize; 14] =
    [0, 1, 3, 4, 63, 64, 65, 255, 256, 257, 1000, 5 * 7 * 11 * 13, 65_536, 65_535 * 64 + 1];

/// Short enough for 16 workgroups of 64.
const FOLDED: [usize; 8] = [0, 1, 65, 257, 300, 511, 1000, 1024];

/// Fails unless every element is the reference's, bit by bit; gives their number.
fn equal(name: &str, outcome: &Outcome) -> usize {
    let want = outcome.want.iter().map(|&x| x as f32);
    let differ = outcome.got.iter().zip(want).position(|(a, b)| a.to_bits() != b.to_bits());
    if let Some(i) = differ {
        panic!("{name}: element {i} is {:e}, not {:e}", outcome.got[i], outcome.want[i]);
    }
    outcome.got.len()
}

fn activation(gpu: &Gpu, f: Activation, len: usize) -> usize {
    let name = format!("{f} of {len}");
    let mut case = Case::new(&name);
    let x = case.input(&[len], &normal(1, len));
    let g = case.input(&[len], &normal(2, len));
    let y = case.program.activation("y", f, x).unwrap();
    let dx = case.program.activation_backward("dx", f, (x, y), g).unwrap();
    for Outcome { got, want } in case.run(gpu, &[y, dx]) {
        // Wider than the entry's bound: this test is about which elements are computed.
        let near = got.iter().zip(&want).all(|(&a, b)| (f64::from(a) - b).abs() <= 1e-6);
        assert!(near, "{name}");
    }
    2 * len
}

fn add_row(gpu: &Gpu, rows: usize, cols: usize) -> usize {
    let name = format!("add_row [{rows}, {cols}]");
    let mut case = Case::new(&name);
    let x = case.input(&[rows, cols], &normal(1, rows * cols));
    let row = case.input(&[cols], &normal(2, cols));
    let y = case.program.activation("y", Activation::identity(), x).unwrap();
    case.program.add_row(row, y).unwrap();
    case.run(gpu, &[y])[0].close(&name, 0.5, 0.0)
}

fn sum_rows(gpu: &Gpu, rows: usize, cols: usize) -> usize {
    let name = format!("sum_rows [{rows}, {cols}]");
    let mut case = Case::new(&name);
    // Whole numbers, so that every order of summation gives the same.
    let data: Vec<f32> = normal(1, rows * cols).into_iter().map(|x| (4.0 * x).round()).collect();
    let x = case.input(&[rows, cols], &data);
    let zeros = case.input(&[cols], &vec![0.0; cols]);
    let out = case.program.activation("out", Activation::identity(), zeros).unwrap();
    case.program.sum_rows_into(x, out).unwrap();
    equal(&name, &case.run(gpu, &[out])[0])
}

fn dropout(gpu: &Gpu, len: usize, rate: f64) -> usize {
    let name = format!("dropout({rate}) of {len}");
    let mut case = Case::new(&name);
    let x = case.input(&[len], &vec![1.0; len]);
    let f = Activation::dropout().with("rate", rate).unwrap();
    let key = Key::new(5, Stream::Dropout(1));
    let y = case.program.activation_in_training("y", f, key, x).unwrap();
    let outcome = &case.run(gpu, &[y])[0];
    let kept = outcome.got.iter().filter(|&&y| y != 0.0).count() as f64;
    if len > 10_000 {
        let fraction = kept / len as f64;
        assert!((fraction - (1.0 - rate)).abs() < 0.02, "{name} kept {fraction}");
    }
    equal(&name, outcome)
}

fn gather(gpu: &Gpu, (rows, cols): (usize, usize), entry: StepEntry, shuffle: bool) -> usize {
    let name = format!("gather {entry:?} of [{rows}, {cols}], shuffle {shuffle}");
    let mut case = Case::new(&name);
    case.entry = entry;
    let total = entry.total as usize;
    let data: Vec<f32> = (0..total * cols).map(|i| i as f32).collect();
    let numbers = case.input(&[total, cols], &data);
    let classes = case.classes(&(0..total as u32).collect::<Vec<_>>());
    let key = shuffle.then(|| Key::new(9, Stream::Shuffle));
    let slots: [Slot; 2] = [
        case.program.gather("x", numbers, rows, key).unwrap(),
        case.program.gather("t", classes, rows, key).unwrap(),
    ];
    let outcomes = case.run(gpu, &slots);
    // Both agree with the host's own permutation.
    for (row, &class) in outcomes[1].got.iter().enumerate() {
        let place = entry.start + row as u32;
        let source = key.map_or(place, |key| key.permute(entry.epoch, place, entry.total));
        let want = if row < entry.rows as usize { source as f32 } else { 0.0 };
        assert_eq!(class, want, "{name}, row {row}");
    }
    outcomes.iter().map(|outcome| equal(&name, outcome)).sum()
}

fn mse(gpu: &Gpu, len: usize) -> usize {
    let mut checks = 0;
    for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
        let name = format!("mse {reduction:?} of {len}");
        let mut case = Case::new(&name);
        let y = case.input(&[len], &normal(1, len));
        let t = case.input(&[len], &normal(2, len));
        let (value, gradient) = case.program.loss(Loss::mse(), reduction, (y, t), true).unwrap();
        let outcomes = case.run(gpu, &[value, gradient.unwrap()]);
        // The terms are positive: a tree of sums adds half a unit per level.
        checks += outcomes[0].close(&name, 16.0, 0.0);
        checks += outcomes[1].close(&format!("{name}, gradient"), 3.0, 0.0);
    }
    checks
}

fn batch(total: usize, batch: usize) -> Vec<StepEntry> {
    let first = StepEntry { total: total as u32, epoch: 3, ..StepEntry::rows(batch) };
    let start = total - total % batch.max(1);
    let last = StepEntry { start: start as u32, rows: (total - start) as u32, ..first };
    vec![first, last]
}

#[test]
fn elementwise_ops_compute_every_element_and_no_other() {
    let mut checks = 0;
    for (gpu, lengths) in [(gpu(), &LENGTHS[..]), (folding_gpu(), &FOLDED)] {
        for &len in lengths {
            checks += activation(gpu, Activation::relu(), len);
            checks += activation(gpu, Activation::gelu(), len);
            checks += dropout(gpu, len, 0.3);
            checks += add_row(gpu, len, 1) + add_row(gpu, 1, len);
        }
    }
    checks += dropout(gpu(), 1000, 0.0) + dropout(gpu(), 100_000, 0.9);
    println!("{checks} values");
}

#[test]
fn sums_take_every_element_once() {
    let mut checks = 0;
    for len in LENGTHS {
        checks += mse(gpu(), len) + sum_rows(gpu(), len, 1);
    }
    for len in [0, 1, 31, 32, 33, 1000, 70_000] {
        checks += sum_rows(gpu(), 3, len) + sum_rows(gpu(), 257, len.min(1000));
        checks += add_row(gpu(), 7, len);
    }
    for len in FOLDED {
        checks += mse(folding_gpu(), 13 * len) + sum_rows(folding_gpu(), 9, len.min(500));
    }
    println!("{checks} values");
}

#[test]
fn batches_are_gathered_bit_by_bit_in_the_hosts_order() {
    let mut checks = 0;
    for shuffle in [false, true] {
        for (total, rows, cols) in
            [(1, 1, 1), (10, 4, 3), (257, 64, 5), (1797, 100, 64), (65_537, 65_000, 1)]
        {
            for entry in batch(total, rows) {
                checks += gather(gpu(), (rows, cols), entry, shuffle);
            }
        }
        for entry in batch(333, 100) {
            checks += gather(folding_gpu(), (100, 7), entry, shuffle);
        }
        // 65 537 workgroups.
        let large = StepEntry { total: 5000, ..StepEntry::rows(4097) };
        checks += gather(gpu(), (4097, 1024), large, shuffle);
    }
    println!("{checks} values");
}
