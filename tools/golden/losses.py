"""Losses: x (the prediction) and target or labels -> y, and the gradient of y with respect to x (grad_in). Losses of
several inputs have second and third, and grad_second and grad_third.

With reduction "none" the gradient is that of the sum, an upstream of ones. Labels are class indices.
"""

import collections

import torch
import torch.nn.functional as F

from common import NO_THRESHOLD, Golden, f32

SEED = 2
# Of each loss at least.
CASES = 12
REDUCTIONS = ("none", "mean", "sum")


def categorical_cross_entropy(x, target, reduction, clip=1e-7):
    """On probabilities that are not renormalised; the gradient is that of torch's clamp (0 outside its bounds)."""
    value = -(target * torch.log(torch.clamp(x, clip, 1 - clip))).sum(-1)
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
    yield from elementwise(golden)
    yield from scores(golden)
    yield from vectors(golden)
    yield from sequences(golden)


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

    def clipped(t, r):
        return F.binary_cross_entropy(torch.clamp(t["x"], 2**-4, 1 - 2**-4), t["target"], reduction=r)

    yield "bce", "eps", {"eps": 2**-4}, plain, clipped

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

    def clipped(t, r):
        return categorical_cross_entropy(t["x"], t["target"], r, 2**-4)

    yield op, "clip", {"clip": 2**-4}, {"x": p, "target": soft}, clipped


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


def reduced(value, reduction):
    return {"none": value, "mean": value.mean(), "sum": value.sum()}[reduction]


def signs(golden, *shape):
    return torch.where(golden.uniform(*shape) < 0.5, -1.0, 1.0).double()


def plain(name, **options):
    """torch's own function of (x, target)."""

    def loss(t, r):
        return getattr(F, name)(t["x"], t["target"], reduction=r, **options)

    return loss


def formula(function):
    """A loss that torch lacks, written in torch."""
    return lambda t, r: reduced(function(t["x"], t["target"]), r)


def elementwise(golden):
    x, target = golden.normal(6, 5) * 3, golden.normal(6, 5) * 3
    x[0, :3] = target[0, :3]
    x[1, 0], target[1, 0] = 100, -100
    real = {"x": f32(x), "target": f32(target)}
    yield "smooth_l1", "plain", {}, real, plain("smooth_l1_loss")
    yield "smooth_l1", "beta", {"beta": 2.5}, real, plain("smooth_l1_loss", beta=2.5)
    yield "huber", "plain", {}, real, plain("huber_loss")
    yield "huber", "delta", {"delta": 2.5}, real, plain("huber_loss", delta=2.5)
    yield "squared_error", "plain", {}, real, formula(lambda y, t: (y - t) ** 2 / 2)
    yield "quantile", "tau", {"tau": 0.75}, real, formula(quantile)
    yield "mape", "plain", {}, real, formula(mape)
    positive = {"x": f32(x.abs()), "target": f32(target.abs())}
    yield "msle", "plain", {}, positive, formula(lambda y, t: (torch.log1p(y) - torch.log1p(t)) ** 2)

    sign = {"x": f32(x / 2), "target": signs(golden, 6, 5)}
    yield "soft_margin", "plain", {}, sign, plain("soft_margin_loss")
    yield "hinge_embedding", "plain", {}, sign, plain("hinge_embedding_loss")
    yield "hinge_embedding", "margin", {"margin": 2.5}, sign, plain("hinge_embedding_loss", margin=2.5)
    yield "hinge", "plain", {}, sign, formula(lambda y, t: torch.relu(1 - t * y))
    yield "squared_hinge", "plain", {}, sign, formula(lambda y, t: torch.relu(1 - t * y) ** 2)
    yield "exponential_loss", "plain", {}, {"x": f32(x / 4), "target": sign["target"]}, formula(
        lambda y, t: torch.exp(-t * y)
    )
    yield from likelihoods(golden)


def quantile(y, t):
    return 0.75 * torch.relu(t - y) + 0.25 * torch.relu(y - t)


def mape(y, t):
    return 100 * (t - y).abs() / t.abs().clamp(min=1e-7)


def likelihoods(golden):
    x, counts = golden.normal(6, 5), torch.floor(golden.uniform(6, 5) * 6)
    poisson = {"x": f32(x), "target": counts}
    for variant, options in [
        ("plain", {}),
        ("full", {"full": True}),
        ("rate", {"log_input": False}),
        ("rate_full", {"log_input": False, "full": True, "eps": 1e-3}),
    ]:
        inputs = poisson if options.get("log_input", True) else poisson | {"x": f32(x.abs() + 0.1)}
        yield "poisson_nll", variant, options, inputs, plain("poisson_nll_loss", **options)

    variance = golden.uniform(6, 5) * 2
    variance[0, :3] = f32([0, 1e-7, 1])
    gaussian = {"x": f32(x), "target": f32(golden.normal(6, 5)), "second": f32(variance)}
    for variant, options in [("plain", {}), ("full", {"full": True}), ("eps", {"eps": 0.125})]:

        def loss(t, r, options=options):
            return F.gaussian_nll_loss(t["x"], t["target"], t["second"], reduction=r, **options)

        yield "gaussian_nll", variant, options, gaussian, loss

    log_p = f32(torch.log_softmax(golden.normal(6, 5), -1))
    q = f32(torch.softmax(golden.normal(6, 5), -1))
    q[0, :2] = 0
    yield "kl_div", "plain", {}, {"x": log_p, "target": q}, plain("kl_div")
    log_q = {"x": log_p, "target": f32(torch.log_softmax(golden.normal(6, 5), -1))}
    yield "kl_div", "log_target", {"log_target": True}, log_q, plain("kl_div", log_target=True)


def scores(golden):
    x = golden.normal(7, 5) * 2
    x[0] = 1.5
    labels = torch.tensor([2, 1, 1, 3, 0, 4, 3])
    weight = {"class_weight": f32([1, 0.5, 2, 0.25, 3])}
    log_p = {"x": f32(torch.log_softmax(x, -1)), "labels": labels}
    for variant, options, tensors in [
        ("plain", {}, log_p),
        ("weight", {}, log_p | weight),
        ("ignore_index", {"ignore_index": 3}, log_p | weight),
    ]:

        def nll(t, r, options=options):
            return F.nll_loss(t["x"], t["labels"].long(), t.get("class_weight"), reduction=r, **options)

        yield "nll", variant, options, tensors, nll

    logits = {"x": f32(x), "labels": labels}
    for variant, options, tensors in [
        ("plain", {}, logits),
        ("squared", {"p": 2, "margin": 0.5}, logits),
        ("weight", {}, logits | weight),
    ]:

        def multi_margin(t, r, options=options):
            labels, weight = t["labels"].long(), t.get("class_weight")
            return F.multi_margin_loss(t["x"], labels, weight=weight, reduction=r, **options)

        yield "multi_margin", variant, options, tensors, multi_margin

    lists = torch.tensor(
        [[3, 0, -1, 1, 1], [-1, 2, 2, 2, 2], [0, 1, 2, 3, 4], [4, -1, 0, 0, 0]]
        + [[2, 1, 0, -1, 0], [1, -1, -1, -1, -1], [0, 3, -1, 4, 4]]
    )
    lists = {"x": f32(x), "lists": lists}
    yield "multilabel_margin", "plain", {}, lists, lambda t, r: F.multilabel_margin_loss(
        t["x"], t["lists"].long(), reduction=r
    )
    x[1] = f32([100, -100, 0, 20, -20])
    several = {"x": f32(x), "target": (golden.uniform(7, 5) > 0.5).double()}

    def multilabel(t, r):
        return F.multilabel_soft_margin_loss(t["x"], t["target"], t.get("class_weight"), reduction=r)

    yield "multilabel_soft_margin", "plain", {}, several, multilabel
    yield "multilabel_soft_margin", "weight", {}, several | weight, multilabel
    one_hot = {"x": f32(x), "target": F.one_hot(labels, 5).double()}
    yield "categorical_hinge", "plain", {}, one_hot, categorical_hinge
    share = {"x": golden.uniform(7, 5), "target": (golden.uniform(7, 5) > 0.5).double()}
    yield "dice", "plain", {}, share, dice
    yield "dice", "smoothing", {"smoothing": 0.25}, share, lambda t, r: dice(t, r, 0.25)
    yield from images(golden)


def categorical_hinge(t, r):
    wrong = ((1 - t["target"]) * t["x"]).amax(-1)
    return reduced(torch.relu(1 + wrong - (t["target"] * t["x"]).sum(-1)), r)


def dice(t, r, smoothing=1):
    both = 2 * (t["x"] * t["target"]).flatten(1).sum(-1) + smoothing
    return reduced(1 - both / (t["x"].flatten(1).sum(-1) + t["target"].flatten(1).sum(-1) + smoothing), r)


def images(golden):
    """Classes on the second of four axes."""
    x = {"x": f32(golden.normal(2, 5, 3, 2) * 2)}
    labels = {"labels": torch.floor(golden.uniform(2, 3, 2) * 5).long()}
    soft = {"target": f32(torch.softmax(golden.normal(2, 5, 3, 2), 1))}
    weight = {"class_weight": f32([1, 0.5, 2, 0.25, 3])}
    options = {"label_smoothing": 0.1, "ignore_index": 3}
    for variant, options, tensors in [
        ("image_labels", {}, x | labels),
        ("image_all", options, x | labels | weight),
        ("image_probabilities", {"label_smoothing": 0.1}, x | soft | weight),
    ]:

        def loss(t, r, options=options):
            target = t["labels"].long() if "labels" in t else t["target"]
            return F.cross_entropy(t["x"], target, t.get("class_weight"), reduction=r, **options)

        yield "cross_entropy", variant, options, tensors, loss


def vectors(golden):
    a, p, n = (golden.normal(6, 5) for _ in range(3))
    p[0] = a[0]
    n[1] = a[1]
    p[2] = n[2] = a[2]
    a[3] = 0
    three = {"x": f32(a), "second": f32(p), "third": f32(n)}
    for variant, options in [
        ("plain", {}),
        ("swap", {"swap": True, "margin": 2}),
        ("l1", {"p": 1}),
        ("l3", {"p": 3, "swap": True}),
        ("eps", {"eps": 0.125}),
    ]:

        def triplet(t, r, options=options):
            return F.triplet_margin_loss(t["x"], t["second"], t["third"], reduction=r, **options)

        yield "triplet_margin", variant, options, three, triplet

    def distance(x, y, eps=1e-8):
        return 1 - F.cosine_similarity(x, y, eps=eps)

    for variant, options, eps in [
        ("plain", {}, 1e-8),
        ("swap", {"swap": True, "margin": 0.5}, 1e-8),
        ("eps", {}, 2),
    ]:

        def cosine_triplet(t, r, options=options, eps=eps):
            def far(x, y):
                return distance(x, y, eps)

            return F.triplet_margin_with_distance_loss(
                t["x"], t["second"], t["third"], distance_function=far, reduction=r, **options
            )

        options = options if eps < 1 else {"eps": eps}

        yield "triplet_margin_cosine", variant, options, three, cosine_triplet

    two = {"x": f32(a), "second": f32(p)}
    number = {"number": signs(golden, 6)}
    for variant, options in [("plain", {}), ("margin", {"margin": 0.25})]:

        def cosine(t, r, options=options):
            return F.cosine_embedding_loss(t["x"], t["second"], t["number"], reduction=r, **options)

        yield "cosine_embedding", variant, options, two | number, cosine

        def ranking(t, r, options=options):
            return F.margin_ranking_loss(t["x"], t["second"], t["target"], reduction=r, **options)

        sign = {"target": signs(golden, 6, 5)}
        yield "margin_ranking", variant, options, two | sign, ranking
    near = {"x": f32(a[4:]), "target": f32(p[4:])}
    yield "cosine_similarity_loss", "plain", {}, near, lambda t, r: reduced(
        distance(t["x"], t["target"]), r
    )
    yield "cosine_similarity_loss", "eps", {"eps": 3}, near, lambda t, r: reduced(
        distance(t["x"], t["target"], 3), r
    )


def sequences(golden):
    """Logits (time, samples, classes): torch's gradient by log-probabilities is not their derivative, that by logits is."""
    lists = torch.tensor([[1, 2, 2, 3], [4, 4, 0, 0], [0, 0, 0, 0], [3, 1, 3, 0], [2, 2, 2, 2]])
    lengths = torch.tensor([[9, 4], [8, 2], [7, 0], [6, 3], [9, 4]])
    inputs = {"x": golden.normal(9, 5, 5), "lists": lists, "lengths": lengths}
    short = inputs | {"lengths": torch.tensor([[4, 4], [8, 2], [7, 0], [2, 3], [6, 4]])}
    last = inputs | {"lists": (lists + 4) % 5}
    for variant, options, tensors in [
        ("plain", {}, inputs),
        ("zero_infinity", {"zero_infinity": True}, short),
        ("blank", {"blank": 4}, last),
    ]:

        def loss(t, r, options=options):
            times, labels = t["lengths"].long().unbind(-1)
            log_probs = torch.log_softmax(t["x"], -1)
            return F.ctc_loss(log_probs, t["lists"].long(), times, labels, reduction=r, **options)

        yield "ctc", variant, options, tensors, loss


def from_optax(golden):
    """Losses and derivatives of optax, checked by torch's formula."""
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    x, target = golden.normal(6, 5) * 3, golden.normal(6, 5) * 3
    x[0, :3] = target[0, :3]
    labels = (golden.uniform(6, 5) > 0.5).double()
    for op, options, inputs, function in [
        ("squared_error", {}, (x, target), optax.losses.l2_loss),
        ("log_cosh", {}, (x, target), optax.losses.log_cosh),
        ("hinge", {}, (x, signs(golden, 6, 5)), optax.losses.hinge_loss),
        ("focal", {}, (x, labels), lambda y, t: optax.losses.sigmoid_focal_loss(y, t, alpha=0.25, gamma=2.0)),
        (
            "focal",
            {"alpha": -1, "gamma": 3},
            (x, labels),
            lambda y, t: optax.losses.sigmoid_focal_loss(y, t, gamma=3.0),
        ),
    ]:
        y, t = (f32(value).numpy() for value in inputs)
        value = jax.jit(function)(y, t)
        slope = jax.grad(lambda y: function(y, t).sum())(y)
        yield op, "optax" + "_".join(map(str, options)), options, y, t, value, slope


def file_optax(golden, among=None, draw=""):
    for op, variant, options, x, target, value, slope in from_optax(golden):
        if among is not None and op not in among:
            continue
        name = f"{op}.{variant}{draw}"
        tensors = {"x": x, "target": target}
        names = {role: golden.input(f"{name}/{role}", value) for role, value in tensors.items()}
        for reduction, y, share in [
            ("none", value, 1),
            ("mean", value.mean(), value.size),
            ("sum", value.sum(), 1),
        ]:
            out = {
                "y": golden.tensor(f"{name}.{reduction}/y", numbers(y)),
                "grad_in": golden.tensor(f"{name}.{reduction}/grad_in", numbers(slope / share)),
            }
            golden.case(f"{name}.{reduction}", op, names | out, options, reduction=reduction)


def numbers(array):
    import numpy

    return torch.from_numpy(numpy.array(array))


def build():
    golden = Golden(SEED)
    file_torch(golden)
    file_optax(golden)
    # Further draws for whatever has fewer cases than that.
    for draw in range(2, 5):
        counts = collections.Counter(case["op"] for case in golden.cases)
        few = {op for op, count in counts.items() if count < CASES}
        file_torch(golden, few, f"_{draw}")
        file_optax(golden, few, f"_{draw}")
    return golden


def file_torch(golden, among=None, draw=""):
    for op, variant, options, inputs, function in variants(golden):
        if among is not None and op not in among:
            continue
        name = f"{op}.{variant}{draw}"
        names = {role: golden.input(f"{name}/{role}", value) for role, value in inputs.items()}
        leaves = [role for role in ("x", "second", "third") if role in inputs]
        for reduction in REDUCTIONS + (("batchmean",) if op == "kl_div" else ()):
            inner = {role: inputs[role].clone().requires_grad_() for role in leaves}
            y = function(inputs | inner, reduction)
            grads = torch.autograd.grad(y.sum(), [inner[role] for role in leaves])
            out = {"y": golden.tensor(f"{name}.{reduction}/y", y)}
            for role, grad in zip(leaves, grads):
                role = "grad_in" if role == "x" else f"grad_{role}"
                out[role] = golden.tensor(f"{name}.{reduction}/{role}", grad)
            golden.case(f"{name}.{reduction}", op, names | out, options, reduction=reduction)
