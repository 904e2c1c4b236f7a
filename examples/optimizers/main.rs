//! Every optimizer from the same start over surfaces that are hard to descend: a picture of the paths over contours, the
//! same as an animation, and a table of the final values. Each optimizer takes the learning rate that serves it best.

#[path = "../common/mod.rs"]
mod common;
mod picture;
mod surface;
mod walk;

use std::path::PathBuf;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use common::{Result, number};
use surface::{SURFACES, Surface};
use walk::Path;
use wgrad::prelude::*;

/// The learning rates that an optimizer may choose from.
const RATES: [f64; 9] = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0];

#[derive(Parser)]
#[command(about = "Races the optimizers of the library over surfaces of two numbers")]
struct Options {
    /// Where to compute: auto (a hardware GPU, else the CPU reference), gpu (any adapter), cpu, or a part of an
    /// adapter's name
    #[arg(long, default_value = "auto", value_name = "NAME")]
    device: String,
    /// One surface instead of all
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(SURFACES.map(|surface| surface.name)))]
    surface: Option<String>,
    /// These optimizers instead of all
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// The learning rate of all; without it each takes the one of a few that ends lowest on the CPU reference
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// The seed of the optimizers that draw random numbers
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Where the pictures go
    #[arg(long, default_value = "target/wgrad/optimizers", value_name = "DIR")]
    out: PathBuf,
    /// End with one line of JSON on standard output; everything else goes to standard error
    #[arg(long)]
    json: bool,
}

/// The optimizer at the rate whose path ends lowest.
fn at_best_rate(optimizer: Optimizer, surface: &Surface, seed: u64) -> Result<Optimizer> {
    let mut best = (f64::INFINITY, optimizer);
    for rate in RATES {
        let optimizer = optimizer.with("lr", rate)?;
        let value = walk::on_cpu(optimizer, surface, seed)?.value(surface);
        if value < best.0 {
            best = (value, optimizer);
        }
    }
    Ok(best.1)
}

/// The paths of all optimizers, the one that ends lowest first.
fn race(
    options: &Options,
    device: &Device,
    optimizers: &[Optimizer],
    surface: &Surface,
) -> Result<Vec<Path>> {
    let seed = options.seed;
    let chosen = optimizers.iter().map(|optimizer| match options.lr {
        Some(rate) => Ok(optimizer.with("lr", rate)?),
        None => at_best_rate(*optimizer, surface, seed),
    });
    let chosen = chosen.collect::<Result<Vec<_>>>()?;
    let mut paths = match device.gpu() {
        Some(gpu) => walk::on_gpu(gpu, &chosen, surface, seed)?,
        None => {
            let paths = chosen.iter().map(|optimizer| walk::on_cpu(*optimizer, surface, seed));
            paths.collect::<Result<Vec<_>>>()?
        }
    };
    paths.sort_by(|a, b| a.value(surface).total_cmp(&b.value(surface)));
    Ok(paths)
}

/// A table of the final values as text.
fn table(surface: &Surface, paths: &[Path]) -> String {
    let mut text = format!(
        "{}: {}, {} steps from {:?}\n",
        surface.name, surface.formula, surface.steps, surface.start
    );
    for path in paths {
        let ([x, y], steps) = (path.last(), path.points.len() - 1);
        let left = if surface.holds([x, y]) { "" } else { ", where it leaves the frame" };
        let (name, rate) = (path.optimizer.name(), path.optimizer.get("lr").unwrap_or_default());
        let value = number(path.value(surface));
        text += &format!(
            "  {name:<20} lr {rate:<6} {value:>10} at ({x:.4}, {y:.4}) after {steps} steps{left}\n"
        );
    }
    text
}

fn json(surface: &Surface, paths: &[Path]) -> serde_json::Value {
    let rows = paths.iter().map(|path| {
        serde_json::json!({
            "optimizer": path.optimizer.name(),
            "lr": path.optimizer.get("lr"),
            "value": path.value(surface),
            "point": path.last(),
            "steps": path.points.len() - 1,
        })
    });
    serde_json::json!({ "surface": surface.name, "paths": rows.collect::<Vec<_>>() })
}

fn main() -> Result {
    let options = Options::parse();
    let device = Device::named(&options.device)?;
    eprintln!("device: {device}");
    let optimizers = if options.only.is_empty() {
        Optimizer::all().collect()
    } else {
        options.only.iter().map(|name| name.parse()).collect::<Result<Vec<Optimizer>, _>>()?
    };
    std::fs::create_dir_all(&options.out)?;
    let mut report = Vec::new();
    let wanted =
        |surface: &&Surface| options.surface.as_ref().is_none_or(|name| name == surface.name);
    for surface in SURFACES.iter().filter(wanted) {
        let paths = race(&options, &device, &optimizers, surface)?;
        common::say(options.json, table(surface, &paths));
        let file = |ending: &str| options.out.join(format!("{}.{ending}", surface.name));
        picture::still(&file("png"), surface, &paths)?;
        picture::animation(&file("gif"), surface, &paths)?;
        report.push(json(surface, &paths));
    }
    common::say(options.json, format!("pictures: {}", options.out.display()));
    if options.json {
        let report = serde_json::json!({
            "example": "optimizers",
            "device": device.gpu().map_or("cpu", |_| "gpu"),
            "adapter": device.gpu().map(ToString::to_string),
            "seed": options.seed,
            "surfaces": report,
        });
        println!("{report}");
    }
    Ok(())
}
