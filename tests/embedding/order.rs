//! Hosts that submit late, never, twice as much, in another order, or from several threads.

use std::sync::atomic::Ordering;

use wgrad::embed::{Fusion, StepOptions, TrainingStep};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};

use super::host::{Host, ROWS, simulated, trainer_with, ways};
use crate::support::nets::bits;

fn trainer(gpu: &Gpu) -> Trainer {
    trainer_with(gpu, gpu.choices().fusion)
}

/// A step whose inputs and targets are there.
fn ready(host: &Host, gpu: &Gpu) -> TrainingStep {
    let step = trainer(gpu).into_step(StepOptions::rows(ROWS).fused()).unwrap();
    let data = simulated();
    let values = data.targets().values().unwrap();
    let (x, y) =
        (host.filled(data.inputs().as_slice().unwrap()), host.filled(values.as_slice().unwrap()));
    let mut encoder = host.device.create_command_encoder(&Default::default());
    step.inputs().copy_from(&mut encoder, &x, x.size()).unwrap();
    step.targets().unwrap().copy_from(&mut encoder, &y, y.size()).unwrap();
    host.queue.submit([encoder.finish()]);
    step
}

fn recorded(host: &Host, step: &mut TrainingStep, steps: u64) -> wgpu::CommandBuffer {
    let mut encoder = host.device.create_command_encoder(&Default::default());
    step.encode(&mut encoder, steps).unwrap();
    encoder.finish()
}

/// Fails unless the step has come as far as a straightforward run of `steps` steps, bit for bit.
#[track_caller]
fn assert_straightforward(gpu: &Gpu, step: TrainingStep, steps: u64) {
    let trained = step.into_trainer();
    assert_eq!(trained.step(), steps);
    let mut plain = trainer(gpu);
    plain.fit(&simulated(), Fit::epochs(steps)).unwrap();
    assert_eq!(bits(&trained), bits(&plain));
}

#[test]
fn recordings_submitted_late_and_all_at_once_are_steps_in_a_row() {
    let host = Host::new();
    for gpu in ways(&host) {
        let mut step = ready(&host, &gpu);
        let commands: Vec<_> = (1..=6).map(|steps| recorded(&host, &mut step, steps)).collect();
        assert!(step.metrics().try_latest().unwrap().is_none());
        host.queue.submit(commands);
        assert_straightforward(&gpu, step, 21);
    }
}

#[test]
fn recordings_submitted_in_another_order_are_steps_in_a_row() {
    let host = Host::new();
    for gpu in ways(&host) {
        for order in [[1, 0, 2], [2, 1, 0], [1, 2, 0]] {
            let mut step = ready(&host, &gpu);
            let mut commands: Vec<_> =
                [3, 1, 4].map(|steps| Some(recorded(&host, &mut step, steps))).into();
            for place in order {
                host.queue.submit(commands[place].take());
            }
            assert_straightforward(&gpu, step, 8);
        }
    }
}

#[test]
fn dropped_encoders_and_command_buffers_are_steps_that_never_were() {
    let host = Host::new();
    for gpu in ways(&host) {
        let mut step = ready(&host, &gpu);
        let mut done = 0;
        for frame in 0..200 {
            let (mut encoder, steps) =
                (host.device.create_command_encoder(&Default::default()), 1 + frame % 3);
            step.encode(&mut encoder, steps).unwrap();
            match frame % 4 {
                0 => drop(encoder),
                1 => drop(encoder.finish()),
                _ => {
                    host.frame(encoder.finish());
                    done += steps;
                }
            }
        }
        assert_straightforward(&gpu, step, done);
    }
}

#[test]
fn a_host_that_does_everything_at_random_gets_the_straightforward_run_and_all_its_figures() {
    let host = Host::new();
    for gpu in ways(&host) {
        let mut step = ready(&host, &gpu);
        let key = Key::new(20, Stream::Data(7));
        let mut dice = (0..).map(|turn| key.uniform(0, turn));
        let mut roll = |sides: usize| (dice.next().unwrap() * sides as f32) as usize;
        let (mut waiting, mut done, mut figures) = (Vec::new(), 0, Vec::new());
        // More steps than the table holds; of those that take many dispatches, as few as that are.
        let (turns, most) =
            if gpu.choices().fusion == Fusion::Whole { (1000, 4) } else { (400, 7) };
        for _ in 0..turns {
            let steps = 1 + roll(most) as u64;
            waiting.push((steps, recorded(&host, &mut step, steps)));
            if waiting.len() > 4 || roll(2) == 0 {
                let (steps, commands) = waiting.swap_remove(roll(waiting.len()));
                if roll(5) > 0 {
                    host.frame(commands);
                    done += steps;
                }
            }
            if roll(8) == 0 {
                host.device.poll(wgpu::PollType::Poll).unwrap();
            }
            if roll(3) == 0 {
                figures.extend(step.metrics().try_all().unwrap());
            }
        }
        done += waiting.iter().map(|(steps, _)| steps).sum::<u64>();
        host.queue.submit(waiting.into_iter().map(|(_, commands)| commands));
        host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        // What the last recordings did for one another comes with the next.
        host.queue.submit([recorded(&host, &mut step, 1)]);
        host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        figures.extend(step.metrics().try_all().unwrap());
        done += 1;
        assert!(done > 1100, "{done}");

        let mut plain = trainer(&gpu);
        let history = plain.fit(&simulated(), Fit::epochs(done)).unwrap();
        let losses: Vec<_> = (0..).zip(history.epochs.iter().map(|epoch| epoch.loss)).collect();
        let figures: Vec<_> = figures.iter().map(|figures| (figures.step, figures.loss)).collect();
        assert_eq!(figures, losses);
        let trained = step.into_trainer();
        assert_eq!(trained.step(), done);
        assert_eq!(bits(&trained), bits(&plain));
        assert_eq!(host.errors.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_host_that_keeps_an_encoder_for_ever_is_told_so_and_goes_on_when_it_lets_go() {
    let host = Host::new();
    for gpu in ways(&host) {
        let mut step = ready(&host, &gpu);
        let kept = recorded(&host, &mut step, 3);
        let mut done = 0;
        let refused = loop {
            let mut encoder = host.device.create_command_encoder(&Default::default());
            match step.encode(&mut encoder, 100) {
                Ok(()) => drop(host.queue.submit([encoder.finish()])),
                Err(error) => break error.to_string(),
            }
            done += 100;
            assert!(done < 2000, "nothing was refused");
        };
        assert!(refused.contains("not come back") && refused.contains("1024"), "{refused}");
        assert_eq!(done, 1000);
        host.wait_for(Some(host.queue.submit([kept])));
        host.queue.submit([recorded(&host, &mut step, 100)]);
        assert_straightforward(&gpu, step, 1103);
    }
}

#[test]
fn more_recordings_than_can_wait_are_refused_and_dropping_them_makes_room() {
    let host = Host::new();
    for gpu in ways(&host) {
        let mut step = ready(&host, &gpu);
        let mut waiting: Vec<_> = (0..256).map(|_| recorded(&host, &mut step, 1)).collect();
        let mut encoder = host.device.create_command_encoder(&Default::default());
        let refused = step.encode(&mut encoder, 1).unwrap_err().to_string();
        assert!(refused.contains("256") && refused.contains("wait"), "{refused}");
        waiting.truncate(2);
        step.encode(&mut encoder, 1).unwrap();
        host.queue.submit(waiting.into_iter().chain([encoder.finish()]));
        assert_straightforward(&gpu, step, 3);
    }
}

#[test]
fn two_gpus_on_one_device_train_side_by_side_in_one_encoder() {
    let host = Host::new();
    let gpus = ways(&host);
    let mut steps = gpus.each_ref().map(|gpu| ready(&host, gpu));
    for frame in 0..10 {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        for (number, step) in (0..).zip(&mut steps) {
            step.encode(&mut encoder, 1 + (frame + number) % 2).unwrap();
        }
        host.queue.submit([encoder.finish()]);
    }
    for (gpu, step) in gpus.iter().zip(steps) {
        assert_straightforward(gpu, step, 15);
    }
}

#[test]
fn threads_that_record_at_once_do_not_disturb_each_other() {
    let host = Host::new();
    // Each way of fusing on two threads.
    let gpus = [ways(&host), ways(&host)].concat();
    std::thread::scope(|scope| {
        for gpu in &gpus {
            scope.spawn(|| {
                let mut step = ready(&host, gpu);
                for _ in 0..40 {
                    host.queue.submit([recorded(&host, &mut step, 2)]);
                }
                assert_straightforward(gpu, step, 80);
            });
        }
    });
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn an_error_scope_of_the_host_around_our_work_catches_the_hosts_errors_and_none_of_ours() {
    let host = Host::new();
    let [gpu, _] = ways(&host);
    let scope = host.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let mut step = ready(&host, &gpu);
    let commands = recorded(&host, &mut step, 3);
    assert!(pollster::block_on(scope.pop()).is_none());

    let scope = host.device.push_error_scope(wgpu::ErrorFilter::Validation);
    host.queue.submit([commands]);
    host.blunder();
    let _ = pollster::block_on(step.records(0..3)).unwrap();
    assert!(pollster::block_on(scope.pop()).is_some(), "the host's own");
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}
