//! Tells three interleaved spiral arms apart: the reference run of classification.
//!
//! `cargo run --release --example spiral`

mod common;

use clap::Parser;
use common::chart::{self, Area, COLOURS, px};
use common::{Example, Options, Result};
use plotters::prelude::*;
use wgrad::ndarray::{Array2, ArrayView1, Axis};
use wgrad::prelude::*;

/// Tells three interleaved spiral arms apart
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// Also film how the decision grows, as an animated GIF
    #[arg(long)]
    film: bool,
}

fn main() -> Result {
    let cli = Cli::parse();
    let example = Example::new("spiral", cli.options)?;
    let data = data::spiral(100, 3, example.seed())?;
    let model = Sequential::new(2).dense(64).activation(Activation::relu()).dense(3);
    let mut trainer =
        Trainer::new(model, Loss::cross_entropy(), Optimizer::adam().learning_rate(0.05))
            .schedule(Schedule::inverse_time(5e-7)?)
            .seed(example.seed())
            .on(&example.device)?;
    let frame = |area: &Area<'_>, trainer: &mut Trainer| field(area, &data, trainer);
    let run = match cli.film {
        true => example.film(&mut trainer, &data, ((440, 480), frame))?,
        false => example.train(&mut trainer, &data, example.fit(), 100)?,
    };

    let result = trainer.evaluate(&data)?;
    chart::draw(&example.picture(), (1180, 580), |area| {
        let (left, right) = area.split_horizontally(px(600));
        field(&left, &data, &mut trainer)?;
        chart::loss_curve(&right, &run.history)
    })?;
    let figures = [("loss", result.loss()), ("accuracy", result.accuracy())];
    example.report(&run, &trainer, &figures)
}

/// How many cells the decision field has along each axis.
const CELLS: usize = 240;
/// How far it reaches from the origin.
const REACH: f32 = 1.15;

/// The points on the network's opinion of every place.
fn field(area: &Area<'_>, data: &Dataset, trainer: &mut Trainer) -> Result {
    let cell = 2.0 * REACH / CELLS as f32;
    let place = |index: usize| (index as f32 + 0.5) * cell - REACH;
    let places = Array2::from_shape_fn((CELLS * CELLS, 2), |(row, axis)| {
        place(if axis == 0 { row % CELLS } else { row / CELLS })
    });
    let scores = trainer.predict(places.view())?;
    let arms = (1..).zip(COLOURS).map(|(arm, colour)| (format!("arm {arm}"), colour));
    let body =
        chart::head(area, "Three arms, and the network's answer", arms.take(data.outputs()))?;
    let mut plot = chart::panel(&body, "")?.build_cartesian_2d(-REACH..REACH, -REACH..REACH)?;
    chart::axes(&mut plot, ("x", "y"), &|y| format!("{y:.1}"))?;
    // Over the grid, which would disturb here.
    let cells = places.axis_iter(Axis(0)).zip(scores.axis_iter(Axis(0)));
    plot.draw_series(cells.map(|(place, scores)| {
        let (x, y) = (place[0] - cell / 2.0, place[1] - cell / 2.0);
        Rectangle::new([(x, y), (x + cell, y + cell)], opinion(scores).filled())
    }))?;
    let labels = data.targets().labels().unwrap_or_default();
    for (class, colour) in (0u32..).zip(COLOURS).take(data.outputs()) {
        let points =
            data.inputs().rows().into_iter().zip(labels).filter(|(_, label)| **label == class);
        let dot = move |x, y| {
            EmptyElement::at((x, y))
                + Circle::new((0, 0), px(4), WHITE.filled())
                + Circle::new((0, 0), px(3), colour.filled())
        };
        plot.draw_series(points.map(|(point, _)| dot(point[0], point[1])))?;
    }
    Ok(())
}

/// The classes' colours in the proportion of their probabilities, pale.
fn opinion(scores: ArrayView1<'_, f32>) -> RGBColor {
    let most = scores.fold(f32::NEG_INFINITY, |most, score| most.max(*score));
    let weights = scores.mapv(|score| (score - most).exp());
    let total = weights.sum();
    let mix = |channel: fn(&RGBColor) -> u8| {
        let parts = weights.iter().zip(&COLOURS).map(|(w, c)| w / total * f32::from(channel(c)));
        parts.sum::<f32>() as u8
    };
    chart::pale(RGBColor(mix(|c| c.0), mix(|c| c.1), mix(|c| c.2)), 0.4)
}
