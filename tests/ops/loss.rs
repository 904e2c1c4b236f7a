//! Losses: values and gradients for every reduction and weight, saturated, degenerate and in short batches.

use std::collections::{BTreeMap, BTreeSet};

use wgrad::ir::StepEntry;
use wgrad::{Loss, Reduction};

use crate::support::losses::{HALF_ULP, Target, Trial, losses, trials};
use crate::support::run::{Case, count, folding_gpu, gpu, gpus, normal};
use crate::support::tolerance::Tolerance;

/// What each term may be off by, and each element of each gradient before it is scaled.
struct Bounds {
    terms: Vec<f64>,
    gradient: Vec<(f64, f64)>,
}

impl Bounds {
    /// Elementwise losses: 16 ulp of the result or of what cancels in it, and what the exponential adds.
    /// Row-wise ones: also the rounding of sums over the row, whose size is about 1 whatever is left of it.
    fn of(trial: &Trial, terms: &[f64]) -> Self {
        let elements: usize = trial.shape.iter().product();
        let weight = trial.largest_weight();
        let mut gradient = vec![(0.0, 0.0); elements];
        let ulps = |exponent: f64| 16.0 + 2.0 * exponent.min(200.0);
        let bound = |(i, &term): (usize, &f64)| {
            if !trial.loss.is_row_wise() {
                let [size, slope] = trial.sizes(i);
                let ulps = ulps(trial.exponent(i, 0.0));
                gradient[i] = (ulps, (ulps * 2.0 * HALF_ULP * slope).max(1e-7) * weight);
                return ulps * HALF_ULP * term.abs().max(size * weight);
            }
            let ([size, slope], places) = trial.row_sizes(i);
            let sums = ((places.len().max(1) as f64).log2() + 8.0) * HALF_ULP;
            let top = places.iter().map(|&i| trial.at(0, i)).fold(f64::MIN, f64::max);
            for &place in &places {
                let is_sum = slope != 1.0;
                let floor = if is_sum { sums * slope } else { 4.0 * HALF_ULP };
                gradient[place] = (ulps(trial.exponent(place, top)), floor * weight);
            }
            sums * (term.abs() + size * weight)
        };
        let terms = terms.iter().enumerate().map(bound).collect();
        Self { terms, gradient }
    }
}

fn check(trial: &Trial, gpu: &wgrad::embed::Gpu, active: usize, reductions: &[Reduction]) -> usize {
    let entry = StepEntry::rows(active);
    let case = |reduction| {
        let mut case = Case::new(&trial.name(reduction));
        case.entry = entry;
        let (value, gradients) = trial.build(&mut case, reduction);
        (case, value, gradients)
    };
    let (plain, value, _) = case(Reduction::None);
    let terms = plain.run_cpu(&mut Default::default()).read(value).unwrap().to_vec();
    let bounds = Bounds::of(trial, &terms);
    let mut checks = 0;
    for &reduction in reductions {
        let name = format!("{}, {active} rows", trial.name(reduction));
        let (case, value, gradients) = case(reduction);
        let slots: Vec<_> = std::iter::once(value).chain(gradients).collect();
        let outcomes = case.run(gpu, &slots);
        let [value, gradients @ ..] = &outcomes[..] else { panic!("no value") };
        // What the reference divides by follows from its own sum.
        let sum: f64 = terms.iter().map(|term| term.abs()).sum();
        let total: f64 = bounds.terms.iter().sum::<f64>()
            + ((terms.len().max(1) as f64).log2() + 4.0) * HALF_ULP * sum;
        let signed: f64 = terms.iter().sum();
        let factor = match reduction {
            Reduction::None | Reduction::Sum => 1.0,
            _ if signed == 0.0 => 1.0,
            _ => (value.want[0] / signed).abs(),
        };
        for (i, (&got, &want)) in value.got.iter().zip(&value.want).enumerate() {
            let bound = if reduction == Reduction::None { bounds.terms[i] } else { total * factor };
            let near = Tolerance::ulps(8.0).floor(bound).accepts(got, want);
            assert!(near, "{name}: value {i} is {got:e}, not {want:e}, bound {bound:e}");
        }
        for (input, gradient) in gradients.iter().enumerate() {
            for (i, (&got, &want)) in gradient.got.iter().zip(&gradient.want).enumerate() {
                let (ulps, floor) = bounds.gradient[i];
                let floor = floor * factor.min(1.0) * trial.upstream.abs();
                let near = Tolerance::ulps(ulps).floor(floor).accepts(got, want);
                let x = trial.predictions[input][i];
                assert!(near, "{name}: gradient {input}, {i} at {x:e} is {got:e}, not {want:e}");
            }
            checks += gradient.got.len();
        }
        let one_row = trial.loss.is_row_wise() && trial.shape.len() == 1;
        let per_sample: usize = trial.shape.iter().skip(usize::from(!one_row)).product();
        for gradient in gradients {
            let absent = gradient.got.iter().skip(active.saturating_mul(per_sample));
            assert!(absent.into_iter().all(|&g| g == 0.0), "{name}: a row that takes no part");
        }
        checks += value.got.len();
    }
    checks
}

#[test]
fn every_loss_and_gradient_is_within_its_bound_of_the_reference() {
    let mut checks = 0;
    let shapes = [
        (1, 1),
        (1, 7),
        (4, 1),
        (0, 5),
        (0, 4),
        (5, 7),
        (6, 5),
        (7, 8),
        (65, 260),
        (257, 65),
        (3, 1000),
        (1025, 1),
        (2, 44),
        (12, 3),
    ];
    let (mut cases, mut options) = (BTreeMap::new(), BTreeSet::new());
    for loss in losses() {
        for (rows, cols) in shapes {
            for trial in trials(loss, &[rows, cols], true) {
                checks += check(&trial, gpu(), rows, &Reduction::ALL);
                *cases.entry(loss.name()).or_insert(0) += usize::from(rows > 0);
            }
        }
        let params = loss.entry().params.iter();
        let set = params.filter(|param| loss.get(param.name) != Some(param.default));
        options.extend(set.map(|param| (loss.name(), param.name)));
    }
    // Sequences have tests of their own.
    for loss in Loss::all().filter(|loss| !loss.is_sequence()) {
        let count = cases.get(loss.name()).copied().unwrap_or(0);
        assert!(count >= 12, "{loss}: {count} cases of each reduction");
        for param in loss.entry().params {
            assert!(options.contains(&(loss.name(), param.name)), "{loss}: no {}", param.name);
        }
    }
    println!("{checks} values");
}

#[test]
fn weights_of_samples_elements_and_classes_and_an_upstream_scale_are_the_references() {
    let mut checks = 0;
    for loss in losses() {
        let sizes = [[9, 5], [9, 8]];
        for trial in sizes.into_iter().flat_map(|shape| trials(loss, &shape, true)) {
            let mut variants = vec![trial.clone().weighted()];
            if !loss.is_row_wise() {
                variants.push(trial.clone().weighted_by_element());
            }
            if loss.takes_class_weight() {
                variants.push(trial.clone().class_weighted());
                variants.push(trial.clone().class_weighted().weighted());
            }
            for mut variant in variants {
                variant.upstream = -2.5;
                for active in [9, 4] {
                    checks += check(&variant, gpu(), active, &Reduction::ALL);
                }
            }
        }
    }
    println!("{checks} values");
}

#[test]
fn classes_on_the_second_axis_and_samples_of_several_axes_are_the_references() {
    let mut checks = 0;
    for name in
        ["cross_entropy", "cross_entropy(label_smoothing=0.25, ignore_index=1)", "nll", "dice"]
    {
        for shape in [&[3, 4, 5][..], &[2, 7, 3, 2], &[4, 1, 3], &[5]] {
            for trial in trials(name.parse().unwrap(), shape, false) {
                let mut variants = vec![trial.clone()];
                if shape.len() > 1 {
                    variants.push(trial.clone().weighted());
                }
                if trial.loss.takes_class_weight() && shape.len() > 1 {
                    variants.push(trial.class_weighted());
                }
                for variant in variants {
                    checks += check(&variant, gpu(), 2, &Reduction::ALL);
                }
            }
        }
    }
    println!("{checks} values");
}

#[test]
fn rows_beyond_a_short_batch_take_no_part_in_a_loss() {
    let mut checks = 0;
    for loss in losses() {
        for (rows, cols) in [(5, 7), (300, 3), (40, 12)] {
            for trial in trials(loss, &[rows, cols], true) {
                for active in [0, 1, rows - 1, rows + 100] {
                    checks += check(&trial, gpu(), active, &[Reduction::Mean, Reduction::None]);
                }
            }
        }
    }
    println!("{checks} values");
}

#[test]
fn targets_a_loss_is_not_made_for_are_the_references() {
    for loss in losses() {
        for mut trial in trials(loss, &[65, 7], false) {
            let Target::Values(targets) = &mut trial.target else { continue };
            *targets = normal(31, targets.len()).iter().map(|t| 2.0 * t).collect();
            let mut case = Case::new(&trial.name(Reduction::None));
            let (value, gradients) = trial.build(&mut case, Reduction::None);
            let slots: Vec<_> = std::iter::once(value).chain(gradients).collect();
            for outcome in case.run(gpu(), &slots) {
                for (i, (&got, &want)) in outcome.got.iter().zip(&outcome.want).enumerate() {
                    let near = Tolerance::ulps(1e3).floor(1e-4).accepts(got, want);
                    assert!(near, "{loss}: element {i} is {got}, not {want}");
                }
            }
        }
    }
}

#[test]
fn the_mean_of_nothing_is_zero() {
    for loss in losses() {
        for trial in trials(loss, &[3, 4], false) {
            for reduction in [Reduction::Mean, Reduction::Sum, Reduction::BatchMean] {
                let mut case = Case::new(&trial.name(reduction));
                case.entry = StepEntry::rows(0);
                let (value, gradients) = trial.build(&mut case, reduction);
                let slots: Vec<_> = std::iter::once(value).chain(gradients).collect();
                for outcome in case.run(gpu(), &slots) {
                    assert!(outcome.got.iter().all(|&x| x == 0.0), "{}", trial.name(reduction));
                    assert!(outcome.want.iter().all(|&x| x == 0.0), "{}", trial.name(reduction));
                }
            }
        }
    }
    // Nor is anything left where every target is to be ignored.
    let mut trial = trials("cross_entropy(ignore_index=2)".parse().unwrap(), &[3, 4], false).pop();
    let trial = trial.as_mut().unwrap();
    trial.target = Target::Indices(vec![3], vec![2; 3]);
    let mut case = Case::new("all ignored");
    let (value, _) = trial.build(&mut case, Reduction::Mean);
    let outcome = &case.run(gpu(), &[value])[0];
    assert_eq!((outcome.got[0], outcome.want[0]), (0.0, 0.0));
}

#[test]
fn losses_of_a_million_rows_keep_their_accuracy() {
    let mut checks = 0;
    let full = count(0, 1) == 1;
    let rows = count(1 << 16, 1 << 20);
    let mut sizes =
        vec![(Loss::mse(), 1 << 20, 1), (Loss::cross_entropy(), rows, 3), (Loss::l1(), 1049, 1001)];
    if full {
        sizes.extend([(Loss::mse(), 1 << 12, 1 << 12), (Loss::l1(), 1 << 24, 1)]);
    }
    for (loss, rows, cols) in sizes {
        for trial in trials(loss, &[rows, cols], true) {
            for gpu in gpus() {
                checks += check(&trial, gpu, rows, &[Reduction::Mean]);
            }
        }
    }
    println!("{checks} values");
}

#[test]
fn a_row_longer_than_any_loop_of_a_software_adapter_is_summed_whole() {
    let cols = count(1 << 17, 1 << 23);
    for name in ["cross_entropy", "cosine_similarity_loss", "dice"] {
        for trial in trials(name.parse().unwrap(), &[2, cols], false) {
            check(&trial, gpu(), 2, &[Reduction::Mean]);
        }
    }
}

#[test]
fn rows_that_rise_slowly_keep_their_accuracy() {
    let loss: Loss = "cross_entropy(label_smoothing=0.125)".parse().unwrap();
    for cols in [1000, 1023, 1 << 15] {
        let slopes = [1e-4, 1e-3, 0.01, 0.03, 0.2, 1.1, -0.01];
        for mut trial in trials(loss, &[slopes.len(), cols], false) {
            for (row, slope) in trial.predictions[0].chunks_mut(cols).zip(slopes) {
                row.iter_mut().zip(0..).for_each(|(x, col)| *x = slope * col as f32);
            }
            for gpu in [gpu(), folding_gpu()] {
                check(&trial, gpu, slopes.len(), &[Reduction::None]);
            }
        }
    }
}

#[test]
fn losses_on_a_folded_grid_equal_the_reference() {
    let mut checks = 0;
    for loss in losses() {
        let sizes = [[13, 9], [13, 12], [5, 44], [5, 45]];
        for trial in sizes.into_iter().flat_map(|shape| trials(loss, &shape, true)) {
            checks += check(&trial, folding_gpu(), 12, &[Reduction::Mean]);
        }
    }
    println!("{checks} values");
}
