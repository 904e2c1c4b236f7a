//! What is drawn of an op: curves over x, computed on a device.

use wgrad::__internal::spec::activation::ActivationKind;
use wgrad::__internal::spec::loss::{Domain, LossKind};
use wgrad::ndarray::{Array1, Array2};
use wgrad::prelude::*;

use crate::common::Result;

/// The number of points of a curve.
const POINTS: usize = 801;

/// From where to where x goes: where the bends are.
fn range(name: &str) -> [f32; 2] {
    match name {
        "relu6" => [-2.0, 8.0],
        "selu" | "elu" | "celu" => [-5.0, 3.0],
        _ => [-4.0, 4.0],
    }
}

/// The curves of an activation.
pub const ORDERS: [&str; 3] = ["value", "derivative", "second derivative"];
/// The curves of a loss, for two targets.
const ZERO_ONE: [&str; 4] = ["t = 0", "its gradient", "t = 1", "its gradient"];
const CLASSES: [&str; 4] = ["t: class of x", "its gradient", "t: another class", "its gradient"];
const SIGNS: [&str; 4] = ["t = -1", "its gradient", "t = 1", "its gradient"];

/// The curves of one op.
pub struct Graph {
    pub name: String,
    pub formula: String,
    /// Beside the name: what the other numbers are, if there are others.
    pub note: &'static str,
    /// The range of x.
    pub range: [f32; 2],
    /// What the kinds of curves are.
    pub names: &'static [&'static str],
    pub curves: Vec<Curve>,
}

/// One curve: which of the graph's names it has, and its points.
pub struct Curve {
    pub kind: usize,
    pub points: Vec<(f64, f64)>,
}

fn curve(kind: usize, range: [f32; 2], values: impl IntoIterator<Item = f32>) -> Curve {
    let points = xs(range).zip(values).map(|(x, y)| (f64::from(x), f64::from(y))).collect();
    Curve { kind, points }
}

fn xs([low, high]: [f32; 2]) -> impl Iterator<Item = f32> {
    (0..POINTS).map(move |i| low + (high - low) * i as f32 / (POINTS - 1) as f32)
}

/// The row in which one number is x, its column, and what the row is.
fn row(f: &Activation, x: f32) -> (Vec<f32>, usize, &'static str) {
    match (&f.entry().kind, f.name()) {
        (ActivationKind::Row(_), _) => (vec![x, 0.0, 1.0], 0, "of the row (x, 0, 1)"),
        (ActivationKind::AxisResize(_), "crelu") => (vec![x], 0, "of the row (x)"),
        (ActivationKind::AxisResize(_), "maxout") => (vec![x, 0.5], 0, "of the row (x, 1/2)"),
        (ActivationKind::AxisResize(_), _) => (vec![1.0, x], 1, "of the row (1, x)"),
        _ => (vec![x], 0, ""),
    }
}

pub fn activation(device: &Device, f: Activation) -> Result<Graph> {
    let default = Activation::all().find(|other| other.name() == f.name()).unwrap_or(f);
    let f = default.eval_mode();
    let (first, place, note) = row(&f, 0.0);
    let cols = first.len();
    let range = range(f.name());
    let rows: Vec<f32> = xs(range).flat_map(|x| row(&f, x).0).collect();
    let x = device.tensor(&Array2::from_shape_vec((POINTS, cols), rows)?)?;
    let weight = f.initial_weights(cols).map(|w| w.into_iter().map(|w| w as f32).collect());
    let weight = weight.map(|w: Array1<f32>| device.tensor(&w)).transpose()?;
    let y = match &weight {
        Some(weight) => device.parametric(f, &x, weight)?,
        None => device.activation(f, &x)?,
    };
    let values = y.read()?;
    let outputs = y.shape().cols();
    let mut curves = Vec::new();
    // Of a row-wise function the output in x's own place, else all.
    let shown = if matches!(f.entry().kind, ActivationKind::Row(_)) {
        place..place + 1
    } else {
        0..outputs
    };
    for col in shown {
        let mut upstream = Array2::zeros((POINTS, outputs));
        upstream.column_mut(col).fill(1.0f32);
        let upstream = device.tensor(&upstream)?;
        let slopes = match &weight {
            Some(weight) => device.parametric_backward(f, &x, weight, &upstream)?.0,
            None => device.activation_backward(f, &x, &upstream)?,
        };
        let slopes = slopes.read()?;
        curves.push(curve(0, range, values.iter().copied().skip(col).step_by(outputs)));
        curves.push(curve(1, range, slopes.iter().copied().skip(place).step_by(cols)));
        if f.has_second() {
            let second = device.activation_second(f, &x, &upstream)?.read()?;
            curves.push(curve(2, range, second.iter().copied()));
        }
    }
    let formula = default.entry().formula.to_string();
    Ok(Graph { name: default.name().to_string(), formula, note, range, names: &ORDERS, curves })
}

/// An elementwise loss of one prediction against it, or `cross_entropy` against one of three scores, for two targets; none
/// for the others.
pub fn loss(device: &Device, loss: Loss) -> Option<Result<Graph>> {
    let LossKind::Elementwise(map) = &loss.entry().kind else {
        return (loss == Loss::cross_entropy()).then(|| scores_graph(device, loss));
    };
    let [prediction, target, _] = map.domain;
    (map.inputs == 1).then(|| loss_graph(device, loss, prediction, target))
}

/// A loss of the scores (x, 0, 1) against x, if the target is the class of x, and if it is the second.
fn scores_graph(device: &Device, loss: Loss) -> Result<Graph> {
    let range = [-4.0, 4.0];
    let rows: Vec<f32> = xs(range).flat_map(|x| [x, 0.0, 1.0]).collect();
    let scores = device.tensor(&Array2::from_shape_vec((POINTS, 3), rows)?)?;
    let mut curves = Vec::new();
    for class in [0u32, 1] {
        let targets = device.classes(&[class; POINTS])?;
        let (value, gradient) = device.loss(loss, Reduction::None, &scores, &targets)?;
        let kind = 2 * class as usize;
        curves.push(curve(kind, range, value.read()?));
        curves.push(curve(kind + 1, range, gradient.read()?.into_iter().step_by(3)));
    }
    let (name, formula) = (loss.name().to_string(), loss.entry().formula.to_string());
    let note = "against the score x of (x, 0, 1)";
    Ok(Graph { name, formula, note, range, names: &CLASSES, curves })
}

fn loss_graph(device: &Device, loss: Loss, prediction: Domain, target: Domain) -> Result<Graph> {
    let (names, targets) = match target {
        Domain::Sign => (&SIGNS, [-1.0f32, 1.0]),
        _ => (&ZERO_ONE, [0.0, 1.0]),
    };
    let valid = |x: f32| match prediction {
        Domain::Real | Domain::Sign => true,
        Domain::Unit => (0.0..=1.0).contains(&x),
        Domain::Positive => x > 0.0,
        Domain::AboveMinusOne => x > -1.0,
    };
    let range = match prediction {
        Domain::Real | Domain::Sign => [-4.0, 4.0],
        Domain::Unit => [0.0, 1.0],
        Domain::Positive => [0.0, 4.0],
        Domain::AboveMinusOne => [-1.0, 4.0],
    };
    let xs: Vec<f32> = xs(range).filter(|x| valid(*x)).collect();
    let x = device.tensor(&Array1::from(xs.clone()))?;
    let mut curves = Vec::new();
    for (number, target) in targets.into_iter().enumerate() {
        let targets = device.tensor(&Array1::from_elem(xs.len(), target))?;
        let (value, gradient) = device.loss(loss, Reduction::None, &x, &targets)?;
        for (kind, values) in [value.read()?, gradient.read()?].into_iter().enumerate() {
            let points = xs.iter().zip(values).map(|(&x, y)| (f64::from(x), f64::from(y)));
            curves.push(Curve { kind: 2 * number + kind, points: points.collect() });
        }
    }
    let entry = loss.entry();
    let (name, formula) = (entry.name.to_string(), entry.formula.to_string());
    Ok(Graph { name, formula, note: "against the prediction", range, names, curves })
}
