//! Whole networks: the gradients that the backward pass fills are the derivatives of the loss.

use wgrad::__internal::{Op, UpdateOp};
use wgrad::ir::{Interpreter, InterpreterWeights, Plan, PlanWeights, StepEntry};
use wgrad::nn::{
    AdaptiveLogSoftmax, GradientTransforms, Network, Norm, Objective, ProgramIo, TargetKind,
};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};

use crate::support;

const ROWS: usize = 7;

/// A network, what it is trained for, and the data of one step.
struct Case {
    name: String,
    network: Network,
    io: ProgramIo,
    params: Vec<Vec<f32>>,
    inputs: Vec<f32>,
    values: Vec<f32>,
    labels: Vec<u32>,
}

fn numbers(stream: u32, len: usize) -> Vec<f32> {
    let key = Key::new(11, Stream::Data(stream));
    (0..len as u32).map(|i| key.normal(0, i) as f32).collect()
}

fn case(model: Sequential, loss: Loss, target: TargetKind, clip: Option<f64>) -> Case {
    let network = model.build().unwrap();
    let metrics = vec![];
    let objective = Objective {
        loss,
        reduction: Reduction::Mean,
        metrics,
        transforms: GradientTransforms {
            clip_value: None,
            clip_norm: clip,
            ..GradientTransforms::default()
        },
        weighted: false,
        class_weights: None,
        linear_cross_entropy: false,
        checked: false,
        through: false,
    };
    let io = network.training(&objective, Optimizer::sgd(), target, (ROWS, ROWS), 3).unwrap();
    let outputs = network.outputs();
    let probabilities = loss.name() == "bce" || loss.name() == "bce_with_logits";
    let values = numbers(2, ROWS * outputs);
    let values =
        if probabilities { values.iter().map(|v| f32::from(*v > 0.0)).collect() } else { values };
    Case {
        name: format!("{loss} after {:?}", network.layers().last().unwrap().name()),
        params: network.initial(5),
        inputs: numbers(1, ROWS * network.inputs()),
        labels: (0..ROWS).map(|row| (row * 5 % outputs) as u32).collect(),
        values,
        network,
        io,
    }
}

fn cases() -> Vec<Case> {
    let body = |f: Activation| {
        let first =
            Dense::new(9).weights(Initializer::xavier_normal()).l1(1e-2, 2e-2).l2(3e-2, 1e-2);
        let second = Dense::new(6).no_bias().biases(Initializer::normal());
        Sequential::new(4)
            .layer(first)
            .activation(f)
            .dropout(0.25)
            .layer(second)
            .activation(Activation::silu())
    };
    let smooth =
        || [Activation::tanh(), Activation::gelu(), Activation::softplus(), Activation::mish()];
    let mut cases = Vec::new();
    for f in smooth() {
        cases.push(case(body(f).dense(3), Loss::mse(), TargetKind::Values(3), None));
        cases.push(case(body(f).dense(5), Loss::cross_entropy(), TargetKind::Class, None));
        cases.push(case(
            body(f).dense(5).activation(Activation::log_softmax()),
            Loss::mse(),
            TargetKind::Values(5),
            None,
        ));
    }
    let sigmoid = body(Activation::sigmoid()).dense(2).activation(Activation::sigmoid());
    cases.push(case(sigmoid, Loss::bce(), TargetKind::Values(2), None));
    cases.push(case(
        body(Activation::elu()).dense(2),
        Loss::bce_with_logits(),
        TargetKind::Values(2),
        None,
    ));
    let softmax = body(Activation::tanh()).dense(4).activation(Activation::softmax());
    cases.push(case(softmax, Loss::categorical_cross_entropy(), TargetKind::Class, None));
    for f in [
        "prelu(per_channel=1)",
        "srelu",
        "learned_swish(per_channel=1)",
        "learned_swish",
        "rrelu",
        "alpha_dropout(rate=0.2)",
        "gumbel_softmax(tau=2)",
        "crelu",
        "swiglu",
        "maxout(pieces=4)",
        "quiet_softmax",
    ] {
        let f: Activation = f.parse().unwrap();
        let model = Sequential::new(4).dense(8).activation(f).dense(3);
        cases.push(case(model, Loss::mse(), TargetKind::Values(3), None));
    }
    // Parametric numbers before any other parameter.
    let first = Sequential::new(4).activation(Activation::srelu()).maxout(3, 2);
    cases.push(case(first, Loss::mse(), TargetKind::Values(3), None));
    // A small eps would make the slope of a row of nearly equal numbers too steep to be differenced.
    let norms =
        [Normalization::layer_norm(), Normalization::rms_norm(), Normalization::batch_norm()];
    for f in norms.map(|f| f.eps(0.1)) {
        let first = Sequential::new(4).layer(Norm::new(f)).dense(5);
        cases.push(case(first, Loss::mse(), TargetKind::Values(5), None));
        let plain = Norm::new(f).no_affine();
        let inside =
            Sequential::new(4).dense(6).layer(plain.clone()).activation(Activation::gelu());
        let block = inside.residual(|branch| {
            branch.layer(Norm::new(f)).dense(8).gated(6, Activation::swiglu()).dropout(0.2)
        });
        cases.push(case(block.dense(3), Loss::mse(), TargetKind::Values(3), None));
    }
    let first = Sequential::new(4).residual(|branch| {
        branch.activation(Activation::tanh()).residual(|inner| inner.dense(4)).dense(4)
    });
    cases.push(case(first.dense(2), Loss::mse(), TargetKind::Values(2), None));
    let embedding = Sequential::new(3).embedding(5, 2).dense(4).activation(Activation::tanh());
    let mut embedding = case(embedding.dense(2), Loss::mse(), TargetKind::Values(2), None);
    embedding.inputs = (0..ROWS * 3).map(|i| (i * i % 5) as f32).collect();
    cases.push(embedding);
    let adaptive = AdaptiveLogSoftmax::new(12, &[3, 6]).div_value(2.0).head_bias();
    let model = Sequential::new(4).dense(8).activation(Activation::tanh()).layer(adaptive);
    cases.push(case(model, Loss::nll(), TargetKind::Class, None));
    assert_eq!(cases.len(), 36);
    cases
}

impl Case {
    fn weights(&self, params: &[Vec<f64>]) -> InterpreterWeights<f64> {
        InterpreterWeights::new(self.network.params(), params.to_vec(), None, 0)
    }

    /// Loss and penalty at these parameters, and the gradients.
    fn run(&self, params: &[Vec<f64>]) -> (f64, Vec<Vec<f64>>) {
        let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let mut cpu = Interpreter::<f64>::new(self.io.program.clone());
        cpu.write(self.io.x, &wide(&self.inputs)).unwrap();
        let target = self.io.target.unwrap();
        match self.io.program.slot(target).unwrap().dtype {
            wgrad::ir::DType::F32 => cpu.write(target, &wide(&self.values)).unwrap(),
            wgrad::ir::DType::U32 => cpu.write_indices(target, &self.labels).unwrap(),
        }
        let mut weights = self.weights(params);
        let update = self
            .io
            .program
            .ops()
            .iter()
            .position(|op| matches!(op, Op::Update(UpdateOp::Update { .. })))
            .unwrap();
        cpu.run_until(update, &mut weights, &StepEntry::rows(ROWS)).unwrap();
        let loss = self.io.program.recorded().iter().map(|slot| cpu.read(*slot).unwrap()[0]).sum();
        (loss, weights.grads)
    }

    fn exact_params(&self) -> Vec<Vec<f64>> {
        self.params.iter().map(|param| param.iter().map(|v| f64::from(*v)).collect()).collect()
    }
}

#[test]
fn the_gradients_of_whole_networks_are_the_central_differences_of_loss_and_penalty() {
    let mut checks = 0;
    for case in cases() {
        let params = case.exact_params();
        let (_, grads) = case.run(&params);
        for direction in 0..6 {
            let step: Vec<Vec<f64>> = params
                .iter()
                .zip(100 * direction..)
                .map(|(param, stream)| {
                    numbers(10 + stream, param.len()).iter().map(|v| f64::from(*v)).collect()
                })
                .collect();
            let moved = |h: f64| -> Vec<Vec<f64>> {
                let shifted = |(p, s): (&Vec<f64>, &Vec<f64>)| {
                    p.iter().zip(s).map(|(p, s)| p + h * s).collect()
                };
                params.iter().zip(&step).map(shifted).collect()
            };
            let h = 1e-6;
            let difference = (case.run(&moved(h)).0 - case.run(&moved(-h)).0) / (2.0 * h);
            let slope: f64 =
                grads.iter().flatten().zip(step.iter().flatten()).map(|(g, s)| g * s).sum();
            let error = (difference - slope).abs();
            assert!(
                error <= 1e-7 * slope.abs().max(1.0),
                "{}: {slope} against {difference}",
                case.name
            );
            checks += 1;
        }
    }
    println!("{checks} directions");
}

#[test]
fn a_device_fills_the_same_gradients_as_the_reference() {
    let gpu = support::run::gpu();
    let mut checks = 0;
    for case in cases() {
        let (loss, want) = case.run(&case.exact_params());
        let weights = PlanWeights::new(gpu, case.network.params(), None, 0).unwrap();
        for (index, param) in case.params.iter().enumerate() {
            let region = weights.param(index).unwrap();
            gpu.queue().write_buffer(&region.buffer, region.offset, bytemuck::cast_slice(param));
        }
        let program = case.io.program.clone();
        // A rate of 0: the parameters stay, the gradients are left to look at.
        let mut plan =
            Plan::new(gpu, program, Some(&weights), &[], 0, |_| StepEntry::rows(ROWS)).unwrap();
        plan.write(case.io.x, &case.inputs).unwrap();
        let target = case.io.target.unwrap();
        plan.write(target, &case.values)
            .or_else(|_| plan.write_indices(target, &case.labels))
            .unwrap();
        plan.run(1).unwrap();
        let figures = pollster::block_on(plan.records(0..1)).unwrap()[0];
        let recorded = case.io.program.recorded().len();
        let got: f64 = figures.iter().take(recorded).map(|figure| f64::from(*figure)).sum();
        assert!(
            (got - loss).abs() <= 1e-5 * loss.abs(),
            "{}: loss {got} against {loss}",
            case.name
        );
        let size = |grads: &[f64]| grads.iter().fold(0.0f64, |largest, g| largest.max(g.abs()));
        let all = want.iter().map(|grads| size(grads)).fold(0.0, f64::max);
        for (index, want) in want.iter().enumerate() {
            let region = weights.grad(index).unwrap();
            let bytes = support::kernel::read_back(
                gpu.device(),
                gpu.queue(),
                &region.buffer,
                region.offset,
                want.len() as u64 * 4,
            );
            let got: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            // What a normalization takes away again has no gradient but for rounding.
            let largest = size(want).max(0.01 * all);
            for (got, want) in got.iter().zip(want) {
                let error = (f64::from(*got) - want).abs();
                assert!(
                    error <= 2e-5 * largest,
                    "{} param {index}: {got} against {want}",
                    case.name
                );
                checks += 1;
            }
        }
    }
    println!("{checks} gradients");
}
