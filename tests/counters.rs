//! Steps, epochs and updates are counted: any count that a caller can give is taken or refused.

mod support;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use safetensors::SafeTensors;

use support::nets::{self, bits, devices, directory};
use support::run::gpu;
use wgrad::Shape;
use wgrad::cpu::Interpreter;
use wgrad::gpu::Plan;
use wgrad::prelude::*;
use wgrad::program::{Averaging, DType, Program, StepEntry, Steps};

use wgrad::train::{EarlyStopping, Epoch};

#[test]
fn a_callback_or_checkpoint_every_so_many_epochs_that_none_is_reached_lets_fit_return() {
    let path = directory("never").join("run.safetensors");
    for device in devices() {
        let net = nets::spiral();
        let mut trainer = net.on(&device);
        let mut seen = Vec::new();
        let watch = |epoch: &Epoch| {
            seen.push(epoch.epoch);
            ControlFlow::Continue(())
        };
        let fit = Fit::epochs(3).each(u64::MAX, watch).checkpoint(&path, u64::MAX);
        let early = EarlyStopping { patience: u64::MAX, min_delta: 0.0, restore_best: false };
        let history = trainer.fit(&net.data, fit.early_stopping(early)).unwrap();
        assert_eq!((history.epochs.len(), seen), (3, vec![0, 2]), "{device}");
        let stop = |_: &Epoch| ControlFlow::Break(());
        let fit = Fit::epochs(u64::MAX).batch(7).each(u64::MAX, stop);
        assert_eq!(trainer.fit(&net.data, fit).unwrap().epochs.len(), 1, "{device}");
        assert!(!path.exists());
    }
}

/// The state beside a checkpoint with another text in one of its fields.
fn with_field(state: &std::path::Path, name: &str, value: &str) {
    let bytes = std::fs::read(state).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut fields = header.metadata().clone().unwrap();
    assert!(fields.insert(name.to_string(), value.to_string()).is_some(), "{name}");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let bytes = safetensors::serialize(tensors.iter(), Some(fields)).unwrap();
    std::fs::write(state, bytes).unwrap();
}

#[test]
fn a_checkpoint_with_more_steps_or_epochs_than_can_be_is_refused_and_the_trainer_unchanged() {
    let directory = directory("counts");
    let (path, net) = (directory.join("run.safetensors"), nets::spiral());
    for field in ["step", "epoch"] {
        let mut trainer = net.on(&Device::cpu());
        net.train(&mut trainer, 2);
        trainer.save(&path).unwrap();
        let before = (bits(&trainer), trainer.step(), trainer.epoch());
        with_field(&directory.join("run.state.safetensors"), field, &u64::MAX.to_string());
        let message = trainer.load(&path).unwrap_err().to_string();
        assert!(message.starts_with("checkpoint: ") && message.contains("run.state"), "{message}");
        assert_eq!((bits(&trainer), trainer.step(), trainer.epoch()), before);
        net.train(&mut trainer, 2);
    }
}

#[test]
fn every_schedule_has_a_rate_at_any_step() {
    let named = ["constant", "cosine(total=10)", "one_cycle(total=10)", "noam", "cyclic(base=0.1)"];
    let named = named.map(|text| text.parse::<Schedule>().unwrap_or_else(|_| Schedule::constant()));
    let constant = Schedule::constant;
    let put_together = [
        constant().after_warmup(u64::MAX),
        constant().after_warmup(0),
        constant().every(u64::MAX),
        Schedule::multistep(&[0, u64::MAX], 0.5).unwrap(),
        Schedule::sequential(vec![(u64::MAX, constant()), (1, constant())], constant()),
    ];
    for schedule in named.iter().chain(&put_together) {
        for step in [0, 1, u64::MAX - 1, u64::MAX] {
            assert!(schedule.rate(step, 0.1).is_finite(), "{schedule:?} at {step}");
        }
    }
}

#[test]
fn any_average_and_any_rule_has_an_entry_for_any_step() {
    let most = u64::MAX;
    for average in [
        Averaging::Ema { decay: 0.9 },
        Averaging::Swa { start: most, every: most },
        Averaging::Swa { start: 0, every: 0 },
        Averaging::Lookahead { every: most, alpha: 0.5 },
    ] {
        assert!([0, most].iter().all(|update| (0.0..=1.0).contains(&average.share(*update))));
    }
    let plain = Steps::new(Optimizer::adam(), 10);
    for (total, batch) in [(10, 3), (0, 0), (usize::MAX, usize::MAX), (usize::MAX, 1)] {
        let rule = Steps { total, batch, first_epoch: most, ..plain.clone() };
        assert!([0, 7, most].iter().all(|step| rule.entry(*step).rate == 1e-3));
    }
}

fn counting() -> Program {
    let mut program = Program::new("counting", vec![]);
    let x = program.input("x", Shape::new(&[1]).unwrap(), DType::F32);
    program.record(&[x]).unwrap();
    program
}

#[test]
fn the_reference_counts_on_from_any_step() {
    let mut cpu = Interpreter::<f32>::new(counting()).starting_at(u64::MAX);
    for _ in 0..2 {
        cpu.run(&mut wgrad::cpu::Weights::default(), &StepEntry::rows(1)).unwrap();
    }
    assert_eq!(cpu.take_records().len(), 2);
}

#[test]
fn a_plan_refuses_counts_that_it_cannot_hold() {
    let plan = |first| Plan::new(gpu(), counting(), None, &[], first, |_| StepEntry::rows(1));
    let message = plan(u64::MAX).unwrap_err().to_string();
    assert!(message.contains("step"), "{message}");
    let mut plan = plan(u64::from(u32::MAX)).unwrap();
    for steps in [1025, u64::MAX] {
        assert!(matches!(plan.run(steps), Err(wgrad::Error::Limit { .. })), "{steps}");
        let mut encoder = gpu().device().create_command_encoder(&Default::default());
        assert!(matches!(plan.encode(&mut encoder, steps), Err(wgrad::Error::Limit { .. })));
    }
    plan.run(3).unwrap();
    let first = u64::from(u32::MAX);
    assert_eq!(pollster::block_on(plan.records(first..first + 3)).unwrap().len(), 3);
    for wrong in [0..u64::MAX, first..u64::MAX, first + 2..first + 4] {
        assert!(matches!(pollster::block_on(plan.records(wrong)), Err(wgrad::Error::Limit { .. })));
    }
}

/// A schedule that notes which updates it is asked for, and has three rates.
fn noting(asked: &Arc<Mutex<BTreeSet<u64>>>) -> Schedule {
    let (asked, rates) = (asked.clone(), [0.1, 0.2, 0.3]);
    Schedule::custom("three rates", move |update, _| {
        asked.lock().unwrap().insert(update);
        rates[update as usize]
    })
}

#[test]
fn schedules_are_asked_for_the_updates_that_run() {
    let data = data::spiral(8, 3, 0).unwrap();
    for device in devices() {
        for parts in [vec![3], vec![1, 2], vec![1, 1, 1]] {
            let (rates, momenta) = <(Arc<_>, Arc<_>)>::default();
            let model = Sequential::new(2).dense(3);
            let sgd = Optimizer::sgd().with("momentum", 0.5).unwrap();
            let builder = Trainer::new(model, Loss::cross_entropy(), sgd);
            let builder =
                builder.schedule(noting(&rates)).schedule_of("momentum", noting(&momenta));
            let mut trainer = builder.on(&device).unwrap();
            parts.iter().for_each(|epochs| {
                trainer.fit(&data, Fit::epochs(*epochs)).unwrap();
            });
            let all = BTreeSet::from([0, 1, 2]);
            assert_eq!((&*rates.lock().unwrap(), &*momenta.lock().unwrap()), (&all, &all));
        }
    }
}

#[test]
fn schedules_are_asked_for_the_updates_that_a_host_records() {
    let asked = Arc::default();
    let model = Sequential::new(2).dense(1);
    let builder = Trainer::new(model, Loss::mse(), Optimizer::sgd()).schedule(noting(&asked));
    let trainer = builder.accumulate(2).on(&nets::gpu()).unwrap();
    let mut step = trainer.into_step(4).unwrap();
    assert!(asked.lock().unwrap().is_empty());
    let encoder = || gpu().device().create_command_encoder(&Default::default());
    let mut dropped = encoder();
    step.encode(&mut dropped, 4).unwrap();
    drop(dropped);
    // Six steps and one more, whose update is not due.
    for steps in [3, 3, 1] {
        let mut encoder = encoder();
        step.encode(&mut encoder, steps).unwrap();
        gpu().queue().submit([encoder.finish()]);
        gpu().device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }
    assert_eq!(*asked.lock().unwrap(), BTreeSet::from([0, 1, 2]));
    assert_eq!(step.into_trainer().step(), 7);
}
