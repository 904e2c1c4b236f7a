//! Says which device a name stands for on this machine: `cargo run --example device -- gpu`.

mod common;

use clap::Parser;
use common::Result;
use wgrad::prelude::*;

/// Says which device a name stands for on this machine
#[derive(Parser)]
struct Cli {
    /// auto, gpu, cpu, or a part of an adapter's name
    #[arg(default_value = "auto")]
    name: String,
}

fn main() -> Result {
    println!("{}", Device::named(&Cli::parse().name)?);
    Ok(())
}
