"""Arithmetic with broadcasting, reductions, normalizations and embeddings, with their gradients."""

import torch
import torch.nn.functional as F

from common import Golden

SEED = 9

ARITHMETIC = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
}

SHAPES = {
    "row": ((3, 5), (5,)),
    "column": ((3, 1), (3, 5)),
    "outer": ((4, 1), (1, 3)),
    "middle": ((2, 1, 3, 1), (2, 1, 4)),
}

REDUCE = {
    "sum": torch.sum,
    "mean": torch.mean,
    "amax": torch.amax,
    "amin": torch.amin,
    "logsumexp": torch.logsumexp,
    "l1_norm": lambda x, dims: torch.linalg.vector_norm(x, 1, dims),
    "l2_norm": lambda x, dims: torch.linalg.vector_norm(x, 2, dims),
    "max_norm": lambda x, dims: torch.linalg.vector_norm(x, torch.inf, dims),
}

DIMS = {"last": (-1,), "first": (0,), "outside": (0, 2), "all": (0, 1, 2)}


def gradients(golden, name, y, inputs):
    """Files y, an upstream gradient, and the gradient by each input under its role."""
    grad_out = golden.normal(*y.shape)
    grads = torch.autograd.grad(y, list(inputs.values()), grad_out)
    roles = {"y": golden.tensor(f"{name}.y", y)}
    roles["grad_out"] = golden.input(f"{name}.grad_out", grad_out)
    for role, grad in zip(inputs, grads):
        roles[f"grad.{role}"] = golden.tensor(f"{name}.grad.{role}", grad)
    for role, x in inputs.items():
        roles[role] = golden.input(f"{name}.{role}", x)
    return roles


def arithmetic(golden):
    for op, function in ARITHMETIC.items():
        for shapes, (left, right) in SHAPES.items():
            name = f"{op}.{shapes}"
            a, b = golden.normal(*left), golden.normal(*right)
            if op == "div":
                b = torch.where(b < 0, b - 0.5, b + 0.5)
                b = b.to(torch.float32).to(torch.float64)
            a, b = a.requires_grad_(), b.requires_grad_()
            roles = gradients(golden, name, function(a, b), {"a": a, "b": b})
            golden.case(name, op, roles)


def reductions(golden):
    for op, function in REDUCE.items():
        for along, dims in DIMS.items():
            name = f"{op}.{along}"
            x = golden.normal(3, 4, 5)
            # Two of the largest, so that they share a gradient.
            x[0, 0, :2] = 4.0
            x[0, 1, :2] = -4.0
            x = x.requires_grad_()
            roles = gradients(golden, name, function(x, dims), {"x": x})
            roles["dims"] = golden.input(f"{name}.dims", torch.tensor(dims, dtype=torch.float64))
            golden.case(name, op, roles)
    for op, function in {"argmax": torch.argmax, "argmin": torch.argmin}.items():
        for along, dim in {"last": -1, "first": 0, "middle": 1}.items():
            name = f"{op}.{along}"
            x = golden.normal(3, 4, 5)
            roles = {
                "x": golden.input(f"{name}.x", x),
                "y": golden.tensor(f"{name}.y", function(x, dim)),
                "dims": golden.input(f"{name}.dims", torch.tensor([dim], dtype=torch.float64)),
            }
            golden.case(name, op, roles)


def normalizations(golden):
    def layer_norm(x, weight, bias, eps):
        return F.layer_norm(x, x.shape[-1:], weight, bias, eps)

    def rms_norm(x, weight, bias, eps):
        return F.rms_norm(x, x.shape[-1:], weight, eps)

    def batch_norm(x, weight, bias, eps):
        return F.batch_norm(x, None, None, weight, bias, True, 0.1, eps)

    for function in (layer_norm, rms_norm, batch_norm):
        op = function.__name__
        for variant, eps, affine in (("", 1e-5, True), (".plain", 1e-5, False), (".eps", 0.5, True)):
            name = op + variant
            inputs = {"x": golden.normal(9, 6).requires_grad_()}
            weight, bias = golden.normal(6).requires_grad_(), golden.normal(6).requires_grad_()
            if affine:
                inputs["weight"] = weight
                if op != "rms_norm":
                    inputs["bias"] = bias
            y = function(inputs["x"], inputs.get("weight"), inputs.get("bias"), eps)
            golden.case(name, op, gradients(golden, name, y, inputs), {"eps": eps})

    norm = torch.nn.BatchNorm1d(6, eps=1e-3, momentum=0.25).double()
    x, later = golden.normal(9, 6), golden.normal(4, 6)
    with torch.no_grad():
        norm.weight.copy_(golden.normal(6))
        norm.bias.copy_(golden.normal(6))
        norm(x)
    norm.eval()
    roles = {
        "x": golden.input("track.x", x),
        "later": golden.input("track.later", later),
        "weight": golden.input("track.weight", norm.weight),
        "bias": golden.input("track.bias", norm.bias),
        "running_mean": golden.tensor("track.running_mean", norm.running_mean),
        "running_var": golden.tensor("track.running_var", norm.running_var),
        "y": golden.tensor("track.y", norm(later)),
    }
    golden.case("batch_norm.track", "batch_norm", roles, {"eps": 1e-3, "momentum": 0.25})


def embedding(golden):
    table = golden.normal(7, 4).requires_grad_()
    index = torch.tensor([[1, 5, 5], [0, 1, 6]])
    roles = gradients(golden, "embedding", F.embedding(index, table), {"table": table})
    roles["index"] = golden.input("embedding.index", index.to(torch.float64))
    golden.case("embedding", "embedding", roles)


def adaptive(golden):
    for name, bias in (("adaptive_log_softmax", False), ("adaptive_log_softmax.bias", True)):
        layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 11, [3, 7], 2.0, head_bias=bias).double()
        with torch.no_grad():
            for param in layer.parameters():
                param.copy_(golden.normal(*param.shape))
        x = golden.normal(5, 8)
        index = torch.tensor([0, 2, 4, 10, 7])
        loss = layer(x, index).loss
        loss.backward()
        roles = {
            "x": golden.input(f"{name}.x", x),
            "index": golden.input(f"{name}.index", index.to(torch.float64)),
            "y": golden.tensor(f"{name}.y", layer.log_prob(x)),
            "loss": golden.tensor(f"{name}.loss", loss),
        }
        for number, param in enumerate(layer.parameters()):
            roles[f"param.{number}"] = golden.input(f"{name}.param.{number}", param)
            roles[f"grad.{number}"] = golden.tensor(f"{name}.grad.{number}", param.grad)
        golden.case(name, "adaptive_log_softmax", roles)


def products(golden):
    """Batched products; the engine's transposed operands are given transposed."""
    shapes = {
        "matrix": ((3, 4), (4, 5)),
        "batch": ((2, 3, 4), (2, 4, 5)),
        "left": ((2, 3, 4), (4, 5)),
        "right": ((3, 4), (2, 4, 5)),
        "both": ((2, 1, 3, 4), (3, 4, 2)),
    }
    for form in ("nn", "nt", "tn"):
        for shape, (left, right) in shapes.items():
            name = f"matmul.{form}.{shape}"
            a, b = golden.normal(*left), golden.normal(*right)
            if form == "tn":
                a = a.transpose(-1, -2).contiguous()
            if form == "nt":
                b = b.transpose(-1, -2).contiguous()
            a, b = a.requires_grad_(), b.requires_grad_()
            y = torch.matmul(
                a.transpose(-1, -2) if form == "tn" else a,
                b.transpose(-1, -2) if form == "nt" else b,
            )
            golden.case(name, f"matmul.{form}", gradients(golden, name, y, {"a": a, "b": b}))


def build():
    golden = Golden(SEED)
    arithmetic(golden)
    reductions(golden)
    normalizations(golden)
    embedding(golden)
    adaptive(golden)
    products(golden)
    return golden
