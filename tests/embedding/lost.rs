//! The device is destroyed, and the run goes on on another.

use std::ops::ControlFlow;
use std::time::Duration;

use wgrad::Error;
use wgrad::embed::{StepFigures, StepOptions, TrainingStep};
use wgrad::prelude::*;

use super::host::{Host, ROWS, simulated, trainer, trainer_with, ways};
use crate::support::nets::bits;

const STEPS: u64 = 60;

/// How long the host waits for its device at most: far longer than a frame takes on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn options() -> StepOptions {
    StepOptions::rows(ROWS).snapshot_every(6).fused()
}

/// What the host does in a frame, one after the other; each can be the last thing that the device lives to see.
const ACTS: u64 = 5;

/// One frame of two steps; the device is destroyed before the act of this number.
fn frame(
    host: &Host,
    step: &mut TrainingStep,
    seen: &mut Vec<StepFigures>,
    destroyed_before: Option<u64>,
) -> wgrad::Result<()> {
    let destroy = |act: u64| {
        if destroyed_before == Some(act) {
            host.device.destroy();
        }
    };
    let data = simulated();
    destroy(0);
    let mut encoder = host.encoder();
    step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap())?;
    step.upload_targets(&mut encoder, data.targets().values().unwrap().as_slice().unwrap())?;
    destroy(1);
    step.encode(&mut encoder, 2)?;
    destroy(2);
    host.queue.submit([encoder.finish()]);
    destroy(3);
    // A host that goes on whatever its device says.
    let (submission_index, timeout) = (None, Some(PATIENCE));
    let _ = host.device.poll(wgpu::PollType::Wait { submission_index, timeout });
    destroy(4);
    let figures = step.metrics().try_all()?;
    step.snapshot()?;
    seen.extend(figures);
    Ok(())
}

#[test]
fn a_run_whose_device_is_destroyed_at_any_of_twenty_points_goes_on_bit_for_bit_on_another() {
    let reference = Host::new();
    let [one_by_one, whole] = ways(&reference);
    survives(&one_by_one, 0..20);
    // Each act once.
    survives(&whole, (0..20).step_by(4));
}

fn survives(way: &Gpu, points: impl Iterator<Item = u64>) {
    let on = |gpu: &Gpu| trainer_with(gpu, way.choices().fusion);
    let mut plain = on(way);
    let history = plain.fit(&simulated(), Fit::epochs(STEPS)).unwrap();
    let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.loss).collect();
    for point in points {
        // Every act four times, at different distances from the last snapshot.
        let (last, act) = (1 + point + point / ACTS, point % ACTS);
        let host = Host::new();
        let gpu = Gpu::from_wgpu(&host.device, &host.queue);
        let mut step = on(&gpu).into_step(options()).unwrap();
        let dispatches = step.plan().dispatches().len();
        let mut seen = Vec::new();
        for _ in 0..last {
            frame(&host, &mut step, &mut seen, None).unwrap();
        }
        let mut outcome = frame(&host, &mut step, &mut seen, Some(act));
        let mut frames = 0;
        while outcome.is_ok() && frames < 100 {
            outcome = frame(&host, &mut step, &mut seen, None);
            frames += 1;
        }
        let error = outcome.expect_err("a lost device is noticed");
        assert!(matches!(error, Error::DeviceLost(_)), "point {point}: {error}");
        assert!(frames <= 2, "point {point}: noticed after {frames} frames");
        // It stays lost.
        assert!(matches!(step.encode(&mut host.encoder(), 1), Err(Error::DeviceLost(_))));
        assert!(matches!(pollster::block_on(step.records(0..1)), Err(Error::DeviceLost(_))));

        let next = Host::new();
        step.restore(&next.device, &next.queue).unwrap();
        assert_eq!(step.plan().dispatches().len(), dispatches, "point {point}");
        let resumed = step.next_step();
        assert!(resumed <= 2 * (last + 1) && resumed + 10 > 2 * last, "point {point}: {resumed}");
        while step.next_step() < STEPS {
            frame(&next, &mut step, &mut seen, None).unwrap();
        }
        seen.extend(step.metrics().try_all().unwrap());
        for figures in seen {
            assert_eq!(figures.loss, losses[figures.step as usize], "point {point}");
        }
        let trained = step.into_trainer();
        assert_eq!((trained.step(), trained.epoch()), (STEPS, STEPS), "point {point}");
        assert_eq!(bits(&trained), bits(&plain), "point {point}");
    }
}

#[test]
fn a_run_without_a_snapshot_begins_anew_and_changed_settings_stay_changed() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let mut step = trainer(&gpu).into_step(ROWS).unwrap();
    step.set_optimizer("lr", 0.003).unwrap();
    let mut seen = Vec::new();
    frame(&host, &mut step, &mut seen, None).unwrap();
    host.device.destroy();
    // The host's own handler has heard of it.
    gpu.set_lost("driver reset");
    let error = step.encode(&mut host.encoder(), 1).unwrap_err();
    assert!(error.to_string().contains("driver reset"), "{error}");

    let next = Host::new();
    assert!(step.restore_over(&next.device, &next.queue, ROWS + 1).is_err());
    step.restore(&next.device, &next.queue).unwrap();
    assert_eq!(step.next_step(), 0);
    for _ in 0..5 {
        frame(&next, &mut step, &mut seen, None).unwrap();
    }
    let mut plain = trainer(&Gpu::from_wgpu(&next.device, &next.queue));
    plain.set_optimizer("lr", 0.003).unwrap();
    plain.fit(&simulated(), Fit::epochs(10)).unwrap();
    assert_eq!(bits(&step.into_trainer()), bits(&plain));
}

#[test]
fn a_fit_of_our_own_ends_with_an_error_when_the_device_goes() {
    for epoch in [1, 4] {
        let host = Host::new();
        let gpu = Gpu::from_wgpu(&host.device, &host.queue);
        let mut trainer = trainer(&gpu);
        let fit = Fit::epochs(8).each(1, |done| {
            if done.epoch == epoch {
                host.device.destroy();
            }
            ControlFlow::Continue(())
        });
        let error = trainer.fit(&simulated(), fit).unwrap_err();
        assert!(matches!(error, Error::DeviceLost(_)), "{error}");
        assert!(matches!(trainer.parameters(), Err(Error::DeviceLost(_))));
    }
}
