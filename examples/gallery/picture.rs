//! The pictures of the curves.

use std::path::Path;

use plotters::prelude::*;

use crate::common::Result;
use crate::common::chart::{self, Area, COLOURS, FAINT, px, text};
use crate::curves::{Curve, Graph};

const COLUMNS: usize = 7;
const TILE: (u32, u32) = (220, 190);
const HEADER: u32 = 40;

/// The range of y: that of the curves, but no more than a square and a half of the range of x; of a percentage, a hundred
/// times as much.
fn range(graph: &Graph) -> std::ops::Range<f64> {
    let all = || graph.curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
    let unit = match &graph.name[..] {
        "mape" | "smape" => 100.0,
        "relu6" => 1.6,
        _ => 1.0,
    };
    let low = all().fold(0.0, f64::min).max(-3.0 * unit);
    let high = all().fold(0.0, f64::max).clamp(0.5, 4.0 * unit);
    let margin = 0.06 * (high - low);
    low - margin..high + margin
}

fn across(graph: &Graph) -> std::ops::Range<f64> {
    let [low, high] = graph.range.map(f64::from);
    low..high
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
        let kinds = graph.curves.iter().map(|curve| curve.kind).max().unwrap_or(0);
        let key = graph.names.iter().zip(COLOURS).take(kinds + 1);
        let body = chart::head(area, &graph.name, key)?;
        let mut chart =
            chart::panel(&body, graph.note)?.build_cartesian_2d(across(graph), range(graph))?;
        let formula = if graph.formula.len() > 84 { "" } else { &graph.formula };
        chart::axes(&mut chart, (formula, ""), &|y| format!("{y:.1}"))?;
        lines(&mut chart, graph, px(2))?;
        Ok(())
    })
}

fn tile(area: &Area<'_>, graph: &Graph) -> Result {
    let mut chart = ChartBuilder::on(area)
        .caption(&graph.name, text(14))
        .margin(px(6))
        .x_label_area_size(px(18))
        .y_label_area_size(px(30))
        .build_cartesian_2d(across(graph), range(graph))?;
    let round = |value: &f64| format!("{}", (10.0 * value).round() / 10.0);
    chart
        .configure_mesh()
        .x_labels(6)
        .y_labels(4)
        .x_label_formatter(&round)
        .y_label_formatter(&round)
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT.mix(0.6).stroke_width(px(1)))
        .axis_style(FAINT.stroke_width(px(1)))
        .label_style(text(10))
        .draw()?;
    lines(&mut chart, graph, px(2))
}

/// All ops, small.
pub fn sheet(path: &Path, title: &str, names: &[&str], graphs: &[Graph]) -> Result {
    let rows = graphs.len().div_ceil(COLUMNS) as u32;
    let size = (TILE.0 * COLUMNS as u32, HEADER + TILE.1 * rows);
    chart::draw(path, size, |area| {
        let body = chart::head(area, title, names.iter().zip(COLOURS))?;
        for (graph, area) in graphs.iter().zip(body.split_evenly((rows as usize, COLUMNS))) {
            tile(&area, graph)?;
        }
        Ok(())
    })
}
