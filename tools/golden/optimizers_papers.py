"""Optimizers whose only source is a paper, written from the paper in numpy: files and streams as in optimizers.py.

`loss_roots` are numbers whose squares are the losses of the steps. The random numbers of Santa are those of wgrad's
generator (Threefry-2x32-20, Salmon et al. 2011) for seed 0; it is run on the random stream alone, since gradients that
jump drive its motion apart.
"""

import numpy

import optimizers
from common import Golden, f32

SEED = 6

CASES = [
    ("rmsprop_graves", "default", {}),
    ("rmsprop_graves", "momentum", {"momentum": 0.0, "lr": 1e-2}),
    ("rmsprop_graves", "rho", {"rho": 0.9}),
    ("rmsprop_graves", "eps", {"eps": 1e-2}),
    ("smorms3", "default", {}),
    ("smorms3", "lr", {"lr": 1e-2}),
    ("smorms3", "eps", {"eps": 1e-6}),
    ("smorms3", "weight_decay", {"weight_decay": 0.1}),
    ("adabound", "default", {}),
    ("adabound", "bounds", {"final_lr": 1e-2, "gamma": 0.1}),
    ("adabound", "betas", {"beta1": 0.8, "beta2": 0.95}),
    ("adabound", "amsgrad", {"amsgrad": 1}),
    ("eve", "default", {}),
    ("eve", "limits", {"beta3": 0.9, "c": 2.0}),
    ("eve", "least_loss", {"least_loss": 0.5, "lr": 1e-2}),
    ("eve", "betas", {"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1}),
    ("santa_e", "default", {"lr": 1e-4}),
    ("santa_e", "burn_in", {"lr": 1e-5, "burn_in": 50}),
    ("santa_e", "c", {"lr": 1e-4, "c": 1.0, "gamma": 1.0}),
    ("santa_e", "n", {"lr": 1e-4, "n": 4.0, "sigma": 0.9}),
    ("santa_sss", "default", {}),
    ("santa_sss", "burn_in", {"lr": 1e-3, "burn_in": 50}),
    ("santa_sss", "c", {"c": 1.0, "gamma": 1.0}),
    ("santa_sss", "n", {"n": 4.0, "sigma": 0.9}),
]


def rmsprop_graves(p, grads, losses, lr=1e-4, rho=0.95, momentum=0.9, eps=1e-4):
    """Graves 2013, equations 38 to 41."""
    n, mean, delta = numpy.zeros((3, p.size))
    for gradient in grads:
        n = rho * n + (1 - rho) * gradient**2
        mean = rho * mean + (1 - rho) * gradient
        delta = momentum * delta - lr * gradient / numpy.sqrt(n - mean**2 + eps)
        p = p + delta
        yield p, {"square_avg": n, "grad_avg": mean, "momentum_buffer": -delta}


def smorms3(p, grads, losses, lr=1e-3, eps=1e-16, weight_decay=0.0):
    """Funk 2015: a learning rate for each parameter, limited by the share of signal in its gradient."""
    memory = numpy.ones(p.size)
    g, g2 = numpy.zeros((2, p.size))
    for gradient in grads:
        gradient = gradient + weight_decay * p
        r = 1 / (memory + 1)
        g = (1 - r) * g + r * gradient
        g2 = (1 - r) * g2 + r * gradient**2
        signal = g**2 / (g2 + eps)
        memory = 1 + memory * (1 - signal)
        p = p - gradient * numpy.minimum(lr, signal) / (numpy.sqrt(g2) + eps)
        yield p, {"grad_avg": g, "square_avg": g2, "memory": memory}


def adabound(p, grads, losses, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, final_lr=0.1, gamma=1e-3, amsgrad=0):
    """Luo et al. 2019, with the bias correction and the bounds of the authors' code."""
    m, v, largest = numpy.zeros((3, p.size))
    for t, gradient in enumerate(grads, 1):
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        largest = numpy.maximum(largest, v)
        size = lr * numpy.sqrt(1 - beta2**t) / (1 - beta1**t)
        rate = size / (numpy.sqrt(largest if amsgrad else v) + eps)
        p = p - numpy.clip(rate, final_lr * (1 - 1 / (gamma * t + 1)), final_lr * (1 + 1 / (gamma * t))) * m
        yield p, {"exp_avg": m, "exp_avg_sq": v, **({"max_exp_avg_sq": largest} if amsgrad else {})}


def eve(p, grads, losses, lr=1e-3, beta1=0.9, beta2=0.999, beta3=0.999, c=10.0, least_loss=0.0, eps=1e-8, weight_decay=0.0):
    """Hayashi, Koushik and Neubig 2018, algorithm 1."""
    m, v = numpy.zeros((2, p.size))
    d, previous = 1.0, None
    for t, (gradient, loss) in enumerate(zip(grads, losses), 1):
        gradient = gradient + weight_decay * p
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        if previous is not None:
            change = abs(loss - previous) / (min(loss, previous) - least_loss)
            d = beta3 * d + (1 - beta3) * min(max(change, 1 / c), c)
        previous = loss
        p = p - lr / d * (m / (1 - beta1**t)) / (numpy.sqrt(v / (1 - beta2**t)) + eps)
        yield p, {"exp_avg": m, "exp_avg_sq": v}


def threefry(key, counter):
    words = [int(word) for word in counter]
    mask = 2**32 - 1
    keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA]
    words = [(word + k) & mask for word, k in zip(words, keys)]
    for group in range(5):
        for rotation in ([13, 15, 26, 6], [17, 29, 16, 24])[group % 2]:
            words[0] = (words[0] + words[1]) & mask
            words[1] = ((words[1] << rotation | words[1] >> (32 - rotation)) & mask) ^ words[0]
        words[0] = (words[0] + keys[(group + 1) % 3]) & mask
        words[1] = (words[1] + keys[(group + 2) % 3] + group + 1) & mask
    return words


KEY = threefry([0, 0], [6 << 24, 0x77677261])


def normals(step, count):
    """Two normal numbers for each element, from 24 bits each (Box and Muller 1958)."""
    words = numpy.array([threefry(KEY, [step, element]) for element in range(count)]) >> 8
    radius = numpy.sqrt(-2 * numpy.log((words[:, 0] + 1) / 2**24))
    angle = 2 * numpy.pi * words[:, 1] / 2**24
    return radius * numpy.cos(angle), radius * numpy.sin(angle)


def santa(p, grads, split, lr=1e-2, sigma=0.95, lambda_=1e-8, c=5.0, burn_in=100, gamma=0.5, n=16.0, least=1e-3):
    """Chen et al. 2016, algorithm 1 (Euler) or 2 (split)."""
    v, alpha, old_g = numpy.zeros(p.size), numpy.full(p.size, numpy.sqrt(lr) * c), None
    u = numpy.sqrt(lr) * normals(0, p.size)[1]
    for t, gradient in enumerate(grads, 1):
        zeta = normals(t - 1, p.size)[0]
        v = sigma * v + (1 - sigma) / n**2 * gradient**2
        g = 1 / numpy.sqrt(lambda_ + numpy.sqrt(v))
        old_g = g if old_g is None else old_g
        heat = lr / t**gamma
        divisor = numpy.copysign(numpy.maximum(abs(u), least), u)
        thermal = heat * (1 - old_g / g) / divisor + numpy.sqrt(2 * heat * old_g) * zeta
        explores = t < burn_in
        if split:
            p = p + g * u / 2
            if explores:
                alpha = alpha + (u**2 - heat) / 2
            kick = numpy.exp(-alpha / 2) * u - lr * g * gradient + (thermal if explores else 0)
            u = numpy.exp(-alpha / 2) * kick
            if explores:
                alpha = alpha + (u**2 - heat) / 2
            p = p + g * u / 2
        else:
            if explores:
                alpha = alpha + u**2 - heat
            u = (thermal if explores else 0) + (1 - alpha) * u - lr * g * gradient
            p = p + g * u
        old_g = g
        yield p, {"square_avg": v, "alpha": alpha, "u": u}


RUNS = {
    "rmsprop_graves": rmsprop_graves,
    "smorms3": smorms3,
    "adabound": adabound,
    "eve": eve,
    "santa_e": lambda p, grads, losses, **options: santa(p, grads, False, **options),
    "santa_sss": lambda p, grads, losses, **options: santa(p, grads, True, **options),
}


def build():
    golden = Golden(SEED)
    param = golden.input("param_0", golden.normal(optimizers.PARAMETERS))
    roots = golden.input("loss_roots", f32(golden.uniform(optimizers.STEPS) + 1.0))
    grads = {stream: golden.input(f"grads.{stream}", g) for stream, g in optimizers.streams(golden)}
    losses = golden.tensors[roots].numpy() ** 2
    for op, variant, options in CASES:
        for stream, grad in grads.items():
            if op.startswith("santa") and stream != "random":
                continue
            name = f"{op}.{variant}.{stream}"
            points = list(RUNS[op](golden.tensors[param].numpy(), golden.tensors[grad].numpy(), losses, **options))
            trail, state = [point for point, _ in points], points[-1][1]
            optimizers.file(golden, name, op, param, grad, trail, state, options, stream, {"loss_roots": roots})
    return golden
