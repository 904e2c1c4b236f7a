"""Losses that wgrad puts together of ops: linear_cross_entropy (x, linear_weight, bias, labels, class_weight) and
triplet_margin_with_distance (distances positive, negative, swapped). y is the value, grad_<role> the gradients.

With reduction "none" the gradient is that of the sum, an upstream of ones.
"""

import torch
import torch.nn.functional as F

from common import Golden, f32

SEED = 14
REDUCTIONS = ("none", "mean", "sum")
LEAVES = ("x", "linear_weight", "bias", "positive", "negative", "swapped")


def linear(golden):
    labels = torch.tensor([2, 8, 0, 3, 0, 5, 3, 3, 1, 7, 6])
    plain = {"x": golden.normal(11, 4), "linear_weight": golden.normal(9, 4), "labels": labels}
    bias = {"bias": golden.normal(9)}
    weight = {"class_weight": f32([1, 0.5, 2, 0.25, 3, 0, 1.5, 0.125, 1])}
    steep = plain | {"x": plain["x"] * 32}
    for variant, options, tensors in [
        ("plain", {}, plain),
        ("bias", {}, plain | bias),
        ("steep", {}, steep | bias),
        ("weight", {}, plain | bias | weight),
        ("ignore_index", {"ignore_index": 3}, plain | bias),
        ("smoothing", {"label_smoothing": 0.125}, plain | bias),
        ("all", {"label_smoothing": 0.25, "ignore_index": 0}, plain | bias | weight),
    ]:

        def loss(t, r, options=options):
            logits = F.linear(t["x"], t["linear_weight"], t.get("bias"))
            return F.cross_entropy(logits, t["labels"], t.get("class_weight"), reduction=r, **options)

        yield "linear_cross_entropy", variant, options, tensors, loss


class Between:
    """The distances of a triplet, asked for in torch's order."""

    def __init__(self, distances):
        self.left = list(distances)

    def __call__(self, _, __):
        return self.left.pop(0)


def triplets(golden):
    positive, negative, swapped = (golden.uniform(12) * 3 for _ in range(3))
    positive[0], negative[0] = 0.5, 1.5  # the kink at margin 1
    swapped[1] = negative[1]
    swapped[2] = negative[2]
    positive[3] = negative[3] = swapped[3] = 0
    two = {"positive": f32(positive), "negative": f32(negative)}
    for variant, options, tensors in [
        ("plain", {}, two),
        ("margin", {"margin": 0.25}, two),
        ("swap", {"margin": 2.0}, two | {"swapped": f32(swapped)}),
    ]:

        def loss(t, r, options=options):
            asked = [t[role] for role in ("positive", "negative", "swapped") if role in t]
            nothing = torch.zeros(12, 1, dtype=torch.float64)
            return F.triplet_margin_with_distance_loss(
                nothing,
                nothing,
                nothing,
                distance_function=Between(asked),
                swap="swapped" in t,
                reduction=r,
                **options,
            )

        yield "triplet_margin_with_distance", variant, options, tensors, loss


def build():
    golden = Golden(SEED)
    for op, variant, options, inputs, function in [*linear(golden), *triplets(golden)]:
        name = f"{op}.{variant}"
        names = {role: golden.input(f"{name}/{role}", value) for role, value in inputs.items()}
        leaves = [role for role in LEAVES if role in inputs]
        for reduction in REDUCTIONS:
            inner = {role: inputs[role].clone().requires_grad_() for role in leaves}
            y = function(inputs | inner, reduction)
            grads = torch.autograd.grad(y.sum(), [inner[role] for role in leaves])
            out = {"y": golden.tensor(f"{name}.{reduction}/y", y)}
            for role, grad in zip(leaves, grads):
                out[f"grad_{role}"] = golden.tensor(f"{name}.{reduction}/grad_{role}", grad)
            golden.case(f"{name}.{reduction}", op, names | out, options, reduction=reduction)
    return golden
