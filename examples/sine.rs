//! Learns one period of the sine: the reference run of regression.
//!
//! `cargo run --release --example sine -- --scale 0.1 --lr 0.005 --decay 1e-3`

mod common;

use clap::Parser;
use common::chart::{self, Area, COLOURS, INK, px};
use common::{Example, Options, Result};
use plotters::prelude::*;
use wgrad::prelude::*;

/// Learns one period of the sine
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// The standard deviation of the initial weights
    #[arg(long, default_value_t = 0.1, allow_negative_numbers = true)]
    scale: f64,
    /// The learning rate of the first step
    #[arg(long, default_value_t = 0.005, allow_negative_numbers = true)]
    lr: f64,
    /// How fast the learning rate falls: lr / (1 + decay · step)
    #[arg(long, default_value_t = 1e-3, allow_negative_numbers = true)]
    decay: f64,
    /// The widths of the hidden layers
    #[arg(long, default_value = "64,64", value_delimiter = ',', value_name = "WIDTHS")]
    hidden: Vec<usize>,
    /// Also film how the fit grows, as an animated GIF
    #[arg(long)]
    film: bool,
}

fn main() -> Result {
    let cli = Cli::parse();
    let data = data::sine(1000)?;
    let weights = Initializer::normal().with("std", cli.scale)?;
    let mut model = Sequential::new(1);
    for width in &cli.hidden {
        model = model.layer(Dense::new(*width).weights(weights)).activation(Activation::relu());
    }
    let model = model.layer(Dense::new(1).weights(weights));
    let optimizer = Optimizer::adam().learning_rate(cli.lr).with("eps", 1e-7)?;

    let example = Example::new("sine", cli.options)?;
    let mut trainer = Trainer::new(model, Loss::mse(), optimizer)
        .schedule(Schedule::inverse_time(cli.decay)?)
        .metrics(&[Metric::RegressionAccuracy { tolerance: data.target_variance().sqrt() / 250.0 }])
        .seed(example.seed())
        .on(&example.device)?;
    let frame = |area: &Area<'_>, trainer: &mut Trainer| {
        let predicted = trainer.predict(data.inputs().view())?;
        curves(area, &data, predicted.as_slice().unwrap_or_default())
    };
    let run = match cli.film {
        true => example.film(&mut trainer, &data, ((480, 380), frame))?,
        false => example.train(&mut trainer, &data, example.fit(), 100)?,
    };

    let result = trainer.evaluate(&data)?;
    let predicted = trainer.predict(data.inputs().view())?;
    chart::draw(&example.picture(), (1200, 500), |area| {
        let (left, right) = area.split_horizontally(px(640));
        curves(&left, &data, predicted.as_slice().unwrap_or_default())?;
        chart::loss_curve(&right, &run.history)
    })?;
    let figures = [("loss", result.loss()), ("accuracy", result.accuracy())];
    example.report(&run, &trainer, &figures)
}

/// The sine and what the network makes of it.
fn curves(area: &Area<'_>, data: &Dataset, predicted: &[f32]) -> Result {
    let series = [("sin 2πx", px(6), chart::pale(INK, 0.3)), ("network", px(2), COLOURS[1])];
    let key = series.map(|(name, _, colour)| (name, colour));
    let body = chart::head(area, "One period of the sine", key)?;
    let mut plot = chart::panel(&body, "")?.build_cartesian_2d(0f32..1f32, -1.2f32..1.2f32)?;
    chart::axes(&mut plot, ("x", "y"), &|y| format!("{y:.1}"))?;
    let curve = |y: &[f32]| -> Vec<(f32, f32)> {
        data.inputs().iter().copied().zip(y.iter().copied()).collect()
    };
    let target = data.targets().values().and_then(|values| values.as_slice()).unwrap_or_default();
    for ((_, width, colour), y) in series.into_iter().zip([target, predicted]) {
        plot.draw_series(LineSeries::new(curve(y), colour.stroke_width(width)))?;
    }
    Ok(())
}
