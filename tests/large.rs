//! A data set larger than one binding, in a process of its own, whose memory is bounded.

#[path = "support/mod.rs"]
mod support;

use wgrad::data::{Dataset, Targets};
use wgrad::ndarray::Array2;
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};

const ROWS: usize = 60_000;
const PIXELS: usize = 784;

/// The most memory that this process has had, in bytes; `None` where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok().map(|kib: u64| kib * 1024)
}

#[test]
fn sixty_thousand_rows_of_784_train_in_batches_within_one_and_a_half_gigabytes() {
    let key = Key::new(1, Stream::Data(4));
    let labels: Vec<u32> = (0..ROWS as u32).map(|row| key.words(0, row)[0] % 10).collect();
    // A stripe of the image tells the class.
    let pixel = |(row, col): (usize, usize)| {
        let stripe = if col / 79 == labels[row] as usize { 1.0 } else { 0.0 };
        stripe + key.uniform(row as u32 + 1, col as u32) - 0.5
    };
    let inputs = Array2::from_shape_fn((ROWS, PIXELS), pixel);
    let data = Dataset::new(inputs, Targets::Classes { labels, classes: 10 }).unwrap();
    let gpu = support::nets::gpu();
    let limit = wgpu::Limits::default().max_storage_buffer_binding_size;
    assert!(limit < (ROWS * PIXELS * 4) as u64, "the data set fits into one binding");
    let results = [Device::cpu(), gpu].map(|device| {
        let model = Sequential::new(PIXELS).dense(10);
        let sgd = Optimizer::sgd().learning_rate(0.01);
        let mut trainer = Trainer::new(model, Loss::cross_entropy(), sgd).on(&device).unwrap();
        let history = trainer.fit(&data, Fit::epochs(1).batch(1000)).unwrap();
        let evaluation = trainer.evaluate(&data).unwrap();
        assert!(evaluation.accuracy() > 0.9, "{evaluation:?} on {device}");
        assert_eq!(trainer.predict(data.inputs()).unwrap().dim(), (ROWS, 10));
        [history.epochs[0].loss, evaluation.loss()]
    });
    let [cpu, gpu] = results;
    assert!(
        cpu.iter().zip(gpu).all(|(cpu, gpu)| (cpu - gpu).abs() < 1e-3 * cpu),
        "{cpu:?} {gpu:?}"
    );
    if let Some(peak) = peak() {
        assert!(peak < 1_500_000_000, "{peak} bytes");
    }
}
