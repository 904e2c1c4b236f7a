//! What is trained in the window's frames, and what the keys change in it.

use wgrad::data::Targets;
use wgrad::embed::{Budget, Inference, Region, StepFigures, StepOptions, TrainingStep};
use wgrad::prelude::*;
use wgrad::wgpu;

use crate::host::{Painter, Result, field};

/// What the key A goes through.
const ACTIVATIONS: [fn() -> Activation; 6] = [
    Activation::relu,
    Activation::tanh,
    Activation::gelu,
    Activation::silu,
    Activation::sine,
    Activation::hard_tanh,
];

/// What the key O goes through, and the learning rate that each begins with.
const OPTIMIZERS: [(fn() -> Optimizer, f64); 5] = [
    (Optimizer::adam, 0.01),
    (Optimizer::sgd, 0.5),
    (Optimizer::rmsprop, 0.003),
    (Optimizer::lion, 0.001),
    (Optimizer::adagrad, 0.05),
];

/// The layers that an activation can be put in.
const HIDDEN: [usize; 2] = [1, 3];

/// What can be changed.
#[derive(Clone, Copy)]
struct Settings {
    seed: u64,
    activation: usize,
    optimizer: usize,
    rate: f64,
}

/// A network in training and what is drawn of it.
pub struct Guest {
    gpu: Gpu,
    format: wgpu::TextureFormat,
    data: Dataset,
    /// Points and labels, for the painter.
    shown: [Region; 2],
    settings: Settings,
    step: TrainingStep,
    seen: Inference,
    painter: Painter,
    latest: Option<StepFigures>,
}

impl Guest {
    /// `buffers` hold the points and the labels of the data.
    pub fn new(
        gpu: Gpu,
        format: wgpu::TextureFormat,
        data: Dataset,
        buffers: [wgpu::Buffer; 2],
        seed: u64,
    ) -> Result<Self> {
        let settings = Settings { seed, activation: 0, optimizer: 0, rate: OPTIMIZERS[0].1 };
        let shown = buffers.map(Region::whole);
        let (step, seen, painter) = build(&gpu, format, &data, &shown, settings)?;
        Ok(Self { gpu, format, data, shown, settings, step, seen, painter, latest: None })
    }

    /// Records as many steps as fit into the budget, and the picture.
    pub fn frame(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::Texture,
        budget: Budget,
    ) -> Result {
        self.step.encode_within(encoder, budget)?;
        self.seen.encode(encoder)?;
        self.draw(encoder, target);
        if let Some(figures) = self.step.metrics().try_latest()? {
            self.latest = Some(figures);
        }
        Ok(())
    }

    /// Records the picture alone.
    pub fn draw(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::Texture) {
        self.painter.draw(encoder, target);
    }

    /// Multiplies the learning rate.
    pub fn scale_rate(&mut self, factor: f64) -> Result {
        self.settings.rate = (self.settings.rate * factor).clamp(1e-6, 10.0);
        Ok(self.step.set_optimizer("lr", self.settings.rate)?)
    }

    /// Puts the next activation into the network; weights and optimizer state stay.
    pub fn next_activation(&mut self) -> Result {
        self.settings.activation = (self.settings.activation + 1) % ACTIVATIONS.len();
        let f = ACTIVATIONS[self.settings.activation]();
        for layer in HIDDEN {
            self.step.set_activation(layer, f)?;
        }
        // The field follows.
        self.seen = self.step.inference(field::COUNT)?;
        self.redraw()
    }

    /// Goes on from the weights as they are with the next optimizer, which begins without state.
    pub fn next_optimizer(&mut self) -> Result {
        self.settings.optimizer = (self.settings.optimizer + 1) % OPTIMIZERS.len();
        self.settings.rate = OPTIMIZERS[self.settings.optimizer].1;
        let old: Vec<Region> = self.parameters()?;
        self.rebuild()?;
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        for (from, to) in old.iter().zip(self.parameters()?) {
            let (at, bytes) = (from.offset, from.bytes);
            encoder.copy_buffer_to_buffer(&from.buffer, at, &to.buffer, to.offset, bytes);
        }
        self.gpu.queue().submit([encoder.finish()]);
        Ok(())
    }

    /// Begins anew with other first weights.
    pub fn restart(&mut self) -> Result {
        self.settings.seed += 1;
        self.rebuild()
    }

    fn parameters(&self) -> Result<Vec<Region>> {
        let count = self.step.network().params().len();
        Ok((0..count).map(|index| self.step.parameter(index)).collect::<wgrad::Result<_>>()?)
    }

    fn rebuild(&mut self) -> Result {
        (self.step, self.seen, self.painter) =
            build(&self.gpu, self.format, &self.data, &self.shown, self.settings)?;
        // Those of the steps before are not this run's.
        self.latest = None;
        Ok(())
    }

    fn redraw(&mut self) -> Result {
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        self.seen.upload_inputs(&mut encoder, &field::cells())?;
        self.gpu.queue().submit([encoder.finish()]);
        self.painter = painter(&self.gpu, self.format, &self.shown, &self.step, &self.seen)?;
        Ok(())
    }

    pub fn loss(&self) -> f64 {
        self.latest.as_ref().map_or(f64::NAN, |figures| figures.loss)
    }

    pub fn accuracy(&self) -> f64 {
        let figures = self.latest.as_ref();
        figures.and_then(|figures| figures.metrics.first().copied()).unwrap_or(f64::NAN)
    }

    /// The settings and the last figures that came back.
    pub fn title(&self) -> String {
        let (activation, optimizer) =
            (ACTIVATIONS[self.settings.activation](), OPTIMIZERS[self.settings.optimizer].0());
        let figures = match &self.latest {
            Some(_) => format!("loss {:.4}  accuracy {:.3}", self.loss(), self.accuracy()),
            None => "no loss yet".into(),
        };
        format!(
            "step {}  {figures} | [A] {}  [O] {}  [up, down] lr {:.5}  [R] restart",
            self.step.next_step(),
            activation.name(),
            optimizer.name(),
            self.settings.rate,
        )
    }
}

fn painter(
    gpu: &Gpu,
    format: wgpu::TextureFormat,
    [points, labels]: &[Region; 2],
    step: &TrainingStep,
    seen: &Inference,
) -> Result<Painter> {
    let weight = step.parameter(0)?;
    Ok(field::painter(gpu.device(), format, [seen.outputs(), &weight], [points, labels]))
}

/// A step of the settings with its data, the field, and what draws it.
fn build(
    gpu: &Gpu,
    format: wgpu::TextureFormat,
    data: &Dataset,
    shown: &[Region; 2],
    settings: Settings,
) -> Result<(TrainingStep, Inference, Painter)> {
    let Settings { seed, activation, optimizer, rate } = settings;
    let (f, optimizer) = (ACTIVATIONS[activation](), OPTIMIZERS[optimizer].0());
    let model = Sequential::new(2).dense(64).activation(f).dense(32).activation(f).dense(3);
    let trainer = Trainer::new(model, Loss::cross_entropy(), optimizer.learning_rate(rate))
        .metrics(&[Metric::Accuracy])
        .seed(seed)
        .on(&gpu.clone().into())?;
    let mut step = trainer.into_step(StepOptions::rows(data.len()).fused())?;
    let mut seen = step.inference(field::COUNT)?;
    let Targets::Classes { labels, .. } = data.targets() else { return Err("no classes".into()) };
    let points: Vec<f32> = data.inputs().iter().copied().collect();
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    step.upload_inputs(&mut encoder, &points)?;
    step.upload_classes(&mut encoder, labels)?;
    seen.upload_inputs(&mut encoder, &field::cells())?;
    gpu.queue().submit([encoder.finish()]);
    let painter = painter(gpu, format, shown, &step, &seen)?;
    Ok((step, seen, painter))
}
