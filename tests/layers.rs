//! Layers of the caller's own.

use crate::support;

use support::nets;
use support::run::gpu;
use wgrad::ir::Form;
use wgrad::nn::Custom;
use wgrad::{
    Activation, Arithmetic, Dense, Device, Error, Fit, Initializer, Loss, Optimizer, Reduce,
    Sequential, Shape, Trainer, data,
};

/// `x W^T + b`, put together of ops.
fn affine(inputs: usize, outputs: usize) -> Custom {
    Custom::new("affine", outputs, |program, x, params| {
        let y = program.matmul("y", x, params[0], Form::NT)?;
        program.arithmetic("sum", Arithmetic::Add, y, params[1])
    })
    .param("weight", &[outputs, inputs], Initializer::xavier_uniform())
    .param("bias", &[outputs], Initializer::zeros())
}

/// How near a row is to each of some centres.
fn radial(inputs: usize, centres: usize) -> Custom {
    Custom::new("radial", centres, move |program, x, params| {
        let rows = program.shape(x)?.rows();
        let x = program.reshape("x", x, Shape::new(&[rows, 1, inputs])?)?;
        let apart = program.arithmetic("apart", Arithmetic::Sub, x, params[0])?;
        let squares = program.arithmetic("squares", Arithmetic::Mul, apart, apart)?;
        let distance = program.reduce("distance", Reduce::Sum, squares, &[-1])?;
        let minus = program.scale("minus", distance, -4.0)?;
        program.activation("near", Activation::exponential(), minus)
    })
    .param("centres", &[centres, inputs], Initializer::uniform())
}

fn trainer(network: Sequential, device: Device) -> Trainer {
    let built = Trainer::new(network, Loss::cross_entropy(), Optimizer::adam()).seed(3);
    built.on(&device).unwrap()
}

fn losses(trainer: &mut Trainer) -> Vec<f64> {
    let data = data::spiral(20, 3, 0).unwrap();
    let history = trainer.fit(&data, Fit::epochs(12).batch(16)).unwrap();
    history.epochs.iter().map(|epoch| epoch.loss).collect()
}

#[test]
fn a_layer_made_of_ops_trains_as_the_one_that_it_is() {
    let plain = |f: &dyn Fn(usize, usize) -> wgrad::nn::Layer| {
        Sequential::new(2).layer(f(2, 24)).activation(Activation::tanh()).layer(f(24, 3))
    };
    let glorot = |outputs| Dense::new(outputs).weights(Initializer::xavier_uniform());
    let own = plain(&|inputs, outputs| affine(inputs, outputs).into());
    let dense = plain(&|_, outputs| glorot(outputs).into());
    let want = losses(&mut trainer(dense, Device::cpu()));
    for device in [Device::cpu(), nets::gpu()] {
        let got = losses(&mut trainer(own.clone(), device));
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() < 1e-4 * want, "{got} not {want}");
        }
    }
    assert!(want.last() < want.first());
}

#[test]
fn a_layer_of_another_form_trains_on_both_engines() {
    let network = Sequential::new(2).layer(radial(2, 24)).layer_norm().dense(3);
    let cpu = losses(&mut trainer(network.clone(), Device::cpu()));
    let gpu = losses(&mut trainer(network, nets::gpu()));
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        assert!((cpu - gpu).abs() < 1e-3 * cpu, "{cpu} and {gpu}");
    }
    assert!(cpu.last() < cpu.first(), "{cpu:?}");
}

#[test]
fn a_layer_inside_a_block_goes_on_from_where_it_was_saved() {
    let network = Sequential::new(2).dense(8).residual(|block| block.layer(radial(8, 8))).dense(3);
    let mut whole = trainer(network.clone(), nets::gpu());
    losses(&mut whole);
    let bytes = whole.to_bytes().unwrap();
    let want = losses(&mut whole);
    let mut again = trainer(network, nets::gpu());
    again.load_bytes(&bytes).unwrap();
    assert_eq!(losses(&mut again), want);
    let names: Vec<&str> =
        again.network().params().iter().map(|param| param.name.as_str()).collect();
    assert!(names.contains(&"1.0.centres"), "{names:?}");
}

#[test]
fn a_layer_trains_in_a_hosts_frame() {
    let network = Sequential::new(2).layer(radial(2, 16)).dense(3);
    let data = data::spiral(20, 3, 0).unwrap();
    let mut step = trainer(network, nets::gpu()).into_step(data.len()).unwrap();
    let text = step.plan().program().to_string();
    let copied = |line: &str| line.contains("d 0.centres:") && line.contains("= copy(");
    assert!(text.contains("d 0.centres:") && !text.lines().any(copied), "{text}");
    let mut losses = Vec::new();
    for _ in 0..50 {
        let mut encoder = gpu().device().create_command_encoder(&Default::default());
        step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
        step.upload_classes(&mut encoder, data.targets().labels().unwrap()).unwrap();
        step.encode(&mut encoder, 1).unwrap();
        gpu().queue().submit([encoder.finish()]);
        gpu().device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
        losses.extend(step.metrics().try_all().unwrap().into_iter().map(|figures| figures.loss));
    }
    assert!(losses.last() < losses.first(), "{losses:?}");
}

#[test]
fn what_is_wrong_with_a_layer_shows_when_the_network_is_built() {
    let message =
        |layer: Custom| Sequential::new(2).layer(layer).dense(1).build().unwrap_err().to_string();
    let wide = message(Custom::new("wide", 3, |program, x, _| program.copy("y", x)));
    assert!(wide.contains("layer 0, wide") && wide.contains("not values of [2, 3]"), "{wide}");
    let step = message(Custom::new("step", 2, |program, x, _| {
        let norm = program.reduce("norm", Reduce::CountNan, x, &[-1])?;
        let column = program.reshape("column", norm, Shape::new(&[2, 1])?)?;
        program.arithmetic("y", Arithmetic::Add, x, column)
    }));
    assert!(step.contains("layer 0, step") || step.contains("no gradient"), "{step}");
    let twice = message(affine(2, 2).param("bias", &[2], Initializer::zeros()));
    assert!(twice.contains("'bias' is no name"), "{twice}");
    let failed = message(Custom::new("failed", 2, |_, _, _| {
        Err(Error::Unsupported { op: "own".into(), message: "not today".into() })
    }));
    assert!(failed.contains("not today"), "{failed}");
}
