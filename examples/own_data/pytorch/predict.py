"""The twin of ../predict.rs in PyTorch: `python predict.py MODEL NUMBER...`."""

import sys

import torch

path, *numbers = sys.argv[1:]
saved = torch.load(path)
# The network is built again by hand: the file holds parameters only.
model = torch.nn.Sequential(
    torch.nn.Linear(len(saved["mean"]), 16), torch.nn.ReLU(), torch.nn.Linear(16, len(saved["names"]))
)
model.load_state_dict(saved["model"])
row = torch.tensor([[float(number) for number in numbers]])
with torch.no_grad():
    probabilities = model((row - saved["mean"]) / saved["deviation"]).softmax(1)[0]
print(saved["names"][probabilities.argmax()])
for name, probability in zip(saved["names"], probabilities.tolist()):
    print(f"{probability:.3f} {name}")
