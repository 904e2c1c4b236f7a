//! The row-wise losses of class scores.

use std::ops::Bound::Excluded;

use super::LossKind;
use super::row::{ClassAxis, Gradient, RowLoss, RowTarget, RowView, TargetForm, row, write};
use crate::numeric::{Float, count, maximum, sum_of};
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, Values};

const CLIP: Range = Range::new(Excluded(0.0), Excluded(0.5));
/// An integer that `f32` represents exactly: a class index, any other value, or -1 for none.
const INDEX: [i32; 2] = [-16_777_216, 16_777_216];

entries! { LossKind;
    cross_entropy {
        aliases: [Alias::of("softmax_cross_entropy"), Alias::of("cross")],
        params: [Param::new("label_smoothing", 0.0, Range::BELOW_ONE), Param::integer("ignore_index", -1, INDEX)],
        formula: "-sum_j w_j t_j log softmax(x)_j per row of logits",
        source: "torch.nn.CrossEntropyLoss; gradient softmax(x) sum(w t) - w t; ignore_index -1 ignores nothing",
        kind: row!(cross_entropy, peak: true, sums: 4, inputs: 1, axis: Second, targets: [Class, Values],
            class_weight: true, weighted_mean: true),
    }
    categorical_cross_entropy {
        aliases: [Alias::of("cce")],
        params: [Param::new("clip", 1e-7, CLIP)],
        formula: "-sum_j w_j t_j log(clamp(y_j, clip, 1 - clip)) per row of probabilities",
        source: "Keras CategoricalCrossentropy without renormalisation; gradient 0 where the clamp holds",
        kind: row!(categorical_cross_entropy, peak: false, sums: 4, inputs: 1, axis: Last, targets: [Class, Values],
            class_weight: true, weighted_mean: false),
    }
    nll {
        aliases: [Alias::of("negative_log_likelihood")],
        params: [Param::integer("ignore_index", -1, INDEX)],
        formula: "-w_c x_c per row of log-probabilities, c the target's class",
        source: "torch.nn.NLLLoss; ignore_index -1 ignores nothing",
        kind: row!(nll, peak: false, sums: 4, inputs: 1, axis: Second, targets: [Class], class_weight: true, weighted_mean: true),
    }
    categorical_hinge {
        aliases: [],
        params: [],
        formula: "max(0, 1 + max_j (1 - t_j) y_j - sum_j t_j y_j) per row",
        source: "keras.losses.CategoricalHinge; equal largest scores share the gradient, which is 0 at the kink",
        kind: row!(categorical_hinge, peak: true, sums: 4, inputs: 1, axis: Last, targets: [Class, Values],
            class_weight: false, weighted_mean: false),
    }
    multi_margin {
        aliases: [],
        params: [
            Param::integer("p", 1, [1, 2]),
            Param::new("margin", 1.0, Range::FINITE),
        ],
        formula: "w_c / C sum_(j not c) max(0, margin - x_c + x_j)^p per row, c the target's class",
        source: "torch.nn.MultiMarginLoss; gradient 0 at the kink",
        kind: row!(multi_margin, peak: false, sums: 4, inputs: 1, axis: Last, targets: [Class], class_weight: true, weighted_mean: false),
    }
    multilabel_margin {
        aliases: [],
        params: [],
        formula: "1 / C sum_(c in t, j not in t) max(0, 1 - x_c + x_j) per row",
        source: "torch.nn.MultiLabelMarginLoss; gradient 0 at the kink; a list of classes ends with u32::MAX",
        kind: row!(multilabel_margin, peak: false, sums: 4, inputs: 1, axis: Last, targets: [ClassList], class_weight: false,
            weighted_mean: false),
    }
    multilabel_soft_margin {
        aliases: [],
        params: [],
        formula: "1 / C sum_j w_j (t_j log(1 + exp(-x_j)) + (1 - t_j) log(1 + exp(x_j))) per row",
        source: "torch.nn.MultiLabelSoftMarginLoss",
        kind: row!(multilabel_soft_margin, peak: false, sums: 4, inputs: 1, axis: Last, targets: [Values], class_weight: true,
            weighted_mean: false),
    }
    dice {
        aliases: [],
        params: [Param::new("smoothing", 1.0, Range::POSITIVE)],
        formula: "1 - (2 sum(y t) + smoothing) / (sum(y) + sum(t) + smoothing) per sample",
        source: "Milletari et al. 2016, V-Net, with sums in place of squares",
        kind: row!(dice, peak: false, sums: 4, inputs: 1, axis: Sample, targets: [Values], class_weight: false, weighted_mean: false),
    }
}

#[inline(always)]
fn cross_entropy<F: Float>(
    [smoothing, ignored, ..]: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [x, ..] = row.inputs;
    let absent = row.is_class(*ignored);
    let smoothed = *smoothing / count(x.len().max(1));
    let weight = |class| {
        if absent {
            return F::zero();
        }
        row.class_weight(class) * ((F::one() - *smoothing) * row.target_weight(class) + smoothed)
    };
    // The exponential of the largest score is 1, so the rest of the sum shows without cancellation how far its
    // probability is from 1.
    let top = maximum(x);
    let ties = sum_of(x, |_, x| if x == top { F::one() } else { F::zero() });
    // Both sides of a condition are computed first, so that it becomes a choice of values.
    let own = move |x: F| {
        let power = (x - top).exp();
        if x == top { F::one() } else { power }
    };
    let below = move |x: F| {
        let power = (x - top).exp();
        if x == top { F::zero() } else { power }
    };
    let rest = sum_of(x, |_, x| below(x));
    let sum = ties + rest;
    let log_sum = (ties - F::one() + rest).ln_1p();
    if matches!(row.target, RowTarget::Class(_)) && *smoothing == F::zero() {
        let class = row.class();
        let (score, weight) = match x.get(class) {
            Some(&score) if !absent => (score, row.class_weight(class)),
            _ => (top, F::zero()),
        };
        if let Some((_, out)) = gradient {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = own(x) * weight / sum;
            }
            let other = if score == top { ties - F::one() + rest } else { sum - below(score) };
            out.iter_mut().skip(class).take(1).for_each(|out| *out = -weight * other / sum);
        }
        return if weight == F::zero() { weight } else { weight * (log_sum - (score - top)) };
    }
    let all = sum_of(x, |class, _| weight(class));
    write(gradient, |class| {
        let (x, weight) = (x.get(class).copied().unwrap_or(top), weight(class));
        let other = if x == top { ties - F::one() + rest } else { sum - below(x) };
        (own(x) * (all - weight) - weight * other) / sum
    });
    sum_of(x, |class, x| {
        let weight = weight(class);
        // A class of weight 0 adds nothing, even if its score is infinite.
        if weight == F::zero() { F::zero() } else { weight * (log_sum - (x - top)) }
    })
}

#[inline(always)]
fn nll<F: Float>([ignored, ..]: &Values<F>, row: &RowView<'_, F>, gradient: Gradient<'_, F>) -> F {
    let [x, ..] = row.inputs;
    let class = row.class();
    let weight = if row.is_class(*ignored) { F::zero() } else { row.class_weight(class) };
    write(gradient, |col| if col == class { -weight } else { F::zero() });
    x.get(class).filter(|_| weight != F::zero()).map_or(F::zero(), |&x| -weight * x)
}

#[inline(always)]
fn categorical_cross_entropy<F: Float>(
    [clip, ..]: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [y, ..] = row.inputs;
    let (low, high) = (*clip, F::one() - *clip);
    let weight = |class| row.class_weight(class) * row.target_weight(class);
    write(gradient, |class| {
        let y = y.get(class).copied().unwrap_or(F::zero());
        if y >= low && y <= high { -weight(class) / y } else { F::zero() }
    });
    sum_of(y, |class, y| {
        let weight = weight(class);
        if weight == F::zero() { F::zero() } else { -weight * y.max(low).min(high).ln() }
    })
}

#[inline(always)]
fn categorical_hinge<F: Float>(
    _: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [y, ..] = row.inputs;
    let others: Vec<F> =
        y.iter().enumerate().map(|(i, &y)| (F::one() - row.target_weight(i)) * y).collect();
    let top = maximum(&others);
    let ties = count::<F>(others.iter().filter(|&&other| other == top).count());
    let value = F::one() + top - sum_of(y, |i, y| row.target_weight(i) * y);
    write(gradient, |i| {
        let t = row.target_weight(i);
        let largest = others.get(i).is_some_and(|&other| other == top);
        let push = if largest { (F::one() - t) / ties } else { F::zero() };
        if value > F::zero() { push - t } else { F::zero() }
    });
    value.max(F::zero())
}

#[inline(always)]
fn multi_margin<F: Float>(
    [p, margin, ..]: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [x, ..] = row.inputs;
    let class = row.class();
    let Some(&right) = x.get(class) else {
        write(gradient, |_| F::zero());
        return F::zero();
    };
    let square = *p == F::of(2.0);
    let weight = row.class_weight(class) / count(x.len());
    let excess = |i: usize, x: F| {
        if i == class { F::zero() } else { (*margin - right + x).max(F::zero()) }
    };
    let slope = |excess: F| {
        if excess <= F::zero() {
            F::zero()
        } else if square {
            F::of(2.0) * excess
        } else {
            F::one()
        }
    };
    let pull = sum_of(x, |i, x| slope(excess(i, x)));
    write(gradient, |i| {
        let push = slope(excess(i, x.get(i).copied().unwrap_or(right)));
        weight * if i == class { -pull } else { push }
    });
    weight
        * sum_of(x, |i, x| {
            let excess = excess(i, x);
            if square { excess * excess } else { excess }
        })
}

#[inline(always)]
fn multilabel_margin<F: Float>(
    _: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [x, ..] = row.inputs;
    let RowTarget::ClassList(list) = row.target else { return F::zero() };
    let targets: Vec<usize> =
        list.iter().take_while(|&&class| (class as usize) < x.len()).map(|&c| c as usize).collect();
    let at = |class: usize| x.get(class).copied().unwrap_or(F::zero());
    let excess = |wrong: usize, right: usize| F::one() - at(right) + at(wrong);
    let wrong: Vec<usize> = (0..x.len()).filter(|class| !targets.contains(class)).collect();
    let scale = F::one() / count::<F>(x.len().max(1));
    let over = |pairs: usize| scale * count::<F>(pairs);
    write(gradient, |class| {
        let times = targets.iter().filter(|&&target| target == class).count();
        if times > 0 {
            let pairs = wrong.iter().filter(|&&wrong| excess(wrong, class) > F::zero()).count();
            -over(times * pairs)
        } else {
            over(targets.iter().filter(|&&right| excess(class, right) > F::zero()).count())
        }
    });
    let per_wrong =
        |wrong: usize| targets.iter().map(|&right| excess(wrong, right).max(F::zero())).sum::<F>();
    scale * wrong.iter().map(|&wrong| per_wrong(wrong)).sum::<F>()
}

#[inline(always)]
fn multilabel_soft_margin<F: Float>(
    _: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [x, ..] = row.inputs;
    let scale = F::one() / count::<F>(x.len().max(1));
    write(gradient, |i| {
        let (x, t) = (x.get(i).copied().unwrap_or(F::zero()), row.target_weight(i));
        scale * row.class_weight(i) * ((F::one() - t) * x.sigmoid() - t * (-x).sigmoid())
    });
    scale
        * sum_of(x, |i, x| {
            let t = row.target_weight(i);
            row.class_weight(i) * (t * (-x).softplus() + (F::one() - t) * x.softplus())
        })
}

#[inline(always)]
fn dice<F: Float>([smooth, ..]: &Values<F>, row: &RowView<'_, F>, gradient: Gradient<'_, F>) -> F {
    let [y, ..] = row.inputs;
    let two = F::of(2.0);
    let common = two * sum_of(y, |i, y| y * row.target_weight(i)) + *smooth;
    let all = sum_of(y, |i, y| y + row.target_weight(i)) + *smooth;
    write(gradient, |i| common / (all * all) - two * row.target_weight(i) / all);
    // Equals 1 - common / all, without the cancellation.
    sum_of(y, |i, y| {
        let t = row.target_weight(i);
        y * (F::one() - t) + t * (F::one() - y)
    }) / all
}
