//! What a trainer, a plan and a device do in a browser without blocking.

use safetensors::SafeTensors;
use serde_json::json;
use wgrad::embed::{Gpu, StepOptions, self_test_async};
use wgrad::ndarray::Array2;
use wgrad::prelude::*;
use wgrad::train::Averaging;

use super::Found;
use crate::runs::{Net, choosing, losses};

/// Every op of the library against the reference.
pub(super) async fn self_test(gpu: &Gpu) -> Found {
    let report = self_test_async(gpu).await?;
    if !report.passed() {
        return Err(report.to_string().into());
    }
    Ok(json!({ "count": report.checks.len(), "refused": report.refusals().count() }))
}

/// Kernels that are compiled ahead are those that training takes: no more are made.
pub(super) async fn prewarm(gpu: &Gpu) -> Found {
    let modules = || js_sys::Reflect::get(&js_sys::global(), &"modules".into());
    let count = || modules().ok().and_then(|count| count.as_f64()).unwrap_or(f64::NAN);
    let gpu = choosing(gpu, false);
    let program = Net::Digits.program()?;
    let before = count();
    gpu.prewarm_async(&program).await?;
    let made = count() - before;
    let mut trainer = Net::Digits.trainer()?.on(&gpu.into())?;
    trainer.predict_async(Net::Digits.data()?.rows(0..256)?.inputs().view()).await?;
    let more = count() - before - made;
    if !(made > 0.0 && more == 0.0) {
        return Err(format!("{made} modules are compiled ahead, {more} after that").into());
    }
    Ok(json!({ "kernels": made }))
}

/// Every kernel is dispatched ahead of the first step.
pub(super) async fn warm(gpu: &Gpu) -> Found {
    let trainer = Net::Spiral.trainer()?.on(&gpu.clone().into())?;
    let step = trainer.into_step(StepOptions::rows(300))?;
    step.plan().warm_async().await?;
    let cold = step.plan().cold();
    let is_warm = !cold.kernels.is_empty()
        && cold.kernels.iter().all(|kernel| kernel.first_dispatch.is_some());
    if is_warm { Ok(json!({ "kernels": cold.kernels.len() })) } else { Err("a cold kernel".into()) }
}

/// Tilings are measured, used, and saved with the checkpoint.
pub(super) async fn tune(gpu: &Gpu) -> Found {
    let data = Net::Spiral.data()?;
    // A layer without hidden ones has the fewest products; each takes seconds to compile in all tilings.
    let trainer = || {
        let model = Sequential::new(2).dense(3);
        Trainer::new(model, Loss::cross_entropy(), Optimizer::adam())
            .on(&choosing(gpu, false).into())
    };
    let mut tuned = trainer()?;
    let plain = tuned.to_bytes_async().await?.len();
    tuned.tune_async(&data, data.len()).await?;
    let bytes = tuned.to_bytes_async().await?;
    let history = tuned.fit_async(&data, Fit::epochs(3)).await?;
    let untuned = trainer()?.fit_async(&data, Fit::epochs(3)).await?;
    let differ = losses(&history).iter().zip(losses(&untuned)).any(|(a, b)| (a - b).abs() > 1e-4);
    if differ || bytes.len() <= plain {
        return Err(format!("{:?} {:?}", losses(&history), losses(&untuned)).into());
    }
    Ok(json!({ "bytes": bytes.len() - plain }))
}

/// Steps are timed, by the device's clock or the page's.
pub(super) async fn profile(gpu: &Gpu) -> Found {
    let mut rows = Vec::new();
    for features in [wgrad::wgpu::Features::empty(), wgrad::wgpu::Features::TIMESTAMP_QUERY] {
        let Some(gpu) = own(gpu, features).await? else { continue };
        let trainer = Net::Digits.trainer()?.on(&gpu.into())?;
        let mut step = trainer.into_step(StepOptions::rows(32))?;
        let profile = step.profile(3).await?;
        if profile.rows.is_empty() || profile.total().is_zero() {
            return Err(format!("{profile}").into());
        }
        rows.push(format!("{} rows, by device: {}", profile.rows.len(), profile.by_device));
    }
    Ok(json!({ "profiles": rows }))
}

/// A device with some features, if the adapter has them.
async fn own(gpu: &Gpu, features: wgrad::wgpu::Features) -> Result<Option<Gpu>, wgrad::Error> {
    if features.is_empty() {
        let (device, queue) = super::lost::host_device().await?;
        return Ok(Some(Gpu::from_wgpu(&device, &queue)));
    }
    Ok(gpu.device().features().contains(features).then(|| gpu.clone()))
}

/// Parameters are set, averaged, loaded in part, and used by a model.
pub(super) async fn weights(gpu: &Gpu) -> Found {
    let network = || Sequential::new(2).dense(3).activation(Activation::relu()).dense(2);
    let trainer = |device: &Device| {
        let trainer = Trainer::new(network(), Loss::cross_entropy(), Optimizer::sgd());
        trainer.average(Averaging::Ema { decay: 0.5 }).on(device)
    };
    let mut found = Vec::new();
    for device in [Device::cpu(), gpu.clone().into()] {
        let mut own = trainer(&device)?;
        let ones = Array2::from_elem((3, 2), 1.0f32);
        own.set_parameters("0.weight", ones.view())?;
        let rows = Array2::from_shape_vec((2, 2), vec![0.5, -0.25, 1.0, 2.0])?;
        own.fit_async(&data::spiral(8, 2, 0)?, Fit::epochs(3)).await?;
        let averaged =
            own.with_averaged_async(async |own| own.predict_async(rows.view()).await).await?;
        let model = own.model_async().await?;
        let one = model.predict_one_async(&[0.5, -0.25]).await?;
        let classes = model.classes_async(rows.view()).await?;
        let numbers: Vec<f32> = averaged.into_iter().chain(one).collect();
        found.push((numbers, classes));
    }
    let [(cpu, cpu_classes), (gpu, gpu_classes)] = &found[..] else { return Err("two".into()) };
    let close = cpu.iter().zip(gpu).all(|(cpu, gpu)| (cpu - gpu).abs() < 1e-5);
    if !close || cpu_classes != gpu_classes || cpu.len() != 6 {
        return Err(format!("{found:?}").into());
    }
    Ok(json!({ "numbers": cpu.len() }))
}

/// A tensor of a golden file.
fn golden(file: &SafeTensors, name: &str) -> Result<Array2<f64>, Box<dyn std::error::Error>> {
    let tensor = file.tensor(name)?;
    let numbers =
        tensor.data().chunks_exact(8).map(|bytes| bytes.try_into().map(f64::from_le_bytes));
    let &[rows, columns] = tensor.shape() else { return Err("no matrix".into()) };
    Ok(Array2::from_shape_vec((rows, columns), numbers.collect::<Result<_, _>>()?)?)
}

/// The weights of a file that PyTorch wrote give its outputs.
pub(super) async fn weights_of_pytorch(gpu: &Gpu) -> Found {
    let outputs = include_bytes!("../../../golden/torch_mlp_outputs.safetensors");
    let outputs = SafeTensors::deserialize(outputs)?;
    let (inputs, wanted) = (golden(&outputs, "x")?.mapv(|x| x as f32), golden(&outputs, "y")?);
    let model = Sequential::new(5).dense(16).activation(Activation::relu()).dense(3);
    let trainer = Trainer::new(model, Loss::mse(), Optimizer::sgd());
    let mut trainer = trainer.on(&gpu.clone().into())?;
    trainer.load_weights_bytes(include_bytes!("../../../golden/torch_mlp.safetensors"))?;
    let got = trainer.predict_async(inputs.view()).await?;
    let differences = got.iter().zip(&wanted).map(|(got, want)| (f64::from(*got) - want).abs());
    let worst = differences.fold(0.0, f64::max);
    match got.dim() == wanted.dim() && worst < 1e-6 {
        true => Ok(json!({ "outputs": got.len(), "largest difference": worst })),
        false => Err(format!("{got}, PyTorch's {wanted}").into()),
    }
}
