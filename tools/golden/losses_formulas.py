"""Losses of no package, written from their formulas in numpy, value and gradient: files as in losses.py."""

import numpy

from common import Golden

SEED = 16


def smape(y, t):
    """200 |y - t| / (|y| + |t|), 0 where both are 0; |x| has the slope 0 at 0."""
    size = abs(y) + abs(t)
    whole = numpy.where(size == 0, 1, size)
    slope = numpy.sign(y - t) / whole - abs(y - t) * numpy.sign(y) / whole**2
    return 200 * abs(y - t) / whole, 200 * numpy.where(size == 0, 0, slope)


def relative_l2(y, t, eps=1e-8):
    """|y - t| / max(|t|, eps) per row."""
    error = numpy.sqrt(((y - t) ** 2).sum(-1))
    size = numpy.maximum(numpy.sqrt((t**2).sum(-1)), eps)
    divisor = (numpy.where(error == 0, 1, error) * size)[:, None]
    return error / size, numpy.where(error[:, None] == 0, 0, (y - t) / divisor)


def inputs():
    """Predictions and targets, equal, opposite and 0 among them, and weights."""
    generator = numpy.random.default_rng(SEED)
    x, target = 3 * generator.standard_normal((2, 6, 5))
    x[0, :3] = target[0, :3]
    x[1], target[1] = [0, 0, 1e4, -2, 1e-3], [0, 1.5, -1e4, 0, 1e-6]
    target[2] = x[2]
    x[3], target[3] = abs(x[3]), abs(target[3])
    weights = [generator.random(shape) * 2 for shape in [(6, 5), (6,)]]
    return [numpy.float64(numpy.float32(values)) for values in [x, target, *weights]]


def build():
    golden = Golden(SEED)
    x, target, by_element, by_row = inputs()
    plain = {"x": golden.input("x", x), "target": golden.input("target", target)}
    weight = {name: golden.input(name, w) for name, w in [("by_element", by_element), ("by_row", by_row)]}
    for op, variant, loss, own, options in [
        ("smape", "plain", smape, None, {}),
        ("smape", "swapped", smape, "swapped", {}),
        ("smape", "weight", smape, "by_element", {}),
        ("smape", "row_weight", smape, "by_row", {}),
        ("relative_l2", "plain", relative_l2, None, {}),
        ("relative_l2", "swapped", relative_l2, "swapped", {}),
        ("relative_l2", "weight", relative_l2, "by_row", {}),
        ("relative_l2", "eps", relative_l2, None, {"eps": 4.0}),
    ]:
        swapped = own == "swapped"
        tensors = {"x": plain["target"], "target": plain["x"]} if swapped else dict(plain)
        y, slope = loss(*((target, x) if swapped else (x, target)), **options)
        if own in weight:
            tensors["weight"] = weight[own]
            w = {"by_element": by_element, "by_row": by_row}[own]
            w = w[:, None] if w.ndim < y.ndim else w
            y, slope = w * y, (w if w.ndim == 2 else w[:, None]) * slope
        for reduction, value, share in [("none", y, 1), ("mean", y.mean(), 1 / y.size), ("sum", y.sum(), 1)]:
            name = f"{op}.{variant}.{reduction}"
            results = {
                "y": golden.tensor(f"{name}/y", value),
                "grad_in": golden.tensor(f"{name}/grad_in", share * slope),
            }
            golden.case(name, op, tensors | results, options, reduction=reduction)
    return golden
