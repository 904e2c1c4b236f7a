"""Optimizers: param_0 and grads (steps x n) -> param_1 after one step, param_100 and the state after all.

The gradient streams are shared by all cases: `random` is standard normal; `sparse` is exactly 0 in four places of
five, always in element 0 and after the first step in element 1; `scaled` is normal times 1e-6 and 1e6 in turn.
"""

import torch

from common import Golden, f32, in_float64

SEED = 3
STEPS, PARAMETERS = 100, 16

# op, variant, options of torch; pairs are filed as two options, `initial_accumulator_value` without its last word.
CASES = [
    ("sgd", "default", {}),
    ("sgd", "momentum", {"momentum": 0.9}),
    ("sgd", "nesterov", {"momentum": 0.9, "nesterov": True}),
    ("sgd", "weight_decay", {"weight_decay": 0.1}),
    ("sgd", "dampening", {"momentum": 0.9, "dampening": 0.5}),
    ("sgd", "maximize", {"momentum": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("adagrad", "default", {}),
    ("adagrad", "lr_decay", {"lr_decay": 0.1}),
    ("adagrad", "weight_decay", {"weight_decay": 0.1}),
    ("adagrad", "initial_accumulator", {"initial_accumulator_value": 0.1}),
    ("rmsprop", "default", {}),
    ("rmsprop", "momentum", {"momentum": 0.9}),
    ("rmsprop", "centered", {"centered": True}),
    ("rmsprop", "weight_decay", {"weight_decay": 0.1}),
    ("rmsprop", "centered_momentum", {"centered": True, "momentum": 0.9}),
    ("adam", "default", {}),
    ("adam", "betas", {"betas": (0.8, 0.95)}),
    ("adam", "weight_decay", {"weight_decay": 0.1}),
    ("adam", "amsgrad", {"amsgrad": True}),
    ("adamw", "default", {}),
    ("adamw", "weight_decay", {"weight_decay": 0.1}),
    ("adamw", "betas_eps", {"betas": (0.95, 0.98), "eps": 1e-6}),
    ("adamw", "maximize", {"maximize": True}),
    ("adadelta", "default", {}),
    ("adadelta", "rho_eps", {"rho": 0.95, "eps": 1e-4}),
    ("adadelta", "weight_decay", {"weight_decay": 0.1}),
    ("adadelta", "maximize", {"maximize": True}),
    ("adamax", "default", {}),
    ("adamax", "betas", {"betas": (0.8, 0.95)}),
    ("adamax", "weight_decay", {"weight_decay": 0.1}),
    ("adamax", "maximize", {"maximize": True}),
    ("nadam", "default", {}),
    ("nadam", "momentum_decay", {"momentum_decay": 0.1}),
    ("nadam", "weight_decay", {"weight_decay": 0.1}),
    ("nadam", "decoupled", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("radam", "default", {}),
    ("radam", "betas", {"betas": (0.8, 0.95)}),
    ("radam", "weight_decay", {"weight_decay": 0.1}),
    ("radam", "decoupled", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("rprop", "default", {}),
    ("rprop", "etas", {"etas": (0.3, 1.5)}),
    ("rprop", "step_sizes", {"step_sizes": (1e-3, 0.1)}),
    ("rprop", "maximize", {"maximize": True}),
    ("asgd", "default", {}),
    ("asgd", "lambd_alpha", {"lambd": 0.01, "alpha": 0.5, "lr": 0.1}),
    ("asgd", "t0", {"t0": 10.0}),
    ("asgd", "weight_decay", {"weight_decay": 0.1, "maximize": True}),
]

# Numbers of the step, which an engine keeps elsewhere.
NOT_PER_PARAMETER = "step", "mu_product", "eta", "mu"

CLASSES = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adadelta": torch.optim.Adadelta,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rprop": torch.optim.Rprop,
    "asgd": torch.optim.ASGD,
}


def streams(golden, parameters=PARAMETERS):
    shape = STEPS, parameters
    yield "random", golden.normal(*shape)
    keep = golden.uniform(*shape) < 0.2
    keep[:, 0] = False
    keep[0, 1], keep[1:, 1] = True, False
    yield "sparse", torch.where(keep, golden.normal(*shape), 0.0)
    scale = torch.tensor([1e-6, 1e6], dtype=torch.float64).repeat(STEPS // 2)
    yield "scaled", f32(golden.normal(*shape) * scale[:, None])


def run(op, options, start, grads):
    """The parameter after each step, and the state after the last."""
    param = start.clone().requires_grad_()
    optimizer = CLASSES[op]([param], foreach=False, **options)
    trail = []
    for grad in grads:
        param.grad = grad.clone()
        optimizer.step()
        trail.append(param.detach().clone())
    state = {key: value for key, value in optimizer.state[param].items() if key not in NOT_PER_PARAMETER}
    return trail, {key: value for key, value in state.items() if value is not None}


def filed(options):
    options = dict(options)
    if "betas" in options:
        options["beta1"], options["beta2"] = options.pop("betas")
    if "etas" in options:
        options["eta_minus"], options["eta_plus"] = options.pop("etas")
    if "step_sizes" in options:
        options["step_min"], options["step_max"] = options.pop("step_sizes")
    if "decoupled_weight_decay" in options:
        options["decoupled"] = options.pop("decoupled_weight_decay")
    if "initial_accumulator_value" in options:
        options["initial_accumulator"] = options.pop("initial_accumulator_value")
    return options


def file(golden, name, op, param, grad, trail, state, options, stream, more=None):
    tensors = {
        "param_0": param,
        "grads": grad,
        "param_1": golden.tensor(f"{name}/param_1", trail[0]),
        "param_100": golden.tensor(f"{name}/param_100", trail[-1]),
        **(more or {}),
    }
    for key, value in state.items():
        tensors[f"state.{key}"] = golden.tensor(f"{name}/state.{key}", value)
    golden.case(name, op, tensors, options, stream=stream)


@in_float64()
def build():
    golden = Golden(SEED)
    param = golden.input("param_0", golden.normal(PARAMETERS))
    grads = {stream: golden.input(f"grads.{stream}", g) for stream, g in streams(golden)}
    for op, variant, options in CASES:
        for stream, grad in grads.items():
            name = f"{op}.{variant}.{stream}"
            trail, state = run(op, options, golden.tensors[param], golden.tensors[grad])
            file(golden, name, op, param, grad, trail, state, filed(options), stream)
    return golden
