//! Losses: values and gradients for every reduction, saturated, degenerate and in short batches.

use wgrad::program::StepEntry;
use wgrad::{Loss, Reduction};

use crate::support::run::{Case, count, folding_gpu, gpu, normal, uniform};
use crate::support::tolerance::Tolerance;

const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];
const HALF_ULP: f64 = 1.0 / (1u64 << 24) as f64;

#[derive(Clone)]
enum Target {
    Values(Vec<f32>),
    Classes(Vec<u32>),
}

/// A loss with predictions and targets of some shape.
struct Trial {
    loss: Loss,
    rows: usize,
    cols: usize,
    x: Vec<f32>,
    target: Target,
}

/// Overwrites the first elements by values that have caused trouble, as far as there is room.
fn put(data: &mut [f32], values: &[f32]) {
    data.iter_mut().zip(values).for_each(|(place, value)| *place = *value);
}

fn soft_rows(seed: u64, rows: usize, cols: usize) -> Vec<f32> {
    let mut weights = uniform(seed, rows * cols);
    for row in weights.chunks_mut(cols.max(1)) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|w| *w /= sum);
    }
    weights
}

fn scaled(seed: u64, len: usize, scale: f32) -> Vec<f32> {
    normal(seed, len).into_iter().map(|x| x * scale).collect()
}

/// The inputs that suit the loss; row-wise ones get a trial for each kind of target.
fn trials(loss: Loss, rows: usize, cols: usize) -> Vec<Trial> {
    let len = rows * cols;
    let trial = |x, target| Trial { loss, rows, cols, x, target };
    let classes: Vec<u32> = (0..rows).map(|row| (row * 7 % cols.max(1)) as u32).collect();
    let both = |x: Vec<f32>| {
        let soft = Target::Values(soft_rows(5, rows, cols));
        vec![trial(x.clone(), soft), trial(x, Target::Classes(classes.clone()))]
    };
    match loss.name() {
        "bce" => {
            let mut p = uniform(1, len);
            put(&mut p, &[0.0, 1.0, 0.0, 1.0, 0.5, 1e-6, 1e-6, 0.999999, 0.999999]);
            let mut t = uniform(2, len);
            put(&mut t, &[0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
            vec![trial(p, Target::Values(t))]
        }
        "bce_with_logits" => {
            let mut x = scaled(1, len, 5.0);
            put(&mut x, &[0.0, 100.0, -100.0, 1e4, -1e4, 0.0, 100.0, -100.0, 1e4, -1e4]);
            let mut t = uniform(2, len);
            put(&mut t, &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
            vec![trial(x, Target::Values(t))]
        }
        "categorical_cross_entropy" => {
            let mut p = soft_rows(1, rows, cols);
            let mut rows = p.chunks_mut(cols.max(1));
            rows.next().into_iter().for_each(|row| {
                row.fill(0.0);
                put(row, &[1.0]);
            });
            rows.next().into_iter().for_each(|row| row.fill(1.0 / cols as f32));
            both(p)
        }
        "cross_entropy" => {
            let mut x = scaled(1, len, 3.0);
            let mut rows = x.chunks_mut(cols.max(1));
            rows.next().into_iter().for_each(|row| row.fill(2.5));
            rows.next().into_iter().for_each(|row| put(row, &[100.0, -100.0, 20.0, -20.0]));
            rows.next().into_iter().for_each(|row| put(row, &[-1e4, 1e4, 9999.0]));
            rows.next().into_iter().for_each(|row| row.fill(-3e38));
            both(x)
        }
        _ => {
            let mut x = scaled(1, len, 3.0);
            put(&mut x, &[1.5, 100.0, -100.0, 1e4, -1e4, 0.0]);
            let mut t = scaled(2, len, 3.0);
            put(&mut t, &[1.5, -100.0, -100.0, 1e4, 0.0, 1e-6]);
            vec![trial(x, Target::Values(t))]
        }
    }
}

/// Every loss with its default parameters and others.
fn losses() -> Vec<Loss> {
    let others = [
        "bce_with_logits(pos_weight=2.5)",
        "categorical_cross_entropy(clip=0.0078125)",
        "cross_entropy(label_smoothing=0.125)",
    ];
    let losses: Vec<Loss> =
        Loss::all().chain(others.into_iter().map(|name| name.parse().unwrap())).collect();
    assert!(losses.len() >= 9);
    losses
}

impl Trial {
    fn program(&self, reduction: Reduction, entry: StepEntry) -> (Case, [wgrad::program::Slot; 2]) {
        let mut case = Case::new(&format!("{} {reduction:?}", self.loss));
        case.entry = entry;
        let x = case.input(&[self.rows, self.cols], &self.x);
        let target = match &self.target {
            Target::Values(values) => case.input(&[self.rows, self.cols], values),
            Target::Classes(classes) => case.classes(classes),
        };
        let (value, gradient) = case.program.loss(self.loss, reduction, (x, target), true).unwrap();
        (case, [value, gradient.unwrap()])
    }

    /// How far a term may be from the reference: its own rounding, and in a row-wise loss that of a logarithm of a
    /// sum, which is about 1 whatever the term.
    fn term_bound(&self, term: f64) -> f64 {
        if !self.loss.is_row_wise() {
            return 16.0 * HALF_ULP * term.abs();
        }
        ((self.cols.max(1) as f64).log2() + 8.0) * HALF_ULP * (term.abs() + 1.0)
    }

    /// The magnitude of the exponent that the gradient's rounding error grows with.
    fn exponent(&self, index: usize) -> f64 {
        let x = f64::from(self.x[index]);
        match self.loss.name() {
            "bce_with_logits" => x.abs(),
            "cross_entropy" => {
                let from = index / self.cols * self.cols;
                let row = &self.x[from..from + self.cols];
                f64::from(row.iter().copied().fold(f32::MIN, f32::max)) - x
            }
            _ => 0.0,
        }
    }

    fn check(&self, gpu: &wgrad::gpu::Gpu, active: usize) -> usize {
        let entry = StepEntry::rows(active);
        let active = active.min(self.rows);
        let mut checks = 0;
        let (case, [value, _]) = self.program(Reduction::None, entry);
        let terms = case.run_cpu(&mut Default::default()).read(value).unwrap().to_vec();
        let per_row = if self.loss.is_row_wise() { 1 } else { self.cols };
        let terms = &terms[..active * per_row];
        let sum: f64 = terms.iter().map(|term| term.abs()).sum();
        let tree = ((terms.len().max(1) as f64).log2() + 4.0) * HALF_ULP * sum;
        let total_bound = tree + terms.iter().map(|&term| self.term_bound(term)).sum::<f64>();
        for reduction in REDUCTIONS {
            let name = format!("{} {reduction:?} [{}, {}]", self.loss, self.rows, self.cols);
            let (case, slots) = self.program(reduction, entry);
            let [value, gradient] = &case.run(gpu, &slots)[..] else { panic!("two outputs") };
            let n = terms.len().max(1) as f64;
            for (i, (&got, &want)) in value.got.iter().zip(&value.want).enumerate() {
                let bound = match reduction {
                    Reduction::None => self.term_bound(want),
                    Reduction::Mean => total_bound / n,
                    Reduction::Sum => total_bound,
                };
                let near = Tolerance::ulps(1.0).floor(bound).accepts(got, want);
                assert!(near, "{name}: value {i} is {got:e}, not {want:e}");
            }
            let share = if reduction == Reduction::Mean { n } else { 1.0 };
            // A row's gradient is the difference of two shares of up to 1, each a few roundings off.
            let floor = if self.loss.is_row_wise() { 4.0 * HALF_ULP } else { 1e-7 };
            for (i, (&got, &want)) in gradient.got.iter().zip(&gradient.want).enumerate() {
                let ulps = 16.0 + 2.0 * self.exponent(i).min(200.0);
                let near = Tolerance::ulps(ulps).floor(floor / share).accepts(got, want);
                let x = self.x[i];
                assert!(near, "{name}: gradient {i} at {x:e} is {got:e}, not {want:e}");
                let absent = i >= active * self.cols;
                assert!(!absent || got == 0.0, "{name}: row {} takes no part", i / self.cols);
            }
            checks += value.got.len() + gradient.got.len();
        }
        checks
    }
}

#[test]
fn every_loss_and_gradient_is_within_its_bound_of_the_reference() {
    let mut checks = 0;
    let shapes = [(1, 1), (1, 7), (4, 1), (0, 5), (5, 7), (6, 5), (257, 65), (3, 1000), (1025, 1)];
    for loss in losses() {
        for (rows, cols) in shapes {
            for trial in trials(loss, rows, cols) {
                checks += trial.check(gpu(), rows);
            }
        }
    }
    println!("{checks} values");
}

#[test]
fn rows_beyond_a_short_batch_take_no_part_in_a_loss() {
    let mut checks = 0;
    for loss in losses() {
        for (rows, cols) in [(5, 7), (300, 3)] {
            for trial in trials(loss, rows, cols) {
                for active in [0, 1, rows - 1, rows + 100] {
                    checks += trial.check(gpu(), active);
                }
            }
        }
    }
    println!("{checks} values");
}

#[test]
fn losses_of_a_million_rows_keep_their_accuracy() {
    let mut checks = 0;
    // A workgroup per row is slow on a CPU.
    let rows = count(1 << 14, 1 << 20);
    for (loss, rows, cols) in
        [(Loss::mse(), 1 << 20, 1), (Loss::cross_entropy(), rows, 3), (Loss::l1(), 1049, 1001)]
    {
        // The last trial of a row-wise loss has classes.
        checks += trials(loss, rows, cols).pop().unwrap().check(gpu(), rows);
    }
    println!("{checks} values");
}

#[test]
fn losses_on_a_folded_grid_equal_the_reference() {
    let mut checks = 0;
    for loss in losses() {
        for trial in trials(loss, 13, 9) {
            checks += trial.check(folding_gpu(), 12);
        }
    }
    println!("{checks} values");
}
