"""The work of wgrad's report on PyTorch (CPU; CUDA eager and graphed where present), NumPy and JAX.

`python3 python.py [torch] [numpy] [jax]`, `--quick` for fewer rounds. Prints a line of JSON per measurement.
"""

import json
import sys
import time

import numpy as np

QUICK = "--quick" in sys.argv
ROUNDS = 3 if QUICK else 7
ACTIVATIONS = ("gelu", "relu", "sigmoid", "tanh", "silu", "softplus", "elu", "mish", "exp", "sin", "softsign")
SIDES = (256, 512) if QUICK else (256, 512, 1024)
# What only a GPU does in little time.
LARGE_SIDES = () if QUICK else (2048, 4096)


def seconds(work, wait=lambda: None):
    """The median time of one call, of rounds of about a fifth of a second each."""

    def timed(count):
        start = time.perf_counter()
        for _ in range(count):
            work()
        wait()
        return (time.perf_counter() - start) / count

    timed(3)
    count = int(min(max(0.2 / max(timed(1), 20e-6), 1), 1000))
    return sorted(timed(count) for _ in range(ROUNDS))[ROUNDS // 2]


def report(library, name, time_s):
    print(json.dumps({"library": library, "name": name, "us": round(time_s * 1e6, 2)}), flush=True)


def run_torch():
    import torch
    from torch import nn

    devices = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
    for device in devices:
        library = f"PyTorch {torch.__version__.split('+')[0]} {device}"
        wait = torch.cuda.synchronize if device == "cuda" else lambda: None

        def training(widths, rows, loss, target, library=library, device=device, wait=wait, name=""):
            layers = []
            for a, b in zip(widths, widths[1:]):
                layers += [nn.Linear(a, b), nn.ReLU()]
            model = nn.Sequential(*layers[:-1]).to(device)
            x, target = torch.rand(rows, widths[0], device=device), target.to(device)
            adam = torch.optim.Adam(model.parameters(), fused=True, capturable=device == "cuda")

            def step():
                adam.zero_grad(set_to_none=False)
                loss(model(x), target).backward()
                adam.step()

            report(library, name, seconds(step, wait))
            if device == "cuda":
                # A capture takes no work of another stream than its own.
                side = torch.cuda.Stream()
                side.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(side):
                    for _ in range(3):
                        step()
                torch.cuda.current_stream().wait_stream(side)
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    step()
                report(library + " graph", name, seconds(graph.replay, wait))

        sine = torch.sin(torch.rand(1000, 1))
        training([1, 64, 64, 1], 1000, nn.MSELoss(), sine, name="sine step")
        classes = torch.randint(0, 10, (128,))
        training([64, 64, 10], 128, nn.CrossEntropyLoss(), classes, name="digits step")
        training([784, 512, 128, 10], 128, nn.CrossEntropyLoss(), classes, name="wide step")
        for side in SIDES + (LARGE_SIDES if device == "cuda" else ()):
            a, b = (torch.randn(side, side, device=device) for _ in range(2))
            report(library, f"matmul {side}", seconds(lambda: a @ b, wait))
        for millions in (4, 64) if device == "cuda" and not QUICK else (4,):
            x = torch.randn(millions << 20, device=device)
            for name in ACTIVATIONS:
                f = getattr(torch, name, None) or getattr(torch.nn.functional, name)
                name = {"exp": "exponential", "sin": "sine"}.get(name, name)
                report(library, f"{name} {millions} M", seconds(lambda f=f: f(x), wait))
        for tensors in (1, 1000):
            params = [torch.randn((1 << 20) // tensors, device=device) for _ in range(tensors)]
            for param in params:
                param.grad = torch.randn_like(param)
            adam = torch.optim.Adam(params, fused=True)
            report(library, f"adam 1 M in {tensors}", seconds(adam.step, wait))
        x = torch.randn(4096, 1000, device=device, requires_grad=True)
        target = torch.randint(0, 1000, (4096,), device=device)

        def cross_entropy():
            x.grad = None
            torch.nn.functional.cross_entropy(x, target).backward()

        report(library, "cross_entropy 4096 x 1000", seconds(cross_entropy, wait))


def run_numpy():
    library = f"NumPy {np.__version__}"
    for side in SIDES:
        a, b = (np.random.randn(side, side).astype(np.float32) for _ in range(2))
        report(library, f"matmul {side}", seconds(lambda: a @ b))
    x, y = (np.random.rand(1000, 1).astype(np.float32) for _ in range(2))
    shapes = [(1, 64), (64,), (64, 64), (64,), (64, 1), (1,)]
    params = [np.random.randn(*shape).astype(np.float32) * 0.1 for shape in shapes]
    means, squares = ([np.zeros_like(p) for p in params] for _ in range(2))
    count = 0

    def step():
        nonlocal count
        count += 1
        w1, b1, w2, b2, w3, b3 = params
        h1 = np.maximum(x @ w1 + b1, 0)
        h2 = np.maximum(h1 @ w2 + b2, 0)
        d3 = (h2 @ w3 + b3 - y) * np.float32(2 / len(x))
        d2 = (d3 @ w3.T) * (h2 > 0)
        d1 = (d2 @ w2.T) * (h1 > 0)
        grads = [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)]
        rate = np.float32(1e-3 * np.sqrt(1 - 0.999**count) / (1 - 0.9**count))
        for p, g, m, v in zip(params, grads, means, squares):
            m += np.float32(0.1) * (g - m)
            v += np.float32(0.001) * (g * g - v)
            p -= rate * m / (np.sqrt(v) + np.float32(1e-8))

    report(library, "sine step", seconds(step))


def run_jax():
    import jax
    import jax.numpy as jnp
    import optax

    library = f"JAX {jax.__version__} {jax.default_backend()}"
    x = jnp.linspace(0, 1, 1000)[:, None]
    y = jnp.sin(6.28 * x)
    keys = jax.random.split(jax.random.PRNGKey(0), 3)
    widths = [1, 64, 64, 1]
    params = [
        (jax.random.normal(key, (a, b)) * 0.1, jnp.zeros(b))
        for key, a, b in zip(keys, widths, widths[1:])
    ]
    adam = optax.adam(1e-3)
    state = adam.init(params)

    def loss(params):
        h = x
        for number, (w, b) in enumerate(params):
            h = h @ w + b
            h = jax.nn.relu(h) if number < 2 else h
        return jnp.mean((h - y) ** 2)

    def body(carry, _):
        params, state = carry
        updates, state = adam.update(jax.grad(loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    steps = 100
    scan = jax.jit(lambda carry: jax.lax.scan(body, carry, None, length=steps)[0])
    work = lambda: jax.block_until_ready(scan((params, state)))
    report(library + " scan", "sine step", seconds(work) / steps)
    for side in SIDES:
        a, b = (jax.random.normal(key, (side, side)) for key in keys[:2])
        product = jax.jit(jnp.matmul)
        report(library, f"matmul {side}", seconds(lambda: product(a, b).block_until_ready()))


if __name__ == "__main__":
    chosen = [word for word in sys.argv[1:] if not word.startswith("--")] or ["torch", "numpy", "jax"]
    for name in chosen:
        globals()[f"run_{name}"]()
