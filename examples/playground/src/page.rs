//! What the page calls.

use std::fmt::Display;

use wasm_bindgen::prelude::*;
use web_sys::HtmlCanvasElement;
use wgrad::embed::Gpu;
use wgrad::prelude::*;
use wgrad::wgpu;

use crate::Result;
use crate::paint::{self, COLOURS};
use crate::sets::{DataKind, marks};
use crate::settings::{self, Settings};
use crate::view::{Screen, View};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn log(message: &str);
}

#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|info| log(&info.to_string())));
}

fn told(error: impl Display) -> JsError {
    JsError::new(&error.to_string())
}

/// The names of a list of the page.
#[wasm_bindgen]
pub fn names(list: &str) -> Vec<String> {
    let all: Vec<&str> = match list {
        "data" => DataKind::ALL.map(DataKind::name).to_vec(),
        "activation" => settings::activations().collect(),
        "optimizer" => settings::optimizers().collect(),
        "loss of classes" => settings::losses(false).collect(),
        "loss of a curve" => settings::losses(true).collect(),
        _ => Vec::new(),
    };
    all.into_iter().map(str::to_string).collect()
}

/// The formula of an entry of a list.
#[wasm_bindgen]
pub fn formula(list: &str, name: &str) -> String {
    let formula = match list {
        "activation" => Activation::named(name).map(|f| f.entry().formula),
        "optimizer" => Optimizer::named(name).map(|f| f.entry().formula),
        _ => Loss::named(name).map(|f| f.entry().formula),
    };
    formula.unwrap_or_default().to_string()
}

/// The colours of the classes, as CSS has them.
#[wasm_bindgen]
pub fn colours() -> Vec<String> {
    let css = |colour: [f32; 3]| {
        let [red, green, blue] = colour.map(|part| (255.0 * part) as u8);
        format!("rgb({red} {green} {blue})")
    };
    COLOURS.map(css).to_vec()
}

/// The device of the page, and the canvases that it draws on.
struct Stage {
    gpu: Gpu,
    field: Screen,
    weights: Screen,
}

impl Stage {
    async fn new(field: HtmlCanvasElement, weights: HtmlCanvasElement) -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = instance.request_adapter(&options).await?;
        let wanted = wgpu::DeviceDescriptor {
            required_features: adapter.features() & Gpu::recommended_features(),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&wanted).await?;
        let gpu = Gpu::from_wgpu(&device, &queue);
        let screen = |canvas: HtmlCanvasElement| {
            let size = (canvas.width(), canvas.height());
            let surface = instance.create_surface(wgpu::SurfaceTarget::Canvas(canvas))?;
            Screen::new(surface, (&adapter, &device), size)
        };
        Ok(Self { field: screen(field)?, weights: screen(weights)?, gpu })
    }
}

/// A network that is trained.
struct Run {
    train: Dataset,
    validation: Dataset,
    batch: usize,
    is_curve: bool,
    sharpness: f32,
    trainer: Trainer,
    view: Option<View>,
}

/// The page's training: of one network at a time, on the GPU or on the CPU reference.
#[wasm_bindgen]
pub struct Playground {
    stage: Option<Stage>,
    run: Option<Run>,
}

#[wasm_bindgen]
impl Playground {
    /// Creates a page without a GPU or a run.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "only the page makes one")]
    pub fn new() -> Self {
        Self { stage: None, run: None }
    }

    /// Opens the GPU, which draws on these canvases, and gives its name.
    pub async fn connect(
        &mut self,
        field: HtmlCanvasElement,
        weights: HtmlCanvasElement,
    ) -> std::result::Result<String, JsError> {
        let stage = Stage::new(field, weights).await.map_err(told)?;
        Ok(self.stage.insert(stage).gpu.to_string())
    }

    /// Begins a run by pairs of names and values; gives the points, three numbers each.
    pub fn begin(
        &mut self,
        settings: Vec<String>,
        on_cpu: bool,
    ) -> std::result::Result<Vec<f32>, JsError> {
        let stage = self.stage.as_ref().filter(|_| !on_cpu);
        let pairs = settings.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].as_str()));
        let settings = Settings::new(pairs).map_err(told)?;
        let (run, marks) = Run::new(&settings, stage).map_err(told)?;
        self.run = Some(run);
        Ok(marks)
    }

    fn running(&mut self) -> std::result::Result<&mut Run, JsError> {
        self.run.as_mut().ok_or_else(|| JsError::new("no run has begun"))
    }

    /// Trains; gives steps, epochs, loss and validation loss.
    pub async fn train(&mut self, epochs: u32) -> std::result::Result<Vec<f64>, JsError> {
        self.running()?.train(epochs).await.map_err(told)
    }

    /// Takes one step, of the next batch; gives the same.
    pub async fn step(&mut self) -> std::result::Result<Vec<f64>, JsError> {
        self.running()?.step().await.map_err(told)
    }

    /// Changes the learning rate of the run.
    pub fn set_rate(&mut self, rate: f64) -> std::result::Result<(), JsError> {
        self.running()?.trainer.set_optimizer("lr", rate).map_err(told)
    }

    /// Draws by the GPU; returns whether the run is there.
    pub fn draw(&mut self) -> std::result::Result<bool, JsError> {
        let (Some(stage), Some(run)) = (&self.stage, &mut self.run) else { return Ok(false) };
        let Some(view) = &mut run.view else { return Ok(false) };
        view.draw(&stage.field, &stage.weights).map_err(told)?;
        Ok(true)
    }

    /// The outputs over the cells: the pixels of a field, or the values of a curve.
    pub async fn field_pixels(&mut self) -> std::result::Result<Vec<u8>, JsError> {
        let run = self.running()?;
        let outputs = run.outputs().await.map_err(told)?;
        Ok(paint::field(outputs.view(), run.sharpness))
    }

    /// The outputs of a curve over its cells.
    pub async fn curve(&mut self) -> std::result::Result<Vec<f32>, JsError> {
        let outputs = self.running()?.outputs().await.map_err(told)?;
        Ok(outputs.into_iter().collect())
    }

    /// The pixels of the picture of the weights.
    pub async fn weight_pixels(
        &mut self,
        width: usize,
        height: usize,
    ) -> std::result::Result<Vec<u8>, JsError> {
        let tensors = self.running()?.trainer.parameters_async().await.map_err(told)?;
        Ok(paint::weights(&tensors, (width, height)))
    }

    /// The run as a safetensors file.
    pub async fn export(&mut self) -> std::result::Result<Vec<u8>, JsError> {
        self.running()?.trainer.to_bytes_async().await.map_err(told)
    }
}

impl Run {
    fn new(settings: &Settings, stage: Option<&Stage>) -> Result<(Self, Vec<f32>)> {
        let (train, validation) = settings.data()?;
        let marks = marks(&train);
        let is_curve = train.targets().values().is_some();
        let train = settings.for_loss(&train)?;
        let validation = settings.for_loss(&validation)?;
        let device = stage.map_or(Device::cpu(), |stage| stage.gpu.clone().into());
        let mut trainer = settings.trainer(&train, is_curve)?.on(&device)?;
        let sharpness = settings.sharpness();
        let view = |stage: &Stage| {
            let screens = (&stage.field, &stage.weights);
            View::new(&stage.gpu, &mut trainer, screens, (is_curve, sharpness))
        };
        let view = stage.map(view).transpose()?;
        let batch = if settings.batch == 0 { train.len() } else { settings.batch.min(train.len()) };
        Ok((Self { train, validation, batch, is_curve, sharpness, trainer, view }, marks))
    }

    async fn train(&mut self, epochs: u32) -> Result<Vec<f64>> {
        let fit = Fit::epochs(epochs.into()).batch(self.batch).continue_on_nan();
        let history = self.trainer.fit_async(&self.train, fit).await?;
        self.figures(&history).await
    }

    /// The steps of an epoch.
    fn steps(&self) -> usize {
        self.train.len().div_ceil(self.batch)
    }

    async fn step(&mut self) -> Result<Vec<f64>> {
        let first = self.trainer.step() as usize % self.steps() * self.batch;
        let rows = self.train.rows(first..self.train.len().min(first + self.batch))?;
        let fit = Fit::epochs(1).batch(self.batch).continue_on_nan();
        let history = self.trainer.fit_async(&rows, fit).await?;
        self.figures(&history).await
    }

    async fn figures(&mut self, history: &History) -> Result<Vec<f64>> {
        let validation = match self.validation.is_empty() {
            true => f64::NAN,
            false => self.trainer.evaluate_async(&self.validation).await?.data_loss,
        };
        let loss = history.last().map_or(f64::NAN, |epoch| epoch.data_loss);
        let step = self.trainer.step() as f64;
        Ok(vec![step, step / self.steps() as f64, loss, validation])
    }

    async fn outputs(&mut self) -> Result<wgrad::ndarray::Array2<f32>> {
        let grid = paint::grid(self.is_curve);
        let columns = self.trainer.network().inputs();
        let rows = wgrad::ndarray::Array2::from_shape_vec((grid.len() / columns, columns), grid)?;
        Ok(self.trainer.predict_async(rows.view()).await?)
    }
}
