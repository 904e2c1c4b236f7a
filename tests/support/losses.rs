//! Inputs that suit each loss, and how exact its results can be.

use wgrad::__internal::spec::loss::{Domain, LossKind, TargetForm};
use wgrad::ir::{LossInputs, Slot};
use wgrad::{Loss, Reduction};

use super::loss_inputs::{
    class_lists, draw, near_copies, put, put_hard, row_predictions, soft_rows,
};
use super::options::changed;
use super::run::{Case, uniform};

pub const HALF_ULP: f64 = 1.0 / (1u64 << 24) as f64;

#[derive(Clone)]
pub enum Target {
    /// As many numbers as predictions.
    Values(Vec<f32>),
    /// A number per row.
    Number(Vec<f32>),
    /// Indices of the given extents.
    Indices(Vec<usize>, Vec<u32>),
    Nothing,
}

/// A loss with everything it takes.
#[derive(Clone)]
pub struct Trial {
    pub loss: Loss,
    pub shape: Vec<usize>,
    pub predictions: Vec<Vec<f32>>,
    pub target: Target,
    pub weight: Option<(Vec<usize>, Vec<f32>)>,
    pub class_weight: Option<Vec<f32>>,
    pub upstream: f64,
}

/// Every loss with its default parameters and others, at least one for each parameter.
pub fn losses() -> Vec<Loss> {
    let others = [
        "smooth_l1(beta=0.25)",
        "smooth_l1(beta=0)",
        "huber(delta=2.5)",
        "quantile(tau=0.875)",
        "bce(eps=0.0078125)",
        "bce_with_logits(pos_weight=2.5)",
        "focal(alpha=-1, gamma=0)",
        "focal(alpha=0.75, gamma=1.5)",
        "poisson_nll(full=1)",
        "poisson_nll(log_input=0, eps=0.0078125)",
        "gaussian_nll(full=1, eps=0.125)",
        "kl_div(log_target=1)",
        "hinge_embedding(margin=2.5)",
        "categorical_cross_entropy(clip=0.0078125)",
        "cross_entropy(label_smoothing=0.125)",
        "cross_entropy(ignore_index=0)",
        "cross_entropy(label_smoothing=0.25, ignore_index=1)",
        "nll(ignore_index=0)",
        "multi_margin(p=2, margin=0.5)",
        "dice(smoothing=0.125)",
        "cosine_similarity_loss(eps=0.5)",
        "relative_l2(eps=2.5)",
        "margin_ranking(margin=0.75)",
        "cosine_embedding(margin=0.25)",
        "triplet_margin(swap=1)",
        "triplet_margin(p=1, margin=2)",
        "triplet_margin(p=3, swap=1, eps=0)",
        "triplet_margin_cosine(swap=1, margin=0.5)",
        "triplet_margin_cosine(eps=0.5)",
    ];
    let others = others.map(|name| name.parse().unwrap());
    let rows = Loss::all().filter(|loss| !loss.is_sequence());
    let left = rows.flat_map(|loss| changed(loss, &others));
    let losses: Vec<Loss> = Loss::all().chain(others).chain(left).collect();
    assert!(losses.len() >= 60);
    losses
}

/// The loss over a shape with every kind of target it takes. With `hard`, inputs that have caused trouble are among
/// them: saturated, equal, at clips and kinks.
pub fn trials(loss: Loss, shape: &[usize], hard: bool) -> Vec<Trial> {
    let len: usize = shape.iter().product();
    let plain = |predictions: Vec<Vec<f32>>, target| Trial {
        loss,
        shape: shape.to_vec(),
        predictions,
        target,
        weight: None,
        class_weight: None,
        upstream: 1.0,
    };
    match &loss.entry().kind {
        LossKind::Elementwise(map) => {
            let [first, target, second] = map.domain;
            let first = if loss.get("log_input") == Some(0.0) { Domain::Positive } else { first };
            let mut x = draw(first, 1, len);
            let mut t = draw(target, 2, len);
            let mut b = draw(second, 3, len);
            if !hard && first == Domain::Unit {
                x.iter_mut().for_each(|x| *x = 0.05 + 0.9 * *x);
            }
            if hard {
                put_hard(&loss, [first, target, second], [&mut x, &mut t, &mut b]);
            }
            let predictions = if map.inputs == 2 { vec![x, b] } else { vec![x] };
            vec![plain(predictions, Target::Values(t))]
        }
        // Sequences have tests of their own.
        LossKind::Ctc { .. } => vec![],
        LossKind::Row(row) => {
            let classes = shape.get(1).copied().unwrap_or(len);
            let (rows, cols) =
                (len / classes.max(1), if len == 0 { classes } else { classes.min(len) });
            let mut classes_shape = shape.to_vec();
            classes_shape.remove(usize::from(classes_shape.len() > 1));
            let predictions = row_predictions(&loss, row.inputs, rows, cols, hard);
            let target = |form: &TargetForm| match form {
                TargetForm::Values => Target::Values(match loss.name() {
                    "cosine_similarity_loss" | "relative_l2" => {
                        near_copies(&predictions[0], cols, hard)
                    }
                    "multilabel_soft_margin" | "dice" => uniform(7, len),
                    _ => soft_rows(5, len / cols.max(1), cols),
                }),
                TargetForm::Class => {
                    let count = shape.get(1).copied().unwrap_or(1).max(1);
                    let classes = (0..rows).map(|row| (row * 7 % count) as u32).collect();
                    Target::Indices(classes_shape.clone(), classes)
                }
                TargetForm::ClassList => Target::Indices(shape.to_vec(), class_lists(rows, cols)),
                TargetForm::Number => Target::Number(draw(Domain::Sign, 6, len / cols.max(1))),
                TargetForm::Nothing => Target::Nothing,
            };
            row.targets.iter().map(|form| plain(predictions.clone(), target(form))).collect()
        }
    }
}

impl Trial {
    pub fn cols(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// With a weight per row or sample, some of them 0.
    pub fn weighted(mut self) -> Self {
        let len: usize = self.shape.iter().product();
        let rows = if self.loss.is_row_wise() && self.loss.name() != "dice" {
            let axis = if self.target_is_second() { 1 } else { self.shape.len() - 1 };
            len / self.shape[axis].max(1)
        } else {
            self.shape[0]
        };
        let mut weight: Vec<f32> = uniform(21, rows).iter().map(|w| 2.0 * w).collect();
        put(&mut weight, &[1.0, 0.0]);
        self.weight = Some((vec![rows], weight));
        self
    }

    fn target_is_second(&self) -> bool {
        matches!(self.loss.name(), "cross_entropy" | "nll") && self.shape.len() > 1
    }

    /// With a weight per element.
    pub fn weighted_by_element(mut self) -> Self {
        let len: usize = self.shape.iter().product();
        self.weight = Some((self.shape.clone(), uniform(22, len)));
        self
    }

    /// With a weight per class, one of them 0.
    pub fn class_weighted(mut self) -> Self {
        let classes = if self.target_is_second() { self.shape[1] } else { self.cols() };
        let mut weight: Vec<f32> = uniform(23, classes).iter().map(|w| 2.0 * w).collect();
        put(&mut weight, &[0.5, 0.0]);
        self.class_weight = Some(weight);
        self
    }

    /// Adds the loss to a case; gives the value and the gradients.
    pub fn build(&self, case: &mut Case, reduction: Reduction) -> (Slot, Vec<Slot>) {
        let predictions: Vec<Slot> =
            self.predictions.iter().map(|data| case.input(&self.shape, data)).collect();
        let target = match &self.target {
            Target::Values(values) => Some(case.input(&self.shape, values)),
            Target::Number(values) => Some(case.input(&[values.len()], values)),
            Target::Indices(shape, classes) => Some(case.indices(shape, classes)),
            Target::Nothing => None,
        };
        let mut inputs = LossInputs::of(&predictions, target).upstream(self.upstream);
        if let Some((shape, weight)) = &self.weight {
            inputs = inputs.weight(case.input(shape, weight));
        }
        if let Some(weight) = &self.class_weight {
            inputs = inputs.class_weight(case.input(&[weight.len()], weight));
        }
        case.program.loss_of(self.loss, reduction, inputs, true).unwrap()
    }

    pub fn name(&self, reduction: Reduction) -> String {
        let weights = [self.weight.is_some(), self.class_weight.is_some()];
        format!("{} {reduction:?} {:?}, weights {weights:?}", self.loss, self.shape)
    }

    /// The largest weight of any term.
    pub fn largest_weight(&self) -> f64 {
        let largest = |weights: &[f32]| {
            weights.iter().fold(0.0f64, |most, &weight| most.max(f64::from(weight)))
        };
        let weight = self.weight.as_ref().map_or(1.0, |(_, weights)| largest(weights));
        let class_weight = self.class_weight.as_ref().map_or(1.0, |weights| largest(weights));
        weight.max(1.0) * class_weight.max(1.0)
    }

    pub fn at(&self, input: usize, i: usize) -> f64 {
        self.predictions.get(input).map_or(0.0, |x| f64::from(x[i]))
    }

    fn target_at(&self, i: usize) -> f64 {
        match &self.target {
            Target::Values(values) => f64::from(values[i]),
            _ => 0.0,
        }
    }

    fn get(&self, parameter: &str) -> f64 {
        self.loss.get(parameter).unwrap_or(0.0)
    }

    /// The magnitudes of what cancels in an elementwise loss: in its value, and in its gradient.
    pub fn sizes(&self, i: usize) -> [f64; 2] {
        let (x, t, b) = (self.at(0, i), self.target_at(i), self.at(1, i));
        match self.loss.name() {
            "poisson_nll" if self.get("log_input") == 0.0 => {
                let y = x + self.get("eps");
                [x + t * (y.ln().abs() + t.max(1.0).ln() + 1.0), 1.0 + t / y]
            }
            "poisson_nll" => [x.exp() + t * (x.abs() + t.max(1.0).ln() + 1.0), x.exp() + t],
            "kl_div" if self.get("log_target") != 0.0 => [t.exp() * (t.abs() + x.abs()), 0.0],
            "kl_div" => [t * (t.max(1e-30).ln().abs() + x.abs()), 0.0],
            "gaussian_nll" => {
                let v = b.max(self.get("eps"));
                let ratio = (x - t).powi(2) / v;
                [v.ln().abs() + ratio + 1.0, (1.0 + ratio) / v]
            }
            "hinge" => [1.0 + x.abs(), 0.0],
            "squared_hinge" => [(1.0 + x.abs()).powi(2), 2.0 * (1.0 + x.abs())],
            "hinge_embedding" => [self.get("margin") + x.abs(), 0.0],
            "margin_ranking" => [self.get("margin") + x.abs() + b.abs(), 0.0],
            "focal" => [0.0, 1.0 + self.get("gamma") * (x.abs() + 1.0)],
            "mse" | "squared_error" => [0.0, 0.0],
            _ => [0.0, 0.0],
        }
    }

    /// The row of a term as places in the predictions.
    fn row(&self, row: usize) -> Vec<usize> {
        if self.loss.name() == "dice" {
            let cols: usize = self.shape.iter().skip(usize::from(self.shape.len() > 1)).product();
            return (row * cols..(row + 1) * cols).collect();
        }
        if !self.target_is_second() {
            return (row * self.cols()..(row + 1) * self.cols()).collect();
        }
        let inner: usize = self.shape[2..].iter().product();
        let cols = self.shape[1];
        (0..cols).map(|col| (row / inner * cols + col) * inner + row % inner).collect()
    }

    /// The magnitudes of what cancels in the value and the gradient of a row, and the places of its elements.
    pub fn row_sizes(&self, row: usize) -> ([f64; 2], Vec<usize>) {
        let places = self.row(row);
        let norm =
            |input: usize| places.iter().map(|&i| self.at(input, i).powi(2)).sum::<f64>().sqrt();
        let top = places.iter().fold(0.0f64, |top, &i| top.max(self.at(0, i).abs()));
        let least =
            |eps: f64| (0..self.predictions.len()).map(norm).fold(f64::MAX, f64::min).max(eps);
        let sizes = match self.loss.name() {
            "dice" => {
                let all: f64 = places.iter().map(|&i| self.at(0, i) + self.target_at(i)).sum();
                [1.0, 3.0 / (all + self.get("smoothing"))]
            }
            "multi_margin" if self.get("p") == 2.0 => [(1.0 + 2.0 * top).powi(2), 2.0 + 4.0 * top],
            "multi_margin" | "multilabel_margin" => [(1.0 + 2.0 * top) * places.len() as f64, 1.0],
            "categorical_hinge" => [1.0 + 2.0 * top, 1.0],
            "multilabel_soft_margin" | "nll" => [1.0 + top, 1.0],
            "cosine_similarity_loss" => [1.0, 1.0 / least(self.get("eps"))],
            "triplet_margin_cosine" => [4.0, 4.0 / least(self.get("eps"))],
            "cosine_embedding" => [1.0, 1.0 / least(1e-6)],
            "triplet_margin" => {
                let l1 = |input| places.iter().map(|&i| self.at(input, i).abs()).sum::<f64>();
                let total: f64 = if self.get("p") == 1.0 {
                    (0..3).map(l1).sum()
                } else {
                    (0..3).map(norm).sum()
                };
                [1.0 + total, 2.0]
            }
            _ => [1.0, 1.0],
        };
        (sizes, places)
    }

    /// The magnitude of the exponent that the gradient's rounding error grows with; `top` is the row's largest score.
    pub fn exponent(&self, index: usize, top: f64) -> f64 {
        let x = self.at(0, index);
        match self.loss.name() {
            "cross_entropy" => top - x,
            "bce_with_logits"
            | "focal"
            | "soft_margin"
            | "exponential_loss"
            | "poisson_nll"
            | "multilabel_soft_margin" => x.abs() * (1.0 + self.get("gamma")),
            "kl_div" => self.target_at(index).abs(),
            _ => 0.0,
        }
    }
}
