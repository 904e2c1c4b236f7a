"""L-BFGS: torch.optim.LBFGS with max_iter=1 and no line search over functions of 16 numbers. As its steps depend on
gradients that belong together, the gradients are those of torch's own path, rounded to float32; files as in
optimizers.py, the stream being the function.
"""

import torch

import optimizers
from common import Golden, f32, in_float64

SEED = 9

CASES = [
    ("default", {"lr": 0.1}),
    ("history_size", {"lr": 0.1, "history_size": 4}),
    ("lr", {"lr": 0.3, "history_size": 10}),
    ("tolerances", {"lr": 0.1, "tolerance_grad": 0.05, "tolerance_change": 1e-3}),
]

N = optimizers.PARAMETERS
SCALES = torch.logspace(-1, 2, N, dtype=torch.float64)

FUNCTIONS = {
    "quadratic": lambda p: (SCALES * p**2).sum() / 2,
    "rosenbrock": lambda p: (100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum(),
    "cosines": lambda p: (p**2 / 10 - torch.cos(2 * p) + torch.cos(p + p.roll(1))).sum(),
}


def run(function, start, options):
    param = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([param], max_iter=1, **options)
    trail, grads = [], []

    def closure():
        loss = function(param)
        (grad,) = torch.autograd.grad(loss, param)
        param.grad = f32(grad)
        grads.append(param.grad.clone())
        return loss

    for _ in range(optimizers.STEPS):
        optimizer.step(closure)
        trail.append(param.detach().clone())
    return trail, grads, {"prev_flat_grad": optimizer.state[param]["prev_flat_grad"]}


@in_float64()
def build():
    golden = Golden(SEED)
    param = golden.input("param_0", golden.normal(N))
    for stream, function in FUNCTIONS.items():
        for variant, options in CASES:
            name = f"lbfgs.{variant}.{stream}"
            trail, grads, state = run(function, golden.tensors[param], options)
            grad = golden.input(f"{name}/grads", torch.stack(grads))
            optimizers.file(golden, name, "lbfgs", param, grad, trail, state, options, stream)
    return golden
