//! Schedules have the values of PyTorch and of their formulas.

use wgrad::__internal::spec::schedule::ScheduleKind;
use wgrad::Schedule;
use wgrad::spec::Choice;

use crate::support::golden::load;

#[test]
fn schedules_have_their_known_values() {
    let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-15, "{a} {b}");
    assert_eq!(Schedule::constant().rate(1000, 0.3), 0.3);
    let step = Schedule::step(10.0, 0.5).unwrap();
    assert_eq!([0, 9, 10, 19, 20].map(|t| step.rate(t, 1.0)), [1.0, 1.0, 0.5, 0.5, 0.25]);
    near(Schedule::exponential(0.9).unwrap().rate(3, 2.0), 1.458);
    assert_eq!(Schedule::inverse_time(1e-3).unwrap().rate(1000, 0.1), 0.05);
    let root = Schedule::inverse_sqrt(1.0).unwrap();
    assert_eq!([0, 3, 99].map(|t| root.rate(t, 2.0)), [2.0, 1.0, 0.2]);
    assert_eq!(Schedule::inverse_sqrt(0.03).unwrap().rate(100, 1.0), 0.5);
    assert!(Schedule::inverse_sqrt(-1.0).is_err());
    let cosine = Schedule::cosine(100.0, 0.1).unwrap();
    near(cosine.rate(0, 1.0), 1.0);
    near(cosine.rate(50, 1.0), 0.55);
    near(cosine.rate(100, 1.0), 0.1);
    let custom = Schedule::custom("half", |step, lr| if step < 5 { lr } else { lr / 2.0 });
    assert_eq!((custom.rate(4, 1.0), custom.rate(5, 1.0)), (1.0, 0.5));
    assert!(Schedule::step(0.0, 0.5).is_err() && Schedule::exponential(-1.0).is_err());
}

#[test]
fn schedules_follow_pytorchs() {
    let cases = load("schedules");
    assert_eq!(cases.len(), 18);
    for case in &cases {
        let choice = Choice::<ScheduleKind>::named(&case.op).unwrap();
        let with = |choice: Choice<ScheduleKind>, (name, value): (&String, &f64)| {
            choice.with(name, *value).unwrap()
        };
        let schedule = Schedule::of(case.options.iter().fold(choice, with)).unwrap();
        let base = if case.op.ends_with("momentum") { 0.95 } else { 0.1 };
        for (step, want) in case.tensor("rates").values.iter().enumerate() {
            let got = schedule.rate(step as u64, base);
            assert!(
                (got - want).abs() <= 1e-12,
                "{}, step {step}: {got}, PyTorch {want}",
                case.name
            );
        }
    }
}

#[test]
fn schedules_are_put_together() {
    let rate = |schedule: &Schedule, steps: &[u64]| -> Vec<f64> {
        steps.iter().map(|step| schedule.rate(*step, 1.0)).collect()
    };
    let warm = Schedule::inverse_time(1.0).unwrap().after_warmup(4);
    assert_eq!(rate(&warm, &[0, 1, 3, 4, 5]), [0.25, 0.5, 1.0, 1.0, 0.5]);
    let parts = vec![(2, Schedule::constant()), (3, Schedule::exponential(0.5).unwrap())];
    let sequence = Schedule::sequential(parts, Schedule::custom("end", |_, lr| lr / 16.0));
    assert_eq!(
        rate(&sequence, &[0, 1, 2, 3, 4, 5, 99]),
        [1.0, 1.0, 1.0, 0.5, 0.25, 0.0625, 0.0625]
    );
    let halves = Schedule::exponential(0.5).unwrap();
    assert_eq!(rate(&halves.clone().chained(halves.clone()), &[0, 1, 2]), [1.0, 0.25, 0.0625]);
    assert_eq!(rate(&halves.every(10), &[0, 9, 10, 25]), [1.0, 1.0, 0.5, 0.25]);
    let steps = Schedule::multistep(&[3, 5], 0.5).unwrap();
    assert_eq!(rate(&steps, &[2, 3, 4, 5, 9]), [1.0, 0.5, 0.5, 0.25, 0.25]);
    assert_eq!(rate(&"halve(step_size=3)".parse().unwrap(), &[2, 3, 6]), [1.0, 0.5, 0.25]);
    assert!(Schedule::multistep(&[1], f64::NAN).is_err());
    let momentum: Schedule = "growing_momentum".parse().unwrap();
    assert_eq!([0, 250, 750].map(|t| momentum.rate(t, 0.9)), [0.5, 0.75, 0.875]);
    assert_eq!(momentum.rate(1_000_000, 0.9), 0.9);
    let noam: Schedule = "noam(model_size=4, warmup=4)".parse().unwrap();
    assert_eq!([0, 3, 15].map(|t| noam.rate(t, 2.0)), [0.125, 0.5, 0.25]);
}
