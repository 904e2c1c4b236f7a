//! The page's device is destroyed, and the run goes on on another.

use serde_json::json;
use wgrad::embed::{Gpu, StepOptions, TrainingStep};
use wgrad::prelude::*;
use wgrad::{Error, wgpu};

use super::Found;
use crate::runs::Net;

/// A device of the page with the limits of every browser.
pub(super) async fn host_device() -> Result<(wgpu::Device, wgpu::Queue), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::NoAdapter(error.to_string());
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await;
    let adapter = adapter.map_err(|error| failed(&error))?;
    let device = adapter.request_device(&wgpu::DeviceDescriptor::default()).await;
    device.map_err(|error| failed(&error))
}

/// Lets the browser answer, for so many milliseconds.
pub(super) async fn pause(milliseconds: u32) {
    gloo_timers::future::TimeoutFuture::new(milliseconds).await;
}

async fn frame(
    (device, queue): (&wgpu::Device, &wgpu::Queue),
    step: &mut TrainingStep,
    data: &Dataset,
) -> wgrad::Result<Option<f64>> {
    let mut encoder = device.create_command_encoder(&Default::default());
    step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap_or_default())?;
    step.upload_classes(&mut encoder, data.targets().labels().unwrap_or_default())?;
    step.encode(&mut encoder, 2)?;
    queue.submit([encoder.finish()]);
    // A first frame takes long, since the adapter compiles in it.
    let (sender, receiver) = futures_channel::oneshot::channel();
    queue.on_submitted_work_done(move || {
        let _ = sender.send(());
    });
    let _ = receiver.await;
    pause(10).await;
    step.snapshot()?;
    Ok(step.metrics().try_latest()?.map(|figures| figures.loss))
}

/// Trains until a snapshot of a late step has come back, however slow the adapter is.
async fn until_snapshot(
    own: (&wgpu::Device, &wgpu::Queue),
    step: &mut TrainingStep,
    data: &Dataset,
) -> wgrad::Result<()> {
    for _ in 0..1000 {
        frame(own, step, data).await?;
        if step.snapshot()?.is_some_and(|snapshot| snapshot.step() > 40) {
            break;
        }
    }
    Ok(())
}

/// Fails unless the step and a new trainer say that the device is lost, within a few frames.
async fn is_lost(
    (own, gpu): ((&wgpu::Device, &wgpu::Queue), Gpu),
    step: &mut TrainingStep,
    data: &Dataset,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut recorded = Ok(None);
    for _ in 0..4 {
        if recorded.is_ok() {
            recorded = frame(own, step, data).await;
        }
    }
    let again = match Net::Spiral.trainer()?.on(&gpu.into()) {
        Ok(mut trainer) => trainer.fit_async(data, Fit::epochs(1)).await.err(),
        Err(error) => Some(error),
    };
    for error in [recorded.err(), again] {
        if !matches!(error, Some(Error::DeviceLost(_))) {
            return Err(format!("a lost device gives {error:?}").into());
        }
    }
    Ok(())
}

pub(super) async fn goes_on() -> Found {
    let data = Net::Spiral.data()?;
    let (device, queue) = host_device().await?;
    let gpu = Gpu::from_wgpu(&device, &queue);
    let trainer = Net::Spiral.trainer()?.on(&gpu.clone().into())?;
    let options = StepOptions::rows(data.len()).snapshot_every(6).fused();
    let mut step = trainer.into_step(options)?;
    until_snapshot((&device, &queue), &mut step, &data).await?;
    device.destroy();
    is_lost(((&device, &queue), gpu), &mut step, &data).await?;

    let (device, queue) = host_device().await?;
    step.restore(&device, &queue)?;
    let resumed = step.next_step();
    let (mut last, end) = (None, resumed + 40);
    while step.next_step() < end {
        last = frame((&device, &queue), &mut step, &data).await?.or(last);
    }
    pause(1000).await;
    last = step.metrics().try_latest()?.map(|figures| figures.loss).or(last);
    let mut plain = Net::Spiral.trainer()?.on(&Gpu::from_wgpu(&device, &queue).into())?;
    let history = plain.fit_async(&data, Fit::epochs(end)).await?;
    let plain = history.last().map(|epoch| epoch.loss);
    let found = json!({ "resumed at step": resumed, "loss": last, "without a loss": plain });
    match (last, plain) {
        (Some(last), Some(plain)) if resumed > 40 && (last - plain).abs() <= 1e-5 * plain => {
            Ok(found)
        }
        _ => Err(found.to_string().into()),
    }
}
