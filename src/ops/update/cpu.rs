//! The CPU reference.

use super::UpdateOp;
use crate::engine::cpu::{InterpreterWeights, Memory};
use crate::error::{Error, Result};
use crate::ir::{ParamInfo, Program, StepEntry};
use crate::numeric::{sum, tree_sum};
use crate::random::Key;
use crate::shape::padded;
use crate::spec::optimizer::{MAX_CARRIED, Noise, Scalars, Shared, Takes, lbfgs, muon, sides};
use crate::spec::{Optimizer, Real};
use crate::threads;

impl UpdateOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        let (program, entry) = (memory.program, memory.entry);
        let noise = |key: &Key| Noise { key: *key, step: memory.progress.step as u32, first: 0 };
        let waits = memory.progress.skips || entry.sign == 0.0;
        match self {
            Self::Penalty { value, backward } => {
                let total = penalty(program, memory.weights, *backward);
                memory.place(*value)?.fill(total);
            }
            Self::ClipValue { limit } => clip_value(memory.weights, F::of(*limit)),
            Self::ClipNorm { max, norm } => {
                let before = clip_norm(memory.weights, F::of(*max));
                memory.place(*norm)?.fill(before);
            }
            Self::ClipEach { max } => clip_each(memory.weights, F::of(*max)),
            Self::GradientNoise { .. }
            | Self::Average { .. }
            | Self::Direction { .. }
            | Self::Update { .. }
                if waits => {}
            Self::GradientNoise { key } => {
                let noise = noise(key);
                gradient_noise(program, memory.weights, F::of(entry.noise), noise);
            }
            Self::Accumulate { state } => {
                accumulate(memory.weights, *state, F::of(entry.gathered), entry.begins)?;
            }
            Self::SkipNotFinite { skipped } => {
                let finite = memory.weights.grads.iter().flatten().all(|grad| grad.is_finite());
                let skips = !finite && entry.sign != 0.0;
                memory.progress.skip(skips);
                memory.place(*skipped)?.fill(if skips { F::one() } else { F::zero() });
            }
            Self::Average { state, follows } => {
                average(program, memory.weights, *state, F::of(entry.average_weight), *follows)?;
            }
            Self::Direction { .. } => direction(program, memory.weights, entry),
            Self::Update { optimizer, loss, key } => {
                let noise = noise(key);
                let loss = match loss {
                    Some(loss) => memory.read(*loss)?.first().copied().unwrap_or(F::zero()),
                    None => F::zero(),
                };
                update(program, optimizer, memory.weights, entry, loss, noise)?;
            }
        }
        Ok(())
    }
}

fn penalty<F: Real>(program: &Program, weights: &mut InterpreterWeights<F>, backward: bool) -> F {
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

fn clip_value<F: Real>(weights: &mut InterpreterWeights<F>, limit: F) {
    weights.grads.iter_mut().flatten().for_each(|grad| *grad = grad.within(-limit, limit));
}

/// Clips as `torch.nn.utils.clip_grad_norm_`; returns the norm before clipping.
fn clip_norm<F: Real>(weights: &mut InterpreterWeights<F>, max: F) -> F {
    let squares: Vec<F> = weights.grads.iter().map(|grads| square_sum(grads)).collect();
    let norm = sum(&squares).sqrt();
    let scale = clip_scale(norm, max);
    weights.grads.iter_mut().flatten().for_each(|grad| *grad = *grad * scale);
    norm
}

fn clip_each<F: Real>(weights: &mut InterpreterWeights<F>, max: F) {
    for grads in &mut weights.grads {
        let scale = clip_scale(square_sum(grads).sqrt(), max);
        grads.iter_mut().for_each(|grad| *grad = *grad * scale);
    }
}

fn square_sum<F: Real>(grads: &[F]) -> F {
    tree_sum(grads.len(), &|i| grads.get(i).map_or(F::zero(), |&g| g * g))
}

fn clip_scale<F: Real>(norm: F, max: F) -> F {
    // A NaN norm changes nothing: the gradients that caused it stay as they are.
    (max / (norm + F::of(1e-6))).min(F::one())
}

fn gradient_noise<F: Real>(
    program: &Program,
    weights: &mut InterpreterWeights<F>,
    deviation: F,
    mut noise: Noise,
) {
    for (info, grads) in program.params().iter().zip(&mut weights.grads) {
        let noisy = if info.has_gradient { grads.as_mut_slice() } else { &mut [] };
        for (i, grad) in noisy.iter_mut().enumerate() {
            *grad = *grad + deviation * noise.pair::<F>(i)[0];
        }
        noise.first = noise.first.wrapping_add(padded(info.shape.len()) as u32);
    }
}

fn state_of<F>(states: &mut [Vec<Vec<F>>], state: usize) -> Result<&mut Vec<Vec<F>>> {
    let missing = || Error::Internal(format!("the weights have no state value {state}"));
    states.get_mut(state).ok_or_else(missing)
}

fn accumulate<F: Real>(
    weights: &mut InterpreterWeights<F>,
    state: usize,
    weight: F,
    begins: bool,
) -> Result<()> {
    let sums = state_of(&mut weights.states, state)?.iter_mut();
    for (sum, grad) in
        sums.zip(&mut weights.grads).flat_map(|(sums, grads)| sums.iter_mut().zip(grads))
    {
        *sum = if begins { F::zero() } else { *sum } + weight * *grad;
        *grad = *sum;
    }
    Ok(())
}

fn average<F: Real>(
    program: &Program,
    weights: &mut InterpreterWeights<F>,
    state: usize,
    weight: F,
    follows: bool,
) -> Result<()> {
    if weight == F::zero() {
        return Ok(());
    }
    let means = state_of(&mut weights.states, state)?.iter_mut();
    for ((info, means), params) in program.params().iter().zip(means).zip(&mut weights.params) {
        let copies = weight == F::one() || !info.has_gradient;
        for (mean, param) in means.iter_mut().zip(params) {
            *mean = if copies { *param } else { *mean + weight * (*param - *mean) };
            if follows {
                *param = *mean;
            }
        }
    }
    Ok(())
}

fn update<F: Real>(
    program: &Program,
    optimizer: &Optimizer,
    weights: &mut InterpreterWeights<F>,
    entry: &StepEntry,
    loss: F,
    mut noise: Noise,
) -> Result<()> {
    let kind = &optimizer.entry().kind;
    let mut scalars = entry.scalars.map(F::of);
    if let Some(carried) = &kind.carried {
        let mut numbers = [F::zero(); MAX_CARRIED];
        numbers.iter_mut().zip(&weights.carried).for_each(|(place, number)| *place = *number);
        F::carry(&carried.passes)(&mut scalars, loss, &mut numbers);
        weights.carried.iter_mut().zip(numbers).for_each(|(place, number)| *place = number);
    }
    if kind.takes == Takes::History {
        return history(program, optimizer, weights, entry, &scalars);
    }
    let pass = F::update(&kind.passes);
    let own = weights.states.iter_mut().take(optimizer.states().len());
    let mut states: Vec<_> = own.map(|tensors| tensors.iter_mut()).collect();
    let tensors = program.params().iter().zip(&mut weights.params).zip(&weights.grads);
    let mut updates = Vec::new();
    for ((info, params), grads) in tensors {
        let states = states.iter_mut().filter_map(Iterator::next).map(Vec::as_mut_slice).collect();
        let shared = entry.shared(info, noise);
        noise.first = noise.first.wrapping_add(padded(info.shape.len()) as u32);
        // A frozen parameter is unchanged, and so is its state, which something else may update.
        if info.multiplier != 0.0 {
            TensorUpdate { shared, params, grads, states }.cut(kind.takes, &mut updates);
        }
    }
    let cost = updates.iter().map(|one| one.params.len()).sum::<usize>() / updates.len().max(1);
    threads::split(updates.len(), cost, &mut updates, |_, updates| {
        for one in updates {
            pass(&one.shared, &scalars, one.params, one.grads, &mut one.states);
        }
    });
    Ok(())
}

/// The update of a tensor, or of a part of one.
struct TensorUpdate<'a, F> {
    shared: Shared<F>,
    params: &'a mut [F],
    grads: &'a [F],
    states: Vec<&'a mut [F]>,
}

impl<'a, F: Real> TensorUpdate<'a, F> {
    /// The most elements in a part of a tensor.
    const MOST: usize = 1 << 15;

    /// Cuts the update of a large tensor into parts, unless its elements depend on each other.
    fn cut(self, takes: Takes, updates: &mut Vec<Self>) {
        let each = matches!(takes, Takes::Element | Takes::Noise | Takes::Tensor { norms: false });
        let mut rest = self;
        while each && rest.params.len() > Self::MOST {
            let TensorUpdate { mut shared, params, grads, states } = rest;
            let (first, params) = params.split_at_mut(Self::MOST);
            let (first_grads, grads) = grads.split_at(Self::MOST.min(grads.len()));
            let cut =
                states.into_iter().map(|state| state.split_at_mut(Self::MOST.min(state.len())));
            let (first_states, states) = cut.unzip();
            updates.push(TensorUpdate {
                shared,
                params: first,
                grads: first_grads,
                states: first_states,
            });
            shared.noise.first = shared.noise.first.wrapping_add(Self::MOST as u32);
            rest = TensorUpdate { shared, params, grads, states };
        }
        updates.push(rest);
    }
}

/// Replaces the gradients of matrices by the momentum to orthogonalize.
fn direction<F: Real>(program: &Program, weights: &mut InterpreterWeights<F>, entry: &StepEntry) {
    let scalars = entry.scalars.map(F::of);
    let buffers = weights.states.first_mut().into_iter().flatten();
    let tensors = program.params().iter().zip(&mut weights.grads).zip(buffers);
    let takes_part = |info: &ParamInfo| sides(info.shape)[1] > 0 && info.multiplier != 0.0;
    tensors
        .filter(|((info, _), _)| takes_part(info))
        .for_each(|((_, grads), buffers)| muon::direction(&scalars, grads, buffers));
}

/// The step of an optimizer with a history of the whole network.
fn history<F: Real>(
    program: &Program,
    optimizer: &Optimizer,
    weights: &mut InterpreterWeights<F>,
    entry: &StepEntry,
    scalars: &Scalars<F>,
) -> Result<()> {
    let [_, decay, ..] = *scalars;
    let [prev, steps, changes, ..] = weights.states.as_mut_slice() else {
        return Err(Error::Internal(format!("{optimizer} without its history")));
    };
    let tensors = weights.params.iter_mut().zip(&weights.grads).zip(program.params());
    let kept = prev.iter_mut().zip(steps).zip(changes);
    let mut parts: Vec<_> = tensors
        .zip(kept)
        .map(|(((param, grad), info), ((prev, steps), changes))| {
            let takes_part = if info.multiplier == 0.0 { F::zero() } else { F::one() };
            let decay = if info.decays { decay } else { F::zero() };
            let seen = |(&g, &p): (&F, &F)| takes_part * (F::of(entry.sign) * g + decay * p);
            let grad = grad.iter().zip(&*param).map(seen).collect();
            lbfgs::TensorHistory { grad, param, prev, steps, changes }
        })
        .collect();
    lbfgs::step(scalars, &mut parts, &mut weights.carried, optimizer.slots());
    Ok(())
}
