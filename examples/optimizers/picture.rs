//! Paths over contours, as a picture and as an animation.

use std::fs::File;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, Rgb, RgbImage};
use plotters::prelude::*;

use crate::common::chart::{self, Area, INK, px, text};
use crate::common::{Result, number};
use crate::surface::Surface;
use crate::walk::Path;

/// The side of the map in pixels of the file: of the picture, of the animation.
const STILL: u32 = 760;
const MOVING: u32 = 420;
/// The width of the list of names, and the height of one.
const NAMES: u32 = 330;
const LINE: u32 = 19;
const HEADER: u32 = 44;
const FRAMES: u32 = 48;
/// How long a frame stays, and how long the last one, in milliseconds.
const PACE: [u32; 2] = [80, 3000];
/// How many bands of equal area the contours part.
const BANDS: usize = 24;

fn colour(number: usize, count: usize) -> RGBColor {
    // Neighbours in the list lie a golden section apart on the wheel, and differ in lightness.
    let hue = (number as f64 * 0.618_033_988_75).fract();
    let lightness = [0.40, 0.52, 0.30][number % 3];
    let (r, g, b) = HSLColor(hue, if count > 1 { 0.85 } else { 1.0 }, lightness).rgb();
    RGBColor(r, g, b)
}

/// The surface from above: bands of equal area, the lower the darker, with a line between two.
fn map(surface: &Surface, side: u32) -> RgbImage {
    let [across, up] = surface.frame;
    let at = |fraction: f64, [low, high]: [f64; 2]| (low + fraction * (high - low)) as f32;
    let value = |x: f64, y: f64| {
        let side = f64::from(side);
        surface.at([at(x / side, across), at(1.0 - y / side, up)]).0
    };
    let samples = 200;
    let step = f64::from(side) / f64::from(samples);
    let places = (0..samples * samples).map(|i| (f64::from(i % samples), f64::from(i / samples)));
    let mut values: Vec<f64> = places.map(|(x, y)| value(x * step, y * step)).collect();
    values.sort_by(f64::total_cmp);
    let levels: Vec<f64> = (1..BANDS).map(|band| values[band * values.len() / BANDS]).collect();
    let band = |x: f64, y: f64| {
        let value = value(x, y);
        levels.partition_point(|level| *level < value)
    };
    let bands: Vec<usize> = (0..(side + 1) * (side + 1))
        .map(|i| band(f64::from(i % (side + 1)), f64::from(i / (side + 1))))
        .collect();
    RgbImage::from_fn(side, side, |x, y| {
        let place = (y * (side + 1) + x) as usize;
        let here = bands[place];
        let is_line = here != bands[place + 1] || here != bands[place + side as usize + 1];
        let fraction =
            0.45 * (1.0 - here as f64 / (BANDS - 1) as f64) + if is_line { 0.22 } else { 0.0 };
        let RGBColor(r, g, b) = chart::pale(RGBColor(64, 92, 128), fraction + 0.04);
        Rgb([r, g, b])
    })
}

/// Draws the first `steps` steps of every path over a map of `side` pixels.
fn paths(
    area: &Area<'_>,
    surface: &Surface,
    all: &[Path],
    (side, width): (u32, u32),
    steps: usize,
) -> Result {
    let [across, up] = surface.frame;
    let place = |value: f32, [low, high]: [f64; 2]| {
        let fraction = (f64::from(value) - low) / (high - low);
        (fraction.clamp(-1.0, 2.0) * f64::from(side)) as i32
    };
    let point = |p: &[f32; 2]| (place(p[0], across), side as i32 - place(p[1], up));
    for least in surface.least {
        let (x, y) = point(&least.map(|p| p as f32));
        let arm = 4 * width as i32;
        for ends in
            [[(x - arm, y - arm), (x + arm, y + arm)], [(x - arm, y + arm), (x + arm, y - arm)]]
        {
            area.draw(&PathElement::new(ends, INK.stroke_width(width)))?;
        }
    }
    // The best one last, so that nothing hides it.
    for (number, path) in all.iter().enumerate().rev() {
        let colour = colour(number, all.len());
        let points: Vec<_> = path.points.iter().take(steps + 1).map(point).collect();
        let head = points[points.len() - 1];
        // One by one: plotters joins the segments of a sharp turn in a long spike.
        for ends in points.windows(2) {
            area.draw(&PathElement::new(ends, colour.stroke_width(width)))?;
        }
        area.draw(&Circle::new(head, 2 * width as i32, WHITE.filled()))?;
        area.draw(&Circle::new(head, 2 * width as i32, colour.stroke_width(width)))?;
    }
    Ok(())
}

/// The map with whole paths, and beside it the optimizers in the order of their values.
pub fn still(path: &std::path::Path, surface: &Surface, all: &[Path]) -> Result {
    let height = HEADER + STILL.max(LINE * all.len() as u32 + LINE);
    let background = map(surface, px(STILL));
    chart::draw(path, (STILL + NAMES, height), |area| {
        let title = format!("{}: {}, {} steps", surface.name, surface.formula, surface.steps);
        let (head, body) = area.split_vertically(px(HEADER));
        let (left, right) = body.split_horizontally(px(STILL));
        let (left, _) = left.split_vertically(px(STILL));
        for (x, y, Rgb([r, g, b])) in background.enumerate_pixels() {
            left.draw_pixel((x as i32, y as i32), &RGBColor(*r, *g, *b))?;
        }
        paths(&left, surface, all, (px(STILL), px(2)), surface.steps)?;
        right.fill(&WHITE)?;
        head.fill(&WHITE)?;
        head.draw_text(&title, &text(18), (px(16) as i32, px(14) as i32))?;
        for (place, path) in all.iter().enumerate() {
            let y = px(LINE) as i32 * place as i32 + px(LINE) as i32;
            let style = colour(place, all.len()).stroke_width(px(3));
            let x = |x: u32| px(x) as i32;
            right.draw(&PathElement::new([(x(14), y), (x(40), y)], style))?;
            let rate = path.optimizer.get("lr").unwrap_or_default();
            let columns = [
                (48, path.optimizer.name().to_string()),
                (196, format!("lr {rate}")),
                (256, number(path.value(surface))),
            ];
            for (at, words) in columns {
                right.draw_text(&words, &text(14), (x(at), y - x(8)))?;
            }
        }
        Ok(())
    })
}

/// The paths as they grow, slowly at first.
pub fn animation(path: &std::path::Path, surface: &Surface, all: &[Path]) -> Result {
    let background = map(surface, MOVING);
    let mut encoder = GifEncoder::new_with_speed(File::create(path)?, 30);
    encoder.set_repeat(Repeat::Infinite)?;
    for frame in 0..=FRAMES {
        let fraction = f64::from(frame) / f64::from(FRAMES);
        let steps = (fraction * fraction * surface.steps as f64).ceil() as usize;
        let mut pixels = background.clone();
        let area = BitMapBackend::with_buffer(&mut pixels, (MOVING, MOVING)).into_drawing_area();
        paths(&area, surface, all, (MOVING, 2), steps)?;
        area.present()?;
        drop(area);
        let pixels = image::DynamicImage::ImageRgb8(pixels).into_rgba8();
        let delay = Delay::from_numer_denom_ms(PACE[usize::from(frame == FRAMES)], 1);
        encoder.encode_frame(Frame::from_parts(pixels, 0, 0, delay))?;
    }
    Ok(())
}
