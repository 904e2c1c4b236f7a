"""What a golden file holds.

A safetensors file: float64 tensors, and in the metadata one key, `cases`, with a JSON list. A case is

    name      unique in the file
    op        the op's name in wgrad's registry
    options   name -> number or boolean: what differs from PyTorch's defaults, by wgrad's names
    tensors   role -> name of the tensor in the file; cases share tensors
    reduction "none", "mean" or "sum" (losses)
    stream    which gradients (optimizers)

Every input is representable in float32, so that an engine in float32 sees the same numbers; results are computed
in float64 and not rounded.
"""

import contextlib
import json
import pathlib

import torch
from safetensors.torch import save

DIRECTORY = pathlib.Path(__file__).parent.parent.parent / "tests" / "golden"

# Torch's softplus is x itself above its threshold of 20; wgrad's has no threshold, so it is put out of reach.
NO_THRESHOLD = 1e9


@contextlib.contextmanager
def in_float64():
    """Some of torch's own numbers take the default type."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def f32(values):
    """A float64 tensor of the nearest float32 numbers."""
    return torch.as_tensor(values, dtype=torch.float64).to(torch.float32).to(torch.float64)


class Golden:
    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.tensors = {}
        self.cases = []

    def normal(self, *shape):
        return f32(torch.randn(shape, dtype=torch.float64, generator=self.generator))

    def uniform(self, *shape):
        return f32(torch.rand(shape, dtype=torch.float64, generator=self.generator))

    def tensor(self, name, value):
        """Files a tensor and returns its name."""
        assert name not in self.tensors, name
        value = torch.as_tensor(value).detach().to(torch.float64).contiguous().clone()
        assert torch.isfinite(value).all(), name
        self.tensors[name] = value
        return name

    def input(self, name, value):
        """Files a tensor that an engine in float32 is given."""
        assert torch.equal(f32(value), torch.as_tensor(value, dtype=torch.float64)), name
        return self.tensor(name, value)

    def case(self, name, op, tensors, options=None, **more):
        assert all(case["name"] != name for case in self.cases), name
        assert set(tensors.values()) <= set(self.tensors), name
        self.cases.append(
            {"name": name, "op": op, "options": options or {}, **more, "tensors": tensors}
        )

    def bytes(self):
        return save(self.tensors, metadata={"cases": json.dumps(self.cases)})
