//! Training runs that give the same losses in a browser and on a native adapter.

use web_time::Instant;
use wgrad::data;
use wgrad::embed::{Choices, Fusion, Gpu};
use wgrad::prelude::*;
use wgrad::train::TrainerBuilder;
use wgrad::{Program, Result};

/// The networks of the reference runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// One period of the sine.
    Sine,
    /// Three interleaved arms.
    Spiral,
    /// Images of digits.
    Digits,
}

/// The steps whose losses are compared one by one.
pub const FIRST_STEPS: u64 = 10;

/// The epochs before a checkpoint, and those after it.
pub const CHECKPOINT_EPOCHS: u64 = 20;

/// The losses of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Losses {
    /// Those of the first steps.
    pub first: Vec<f64>,
    /// That of the last epoch.
    pub last: f64,
}

impl Net {
    /// All networks.
    pub const ALL: [Self; 3] = [Self::Sine, Self::Spiral, Self::Digits];

    /// The name of the run.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sine => "sine",
            Self::Spiral => "spiral",
            Self::Digits => "digits",
        }
    }

    /// The data of the run.
    pub fn data(self) -> Result<Dataset> {
        match self {
            Self::Sine => data::sine(1000),
            Self::Spiral => data::spiral(100, 3, 0),
            Self::Digits => Ok(data::digits()),
        }
    }

    fn epochs(self) -> u64 {
        match self {
            Self::Sine => 500,
            Self::Spiral => 300,
            Self::Digits => 3,
        }
    }

    /// The trainer of the run, of functions and rates with which small differences stay small.
    pub fn trainer(self) -> Result<TrainerBuilder> {
        match self {
            Self::Sine => {
                let hidden = |model: Sequential| model.dense(32).activation(Activation::tanh());
                let model = hidden(hidden(Sequential::new(1))).dense(1);
                let adam = Optimizer::adam().learning_rate(0.002);
                let schedule = Schedule::inverse_time(1e-3)?;
                Ok(Trainer::new(model, Loss::mse(), adam).schedule(schedule))
            }
            Self::Spiral => {
                let model = Sequential::new(2).dense(64).activation(Activation::tanh()).dense(3);
                let adam = Optimizer::adam().learning_rate(0.01);
                Ok(Trainer::new(model, Loss::cross_entropy(), adam))
            }
            Self::Digits => {
                let model = Sequential::new(64).dense(64).activation(Activation::relu()).dense(10);
                let adamw = Optimizer::adamw().learning_rate(0.01);
                Ok(Trainer::new(model, Loss::cross_entropy(), adamw))
            }
        }
    }

    /// Trains the network.
    pub async fn train(self, gpu: &Gpu, fused: bool) -> Result<Losses> {
        let (data, device) = (self.data()?, choosing(gpu, fused).into());
        let mut trainer = self.trainer()?.on(&device)?;
        let first_rows = match self {
            Self::Digits => data.rows(0..32)?,
            _ => data.clone(),
        };
        let first = trainer.fit_async(&first_rows, Fit::epochs(FIRST_STEPS)).await?;
        let fit = match self {
            Self::Digits => Fit::epochs(self.epochs()).batch(32),
            _ => Fit::epochs(self.epochs() - FIRST_STEPS),
        };
        let history = trainer.fit_async(&data, fit).await?;
        let last = history.last().map_or(f64::NAN, |epoch| epoch.loss);
        Ok(Losses { first: losses(&first), last })
    }

    /// A program of the training.
    pub fn program(self) -> Result<Program> {
        let network = match self {
            Self::Digits => Sequential::new(64).dense(64).activation(Activation::relu()).dense(10),
            _ => Sequential::new(2).dense(64).activation(Activation::relu()).dense(3),
        };
        Ok(network.build()?.inference(256)?.program)
    }
}

/// The losses of all epochs.
pub fn losses(history: &History) -> Vec<f64> {
    history.epochs.iter().map(|epoch| epoch.loss).collect()
}

/// The device with steps fused as suits it, or op by op.
pub fn choosing(gpu: &Gpu, fused: bool) -> Gpu {
    let fusion = if fused { Fusion::Auto } else { Fusion::Never };
    gpu.choosing(Choices { fusion, ..gpu.choices() })
}

/// A checkpoint of the spiral's run, and the losses of the epochs after it.
pub async fn checkpoint(gpu: &Gpu) -> Result<(Vec<u8>, Vec<f64>)> {
    let mut trainer = Net::Spiral.trainer()?.on(&gpu.clone().into())?;
    let data = Net::Spiral.data()?;
    trainer.fit_async(&data, Fit::epochs(CHECKPOINT_EPOCHS)).await?;
    let bytes = trainer.to_bytes_async().await?;
    let after = trainer.fit_async(&data, Fit::epochs(CHECKPOINT_EPOCHS)).await?;
    Ok((bytes, losses(&after)))
}

/// The losses of the epochs after a checkpoint, which another device saved.
pub async fn resumed(gpu: &Gpu, bytes: &[u8]) -> Result<Vec<f64>> {
    let mut trainer = Net::Spiral.trainer()?.seed(7).on(&gpu.clone().into())?;
    trainer.load_bytes(bytes)?;
    let after = trainer.fit_async(&Net::Spiral.data()?, Fit::epochs(CHECKPOINT_EPOCHS)).await?;
    Ok(losses(&after))
}

/// How fast a device trains.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// The seconds of the first step, in which shaders are compiled.
    pub first_step: f64,
    /// The steps per second after it.
    pub steps: f64,
}

/// The steps whose time is taken.
const TIMED_STEPS: u64 = 1000;

/// The speed of fused steps of a network whose width no other run has: the device knows none of its shaders.
pub async fn speed(gpu: &Gpu) -> Result<Speed> {
    let model = Sequential::new(2).dense(48).activation(Activation::tanh()).dense(3);
    let trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam());
    let mut trainer = trainer.on(&gpu.clone().into())?;
    let data = Net::Spiral.data()?;
    let mut seconds = [0.0; 2];
    for (seconds, epochs) in seconds.iter_mut().zip([1, TIMED_STEPS]) {
        let begin = Instant::now();
        trainer.fit_async(&data, Fit::epochs(epochs)).await?;
        *seconds = begin.elapsed().as_secs_f64();
    }
    let [first_step, others] = seconds;
    Ok(Speed { first_step, steps: TIMED_STEPS as f64 / others })
}
