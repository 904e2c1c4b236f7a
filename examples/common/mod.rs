//! What the examples share: options, the device, the progress of training, the report.

#![allow(dead_code, reason = "each example uses its part")]

pub mod chart;

use std::fmt;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
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
    /// The seconds and steps of the first epoch, in which kernels are compiled.
    first: (f64, u64),
}

impl Run {
    /// The microseconds of a step after the first epoch.
    fn us_per_step(&self) -> f64 {
        let (seconds, steps) = self.first;
        match self.steps - steps {
            0 => self.seconds * 1e6 / self.steps as f64,
            steps => (self.seconds - seconds) * 1e6 / steps as f64,
        }
    }
}

/// The number of frames of a film.
const FRAMES: u64 = 40;

impl Example {
    /// Opens the device, and the folder of the picture before anything is trained.
    pub fn new(name: &'static str, options: Options) -> Result<Self> {
        folder(&options.out)?;
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
        self.run(trainer, data, [fit], Some(every), |_, _| Ok(()))
    }

    /// Trains in parts, short ones first, and films how the fit grows: `paint` draws a frame after each.
    pub fn film(
        &self,
        trainer: &mut Trainer,
        data: &Dataset,
        (size, mut paint): ((u32, u32), impl FnMut(&chart::Area<'_>, &mut Trainer) -> Result),
    ) -> Result<Run> {
        let until = |frame: u64| 1 + (self.epochs() - 1) * frame * frame / (FRAMES * FRAMES);
        let parts = (1..=FRAMES).map(|frame| until(frame) - until(frame - 1));
        let fits = std::iter::once(1).chain(parts).filter(|epochs| *epochs > 0).map(Fit::epochs);
        let mut frames = Vec::new();
        let run = self.run(trainer, data, fits, None, |trainer, part| {
            part.last().into_iter().for_each(|epoch| self.say(epoch));
            frames.push(chart::pixels(size, |area| paint(area, trainer))?);
            Ok(())
        })?;
        let path = self.options.out.join(format!("{}.gif", self.name));
        chart::animation(&path, frames)?;
        self.say(format!("film: {}", path.display()));
        Ok(run)
    }

    fn run<'a>(
        &self,
        trainer: &mut Trainer,
        data: &Dataset,
        fits: impl IntoIterator<Item = Fit<'a>>,
        every: Option<u64>,
        mut after: impl FnMut(&mut Trainer, &History) -> Result,
    ) -> Result<Run> {
        let style = "{bar:32.cyan/blue} {percent:>3} %  {eta:>4} left";
        let bar = ProgressBar::new(self.options.epochs)
            .with_style(ProgressStyle::with_template(style)?.progress_chars("━╸─"));
        let (mut seconds, mut first, begin) = (0.0, None, trainer.step());
        let mut history = History::default();
        for fit in fits {
            let started = Instant::now();
            let part = trainer.fit(
                data,
                fit.each(every.unwrap_or(u64::MAX), |epoch| {
                    first.get_or_insert_with(|| started.elapsed().as_secs_f64());
                    if every.is_some() {
                        bar.suspend(|| self.say(epoch));
                    }
                    bar.set_position(epoch.epoch + 1);
                    ControlFlow::Continue(())
                }),
            )?;
            seconds += started.elapsed().as_secs_f64();
            bar.suspend(|| after(trainer, &part))?;
            history.epochs.extend(part.epochs);
        }
        bar.finish_and_clear();
        let steps = trainer.step() - begin;
        let first = (first.unwrap_or(seconds), steps / self.epochs());
        Ok(Run { history, seconds, steps, first })
    }

    /// The file that the example's picture goes to.
    pub fn picture(&self) -> PathBuf {
        self.options.out.join(format!("{}.png", self.name))
    }

    /// Says how it went, and with `--json` says it again for programs.
    pub fn report(&self, run: &Run, trainer: &Trainer, figures: &[(&str, f64)]) -> Result {
        let (us_per_step, first) = (run.us_per_step(), run.first.0);
        let words: Vec<String> =
            figures.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
        self.say(format!(
            "{} after {} epochs in {:.2} s, {us_per_step:.1} µs per step after {first:.2} s for the first epoch, on {}",
            words.join(", ").replace('_', " "),
            run.history.epochs.len(),
            run.seconds,
            self.device
        ));
        self.say(format!("picture: {}", self.picture().display()));
        if !self.options.json {
            return Ok(());
        }
        let mut json = serde_json::json!({
            "example": self.name,
            "device": self.device.gpu().map_or("cpu", |_| "gpu"),
            "adapter": self.device.gpu().map(ToString::to_string),
            "epochs": run.history.epochs.len(),
            "seconds": run.seconds,
            "first_epoch_seconds": first,
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

/// Makes the folder of the pictures, so that a bad one is known before the work is done.
pub fn folder(path: &Path) -> Result {
    std::fs::create_dir_all(path)
        .map_err(|error| Failure(format!("--out {}: {error}", path.display())))
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
