//! Tensors in the memory of tensors that are gone.

use crate::support;

use support::run::{gpu, uniform};
use wgrad::ir::Form;
use wgrad::ndarray::Array2;
use wgrad::{Activation, Device, Loss, Reduce, Reduction, Shape, Tensor};

fn matrix(device: &Device, seed: u64, rows: usize, cols: usize) -> Tensor {
    let values = uniform(seed, rows * cols);
    device.tensor(&Array2::from_shape_vec((rows, cols), values).unwrap()).unwrap()
}

/// Results of ops of every kind: whole writes, sums into a value, parts put together.
fn results(device: &Device, seed: u64, [m, k, n]: [usize; 3]) -> Vec<Vec<u32>> {
    let (a, b) = (matrix(device, seed, m, k), matrix(device, seed + 1, k, n));
    let product = device.matmul(&a, &b, Form::NN).unwrap();
    let index = device.classes(&(0..k as u32).map(|i| i % m as u32).collect::<Vec<_>>()).unwrap();
    let target = device.classes(&(0..m as u32).map(|i| i % n as u32).collect::<Vec<_>>()).unwrap();
    let (loss, grad) =
        device.loss(Loss::cross_entropy(), Reduction::Mean, &product, &target).unwrap();
    let softmax = Activation::softmax();
    let shape = Shape::new(&[m, k]).unwrap();
    let all = [
        device.activation(Activation::gelu(), &a).unwrap(),
        device.activation(softmax, &product).unwrap(),
        device.activation_backward(softmax, &product, &product).unwrap(),
        device.transpose(&a).unwrap(),
        device.concatenate(&[&a, &a], 1).unwrap(),
        device.slice(&a, 1, 0..1).unwrap(),
        device.slice_backward(shape, 0, 0..1, &device.slice(&a, 0, 0..1).unwrap()).unwrap(),
        device.reduce(Reduce::Sum, &a, &[0]).unwrap(),
        device
            .reduce_backward(Reduce::Sum, &a, &device.reduce(Reduce::Sum, &a, &[0]).unwrap(), &[0])
            .unwrap(),
        device.gather_rows(&a, &index).unwrap(),
        device.scatter_add(&a, &device.gather_rows(&a, &index).unwrap(), &index).unwrap(),
        device.repeat_backward(&device.repeat(&a, 0, 3).unwrap(), 0, 3).unwrap(),
        device.confusion_matrix(&product, &target).unwrap(),
        loss,
        grad,
        product,
    ];
    let bits = |tensor: &Tensor| tensor.read().unwrap().iter().map(|x| x.to_bits()).collect();
    all.iter().map(bits).collect()
}

#[test]
fn results_are_the_same_bits_in_memory_that_was_used_before() {
    let device: Device = gpu().clone().into();
    let shapes = [[1, 1, 1], [3, 5, 2], [7, 64, 33], [130, 20, 9]];
    for (seed, shape) in (0..).zip(shapes) {
        let fresh = results(&device, seed, shape);
        // Every size up to that of the largest result lies free, full of NaN.
        let most = (2 * shape[0] * shape[1]).max(shape[0] * shape[2]).max(shape[1] * shape[2]);
        for len in (1..=most.next_multiple_of(64)).step_by(64) {
            let nan = Array2::from_elem((1, len), f32::NAN);
            let tensors = [(); 20].map(|()| device.tensor(&nan).unwrap());
            drop(tensors);
        }
        assert_eq!(results(&device, seed, shape), fresh, "{shape:?}");
    }
}

#[test]
fn a_result_that_is_held_keeps_its_values_while_others_come_and_go() {
    let device: Device = gpu().clone().into();
    let x = matrix(&device, 1, 40, 30);
    let held = device.activation(Activation::tanh(), &x).unwrap();
    let reshaped = held.reshape(&[30, 40]).unwrap();
    let before = held.read().unwrap();
    drop(held);
    for seed in 0..20 {
        let other = matrix(&device, seed, 40, 30);
        device.activation(Activation::relu(), &other).unwrap();
    }
    assert!(reshaped.read().unwrap().iter().eq(before.iter()));
}
