"""Optimizers that see matrices, by PyTorch and optax: files and streams as in optimizers.py, for a matrix and a vector.

In the stream `sparse` whole rows are 0 besides. Numbers of rows and columns are filed as one state value: those of the
rows, those of the columns, the mean of the rows.
"""

import jax
import optax
import torch

import optimizers
from common import Golden, in_float64

SEED = 8
SHAPES = {"matrix": (7, 5), "vector": (9,)}

# op, variant, options of torch.
TORCH = [
    ("adafactor", "default", {}),
    ("adafactor", "beta2_decay", {"beta2_decay": -0.5, "lr": 0.1}),
    ("adafactor", "eps", {"eps": (1e-4, 1e-2)}),
    ("adafactor", "weight_decay", {"weight_decay": 0.1, "d": 1.5}),
    ("adafactor", "maximize", {"maximize": True}),
    ("sparse_adam", "default", {}),
    ("sparse_adam", "betas", {"betas": (0.8, 0.95)}),
    ("sparse_adam", "eps", {"eps": 1e-4, "lr": 1e-2}),
    ("sparse_adam", "maximize", {"maximize": True}),
]

# op, variant, the transformation, our options.
OPTAX = [
    ("sm3", "default", optax.sm3(0.1), {}),
    ("sm3", "beta1", optax.sm3(0.01, momentum=0.5), {"lr": 0.01, "beta1": 0.5}),
    ("sm3", "beta2", optax.chain(optax.scale_by_sm3(0.9, b2=0.9, eps=1e-4), optax.scale(-0.1)), {"beta2": 0.9, "eps": 1e-4}),
    ("sm3", "weight_decay", optax.chain(optax.add_decayed_weights(0.1), optax.sm3(0.1)), {"weight_decay": 0.1}),
]


def joined(rows, cols):
    rows, cols = torch.as_tensor(rows).flatten(), torch.as_tensor(cols).flatten()
    return torch.cat([rows, cols, rows.mean()[None]])


def run_torch(op, options, start, grads):
    param = start.clone().requires_grad_()
    if op == "adafactor":
        # The default, torch's for float32, written out: torch takes that of the parameter's own type.
        options = {"eps": (1.1920929e-07, 1e-3), **options}
    optimizer = {"adafactor": torch.optim.Adafactor, "sparse_adam": torch.optim.SparseAdam}[op]([param], **options)
    trail = []
    for grad in grads:
        grad = grad.reshape(start.shape)
        param.grad = grad.to_sparse(1) if op == "sparse_adam" else grad.clone()
        optimizer.step()
        trail.append(param.detach().flatten().clone())
    state = optimizer.state[param]
    if op == "sparse_adam":
        return trail, {"exp_avg": state["exp_avg"].flatten(), "exp_avg_sq": state["exp_avg_sq"].flatten()}
    return trail, {"variances": state["variance"] if start.dim() == 1 else joined(state["row_var"], state["col_var"])}


def run_sm3(transformation, start, grads):
    @jax.jit
    def step(param, state, grad):
        updates, state = transformation.update(grad, state, param)
        return optax.apply_updates(param, updates), state

    param = jax.numpy.asarray(start.numpy())
    state = transformation.init(param)
    trail = []
    for grad in grads:
        param, state = step(param, state, grad.reshape(start.shape).numpy())
        trail.append(torch.tensor(param.tolist(), dtype=torch.float64).flatten())
    sm3 = next(s for s in jax.tree.leaves(state, is_leaf=lambda s: hasattr(s, "mu")) if hasattr(s, "mu"))
    lines = [torch.tensor(mu.tolist(), dtype=torch.float64) for mu in sm3.mu]
    state = {"exp_avg": torch.tensor(sm3.nu.tolist(), dtype=torch.float64).flatten()}
    state["accumulators"] = lines[0] if len(lines) == 1 else joined(*lines)
    return trail, state


def filed(options):
    options = dict(options)
    if "eps" in options and isinstance(options["eps"], tuple):
        options["eps1"], options["eps2"] = options.pop("eps")
    return optimizers.filed(options)


@in_float64()
def build():
    golden = Golden(SEED)
    for kind, shape in SHAPES.items():
        size = torch.Size(shape).numel()
        param = golden.input(f"param_0.{kind}", golden.normal(*shape))
        start = golden.tensors[param]
        for stream, grads in optimizers.streams(golden, size):
            if stream == "sparse" and kind == "matrix":
                keep = golden.uniform(len(grads), shape[0]) < 0.6
                grads = torch.where(keep.repeat_interleave(shape[1], dim=1), grads, 0.0)
            grad = golden.input(f"grads.{kind}.{stream}", grads)
            for op, variant, options in TORCH:
                trail, state = run_torch(op, options, start, grads)
                name = f"{op}.{variant}.{kind}.{stream}"
                optimizers.file(golden, name, op, param, grad, trail, state, filed(options), stream)
            for op, variant, transformation, options in OPTAX:
                trail, state = run_sm3(transformation, start, grads)
                name = f"{op}.{variant}.{kind}.{stream}"
                optimizers.file(golden, name, op, param, grad, trail, state, options, stream)
    return golden
