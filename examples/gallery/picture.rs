//! The pictures of the curves.

use std::path::Path;

use plotters::prelude::*;

use crate::common::Result;
use crate::common::chart::{self, Area, COLOURS, FAINT, INK, px, text};
use crate::curves::{Curve, Graph};

const COLUMNS: usize = 7;
const TILE: (u32, u32) = (220, 190);
const HEADER: u32 = 44;

/// The range of y: that of the curves, but no more than a square and a half of the range of x.
fn range(graph: &Graph) -> std::ops::Range<f64> {
    let all = || graph.curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
    // A percentage needs a hundred times the height.
    let seen = all().filter(|y| y.abs() < 4.0).count();
    let unit = if 20 * seen < all().count() { 100.0 } else { 1.0 };
    let low = all().fold(0.0, f64::min).max(-3.0 * unit);
    let high = all().fold(0.0, f64::max).clamp(0.5, 4.0 * unit);
    let margin = 0.06 * (high - low);
    low - margin..high + margin
}

/// The runs of a curve that lie inside, without the line across a jump.
fn runs(curve: &Curve, range: &std::ops::Range<f64>) -> Vec<Vec<(f64, f64)>> {
    let mut runs: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for &(x, y) in &curve.points {
        let last = runs.last().and_then(|run| run.last()).copied();
        let jumps =
            last.is_some_and(|(_, before)| (y - before).abs() > 0.021 * (range.end - range.start));
        if (jumps || !range.contains(&y)) && last.is_some() {
            runs.push(Vec::new());
        }
        if range.contains(&y) {
            runs.last_mut().into_iter().for_each(|run| run.push((x, y)));
        }
    }
    runs
}

fn lines<'a>(
    chart: &mut ChartContext<
        '_,
        BitMapBackend<'a>,
        Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
    >,
    graph: &Graph,
    width: u32,
) -> Result {
    let range = range(graph);
    // The value last, so that nothing hides it.
    for curve in graph.curves.iter().rev() {
        let style = COLOURS[curve.kind].stroke_width(width);
        for run in runs(curve, &range) {
            chart.draw_series(LineSeries::new(run, style))?;
        }
    }
    Ok(())
}

/// One op: axes with numbers, the formula, a legend.
pub fn single(path: &Path, graph: &Graph) -> Result {
    chart::draw(path, (640, 480), |area| {
        let title = format!("{} {}", graph.name, graph.note);
        let mut chart = chart::panel(area, &title)?.build_cartesian_2d(-4.0..4.0, range(graph))?;
        let formula = if graph.formula.len() > 84 { "" } else { &graph.formula };
        chart::axes(&mut chart, (formula, ""), &|y| format!("{y:.1}"))?;
        lines(&mut chart, graph, px(2))?;
        let kinds = graph.curves.iter().map(|curve| curve.kind).max().unwrap_or(0);
        for (name, colour) in graph.names.iter().zip(COLOURS).take(kinds + 1) {
            let style = colour.stroke_width(px(2));
            chart
                .draw_series(LineSeries::new([(0.0, 0.0); 0], style))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + px(20) as i32, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .margin(px(10))
            .legend_area_size(px(26))
            .background_style(WHITE.mix(0.85))
            .border_style(FAINT.stroke_width(px(1)))
            .label_font(text(14))
            .draw()?;
        Ok(())
    })
}

fn tile(area: &Area<'_>, graph: &Graph) -> Result {
    let mut chart = ChartBuilder::on(area)
        .caption(&graph.name, text(14))
        .margin(px(8))
        .build_cartesian_2d(-4.0..4.0, range(graph))?;
    let faint = FAINT.stroke_width(px(1));
    let across = [(-4.0, 0.0), (4.0, 0.0)];
    let upwards = [(0.0, range(graph).start), (0.0, range(graph).end)];
    for axis in [across, upwards] {
        chart.draw_series(LineSeries::new(axis, faint))?;
    }
    lines(&mut chart, graph, px(2))
}

/// All ops, small.
pub fn sheet(path: &Path, title: &str, names: &[&str], graphs: &[Graph]) -> Result {
    let rows = graphs.len().div_ceil(COLUMNS) as u32;
    let size = (TILE.0 * COLUMNS as u32, HEADER + TILE.1 * rows);
    chart::draw(path, size, |area| {
        let (head, body) = area.split_vertically(px(HEADER));
        head.draw_text(title, &text(18).color(&INK), (px(16) as i32, px(14) as i32))?;
        for (number, (name, colour)) in names.iter().zip(COLOURS).enumerate() {
            let x = px(420 + 160 * number as u32) as i32;
            let y = px(24) as i32;
            let style = colour.stroke_width(px(3));
            head.draw(&PathElement::new([(x, y), (x + px(26) as i32, y)], style))?;
            head.draw_text(name, &text(14), (x + px(34) as i32, y - px(8) as i32))?;
        }
        for (graph, area) in graphs.iter().zip(body.split_evenly((rows as usize, COLUMNS))) {
            tile(&area, graph)?;
        }
        Ok(())
    })
}
