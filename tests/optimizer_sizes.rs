//! Optimizers over networks of unusual sizes: one number, a thousand tensors, more than one binding holds.

use crate::support;

use support::run::{gpu, normal};
use support::weights::{Comparison, param, worst};
use wgrad::__internal::spec::optimizer::{Takes, sides};
use wgrad::ir::{ParamInfo, Plan, PlanWeights, Steps};
use wgrad::random::{Key, Stream};
use wgrad::{Error, Optimizer, Program};

/// An update of parameters whose gradients are given.
fn update(optimizer: Optimizer, params: &[ParamInfo]) -> Program {
    let mut program = Program::new("update", params.to_vec());
    // Eve looks at the loss: here a figure that stays 0.
    let loss = program.penalty(false);
    program.update(optimizer, Some(loss), Key::new(0, Stream::Optimizer)).unwrap();
    program.record(&[]).unwrap();
    program
}

/// Three steps on both engines; parameters must agree.
fn check(optimizer: Optimizer, params: &[ParamInfo]) {
    let start: Vec<Vec<f32>> =
        (1..).zip(params).map(|(seed, param)| normal(seed, param.shape.len())).collect();
    let mut duel = Comparison::new(gpu(), update(optimizer, params), optimizer, &start);
    for step in 0..3 {
        let grads = (1..).zip(params);
        let grads =
            grads.map(|(seed, param)| normal(10_000 * (step + 1) + seed, param.shape.len()));
        duel.step(&grads.collect::<Vec<_>>());
    }
    for (pair, start) in duel.params().iter().zip(&start) {
        let error =
            worst(pair, |i| pair.want[i].abs().max((pair.want[i] - f64::from(start[i])).abs()));
        // Santa's noise is taken from normals that the device makes to about 1e-6.
        let bound = if optimizer.name().starts_with("santa") { 1e-3 } else { 1e-4 };
        assert!(error <= bound, "{optimizer}: parameters are off by {error:e}");
    }
}

/// Rates at which three steps stay near the start.
fn optimizers() -> impl Iterator<Item = Optimizer> {
    Optimizer::all().map(|optimizer| optimizer.learning_rate(1e-4))
}

#[test]
fn one_number_is_a_network() {
    for optimizer in optimizers() {
        for extents in [&[1][..], &[1, 1]] {
            check(optimizer, &[param(extents, 1.0, true)]);
        }
    }
}

/// A thousand tensors of odd sizes, some of them matrices, some without elements.
fn thousand() -> Vec<ParamInfo> {
    let tensor = |number: usize| match number % 5 {
        0 => param(&[number % 19, number % 7], 1.0, true),
        1 => param(&[1 + number % 131], 1.0, number.is_multiple_of(2)),
        2 => param(&[17 + number % 5, 3], 1.0, true),
        3 => param(&[1, 1 + number % 67], 1.0, true),
        _ => param(&[257 + number % 11], 1.0, true),
    };
    (0..1000).map(tensor).collect()
}

#[test]
fn a_thousand_tensors_of_odd_sizes_take_no_more_dispatches_than_one() {
    let params = thousand();
    let filled = params.iter().filter(|param| !param.shape.is_empty());
    let matrices = filled.filter(|param| sides(param.shape)[1] > 0).count();
    for optimizer in optimizers() {
        let program = update(optimizer, &params);
        let weights = PlanWeights::new(gpu(), &params, Some(&optimizer), 0).unwrap();
        let rule = Steps::new(optimizer, 1);
        let plan = move |step| rule.entry(step);
        let plan = Plan::new(gpu(), program, Some(&weights), &[], 0, plan).unwrap();
        // The penalty takes two or three of its own, the end of the step one.
        let own =
            |label: &str| !["penalty", "record", "tensor.sum"].iter().any(|p| label.contains(p));
        let count = plan.dispatches().iter().filter(|dispatch| own(&dispatch.label)).count();
        let carries = usize::from(optimizer.entry().kind.carried.is_some());
        let wanted = carries
            + match optimizer.entry().kind.takes {
                Takes::Element | Takes::Noise | Takes::Tensor { norms: false } => 1,
                Takes::Tensor { norms: true } | Takes::Lines { norms: false, .. } => 3,
                Takes::Lines { norms: true, .. } => 5,
                Takes::History => 4,
                Takes::Orthogonal => 2 + 33 * matrices,
            };
        assert_eq!(count, wanted, "{optimizer}:\n{}", plan.explain());
    }
}

#[test]
fn a_thousand_tensors_of_odd_sizes_follow_the_reference() {
    let params = thousand();
    for name in ["adam", "lamb", "sm3", "adafactor", "sparse_adam", "lbfgs", "schedule_free_adamw"]
    {
        check(name.parse::<Optimizer>().unwrap().learning_rate(1e-4), &params);
    }
    // Fewer, for its dispatches are by the matrix.
    check(Optimizer::muon(), &params[..60]);
}

/// What lies at the end of a long row or column counts as much as the rest.
#[test]
fn rows_and_columns_of_a_million_numbers_are_summed_to_their_end() {
    const LONG: usize = 1_100_000;
    for optimizer in [Optimizer::adafactor(), Optimizer::sm3()] {
        for extents in [[2, LONG], [LONG, 2]] {
            let params = [param(&extents, 1.0, true)];
            let start = [vec![0.0; 2 * LONG]];
            let mut duel = Comparison::new(gpu(), update(optimizer, &params), optimizer, &start);
            let along = |i: usize| if extents[0] == 2 { i % LONG } else { i / 2 };
            let end = |i: usize| if along(i) < LONG - 10_000 { 0.0 } else { 1.0 };
            duel.step(&[(0..2 * LONG).map(end).collect()]);
            let error = duel.state_error();
            assert!(error < 1e-3, "{optimizer} of {extents:?}: {error:e}");
        }
    }
}

#[test]
fn forty_million_parameters_are_updated_or_refused_with_the_limit() {
    let sides: [&[usize]; 3] = [&[4096, 4096], &[4096, 4096], &[1024, 6304]];
    let params: Vec<_> = sides.iter().map(|extents| param(extents, 1.0, true)).collect();
    let count: usize = params.iter().map(|param| param.shape.len()).sum();
    assert!(count >= 40_000_000);
    // One tensor that no binding holds, whatever the device is like.
    let most = gpu().device().limits().max_storage_buffer_binding_size / 4;
    let large = [param(&[usize::try_from(most).unwrap() + 1], 1.0, true)];
    let refused = PlanWeights::new(gpu(), &large, None, 0).unwrap_err();
    assert!(matches!(refused, Error::Limit { .. }), "{refused}");
    let refused = PlanWeights::new(gpu(), &params, Some(&Optimizer::lbfgs()), 0).unwrap_err();
    assert!(refused.to_string().contains("old_stps"), "{refused}");
    if std::env::var("WGRAD_FULL").is_err() {
        return;
    }
    for optimizer in [Optimizer::sgd(), Optimizer::adam(), Optimizer::adafactor()] {
        let program = update(optimizer, &params);
        let weights = PlanWeights::new(gpu(), &params, Some(&optimizer), 0).unwrap();
        let rule = Steps::new(optimizer, 1);
        let entry = move |step| rule.entry(step);
        let mut plan = Plan::new(gpu(), program, Some(&weights), &[], 0, entry).unwrap();
        // The last row of the last matrix alone has a gradient.
        let grad = weights.grad(2).unwrap();
        let ones = vec![1.0f32; 6304];
        let place = grad.offset + 4 * 1023 * 6304;
        gpu().queue().write_buffer(&grad.buffer, place, bytemuck::cast_slice(&ones));
        plan.run(1).unwrap();
        let bytes = support::kernel::read_back(
            gpu().device(),
            gpu().queue(),
            &weights.param(2).unwrap().buffer,
            weights.param(2).unwrap().offset,
            4 * 1024 * 6304,
        );
        let moved: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let (rest, last) = moved.split_at(1023 * 6304);
        assert!(rest.iter().all(|p| *p == 0.0), "{optimizer}");
        assert!(last.iter().all(|p| *p < 0.0 && *p == last[0]), "{optimizer}");
    }
}
