"""Activations: x -> y and grad_out -> grad_in."""

import torch
import torch.nn.functional as F

from common import NO_THRESHOLD, Golden, f32

SEED = 1

MAGNITUDES = [
    *(1e-30, 1e-6, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.624, 0.626, 0.8, 1, 1.2785, 1.5, 2, 2.5, 3),
    *(4, 5, 6, 7, 8.5, 9.01, 10, 13, 16.5, 20, 30, 43.7, 60, 80, 100),
]

# name, op, options, function
ELEMENTWISE = [
    ("identity", "identity", {}, lambda x: x * 1),
    ("relu", "relu", {}, F.relu),
    ("leaky_relu", "leaky_relu", {}, F.leaky_relu),
    ("leaky_relu_0.2", "leaky_relu", {"alpha": 0.2}, lambda x: F.leaky_relu(x, 0.2)),
    ("sigmoid", "sigmoid", {}, torch.sigmoid),
    ("tanh", "tanh", {}, torch.tanh),
    ("softplus", "softplus", {}, lambda x: F.softplus(x, 1, NO_THRESHOLD)),
    ("softplus_3", "softplus", {"beta": 3}, lambda x: F.softplus(x, 3, NO_THRESHOLD)),
    ("silu", "silu", {}, F.silu),
    ("gelu", "gelu", {}, F.gelu),
    ("relu6", "relu6", {}, F.relu6),
    ("threshold", "threshold", {"threshold": 0.5, "value": 20}, lambda x: F.threshold(x, 0.5, 20)),
    ("elu", "elu", {}, F.elu),
    ("elu_0.5", "elu", {"alpha": 0.5}, lambda x: F.elu(x, 0.5)),
    ("selu", "selu", {}, F.selu),
    ("celu", "celu", {}, F.celu),
    ("celu_2", "celu", {"alpha": 2}, lambda x: F.celu(x, 2.0)),
    ("hard_sigmoid", "hard_sigmoid", {}, F.hardsigmoid),
    ("log_sigmoid", "log_sigmoid", {}, F.logsigmoid),
    ("hard_tanh", "hard_tanh", {}, F.hardtanh),
    ("hard_tanh_-2_3", "hard_tanh", {"min": -2, "max": 3}, lambda x: F.hardtanh(x, -2.0, 3.0)),
    ("hard_shrink", "hard_shrink", {}, F.hardshrink),
    ("soft_shrink", "soft_shrink", {}, F.softshrink),
    ("softsign", "softsign", {}, F.softsign),
    ("hard_swish", "hard_swish", {}, F.hardswish),
    ("mish", "mish", {}, F.mish),
    ("gelu_tanh", "gelu_tanh", {}, lambda x: F.gelu(x, approximate="tanh")),
]


def normal_cdf(x):
    return torch.special.erfc(-x / 2**0.5) / 2


def gelu_exponent(x):
    return (8 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)


def gelu_tanh_slope(x):
    z = gelu_exponent(x)
    inner = x * torch.sigmoid(-z) * (8 / torch.pi) ** 0.5 * (1 + 3 * 0.044715 * x * x)
    return torch.sigmoid(z) * (1 + inner)


# Where torch's own float64 formula cancels in the tails (1 - y, 1 + erf): forward and derivative written without
# cancellation. The script checks that both agree to 1e-15.
TAILS = {
    "sigmoid": (torch.sigmoid, lambda x: torch.sigmoid(x) * torch.sigmoid(-x)),
    "tanh": (torch.tanh, lambda x: 1 / torch.cosh(x) ** 2),
    "gelu": (
        lambda x: x * normal_cdf(x),
        lambda x: normal_cdf(x) + x * torch.exp(-x * x / 2) / (2 * torch.pi) ** 0.5,
    ),
    "gelu_tanh": (lambda x: x * torch.sigmoid(gelu_exponent(x)), gelu_tanh_slope),
}

ROWWISE = [
    ("softmax", lambda x: torch.softmax(x, -1)),
    ("log_softmax", lambda x: torch.log_softmax(x, -1)),
]


def through(function, x, grad_out):
    x = x.clone().requires_grad_()
    y = function(x)
    (grad_in,) = torch.autograd.grad(y, x, grad_out)
    return y.detach(), grad_in


def rows(golden):
    x = golden.normal(5, 7)
    x[1] = 2.5
    x[2] = f32([100, -100, 0, 20, -20, 99, 98])
    x[3] = f32([1000, 1000, 999, 1, -1000, 990, 1000])
    x[4] *= 5
    return f32(x)


def build():
    golden = Golden(SEED)
    x = f32([0.0, *MAGNITUDES, *(-m for m in MAGNITUDES), -0.0])
    inputs = {
        "x": golden.input("elementwise/x", x),
        "grad_out": golden.input("elementwise/grad_out", golden.normal(len(x))),
    }
    grad_out = golden.tensors["elementwise/grad_out"]
    for name, op, options, function in ELEMENTWISE:
        y, grad_in = through(function, x, grad_out)
        if op in TAILS:
            forward, derivative = TAILS[op]
            exact = forward(x), grad_out * derivative(x)
            for ours, theirs, scale in zip(exact, (y, grad_in), (x, grad_out * x)):
                assert ((ours - theirs).abs() <= 1e-15 * scale.abs().clamp(min=1)).all(), name
            y, grad_in = exact
        out = {
            "y": golden.tensor(f"{name}/y", y),
            "grad_in": golden.tensor(f"{name}/grad_in", grad_in),
        }
        golden.case(name, op, inputs | out, options)

    inputs = {
        "x": golden.input("rows/x", rows(golden)),
        "grad_out": golden.input("rows/grad_out", golden.normal(5, 7)),
    }
    for name, function in ROWWISE:
        y, grad_in = through(function, golden.tensors["rows/x"], golden.tensors["rows/grad_out"])
        out = {
            "y": golden.tensor(f"{name}/y", y),
            "grad_in": golden.tensor(f"{name}/grad_in", grad_in),
        }
        golden.case(name, name, inputs | out)
    return golden
