//! Draws every activation (value, derivative and, where there is one, second derivative) and every elementwise loss (value
//! and gradient against the prediction, for two targets), computed on a device. A sheet of each family and one picture each.

#[path = "../common/mod.rs"]
mod common;
mod curves;
mod picture;

use std::path::PathBuf;

use clap::Parser;
use common::Result;
use wgrad::prelude::*;

#[derive(Parser)]
#[command(about = "Draws every activation and every elementwise loss of the library")]
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
    let activations =
        Activation::all().map(|f| curves::activation(&device, f)).collect::<Result<Vec<_>, _>>()?;
    let losses = Loss::all()
        .filter_map(|loss| curves::loss(&device, loss))
        .collect::<Result<Vec<_>, _>>()?;
    let names = ["first target", "its gradient", "second target", "its gradient"];
    for (family, title, names, graphs) in [
        ("activations", "Activations", &curves::ORDERS[..], &activations),
        ("losses", "Losses", &names[..], &losses),
    ] {
        let folder = options.out.join(family);
        std::fs::create_dir_all(&folder)?;
        for graph in graphs {
            picture::single(&folder.join(format!("{}.png", graph.name)), graph)?;
        }
        let sheet = options.out.join(format!("{family}.png"));
        picture::sheet(&sheet, title, names, graphs)?;
        eprintln!("{} and {} pictures in {}", sheet.display(), graphs.len(), folder.display());
    }
    if options.json {
        let report = serde_json::json!({
            "device": device.to_string(),
            "activations": activations.len(),
            "losses": losses.len(),
        });
        println!("{report}");
    }
    Ok(())
}
