//! A classifier from a table with class names: `cargo run --example classify [TABLE CLASS MODEL]`.

use wgrad::data::{CsvOptions, Standardize, read_csv};
use wgrad::prelude::*;

const IRIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/own_data/iris.csv");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let or = |place: usize, default: &str| arguments.get(place).cloned().unwrap_or(default.into());
    let data = read_csv(or(0, IRIS), &CsvOptions::class(or(1, "species")))?;
    data.notes().iter().for_each(|note| println!("note: {note}"));
    let (train, test) = data.split(0.8, 0)?;

    let model = Sequential::new(data.features()).dense(16).activation(Activation::relu());
    let adam = Optimizer::adam().learning_rate(0.01);
    let mut trainer = Trainer::new(model.dense(data.outputs()), Loss::cross_entropy(), adam)
        .standardize(Standardize::fit(&train)?)
        .on(&Device::auto()?)?;
    trainer.fit(&train, Fit::epochs(100).batch(16).validate(&test))?;

    println!("accuracy {:.3}", trainer.evaluate(&test)?.accuracy());
    println!("{}", trainer.confusion_matrix(&test)?);
    let path = or(2, "target/wgrad/model.safetensors");
    trainer.save(&path)?;
    println!("model: {path}");
    Ok(())
}
