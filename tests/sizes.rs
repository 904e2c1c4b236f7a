//! What a caller can make huge is refused before it is drawn or built: here no allocation of more than a gibibyte is to be had.

use crate::support;

use std::alloc::{GlobalAlloc, Layout, System};

use support::nets::devices;
use wgrad::ndarray::{Array1, array};
use wgrad::nn::{AdaptiveLogSoftmax, Layer, Norm, Residual};
use wgrad::prelude::*;
use wgrad::{Error, Shape};

/// The system's memory, but for pieces of more than a gibibyte.
struct Small;

#[allow(unsafe_code, reason = "an allocator is unsafe by its trait")]
unsafe impl GlobalAlloc for Small {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > 1 << 30 { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static MEMORY: Small = Small;

#[track_caller]
fn refused<T>(outcome: wgrad::Result<T>, what: &str) {
    let Err(error) = outcome else { panic!("{what} was taken") };
    let is_size = matches!(error, Error::Limit { .. } | Error::OutOfMemory { .. });
    assert!(is_size, "{what}: {error}");
}

#[test]
fn networks_too_large_for_a_device_are_refused_before_their_weights_are_drawn() {
    let wide = 1 << 31;
    let models = [
        Sequential::new(1).dense(wide).dense(1),
        Sequential::new(wide).dense(1),
        Sequential::new(wide).layer(Norm::new(Normalization::batch_norm())),
        Sequential::new(wide / 4).activation(Activation::srelu()),
        Sequential::new(2).embedding((1 << 24) - 1, 200).dense(1),
        Sequential::new(1).maxout(1 << 20, 1 << 11).dense(1),
        Sequential::new(1).layer(AdaptiveLogSoftmax::new(wide, &[wide - 1])),
        Sequential::new(1).dense(usize::MAX),
        Sequential::new(usize::MAX).activation(Activation::srelu()).dense(1),
        Sequential::new(usize::MAX).embedding(3, usize::MAX),
    ];
    for device in devices() {
        for (number, model) in models.iter().enumerate() {
            let outcome = Trainer::new(model.clone(), Loss::mse(), Optimizer::adam()).on(&device);
            refused(outcome.map(|_| ()), &format!("model {number} on {device}"));
        }
        let mut small = Trainer::new(Sequential::new(1).dense(1), Loss::mse(), Optimizer::sgd())
            .on(&device)
            .unwrap();
        small.fit(&data::sine(10).unwrap(), Fit::epochs(1)).unwrap();
    }
}

#[test]
fn batches_too_large_for_the_reference_are_refused() {
    let model = Sequential::new(1).dense(1 << 20).dense(1);
    let builder = Trainer::new(model, Loss::mse(), Optimizer::sgd());
    let mut trainer = builder.on(&Device::cpu()).unwrap();
    let data = data::sine(4096).unwrap();
    refused(trainer.evaluate(&data), "evaluation");
    refused(trainer.predict(data.inputs().view()), "prediction");
    refused(trainer.fit(&data, Fit::epochs(1)), "training");
    trainer.fit(&data, Fit::epochs(1).batch(1).validation_split(0.999)).unwrap_err();
}

#[test]
fn tensors_too_large_for_a_device_are_refused() {
    let wide = 1usize << 31;
    for device in devices() {
        let x = device.tensor(&array![1.0f32]).unwrap();
        let shape = Shape::new(&[wide]).unwrap();
        refused(device.full(shape, 1.0), "full");
        refused(device.broadcast_to(&x, shape), "broadcast_to");
        refused(device.repeat(&x, 0, wide), "repeat");
        refused(device.repeat(&x, 0, usize::MAX), "repeat");
        let one = Array1::from_elem(1, 1.0f32);
        refused(device.tensor(&one.broadcast(wide).unwrap()), "tensor");
        let (column, row) =
            (device.full(Shape::new(&[1 << 16, 1]).unwrap(), 1.0).unwrap(), 1 << 15);
        let row = device.full(Shape::new(&[1, row]).unwrap(), 1.0).unwrap();
        refused(device.arithmetic(Arithmetic::Add, &column, &row), "arithmetic");
        assert_eq!(device.full(Shape::new(&[3]).unwrap(), 2.0).unwrap().read().unwrap().sum(), 6.0);
    }
}

#[test]
fn data_sets_too_large_are_refused() {
    for rows in [usize::MAX, 1 << 33, (1 << 32) - 1, 1 << 31] {
        refused(data::sine(rows), "sine");
        refused(data::spiral(rows, 1, 0), "spiral");
        refused(data::spiral(3, rows, 0), "spiral");
        refused(data::spiral(rows, rows, 0), "spiral");
    }
    assert_eq!(data::spiral(3, 2, 0).unwrap().len(), 6);
}

#[test]
fn blocks_lie_only_so_deep_in_one_another() {
    let nest = |depth: usize| {
        let first: Vec<Layer> = vec![Dense::new(2).into()];
        (0..depth).fold(first, |layers, _| vec![Residual::new(layers).into()]).remove(0)
    };
    let run = move || {
        let most = Residual::MAX_DEPTH;
        for depth in [most + 1, 1000, 20_000] {
            let model = Sequential::new(2).layer(nest(depth));
            assert_eq!(model.clone(), model);
            assert!(format!("{model:?}").len() < 1000);
            refused(model.build(), &format!("{depth} blocks"));
        }
        let model = Sequential::new(2).layer(nest(most)).dense(3);
        let builder = Trainer::new(model, Loss::cross_entropy(), Optimizer::sgd());
        let mut trainer = builder.on(&Device::cpu()).unwrap();
        trainer.fit(&data::spiral(3, 3, 0).unwrap(), Fit::epochs(1)).unwrap();
    };
    // As much as threads have in Rust and main has on Windows is less.
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}
