//! A model in another program than the one that trained it: `cargo run --example predict MODEL NUMBER...`.

use wgrad::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give the path of a model that `classify` saved")?;
    let model = Model::load(path, &Device::auto()?)?;
    let row = arguments.map(|number| number.parse()).collect::<Result<Vec<f32>, _>>()?;

    let row = wgrad::ndarray::Array2::from_shape_vec((1, row.len()), row)?;
    println!("{}", model.classes(&row)?.join(" "));
    for (name, probability) in model.class_names().iter().zip(model.probabilities(&row)?) {
        println!("{probability:.3} {name}");
    }
    Ok(())
}
