//! Settings compared by cross-validation: `cargo run --example sweep`.

use wgrad::data::{CsvOptions, Standardize, read_csv};
use wgrad::prelude::*;

const IRIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/own_data/iris.csv");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (data, device) = (read_csv(IRIS, &CsvOptions::class("species"))?, Device::auto()?);
    let folds = data.folds(5, 0)?;
    let mut best = (f64::NEG_INFINITY, String::new());
    println!("accuracy  loss    optimizer");
    for optimizer in [Optimizer::sgd(), Optimizer::adam(), Optimizer::lion()] {
        for rate in [0.1, 0.01, 0.001] {
            let optimizer = optimizer.learning_rate(rate);
            let (mut accuracy, mut loss) = (0.0, 0.0);
            for (seed, (train, validation)) in folds.iter().enumerate() {
                let model = Sequential::new(4).dense(16).activation(Activation::relu()).dense(3);
                let mut trainer = Trainer::new(model, Loss::cross_entropy(), optimizer)
                    .standardize(Standardize::fit(train)?)
                    .seed(seed as u64)
                    .on(&device)?;
                trainer.fit(train, Fit::epochs(20).batch(16))?;
                let evaluation = trainer.evaluate(validation)?;
                accuracy += evaluation.accuracy() / folds.len() as f64;
                loss += evaluation.loss() / folds.len() as f64;
            }
            println!("{accuracy:8.3}  {loss:.4}  {optimizer}");
            if -loss > best.0 {
                best = (-loss, optimizer.to_string());
            }
        }
    }
    println!("best: {}", best.1);
    Ok(())
}
