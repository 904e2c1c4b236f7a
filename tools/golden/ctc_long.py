"""CTC over sequences of the lengths of speech: values, and a few entries of the gradient by the logits.

So many logits are not stored; `recipe` makes them anew, exactly: (seed, deviation, shift of the blank's).
"""

import numpy
import torch
import torch.nn.functional as F
from common import Golden

SEED = 15
EXTENTS = (800, 3, 20)
REDUCTIONS = ("none", "mean", "sum")
# Entries of each gradient, besides the largest ones.
ENTRIES, LARGEST = 150, 50


def words(seed, count):
    """splitmix64, from a counter."""
    mix = numpy.uint64
    z = (numpy.arange(1, count + 1, dtype=mix) + mix(seed << 32)) * mix(0x9E3779B97F4A7C15)
    z = (z ^ (z >> mix(30))) * mix(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> mix(27))) * mix(0x94D049BB133111EB)
    return z ^ (z >> mix(31))


def logits(seed, deviation, shift):
    """Nearly normal: sums of twelve numbers of 16 bits, which float32 represents exactly."""
    count = numpy.prod(EXTENTS)
    parts = words(seed, 3 * count).view("<u2").reshape(count, 12).astype(numpy.int64)
    x = (parts.sum(-1) - 6 * 65536) / 65536 * deviation
    x = torch.from_numpy(x).reshape(EXTENTS)
    x[..., 0] += shift
    assert torch.equal(x.float().double(), x)
    return x


def build():
    golden = Golden(SEED)
    random = torch.randint(1, EXTENTS[-1], (100,), generator=golden.generator)
    # No class twice in a row, few classes with many repeats, and a short one.
    distinct = torch.tensor([1 + 7 * i % 19 for i in range(100)])
    repeats = torch.tensor([1 + i // 10 % 3 for i in range(100)])
    lists = torch.stack([torch.where(random > 9, random, distinct), repeats, distinct])
    lengths = torch.tensor([[800, 100], [799, 100], [640, 40]])
    shared = {"lists": golden.input("lists", lists), "lengths": golden.input("lengths", lengths)}
    shared["extents"] = golden.input("extents", torch.tensor(EXTENTS))
    for variant, recipe in [
        ("deviation_1", (1, 1, 0)),
        ("deviation_3", (2, 3, 0)),
        ("mostly_blank", (3, 1, 20)),
        ("mostly_blank_3", (4, 3, 12)),
        ("hardly_blank", (5, 3, -20)),
    ]:
        file(golden, variant, recipe, shared)
    return golden


def file(golden, variant, recipe, shared):
    times, labels = golden.tensors[shared["lengths"]].long().unbind(-1)
    lists = golden.tensors[shared["lists"]].long()
    inputs = shared | {"recipe": golden.input(f"{variant}/recipe", torch.tensor(recipe))}
    for reduction in REDUCTIONS:
        x = logits(*recipe).requires_grad_()
        y = F.ctc_loss(torch.log_softmax(x, -1), lists, times, labels, reduction=reduction)
        (grad,) = torch.autograd.grad(y.sum(), x)
        grad = grad.flatten()
        places = torch.randint(grad.numel(), (ENTRIES,), generator=golden.generator)
        places = torch.cat([places, grad.abs().topk(LARGEST).indices])
        name = f"ctc.{variant}.{reduction}"
        out = {
            "y": golden.tensor(f"{name}/y", y),
            "places": golden.tensor(f"{name}/places", places),
            "grad_in": golden.tensor(f"{name}/grad_in", grad[places]),
        }
        golden.case(name, "ctc", inputs | out, reduction=reduction)
