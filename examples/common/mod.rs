//! What the examples share: options, the device, the progress of training, the report.

#![allow(dead_code, reason = "each example uses its part")]

pub mod chart;

use std::fmt;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use wgrad::prelude::*;

pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Any error, shown in words when `main` returns it.
pub struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(clap::Args)]
pub struct Options {
    /// Where to train: auto (a hardware GPU, else the CPU reference), gpu (any adapter), cpu, or a part of an
    /// adapter's name
    #[arg(long, default_value = "auto", value_name = "NAME")]
    device: String,
    /// How many times to go through the data
    #[arg(long, default_value_t = 10_001, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,
    /// The seed of initial weights and of everything else drawn at random
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Where the picture goes
    #[arg(long, default_value = "target/wgrad", value_name = "DIR")]
    out: PathBuf,
    /// End with one line of JSON on standard output; everything else goes to standard error
    #[arg(long)]
    json: bool,
}

/// An example being run.
pub struct Example {
    name: &'static str,
    options: Options,
    pub device: Device,
}

/// What training took and gave.
pub struct Run {
    pub history: History,
    seconds: f64,
    steps: u64,
}

impl Example {
    /// Opens the device.
    pub fn new(name: &'static str, options: Options) -> Result<Self> {
        let device = Device::named(&options.device)?;
        let chosen = std::env::var("WGRAD_DEVICE").is_ok_and(|name| name != "auto");
        if options.device == "auto" && device.gpu().is_none() && !chosen {
            eprintln!(
                "no GPU found: training on the CPU reference (a software GPU comes with `apt-get install \
                 mesa-vulkan-drivers libvulkan1` and is used with --device gpu)"
            );
        }
        Ok(Self { name, options, device })
    }

    pub fn seed(&self) -> u64 {
        self.options.seed
    }

    pub fn epochs(&self) -> u64 {
        self.options.epochs
    }

    pub fn fit<'a>(&self) -> Fit<'a> {
        Fit::epochs(self.options.epochs)
    }

    /// Trains, with a line every `every` epochs and a progress bar on a terminal.
    pub fn train(
        &self,
        trainer: &mut Trainer,
        data: &Dataset,
        fit: Fit<'_>,
        every: u64,
    ) -> Result<Run> {
        let style = "{bar:32.cyan/blue} {percent:>3} %  {eta:>4} left";
        let bar = ProgressBar::new(self.options.epochs)
            .with_style(ProgressStyle::with_template(style)?.progress_chars("━╸─"));
        let (started, first) = (Instant::now(), trainer.step());
        let history = trainer.fit(
            data,
            fit.each(every, |epoch| {
                bar.suspend(|| self.say(epoch));
                bar.set_position(epoch.epoch + 1);
                ControlFlow::Continue(())
            }),
        )?;
        bar.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        Ok(Run { history, seconds, steps: trainer.step() - first })
    }

    /// The file that the example's picture goes to.
    pub fn picture(&self) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.options.out)
            .map_err(|error| Failure(format!("{}: {error}", self.options.out.display())))?;
        Ok(self.options.out.join(format!("{}.png", self.name)))
    }

    /// Says how it went, and with `--json` says it again for programs.
    pub fn report(&self, run: &Run, trainer: &Trainer, figures: &[(&str, f64)]) -> Result {
        let us_per_step = run.seconds * 1e6 / run.steps as f64;
        let words: Vec<String> =
            figures.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
        self.say(format!(
            "{} after {} epochs in {:.2} s, {us_per_step:.1} µs per step on {}",
            words.join(", ").replace('_', " "),
            run.history.epochs.len(),
            run.seconds,
            self.device
        ));
        self.say(format!("picture: {}", self.picture()?.display()));
        if !self.options.json {
            return Ok(());
        }
        let mut json = serde_json::json!({
            "example": self.name,
            "device": self.device.gpu().map_or("cpu", |_| "gpu"),
            "adapter": self.device.gpu().map(ToString::to_string),
            "epochs": run.history.epochs.len(),
            "seconds": run.seconds,
            "us_per_step": us_per_step,
            "seed": self.options.seed,
        });
        for (name, value) in figures {
            json[*name] = (*value).into();
        }
        if let Some(dispatches) = trainer.dispatches_per_step() {
            json["dispatches_per_step"] = dispatches.into();
        }
        println!("{json}");
        Ok(())
    }

    fn say(&self, line: impl fmt::Display) {
        say(self.options.json, line);
    }
}

/// A line for the reader. A reader who has seen enough (`| head`) does not stop the work.
pub fn say(json: bool, line: impl fmt::Display) {
    let _ = if json {
        writeln!(std::io::stderr(), "{line}")
    } else {
        writeln!(std::io::stdout(), "{line}")
    };
}

/// Four significant digits at most, small numbers with an exponent.
pub fn number(value: f64) -> String {
    if value.abs() < 1e-3 && value != 0.0 { format!("{value:.2e}") } else { format!("{value:.4}") }
}
