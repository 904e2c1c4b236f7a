"""Schedules of torch.optim.lr_scheduler: `rates`, the value at each of 60 steps, from a base of 0.1.

`parameter` says which hyper-parameter a schedule drives, where it is not the learning rate; its base is 0.95.
"""

import torch
from torch.optim import lr_scheduler

from common import Golden, in_float64

SEED = 7
STEPS = 60

# op, variant, the schedule for an optimizer, our options, the hyper-parameter.
CASES = [
    ("step", "default", lambda o: lr_scheduler.StepLR(o, 10), {"step_size": 10}, "lr"),
    ("exponential", "default", lambda o: lr_scheduler.ExponentialLR(o, 0.9), {"gamma": 0.9}, "lr"),
    ("cosine", "default", lambda o: lr_scheduler.CosineAnnealingLR(o, 60, 0.01), {"total": 60, "min": 0.01}, "lr"),
    ("polynomial", "default", lambda o: lr_scheduler.PolynomialLR(o, 40), {"total": 40}, "lr"),
    ("polynomial", "power", lambda o: lr_scheduler.PolynomialLR(o, 40, 2.0), {"total": 40, "power": 2}, "lr"),
    ("linear", "default", lambda o: lr_scheduler.LinearLR(o), {}, "lr"),
    ("linear", "factors", lambda o: lr_scheduler.LinearLR(o, 0.1, 0.5, 20), {"start": 0.1, "end": 0.5, "total": 20}, "lr"),
    ("cosine_restarts", "default", lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 20), {"period": 20}, "lr"),
    (
        "cosine_restarts",
        "growth",
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 8, 2, 0.01),
        {"period": 8, "growth": 2, "min": 0.01},
        "lr",
    ),
    ("one_cycle", "default", lambda o: lr_scheduler.OneCycleLR(o, 0.1, 60), {"total": 60}, "lr"),
    (
        "one_cycle",
        "linear",
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, 60, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=100),
        {"total": 60, "pct_start": 0.4, "linear": 1, "div_factor": 10, "final_div_factor": 100},
        "lr",
    ),
    (
        "one_cycle",
        "three_phase",
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, 60, three_phase=True),
        {"total": 60, "three_phase": 1},
        "lr",
    ),
    ("one_cycle_momentum", "default", lambda o: lr_scheduler.OneCycleLR(o, 0.1, 60), {"total": 60}, "momentum"),
    (
        "one_cycle_momentum",
        "three_phase",
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, 60, three_phase=True, base_momentum=0.5),
        {"total": 60, "three_phase": 1, "low": 0.5},
        "momentum",
    ),
    ("cyclic", "default", lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 7, 5), {"base": 0.01, "up": 7, "down": 5}, "lr"),
    (
        "cyclic",
        "halve",
        lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 7, 5, mode="triangular2"),
        {"base": 0.01, "up": 7, "down": 5, "halve": 1},
        "lr",
    ),
    (
        "cyclic",
        "gamma",
        lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 7, 5, mode="exp_range", gamma=0.95),
        {"base": 0.01, "up": 7, "down": 5, "gamma": 0.95},
        "lr",
    ),
    (
        "cyclic_momentum",
        "default",
        lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 7, 5, base_momentum=0.8, max_momentum=0.95),
        {"up": 7, "down": 5},
        "momentum",
    ),
]


@in_float64()
def build():
    golden = Golden(SEED)
    for op, variant, make, options, parameter in CASES:
        name = f"{op}.{variant}"
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.95)
        schedule = make(optimizer)
        rates = []
        for step in range(STEPS):
            rates.append(optimizer.param_groups[0][parameter])
            optimizer.step()
            if step < STEPS - 1:
                schedule.step()
        tensors = {"rates": golden.tensor(f"{name}/rates", rates)}
        golden.case(name, op, tensors, options, parameter=parameter)
    return golden
