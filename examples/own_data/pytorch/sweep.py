"""The twin of ../sweep.rs in PyTorch: `python sweep.py`."""

import csv
import pathlib

import torch

torch.manual_seed(0)
with open(pathlib.Path(__file__).parent / "../iris.csv") as file:
    header, *lines = csv.reader(file)
names = sorted({line[-1] for line in lines})
inputs = torch.tensor([[float(cell) for cell in line[:-1]] for line in lines])
labels = torch.tensor([names.index(line[-1]) for line in lines])
# Every class is dealt evenly to five folds.
fold = torch.empty(len(lines), dtype=torch.long)
for label in range(len(names)):
    rows = (labels == label).nonzero().flatten()
    fold[rows[torch.randperm(len(rows))]] = torch.arange(len(rows)) % 5


def validated(optimizer, rate, seed):
    """The accuracy and the loss of one run on the rows of its fold."""
    torch.manual_seed(seed)
    train, validation = (fold != seed).nonzero().flatten(), (fold == seed).nonzero().flatten()
    mean, deviation = inputs[train].mean(0), inputs[train].std(0, correction=0)
    x = (inputs - mean) / deviation
    model = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], 16), torch.nn.ReLU(), torch.nn.Linear(16, len(names))
    )
    optimizer = optimizer(model.parameters(), lr=rate)
    for epoch in range(20):
        for batch in train[torch.randperm(len(train))].split(16):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), labels[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        outputs = model(x[validation])
    right = (outputs.argmax(1) == labels[validation]).float().mean()
    return right.item(), torch.nn.functional.cross_entropy(outputs, labels[validation]).item()


print("accuracy  loss    optimizer")
table = []
for optimizer in (torch.optim.SGD, torch.optim.Adam):
    for rate in (0.1, 0.01, 0.001):
        runs = [validated(optimizer, rate, seed) for seed in range(5)]
        accuracy, loss = (sum(values) / len(runs) for values in zip(*runs))
        table.append((loss, f"{optimizer.__name__}(lr={rate})"))
        print(f"{accuracy:8.3f}  {loss:.4f}  {table[-1][1]}")
print(f"best: {min(table)[1]}")
