//! Reads handwritten digits: 1 797 images of 8 × 8 pixels, four fifths to learn from and one to be tested on.
//!
//! `cargo run --release --example digits`

mod common;

use clap::{Parser, ValueEnum};
use common::chart::{self, Area, COLOURS, FAINT, INK, pale, px};
use common::{Example, Options, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use wgrad::ndarray::{Array2, ArrayView1};
use wgrad::prelude::*;

/// Reads handwritten digits
#[derive(Parser)]
#[command(mut_arg("epochs", |arg| arg.default_value("40")))]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// The network: one hidden layer, or residual blocks with layer norm
    #[arg(long, value_enum, default_value_t = Model::Dense)]
    model: Model,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Model {
    Dense,
    Residual,
}

impl Model {
    fn layers(self, inputs: usize, outputs: usize) -> Sequential {
        let model = Sequential::new(inputs);
        match self {
            Self::Dense => {
                model.dense(HIDDEN).activation(Activation::relu()).dropout(0.3).dense(outputs)
            }
            Self::Residual => {
                let block = |branch: Sequential| {
                    let wide = branch.layer_norm().dense(HIDDEN).activation(Activation::gelu());
                    wide.dropout(0.3).dense(inputs)
                };
                model.residual(block).residual(block).layer_norm().dense(outputs)
            }
        }
    }

    /// The rate rises to its largest and falls to 0.
    fn schedule(self, steps: f64) -> wgrad::Result<Schedule> {
        match self {
            Self::Dense => Schedule::cosine(steps, 0.0),
            Self::Residual => {
                let warmup = (steps / 10.0).round();
                Ok(Schedule::cosine(steps - warmup, 0.0)?.after_warmup(warmup as u64))
            }
        }
    }

    fn learning_rate(self) -> f64 {
        match self {
            Self::Dense => 0.01,
            Self::Residual => 0.002,
        }
    }
}

fn main() -> Result {
    let Cli { options, model } = Cli::parse();
    let example = Example::new("digits", options)?;
    // The same split for every seed: the seed varies the training, not the question. Dropout, rate, batch and epochs
    // were chosen on parts held out of the training rows; the test rows had no say.
    let (training, test) = data::digits().split(0.8, 0)?;
    let layers = model.layers(training.features(), training.outputs());
    let steps = example.epochs() * training.len().div_ceil(BATCH) as u64;
    let optimizer = Optimizer::adamw().learning_rate(model.learning_rate());
    let mut trainer = Trainer::new(layers, Loss::cross_entropy(), optimizer)
        .schedule(model.schedule(steps as f64)?)
        .seed(example.seed())
        .on(&example.device)?;
    let run = example.train(&mut trainer, &training, example.fit().batch(BATCH), 5)?;

    let (learnt, tested) = (trainer.evaluate(&training)?, trainer.evaluate(&test)?);
    let scores = trainer.predict(test.inputs().view())?;
    // The first layer that looks at the pixels; a norm may come before it.
    let matrices = trainer.parameters()?.into_iter();
    let mut matrices = matrices.map(|(_, weights)| weights.into_iter().collect::<Vec<f32>>());
    let weights = matrices.find(|weights| weights.len() == HIDDEN * 64).unwrap_or_default();
    chart::draw(&example.picture(), (1200, 560), |area| {
        let (left, right) = area.split_horizontally(px(500));
        confusion(&left, &test, &scores)?;
        filters(&right, &weights)
    })?;
    let figures = [
        ("loss", learnt.loss()),
        ("accuracy", learnt.accuracy()),
        ("test_accuracy", tested.accuracy()),
    ];
    example.report(&run, &trainer, &figures)
}

/// How many units the hidden layer has.
const HIDDEN: usize = 128;
/// How many images a step learns from.
const BATCH: usize = 32;

/// How often each digit was taken for which.
fn confusion(area: &Area<'_>, test: &Dataset, scores: &Array2<f32>) -> Result {
    let mut counts = [[0u32; 10]; 10];
    for (&truth, scores) in test.targets().labels().unwrap_or_default().iter().zip(scores.rows()) {
        counts[truth as usize][largest(scores)] += 1;
    }
    let most = counts.iter().flatten().copied().max().unwrap_or(0).max(1);
    let cells = || {
        let cell = |truth| move |read| (truth, read, counts[truth as usize][read as usize]);
        (0..10u32).flat_map(move |truth| (0..10u32).map(cell(truth)))
    };
    let mut plot = chart::panel(area, "What is read in the test images")?
        .build_cartesian_2d((0..9u32).into_segmented(), (0..9u32).into_segmented())?;
    // Rows are counted from below, and 0 stands on top as in a printed matrix.
    let name = |row: &SegmentValue<u32>| match row {
        SegmentValue::CenterOf(row) => (9 - row).to_string(),
        _ => String::new(),
    };
    chart::axes(&mut plot, ("read as", "digit"), &name)?;
    // Away with the grid, which runs through the middle of the cells.
    plot.plotting_area().fill(&WHITE)?;
    let next = |digit| if digit < 9 { SegmentValue::Exact(digit + 1) } else { SegmentValue::Last };
    plot.draw_series(cells().map(|(truth, read, count)| {
        let fraction = f64::from(count) / f64::from(most);
        let colour = match count {
            0 => pale(FAINT, 0.4),
            _ if truth == read => pale(COLOURS[0], 0.2 + 0.8 * fraction),
            _ => pale(COLOURS[1], 0.4 + 0.6 * fraction),
        };
        let row = 9 - truth;
        let corner = (SegmentValue::Exact(read), SegmentValue::Exact(row));
        let mut cell = Rectangle::new([corner, (next(read), next(row))], colour.filled());
        cell.set_margin(px(1), px(1), px(1), px(1));
        cell
    }))?;
    plot.draw_series(cells().filter(|(.., count)| *count > 0).map(|(truth, read, count)| {
        let ink = if truth == read { &WHITE } else { &INK };
        let style = chart::text(15).color(ink).pos(Pos::new(HPos::Center, VPos::Center));
        let centre = (SegmentValue::CenterOf(read), SegmentValue::CenterOf(9 - truth));
        Text::new(count.to_string(), centre, style)
    }))?;
    Ok(())
}

/// The first layer's weights, one image of 8 × 8 for each hidden unit.
fn filters(area: &Area<'_>, weights: &[f32]) -> Result {
    let mut plot = chart::panel(area, "What the hidden units look for")?
        .x_label_area_size(0)
        .y_label_area_size(0)
        .build_cartesian_2d(0..ACROSS * TILE - 1, HIDDEN.div_ceil(ACROSS) * TILE - 1..0)?;
    // The few largest weights may saturate, so that the others are seen.
    let most = 0.6 * weights.iter().fold(0f32, |most, weight| most.max(weight.abs()));
    let pixels = weights.iter().enumerate().map(|(index, &weight)| {
        let (unit, pixel) = (index / 64, index % 64);
        let x = unit % ACROSS * TILE + pixel % 8;
        let y = unit / ACROSS * TILE + pixel / 8;
        let fraction = f64::from(weight / most).abs();
        let colour = if weight < 0.0 { COLOURS[0] } else { COLOURS[1] };
        Rectangle::new([(x, y), (x + 1, y + 1)], pale(colour, fraction).filled())
    });
    plot.draw_series(pixels)?;
    Ok(())
}

/// How many filters stand in a row, and how far apart they begin.
const ACROSS: usize = 13;
const TILE: usize = 9;

/// The class of the largest score.
fn largest(scores: ArrayView1<'_, f32>) -> usize {
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(class, _)| class)
}
