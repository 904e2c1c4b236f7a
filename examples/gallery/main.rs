//! Draws every activation: value, derivative and, where there is one, second derivative, computed on a device. One sheet
//! of all and one picture each.

#[path = "../common/mod.rs"]
mod common;
mod curves;
mod picture;

use std::path::PathBuf;

use clap::Parser;
use common::Result;
use wgrad::prelude::*;

#[derive(Parser)]
#[command(about = "Draws every activation of the library")]
struct Options {
    /// Where to compute: auto (a hardware GPU, else the CPU reference), gpu (any adapter), cpu, or a part of an
    /// adapter's name
    #[arg(long, default_value = "auto", value_name = "NAME")]
    device: String,
    /// Where the pictures go
    #[arg(long, default_value = "target/wgrad", value_name = "DIR")]
    out: PathBuf,
    /// End with one line of JSON on standard output
    #[arg(long)]
    json: bool,
}

fn main() -> Result {
    let options = Options::parse();
    let device = Device::named(&options.device)?;
    eprintln!("device: {device}");
    let graphs: Vec<curves::Graph> =
        Activation::all().map(|f| curves::activation(&device, f)).collect::<Result<_, _>>()?;
    let folder = options.out.join("activations");
    std::fs::create_dir_all(&folder)?;
    for graph in &graphs {
        picture::single(&folder.join(format!("{}.png", graph.name)), graph)?;
    }
    let sheet = options.out.join("activations.png");
    picture::sheet(&sheet, &graphs)?;
    eprintln!("{} and {} pictures in {}", sheet.display(), graphs.len(), folder.display());
    if options.json {
        let report = serde_json::json!({
            "device": device.to_string(),
            "pictures": graphs.len(),
            "sheet": sheet.display().to_string(),
        });
        println!("{report}");
    }
    Ok(())
}
