//! Steps, epochs and updates are counted: any count that a caller can give is taken or refused.

use crate::support;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use safetensors::SafeTensors;

use support::nets::{self, bits, devices, directory};
use support::run::gpu;
use wgrad::Shape;
use wgrad::ir::{DType, Interpreter, Plan, Program, StepEntry, Steps};
use wgrad::prelude::*;
use wgrad::train::{Averaging, EarlyStopping, Epoch};

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

/// The checksum of a state by its description: FNV-1a over every part after its length, fields and tensors by name.
fn checksum(fields: &BTreeMap<String, String>, tensors: &SafeTensors) -> String {
    let byte = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    let part = |sum: u64, bytes: &[u8]| {
        let length = (bytes.len() as u64).to_le_bytes();
        length.iter().chain(bytes).fold(sum, byte)
    };
    let field =
        |sum, (name, text): (&String, &String)| part(part(sum, name.as_bytes()), text.as_bytes());
    let sum = fields.iter().fold(0xcbf2_9ce4_8422_2325, field);
    let tensors = tensors.iter().collect::<BTreeMap<_, _>>();
    let sum = tensors.iter().fold(sum, |sum, (name, tensor)| {
        let kind = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
        part(part(part(sum, name.as_bytes()), kind.as_bytes()), tensor.data())
    });
    format!("{sum:016x}")
}

/// A checkpoint with this count in a field, and the checksum that fits it, so that nothing else can be refused.
fn counting_to(bytes: &[u8], name: &str, count: u64) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let mut fields: BTreeMap<_, _> = header.metadata().clone().unwrap().into_iter().collect();
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    fields.remove("checksum");
    if name == "skipped" {
        // Earlier versions wrote it in place of these.
        fields.retain(|name, _| name != "updates" && name != "gathered");
    } else {
        assert!(fields.contains_key(name), "{name}");
    }
    fields.insert(name.to_string(), count.to_string());
    fields.insert("checksum".to_string(), checksum(&fields, &tensors));
    safetensors::serialize(tensors.iter(), Some(fields.into_iter().collect())).unwrap()
}

#[test]
fn a_checkpoint_with_more_of_anything_counted_than_can_be_is_refused_and_the_trainer_unchanged() {
    let (net, most) = (nets::spiral(), 1_u64 << 53);
    let mut trainer = net.on(&Device::cpu());
    net.train(&mut trainer, 2);
    let whole = trainer.to_bytes().unwrap();
    for name in ["step", "epoch", "updates", "gathered", "skipped"] {
        for count in [most + 1, u64::MAX] {
            let before = (bits(&trainer), trainer.step(), trainer.epoch());
            let error = trainer.load_bytes(&counting_to(&whole, name, count)).unwrap_err();
            let why = format!("its field '{name}' is {count}, above {most}");
            let message = error.to_string();
            assert!(message.starts_with("checkpoint: ") && message.contains(&why), "{message}");
            assert_eq!((bits(&trainer), trainer.step(), trainer.epoch()), before);
            net.train(&mut trainer, 1);
        }
        // The largest is taken: what refused the others is the bound.
        trainer.load_bytes(&counting_to(&whole, name, most)).unwrap();
        trainer.load_bytes(&whole).unwrap();
    }
}

#[test]
fn every_schedule_has_a_rate_at_any_step() {
    let named = ["constant", "cosine(total=10)", "one_cycle(total=10)", "noam", "cyclic(base=0.1)"];
    let named = named.map(|text| text.parse::<Schedule>().unwrap_or_else(|_| Schedule::constant()));
    let constant = Schedule::constant;
    let assemble = [
        constant().after_warmup(u64::MAX),
        constant().after_warmup(0),
        constant().every(u64::MAX),
        Schedule::multistep(&[0, u64::MAX], 0.5).unwrap(),
        Schedule::sequential(vec![(u64::MAX, constant()), (1, constant())], constant()),
    ];
    for schedule in named.iter().chain(&assemble) {
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
        assert!([0, most].iter().all(|update| (0.0..=1.0).contains(&average.weight(*update))));
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
        cpu.run(&mut wgrad::ir::InterpreterWeights::default(), &StepEntry::rows(1)).unwrap();
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
