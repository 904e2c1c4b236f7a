"""The twin of ../classify.rs in PyTorch: `python classify.py [MODEL]`."""

import csv
import pathlib
import sys

import torch

torch.manual_seed(0)
with open(pathlib.Path(__file__).parent / "../iris.csv") as file:
    header, *lines = csv.reader(file)
names = sorted({line[-1] for line in lines})
inputs = torch.tensor([[float(cell) for cell in line[:-1]] for line in lines])
labels = torch.tensor([names.index(line[-1]) for line in lines])
train, test = [], []
for label in range(len(names)):
    rows = (labels == label).nonzero().flatten()
    rows = rows[torch.randperm(len(rows))]
    cut = round(0.8 * len(rows))
    train.append(rows[:cut])
    test.append(rows[cut:])
train, test = torch.cat(train), torch.cat(test)

mean, deviation = inputs[train].mean(0), inputs[train].std(0, correction=0)
inputs = (inputs - mean) / deviation
model = torch.nn.Sequential(
    torch.nn.Linear(inputs.shape[1], 16), torch.nn.ReLU(), torch.nn.Linear(16, len(names))
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(100):
    for batch in train[torch.randperm(len(train))].split(16):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        torch.nn.functional.cross_entropy(model(inputs[test]), labels[test])

with torch.no_grad():
    predicted = model(inputs[test]).argmax(1)
counts = torch.zeros(len(names), len(names), dtype=torch.long)
for actual, guess in zip(labels[test], predicted):
    counts[actual, guess] += 1
print(f"accuracy {(predicted == labels[test]).float().mean():.3f}")
print(f"{'actual':10}", *(f"{name:>10}" for name in names), sep="  ")
for name, row in zip(names, counts.tolist()):
    print(f"{name:10}", *(f"{count:>10}" for count in row), sep="  ")
path = sys.argv[1] if len(sys.argv) > 1 else "model.pt"
torch.save({"model": model.state_dict(), "names": names, "mean": mean, "deviation": deviation}, path)
print("model:", path)
