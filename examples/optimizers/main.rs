//! Optimizers from the same start over surfaces that are hard to descend: a picture of the paths over contours, an animation
//! of them on the surface, and a table of the final values, each at its own default learning rate and at its best.

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

/// The optimizers that race unless others are asked for: one of each idea of the textbooks.
const CLASSICS: &str = "sgd,momentum,nesterov,adagrad,rmsprop,adadelta,adam,lion";

/// The learning rates of which the best is shown.
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
    /// The optimizers by name, or `all`
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', default_value = CLASSICS)]
    only: Vec<String>,
    /// The learning rate of all; without it each is shown at its default and at the one of a few that ends lowest on the
    /// CPU reference
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

/// An optimizer under the name that it was asked for by, and its paths.
pub struct Racer {
    pub name: String,
    /// At its default learning rate, and at the best.
    pub paths: [Path; 2],
}

/// The optimizer at the rate whose path ends lowest.
fn at_best_rate(optimizer: Optimizer, surface: &Surface, seed: u64) -> Result<Optimizer> {
    let mut best = (f64::INFINITY, optimizer);
    for rate in RATES {
        let optimizer = optimizer.with("lr", rate)?;
        let value = walk::walk(&Device::cpu(), optimizer, surface, seed)?.value(surface);
        if value < best.0 {
            best = (value, optimizer);
        }
    }
    Ok(best.1)
}

/// The optimizers that were asked for.
fn chosen(only: &[String]) -> Result<Vec<(String, Optimizer)>> {
    let all = || Optimizer::all().map(|optimizer| Ok((optimizer.name().to_string(), optimizer)));
    match only {
        [word] if word == "all" => all().collect(),
        names => names.iter().map(|name| Ok((name.clone(), name.parse()?))).collect(),
    }
}

/// The racers, the one that ends lowest at its best rate first.
fn race(
    options: &Options,
    device: &Device,
    optimizers: &[(String, Optimizer)],
    surface: &Surface,
) -> Result<Vec<Racer>> {
    let seed = options.seed;
    let own = optimizers.iter().map(|(_, optimizer)| match options.lr {
        Some(rate) => Ok(optimizer.with("lr", rate)?),
        None => Ok(*optimizer),
    });
    let own = own.collect::<Result<Vec<_>>>()?;
    let best = own.iter().map(|optimizer| match options.lr {
        Some(_) => Ok(*optimizer),
        None => at_best_rate(*optimizer, surface, seed),
    });
    let best = best.collect::<Result<Vec<_>>>()?;
    let walk = |optimizers: &[Optimizer]| {
        let paths = optimizers.iter().map(|own| walk::walk(device, *own, surface, seed));
        paths.collect::<Result<Vec<_>>>()
    };
    let names = optimizers.iter().map(|(name, _)| name.clone());
    let mut racers: Vec<Racer> = names
        .zip(walk(&own)?.into_iter().zip(walk(&best)?))
        .map(|(name, (own, best))| Racer { name, paths: [own, best] })
        .collect();
    racers.sort_by(|a, b| a.paths[1].value(surface).total_cmp(&b.paths[1].value(surface)));
    Ok(racers)
}

fn rate(path: &Path) -> f64 {
    path.optimizer.get("lr").unwrap_or_default()
}

/// A table of the final values as text.
fn table(surface: &Surface, racers: &[Racer]) -> String {
    let mut text = format!(
        "{}: {}, {} steps from {:?}\n  {:<20} {:>8} {:>10}   {:>8} {:>10}\n",
        surface.name,
        surface.formula,
        surface.steps,
        surface.start,
        "",
        "default",
        "ends at",
        "best",
        "ends at",
    );
    for Racer { name, paths } in racers {
        text += &format!("  {name:<20}");
        for path in paths {
            text += &format!(" {:>8} {:>10}  ", rate(path), number(path.value(surface)));
        }
        let [x, y] = paths[1].last();
        let left = if surface.holds([x, y]) { "" } else { ", where it leaves the frame" };
        text += &format!(" at ({x:.4}, {y:.4}){left}\n");
    }
    text
}

fn json(surface: &Surface, racers: &[Racer]) -> serde_json::Value {
    let rows = racers.iter().map(|Racer { name, paths: [own, best] }| {
        serde_json::json!({
            "optimizer": name,
            "default_lr": rate(own),
            "default_value": own.value(surface),
            "lr": rate(best),
            "value": best.value(surface),
            "point": best.last(),
            "steps": best.points.len() - 1,
        })
    });
    serde_json::json!({ "surface": surface.name, "paths": rows.collect::<Vec<_>>() })
}

fn main() -> Result {
    let options = Options::parse();
    common::folder(&options.out)?;
    let device = Device::named(&options.device)?;
    eprintln!("device: {device}");
    let optimizers = chosen(&options.only)?;
    let mut report = Vec::new();
    let wanted =
        |surface: &&Surface| options.surface.as_ref().is_none_or(|name| name == surface.name);
    for surface in SURFACES.iter().filter(wanted) {
        let racers = race(&options, &device, &optimizers, surface)?;
        common::say(options.json, table(surface, &racers));
        let file = |ending: &str| options.out.join(format!("{}.{ending}", surface.name));
        picture::still(&file("png"), surface, &racers)?;
        picture::animation(&file("gif"), surface, &racers)?;
        report.push(json(surface, &racers));
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
