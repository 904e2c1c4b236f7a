"""Optimizers that PyTorch lacks, by optax and, for ftrl, Keras: files and streams as in optimizers.py."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy
import optax
import optax.contrib

import optimizers
from common import Golden

SEED = 5

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")

# Our names of optax's state fields, where they are not these.
FIELDS = {"mu": "exp_avg", "nu": "exp_avg_sq"}

# op, variant, the transformation at its options, our options, our names of its state fields.
CASES = [
    ("adabelief", "default", optax.adabelief(1e-3), {}, {"nu": "exp_avg_var"}),
    ("adabelief", "betas", optax.adabelief(1e-2, b1=0.8, b2=0.95), {"lr": 1e-2, "beta1": 0.8, "beta2": 0.95}, {"nu": "exp_avg_var"}),
    ("adabelief", "eps", optax.adabelief(1e-3, eps=1e-6, eps_root=1e-8), {"eps": 1e-6, "eps_root": 1e-8}, {"nu": "exp_avg_var"}),
    ("adabelief", "weight_decay", optax.chain(optax.adabelief(1e-3), DECAY := optax.add_decayed_weights(-1e-4)), {"weight_decay": 0.1}, {"nu": "exp_avg_var"}),
    ("yogi", "default", optax.yogi(1e-2), {}, {}),
    ("yogi", "betas", optax.yogi(1e-2, b1=0.8, b2=0.95), {"beta1": 0.8, "beta2": 0.95}, {}),
    ("yogi", "eps", optax.yogi(1e-2, eps=1e-5), {"eps": 1e-5}, {}),
    ("yogi", "weight_decay", optax.chain(optax.add_decayed_weights(0.1), optax.yogi(1e-2)), {"weight_decay": 0.1}, {}),
    ("lion", "default", optax.lion(1e-4), {}, {}),
    ("lion", "betas", optax.lion(1e-3, b1=0.8, b2=0.9), {"lr": 1e-3, "beta1": 0.8, "beta2": 0.9}, {}),
    ("lion", "weight_decay", optax.lion(1e-4, weight_decay=0.1), {"weight_decay": 0.1}, {}),
    ("lion", "no_decay", optax.lion(1e-4, weight_decay=0.0), {"weight_decay": 0.0}, {}),
    ("signum", "default", optax.signum(1e-3), {}, {"ema": "exp_avg"}),
    ("signum", "beta", optax.signum(1e-3, beta=0.5), {"beta": 0.5}, {"ema": "exp_avg"}),
    ("signum", "lr", optax.signum(1e-2), {"lr": 1e-2}, {"ema": "exp_avg"}),
    ("signum", "weight_decay", optax.chain(optax.add_decayed_weights(0.1), optax.signum(1e-3)), {"weight_decay": 0.1}, {"ema": "exp_avg"}),
    ("sign_sgd", "default", optax.sign_sgd(1e-3), {}, {}),
    ("sign_sgd", "lr", optax.sign_sgd(1e-2), {"lr": 1e-2}, {}),
    ("sign_sgd", "weight_decay", optax.chain(optax.add_decayed_weights(0.1), optax.sign_sgd(1e-3)), {"weight_decay": 0.1}, {}),
    ("sign_sgd", "decoupled", optax.chain(optax.sign_sgd(1e-3), DECAY), {"weight_decay": 0.1, "decoupled": 1}, {}),
    ("adamaxw", "default", optax.adamaxw(2e-3), {}, {"nu": "exp_inf"}),
    ("adamaxw", "betas", optax.adamaxw(2e-3, b1=0.8, b2=0.95), {"beta1": 0.8, "beta2": 0.95}, {"nu": "exp_inf"}),
    ("adamaxw", "weight_decay", optax.adamaxw(1e-2, weight_decay=0.1), {"lr": 1e-2, "weight_decay": 0.1}, {"nu": "exp_inf"}),
    ("adamaxw", "eps", optax.adamaxw(2e-3, eps=1e-4), {"eps": 1e-4}, {"nu": "exp_inf"}),
    ("nadamw", "default", optax.nadamw(1e-3), {}, {}),
    ("nadamw", "betas", optax.nadamw(1e-3, b1=0.8, b2=0.95), {"beta1": 0.8, "beta2": 0.95}, {}),
    ("nadamw", "weight_decay", optax.nadamw(1e-3, weight_decay=0.1), {"weight_decay": 0.1}, {}),
    ("nadamw", "eps", optax.nadamw(1e-2, eps=1e-4), {"lr": 1e-2, "eps": 1e-4}, {}),
    ("adan", "default", optax.adan(1e-3), {}, {"m": "exp_avg", "v": "exp_avg_diff", "n": "exp_avg_sq", "g": "prev_grad"}),
    ("adan", "betas", optax.adan(1e-3, b1=0.9, b2=0.5, b3=0.95), {"beta1": 0.9, "beta2": 0.5, "beta3": 0.95}, {"m": "exp_avg", "v": "exp_avg_diff", "n": "exp_avg_sq", "g": "prev_grad"}),
    ("adan", "weight_decay", optax.adan(1e-3, weight_decay=0.1), {"weight_decay": 0.1}, {"m": "exp_avg", "v": "exp_avg_diff", "n": "exp_avg_sq", "g": "prev_grad"}),
    ("adan", "eps", optax.adan(1e-2, eps=1e-4, eps_root=1e-6), {"lr": 1e-2, "eps": 1e-4, "eps_root": 1e-6}, {"m": "exp_avg", "v": "exp_avg_diff", "n": "exp_avg_sq", "g": "prev_grad"}),
    ("lamb", "default", optax.lamb(1e-3), {}, {}),
    ("lamb", "betas", optax.lamb(1e-2, b1=0.8, b2=0.95), {"lr": 1e-2, "beta1": 0.8, "beta2": 0.95}, {}),
    ("lamb", "weight_decay", optax.lamb(1e-3, weight_decay=0.1), {"weight_decay": 0.1}, {}),
    ("lamb", "eps", optax.lamb(1e-3, eps=1e-4, eps_root=1e-6), {"eps": 1e-4, "eps_root": 1e-6}, {}),
    ("lars", "default", optax.lars(0.1), {}, {"trace": "-momentum_buffer"}),
    ("lars", "weight_decay", optax.lars(0.1, weight_decay=0.1), {"weight_decay": 0.1}, {"trace": "-momentum_buffer"}),
    ("lars", "nesterov", optax.lars(0.1, nesterov=True, momentum=0.8), {"nesterov": 1, "momentum": 0.8}, {"trace": "-momentum_buffer"}),
    ("lars", "trust", optax.lars(0.1, trust_coefficient=0.01, eps=1e-3), {"trust_coefficient": 0.01, "eps": 1e-3}, {"trace": "-momentum_buffer"}),
    ("novograd", "default", optax.novograd(1e-3), {}, {}),
    ("novograd", "betas", optax.novograd(1e-2, b1=0.5, b2=0.9), {"lr": 1e-2, "beta1": 0.5, "beta2": 0.9}, {}),
    ("novograd", "weight_decay", optax.novograd(1e-3, weight_decay=0.1), {"weight_decay": 0.1}, {}),
    ("novograd", "eps", optax.novograd(1e-3, eps=1e-3, eps_root=1e-4), {"eps": 1e-3, "eps_root": 1e-4}, {}),
    ("schedule_free_sgd", "default", optax.contrib.schedule_free_sgd(1.0), {}, {"z": "z"}),
    ("schedule_free_sgd", "lr", optax.contrib.schedule_free_sgd(0.1), {"lr": 0.1}, {"z": "z"}),
    ("schedule_free_sgd", "beta", optax.contrib.schedule_free_sgd(0.1, b1=0.5, weight_lr_power=0.0), {"lr": 0.1, "beta1": 0.5, "weight_lr_power": 0.0}, {"z": "z"}),
    ("schedule_free_sgd", "weight_decay", optax.contrib.schedule_free_sgd(0.1, weight_decay=0.1), {"lr": 0.1, "weight_decay": 0.1}, {"z": "z"}),
    ("schedule_free_adamw", "default", optax.contrib.schedule_free_adamw(), {}, {"z": "z"}),
    ("schedule_free_adamw", "betas", optax.contrib.schedule_free_adamw(b1=0.5, b2=0.95), {"beta1": 0.5, "beta2": 0.95}, {"z": "z"}),
    ("schedule_free_adamw", "weight_decay", optax.contrib.schedule_free_adamw(1e-2, weight_decay=0.1), {"lr": 1e-2, "weight_decay": 0.1}, {"z": "z"}),
    ("schedule_free_adamw", "eps", optax.contrib.schedule_free_adamw(eps=1e-4, weight_lr_power=1.0), {"eps": 1e-4, "weight_lr_power": 1.0}, {"z": "z"}),
]

FTRL = [
    ("default", {}, {}),
    ("lr", {"learning_rate": 0.1, "initial_accumulator_value": 1.0}, {"lr": 0.1, "initial_accumulator": 1.0}),
    (
        "penalties",
        {"l1_regularization_strength": 0.01, "l2_regularization_strength": 0.1, "beta": 0.5},
        {"l1": 0.01, "l2": 0.1, "beta": 0.5},
    ),
    (
        "power",
        {"learning_rate_power": -0.3, "l2_shrinkage_regularization_strength": 0.1},
        {"learning_rate_power": -0.3, "l2_shrinkage": 0.1},
    ),
]


def fields(state):
    """The named fields of a state, however deep."""
    if hasattr(state, "_fields"):
        for name in state._fields:
            value = getattr(state, name)
            if hasattr(value, "_fields") or isinstance(value, tuple):
                yield from fields(value)
            else:
                yield name, value
    elif isinstance(state, tuple):
        for part in state:
            yield from fields(part)


def run(transformation, names, start, grads):
    params = jax.numpy.asarray(start)
    state = transformation.init(params)
    step = jax.jit(transformation.update)
    trail = []
    for grad in grads:
        updates, state = step(jax.numpy.asarray(grad), state, params)
        params = optax.apply_updates(params, updates)
        trail.append(numpy.asarray(params))
    names = {**FIELDS, **names}
    # A minus: optax keeps it with the sign of the update.
    found = {
        names[name].removeprefix("-"): -value if names[name].startswith("-") else value
        for name, value in fields(state)
        if name in names
    }
    return trail, {name: numpy.broadcast_to(value, start.shape).copy() for name, value in found.items()}


def run_ftrl(options, start, grads):
    variable = keras.Variable(start, dtype="float64")
    optimizer = keras.optimizers.Ftrl(**options)
    optimizer.build([variable])
    trail = []
    for grad in grads:
        optimizer.apply([jax.numpy.asarray(grad)])
        trail.append(numpy.asarray(variable))
    state = {variable.name.split("_")[-1]: numpy.asarray(variable) for variable in optimizer.variables[2:]}
    return trail, state


def build():
    golden = Golden(SEED)
    param = golden.input("param_0", golden.normal(optimizers.PARAMETERS))
    grads = {stream: golden.input(f"grads.{stream}", g) for stream, g in optimizers.streams(golden)}
    runs = [(op, variant, options, lambda s, g, t=t, n=names: run(t, n, s, g)) for op, variant, t, options, names in CASES]
    runs += [("ftrl", variant, ours, lambda s, g, o=options: run_ftrl(o, s, g)) for variant, options, ours in FTRL]
    for op, variant, options, runner in runs:
        for stream, grad in grads.items():
            name = f"{op}.{variant}.{stream}"
            trail, state = runner(golden.tensors[param].numpy(), golden.tensors[grad].numpy())
            optimizers.file(golden, name, op, param, grad, trail, state, options, stream)
    return golden
