//! Paths over contours as a picture, and on the surface as an animation.

use image::{Rgb, RgbImage};
use plotters::coord::ranged3d::Cartesian3d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::common::chart::{self, Area, COLOURS, INK, px, text};
use crate::common::{Result, number};
use crate::surface::Surface;
use crate::walk::Path;
use crate::{Racer, rate};

/// The side of a map in pixels of the file.
const STILL: u32 = 560;
/// The size of the animation.
const MOVING: (u32, u32) = (560, 470);
/// The width of the list of names, and the height of one.
const NAMES: u32 = 350;
const LINE: u32 = 19;
const HEADER: u32 = 62;
const FRAMES: u32 = 48;
/// How many bands of equal area the contours part.
const BANDS: usize = 24;
/// The number of cells of the surface along a side.
const CELLS: u32 = 70;

/// The colours of a few racers, and lightnesses of the wheel for more: those of neighbours lie a golden section apart.
fn colour(number: usize, count: usize) -> RGBColor {
    const MORE: [RGBColor; 4] =
        [RGBColor(86, 180, 233), RGBColor(230, 159, 0), RGBColor(0, 0, 0), RGBColor(120, 94, 60)];
    let few = COLOURS.iter().chain(&MORE).nth(number);
    if let Some(colour) = few.filter(|_| count <= COLOURS.len() + MORE.len()) {
        return *colour;
    }
    let hue = (number as f64 * 0.618_033_988_75).fract();
    let lightness = [0.40, 0.52, 0.30][number % 3];
    let (r, g, b) = HSLColor(hue, 0.85, lightness).rgb();
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

/// Draws paths over a map of `side` pixels.
fn paths<'a>(
    area: &Area<'_>,
    surface: &Surface,
    all: impl DoubleEndedIterator<Item = &'a Path> + ExactSizeIterator,
    (side, width): (u32, u32),
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
    let count = all.len();
    for (number, path) in all.enumerate().rev() {
        let colour = colour(number, count);
        let points: Vec<_> = path.points.iter().map(point).collect();
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

/// The maps with whole paths, at default rates and at the best, and the optimizers in the order of their values.
pub fn still(path: &std::path::Path, surface: &Surface, racers: &[Racer]) -> Result {
    let height = HEADER + STILL.max(LINE * racers.len() as u32 + 3 * LINE);
    let background = map(surface, px(STILL));
    chart::draw(path, (2 * STILL + 8 + NAMES, height), |area| {
        let title = format!("{}: {}, {} steps", surface.name, surface.formula, surface.steps);
        area.draw_text(&title, &text(18), (px(16) as i32, px(10) as i32))?;
        for (which, name) in
            ["each at its default rate", "each at its best rate"].iter().enumerate()
        {
            let left = px((STILL + 8) * which as u32);
            area.draw_text(name, &text(15), (left as i32 + px(16) as i32, px(38) as i32))?;
            let corner = (left as i32, px(HEADER) as i32);
            let map = area.clone().shrink(corner, (px(STILL), px(STILL)));
            for (x, y, Rgb([r, g, b])) in background.enumerate_pixels() {
                map.draw_pixel((x as i32, y as i32), &RGBColor(*r, *g, *b))?;
            }
            let all = racers.iter().map(|racer| &racer.paths[which]);
            paths(&map, surface, all, (px(STILL), px(2)))?;
        }
        let corner = (px(2 * STILL + 8) as i32, px(HEADER) as i32);
        let list = area.clone().shrink(corner, (px(NAMES), px(height - HEADER)));
        names(&list, surface, racers)
    })
}

/// The racers' names, rates and values.
fn names(area: &Area<'_>, surface: &Surface, racers: &[Racer]) -> Result {
    // What runs over the edge of a map ends there.
    area.fill(&WHITE)?;
    let x = |x: u32| px(x) as i32;
    let columns = [(140, "default"), (190, "ends at"), (256, "best"), (296, "ends at")];
    for (at, words) in columns {
        area.draw_text(words, &text(12), (x(at), 0))?;
    }
    for (place, Racer { name, paths }) in racers.iter().enumerate() {
        let y = px(LINE) as i32 * (place as i32 + 1) + px(LINE / 2) as i32;
        let style = colour(place, racers.len()).stroke_width(px(3));
        area.draw(&PathElement::new([(x(12), y), (x(36), y)], style))?;
        area.draw_text(name, &text(14), (x(44), y - x(8)))?;
        for (path, [first, second]) in paths.iter().zip([[140, 190], [256, 296]]) {
            area.draw_text(&rate(path).to_string(), &text(13), (x(first), y - x(7)))?;
            area.draw_text(&number(path.value(surface)), &text(13), (x(second), y - x(7)))?;
        }
    }
    Ok(())
}

type Space<'a, 'b> = ChartContext<
    'b,
    BitMapBackend<'a>,
    Cartesian3d<RangedCoordf64, RangedCoordf64, RangedCoordf64>,
>;

/// Heights on a scale on which the bottom and the slopes are both seen.
struct Heights {
    low: f64,
    most: f64,
}

impl Heights {
    fn of(surface: &Surface) -> Self {
        let [across, up] = surface.frame;
        let grid = grid(across).flat_map(|x| grid(up).map(move |y| [x as f32, y as f32]));
        let values: Vec<f64> = grid.map(|point| surface.at(point).0).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(low, f64::max);
        Self { low, most: (high - low).ln_1p() }
    }

    fn at(&self, surface: &Surface, point: [f32; 2]) -> f64 {
        let value = surface.at(surface.nearest(point)).0;
        ((value - self.low).max(0.0).ln_1p() / self.most).min(1.0)
    }
}

fn grid([low, high]: [f64; 2]) -> impl Iterator<Item = f64> + Clone {
    (0..=CELLS).map(move |i| low + (high - low) * f64::from(i) / f64::from(CELLS))
}

fn space<'a, 'b>(area: &'b Area<'a>, surface: &Surface) -> Result<Space<'a, 'b>> {
    let [[left, right], [near, far]] = surface.frame;
    let mut chart = ChartBuilder::on(area).margin(px(4)).build_cartesian_3d(
        left..right,
        0.0..1.0,
        near..far,
    )?;
    chart.with_projection(|mut view| {
        view.yaw = 0.65;
        view.pitch = 0.5;
        view.scale = 0.78;
        view.into_matrix()
    });
    Ok(chart)
}

/// The surface seen from above its edge, and the names.
fn relief(area: &Area<'_>, surface: &Surface, heights: &Heights, racers: &[Racer]) -> Result {
    let [across, up] = surface.frame;
    let [body, strip] = above_key(area);
    key(&strip, racers)?;
    let mut chart = space(&body, surface)?;
    chart
        .configure_axes()
        .light_grid_style(TRANSPARENT)
        .bold_grid_style(INK.mix(0.12))
        .axis_panel_style(TRANSPARENT)
        .label_style(text(10))
        .draw()?;
    let height = |x: f64, y: f64| heights.at(surface, [x as f32, y as f32]);
    let shade = |height: &f64| chart::pale(RGBColor(64, 92, 128), 0.55 - 0.4 * height).filled();
    chart.draw_series(
        SurfaceSeries::xoz(grid(across), grid(up), height).style_func(&move |height| shade(height)),
    )?;
    Ok(())
}

/// The parts of an area: above, and a strip for the names of colours in two rows.
fn above_key<'a>(area: &Area<'a>) -> [Area<'a>; 2] {
    let (_, high) = area.dim_in_pixel();
    area.split_vertically(high - px(2 * LINE + 8)).into()
}

/// The racers' names in two rows.
fn key(strip: &Area<'_>, racers: &[Racer]) -> Result {
    let across = racers.len().div_ceil(2).clamp(1, 4);
    let step = strip.dim_in_pixel().0 as i32 / across as i32;
    for (number, Racer { name, .. }) in racers.iter().enumerate().take(2 * across) {
        let (x, y) = ((number % across) as i32 * step, (number / across) as i32 * px(LINE) as i32);
        let middle = y + px(LINE / 2) as i32;
        let dash = [(x + px(10) as i32, middle), (x + px(34) as i32, middle)];
        let style = colour(number, racers.len()).stroke_width(px(3));
        strip.draw(&PathElement::new(dash, style))?;
        strip.draw_text(name, &text(14), (x + px(42) as i32, y))?;
    }
    Ok(())
}

/// The first `steps` steps of every path on the surface, at the best rates.
fn walked(
    area: &Area<'_>,
    surface: &Surface,
    heights: &Heights,
    racers: &[Racer],
    steps: usize,
) -> Result {
    let [body, _] = above_key(area);
    let mut chart = space(&body, surface)?;
    for (number, Racer { paths: [_, path], .. }) in racers.iter().enumerate().rev() {
        let colour = colour(number, racers.len());
        let points = path.points.iter().take(steps + 1).map(|point| {
            let [x, y] = surface.nearest(*point).map(f64::from);
            (x, heights.at(surface, *point) + 0.01, y)
        });
        let points: Vec<_> = points.collect();
        let head = points[points.len() - 1];
        for ends in points.windows(2) {
            chart.draw_series(LineSeries::new(ends.iter().copied(), colour.stroke_width(px(2))))?;
        }
        let dots = [(px(5), WHITE.filled()), (px(4), colour.filled())];
        chart.draw_series(dots.map(|(size, style)| Circle::new(head, size, style)))?;
    }
    Ok(())
}

/// The paths as they grow, slowly at first.
pub fn animation(path: &std::path::Path, surface: &Surface, racers: &[Racer]) -> Result {
    let heights = Heights::of(surface);
    let mut background = chart::blank(MOVING)?;
    chart::paint(&mut background, |area| relief(area, surface, &heights, racers))?;
    let frames = (0..=FRAMES).map(|frame| {
        let fraction = f64::from(frame) / f64::from(FRAMES);
        let steps = (fraction * fraction * surface.steps as f64).ceil() as usize;
        let mut pixels = background.clone();
        chart::paint(&mut pixels, |area| walked(area, surface, &heights, racers, steps))?;
        Ok(chart::shrunk(&pixels))
    });
    chart::animation(path, frames.collect::<Result<Vec<_>>>()?)
}
