"""The twin of ../regress.rs in PyTorch: `python regress.py`."""

import csv
import pathlib

import torch

torch.manual_seed(0)
with open(pathlib.Path(__file__).parent / "../cars.csv") as file:
    lines = list(csv.DictReader(file))
columns = [name for name in lines[0] if name not in ("mpg", "name", "origin")]
whole = [line for line in lines if "NA" not in (line[name] for name in [*columns, "mpg"])]
print(f"note: {len(lines) - len(whole)} of {len(lines)} rows have missing cells and are left out")
inputs = torch.tensor([[float(line[name]) for name in columns] for line in whole])
targets = torch.tensor([[float(line["mpg"])] for line in whole])
rows = torch.randperm(len(whole))
cut = round(0.8 * len(whole))
train, test = rows[:cut], rows[cut:]


def fitted(values):
    return values.mean(0), values.std(0, correction=0)


(mean, deviation), (shift, scale) = fitted(inputs[train]), fitted(targets[train])
x, y = (inputs - mean) / deviation, (targets - shift) / scale
model = torch.nn.Sequential(
    torch.nn.Linear(len(columns), 32), torch.nn.Tanh(), torch.nn.Linear(32, 1)
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(100):
    for batch in train[torch.randperm(len(train))].split(32):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x[batch]), y[batch]).backward()
        optimizer.step()

with torch.no_grad():
    predicted = model(x[test]) * scale + shift
apart, spread = predicted - targets[test], targets[test] - targets[test].mean()
r2 = 1 - apart.square().sum() / spread.square().sum()
print(f"R² {r2:.3f}, mean absolute error {apart.abs().mean():.2f} mpg")
for guess, actual in list(zip(predicted, targets[test]))[:5]:
    print(f"predicted {guess.item():5.1f}, actual {actual.item():5.1f}")
