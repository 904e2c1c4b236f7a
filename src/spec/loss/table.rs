//! The table of losses.

use super::{LossKind, Map, MapKind, RowKind, RowTarget, map};
use crate::numeric::{Float, count};
use crate::spec::Both;
use crate::spec::registry::{Alias, Choice, Entry, Kind, Param, Range, Values, registry};
use crate::spec::row::log_sum_exp;

macro_rules! row {
    ($file:literal, $statistics:literal, $pass:ident) => {
        LossKind::Row(RowKind {
            shader: include_str!(concat!("../../../shaders/loss/", $file, ".wgsl")),
            needs_log_sum_exp: $statistics,
            passes: Both { f32: $pass::<f32>, f64: $pass::<f64> },
        })
    };
}

registry! { LossKind, "loss";
    mse {
        aliases: [Alias::of("mean_squared_error"), Alias::of("l2")],
        params: [],
        formula: "(y - t)^2",
        source: "torch.nn.MSELoss",
        kind: map!("mse", kinks: [], threshold: None,
            y, t, _ => (y - t) * (y - t), y, t, _ => F::of(2.0) * (y - t)),
    }
    l1 {
        aliases: [Alias::of("mae"), Alias::of("mean_absolute_error")],
        params: [],
        formula: "|y - t|",
        source: "torch.nn.L1Loss; gradient 0 at equality",
        kind: map!("l1", kinks: [0.0], threshold: None, y, t, _ => (y - t).abs(), y, t, _ => (y - t).sign()),
    }
    bce {
        aliases: [Alias::of("binary_cross_entropy"), Alias::of("log_loss")],
        params: [],
        formula: "-(t * max(log y, -100) + (1 - t) * max(log(1 - y), -100))",
        source: "torch.nn.BCELoss; gradient (y - t) / max(y (1 - y), 1e-12), finite at 0 and 1",
        kind: map!("bce", kinks: [], threshold: Some(0.5),
            y, t, _ => {
                let floor = F::of(-100.0);
                -(t * y.ln().max(floor) + (F::one() - t) * (-y).ln_1p().max(floor))
            },
            y, t, _ => (y - t) / (y * (F::one() - y)).max(F::of(1e-12))),
    }
    bce_with_logits {
        aliases: [Alias::of("sigmoid_cross_entropy")],
        params: [Param::new("pos_weight", 1.0, Range::POSITIVE)],
        formula: "(1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x))",
        source: "torch.nn.BCEWithLogitsLoss",
        kind: map!("bce_with_logits", kinks: [], threshold: Some(0.0),
            // For each sign of x the terms have one sign: nothing cancels.
            x, t, [weight, ..] => {
                let positive = F::one() + (*weight - F::one()) * t;
                let tail = (-x.abs()).exp().ln_1p();
                if x > F::zero() {
                    (F::one() - t) * x + positive * tail
                } else {
                    (F::one() - t) * tail + *weight * t * (tail - x)
                }
            },
            x, t, [weight, ..] => (F::one() - t) * x.sigmoid() - *weight * t * (-x).sigmoid()),
    }
    categorical_cross_entropy {
        aliases: [Alias::of("cce")],
        params: [Param::new("clip", 1e-7, CLIP)],
        formula: "-sum_j t_j log(clamp(y_j, clip, 1 - clip)) per row of probabilities",
        source: "Keras CategoricalCrossentropy without renormalisation; gradient 0 where the clamp holds",
        kind: row!("categorical_cross_entropy", false, categorical_cross_entropy),
    }
    cross_entropy {
        aliases: [Alias::of("softmax_cross_entropy")],
        params: [Param::new("label_smoothing", 0.0, Range::BELOW_ONE)],
        formula: "-sum_j t_j log softmax(x)_j per row of logits",
        source: "torch.nn.CrossEntropyLoss; gradient softmax(x) sum(t) - t",
        kind: row!("cross_entropy", true, cross_entropy),
    }
}

const CLIP: Range = Range::new(std::ops::Bound::Excluded(0.0), std::ops::Bound::Excluded(0.5));

fn categorical_cross_entropy<F: Float>(
    [clip, ..]: &Values<F>,
    y: &[F],
    target: RowTarget<'_, F>,
    gradient: Option<(F, &mut [F])>,
) -> F {
    let (low, high) = (*clip, F::one() - *clip);
    if let Some((scale, gradient)) = gradient {
        for (class, (&y, out)) in y.iter().zip(gradient).enumerate() {
            let inside = y >= low && y <= high;
            *out = if inside { -scale * target.weight(class) / y } else { F::zero() };
        }
    }
    let terms = y.iter().enumerate().map(|(class, &y)| {
        let weight = target.weight(class);
        // A class of weight 0 adds nothing, whatever its probability.
        if weight == F::zero() { F::zero() } else { -weight * y.max(low).min(high).ln() }
    });
    terms.sum()
}

fn cross_entropy<F: Float>(
    [smoothing, ..]: &Values<F>,
    x: &[F],
    target: RowTarget<'_, F>,
    gradient: Option<(F, &mut [F])>,
) -> F {
    let share = *smoothing / count(x.len());
    let weight = |class| (F::one() - *smoothing) * target.weight(class) + share;
    let (top, log_sum) = log_sum_exp(x);
    if let Some((scale, gradient)) = gradient {
        let total = (0..x.len()).map(weight).sum::<F>();
        for (class, (&x, out)) in x.iter().zip(gradient).enumerate() {
            *out = scale * ((x - top - log_sum).exp() * total - weight(class));
        }
    }
    x.iter().enumerate().map(|(class, &x)| weight(class) * (log_sum - (x - top))).sum()
}
