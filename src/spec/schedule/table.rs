//! The table of schedules. `lr` is the optimizer's learning rate, or the value of whichever hyper-parameter is
//! scheduled; `step` is the number of updates already done.

use std::f64::consts::PI;

use super::ScheduleKind;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, Values};

entries! { ScheduleKind;
    constant {
        aliases: [],
        params: [],
        formula: "lr",
        source: "torch.optim.lr_scheduler.ConstantLR with factor 1",
        kind: ScheduleKind { rate: |_, lr, _| lr },
    }
    step {
        aliases: [Alias::with("halve", &[("gamma", 0.5)])],
        params: [Param::required("step_size", 100.0, Range::POSITIVE), Param::new("gamma", 0.1, Range::NOT_NEGATIVE)],
        formula: "lr * gamma^floor(step / step_size)",
        source: "torch.optim.lr_scheduler.StepLR",
        kind: ScheduleKind { rate: |[size, gamma, ..], lr, step| lr * gamma.powf((step / size).floor()) },
    }
    exponential {
        aliases: [],
        params: [Param::required("gamma", 0.99, Range::NOT_NEGATIVE)],
        formula: "lr * gamma^step",
        source: "torch.optim.lr_scheduler.ExponentialLR",
        kind: ScheduleKind { rate: |[gamma, ..], lr, step| lr * gamma.powf(step) },
    }
    inverse_time {
        aliases: [],
        params: [Param::required("decay", 1e-3, Range::NOT_NEGATIVE)],
        formula: "lr / (1 + decay * step)",
        source: "Keras InverseTimeDecay with decay_steps 1",
        kind: ScheduleKind { rate: |[decay, ..], lr, step| lr / (1.0 + decay * step) },
    }
    inverse_sqrt {
        aliases: [],
        params: [Param::new("decay", 1.0, Range::NOT_NEGATIVE)],
        formula: "lr / sqrt(1 + decay * step)",
        source: "Zhang et al. 2023, Dive into deep learning, section 12.11, with decay 1; Hugging Face's timescale is 1 / decay",
        kind: ScheduleKind { rate: |[decay, ..], lr, step| lr / (1.0 + decay * step).sqrt() },
    }
    cosine {
        aliases: [Alias::of("cosine_annealing")],
        params: [Param::required("total", 1000.0, Range::POSITIVE), Param::new("min", 0.0, Range::NOT_NEGATIVE)],
        formula: "min + (lr - min) (1 + cos(pi step / total)) / 2",
        source: "torch.optim.lr_scheduler.CosineAnnealingLR; Loshchilov and Hutter 2017",
        kind: ScheduleKind {
            rate: |[total, min, ..], lr, step| min + (lr - min) * (1.0 + (PI * step / total).cos()) / 2.0,
        },
    }
    polynomial {
        aliases: [],
        params: [
            Param::required("total", 1000.0, Range::POSITIVE), Param::new("power", 1.0, Range::NOT_NEGATIVE),
            Param::new("end", 0.0, Range::NOT_NEGATIVE),
        ],
        formula: "end + (lr - end) (1 - min(step, total) / total)^power",
        source: "torch.optim.lr_scheduler.PolynomialLR; Keras PolynomialDecay for end",
        kind: ScheduleKind {
            rate: |[total, power, end, ..], lr, step| end + (lr - end) * (1.0 - step.min(*total) / total).powf(*power),
        },
    }
    linear {
        aliases: [],
        params: [
            Param::new("start", 1.0 / 3.0, Range::NOT_NEGATIVE), Param::new("end", 1.0, Range::NOT_NEGATIVE),
            Param::new("total", 5.0, Range::POSITIVE),
        ],
        formula: "lr (start + (end - start) min(step, total) / total)",
        source: "torch.optim.lr_scheduler.LinearLR",
        kind: ScheduleKind {
            rate: |[start, end, total, ..], lr, step| lr * (start + (end - start) * step.min(*total) / total),
        },
    }
    cosine_restarts {
        aliases: [Alias::of("cosine_annealing_warm_restarts"), Alias::of("sgdr")],
        params: [
            Param::required("period", 100.0, AT_LEAST_ONE), Param::new("growth", 1.0, AT_LEAST_ONE),
            Param::new("min", 0.0, Range::NOT_NEGATIVE),
        ],
        formula: "cosine over a period, again and again, each period `growth` times as long as the last",
        source: "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts; Loshchilov and Hutter 2017",
        kind: ScheduleKind { rate: cosine_restarts },
    }
    one_cycle {
        aliases: [],
        params: [
            Param::required("total", 1000.0, AT_LEAST_ONE), Param::new("pct_start", 0.3, Range::UNIT),
            Param::new("div_factor", 25.0, Range::POSITIVE), Param::new("final_div_factor", 1e4, Range::POSITIVE),
            Param::flag("linear", false), Param::flag("three_phase", false),
        ],
        formula: "from lr / div_factor up to lr over pct_start of the steps, then down to lr / div_factor / final_div_factor; \
            three_phase: back down as fast as up, and then the rest",
        source: "torch.optim.lr_scheduler.OneCycleLR, lr being its max_lr; Smith and Topin 2018",
        kind: ScheduleKind {
            rate: |[total, start, div, last, linear, three, ..], lr, step| {
                let (low, least) = (lr / div, lr / div / last);
                one_cycle(&[*total, *start, *linear, *three], [low, lr, low, least], step)
            },
        },
    }
    one_cycle_momentum {
        aliases: [],
        params: [
            Param::required("total", 1000.0, AT_LEAST_ONE), Param::new("pct_start", 0.3, Range::UNIT),
            Param::new("low", 0.85, Range::NOT_NEGATIVE),
            Param::flag("linear", false), Param::flag("three_phase", false),
        ],
        formula: "the momentum beside one_cycle: from its value down to low while the rate rises, and back",
        source: "torch.optim.lr_scheduler.OneCycleLR with cycle_momentum, the value being its max_momentum",
        kind: ScheduleKind {
            rate: |[total, start, low, linear, three, ..], high, step| {
                one_cycle(&[*total, *start, *linear, *three], [high, *low, high, high], step)
            },
        },
    }
    cyclic {
        aliases: [Alias::of("triangular"), Alias::with("triangular2", &[("halve", 1.0)])],
        params: [
            Param::required("base", 1e-4, Range::NOT_NEGATIVE), Param::new("up", 2000.0, Range::POSITIVE),
            Param::new("down", 2000.0, Range::POSITIVE), Param::flag("halve", false),
            Param::new("gamma", 1.0, Range::POSITIVE),
        ],
        formula: "from base up to lr in `up` steps and down again in `down`; the height times gamma^step (exp_range), and \
            with halve (triangular2) half of the last cycle's",
        source: "torch.optim.lr_scheduler.CyclicLR, lr being its max_lr; Smith 2017",
        kind: ScheduleKind {
            rate: |[base, up, down, halve, gamma, ..], lr, step| {
                base + (lr - base) * wave(*up, *down, *halve, *gamma, step)
            },
        },
    }
    cyclic_momentum {
        aliases: [],
        params: [
            Param::new("low", 0.8, Range::NOT_NEGATIVE), Param::new("up", 2000.0, Range::POSITIVE),
            Param::new("down", 2000.0, Range::POSITIVE), Param::flag("halve", false),
            Param::new("gamma", 1.0, Range::POSITIVE),
        ],
        formula: "the momentum beside cyclic: from its value down to low while the rate rises, and back",
        source: "torch.optim.lr_scheduler.CyclicLR with cycle_momentum, the value being its max_momentum",
        kind: ScheduleKind {
            rate: |[low, up, down, halve, gamma, ..], high, step| {
                high - (high - low) * wave(*up, *down, *halve, *gamma, step)
            },
        },
    }
    noam {
        aliases: [],
        params: [
            Param::required("model_size", 512.0, Range::POSITIVE), Param::new("warmup", 4000.0, Range::POSITIVE),
        ],
        formula: "lr model_size^-0.5 min(s^-0.5, s warmup^-1.5), s = step + 1",
        source: "Vaswani et al. 2017, section 5.3",
        kind: ScheduleKind {
            rate: |[size, warmup, ..], lr, step| {
                let s = step + 1.0;
                lr * size.powf(-0.5) * s.powf(-0.5).min(s * warmup.powf(-1.5))
            },
        },
    }
    growing_momentum {
        aliases: [],
        params: [],
        formula: "min(1 - 2^(-1 - log2(floor(step / 250) + 1)), the momentum's value)",
        source: "Sutskever, Martens, Dahl and Hinton 2013, equation 5",
        kind: ScheduleKind {
            rate: |_, most, step| (1.0 - (-1.0 - ((step / 250.0).floor() + 1.0).log2()).exp2()).min(most),
        },
    }
}

const AT_LEAST_ONE: Range = Range::new(std::ops::Bound::Included(1.0), std::ops::Bound::Unbounded);

fn half_cosine(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * progress).cos()) / 2.0
}

fn cosine_restarts([period, growth, min, ..]: &Values, lr: f64, step: f64) -> f64 {
    // The length of the current period and the position in it.
    let (length, since) = if *growth == 1.0 {
        (*period, step % period)
    } else {
        let over = (step / period * (growth - 1.0) + 1.0).log(*growth);
        // Rounding may put a logarithm that should be an integer just below it.
        let over = (over + 1e-9).floor();
        let began = period * (growth.powf(over) - 1.0) / (growth - 1.0);
        (period * growth.powf(over), step - began)
    };
    half_cosine(lr, *min, since / length)
}

/// The value at `step` of one cycle through three or four points.
fn one_cycle(&[total, start, linear, three]: &[f64; 4], points: [f64; 4], step: f64) -> f64 {
    let [first, peak, third, last] = points;
    let up = start * total - 1.0;
    let phases: &[(f64, f64, f64)] = if three == 1.0 {
        &[(up, first, peak), (2.0 * start * total - 2.0, peak, third), (total - 1.0, third, last)]
    } else {
        &[(up, first, peak), (total - 1.0, peak, last)]
    };
    let mut began = 0.0;
    for &(end, from, to) in phases {
        if step <= end {
            let progress = if end > began { (step - began) / (end - began) } else { 1.0 };
            return if linear == 1.0 {
                from + (to - from) * progress
            } else {
                half_cosine(from, to, progress)
            };
        }
        began = end;
    }
    last
}

/// The height of a triangular wave at `step`.
fn wave(up: f64, down: f64, halve: f64, gamma: f64, step: f64) -> f64 {
    let (length, peak) = (up + down, up / (up + down));
    let cycles = (step / length).floor();
    let x = step / length - cycles;
    let height = if x <= peak { x / peak } else { (x - 1.0) / (peak - 1.0) };
    height * gamma.powf(step) * if halve == 1.0 { (-cycles).exp2() } else { 1.0 }
}
