//! Pictures: one look for all, drawn at twice the size and averaged down, so that every edge is smooth.

use std::fmt;
use std::fs::File;
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbImage};
use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use plotters::style::FontStyle;
use wgrad::train::{Epoch, LearningRateCurve, SweepRow, SweepTable};
use wgrad::{Evaluation, History};

use super::{Failure, Result};

pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

pub const INK: RGBColor = RGBColor(38, 44, 56);
pub const FAINT: RGBColor = RGBColor(226, 229, 234);
const GREY: RGBColor = RGBColor(105, 113, 128);

/// Colours that differ for colour-blind readers too (Okabe and Ito).
pub const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

/// How much larger than in the file everything is drawn.
const SCALE: u32 = 2;

/// A length in pixels of the file.
pub const fn px(length: u32) -> u32 {
    length * SCALE
}

/// Text of a size in pixels of the file.
pub fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", px(size)).into_font().color(&INK)
}

/// Draws a picture of the given size and writes it as a PNG file, in a folder that need not exist.
pub fn draw(path: &Path, size: (u32, u32), paint: impl FnOnce(&Area<'_>) -> Result) -> Result {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    let picture = pixels(size, paint)?;
    picture.save(path).map_err(|error| Failure(format!("{}: {error}", path.display())))
}

/// Writes pictures as an animated GIF that stays on the last one for a while.
pub fn animation(path: &Path, frames: Vec<RgbImage>) -> Result {
    let file =
        File::create(path).map_err(|error| Failure(format!("{}: {error}", path.display())))?;
    let mut encoder = GifEncoder::new_with_speed(file, 4);
    encoder.set_repeat(Repeat::Infinite)?;
    let last = frames.len().saturating_sub(1);
    for (number, frame) in frames.into_iter().enumerate() {
        let pixels = image::DynamicImage::ImageRgb8(frame).into_rgba8();
        let delay = Delay::from_numer_denom_ms(if number == last { 3000 } else { 100 }, 1);
        encoder.encode_frame(Frame::from_parts(pixels, 0, 0, delay))?;
    }
    Ok(())
}

/// Draws a picture of the given size.
pub fn pixels(size: (u32, u32), painter: impl FnOnce(&Area<'_>) -> Result) -> Result<RgbImage> {
    let mut pixels = blank(size)?;
    paint(&mut pixels, painter)?;
    Ok(shrunk(&pixels))
}

/// A white canvas for a picture of the given size.
pub fn blank((width, height): (u32, u32)) -> Result<RgbImage> {
    // Plotters is built without the system's fonts, so that pictures look alike everywhere.
    plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        epaint_default_fonts::UBUNTU_LIGHT,
    )
    .map_err(|_| Failure("the font of the pictures cannot be read".to_string()))?;
    Ok(RgbImage::from_pixel(px(width), px(height), image::Rgb([255; 3])))
}

/// Draws on a canvas.
pub fn paint(canvas: &mut RgbImage, painter: impl FnOnce(&Area<'_>) -> Result) -> Result {
    let size = canvas.dimensions();
    let area = BitMapBackend::with_buffer(canvas, size).into_drawing_area();
    painter(&area)?;
    area.present()?;
    Ok(())
}

/// The picture of a canvas.
pub fn shrunk(canvas: &RgbImage) -> RgbImage {
    image::imageops::thumbnail(canvas, canvas.width() / SCALE, canvas.height() / SCALE)
}

/// A panel: its title, and room for a chart below it.
pub fn panel<'a, 'b>(
    area: &'b Area<'a>,
    title: &str,
) -> Result<ChartBuilder<'b, 'b, BitMapBackend<'a>>>
where
    'a: 'b,
{
    let mut chart = ChartBuilder::on(area);
    chart
        .caption(title, text(20))
        .margin(px(18))
        .margin_top(px(12))
        .x_label_area_size(px(44))
        .y_label_area_size(px(58));
    Ok(chart)
}

/// A strip with a title, and to its right what the colours stand for, so that no legend covers a curve; gives the rest.
pub fn head<'a>(
    area: &Area<'a>,
    title: &str,
    key: impl IntoIterator<Item = (impl AsRef<str>, RGBColor)>,
) -> Result<Area<'a>> {
    const HEIGHT: u32 = 40;
    let (head, body) = area.split_vertically(px(HEIGHT));
    let middle = px(HEIGHT / 2) as i32;
    let (wide, high) = head.estimate_text_size(title, &text(18))?;
    head.draw_text(title, &text(18), (px(16) as i32, middle - high as i32 / 2))?;
    let mut x = (px(40) + wide) as i32;
    for (name, colour) in key {
        let dash = [(x, middle), (x + px(24) as i32, middle)];
        head.draw(&PathElement::new(dash, colour.stroke_width(px(3))))?;
        let (wide, high) = head.estimate_text_size(name.as_ref(), &text(14))?;
        x += px(30) as i32;
        head.draw_text(name.as_ref(), &text(14), (x, middle - high as i32 / 2))?;
        x += (px(18) + wide) as i32;
    }
    Ok(body)
}

/// Axes with names and a faint grid.
pub fn axes<'a, X, Y>(
    chart: &mut ChartContext<'_, BitMapBackend<'a>, Cartesian2d<X, Y>>,
    (x_name, y_name): (&str, &str),
    number: &dyn Fn(&Y::ValueType) -> String,
) -> Result
where
    X: Ranged<ValueType: fmt::Debug> + ValueFormatter<X::ValueType>,
    Y: Ranged<ValueType: fmt::Debug> + ValueFormatter<Y::ValueType>,
{
    chart
        .configure_mesh()
        .x_desc(x_name)
        .y_desc(y_name)
        .x_labels(10)
        .y_labels(10)
        .y_label_formatter(number)
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT.stroke_width(SCALE))
        .axis_style(GREY.stroke_width(SCALE))
        .label_style(text(13))
        .axis_desc_style(text(15))
        .draw()?;
    Ok(())
}

/// A colour thinned with white: 0 is white, 1 the colour itself.
pub fn pale(colour: RGBColor, fraction: f64) -> RGBColor {
    let channel = |value: u8| (255.0 - fraction.clamp(0.0, 1.0) * (255.0 - f64::from(value))) as u8;
    RGBColor(channel(colour.0), channel(colour.1), channel(colour.2))
}

/// How many groups of neighbouring epochs a loss curve shows at most.
const GROUPS: usize = 400;

/// The losses of training and, if there are any, of validation.
pub fn loss_curve(area: &Area<'_>, history: &History) -> Result {
    let epochs = history.epochs.iter();
    let mut curves = vec![
        ("training", epochs.clone().map(|epoch| epoch.loss).collect()),
        ("validation", epochs.map(validation_loss).collect()),
    ];
    curves.retain(|(_, losses): &(_, Vec<f64>)| losses.iter().any(|loss| !loss.is_nan()));
    losses(area, "Loss", &curves)
}

/// The losses on validation data of the best settings of a sweep, each the mean of its runs.
pub fn settings(area: &Area<'_>, table: &SweepTable) -> Result {
    let mut rows: Vec<&SweepRow> = table.rows.iter().collect();
    rows.sort_by(|a, b| a.mean.loss().total_cmp(&b.mean.loss()));
    let mean = |row: &SweepRow| {
        let mut sums =
            vec![0.0; row.runs.iter().map(|run| run.history.epochs.len()).max().unwrap_or(0)];
        for run in &row.runs {
            for (sum, epoch) in sums.iter_mut().zip(&run.history.epochs) {
                *sum += validation_loss(epoch) / row.runs.len() as f64;
            }
        }
        sums
    };
    let best = rows.iter().take(COLOURS.len());
    let curves: Vec<_> = best.map(|row| (row.name.as_str(), mean(row))).collect();
    losses(area, "Validation loss of the best settings", &curves)
}

fn validation_loss(epoch: &Epoch) -> f64 {
    epoch.validation.as_ref().map_or(f64::NAN, Evaluation::loss)
}

/// Neighbouring epochs with their positive losses, ascending.
fn groups(losses: &[f64]) -> Vec<(usize, Vec<f64>)> {
    let size = losses.len().div_ceil(GROUPS).max(1);
    let chunks = losses.chunks(size).enumerate().map(|(number, group)| {
        let positive = group.iter().copied().filter(|loss| loss.is_finite() && *loss > 0.0);
        let mut group: Vec<f64> = positive.collect();
        group.sort_by(f64::total_cmp);
        (number * size, group)
    });
    chunks.filter(|(_, group)| !group.is_empty()).collect()
}

/// Losses by epoch on a logarithmic scale: the median of neighbouring epochs and the range around it.
fn losses(area: &Area<'_>, title: &str, curves: &[(&str, Vec<f64>)]) -> Result {
    let epochs = curves.iter().map(|(_, losses)| losses.len()).max().unwrap_or(0);
    let grouped: Vec<_> = curves.iter().map(|(name, losses)| (*name, groups(losses))).collect();
    let all = || grouped.iter().flat_map(|(_, groups)| groups).flat_map(|(_, group)| group);
    let lowest = all().copied().fold(1.0, f64::min);
    let range = 0.8 * lowest..1.25 * all().copied().fold(lowest, f64::max);
    let mut chart =
        panel(area, title)?.build_cartesian_2d(0..epochs.max(2) - 1, range.log_scale())?;
    axes(&mut chart, ("epoch", "loss"), &|loss| {
        if *loss < 0.1 { format!("{loss:.0e}") } else { format!("{loss:.1}") }
    })?;
    for ((name, groups), colour) in grouped.iter().zip(COLOURS) {
        let there = groups.iter().map(|(epoch, group)| (*epoch, group[group.len() - 1]));
        let back = groups.iter().rev().map(|(epoch, group)| (*epoch, group[0]));
        let band = Polygon::new(there.chain(back).collect::<Vec<_>>(), pale(colour, 0.35));
        chart.draw_series([band])?;
        let median = groups.iter().map(|(epoch, group)| (*epoch, group[group.len() / 2]));
        let style = colour.stroke_width(px(2));
        chart
            .draw_series(LineSeries::new(median, style))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + px(22) as i32, y)], style));
    }
    if grouped.len() > 1 { legend(&mut chart) } else { Ok(()) }
}

/// The loss by learning rate with the rate that it suggests.
pub fn rates(area: &Area<'_>, curve: &LearningRateCurve) -> Result {
    let points = |losses: &[f64]| -> Vec<(f64, f64)> {
        curve.rates.iter().copied().zip(losses.iter().copied()).collect()
    };
    let ends = |values: &[f64]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        least..values.iter().copied().fold(least, f64::max).max(1.01 * least)
    };
    let (rates, losses) = (ends(&curve.rates), ends(&curve.losses));
    let mut chart = panel(area, "Loss by learning rate")?
        .build_cartesian_2d(rates.log_scale(), losses.clone())?;
    axes(&mut chart, ("learning rate", "loss"), &|loss| format!("{loss:.2}"))?;
    chart.draw_series(LineSeries::new(points(&curve.losses), INK.mix(0.25).stroke_width(px(1))))?;
    chart.draw_series(LineSeries::new(points(&curve.smoothed), COLOURS[0].stroke_width(px(2))))?;
    let Some(rate) = curve.suggestion else { return Ok(()) };
    let line = [(rate, losses.start), (rate, losses.end)];
    let style = COLOURS[1].stroke_width(px(2));
    chart
        .draw_series([PathElement::new(line, style)])?
        .label(format!("suggested: {rate:.1e}"))
        .legend(move |(x, y)| PathElement::new([(x, y), (x + px(22) as i32, y)], style));
    legend(&mut chart)
}

/// The names of the series, in a box at the upper right.
pub fn legend<'a, X: Ranged, Y: Ranged>(
    chart: &mut ChartContext<'a, BitMapBackend<'a>, Cartesian2d<X, Y>>,
) -> Result {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .margin(px(10))
        .legend_area_size(px(26))
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT.stroke_width(SCALE))
        .label_font(text(14))
        .draw()?;
    Ok(())
}
