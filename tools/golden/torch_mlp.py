"""A small network as PyTorch saves it, and its outputs in float64."""

import torch
from common import Golden
from safetensors.torch import save

SEED = 4


def model():
    torch.manual_seed(SEED)
    return torch.nn.Sequential(torch.nn.Linear(5, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))


def weights():
    """The file that `safetensors.torch.save_file(model.state_dict(), path)` writes."""
    return save(model().state_dict())


def build():
    golden = Golden(SEED)
    x = golden.normal(7, 5)
    tensors = {"x": golden.input("x", x), "y": golden.tensor("y", model().double()(x))}
    golden.case("torch_mlp", "sequential", tensors)
    return golden
