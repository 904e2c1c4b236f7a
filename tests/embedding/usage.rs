//! What a step takes of the device: memory as the device was asked for it, and time by dispatch.

use std::fs;

use wgrad::embed::{Budget, Fusion, StepOptions};
use wgrad::prelude::*;

use super::host::{Host, ROWS, one_by_one, simulated, trainer, trainer_with};
use crate::support::adapter::{self, Adapter};
use crate::support::nets::{bits, directory};

/// The bytes of all buffers of wgrad's that a trace tells of and that are still there.
fn held(trace: &str) -> u64 {
    let mut buffers: Vec<(&str, u64)> = Vec::new();
    let mut lines = trace.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("CreateBuffer(") {
            let id = rest.split(", ").next().unwrap();
            let mut own = false;
            let size = lines.by_ref().find_map(|line| {
                own |= line.contains("label: Some(\"wgrad");
                line.trim().strip_prefix("size: ")?.trim_end_matches(',').parse().ok()
            });
            buffers.extend(own.then(|| (id, size.unwrap())));
        } else if let Some(rest) = line.strip_prefix("DropBuffer(") {
            let id = rest.trim_end_matches("),");
            buffers.retain(|(other, _)| *other != id);
        }
    }
    buffers.into_iter().map(|(_, size)| size).sum()
}

#[test]
fn the_memory_a_step_says_it_takes_is_what_the_device_was_asked_for() {
    for fusion in [Fusion::Never, Fusion::Whole] {
        let place = directory(&format!("memory_{fusion:?}"));
        let host = Host::traced(&place);
        let trace = || fs::read_to_string(place.join("trace.ron")).unwrap();
        let gpu = Gpu::from_wgpu(&host.device, &host.queue);
        let options = StepOptions::rows(ROWS).snapshot_every(4).fused();
        let mut step = trainer_with(&gpu, fusion).into_step(options).unwrap();
        host.wait_for(None);
        assert_eq!(step.memory().total(), held(&trace()), "{fusion:?}, at first");
        let data = simulated();
        for _ in 0..8 {
            let mut encoder = host.encoder();
            step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
            step.encode_within(&mut encoder, Budget::millis(50)).unwrap();
            host.frame(encoder.finish());
            step.metrics().try_all().unwrap();
        }
        host.wait_for(None);
        let memory = step.memory();
        println!("{memory}");
        assert_eq!(memory.total(), held(&trace()), "{fusion:?}, after some frames");
        let network = step.network();
        assert_eq!(memory.bytes("parameters"), network.param_bytes());
        // Adam keeps two numbers per parameter, and room for what is carried.
        let state = memory.bytes("optimizer state");
        assert!(state > 2 * network.param_bytes() && state < 3 * network.param_bytes(), "{state}");
        for part in ["gradients", "kernel parameters", "step table", "figures", "staging"] {
            assert!(memory.bytes(part) > 0, "{part}");
        }
        assert!(memory.to_string().contains("total"));

        // Buffers of the host's do not count.
        let bytes = network.param_bytes();
        let buffer = host.buffer(bytes / 4, wgpu::BufferUsages::COPY_DST);
        drop(step);
        let options = StepOptions::rows(ROWS).parameters(&buffer, 0).fused();
        let step = trainer_with(&gpu, fusion).into_step(options).unwrap();
        host.wait_for(None);
        assert_eq!(step.memory().bytes("parameters"), 0);
        assert_eq!(step.memory().total(), held(&trace()), "{fusion:?}, in the host's buffer");
        fs::remove_dir_all(place).unwrap();
    }
}

#[test]
fn a_profile_names_every_dispatch_with_its_time_and_trains_as_any_steps_do() {
    let descriptor = wgpu::DeviceDescriptor {
        required_features: wgpu::Features::TIMESTAMP_QUERY,
        ..adapter::descriptor()
    };
    let timed = adapter::try_fresh_with(&descriptor).map(Host::on);
    println!("timestamps: {}", timed.is_some());
    for host in [Some(Host::new()), timed].into_iter().flatten() {
        let gpu = one_by_one(&Gpu::from_wgpu(&host.device, &host.queue));
        let mut step = trainer(&gpu).into_step(ROWS).unwrap();
        let data = simulated();
        let mut encoder = host.encoder();
        step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
        let targets = data.targets().values().unwrap();
        step.upload_targets(&mut encoder, targets.as_slice().unwrap()).unwrap();
        host.queue.submit([encoder.finish()]);
        let profile = pollster::block_on(step.profile(6)).unwrap();
        println!("{profile}");
        let has_stamps = host.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        assert_eq!((profile.by_device, profile.steps), (has_stamps, 6));
        let labels: Vec<&str> = profile.rows.iter().map(|row| row.label.as_str()).collect();
        if has_stamps {
            let dispatches = step.plan().dispatches();
            assert_eq!(labels, dispatches.iter().map(|own| &*own.label).collect::<Vec<_>>());
        } else {
            assert_eq!(labels, [step.plan().program().name()]);
        }
        assert!(profile.total().as_nanos() > 0, "{profile}");
        assert!(profile.to_string().contains(if has_stamps { "device" } else { "host" }));
        assert!(pollster::block_on(step.profile(0)).is_err());

        let mut plain = trainer(&gpu);
        plain.fit(&data, Fit::epochs(6)).unwrap();
        assert_eq!(bits(&step.into_trainer()), bits(&plain));
        assert_eq!(host.errors.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
}

#[test]
fn a_profile_of_a_lost_device_is_an_error() {
    let Adapter { device, queue, .. } = adapter::fresh();
    let gpu = Gpu::from_wgpu(&device, &queue);
    let mut step = trainer(&gpu).into_step(ROWS).unwrap();
    device.destroy();
    let outcome = pollster::block_on(step.profile(2));
    assert!(matches!(outcome, Err(wgrad::Error::DeviceLost(_))), "{outcome:?}");
}
