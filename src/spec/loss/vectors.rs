//! The row-wise losses of vectors: cosine similarities, distances, triplets.

use std::ops::Bound::{Included, Unbounded};

use super::LossKind;
use super::row::{ClassAxis, Gradient, RowLoss, RowTarget, RowView, TargetForm, row, write};
use crate::numeric::{Float, sum_of};
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, Values};

entries! { LossKind;
    cosine_similarity_loss {
        aliases: [Alias::of("cosine_distance")],
        params: [Param::new("eps", 1e-8, Range::POSITIVE)],
        formula: "1 - y t / (max(|y|, eps) max(|t|, eps)) per row",
        source: "torch.nn.CosineSimilarity",
        kind: row!(cosine_similarity_loss, peak: false, sums: 4, inputs: 1, axis: Last, targets: [Values], class_weight: false,
            weighted_mean: false),
    }
    relative_l2 {
        aliases: [],
        params: [Param::new("eps", 1e-8, Range::POSITIVE)],
        formula: "|y - t| / max(|t|, eps) per row",
        source: "Li et al. 2021, Fourier neural operator: LpLoss with p = 2; gradient 0 at equality",
        kind: row!(relative_l2, peak: false, sums: 4, inputs: 1, axis: Last, targets: [Values], class_weight: false,
            weighted_mean: false),
    }
    cosine_embedding {
        aliases: [],
        params: [Param::new("margin", 0.0, Range::new(Included(-1.0), Included(1.0)))],
        formula: "1 - cos(a, b) if t = 1, max(0, cos(a, b) - margin) if t = -1, per row",
        source: "torch.nn.CosineEmbeddingLoss: 1e-12 added to both squared norms",
        kind: row!(cosine_embedding, peak: false, sums: 4, inputs: 2, axis: Last, targets: [Number], class_weight: false,
            weighted_mean: false),
    }
    triplet_margin {
        aliases: [Alias::of("triplet_margin_with_distance")],
        params: [
            Param::new("margin", 1.0, Range::POSITIVE),
            Param::new("p", 2.0, Range::new(Included(1.0), Unbounded)),
            Param::new("eps", 1e-6, Range::NOT_NEGATIVE),
            Param::flag("swap", false),
        ],
        formula: "max(0, |a - p + eps|_p - |a - n + eps|_p + margin) per row; swap takes |p - n + eps|_p if that is less",
        source: "torch.nn.TripletMarginLoss; p = 1 and 2 are the l1 and l2 distance; gradient 0 at distance 0 and at the kink",
        kind: row!(triplet_margin, peak: false, sums: 4, inputs: 3, axis: Last, targets: [Nothing], class_weight: false,
            weighted_mean: false),
    }
    triplet_margin_cosine {
        aliases: [],
        params: [
            Param::new("margin", 1.0, Range::POSITIVE),
            Param::new("eps", 1e-8, Range::POSITIVE),
            Param::flag("swap", false),
        ],
        formula: "max(0, cos(a, n) - cos(a, p) + margin) per row; swap takes cos(p, n) if that is more",
        source: "torch.nn.TripletMarginWithDistanceLoss with the distance 1 - cosine_similarity",
        kind: row!(triplet_margin_cosine, peak: false, sums: 8, inputs: 3, axis: Last, targets: [Nothing], class_weight: false,
            weighted_mean: false),
    }
}

#[inline(always)]
fn cosine_similarity_loss<F: Float>(
    [eps, ..]: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [y, ..] = row.inputs;
    let RowTarget::Values(t) = row.target else { return F::zero() };
    let cosine = Cosine::of(y, t, *eps);
    write(gradient, |i| -cosine.slope(y, t, i));
    F::one() - cosine.value()
}

#[inline(always)]
fn relative_l2<F: Float>(
    [eps, ..]: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [y, ..] = row.inputs;
    let RowTarget::Values(t) = row.target else { return F::zero() };
    let difference = |i: usize| at(y, i) - at(t, i);
    let error = sum_of(y, |i, _| difference(i) * difference(i)).sqrt();
    let size = sum_of(t, |_, t| t * t).sqrt().max(*eps);
    let slope = |i: usize| difference(i) / (error * size);
    write(gradient, |i| if error == F::zero() { F::zero() } else { slope(i) });
    error / size
}

/// The cosine of two vectors a and b, with each norm at least eps.
struct Cosine<F> {
    dot: F,
    a: F,
    b: F,
    eps: F,
}

impl<F: Float> Cosine<F> {
    fn of(a: &[F], b: &[F], eps: F) -> Self {
        let at = |x: &[F], i: usize| x.get(i).copied().unwrap_or(F::zero());
        let norm = |x: &[F]| sum_of(x, |_, x| x * x).sqrt();
        Self { dot: sum_of(a, |i, x| x * at(b, i)), a: norm(a), b: norm(b), eps }
    }

    fn value(&self) -> F {
        self.dot / (self.a.max(self.eps) * self.b.max(self.eps))
    }

    /// The derivative with respect to element i of a.
    fn slope(&self, a: &[F], b: &[F], i: usize) -> F {
        let at = |x: &[F]| x.get(i).copied().unwrap_or(F::zero());
        let (na, nb) = (self.a.max(self.eps), self.b.max(self.eps));
        let turn = if self.a > self.eps { self.value() * at(a) / (na * na) } else { F::zero() };
        at(b) / (na * nb) - turn
    }
}

#[inline(always)]
fn cosine_embedding<F: Float>(
    [margin, ..]: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [a, b, _] = row.inputs;
    // PyTorch adds this constant to both squared norms.
    let eps = F::of(1e-12);
    let (aa, bb) = (sum_of(a, |_, x| x * x) + eps, sum_of(b, |_, x| x * x) + eps);
    let norms = (aa * bb).sqrt();
    let cosine = sum_of(a, |i, x| x * at(b, i)) / norms;
    let (value, sign) = if row.number() == F::one() {
        (F::one() - cosine, -F::one())
    } else if row.number() == -F::one() && cosine > *margin {
        (cosine - *margin, F::one())
    } else {
        (F::zero(), F::zero())
    };
    let first = gradient.as_ref().is_none_or(|(input, _)| *input == 0);
    let (own, other, square) = if first { (a, b, aa) } else { (b, a, bb) };
    write(gradient, |i| sign * (at(other, i) / norms - cosine * at(own, i) / square));
    value
}

#[inline(always)]
fn at<F: Float>(x: &[F], i: usize) -> F {
    x.get(i).copied().unwrap_or(F::zero())
}

/// The derivative of a triplet's value with respect to each of the three distances a-p, a-n, p-n, and the value. Equal
/// distances split the gradient of their minimum evenly, as in PyTorch.
#[inline(always)]
fn triplet<F: Float>([ap, an, pn]: [F; 3], margin: F, swap: bool) -> ([F; 3], F) {
    let swapped = if !swap || an < pn {
        F::zero()
    } else if an == pn {
        F::of(0.5)
    } else {
        F::one()
    };
    let value = ap - if swap { an.min(pn) } else { an } + margin;
    let on = if value > F::zero() { F::one() } else { F::zero() };
    ([on, -on * (F::one() - swapped), -on * swapped], value.max(F::zero()))
}

/// The pairs that each input of a triplet is part of: index of the distance, the other input, and true if the input
/// comes first in the difference.
const PAIRS: [[(usize, usize, bool); 2]; 3] =
    [[(0, 1, true), (1, 2, true)], [(0, 0, false), (2, 2, true)], [(1, 0, false), (2, 1, false)]];

#[inline(always)]
fn triplet_margin<F: Float>(
    [margin, p, eps, swap, ..]: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [a, positive, negative] = row.inputs;
    let norm = |x: &[F], y: &[F]| {
        sum_of(x, |i, x| (x - at(y, i) + *eps).abs().powf(*p)).powf(F::one() / *p)
    };
    let distances = [norm(a, positive), norm(a, negative), norm(positive, negative)];
    let (weights, value) = triplet(distances, *margin, *swap != F::zero());
    let input = gradient.as_ref().map_or(0, |(input, _)| *input);
    let pairs = PAIRS.get(input).copied().unwrap_or_default();
    let own = row.inputs.get(input).copied().unwrap_or_default();
    write(gradient, |i| {
        let slope = |(pair, other, first): (usize, usize, bool)| {
            let other = row.inputs.get(other).copied().unwrap_or_default();
            let (distance, weight) = (at(&distances, pair), at(&weights, pair));
            let (sign, d) = if first {
                (F::one(), at(own, i) - at(other, i) + *eps)
            } else {
                (-F::one(), at(other, i) - at(own, i) + *eps)
            };
            // The direction is undefined at distance 0.
            if distance == F::zero() || weight == F::zero() {
                return F::zero();
            }
            weight * sign * d.sign() * (d.abs() / distance).powf(*p - F::one())
        };
        pairs.into_iter().map(slope).sum()
    });
    value
}

#[inline(always)]
fn triplet_margin_cosine<F: Float>(
    [margin, eps, swap, ..]: &Values<F>,
    row: &RowView<'_, F>,
    gradient: Gradient<'_, F>,
) -> F {
    let [a, positive, negative] = row.inputs;
    let distance = |x: &[F], y: &[F]| F::one() - Cosine::of(x, y, *eps).value();
    let distances = [distance(a, positive), distance(a, negative), distance(positive, negative)];
    let (weights, value) = triplet(distances, *margin, *swap != F::zero());
    let input = gradient.as_ref().map_or(0, |(input, _)| *input);
    let own = row.inputs.get(input).copied().unwrap_or_default();
    let pairs = PAIRS.get(input).copied().unwrap_or_default().map(|(pair, other, _)| {
        let other = row.inputs.get(other).copied().unwrap_or_default();
        (at(&weights, pair), other, Cosine::of(own, other, *eps))
    });
    write(gradient, |i| {
        pairs.iter().map(|(weight, other, cosine)| -*weight * cosine.slope(own, other, i)).sum()
    });
    value
}
