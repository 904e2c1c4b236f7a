//! Connectionist temporal classification: against the reference, against every path written out, and at its edges.

use wgrad::ir::{LossInputs, StepEntry};
use wgrad::{Loss, Reduction};

use crate::support::run::{Case, Outcome, count, gpu, normal};

/// Log-probabilities (time, samples, classes), targets filled up to `places`, pairs of lengths.
struct Trial {
    loss: Loss,
    extents: [usize; 3],
    log_probs: Vec<f32>,
    places: usize,
    targets: Vec<u32>,
    lengths: Vec<u32>,
}

fn log_softmax(x: &[f32], classes: usize) -> Vec<f32> {
    let rows = x.chunks(classes).flat_map(|row| {
        let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
        row.iter().map(move |&x| (f64::from(x) - sum.ln()) as f32)
    });
    rows.collect()
}

impl Trial {
    fn new(loss: &str, extents: [usize; 3], samples: &[(u32, &[u32])]) -> Self {
        let [time, n, classes] = extents;
        let places = samples.iter().map(|(_, target)| target.len()).max().unwrap();
        let mut targets = vec![0; n * places];
        for (row, (_, target)) in targets.chunks_mut(places.max(1)).zip(samples) {
            row.iter_mut().zip(*target).for_each(|(place, class)| *place = *class);
        }
        let lengths = samples.iter().flat_map(|(time, target)| [*time, target.len() as u32]);
        Self {
            loss: loss.parse().unwrap(),
            extents,
            log_probs: log_softmax(&normal(4, time * n * classes), classes),
            places,
            targets,
            lengths: lengths.collect(),
        }
    }

    /// The same with log-probabilities of other logits: `f` of a logit's class and of a normal number.
    fn logits(mut self, f: impl Fn(usize, f32) -> f32) -> Self {
        let [time, samples, classes] = self.extents;
        let normal = normal(5, time * samples * classes);
        let logits = normal.into_iter().enumerate().map(|(i, x)| f(i % classes, x));
        self.log_probs = log_softmax(&logits.collect::<Vec<_>>(), classes);
        self
    }

    fn run(&self, reduction: Reduction, active: usize) -> [Outcome; 2] {
        let mut case = Case::new(&format!("{} {reduction:?}", self.loss));
        case.entry = StepEntry::rows(active);
        let samples = self.extents[1];
        let x = case.input(&self.extents, &self.log_probs);
        let target = case.indices(&[samples, self.places], &self.targets);
        let lengths = case.indices(&[samples, 2], &self.lengths);
        let inputs = LossInputs::new(x, target).lengths(lengths).upstream(2.0);
        let (value, gradients) = case.program.loss_of(self.loss, reduction, inputs, true).unwrap();
        let mut outcomes = case.run(gpu(), &[value, gradients[0]]).into_iter();
        [outcomes.next().unwrap(), outcomes.next().unwrap()]
    }

    /// Fails unless values are within a few roundings per time step, and gradients of fractions of 1 too.
    fn check(&self, active: usize) -> usize {
        let steps = self.extents[0] as f64;
        self.check_within(active, |want, _| (8.0 + steps) * 4e-7 * (want.abs() + 0.01))
    }

    /// The same with gradients near enough as fractions of the largest: that of a class is a sum over states.
    fn check_shares(&self) -> usize {
        let steps = self.extents[0] as f64;
        self.check_within(self.extents[1], |_, largest| (8.0 + steps) * 4e-7 * largest)
    }

    /// The bound of a gradient is given by the reference's, and the largest of them.
    fn check_within(&self, active: usize, bound: impl Fn(f64, f64) -> f64) -> usize {
        let mut checks = 0;
        let steps = self.extents[0] as f64;
        for reduction in Reduction::ALL {
            let [value, gradient] = self.run(reduction, active);
            for (i, (&got, &want)) in value.got.iter().zip(&value.want).enumerate() {
                let bound = (8.0 + steps) * 6e-8 * (want.abs() + 1.0);
                let near = (f64::from(got) - want).abs() <= bound || f64::from(got) == want;
                assert!(near, "{} {reduction:?}: value {i} is {got:e}, not {want:e}", self.loss);
            }
            let largest = gradient.want.iter().fold(0.0f64, |most, want| most.max(want.abs()));
            for (i, (&got, &want)) in gradient.got.iter().zip(&gradient.want).enumerate() {
                let near = (f64::from(got) - want).abs() <= bound(want, largest);
                assert!(near, "{} {reduction:?}: gradient {i} is {got:e}, not {want:e}", self.loss);
            }
            checks += gradient.got.len();
        }
        checks
    }
}

#[test]
fn ctc_equals_the_reference_with_repeats_empty_targets_and_any_blank() {
    let mut checks = 0;
    for (loss, samples) in [
        ("ctc", &[(7, &[1, 2, 3][..]), (7, &[2, 2]), (7, &[]), (5, &[4, 1, 4, 1])][..]),
        ("ctc(blank=3)", &[(7, &[0, 0, 0]), (4, &[1, 2]), (1, &[4]), (6, &[])]),
        // No path is left: too short, a repeat without room for its blank, no time at all, no such class.
        ("ctc(zero_infinity=1)", &[(2, &[1, 2, 3]), (2, &[1, 1]), (0, &[1]), (7, &[9])]),
        ("ctc", &[(0, &[]), (7, &[1, 2, 3, 4, 1, 2, 3]), (7, &[1, 1, 1, 1]), (3, &[1, 2, 1])]),
    ] {
        let trial = Trial::new(loss, [7, 4, 5], samples);
        for active in [4, 3, 0] {
            checks += trial.check(active);
        }
    }
    println!("{checks} values");
}

#[test]
fn long_sequences_with_many_states_keep_their_accuracy() {
    let target: Vec<u32> = (0..90).map(|i| 1 + (i * i % 19) as u32).collect();
    let steps = count(250, 1000);
    let trial = Trial::new(
        "ctc",
        [steps, 3, 20],
        &[(250, &target), (200, &target[..40]), (250, &target[..1])],
    );
    println!("{} values", trial.check(3));
}

#[test]
fn the_gradient_of_improbable_states_does_not_underflow() {
    let mut trial = Trial::new("ctc", [2, 1, 2], &[(2, &[1])]);
    trial.log_probs = vec![0.0, -88.0, 0.0, -88.0];
    let [_, gradient] = trial.run(Reduction::Sum, 1);
    // Half of the probability each: first the class, then a blank, or the other way round; by the upstream of 2.
    assert!(gradient.want.iter().all(|want| (want + 1.0).abs() < 1e-12), "{:?}", gradient.want);
    assert!(gradient.got.iter().all(|got| (got + 1.0).abs() < 1e-6), "{:?}", gradient.got);
}

#[test]
fn realistic_lengths_and_logits_have_the_right_gradients() {
    let classes = 32;
    let target: Vec<u32> = (0..100).map(|i| 1 + (i * i % 31) as u32).collect();
    let repeats: Vec<u32> = (0..100).map(|i| 1 + i / 10 % 3).collect();
    for (what, f) in [
        ("equal", (|_, _| 0.0) as fn(usize, f32) -> f32),
        ("of deviation 3", |_, x| 3.0 * x),
        ("mostly blank", |class, x| if class == 0 { 20.0 } else { x }),
        ("hardly blank", |class, x| if class == 0 { -20.0 } else { 3.0 * x }),
    ] {
        let samples = [(400, &target[..40]), (800, &target[..]), (800, &repeats), (799, &[])];
        let trial = Trial::new("ctc", [800, 4, classes], &samples).logits(f);
        println!("{what}: {} values", trial.check_shares());
    }
}

#[test]
fn sequences_of_many_dispatches_are_those_of_one() {
    let target: Vec<u32> = (0..40).map(|i| 1 + i % 7).collect();
    let samples = [(6000, &target[..]), (5999, &target[..7]), (1, &target[..1])];
    println!("{} values", Trial::new("ctc", [6000, 3, 8], &samples).check_shares());
}

#[test]
fn a_target_without_a_path_is_infinitely_far_and_has_no_gradient() {
    let trial = Trial::new("ctc", [3, 1, 4], &[(3, &[1, 1, 1])]);
    let [value, gradient] = trial.run(Reduction::Sum, 1);
    assert!(value.got[0] == f32::INFINITY && value.want[0] == f64::INFINITY);
    assert!(gradient.got.iter().all(|&g| g == 0.0) && gradient.want.iter().all(|&g| g == 0.0));
}

#[test]
fn the_likelihood_is_the_sum_over_all_paths() {
    let (time, classes, target) = (5usize, 3usize, [1u32, 2]);
    let trial = Trial::new("ctc", [time, 1, classes], &[(5, &target)]);
    let mut likelihood = 0.0;
    for path in 0..classes.pow(time as u32) {
        let steps: Vec<u32> =
            (0..time).map(|t| (path / classes.pow(t as u32) % classes) as u32).collect();
        let mut read = steps.clone();
        read.dedup();
        read.retain(|&class| class != 0);
        if read == target {
            let at = |(t, class): (usize, &u32)| {
                f64::from(trial.log_probs[t * classes + *class as usize])
            };
            likelihood += steps.iter().enumerate().map(at).sum::<f64>().exp();
        }
    }
    let [value, _] = trial.run(Reduction::Sum, 1);
    assert!((value.want[0] + likelihood.ln()).abs() < 1e-12, "{} {likelihood}", value.want[0]);
    assert!((f64::from(value.got[0]) + likelihood.ln()).abs() < 1e-6);
}

#[test]
fn the_gradient_is_the_slope_along_every_log_probability() {
    let mut trial = Trial::new("ctc", [6, 2, 4], &[(6, &[1, 1, 2]), (4, &[3])]);
    let [_, gradient] = trial.run(Reduction::Mean, 2);
    for i in 0..trial.log_probs.len() {
        let center = trial.log_probs[i];
        let mut at = |x: f32| {
            trial.log_probs[i] = x;
            trial.run(Reduction::Mean, 2)[0].want[0]
        };
        let (right, left) = (center + 1e-2, center - 1e-2);
        let slope = 2.0 * (at(right) - at(left)) / f64::from(right - left);
        trial.log_probs[i] = center;
        let derivative = gradient.want[i];
        assert!((slope - derivative).abs() < 1e-4, "{i}: {derivative} {slope}");
    }
}

#[test]
fn a_nan_in_a_sequence_is_one_in_its_value_and_gradient_and_in_no_other() {
    for loss in ["ctc", "ctc(zero_infinity=1)"] {
        let [time, samples, classes] = [9, 3, 5];
        let mut trial =
            Trial::new(loss, [time, samples, classes], &[(9, &[1, 2]), (6, &[3]), (9, &[1, 1])]);
        let clean = trial.run(Reduction::None, samples);
        // At a class that no path goes through, and beyond the end of a sequence.
        trial.log_probs[(4 * samples + 1) * classes + 4] = f32::NAN;
        trial.log_probs[(8 * samples + 1) * classes + 4] = f32::NAN;
        let [value, gradient] = trial.run(Reduction::None, samples);
        for (i, (got, want)) in value.got.iter().zip(&value.want).enumerate() {
            assert_eq!(
                (got.is_nan(), want.is_nan()),
                (i == 1, i == 1),
                "{loss}: value {i} is {got}"
            );
            assert!(i == 1 || *got == clean[0].got[i], "{loss}: value {i} is {got}");
        }
        for (i, (got, want)) in gradient.got.iter().zip(&gradient.want).enumerate() {
            let own = i / classes % samples == 1 && i / classes / samples < 6;
            assert_eq!((got.is_nan(), want.is_nan()), (own, own), "{loss}: gradient {i} is {got}");
            assert!(own || *got == clean[1].got[i], "{loss}: gradient {i} is {got}");
        }
        let [mean, _] = trial.run(Reduction::Mean, samples);
        assert!(mean.got[0].is_nan() && mean.want[0].is_nan(), "{loss}");
        trial.log_probs[(4 * samples + 1) * classes + 4] = -1.0;
        let [value, _] = trial.run(Reduction::None, samples);
        assert!(value.got.iter().all(|value| value.is_finite()), "{loss}: beyond the end");
    }
}
