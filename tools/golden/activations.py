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
    ("tanh_shrink", "tanh_shrink", {}, F.tanhshrink),
    ("thresholded_relu", "thresholded_relu", {}, lambda x: F.threshold(x, 1, 0)),
    ("relu_squared", "relu_squared", {}, lambda x: F.relu(x) ** 2),
    ("shrink", "shrink", {"bias": 0.25}, lambda x: F.hardshrink(x) - 0.25 * F.hardshrink(x).sign()),
    ("silu_2", "silu", {"beta": 2}, lambda x: x * torch.sigmoid(2 * x)),
    ("quick_gelu", "quick_gelu", {}, lambda x: x * torch.sigmoid(1.702 * x)),
    ("tanh_exp", "tanh_exp", {}, lambda x: x * torch.tanh(torch.exp(x))),
    ("gaussian", "gaussian", {}, lambda x: torch.exp(-x * x)),
    ("sine", "sine", {}, torch.sin),
    ("sine_3", "sine", {"omega": 3}, lambda x: torch.sin(3 * x)),
    ("rrelu", "rrelu", {}, lambda x: F.rrelu(x, training=False)),
]


def normal_cdf(x):
    return torch.special.erfc(-x / 2**0.5) / 2


def gelu_exponent(x):
    return (8 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)


def gelu_tanh_slope(x):
    z = gelu_exponent(x)
    inner = x * torch.sigmoid(-z) * (8 / torch.pi) ** 0.5 * (1 + 3 * 0.044715 * x * x)
    return torch.sigmoid(z) * (1 + inner)


def tanh_shrink(x):
    """x - tanh(x); below 0.5 its Taylor series, Bernoulli numbers in tanh's."""
    coefficients = (1 / 3, -2 / 15, 17 / 315, -62 / 2835, 1382 / 155925, -21844 / 6081075)
    more = (929569 / 638512875, -6404582 / 10854718875, 443861162 / 1856156927625)
    series = sum(c * x ** (2 * k + 3) for k, c in enumerate((*coefficients, *more)))
    return torch.where(x.abs() < 0.02, series, x - torch.tanh(x))


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
    # Torch's x - tanh(x) cancels near 0, and its derivative is a square in either.
    "tanh_shrink": (tanh_shrink, lambda x: torch.tanh(x) ** 2),
}

ROWWISE = [
    ("softmax", "softmax", {}, lambda x: torch.softmax(x, -1)),
    ("softmax_2", "softmax", {"temperature": 2}, lambda x: torch.softmax(x / 2, -1)),
    ("softmax_dim_0", "softmax", {"dim": 0}, lambda x: torch.softmax(x, 0)),
    ("softmin", "softmin", {}, lambda x: F.softmin(x, -1)),
    ("log_softmax", "log_softmax", {}, lambda x: torch.log_softmax(x, -1)),
    ("log_softmax_dim_0", "log_softmax", {"dim": 0}, lambda x: torch.log_softmax(x, 0)),
]


def gated(gate, dim=-1):
    def function(x):
        a, b = x.chunk(2, dim)
        return a * gate(b)

    return function


# Of a (4, 6) matrix.
RESIZING = [
    ("glu", "glu", {}, lambda x: F.glu(x, -1)),
    ("glu_dim_0", "glu", {"dim": 0}, lambda x: F.glu(x, 0)),
    ("reglu", "reglu", {}, gated(F.relu)),
    ("geglu", "geglu", {}, gated(F.gelu)),
    ("swiglu", "swiglu", {}, gated(F.silu)),
    ("crelu", "crelu", {}, lambda x: torch.cat([F.relu(x), F.relu(-x)], -1)),
    ("maxout", "maxout", {}, lambda x: x.reshape(4, 3, 2).amax(-1)),
    ("maxout_3", "maxout", {"pieces": 3}, lambda x: x.reshape(4, 2, 3).amax(-1)),
]


def srelu(x, w):
    tl, al, tr, ar = w
    return torch.where(x >= tr, tr + ar * (x - tr), torch.where(x <= tl, tl + al * (x - tl), x))


# Of a (4, 6) matrix and a weight of the given shape.
LEARNED = [
    ("prelu", "prelu", {}, (1,), F.prelu),
    ("prelu_each", "prelu", {"per_channel": 1}, (6,), F.prelu),
    ("srelu", "srelu", {}, (4, 6), srelu),
    ("learned_swish", "learned_swish", {}, (1,), lambda x, b: x * torch.sigmoid(b * x)),
    (
        *("learned_swish_each", "learned_swish", {"per_channel": 1}, (6,)),
        lambda x, b: x * torch.sigmoid(b * x),
    ),
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
    for name, op, options, function in ROWWISE:
        y, grad_in = through(function, golden.tensors["rows/x"], golden.tensors["rows/grad_out"])
        out = {
            "y": golden.tensor(f"{name}/y", y),
            "grad_in": golden.tensor(f"{name}/grad_in", grad_in),
        }
        golden.case(name, op, inputs | out, options)

    x = golden.normal(4, 6) * 3
    inputs = {"x": golden.input("matrix/x", f32(x))}
    x = golden.tensors["matrix/x"]
    for name, op, options, function in RESIZING:
        grad_out = golden.normal(*function(x).shape)
        y, grad_in = through(function, x, grad_out)
        out = {
            "grad_out": golden.input(f"{name}/grad_out", grad_out),
            "y": golden.tensor(f"{name}/y", y),
            "grad_in": golden.tensor(f"{name}/grad_in", grad_in),
        }
        golden.case(name, op, inputs | out, options)
    for name, op, options, shape, function in LEARNED:
        grad_out, weight = golden.normal(4, 6), golden.normal(*shape)
        if op == "srelu":
            weight[2] = weight[0] + 1
        weight = f32(weight).requires_grad_()
        given = x.clone().requires_grad_()
        y = function(given, weight)
        grad_in, grad_weight = torch.autograd.grad(y, (given, weight), grad_out)
        out = {
            "learned": golden.input(f"{name}/weight", weight.detach()),
            "grad_out": golden.input(f"{name}/grad_out", grad_out),
            "y": golden.tensor(f"{name}/y", y),
            "grad_in": golden.tensor(f"{name}/grad_in", grad_in),
            "grad_learned": golden.tensor(f"{name}/grad_weight", grad_weight),
        }
        golden.case(name, op, inputs | out, options)
    return golden
