//! The ops over all parameters: penalties, clipping, the optimizer.

use super::Weights;
use crate::numeric::tree_sum;
use crate::program::{Program, StepEntry};
use crate::shape::padded;
use crate::spec::optimizer::Noise;
use crate::spec::row::sum;
use crate::spec::{Optimizer, Real};

pub(super) fn penalty<F: Real>(program: &Program, weights: &mut Weights<F>, backward: bool) -> F {
    let mut total = F::zero();
    for (info, (param, grad)) in
        program.params().iter().zip(weights.params.iter().zip(&mut weights.grads))
    {
        let (l1, l2) = (F::of(info.l1), F::of(info.l2));
        if info.l1 == 0.0 && info.l2 == 0.0 {
            continue;
        }
        let term = |p: F| l1 * p.abs() + l2 * p * p;
        total = total + tree_sum(param.len(), &|i| param.get(i).map_or(F::zero(), |&p| term(p)));
        if backward {
            let slope = |p: F| l1 * p.sign() + F::of(2.0) * l2 * p;
            grad.iter_mut().zip(param).for_each(|(grad, &p)| *grad = *grad + slope(p));
        }
    }
    total
}

pub(super) fn clip_value<F: Real>(weights: &mut Weights<F>, limit: F) {
    weights.grads.iter_mut().flatten().for_each(|grad| *grad = grad.max(-limit).min(limit));
}

/// `torch.nn.utils.clip_grad_norm_`: gives the norm before clipping.
pub(super) fn clip_norm<F: Real>(weights: &mut Weights<F>, max: F) -> F {
    let squares: Vec<F> = weights.grads.iter().map(|grads| square_sum(grads)).collect();
    let norm = sum(&squares).sqrt();
    let scale = clip_scale(norm, max);
    weights.grads.iter_mut().flatten().for_each(|grad| *grad = *grad * scale);
    norm
}

pub(super) fn clip_each<F: Real>(weights: &mut Weights<F>, max: F) {
    for grads in &mut weights.grads {
        let scale = clip_scale(square_sum(grads).sqrt(), max);
        grads.iter_mut().for_each(|grad| *grad = *grad * scale);
    }
}

fn square_sum<F: Real>(grads: &[F]) -> F {
    tree_sum(grads.len(), &|i| grads.get(i).map_or(F::zero(), |&g| g * g))
}

fn clip_scale<F: Real>(norm: F, max: F) -> F {
    (max / (norm + F::of(1e-6))).min(F::one())
}

pub(super) fn gradient_noise<F: Real>(
    program: &Program,
    weights: &mut Weights<F>,
    deviation: F,
    mut noise: Noise,
) {
    for (info, grads) in program.params().iter().zip(&mut weights.grads) {
        for (i, grad) in grads.iter_mut().enumerate() {
            *grad = *grad + deviation * noise.pair::<F>(i)[0];
        }
        noise.first = noise.first.wrapping_add(padded(info.shape.len()) as u32);
    }
}

pub(super) fn accumulate<F: Real>(weights: &mut Weights<F>, state: usize, share: F, begins: bool) {
    let sums = weights.states.get_mut(state).into_iter().flatten();
    for (sum, grad) in
        sums.zip(&mut weights.grads).flat_map(|(sums, grads)| sums.iter_mut().zip(grads))
    {
        *sum = if begins { F::zero() } else { *sum } + share * *grad;
        *grad = *sum;
    }
}

pub(super) fn average<F: Real>(weights: &mut Weights<F>, state: usize, share: F, follows: bool) {
    if share == F::zero() {
        return;
    }
    let means = weights.states.get_mut(state).into_iter().flatten();
    for (mean, param) in
        means.zip(&mut weights.params).flat_map(|(means, params)| means.iter_mut().zip(params))
    {
        *mean = if share == F::one() { *param } else { *mean + share * (*param - *mean) };
        if follows {
            *param = *mean;
        }
    }
}

pub(super) fn update<F: Real>(
    program: &Program,
    optimizer: &Optimizer,
    weights: &mut Weights<F>,
    entry: &StepEntry,
    loss: F,
    mut noise: Noise,
) {
    let kind = &optimizer.entry().kind;
    let mut scalars = entry.scalars.map(F::of);
    if let Some(carried) = &kind.carried {
        F::carry(&carried.passes)(&mut scalars, loss, &mut weights.carried);
    }
    let pass = F::update(&kind.passes);
    for (index, info) in program.params().iter().enumerate() {
        let shared = entry.shared(info, noise);
        noise.first = noise.first.wrapping_add(padded(info.shape.len()) as u32);
        // What is frozen stays, and so does its state: it may be something else's to move.
        if info.multiplier == 0.0 {
            continue;
        }
        let mut states: Vec<&mut [F]> = weights
            .states
            .iter_mut()
            .take(optimizer.states().len())
            .filter_map(|state| state.get_mut(index))
            .map(Vec::as_mut_slice)
            .collect();
        if let (Some(params), Some(grads)) =
            (weights.params.get_mut(index), weights.grads.get(index))
        {
            pass(&shared, &scalars, params, grads, &mut states);
        }
    }
}
