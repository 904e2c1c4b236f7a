//! What a thousand recorded steps ask of the device: nothing but what the host submits.

use std::fs;

use wgrad::embed::{Fusion, StepOptions};
use wgrad::prelude::*;

use super::host::{Host, ROWS, simulated, trainer_with};
use crate::support::nets::{bits, directory};

const FRAMES: usize = 500;

/// How often an action stands in a trace, in which each begins a line of its own.
fn count(trace: &str, action: &str) -> usize {
    trace.lines().filter(|line| line.starts_with(action)).count()
}

#[test]
fn a_thousand_steps_create_nothing_write_nothing_and_submit_nothing_of_our_own() {
    for fusion in [Fusion::Never, Fusion::Whole] {
        thousand(fusion);
    }
}

fn thousand(fusion: Fusion) {
    let place = directory(&format!("trace_{fusion:?}"));
    let host = Host::traced(&place);
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let options = StepOptions::rows(ROWS).fused();
    let mut step = trainer_with(&gpu, fusion).into_step(options).unwrap();
    let data = simulated();
    let (x, y) = (data.inputs().clone(), data.targets().values().unwrap().clone());
    let (x, y) = (host.filled(x.as_slice().unwrap()), host.filled(y.as_slice().unwrap()));
    let before = fs::read_to_string(place.join("trace.ron")).unwrap().len();

    let mut figures = Vec::new();
    for _ in 0..FRAMES {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        step.inputs().copy_from(&mut encoder, &x, x.size()).unwrap();
        step.targets().unwrap().copy_from(&mut encoder, &y, y.size()).unwrap();
        step.encode(&mut encoder, 2).unwrap();
        host.frame(encoder.finish());
        figures.extend(step.metrics().try_all().unwrap());
    }
    host.wait_for(None);
    figures.extend(step.metrics().try_all().unwrap());

    let trace = fs::read_to_string(place.join("trace.ron")).unwrap();
    let (setting_up, trace) = trace.split_at(before);
    assert!(count(setting_up, "CreateBuffer(") > 10, "the trace says what is created");
    assert!(count(setting_up, "CreateBindGroup(") >= step.plan().dispatches().len());
    assert_eq!(count(trace, "Submit("), FRAMES, "the host's own");
    for action in ["Create", "Destroy", "Drop", "WriteTexture", "FailedCommands"] {
        assert_eq!(count(trace, action), 0, "{action}");
    }
    // A write to mapped memory is recorded as one that is not queued.
    let writes = trace.lines().filter(|line| line.trim() == "queued: true,").count();
    assert_eq!(writes, 0, "queue writes");
    fs::remove_dir_all(place).unwrap();

    let steps: Vec<u64> = figures.iter().map(|figures| figures.step).collect();
    assert_eq!(steps, (0..2 * FRAMES as u64).collect::<Vec<_>>());
    let mut plain = trainer_with(&gpu, fusion);
    let history = plain.fit(&data, Fit::epochs(2 * FRAMES as u64)).unwrap();
    let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.loss).collect();
    assert_eq!(figures.iter().map(|figures| figures.loss).collect::<Vec<_>>(), losses);
    assert_eq!(bits(&step.into_trainer()), bits(&plain));
}

/// How many dispatches each submit of a trace has, of those that have any.
fn dispatches(trace: &str) -> Vec<usize> {
    let submits = trace.split("\nSubmit(").skip(1);
    let each = submits.map(|submit| {
        // The rest up to the next action that begins a line.
        let own = submit.lines().skip(1).take_while(|line| !line.starts_with(char::is_alphabetic));
        own.filter(|line| line.trim_start().starts_with("DispatchWorkgroups(")).count()
    });
    each.filter(|count| *count > 0).collect()
}

#[test]
fn a_fit_submits_at_least_sixteen_steps_at_once_where_its_epochs_have_them() {
    for fusion in [Fusion::Never, Fusion::Whole] {
        let place = directory(&format!("fit_{fusion:?}"));
        let host = Host::traced(&place);
        let gpu = Gpu::from_wgpu(&host.device, &host.queue);
        let mut trainer = trainer_with(&gpu, fusion);
        // Full batches without a callback: nothing is looked at between epochs.
        trainer.fit(&simulated(), Fit::epochs(96)).unwrap();
        let per_step = trainer.dispatches_per_step().unwrap();
        let trace = fs::read_to_string(place.join("trace.ron")).unwrap();
        let counts = dispatches(&trace);
        assert_eq!(counts.iter().sum::<usize>(), 96 * per_step, "{counts:?}");
        assert!(counts.len() <= 96 / 16, "{counts:?} dispatches of {per_step} a step");
        // Batches of 2 of 24 rows: 12 steps an epoch, which are looked at together.
        trainer.fit(&simulated(), Fit::epochs(8).batch(2)).unwrap();
        let per_step = trainer.dispatches_per_step().unwrap();
        let trace = fs::read_to_string(place.join("trace.ron")).unwrap();
        let counts = &dispatches(&trace)[counts.len()..];
        assert_eq!(counts.iter().sum::<usize>(), 96 * per_step, "{counts:?}");
        assert!(counts.len() <= 96 / 16, "{counts:?} dispatches of {per_step} a step");
        fs::remove_dir_all(place).unwrap();
    }
}
