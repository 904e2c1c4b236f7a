"""Writes the tables of examples/own_data from the packages that carry them.

    pip download --no-deps scikit-learn==1.9.1 vega_datasets==0.9.0 && python tools/tables.py *.whl
"""

import json
import sys
import zipfile
from pathlib import Path

OUT = Path(__file__).parent.parent / "examples" / "own_data"
KINDS = ["setosa", "versicolor", "virginica"]


def read(wheel: str, name: str) -> str:
    return zipfile.ZipFile(wheel).read(name).decode()


def iris(wheel: str) -> None:
    rows = read(wheel, "sklearn/datasets/data/iris.csv").split()[1:]
    rows = [",".join([*row.split(",")[:4], KINDS[int(row.split(",")[4])]]) for row in rows]
    header = "sepal_length,sepal_width,petal_length,petal_width,species"
    (OUT / "iris.csv").write_text("\n".join([header, *rows]) + "\n")


def cars(wheel: str) -> None:
    rows = []
    for car in json.loads(read(wheel, "vega_datasets/_data/cars.json")):
        car["Year"] = car["Year"][:4]
        rows.append(",".join("NA" if cell is None else str(cell) for cell in car.values()))
    header = "name,mpg,cylinders,displacement,horsepower,weight,acceleration,year,origin"
    (OUT / "cars.csv").write_text("\n".join([header, *rows]) + "\n")


for wheel in sys.argv[1:]:
    (iris if "scikit" in wheel else cars)(wheel)
