"""Losses: x (the prediction) and target or labels -> y, and the gradient of y with respect to x.

With reduction "none" the gradient is that of the sum, an upstream of ones. Labels are class indices.
"""

import torch
import torch.nn.functional as F

from common import NO_THRESHOLD, Golden, f32

SEED = 2
REDUCTIONS = ("none", "mean", "sum")


def categorical_cross_entropy(x, target, reduction):
    """On probabilities that are not renormalised; the gradient is that of torch's clamp (0 outside its bounds)."""
    value = -(target * torch.log(torch.clamp(x, 1e-7, 1 - 1e-7))).sum(-1)
    return {"none": value, "mean": value.mean(), "sum": value.sum()}[reduction]


def bce_with_logits(t, reduction):
    """Torch's own float64 formula adds x to -x in its tails (2e-6 off at x = -20); this one does not cancel."""
    x, target = t["x"], t["target"]
    positive = target * t.get("pos_weight", 1) * softplus(-x)
    value = t.get("weight", 1) * ((1 - target) * softplus(x) + positive)
    result = {"none": value, "mean": value.mean(), "sum": value.sum()}[reduction]
    theirs = F.binary_cross_entropy_with_logits(
        x, target, t.get("weight"), reduction=reduction, pos_weight=t.get("pos_weight")
    )
    grads = (torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for y in (result, theirs))
    assert torch.allclose(result, theirs, rtol=1e-14, atol=1e-13)
    assert torch.allclose(*grads, rtol=1e-14, atol=1e-15)
    return result


def softplus(x):
    return F.softplus(x, 1, NO_THRESHOLD)


def variants(golden):
    """op, variant, options, tensors by role, function of (tensors, reduction)."""
    x, target = golden.normal(6, 5) * 3, golden.normal(6, 5) * 3
    x[0, :3] = target[0, :3]
    x[1, 0], target[1, 0] = 100, -100
    regression = {"x": f32(x), "target": f32(target)}
    yield "mse", "plain", {}, regression, lambda t, r: F.mse_loss(t["x"], t["target"], reduction=r)
    yield "l1", "plain", {}, regression, lambda t, r: F.l1_loss(t["x"], t["target"], reduction=r)
    yield from binary(golden)
    yield from probabilities(golden)
    yield from classes(golden)


def binary(golden):
    p = golden.uniform(6, 5)
    target = (golden.uniform(6, 5) > 0.5).double()
    p[0] = f32([0, 1, 0, 1, 0.5])
    target[0] = f32([0, 1, 1, 0, 1])
    p[1, :4] = f32([1e-6, 1e-6, 1 - 2**-20, 1 - 2**-20])
    target[1, :4] = f32([0, 1, 0, 1])
    target[2] = golden.uniform(5)
    weight = golden.uniform(6, 5) * 2
    weight[3, 0] = 0
    weighted = {"weight": f32(weight)}
    plain = {"x": p, "target": target}

    def bce(t, r):
        return F.binary_cross_entropy(t["x"], t["target"], t.get("weight"), reduction=r)

    yield "bce", "plain", {}, plain, bce
    yield "bce", "weight", {}, plain | weighted, bce

    x = golden.normal(6, 5) * 3
    x[0] = f32([0, 20, -20, 100, -100])
    x[1] = f32([0, 20, -20, 100, -100])
    target[0], target[1] = 0, 1
    logits = {"x": f32(x), "target": target.clone()}
    pos_weight = {"pos_weight": f32([0.5, 1, 2, 3, 0.25])}

    yield "bce_with_logits", "plain", {}, logits, bce_with_logits
    yield "bce_with_logits", "weight", {}, logits | weighted, bce_with_logits
    yield "bce_with_logits", "pos_weight", {}, logits | pos_weight, bce_with_logits
    yield "bce_with_logits", "both", {}, logits | weighted | pos_weight, bce_with_logits


def probabilities(golden):
    p = torch.softmax(golden.normal(6, 5) * 2, -1)
    p[0] = f32([1, 0, 0, 0, 0])
    p[1] = f32([1, 0, 0, 0, 0])
    p[2] = 0.2
    p[3] *= 3  # not renormalised
    p[3].clamp_(max=0.9)
    labels = torch.tensor([0, 3, 1, 2, 4, 0])
    one_hot = F.one_hot(labels, 5).double()
    soft = f32(torch.softmax(golden.normal(6, 5), -1))
    p = f32(p)

    def loss(t, r):
        target = t["target"] if "target" in t else one_hot
        return categorical_cross_entropy(t["x"], target, r)

    op = "categorical_cross_entropy"
    yield op, "labels", {}, {"x": p, "labels": labels}, loss
    yield op, "one_hot", {}, {"x": p, "target": one_hot}, loss
    yield op, "probabilities", {}, {"x": p, "target": soft}, loss


def classes(golden):
    x = golden.normal(7, 5) * 2
    x[0] = 1.5
    x[1] = f32([100, -100, 0, 20, -20])
    x[2] = f32([-1000, 1000, 999, 0, 1])
    labels = {"labels": torch.tensor([2, 1, 1, 3, 0, 4, 3])}
    logits = {"x": f32(x)}
    soft = {"target": f32(torch.softmax(golden.normal(7, 5), -1))}
    weight = {"class_weight": f32([1, 0.5, 2, 0.25, 3])}
    smooth, ignore = {"label_smoothing": 0.1}, {"ignore_index": 3}

    def loss(options):
        def value(t, r):
            target = t["labels"].long() if "labels" in t else t["target"]
            return F.cross_entropy(t["x"], target, t.get("class_weight"), reduction=r, **options)

        return value

    for variant, options, tensors in [
        ("labels", {}, logits | labels),
        ("label_smoothing", smooth, logits | labels),
        ("class_weight", {}, logits | labels | weight),
        ("ignore_index", ignore, logits | labels),
        ("labels_all", smooth | ignore, logits | labels | weight),
        ("probabilities", {}, logits | soft),
        ("probabilities_label_smoothing", smooth, logits | soft),
        ("probabilities_all", smooth, logits | soft | weight),
    ]:
        yield "cross_entropy", variant, options, tensors, loss(options)


def build():
    golden = Golden(SEED)
    for op, variant, options, inputs, function in variants(golden):
        name = f"{op}.{variant}"
        names = {role: golden.input(f"{name}/{role}", value) for role, value in inputs.items()}
        for reduction in REDUCTIONS:
            x = inputs["x"].clone().requires_grad_()
            y = function(inputs | {"x": x}, reduction)
            (grad,) = torch.autograd.grad(y.sum(), x)
            out = {
                "y": golden.tensor(f"{name}.{reduction}/y", y),
                "grad_in": golden.tensor(f"{name}.{reduction}/grad_in", grad),
            }
            golden.case(f"{name}.{reduction}", op, names | out, options, reduction=reduction)
    return golden
