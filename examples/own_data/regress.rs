//! A regressor from a table with missing cells, standardized: `cargo run --example regress`.

use wgrad::data::{CsvOptions, Missing, Standardize, read_csv};
use wgrad::prelude::*;

const CARS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/own_data/cars.csv");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = CsvOptions::values(["mpg"]).without(["name", "origin"]).missing(Missing::Drop);
    let data = read_csv(CARS, &options)?;
    data.notes().iter().for_each(|note| println!("note: {note}"));
    let (train, test) = data.split(0.8, 0)?;

    let model = Sequential::new(data.features()).dense(32).activation(Activation::tanh()).dense(1);
    let adam = Optimizer::adam().learning_rate(0.01);
    let mut trainer = Trainer::new(model, Loss::mse(), adam)
        .standardize(Standardize::fit(&train)?.with_targets())
        .on(&Device::auto()?)?;
    trainer.fit(&train, Fit::epochs(100).batch(32))?;

    let (predicted, actual) = (trainer.predict(test.inputs())?, test.targets().values().unwrap());
    let error = (&predicted - actual).mapv(f32::abs).mean().unwrap_or(f32::NAN);
    let r2 = trainer.evaluate(&test)?.metric("r2").unwrap_or(f64::NAN);
    println!("R² {r2:.3}, mean absolute error {error:.2} mpg");
    for (predicted, actual) in predicted.iter().zip(actual).take(5) {
        println!("predicted {predicted:5.1}, actual {actual:5.1}");
    }
    Ok(())
}
